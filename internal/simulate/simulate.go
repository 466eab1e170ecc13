// Package simulate is a model provider over HTTP to try things on: it speaks
// the three dialects (OpenAI chat, Anthropic Messages, OpenAI Responses) at the
// paths of Z.AI and at the usual ones, counts the calls of each account, and
// refuses those beyond its limit as Z.AI does. It thinks nothing: answers are a
// fixed text, or what a script says, spread over a while in small events.
//
// A call is decided in the moment its body has been read. An accepted call holds
// one slot of its account until its answer has ended or its client has gone, and
// for the lag after that. The slot is given back, and the call is counted and
// logged, just before the last bytes go out: no client can see the end of an
// answer and find the slot still taken (but for the lag).
//
// The package reads the clock through time only, so it works in a
// testing/synctest bubble over net.Pipe as well as on a socket. It keeps no
// prompt, no answer and no credential.
package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxBody bounds a request's body in bytes; a longer one is answered as a
// prompt that is too long.
const maxBody = 64 << 20

// A Provider is the simulated provider. Make one with [New]; the zero Provider
// is not usable. It starts no goroutine of its own except within Serve.
// Its methods may be called concurrently; it must not be copied.
type Provider struct {
	config Config
	rules  []*rule
	began  time.Time // schedules and outages count from here

	logMu sync.Mutex // orders the lines in config.Log

	mu       sync.Mutex // guards what follows
	random   *rand.Rand
	accounts map[string]*account
	total    tally
	log      ring
	active   int        // requests inside ServeHTTP
	idle     *sync.Cond // signalled when active falls to 0
}

var _ http.Handler = (*Provider)(nil)

// New returns a provider that behaves as c says. Its clock, from which outages
// and the schedule of limits are counted, starts now. All mistakes in c are
// reported at once.
func New(c Config) (*Provider, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	p := &Provider{
		config:   c,
		rules:    compile(c.Rules),
		began:    time.Now(),
		random:   rand.New(rand.NewPCG(c.Seed, 1302)),
		accounts: make(map[string]*account),
	}
	p.total.codes = make(map[string]int)
	p.idle = sync.NewCond(&p.mu)
	return p, nil
}

// Serve answers on l until ctx ends, then closes every connection, waits for
// what was running and returns nil. It closes l. Any other error of l is
// returned as it is. HTTP/1.1 and HTTP/2 without TLS are spoken.
func (p *Provider) Serve(ctx context.Context, l net.Listener) error {
	var conns sync.WaitGroup // Add only happens in Serve's accept loop below
	server := &http.Server{
		Handler:           p,
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
		Protocols:         new(http.Protocols),
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				conns.Add(1)
			case http.StateClosed, http.StateHijacked:
				conns.Done()
			}
		},
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		server.Close()
	})
	err := server.Serve(l)
	if !stop() {
		<-stopped
	}
	server.Close() // a connection accepted during the first Close is still open
	conns.Wait()
	p.wait() // handlers that have taken their connection over
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("simulate: serve: %w", err)
}

// ServeHTTP answers one request: a call in one of the three dialects, a call
// that takes no slot (models, count_tokens, hello), or the simulator's own
// /healthz, /simulate/stats and /simulate/log. An unknown path under /api gets
// the envelope under HTTP 200 that Z.AI sends, any other one 404.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.enter()
	defer p.leave()
	path := r.URL.Path
	if d := dialectOf(path); d != nil && r.Method == http.MethodPost {
		c := newExchange(p, w, r, d)
		defer c.abandon() // whatever way the handler is left, the slot comes back
		c.serve()
		return
	}
	switch {
	case path == "/healthz":
		writeJSON(w, http.StatusOK, []byte(`{"status":"ok"}`))
	case path == "/simulate/stats":
		writeJSON(w, http.StatusOK, encode(p.Stats()))
	case path == "/simulate/log":
		p.serveLog(w)
	default:
		p.serveSlotless(w, r)
	}
}

