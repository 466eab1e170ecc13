package proxy

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/sse"
)

// statusClientGone is the status in the log of a request whose client went away
// before it had one.
const statusClientGone = 499

// An exchange is one request and its answer. It is the ResponseWriter that the
// reverse proxy writes to: until the answer is known a timer may have begun the
// stream with keep-alives, and then the answer's own head comes too late.
type exchange struct {
	handler *Handler
	rw      http.ResponseWriter
	ctx     context.Context
	cancel  context.CancelCauseFunc // ends ctx
	start   time.Time
	id      string // of the request, in answers and in the log
	dialect provider.Dialect
	target  Target
	caller  Caller
	key     string // that the gateway adds; empty: the caller's own goes on
	call    *weir.Call
	fields  tools.Fields
	tool    *tools.Tool // nil until it is known
	hold    Hold
	body    *weir.Body
	kept    []byte // the body, until the answer begins; nil: it is not kept
	letBody func() // lets go of it
	returns int    // how often the call has come back
	hash    uint64 // of the body, if hashed
	hashed  bool
	maxWait time.Duration
	trace   weir.Trace

	mu        sync.Mutex // guards the fields below, until settled
	timer     *time.Timer
	settled   bool // the answer is known: no more keep-alives
	committed bool // 200 and keep-alives went out
	scratch   http.Header

	gone      bool // the client has left without an answer
	whole     bool // the answer was read to its end before it is passed on
	status    int
	sent      int64
	firstByte time.Duration
	errorName string
}

var (
	_ http.ResponseWriter = (*exchange)(nil)
	_ http.Flusher        = (*exchange)(nil)
)

// startHold begins the client's wait for a stream.
func (x *exchange) startHold() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.timer = time.AfterFunc(x.hold.Silent, x.keepAlive)
}

// keepAlive sends a sign of life, the first time after the head of a stream.
func (x *exchange) keepAlive() {
	ahead := x.trace.Ahead()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.settled {
		return
	}
	if !x.committed {
		x.committed = true
		h := x.rw.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-cache")
		x.writeNames(h)
		x.status = http.StatusOK
		x.firstByte = time.Since(x.start)
		x.rw.WriteHeader(http.StatusOK)
	}
	x.emit(sse.Dialect(x.dialect).KeepAlive(ahead))
	x.timer.Reset(x.hold.KeepAlive)
}

// stopHold waits for a keep-alive under way and lets no other follow.
func (x *exchange) stopHold() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.settled = true
	if x.timer != nil {
		x.timer.Stop()
	}
}

// emit writes and flushes.
func (x *exchange) emit(p []byte) {
	n, _ := x.rw.Write(p)
	x.sent += int64(n)
	if f, ok := x.rw.(http.Flusher); ok {
		f.Flush()
	}
}

// Header implements [http.ResponseWriter]. Until the answer is known, and once
// keep-alives went out, nobody gets to see it: the real one is the timer's.
func (x *exchange) Header() http.Header {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.settled && !x.committed {
		return x.rw.Header()
	}
	if x.scratch == nil {
		x.scratch = http.Header{}
	}
	return x.scratch
}

