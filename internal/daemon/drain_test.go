package daemon

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/limit"
)

// endless serves streams that end when release is closed, or with their client.
func endless(t *testing.T, release <-chan struct{}) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, `data: {"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]}`+"\n\n")
		w.(http.Flusher).Flush()
		select {
		case <-release:
			io.WriteString(w, `data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   string
}

// stream makes a call for a stream without waiting for its answer.
func (g *gateway) stream() <-chan answer {
	got := make(chan answer, 1)
	req := g.request(http.MethodPost, chatPath, `{"model":"glm-5","stream":true}`)
	go func() {
		status, header, body := send(req)
		got <- answer{status, header, body}
	}()
	return got
}

// ask has the daemon itself answer, as if on a connection from before the drain.
func (g *gateway) ask(method, path, body string) *http.Response {
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "localhost"
	g.ServeHTTP(rec, r)
	return rec.Result()
}

// occupied runs a gateway with one slot that has one stream running and one
// waiting.
func occupied(t *testing.T, drain time.Duration, release <-chan struct{}) (g *gateway, running, waiting <-chan answer) {
	t.Helper()
	g = start(t, Config{Upstreams: []string{endless(t, release)}, Drain: drain, Limit: limit.Config{Min: 1, Max: 1, Start: 1}})
	running = g.stream()
	g.until(patience, "one runs", func() bool { return g.state().InFlight == 1 })
	waiting = g.stream()
	g.until(patience, "one waits", func() bool { return g.state().Queued == 1 })
	return g, running, waiting
}

func TestDrainLetsAllFinish(t *testing.T) {
	release := make(chan struct{})
	g, running, waiting := occupied(t, patience, release)
	ended := make(chan error, 1)
	go func() { ended <- g.stop() }()
	g.until(patience, "nobody new can connect", func() bool {
		conn, err := net.Dial("tcp", g.Addr())
		if err == nil {
			conn.Close()
		}
		return err != nil
	})

	resp := g.ask(http.MethodGet, "/readyz", "")
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "draining") {
		t.Errorf("/readyz: status %d, %s", resp.StatusCode, body)
	}
	resp = g.ask(http.MethodPost, chatPath, `{"model":"glm-5"}`)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("X-Weir-Error") != "draining" || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a call that comes now: status %d, header %v", resp.StatusCode, resp.Header)
	}

	close(release)
	for _, a := range []answer{<-running, <-waiting} {
		if a.status != http.StatusOK || !strings.HasSuffix(a.body, "data: [DONE]\n\n") {
			t.Errorf("status %d, body %q", a.status, a.body)
		}
	}
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestDrainAnswersTheRest(t *testing.T) {
	g, running, waiting := occupied(t, 50*time.Millisecond, nil)
	if err := g.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	a := <-waiting
	after, err := strconv.Atoi(a.header.Get("Retry-After"))
	if a.status != http.StatusServiceUnavailable || a.header.Get("X-Weir-Error") != "draining" || err != nil || after < 1 {
		t.Errorf("the one that waited: status %d, header %v, body %s", a.status, a.header, a.body)
	}
	if a := <-running; a.status != 0 || a.header == nil {
		t.Errorf("the one that ran must see that its answer is cut: status %d, body %q", a.status, a.body)
	}
}

func TestIdleGatewayEndsAtOnce(t *testing.T) {
	g := start(t, Config{Upstreams: []string{"http://127.0.0.1:1"}, Drain: time.Hour})
	ended := make(chan error, 1)
	go func() { ended <- g.stop() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(patience):
		t.Error("it waits although nothing runs")
	}
}
