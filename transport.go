package weir

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

// DefaultStall is how long an upstream may send nothing before the attempt is
// given up for dead.
const DefaultStall = 10 * time.Minute

// A Transport is an [http.RoundTripper] whose requests are governed: each waits
// for its slot, is sent, judged before anything of the answer is passed on, and
// sent again where that is worth it. The body of a request is held in memory until
// its answer begins.
//
// RoundTrip returns the provider's own answer, errors included, or a
// [*RefusedError] or [*UnreachableError] of weir's. It may be used by many
// goroutines at once; its fields must not be changed after the first use.
type Transport struct {
	// Governor is needed.
	Governor *Governor
	// Base sends the attempts; nil: [NewBase].
	Base http.RoundTripper
	// Identify names a request that no [WithCall] has named; nil: by its URL and
	// its body.
	Identify func(*http.Request) *Call
	// Stall ends an attempt that has sent nothing for so long; zero: DefaultStall.
	Stall time.Duration

	once sync.Once
	base http.RoundTripper
}

var _ http.RoundTripper = (*Transport)(nil)

// NewBase returns the transport that attempts are sent with by default: HTTP/1.1
// and HTTP/2, proxies from the environment, connections kept open for many
// overlapping requests, no timeout that could cut a long answer, and no
// compression, so that errors can be read.
func NewBase() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          8192,
		MaxIdleConnsPerHost:   4096,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   15 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
	}
}

// CloseIdleConnections closes the idle connections of the base transport.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.roundTripper().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t *Transport) roundTripper() http.RoundTripper {
	t.once.Do(func() {
		if t.base = t.Base; t.base == nil {
			t.base = NewBase()
		}
	})
	return t.base
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	c := callFrom(req.Context())
	if c == nil {
		identify := t.Identify
		if identify == nil {
			identify = t.identify
		}
		c = identify(req)
	}
	if c.Free {
		return t.roundTripper().RoundTrip(req)
	}
	r := &request{transport: t, req: req, call: c, trace: traceFrom(req.Context())}
	if r.call.ID == "" {
		named := *c
		named.ID = t.Governor.NewID()
		r.call = &named
	}
	if err := r.hold(); err != nil {
		return nil, err
	}
	resp, err := r.run(req.Context())
	if err != nil {
		r.body.Release()
	}
	return resp, err
}

// request is one request on its way through the transport.
type request struct {
	transport *Transport
	req       *http.Request
	call      *Call
	trace     *Trace
	body      *Body
	slot      *Slot
	lastErr   error          // why the last attempt got no answer, if it got none
	last      *http.Response // the provider's last answer, read and kept, while the request waits again
}

// hold reads the body, unless a caller has done so and named the call by it.
func (r *request) hold() error {
	if r.call.body != nil {
		r.body = r.call.body
		return nil
	}
	body, err := r.transport.Governor.ReadBody(r.call, r.req.Body, r.req.ContentLength)
	if r.req.Body != nil {
		r.req.Body.Close()
	}
	if err != nil {
		return err
	}
	r.body = body
	if r.call.Model == "" && len(body.Bytes()) > 0 {
		named := *r.call
		named.Model, named.Stream = provider.RequestFields(body.Bytes())
		r.call = &named
	}
	return nil
}

// run sends the request until it has an answer to pass on.
func (r *request) run(ctx context.Context) (*http.Response, error) {
	arrived := time.Now()
	r.trace.note(func(i *TraceInfo) { i.ID, i.Lane, i.Arrived = r.call.ID, r.call.Lane(), arrived })
	slot, err := r.acquire(ctx, arrived)
	if err != nil {
		return r.refused(err)
	}
	r.slot = slot
	r.trace.waitsFor(slot) // should it have to wait again
	for {
		r.started()
		resp, o, err := r.attempt(ctx)
		r.judged(o)
		if o.Kind == provider.OK {
			r.drop(r.last)
			return resp, nil
		}
		if ctx.Err() != nil {
			r.drop(resp)
			r.drop(r.last)
			slot.Release(false)
			return nil, context.Cause(ctx)
		}
		r.drop(r.last)
		r.last, r.lastErr = resp, err
		before := time.Now()
		again, refusal := slot.Refuse(ctx, o)
		r.trace.note(func(i *TraceInfo) { i.Waited += time.Since(before) })
		switch {
		case again:
		case refusal != nil:
			return r.refused(refusal)
		case resp == nil:
			return nil, &UnreachableError{Attempts: slot.entry.Attempts(), Err: err}
		default:
			r.body.Release()
			r.trace.note(func(i *TraceInfo) { i.Passed = true })
			return resp, nil
		}
	}
}

// acquire waits for the first slot, and lets the trace know whom it waits for.
func (r *request) acquire(ctx context.Context, arrived time.Time) (*Slot, error) {
	slot, err := r.transport.Governor.acquire(ctx, r.call, r.trace.waitsFor)
	r.trace.note(func(i *TraceInfo) { i.Waited = time.Since(arrived) })
	return slot, err
}