// WriteHeader implements [http.ResponseWriter]. Heads that come before that of the
// answer are dropped: they belong to one attempt of perhaps several.
func (x *exchange) WriteHeader(status int) {
	if status < 200 && status != http.StatusSwitchingProtocols {
		return // and x.committed may not be read yet
	}
	if x.committed {
		return
	}
	x.status = status
	x.rw.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (x *exchange) Write(p []byte) (int, error) {
	if x.firstByte == 0 {
		x.firstByte = time.Since(x.start)
	}
	n, err := x.rw.Write(p)
	x.sent += int64(n)
	return n, err
}

// Flush implements [http.Flusher]. An answer that has come whole needs none: it
// goes out at its end.
func (x *exchange) Flush() {
	if x.whole && !x.committed {
		return
	}
	if f, ok := x.rw.(http.Flusher); ok {
		f.Flush()
	}
}

// writeNames sets the headers that name the request.
func (x *exchange) writeNames(h http.Header) {
	h.Set("X-Weir-Request-Id", x.id)
	info := x.trace.Info()
	if info.Lane == "" { // it never came to a lane
		return
	}
	h.Set("X-Weir-Lane", info.Lane)
	h.Set("X-Weir-Attempts", strconv.Itoa(info.Attempts))
	waited := info.Waited
	if info.Admitted.IsZero() {
		waited = time.Since(x.start)
	}
	h.Set("X-Weir-Waited-Ms", strconv.FormatInt(waited.Milliseconds(), 10))
}

// clientGone ends a request whose client has left. It breaks the connection off:
// to return would end the answer as if it were whole, and who has closed only its
// half of the connection would take it for one.
func (x *exchange) clientGone() {
	x.gone = true
	if x.status == 0 {
		x.status = statusClientGone
	}
	panic(http.ErrAbortHandler)
}

// comesBack gives the call the place of the one that it repeats, if it does, and
// keeps its body for the case that it is repeated itself.
func (x *exchange) comesBack() {
	x.kept, x.letBody = x.body.Keep()
	x.call.Since, x.returns = x.handler.returning.back(x.origin(), x.kept)
}

// origin is whose the call is.
func (x *exchange) origin() origin {
	return origin{x.target.Profile.Name + "/" + x.call.Account, x.call.Session}
}

// answered lets go of the body, for the answer begins. Coding tools repeat a stream that
// stalls, some without stream, so that of one is known again by its hash.
func (x *exchange) answered() {
	if x.kept == nil {
		return
	}
	if x.call.Stream && x.tool.Configured() {
		x.hash, x.hashed = x.handler.returning.hash(x.kept), true
	}
	x.dropBody()
}

func (x *exchange) dropBody() {
	x.letBody()
	x.kept, x.letBody = nil, nil
}

// ended remembers a call that has ended without its answer, for its client may come back
// with it.
func (x *exchange) ended() {
	if x.kept != nil {
		if x.ctx.Err() != nil && !errors.Is(context.Cause(x.ctx), ErrCancelled) || x.sentAway() {
			x.depart(x.handler.returning.hash(x.kept))
		}
		x.dropBody()
	} else if x.hashed && x.trace.Info().Left {
		x.depart(x.hash)
	}
}

func (x *exchange) depart(hash uint64) {
	since := x.call.Since
	if since.IsZero() {
		since = x.start
	}
	x.handler.returning.leave(x.origin(), hash, since, x.returns)
}

// sentAway tells that weir had to give up on the call, in whose words ever the client
// hears of it: with the provider's own error too.
func (x *exchange) sentAway() bool {
	info := x.trace.Info()
	if info.Refused != nil {
		return info.Refused.Reason == weir.MaxWait || info.Refused.Reason == weir.GivenUp
	}
	return info.Last.Kind.Retried()
}

// end reports the request.
func (x *exchange) end() {
	r := Record{
		TraceInfo: x.trace.Info(), Dialect: x.dialect, Start: x.start, End: time.Now(), FirstByte: x.firstByte,
		Status: x.status, Sent: x.sent, Error: x.errorName, KeptAlive: x.committed,
	}
	r.ID, r.Caller, r.Tries = x.id, x.caller.Title, x.trace.Attempts()
	if x.tool != nil {
		r.Tool = x.tool.Name
	}
	r.Left = r.Left || x.gone
	if x.target.Profile != nil {
		r.Provider = x.target.Profile.Name
	}
	if x.call != nil {
		r.Session, r.Class = x.call.Session, x.call.Class
		if r.Lane == "" {
			r.Lane = x.call.Lane()
		}
	}
	if r.Status == 0 {
		r.Status = statusClientGone
	}
	if x.caller.Done != nil {
		x.caller.Done(r)
	}
	x.handler.done(r)
}

// fail answers with an error of weir's in the dialect of the path.
func (x *exchange) fail(status int, name, message string, retryAfter time.Duration) {
	x.failWith(name, sse.Failure{Status: status, Message: "weir: " + message, RetryAfter: retryAfter, Retryable: status == http.StatusTooManyRequests || status >= 500})
}

func (x *exchange) failWith(name string, f sse.Failure) {
	x.stopHold()
	x.errorName = name
	if x.committed {
		if x.tool != nil && x.tool.Failure == tools.Reset && name != cancelled {
			panic(http.ErrAbortHandler) // which it repeats, as it would not an error
		}
		x.emit(sse.Dialect(x.dialect).ErrorEvent(f))
		return
	}
	h := x.rw.Header()
	x.writeNames(h)
	h.Set("Content-Type", "application/json")
	h.Set("X-Weir-Error", name)
	h.Set("X-Content-Type-Options", "nosniff")
	if f.RetryAfter > 0 {
		h.Set("Retry-After", seconds(f.RetryAfter))
	}
	x.WriteHeader(f.Status)
	x.Write(sse.Dialect(x.dialect).ErrorBody(f))
}

// seconds writes a duration as whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// withoutOrders returns a copy without the headers of a refusal that a client would
// take for a spent subscription, or for an order not to come back.
func withoutOrders(h http.Header) http.Header {
	h = maps.Clone(h)
	for name := range h {
		if len(name) > len("Anthropic-Ratelimit-") && name[:len("Anthropic-Ratelimit-")] == "Anthropic-Ratelimit-" {
			delete(h, name)
		}
	}
	delete(h, "X-Should-Retry")
	delete(h, "Retry-After-Ms")
	return h
}
