package weir

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/retry"
	"github.com/weirhq/weir/sse"
)

// maxHead is how much of an answer is looked at before it is passed on.
const maxHead = 64 << 10

// attempt sends the request once and judges the answer. An answer that is OK has
// the slot in its body: it is given back when that ends. Any other answer has been
// read as far as it was looked at, and its connection is free; it may be nil.
func (r *request) attempt(ctx context.Context) (*http.Response, pool.Outcome, error) {
	actx, cancel := context.WithCancelCause(ctx)
	w := watch(r.transport.stall(), cancel)
	out := r.req.WithContext(actx)
	r.body.attach(out)
	resp, err := r.transport.roundTripper().RoundTrip(out)
	if err != nil {
		w.stop()
		if cause := context.Cause(actx); cause != nil && ctx.Err() == nil {
			err = cause
		}
		cancel(nil)
		return nil, transportOutcome(err), err
	}
	w.fed()
	j := &judge{request: r, resp: resp, body: resp.Body, watch: w, cancel: cancel}
	v, err := j.verdict()
	if err != nil && context.Cause(actx) == errStalled {
		err = errStalled
	}
	if v.Kind == provider.OK {
		r.body.Release()
		whole := j.ended && !j.stream
		r.trace.note(func(i *TraceInfo) { i.Whole = whole })
		resp.Body = j.passOn()
		return resp, pool.Outcome{Verdict: v}, nil
	}
	rest := j.keep()
	if v.Kind == provider.Transport {
		rest.Close()
		return nil, pool.Outcome{Verdict: v}, err
	}
	resp.Body = rest
	return resp, j.outcome(v), nil
}

func (t *Transport) stall() time.Duration {
	if t.Stall > 0 {
		return t.Stall
	}
	return DefaultStall
}

// judge looks at the head of one answer.
type judge struct {
	request *request
	resp    *http.Response
	body    io.ReadCloser // as it comes from the provider
	watch   *watchdog
	cancel  context.CancelCauseFunc
	head    []byte // what has been read
	ended   bool   // the body has been read to its end
	stream  bool   // it is a stream of events
}

// verdict reads as much of the answer as it takes to say what it means. The
// error is that of a body that broke off.
func (j *judge) verdict() (provider.Verdict, error) {
	if j.resp.StatusCode >= 300 {
		if err := j.fill(maxHead); err != nil && j.resp.StatusCode < 400 {
			return provider.Verdict{Kind: provider.Transport}, err
		}
		return j.classify(j.head, ""), nil
	}
	if j.resp.StatusCode == http.StatusNoContent || j.body == http.NoBody {
		j.ended = true
		j.request.slot.complete()
		return provider.Verdict{Kind: provider.OK}, nil
	}
	first, err := j.firstByte()
	if err != nil {
		return provider.Verdict{Kind: provider.Transport}, err
	}
	kind := j.resp.Header.Get("Content-Type")
	if first != '{' && first != '[' && (strings.HasPrefix(kind, "text/event-stream") || j.request.call.Stream && first != 0) {
		j.stream = true
		return j.prelude()
	}
	if err := j.fill(maxHead); err != nil {
		return provider.Verdict{Kind: provider.Transport}, err
	}
	v := j.classify(j.head, "")
	switch {
	case v.Kind != provider.OK:
	case j.ended:
		j.request.slot.complete()
	default:
		j.request.slot.Accepted()
	}
	return v, nil
}

// prelude reads the events of a stream up to the first content, the end, or an
// error.
func (j *judge) prelude() (provider.Verdict, error) {
	var f sse.Framer
	f.Write(j.head)
	for {
		for {
			ev, ok := f.Next()
			if !ok {
				break
			}
			if v, done := j.read(ev); done {
				return v, nil
			}
		}
		if j.ended {
			if ev, ok := f.Rest(); ok && !broken(ev.Data) {
				if v, done := j.read(ev); done {
					return v, nil
				}
			}
			return provider.Verdict{Kind: provider.Transport}, io.ErrUnexpectedEOF
		}
		if len(j.head) >= maxHead {
			j.request.slot.Accepted()
			return provider.Verdict{Kind: provider.OK}, nil
		}
		before := len(j.head)
		if err := j.more(); err != nil {
			return provider.Verdict{Kind: provider.Transport}, err
		}
		f.Write(j.head[before:])
	}
}

// broken tells that the data of a stream's last event, which has no end, begins
// as JSON and is not: the stream was cut there.
func broken(data []byte) bool {
	return len(data) > 0 && data[0] == '{' && !json.Valid(data)
}

// read judges one event of the prelude; done means that it decides.
func (j *judge) read(ev sse.Event) (v provider.Verdict, done bool) {
	sign, finish := sse.Dialect(j.request.call.Dialect).Read(ev)
	switch sign {
	case sse.Good:
		j.request.slot.Accepted()
	case sse.Content:
		j.request.slot.Accepted()
		return provider.Verdict{Kind: provider.OK}, true
	case sse.Ended:
		v := j.classify(nil, finish)
		if v.Kind == provider.OK || v.Kind == provider.Content || v.Kind == provider.Invalid {
			j.request.slot.Accepted()
		}
		return v, true
	case sse.MaybeError:
		if v := j.classify(ev.Data, ""); v.Kind != provider.OK {
			data := bytes.Clone(ev.Data)
			j.request.trace.note(func(i *TraceInfo) { i.Event = data })
			return v, true
		}
		j.request.slot.Accepted()
	}
	return provider.Verdict{}, false
}

func (j *judge) classify(body []byte, finish string) provider.Verdict {
	return j.request.call.profile().Classify(provider.Answer{
		Status: j.resp.StatusCode, Header: j.resp.Header, Body: body, FinishReason: finish, Now: time.Now(),
	})
}

