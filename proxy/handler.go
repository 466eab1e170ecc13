package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
)

// A Record is one request, at its end.
type Record struct {
	weir.TraceInfo
	Session    string
	Caller     string // for people: "opencode in ~/shop"; empty: not known
	Class      admission.Class
	Provider   string
	Dialect    provider.Dialect
	Start, End time.Time
	FirstByte  time.Duration  // from the start to the first byte of the answer, keep-alives included; 0: none
	Status     int            // 499: the client went away before there was one
	Sent       int64          // bytes of the answer's body that went to the client
	Error      string         // X-Weir-Error, if weir answered
	KeptAlive  bool           // keep-alives went out before the answer
	Tool       string         // the name of the client's tool; empty: not known
	Tries      []weir.Attempt // the first 32
}

// Outcome is how a request ended, of a small set: by weir's own word for it, or
// by what became of the answer.
func (r *Record) Outcome() string {
	switch {
	case r.Error != "":
		return r.Error
	case r.Status == statusClientGone || r.Left:
		return "left"
	case r.Cut:
		return "cut"
	case r.Status < 300:
		return "ok"
	}
	return strconv.Itoa(r.Status/100) + "xx"
}

// A Handler is the reverse proxy: it names each request, holds its client and
// sends it through a [weir.Transport]. Use [New]. It is safe for concurrent use.
type Handler struct {
	governor  *weir.Governor
	transport *weir.Transport
	routes    *Routes
	guard     *Guard
	holds     holds
	classes   ClassFunc
	returning *returning
	underway  *underway
	roots     *roots
	quota     int // status of quota answers; 0: the provider's
	access    *Access
	run       RunFunc
	peer      PeerFunc
	done      func(Record)
	reverse   *httputil.ReverseProxy
}

var _ http.Handler = (*Handler)(nil)

// Config sets up a [Handler].
type Config struct {
	Transport *weir.Transport // needed, with its governor
	Routes    *Routes         // needed
	Guard     *Guard          // nil: the zero Guard
	// Hold says how long clients are kept waiting. What it does not say is taken from
	// what is known of the client's tool, and else from the defaults.
	Hold Hold
	// ToolHold says it for tools by their name, and wins over Hold.
	ToolHold map[string]Hold
	// Class says how urgent a request is whose client does not say so itself, before what
	// is known of its tool; nil: nothing.
	Class ClassFunc
	// KeepQuotaStatus leaves quota, plan and flagged answers the status that the
	// provider gave them, which most tools then repeat for minutes.
	KeepQuotaStatus bool
	// Access says who may call, and with which keys; nil: the zero Access.
	Access *Access
	// After is a handler that this one takes the place of, for new requests, with what it
	// remembers; nil: none.
	After *Handler
	// Run tells whose calls come under a first path element "~RUN", which is taken off
	// and told to nobody; nil: no run is known. One that is not known counts for
	// nothing.
	Run RunFunc
	// Peer tells whose calls others are; nil: it cannot be known.
	Peer PeerFunc
	// Done hears of each request at its end; nil: nobody. It must not block.
	Done func(Record)
}