// serveSlotless answers the calls that no account counts.
func (p *Provider) serveSlotless(w http.ResponseWriter, r *http.Request) {
	e := Entry{ID: p.requestID(), Path: r.URL.Path, Account: Account(credential(r)), Verdict: VerdictOK, Start: time.Now()}
	path, status, body := r.URL.Path, http.StatusOK, []byte(nil)
	switch {
	case strings.HasSuffix(path, "/models") && r.Method == http.MethodGet:
		body = modelList(r)
	case strings.HasSuffix(path, "/count_tokens") && r.Method == http.MethodPost:
		n, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			status = http.StatusBadRequest
		}
		body = encode(map[string]int64{"input_tokens": n/4 + 1})
	case strings.HasSuffix(path, "/api/hello") && (r.Method == http.MethodHead || r.Method == http.MethodGet):
	case strings.HasPrefix(path, "/api/"):
		// Z.AI answers what it does not know with 200 and this envelope.
		e.Verdict, e.Code = VerdictInvalid, "404"
		body = []byte(`{"code":500,"msg":"404 NOT_FOUND","success":false}`)
	default:
		e.Verdict, e.Code = VerdictInvalid, "404"
		status, body = http.StatusNotFound, []byte(`{"error":{"code":"404","message":"Not Found"}}`)
	}
	e.End = time.Now()
	e.FirstEvent = e.End
	p.mu.Lock()
	p.total.slotless++
	p.log.add(e)
	p.mu.Unlock()
	p.writeLog(e)
	writeJSON(w, status, body)
}

// modelList returns the list of models in the shape which the path's dialect
// expects.
func modelList(r *http.Request) []byte {
	names := [...]string{"glm-5", "glm-5.1", "glm-4.7", "glm-4.5-air"}
	const created = 1767225600
	if strings.Contains(r.URL.Path, "/anthropic/") || r.Header.Get("Anthropic-Version") != "" {
		type model struct {
			Type        string `json:"type"`
			ID          string `json:"id"`
			DisplayName string `json:"display_name"`
			CreatedAt   string `json:"created_at"`
		}
		var list struct {
			Data    []model `json:"data"`
			HasMore bool    `json:"has_more"`
			FirstID string  `json:"first_id"`
			LastID  string  `json:"last_id"`
		}
		for _, n := range names {
			list.Data = append(list.Data, model{"model", n, n, time.Unix(created, 0).UTC().Format(time.RFC3339)})
		}
		list.FirstID, list.LastID = names[0], names[len(names)-1]
		return encode(list)
	}
	type model struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Created int64  `json:"created"`
		OwnedBy string `json:"owned_by"`
	}
	var list struct {
		Object string  `json:"object"`
		Data   []model `json:"data"`
	}
	list.Object = "list"
	for _, n := range names {
		list.Data = append(list.Data, model{n, "model", created, "simulated"})
	}
	return encode(list)
}

// enter counts a request in, leave counts it out, wait returns once none is in.
func (p *Provider) enter() {
	p.mu.Lock()
	p.active++
	p.mu.Unlock()
}

func (p *Provider) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.active--; p.active == 0 {
		p.idle.Broadcast()
	}
}

func (p *Provider) wait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.active > 0 {
		p.idle.Wait()
	}
}

// requestID returns an identifier of Z.AI's form: the clock in UTC+8 and 16
// hexadecimal digits.
func (p *Provider) requestID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requestIDLocked(time.Now())
}

func (p *Provider) requestIDLocked(now time.Time) string {
	return fmt.Sprintf("%s%016x", beijing(now).Format("20060102150405"), p.random.Uint64())
}

// beijing returns t on the clock that Z.AI's identifiers and texts are written
// in, on both of its hosts.
func beijing(t time.Time) time.Time { return t.In(time.FixedZone("UTC+8", 8*60*60)) }

// encode returns v as JSON without a line end and without escaping HTML, as
// providers write it. It is only called with types that can be encoded.
func encode(v any) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("simulate: " + err.Error())
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}

// writeJSON sends a whole answer.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body)
}