// outcome adds to the verdict how long the provider asks to wait: its header
// says it better than its body.
func (j *judge) outcome(v provider.Verdict) pool.Outcome {
	hint, ok := retry.After(j.resp.Header, time.Now())
	if !ok {
		hint = v.Wait
	}
	return pool.Outcome{Verdict: v, Hint: hint}
}

// firstByte reads until there is a byte that is no white space and returns it;
// zero if the body is empty.
func (j *judge) firstByte() (byte, error) {
	for {
		if rest := bytes.TrimLeft(j.head, " \t\r\n\xef\xbb\xbf"); len(rest) > 0 {
			return rest[0], nil
		}
		if j.ended || len(j.head) >= maxHead {
			return 0, nil
		}
		if err := j.more(); err != nil {
			return 0, err
		}
	}
}

// fill reads until the body ends or the head has n bytes.
func (j *judge) fill(n int) error {
	for !j.ended && len(j.head) < n {
		if err := j.more(); err != nil {
			return err
		}
	}
	return nil
}

// more reads once.
func (j *judge) more() error {
	if j.head == nil {
		size := int64(2 << 10)
		if n := j.resp.ContentLength; n >= 0 {
			size = n + 1 // so that the end is seen
		}
		j.head = make([]byte, 0, min(size, maxHead))
	}
	if len(j.head) == cap(j.head) {
		grown := make([]byte, len(j.head), min(4*cap(j.head), maxHead+1))
		copy(grown, j.head)
		j.head = grown
	}
	n, err := j.body.Read(j.head[len(j.head):cap(j.head)])
	j.head = j.head[:len(j.head)+n]
	j.watch.fed()
	if errors.Is(err, io.EOF) {
		j.ended = true
		return nil
	}
	return err
}

// passOn returns the body of a good answer: what was read, then the rest. The
// slot is given back when it ends.
func (j *judge) passOn() io.ReadCloser {
	b := &answer{judge: j, head: j.head, rest: j.body}
	j.head = nil
	return b
}

// keep returns the body of an answer that is not good. The attempt is over once
// it has been read; a longer one keeps its connection until it is closed.
func (j *judge) keep() io.ReadCloser {
	if j.ended {
		j.body.Close()
		j.watch.stop()
		j.cancel(nil)
		return io.NopCloser(bytes.NewReader(j.head))
	}
	return &kept{Reader: io.MultiReader(bytes.NewReader(j.head), j.body), judge: j}
}

// kept is an answer of which only the head was read.
type kept struct {
	io.Reader
	judge *judge
}

func (k *kept) Close() error {
	err := k.judge.body.Close()
	k.judge.watch.stop()
	k.judge.cancel(nil)
	return err
}

// answer is the body of a good answer on its way to the client. It holds the
// slot.
type answer struct {
	judge *judge
	head  []byte // read before; passed on first
	rest  io.ReadCloser
	tail  sse.Tail
	bytes int64
	over  atomic.Bool
}

// Read implements [io.Reader]. The end of a stream that did not say that it is
// complete is an error: half an answer must not look like a whole one.
func (b *answer) Read(p []byte) (int, error) {
	var n int
	var err error
	if len(b.head) > 0 {
		n = copy(p, b.head)
		if b.head = b.head[n:]; len(b.head) == 0 {
			b.head = nil
		}
	} else if b.judge.ended {
		err = io.EOF
	} else {
		n, err = b.rest.Read(p)
		b.judge.watch.fed()
	}
	b.bytes += int64(n)
	if b.judge.stream {
		b.tail.Write(p[:n])
		if err == io.EOF && !b.tail.Complete() {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		b.end(err == io.EOF, b.judge.request.req.Context().Err() != nil)
	}
	return n, err
}

// Close implements [io.Closer]. An answer that is closed before its end was
// abandoned.
func (b *answer) Close() error {
	if j := b.judge; j.stream {
		b.end(b.tail.Complete(), true)
	} else {
		b.end(j.ended, true)
	}
	return b.rest.Close()
}

// end gives the slot back, once. The answer has wholly come, or its reader has
// left, or else it broke off.
func (b *answer) end(answered, left bool) {
	if b.over.Swap(true) {
		return
	}
	j := b.judge
	j.watch.stop()
	r := j.request
	r.trace.note(func(i *TraceInfo) {
		i.Bytes, i.Merged = b.bytes, b.tail.Merged()
		i.Left, i.Cut = !answered && left, !answered && !left
	})
	r.trace.finish(func(a *Attempt) { a.End = r.now() })
	if !answered {
		j.cancel(nil) // so that the provider is rid of it now
	}
	r.slot.Release(answered)
	if answered {
		j.cancel(nil)
	}
}

// watchdog ends an attempt whose provider has fallen silent.
type watchdog struct {
	idle   time.Duration
	cancel context.CancelCauseFunc
	last   atomic.Int64 // when the provider was last heard of
	timer  *time.Timer
}

func watch(idle time.Duration, cancel context.CancelCauseFunc) *watchdog {
	w := &watchdog{idle: idle, cancel: cancel}
	w.fed()
	w.timer = time.AfterFunc(1<<62, w.look) // started when w is whole
	w.timer.Reset(idle)
	return w
}

func (w *watchdog) fed() { w.last.Store(time.Now().UnixNano()) }

func (w *watchdog) look() {
	silent := time.Duration(time.Now().UnixNano() - w.last.Load())
	if silent >= w.idle {
		w.cancel(errStalled)
		return
	}
	w.timer.Reset(w.idle - silent)
}

func (w *watchdog) stop() { w.timer.Stop() }
