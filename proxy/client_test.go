package proxy_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quiet is for servers whose connections are broken off on purpose.
var quiet = log.New(io.Discard, "", 0)

// upstream plays the provider in memory. It hears of each attempt, whose number
// counts from 1.
type upstream struct {
	answer func(n int, r *http.Request) (*http.Response, error)

	mu       sync.Mutex
	attempts []attempt
}

// attempt is what the provider saw of one.
type attempt struct {
	method, url, host string
	header            http.Header
	body              []byte
	at                time.Time
}

func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	a := attempt{method: r.Method, url: r.URL.String(), host: r.Host, header: r.Header.Clone(), at: time.Now()}
	if r.Body != nil {
		a.body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	u.mu.Lock()
	u.attempts = append(u.attempts, a)
	n := len(u.attempts)
	u.mu.Unlock()
	resp, err := u.answer(n, r)
	if resp != nil {
		resp.Request = r
	}
	return resp, err
}

func (u *upstream) seen() []attempt {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.attempts
}

// answer makes a provider's answer of a whole body.
func answer(status int, kind, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {kind}},
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
	}
}

// stream makes a provider's answer of a stream that is read from r.
func stream(r io.Reader) *http.Response {
	resp := answer(http.StatusOK, "text/event-stream", "")
	resp.ContentLength = -1
	resp.Body = io.NopCloser(r)
	if c, ok := r.(io.ReadCloser); ok {
		resp.Body = c
	}
	return resp
}

// live makes a stream that goes on until its request ends, after the events.
func live(r *http.Request, events string) *http.Response {
	pr, pw := io.Pipe()
	context.AfterFunc(r.Context(), func() { pw.CloseWithError(r.Context().Err()) })
	go io.WriteString(pw, events)
	return stream(pr)
}

// Good answers of the three dialects.
const (
	chatStream = "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n" +
		"data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"}}]}\n\n" +
		"data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
	messagesStream = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"role\":\"assistant\",\"content\":[]}}\n\n" +
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hello\"}}\n\n" +
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	responsesStream = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n" +
		"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hello\"}\n\n" +
		"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":\"completed\"}}\n\n"
	chatWhole = `{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}`
)

// The paths of the default provider.
const (
	chatPath      = "/api/coding/paas/v4/chat/completions"
	messagesPath  = "/api/anthropic/v1/messages"
	responsesPath = "/api/v1/responses"
)

const (
	askStream = `{"model":"glm-5","stream":true,"messages":[]}`
	askWhole  = `{"model":"glm-5","messages":[]}`
)

// gateway is a handler with its provider.
type gateway struct {
	*proxy.Handler
	governor  *weir.Governor
	transport *weir.Transport
	upstream  *upstream
	records   chan proxy.Record
}

// newGateway returns a gateway of one slot a lane, unless configure says
// otherwise, before the provider.
func newGateway(t *testing.T, u *upstream, configure ...func(*weir.Config, *proxy.Config)) *gateway {
	t.Helper()
	g := &gateway{upstream: u, records: make(chan proxy.Record, 4096)}
	wc := weir.Config{Limit: limit.Config{Min: 1, Max: 1}, Seed: 1}
	routes, err := proxy.NewRoutes(nil)
	if err != nil {
		t.Fatal(err)
	}
	pc := proxy.Config{Transport: &weir.Transport{}, Routes: routes, Done: func(r proxy.Record) { g.records <- r }}
	if u != nil {
		pc.Transport.Base = u
	}
	for _, c := range configure {
		c(&wc, &pc)
	}
	g.governor, err = weir.New(wc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.governor.Close)
	pc.Transport.Governor = g.governor
	g.transport = pc.Transport
	g.Handler = proxy.New(pc)
	return g
}

// close lets go of the connections to real servers.
func (g *gateway) close() { g.transport.CloseIdleConnections() }

// idle fails the test unless nothing waits, runs or is held.
func (g *gateway) idle(t *testing.T) {
	t.Helper()
	if s := g.governor.Snapshot(); s.Queued != 0 || s.InFlight != 0 || s.Bytes != 0 {
		t.Errorf("left behind: %d queued, %d in flight, %d bytes", s.Queued, s.InFlight, s.Bytes)
	}
}

// client is a client whose answer is looked at while it comes.
type client struct {
	leave context.CancelFunc
	done  chan struct{} // closed when the handler has returned

	mu      sync.Mutex
	header  http.Header
	status  int
	sent    http.Header // as they were when the status went out
	body    bytes.Buffer
	started time.Time
	writes  []time.Duration // when there was something new
	aborted bool            // the connection was broken off
}

func (c *client) Header() http.Header { return c.header }

func (c *client) WriteHeader(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status == 0 {
		c.status, c.sent = status, maps.Clone(c.header)
	}
}

func (c *client) Write(p []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = append(c.writes, time.Since(c.started))
	return c.body.Write(p)
}

func (c *client) Flush() { c.WriteHeader(http.StatusOK) }

// have returns what has come so far.
func (c *client) have() (status int, body string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status, c.body.String()
}

// request makes a request as a server would hand it on.
func request(method, path, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "http://127.0.0.1:1302"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer secret-of-a-test")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// send starts a request; do waits for its end as well.
func (g *gateway) send(r *http.Request) *client {
	ctx, leave := context.WithCancel(context.WithValue(r.Context(), http.ServerContextKey, &http.Server{}))
	c := &client{leave: leave, done: make(chan struct{}), header: http.Header{}, started: time.Now()}
	go func() {
		defer close(c.done)
		defer leave()
		defer func() {
			if p := recover(); p != nil {
				if p != http.ErrAbortHandler {
					panic(p)
				}
				c.aborted = true
			}
		}()
		g.ServeHTTP(c, r.WithContext(ctx))
	}()
	return c
}

func (g *gateway) do(method, path, body string, headers ...string) *client {
	c := g.send(request(method, path, body, headers...))
	<-c.done
	return c
}

// sample returns a provider's error body.
func sample(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/errors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".json") {
		return strings.TrimSuffix(string(b), "\n")
	}
	return string(b)
}