// refused ends a request that weir will not go on with: by the provider's last
// answer, if there was one, else by weir's error.
func (r *request) refused(err error) (*http.Response, error) {
	var refusal *RefusedError
	if !errors.As(err, &refusal) {
		r.drop(r.last)
		return nil, err
	}
	if refusal.Reason == MaxWait && r.last == nil && r.lastErr != nil {
		// It waited to be sent again, not for a slot: say what keeps it from that.
		return nil, &UnreachableError{Attempts: refusal.Attempts, Err: r.lastErr}
	}
	own := r.last != nil && (refusal.Reason == MaxWait || refusal.Reason == GivenUp)
	r.trace.note(func(i *TraceInfo) { i.Refused, i.Passed = refusal, own })
	if !own { // its last answer says nothing of why it may not try again
		r.drop(r.last)
		return nil, err
	}
	r.body.Release()
	return r.last, nil
}

func (r *request) started() {
	r.trace.note(func(i *TraceInfo) {
		i.Attempts++
		i.Level = r.slot.entry.Level()
		i.Admitted = r.slot.entry.Admitted()
		i.Event = nil
	})
	r.trace.begin(Attempt{Start: r.now(), Level: r.slot.entry.Level()})
}

// now is the moment by the governor's clock.
func (r *request) now() time.Time { return r.transport.Governor.clock.now() }

func (r *request) judged(o pool.Outcome) {
	r.trace.note(func(i *TraceInfo) {
		i.Verdicts = append(i.Verdicts, o.Kind)
		i.Last, i.Hint = o.Verdict, o.Hint
		i.Passed = i.Passed || o.Kind == provider.OK
	})
	r.trace.finish(func(a *Attempt) {
		a.Kind, a.Code, a.RequestID = o.Kind, o.Code, o.RequestID
		if o.Kind != provider.OK {
			a.End = r.now()
		}
	})
}

func (r *request) drop(resp *http.Response) {
	if resp != nil {
		resp.Body.Close()
	}
}

// identify names a request by what it says itself.
func (t *Transport) identify(req *http.Request) *Call {
	p, d := profileOf(req)
	return &Call{
		Profile: p, Dialect: d, Account: t.Governor.Fingerprint(Credential(req)),
		Free: FreeOfSlot(req.Method, req.URL.Path),
	}
}

// profileOf finds the provider whose base a request's URL begins with; the
// longest wins. At another host, as behind a gateway, a path that is like no other
// provider's tells it just as well.
func profileOf(req *http.Request) (*provider.Profile, provider.Dialect) {
	site := req.URL.Scheme + "://" + req.URL.Host
	var best *provider.Profile
	longest, atHome := 0, false
	for _, name := range provider.Names() {
		p, _ := provider.Lookup(name)
		for _, base := range p.Bases {
			u, err := url.Parse(base)
			if err != nil || !strings.HasPrefix(req.URL.Path, u.Path) {
				continue
			}
			home := u.Scheme+"://"+u.Host == site
			if !home && (atHome || !distinct(u.Path)) || best != nil && home == atHome && len(u.Path) <= longest {
				continue
			}
			best, longest, atHome = p, len(u.Path), home
		}
	}
	if best == nil {
		best, _ = provider.Lookup("generic")
	}
	return best, DialectOf(req.URL.Path)
}

// distinct tells that the path of a base is not one that many providers have.
func distinct(path string) bool {
	return strings.Count(path, "/") >= 2 && !strings.HasSuffix(path, "/v1")
}

// DialectOf tells the dialect that a path is written in: …/messages is
// Anthropic's, …/responses OpenAI's Responses, everything else chat completions.
func DialectOf(path string) provider.Dialect {
	switch {
	case strings.Contains(path, "/anthropic/"), strings.HasSuffix(path, "/v1/messages"), strings.Contains(path, "/v1/messages/"):
		return provider.Anthropic
	case strings.HasSuffix(path, "/responses"), strings.Contains(path, "/responses/"):
		return provider.Responses
	}
	return provider.OpenAI
}

// FreeOfSlot tells that a call does not count against what the provider lets
// run: it asks for no answer of a model.
func FreeOfSlot(method, path string) bool {
	if method != http.MethodPost {
		return true
	}
	switch path[strings.LastIndexByte(path, '/')+1:] {
	case "count_tokens", "input_tokens", "tokenizer", "cancel", "files":
		return true
	}
	return false
}

// errStalled ends an attempt whose provider has fallen silent.
var errStalled = errors.New("weir: the provider sent nothing for too long")

// transportOutcome is what an attempt without an answer means.
func transportOutcome(err error) pool.Outcome {
	o := pool.Outcome{Verdict: provider.Verdict{Kind: provider.Transport}}
	var op *net.OpError
	var dns *net.DNSError
	o.Dial = errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
	var cert *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	if errors.As(err, &cert) || errors.As(err, &authority) {
		o.Final = true
		o.Verdict.Hint = "the provider's certificate does not verify: check the address, the clock, and whether something intercepts TLS"
	}
	return o
}
