package simulate

import (
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/weirhq/weir/internal/scenario"
)

// An exchange is one call and its answer. It lives in the goroutine of its
// handler.
type exchange struct {
	p       *Provider
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	dialect dialect
	request *request
	timer   *time.Timer

	// Set by decide.
	entry   Entry
	rule    *rule         // nil: none fits
	account *account      // nil before the call has been decided
	slot    bool          // the account counts the call
	place   scenario.Slot // if slot
	first   time.Duration
	total   time.Duration
	delay   time.Duration // until a refusal
	hint    time.Duration // that it says; 0: none
	ended   bool          // counted and logged
	pending bool          // bytes wait to be flushed
}

func newExchange(p *Provider, w http.ResponseWriter, r *http.Request, d dialect) *exchange {
	return &exchange{p: p, w: w, r: r, control: http.NewResponseController(w), dialect: d}
}

// serve takes the call from its body to its end.
func (x *exchange) serve() {
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, maxBody))
	invalid := ""
	if err != nil {
		if _, tooLong := errors.AsType[*http.MaxBytesError](err); !tooLong {
			x.request = &request{path: x.r.URL.Path}
			x.decide("body")
			x.end(VerdictAborted, "body")
			return
		}
		invalid = "1261"
		x.request = &request{path: x.r.URL.Path}
	} else {
		x.request, invalid = readRequest(x.r.URL.Path, body)
	}
	code := x.decide(invalid)
	x.request.body, x.request.Messages, x.request.Input = nil, nil, nil // an answer may take minutes
	switch {
	case invalid != "":
		x.refuse(VerdictInvalid, &Fault{Code: invalid})
	case code != "":
		f := &Fault{Code: code}
		if x.p.config.InStream {
			f = &Fault{FirstEventError: encode(code)}
		}
		x.refuse(VerdictRefused, f)
	case x.rule != nil && x.rule.Fault.refuses():
		x.refuse(VerdictFault, x.rule.Fault)
	default:
		x.answer()
	}
}

// decide finds the call's rule and takes its slot, in one moment. It returns
// the code of a refusal, or empty. An invalid call is only counted.
func (x *exchange) decide(invalid string) (refusal string) {
	p, q := x.p, x.request
	var fitting []*rule
	if invalid == "" {
		for _, r := range p.rules {
			if r.fits(q) {
				fitting = append(fitting, r)
			}
		}
	}
	name := Account(credential(x.r))

	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	since := now.Sub(p.began)
	x.account = p.accountLocked(name)
	x.entry = Entry{
		ID: p.requestIDLocked(now), Dialect: x.dialect.name(), Path: q.path, Model: q.Model[:min(len(q.Model), 100)], Stream: q.Stream,
		Account: name, Start: now,
	}
	x.noteSlotsLocked(since)
	for _, r := range fitting {
		if r.left != 0 {
			x.rule, x.entry.Rule = r, r.Name
			break
		}
	}
	x.first, x.total = p.config.FirstEvent.draw(p.random), p.config.Answer.draw(p.random)
	x.delay, x.hint = p.config.Refusal.draw(p.random), p.config.RetryAfter.draw(p.random)
	switch {
	case invalid != "":
	case x.rule != nil && x.rule.Fault.refuses():
	case p.config.out(since):
		refusal = "1305"
	default:
		refusal = x.startLocked(since)
	}
	if x.rule != nil && x.rule.left > 0 && refusal == "" {
		x.rule.left--
	}
	if x.rule != nil && x.rule.Answer != nil {
		x.first = x.rule.Answer.FirstEvent.or(Exactly(x.first)).draw(p.random)
		x.total = x.rule.Answer.Duration.or(Exactly(x.total)).draw(p.random)
	}
	x.total = max(x.total, x.first)
	x.account.tally.start(x.slot)
	p.total.start(x.slot)
	return refusal
}

// end gives the slot back, counts and logs the call. Only the first call of end
// counts. It comes before the last bytes of an answer are sent.
func (x *exchange) end(verdict, code string) {
	if x.ended || x.account == nil {
		return
	}
	x.ended = true
	p := x.p
	p.mu.Lock()
	now := time.Now()
	if x.slot {
		aborted := verdict == VerdictAborted || x.r.Context().Err() != nil
		x.account.upstream.End(now.Sub(p.began), x.place, aborted)
	}
	x.account.tally.end(x.slot, verdict, code)
	p.total.end(x.slot, verdict, code)
	x.entry.Time, x.entry.End, x.entry.Verdict, x.entry.Code = now, now, verdict, code
	p.log.add(x.entry)
	e := x.entry
	p.mu.Unlock()
	p.writeLog(e)
}

// abandon ends the call as aborted if nothing else has ended it.
func (x *exchange) abandon() {
	x.end(VerdictAborted, "")
	if x.timer != nil {
		x.timer.Stop()
	}
}

// waitUntil sends what is pending and waits; it returns false as soon as the
// client has gone.
func (x *exchange) waitUntil(t time.Time) bool {
	d := time.Until(t)
	if d <= 0 {
		return x.r.Context().Err() == nil
	}
	if x.pending && x.flush() != nil {
		return false
	}
	if x.timer == nil {
		x.timer = time.NewTimer(d)
	} else {
		x.timer.Reset(d)
	}
	select {
	case <-x.timer.C:
		return true
	case <-x.r.Context().Done():
		return false
	}
}

// flush sends what has been written.
func (x *exchange) flush() error {
	x.pending = false
	return x.control.Flush()
}

// write hands bytes of the answer to the connection; they go out with the next
// wait or the end.
func (x *exchange) write(b []byte) bool {
	if x.entry.FirstEvent.IsZero() {
		x.entry.FirstEvent = time.Now()
	}
	x.pending = true
	_, err := x.w.Write(b)
	return err == nil
}

// refuse sends the refusal that f describes.
func (x *exchange) refuse(verdict string, f *Fault) {
	status, body, contentType, code := x.refusal(f)
	gone := !x.waitUntil(x.entry.Start.Add(x.delay))
	if !gone {
		x.entry.FirstEvent = time.Now()
	}
	x.end(verdict, code)
	if gone {
		return
	}
	h := x.w.Header()
	h.Set("Content-Type", contentType)
	if says := x.p.config.Scenario == nil && x.p.config.RetryAfter.set || x.hint > 0; verdict == VerdictRefused && says {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(x.hint.Seconds()))))
	}
	for k, v := range f.Headers {
		h.Set(k, v)
	}
	x.w.WriteHeader(status)
	x.w.Write(body)
}

// cut ends the connection. Before the head, "eof" has no answer to end and is a
// "close".
func (x *exchange) cut(how string, headSent bool) {
	if how == "eof" && headSent {
		return // the server ends the answer as it ends a whole one
	}
	if x.pending {
		x.flush()
	}
	conn, _, err := x.control.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2: resets the stream
	}
	if tcp, ok := conn.(*net.TCPConn); ok && how != "close" && how != "eof" {
		tcp.SetLinger(0) // Close then sends RST
	}
	conn.Close()
}
