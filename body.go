package weir

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// A Body is a request body held in memory, so that it can be sent more than
// once. It counts against the governor's bounds until it is released. Its methods
// may be called concurrently.
type Body struct {
	account *account

	mu   sync.Mutex // guards data
	data []byte
}

// ReadBody reads a request body to its end. The length is that of the request,
// or -1 if it is not known. It fails with a [*RefusedError] when there is no room
// for it, and with the reader's error if that breaks off. The reader is not closed.
func (g *Governor) ReadBody(c *Call, r io.Reader, length int64) (*Body, error) {
	a, err := g.account(c)
	if err != nil {
		return nil, err
	}
	b := &Body{account: a}
	if r == nil || r == http.NoBody || length == 0 {
		return b, nil
	}
	full := &RefusedError{Reason: QueueFull, Lane: c.Lane(), Hint: "the request bodies held in memory for this provider are at their bound"}
	if length > 0 {
		if !a.hold(length) {
			return nil, full
		}
		b.data = make([]byte, length)
		if n, err := io.ReadFull(r, b.data); err != nil {
			b.Release()
			return nil, fmt.Errorf("weir: request body broke off after %d of %d bytes: %w", n, length, err)
		}
		return b, nil
	}
	var buf bytes.Buffer
	for {
		const step = 64 << 10
		if !a.hold(step) {
			a.hold(-int64(buf.Len()))
			return nil, full
		}
		n, err := io.CopyN(&buf, r, step)
		a.hold(n - step)
		if err == io.EOF {
			b.data = buf.Bytes()
			return b, nil
		}
		if err != nil {
			a.hold(-int64(buf.Len()))
			return nil, fmt.Errorf("weir: request body broke off after %d bytes: %w", buf.Len(), err)
		}
	}
}

// hold counts bytes held for the account, or no longer held if n is negative.
// It returns false, and counts nothing, if that would be too many.
func (a *account) hold(n int64) bool {
	limit := a.g.cfg.MaxBytes
	if total := a.g.bytes.Add(n); n > 0 && total > limit {
		a.g.bytes.Add(-n)
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if n > 0 && a.bytes+n > (limit+1)/2 {
		a.g.bytes.Add(-n)
		return false
	}
	a.bytes += n
	return true
}

// Bytes returns the body, nil once it is released. It must not be changed.
func (b *Body) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data
}

// Release lets go of the memory. Readers that were handed out go on.
func (b *Body) Release() {
	b.mu.Lock()
	n := len(b.data)
	b.data = nil
	b.mu.Unlock()
	if n > 0 {
		b.account.hold(-int64(n))
	}
}

// attach makes a request send the body.
func (b *Body) attach(r *http.Request) {
	data := b.Bytes()
	r.ContentLength = int64(len(data))
	if len(data) == 0 {
		r.Body, r.GetBody = http.NoBody, func() (io.ReadCloser, error) { return http.NoBody, nil }
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
}