// New returns a handler.
func New(cfg Config) *Handler {
	h := &Handler{
		governor: cfg.Transport.Governor, transport: cfg.Transport, routes: cfg.Routes,
		guard: cfg.Guard, holds: holds{cfg.Hold, cfg.ToolHold}, classes: cfg.Class,
		access: cfg.Access, run: cfg.Run, peer: cfg.Peer, done: cfg.Done, quota: http.StatusPaymentRequired,
	}
	if h.guard == nil {
		h.guard = &Guard{}
	}
	if cfg.KeepQuotaStatus {
		h.quota = 0
	}
	if h.done == nil {
		h.done = func(Record) {}
	}
	if cfg.After != nil {
		h.returning, h.roots, h.underway = cfg.After.returning, cfg.After.roots, cfg.After.underway
	} else {
		h.underway = &underway{open: map[string]*exchange{}}
		h.roots = &roots{}
		h.returning = newReturning(func() time.Time { return time.Now().Round(0) }) // a machine that slept has forgotten
	}
	if h.access == nil {
		h.access = &Access{}
	}
	if h.run == nil {
		h.run = func(string) (Caller, bool) { return Caller{}, false }
	}
	if h.peer == nil {
		h.peer = func(context.Context) (Caller, bool) { return Caller{}, false }
	}
	if h.classes == nil {
		h.classes = func(http.Header, string, string) (admission.Class, bool) { return 0, false }
	}
	h.reverse = &httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      cfg.Transport,
		FlushInterval:  -1,
		BufferPool:     new(buffers),
		ModifyResponse: func(resp *http.Response) error { return exchangeOf(resp.Request.Context()).modify(resp) },
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) {
			exchangeOf(r.Context()).failed(err)
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	return h
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{handler: h, rw: w, id: h.governor.NewID(), start: time.Now(), dialect: weir.DialectOf(r.URL.Path), ctx: r.Context()}
	defer x.end()
	if err := h.guard.Check(r); err != nil {
		x.fail(http.StatusForbidden, "forbidden-origin", err.Error(), 0)
		return
	}
	run, path := splitRun(r.URL.EscapedPath())
	x.caller = h.caller(run, r)
	target, err := h.routes.Find(r.Method, path, r.Header)
	if err != nil {
		var route *RouteError
		if errors.As(err, &route) {
			x.dialect = route.Dialect
		}
		x.fail(http.StatusNotFound, "unknown-path", err.Error(), 0)
		return
	}
	x.target, x.dialect = target, target.Dialect
	if target.Hello {
		x.rw.WriteHeader(http.StatusOK)
		x.status = http.StatusOK
		return
	}
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		// Codex asks for one first; at this answer it comes back at once without.
		x.fail(http.StatusUpgradeRequired, "no-websocket", "there are no WebSockets here: send plain HTTP requests", 0)
		return
	}
	if !x.name(r) || !target.Free && !x.read(r) {
		return
	}
	x.identify(r, path)
	x.forward(r)
}

// caller tells who sends a request: the run that its path names, else the process
// at the other end; neither may be known.
func (h *Handler) caller(run string, r *http.Request) Caller {
	if run != "" {
		if c, ok := h.run(run); ok {
			c.Title = printable(c.Title)
			return c
		}
	}
	c, _ := h.peer(r.Context())
	c.Title, c.Session = printable(c.Title), printable(c.Session)
	return c
}

// name finds out whose call it is and how urgent; false means that the request
// has been answered with what is wrong about it.
func (x *exchange) name(r *http.Request) bool {
	key, denied := x.handler.access.admit(r, x.target.Profile.Name, x.caller.Trusted)
	if denied != nil {
		x.fail(denied.status, denied.name, denied.text, 0)
		return false
	}
	credentials, credential := weir.Credentials(r), weir.Credential(r)
	if key != "" { // what the caller has sent goes nowhere
		credentials, credential = func(func(string) bool) {}, key
	}
	x.key = key
	for credential := range credentials {
		if vendor, foreign := provider.ForeignKey(x.target.Profile, credential); foreign {
			x.fail(http.StatusForbidden, "foreign-key", "the credential looks like one of "+vendor+" and would go to "+x.target.Profile.Name+": nothing was sent. Use the provider's own key, or /@NAME/… for another provider", 0)
			return false
		}
	}
	x.call = &weir.Call{
		ID: x.id, Profile: x.target.Profile, Dialect: x.target.Dialect, Free: x.target.Free,
		Account: x.handler.governor.Fingerprint(credential), Caller: x.caller.Title,
	}
	var err error
	if class := r.Header.Get("X-Weir-Class"); class != "" {
		if x.call.Class, err = admission.ParseClass(class); err != nil {
			x.fail(http.StatusBadRequest, "bad-header", "X-Weir-Class must be interactive, subagent or background", 0)
			return false
		}
	}
	x.maxWait = -1
	if wait := r.Header.Get("X-Weir-Max-Wait"); wait != "" {
		if x.maxWait, err = time.ParseDuration(wait); err != nil || x.maxWait < 0 {
			x.fail(http.StatusBadRequest, "bad-header", "X-Weir-Max-Wait must be a duration such as 90s or 2m, not negative", 0)
			return false
		}
	}
	return true
}

