package weir

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"sync"
)

// A Body is a request body held in memory, so that it can be sent more than
// once. It counts against the governor's bounds until it is released. Its methods
// may be called concurrently.
//
// Large bodies lie in buffers that are used again, since a fresh megabyte for each
// request costs more than sending it. A buffer goes back when the body has been
// released and no reader of it is open; a base transport may go on reading for a
// moment after its answer has begun.
type Body struct {
	account *account

	mu       sync.Mutex // guards the fields below
	data     []byte
	readers  int
	released bool
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
	const step = 16 << 10 // first guess where the length is not known
	want := length
	if want < 0 {
		want = step
	}
	if err := b.grow(c, want); err != nil {
		return nil, err
	}
	for {
		if length < 0 && len(b.data) == cap(b.data) {
			if err := b.grow(c, 2*int64(cap(b.data))); err != nil {
				b.Release()
				return nil, err
			}
		}
		room := b.data[len(b.data):cap(b.data)]
		if length > 0 {
			room = room[:length-int64(len(b.data))]
		}
		n, err := r.Read(room)
		b.data = b.data[:len(b.data)+n]
		switch {
		case length > 0 && int64(len(b.data)) == length, length < 0 && err == io.EOF:
			return b, nil
		case err != nil:
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			n := len(b.data)
			b.Release()
			return nil, fmt.Errorf("weir: request body broke off after %d bytes: %w", n, err)
		}
	}
}

// grow moves the body to a buffer of at least n bytes.
func (b *Body) grow(c *Call, n int64) error {
	size := bufferSize(n)
	if !b.account.hold(size - int64(cap(b.data))) {
		return &RefusedError{Reason: QueueFull, Lane: c.Lane(), Hint: "the request bodies held in memory for this provider are at their bound"}
	}
	old := b.data
	b.data = append(b.account.g.buffers.get(size), old...)
	b.account.g.buffers.put(old)
	return nil
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

// Bytes returns the body, nil once it is released. It must not be changed, nor
// kept beyond the release.
func (b *Body) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.released {
		return nil
	}
	return b.data
}

// Keep keeps the bytes in memory, beyond the release too, until done is called, which
// may be called more than once. It returns nil if the body is released already.
func (b *Body) Keep() (data []byte, done func()) {
	reader := b.open()
	if reader == nil {
		return nil, func() {}
	}
	return b.data, func() { reader.Close() }
}

// Release lets go of the memory as soon as the open readers are closed.
func (b *Body) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.released = true
	b.reclaimLocked()
}

func (b *Body) reclaimLocked() {
	if !b.released || b.readers > 0 || b.data == nil {
		return
	}
	data := b.data
	b.data = nil
	b.account.hold(-int64(cap(data)))
	b.account.g.buffers.put(data)
}

// attach makes a request send the body.
func (b *Body) attach(r *http.Request) {
	n := len(b.Bytes())
	r.ContentLength = int64(n)
	r.GetBody = func() (io.ReadCloser, error) {
		reader := b.open()
		if reader == nil {
			return nil, errReleased
		}
		return reader, nil
	}
	if reader := b.open(); n > 0 && reader != nil {
		r.Body = reader
		return
	} else if reader != nil {
		reader.Close()
	}
	r.Body = http.NoBody
}

// errReleased is that of a body that cannot be sent again: its answer has begun.
var errReleased = errors.New("weir: the request body is released")

// open returns a reader of the whole body, nil once it is released.
func (b *Body) open() *bodyReader {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.released {
		return nil
	}
	b.readers++
	return &bodyReader{body: b}
}

// bodyReader is one sending of a body. Read and Close may overlap.
type bodyReader struct {
	body   *Body
	mu     sync.Mutex // guards the fields below
	at     int
	closed bool
}

var _ io.ReadCloser = (*bodyReader)(nil)

// Read implements [io.Reader].
func (r *bodyReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, errReleased
	}
	data := r.body.data // stays while a reader is open
	if r.at >= len(data) {
		return 0, io.EOF
	}
	n := copy(p, data[r.at:])
	r.at += n
	return n, nil
}

// Close implements [io.Closer].
func (r *bodyReader) Close() error {
	r.mu.Lock()
	was := r.closed
	r.closed = true
	r.mu.Unlock()
	if was {
		return nil
	}
	r.body.mu.Lock()
	defer r.body.mu.Unlock()
	r.body.readers--
	r.body.reclaimLocked()
	return nil
}

// Sizes of buffers that are used again: four to an octave, so that at most a
// fifth is left empty. Smaller and larger ones are made as they are needed.
const (
	smallBuffer = 8 << 10
	largeBuffer = 8 << 20
)

// buffers keeps large buffers for use again. The zero value is ready.
type buffers struct {
	classes [64]sync.Pool
}

// bufferSize is the size of the buffer for n bytes.
func bufferSize(n int64) int64 {
	if n < smallBuffer || n > largeBuffer {
		return n
	}
	quarter := int64(1) << (bits.Len64(uint64(n-1)) - 3)
	return (n + quarter - 1) / quarter * quarter
}

func (s *buffers) class(size int64) *sync.Pool {
	if size < smallBuffer || size > largeBuffer || bufferSize(size) != size {
		return nil
	}
	octave := bits.Len64(uint64(size-1)) - 1
	quarter := int64(1) << (octave - 2)
	return &s.classes[(octave-12)*4+int(size/quarter-1)%4]
}

func (s *buffers) get(size int64) []byte {
	if pool := s.class(size); pool != nil {
		if p, ok := pool.Get().(*[]byte); ok && int64(cap(*p)) == size {
			return (*p)[:0]
		}
	}
	return make([]byte, 0, size)
}

func (s *buffers) put(b []byte) {
	if pool := s.class(int64(cap(b))); pool != nil {
		b = b[:0]
		pool.Put(&b)
	}
}
