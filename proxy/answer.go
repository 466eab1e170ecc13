package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/sse"
)

// errInStream ends the reverse proxy's part when the answer has been written
// into a stream that had begun with keep-alives.
var errInStream = errors.New("proxy: answered in the stream")

// ErrDraining is the cause by which a server that goes down ends the contexts of
// its requests.
var ErrDraining = errors.New("proxy: weir is going down")

// modify makes an upstream's answer ready for the client: weir's headers, and
// the few changes that the contract allows.
func (x *exchange) modify(resp *http.Response) error {
	x.stopHold()
	info := x.trace.Info()
	x.whole = info.Whole
	x.writeNames(resp.Header)
	status, name := x.verdictStatus(resp.StatusCode, info)
	good := info.Last.Kind == provider.OK && info.Refused == nil
	if good {
		x.answered()
	}
	if x.committed {
		if good && resp.StatusCode == http.StatusOK && isStream(resp) || x.untouched(info) && info.Event != nil {
			return nil
		}
		return x.intoStream(resp, status, name, info)
	}
	if x.call.Free {
		return x.unwrap(resp)
	}
	if good {
		return nil
	}
	if info.Last.Hint != "" {
		resp.Header.Set("X-Weir-Hint", info.Last.Hint)
	}
	if name != "" {
		x.errorName = name
		resp.Header.Set("X-Weir-Error", name)
	}
	if status == resp.StatusCode && status != http.StatusTooManyRequests && status != http.StatusPaymentRequired {
		return nil
	}
	return x.change(resp, status, info)
}

// unwrap gives the answer of a call that took no slot, and so was not judged, the
// status 404 that its body may speak of under 200.
func (x *exchange) unwrap(resp *http.Response) error {
	const longest = 512 // of such a body
	if resp.StatusCode != http.StatusOK || resp.ContentLength > longest || isStream(resp) {
		return nil
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, longest))
	if err != nil {
		return err // nothing went out yet, so this can be said
	}
	v := x.target.Profile.Classify(provider.Answer{Status: resp.StatusCode, Header: resp.Header, Body: head, Now: time.Now()})
	if v.NotFound {
		resp.StatusCode, resp.Status = http.StatusNotFound, ""
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), resp.Body), resp.Body}
	return nil
}

// untouched tells that an error passes as it came, whatever its form.
func (x *exchange) untouched(info weir.TraceInfo) bool {
	switch info.Last.Kind {
	case provider.Auth, provider.Invalid, provider.Content, provider.Unknown:
		return !info.Last.NotFound
	}
	return false
}

// verdictStatus returns the status that an answer gets and the name of weir's
// part in it, if it has one. An error that came under a good status gets the one
// that it would have had at the door.
func (x *exchange) verdictStatus(status int, info weir.TraceInfo) (int, string) {
	name := ""
	if info.Refused != nil {
		name = string(info.Refused.Reason)
	}
	hidden := status < 400
	switch info.Last.Kind {
	case provider.Quota, provider.Plan, provider.Flagged:
		name = info.Last.Kind.String()
		if x.handler.quota != 0 {
			return x.handler.quota, name
		}
		if hidden {
			return http.StatusTooManyRequests, name
		}
	case provider.Concurrency, provider.Frequency, provider.Throttled:
		if name == "" {
			name = string(weir.MaxWait)
		}
		return http.StatusTooManyRequests, name
	case provider.Overload:
		if hidden && x.dialect == provider.Anthropic {
			return 529, name
		}
		if hidden {
			return http.StatusServiceUnavailable, name
		}
		if status != http.StatusTooManyRequests { // the provider's own
			return status, ""
		}
	case provider.Server:
		if hidden {
			return http.StatusBadGateway, name
		}
		return status, "" // the provider's own
	case provider.Invalid:
		if info.Last.NotFound {
			return http.StatusNotFound, name
		}
	}
	return status, name
}

// change gives an answer its status, and what must go with it.
func (x *exchange) change(resp *http.Response, status int, info weir.TraceInfo) error {
	hidden := resp.StatusCode < 400
	resp.StatusCode, resp.Status = status, ""
	if status == http.StatusTooManyRequests && info.Last.Kind.Retried() {
		resp.Header = withoutOrders(resp.Header)
		resp.Header.Set("Retry-After", strconv.Itoa(comeBack(info.Hint)))
	}
	body, made := info.Event, info.Event != nil // an error that came as an event is passed on as a body
	if body == nil {
		var err error
		if body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20)); err != nil {
			return err
		}
		if hidden && isStream(resp) && !json.Valid(body) { // it ended without an answer or an error
			made = true
			body = sse.Dialect(x.dialect).ErrorBody(sse.Failure{Status: status, Message: "weir: the provider ended its stream without an answer, each time (" + info.Last.Kind.String() + ")", Retryable: true})
			resp.Header.Set("Retry-After", strconv.Itoa(comeBack(info.Hint)))
		}
	}
	resp.Body.Close()
	if status == http.StatusPaymentRequired {
		resp.Header = withoutOrders(resp.Header)
		if x.dialect == provider.Anthropic {
			body = billing(body)
		}
	}
	if made && json.Valid(body) {
		resp.Header.Set("Content-Type", "application/json")
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// intoStream writes an answer that comes too late for a status into the stream.
func (x *exchange) intoStream(resp *http.Response, status int, name string, info weir.TraceInfo) error {
	if status < 400 {
		status = http.StatusBadGateway
	}
	body := info.Event
	if body == nil {
		body, _ = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	}
	f := sse.Failure{
		Status: status, Code: info.Last.Code, Message: messageOf(body), Retryable: info.Last.Kind.Retried(),
		RetryAfter: time.Duration(comeBack(info.Hint)) * time.Second,
	}
	if f.Message == "" {
		f.Message = fmt.Sprintf("weir: the provider answered with status %d and no stream", resp.StatusCode)
	}
	if f.Retryable { // the type and code by which tools know that they may come back
		f.Code = ""
	}
	switch {
	case name != "":
	case info.Last.Kind == provider.OK:
		name = "no-stream"
	default:
		name = info.Last.Kind.String()
	}
	x.failWith(name, f)
	return errInStream
}

// comeBack returns the seconds after which a client should try again: 5 to 55,
// for longer ones are ignored or fatal in some tools, and spread, so that those
// that are sent away together do not return together.
func comeBack(hint time.Duration) int {
	const least, most, spread = 5, 55, 15
	s := int((hint + time.Second - 1) / time.Second)
	return min(max(s, least), most-spread) + rand.IntN(spread+1)
}

// failed answers a request for which there is no upstream's answer.
func (x *exchange) failed(err error) {
	x.stopHold()
	if errors.Is(err, errInStream) {
		return
	}
	var refused *weir.RefusedError
	var unreachable *weir.UnreachableError
	switch {
	case errors.Is(context.Cause(x.ctx), ErrDraining):
		x.fail(http.StatusServiceUnavailable, string(weir.Draining), "it is going down; try again in a moment", time.Duration(comeBack(0))*time.Second)
	case errors.Is(context.Cause(x.ctx), ErrCancelled):
		x.fail(http.StatusBadRequest, cancelled, "the request was cancelled by hand while it waited", 0)
	case x.ctx.Err() != nil:
		x.clientGone()
	case errors.As(err, &refused):
		x.refused(refused)
	case errors.As(err, &unreachable):
		x.unreachable(unreachable.Err, unreachable.Attempts)
	default:
		x.unreachable(err, 1)
	}
}

// refused answers with an error of weir's own.
func (x *exchange) refused(r *weir.RefusedError) {
	f := sse.Failure{Message: "weir: " + x.refusalText(r)}
	switch r.Reason {
	case weir.QuotaClosed, weir.AccountFlagged:
		f.Status = http.StatusPaymentRequired
		if x.handler.quota == 0 {
			f.Status = http.StatusTooManyRequests
		}
		f.Code = r.Code
	case weir.QueueFull, weir.Draining:
		f.Status, f.Retryable = http.StatusServiceUnavailable, true
		f.RetryAfter = time.Duration(comeBack(0)) * time.Second
	case weir.GivenUp:
		f.Status, f.Retryable = http.StatusServiceUnavailable, true
		f.RetryAfter = time.Duration(comeBack(0)) * time.Second
	default:
		f.Status, f.Retryable = http.StatusTooManyRequests, true
		f.RetryAfter = time.Duration(comeBack(time.Until(r.Until))) * time.Second
	}
	x.failWith(string(r.Reason), f)
}

func (x *exchange) refusalText(r *weir.RefusedError) string {
	text := map[weir.Reason]string{
		weir.QuotaClosed:    "the provider's quota is spent",
		weir.AccountFlagged: "the provider has flagged this account; further attempts would make it worse. Once that is settled with the provider: weir resume",
		weir.MaxWait:        "no slot came free in the time that this request may wait",
		weir.Draining:       "it is going down; try again in a moment",
		weir.QueueFull:      "too much is waiting already",
		weir.GivenUp:        "the provider says that it is overloaded, again and again for this request while it takes others",
	}[r.Reason]
	if r.Code != "" {
		text += " (code " + r.Code + ")"
	}
	if !r.Until.IsZero() && r.Reason != weir.MaxWait {
		text += ", until " + r.Until.Local().Format("2006-01-02 15:04 MST")
	}
	if r.Hint != "" {
		text += ": " + r.Hint
	}
	return text
}

// unreachable answers for a provider that could not be reached. The error's text
// is not passed on whole: it may hold a query with a key.
func (x *exchange) unreachable(err error, attempts int) {
	status, why := http.StatusBadGateway, "the connection failed"
	var dns *net.DNSError
	var op *net.OpError
	var timeout net.Error
	switch info := x.trace.Info(); {
	case info.Last.Hint != "":
		why = info.Last.Hint
	case errors.As(err, &dns):
		why = "its name cannot be resolved"
	case errors.As(err, &op) && op.Op == "dial":
		why = "no connection to it came about (" + op.Err.Error() + ")"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		status, why = http.StatusGatewayTimeout, "it did not answer in time"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		why = "it closed the connection before an answer"
	}
	x.fail(status, "upstream-unreachable", fmt.Sprintf("%s cannot be reached (attempts: %d): %s. Check the address (--upstream), the network and the proxy variables", x.target.Profile.Name, attempts, why), 0)
}

// billing turns the type of an Anthropic error into billing_error, by which
// tools stop; nothing else of the body changes.
func billing(body []byte) []byte {
	fault := member(body, "error")
	if len(fault) == 0 || fault[0] != '{' {
		return body
	}
	at := cap(body) - cap(fault) // fault is a part of body
	kind := member(fault, "type")
	if kind == nil {
		if len(bytes.TrimSpace(fault[1:len(fault)-1])) == 0 {
			return splice(body, at+1, at+1, []byte(`"type":"billing_error"`))
		}
		return splice(body, at+1, at+1, []byte(`"type":"billing_error",`))
	}
	at = cap(body) - cap(kind)
	return splice(body, at, at+len(kind), []byte(`"billing_error"`))
}

// member returns the value of a top-level member of a JSON object, as the part
// of the object that it is, or nil.
func member(object []byte, name string) (found []byte) {
	_ = provider.ScanObject(object, func(key, value []byte) bool {
		if string(key) == name {
			found = value
		}
		return found == nil
	})
	return found
}

func splice(b []byte, from, to int, with []byte) []byte {
	out := make([]byte, 0, len(b)+len(with))
	out = append(out, b[:from]...)
	out = append(out, with...)
	return append(out, b[to:]...)
}

// messageOf returns the message of an error body.
func messageOf(body []byte) string {
	var e struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
		Msg     string          `json:"msg"`
	}
	if json.Unmarshal(body, &e) != nil {
		return ""
	}
	var inner struct {
		Message string `json:"message"`
	}
	var text string
	switch {
	case json.Unmarshal(e.Error, &inner) == nil && inner.Message != "":
		return inner.Message
	case json.Unmarshal(e.Error, &text) == nil && text != "":
		return text
	case e.Message != "":
		return e.Message
	}
	return e.Msg
}

func isStream(resp *http.Response) bool {
	kind := resp.Header.Get("Content-Type")
	return len(kind) >= 17 && kind[:17] == "text/event-stream"
}