// read takes the request's body into memory and learns the model from it; false
// means that the request has been answered.
func (x *exchange) read(r *http.Request) bool {
	body, err := x.handler.governor.ReadBody(x.call, r.Body, r.ContentLength)
	if err != nil {
		var refused *weir.RefusedError
		switch {
		case errors.As(err, &refused):
			x.failed(err)
		case r.Context().Err() != nil && !errors.Is(err, io.ErrUnexpectedEOF):
			x.clientGone()
		default: // a client that has only closed its half reads on
			x.fail(http.StatusBadRequest, "body-cut-short", "the request's body broke off before its end", 0)
		}
		return false
	}
	x.body = body
	x.call.Model, x.call.Stream = provider.ScanRequest(body.Bytes(), x.fields.Collect)
	x.call.Carry(body)
	return true
}

// identify finds out which tool asks, for which of its sessions, and what follows:
// how urgent it is, how long it can be kept waiting, and whether it has asked before.
func (x *exchange) identify(r *http.Request, path string) {
	by := tools.Identify(r.Header, &x.fields)
	x.fields = tools.Fields{} // it is of the body, which is let go of before the exchange
	if t, ok := tools.ByName(x.caller.Tool); ok && by.Tool.Programs == nil {
		by.Tool = t // a library's marks do not say which program has called it
	}
	x.tool = by.Tool
	if by.Class == admission.Subagent && by.Own != "" {
		by.Session = x.handler.roots.find(by.Session, by.Own)
	}
	x.call.Session = firstOf(clip(r.Header.Get("X-Weir-Session")), printable(by.Session), x.caller.Session)
	if x.call.Session == "" {
		x.call.Session = stranger(r)
	}
	if r.Header.Get("X-Weir-Class") == "" {
		x.call.Class = by.Class
		if class, ok := x.handler.classes(r.Header, x.call.Model, path); ok {
			x.call.Class = class
		}
	}
	if x.call.Free {
		return
	}
	x.hold = x.handler.holds.of(by)
	x.call.MaxWait = x.hold.Plain
	if x.call.Stream {
		x.call.MaxWait = x.hold.Stream
	}
	if x.maxWait >= 0 {
		x.call.MaxWait = max(x.maxWait, time.Nanosecond)
	}
	x.comesBack()
}

// forward sends the request and passes its answer on.
func (x *exchange) forward(r *http.Request) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	x.ctx, x.cancel = ctx, cancel
	ctx = weir.WithCall(weir.WithTrace(context.WithValue(ctx, exchangeKey{}, x), &x.trace), x.call)
	if x.call.Stream && !x.call.Free {
		x.startHold()
		defer x.stopHold()
	}
	if !x.call.Free {
		x.handler.underway.begin(x)
		defer x.handler.underway.end(x)
	}
	r = r.WithContext(ctx)
	if x.body != nil {
		r.Body, r.ContentLength = http.NoBody, 0 // the transport has it
		defer x.body.Release()
		defer x.ended()
	}
	x.handler.reverse.ServeHTTP(x, r)
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// rewrite makes the outgoing request the client's own, at the provider's address.
func rewrite(pr *httputil.ProxyRequest) {
	x := exchangeOf(pr.In.Context())
	u, err := url.Parse(x.target.URL)
	if err != nil {
		u = &url.URL{} // cannot be reached: the transport will say so
	}
	u.RawQuery, u.ForceQuery = pr.In.URL.RawQuery, pr.In.URL.ForceQuery
	pr.Out.URL = u
	pr.Out.Host = ""
	for name := range pr.Out.Header {
		if strings.HasPrefix(name, "X-Weir-") {
			delete(pr.Out.Header, name)
		}
	}
	for _, name := range [...]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if v, ok := pr.In.Header[name]; ok {
			pr.Out.Header[name] = v
		}
	}
	if x.key != "" {
		setKey(pr.Out, x.target.Profile, x.target.Dialect, x.key)
	}
	pr.Out.Header["Accept-Encoding"] = []string{"identity"}
	delete(pr.Out.Header, "Expect") // it was for weir, which has the body
}

// buffers lends copy buffers to the reverse proxy.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }
