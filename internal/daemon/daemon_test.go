package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirhq/weir/internal/simulate"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come but has no term.
const patience = 20 * time.Second

// soon is the second within which what is learned must be kept, and half a one
// for a machine that has other things to do.
const soon = 1500 * time.Millisecond

const chatPath = "/api/coding/paas/v4/chat/completions"

// buffer is a log that may be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// gateway is a daemon that runs.
type gateway struct {
	*Daemon
	t    *testing.T
	url  string
	dir  string
	logs *buffer
	stop func() error // ends it and returns what Run did
	over <-chan struct{}
}

// start runs a daemon on a port of its own; it is stopped with the test.
func start(t *testing.T, cfg Config) *gateway {
	t.Helper()
	g := &gateway{t: t, logs: &buffer{}}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.State == "" {
		cfg.State = t.TempDir()
	}
	if cfg.Drain == 0 {
		cfg.Drain = 100 * time.Millisecond
	}
	cfg.Log, cfg.Version = g.logs, "v0.0.0-test"
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	var result error
	go func() {
		defer close(over)
		result = d.Run(ctx)
	}()
	g.Daemon, g.url, g.dir, g.over = d, "http://"+d.Addr(), cfg.State, over
	g.stop = func() error {
		cancel()
		<-over
		return result
	}
	t.Cleanup(func() {
		if err := g.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	g.until(patience, "it says that it is there", func() bool {
		status, _, _ := g.get("/healthz")
		return status == http.StatusOK
	})
	return g
}

// upstream serves a simulated provider.
func upstream(t *testing.T, cfg simulate.Config) (*simulate.Provider, string) {
	t.Helper()
	if cfg.Limit == 0 {
		cfg.Limit = 3
	}
	cfg.FirstEvent, cfg.Answer, cfg.Refusal = simulate.Exactly(0), simulate.Exactly(0), simulate.Exactly(0)
	p, err := simulate.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return p, server.URL
}

// refusing is a script by which calls for the model "spent" are refused with
// 1308, those for "unfair" with 1313, and those for "busy" once with 1302.
func refusing() []simulate.Rule {
	rule := func(model, code string, times int) simulate.Rule {
		return simulate.Rule{Match: simulate.Match{Model: model}, Times: times, Fault: &simulate.Fault{Code: code}}
	}
	return []simulate.Rule{rule("spent", "1308", 0), rule("unfair", "1313", 0), rule("busy", "1302", 1)}
}

// until asks again and again until something holds.
func (g *gateway) until(within time.Duration, what string, holds func() bool) {
	g.t.Helper()
	deadline := time.After(within)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			g.t.Fatalf("not within %v: %s\nlog:\n%s", within, what, g.logs)
		}
	}
}

// send sends a request on a connection of its own; status 0 is a failure.
func send(req *http.Request) (int, http.Header, string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, resp.Header, err.Error()
	}
	return resp.StatusCode, resp.Header, string(body)
}

func (g *gateway) request(method, path, body string) *http.Request {
	g.t.Helper()
	req, err := http.NewRequest(method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

func (g *gateway) get(path string) (int, http.Header, string) {
	g.t.Helper()
	return send(g.request(http.MethodGet, path, ""))
}

// call makes one call for a model.
func (g *gateway) call(model string) (int, http.Header, string) {
	g.t.Helper()
	req := g.request(http.MethodPost, chatPath, fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hello"}]}`, model))
	req.Header.Set("Authorization", "Bearer key-of-the-test")
	return send(req)
}

// traffic is a client that calls all the time.
type traffic struct {
	calls, failed atomic.Int64
	stop          func() // returns when its last call has ended
}

// keepCalling begins traffic; each call that fails fails the test.
func (g *gateway) keepCalling() *traffic {
	load, stop, done := &traffic{}, make(chan struct{}), make(chan struct{})
	load.stop = func() {
		close(stop)
		<-done
	}
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			load.calls.Add(1)
			if status, _, body := g.call("glm-5"); status != http.StatusOK {
				load.failed.Add(1)
				g.t.Errorf("status %d: %s", status, body)
			}
		}
	}()
	return load
}

// shown is the part of /weir/api/state that tests look at.
type shown struct {
	Persisted bool
	Queued    int
	InFlight  int `json:"in_flight"`
	Accounts  []struct {
		Account string
		Limit   int
		Lanes   []struct {
			Lane   string
			Limit  int
			Closed *pool.Closure
			Curve  []limit.LevelCount `json:"level_curve"`
		}
	}
}

func (g *gateway) state() shown {
	g.t.Helper()
	status, _, body := g.get("/weir/api/state")
	var s shown
	if err := json.Unmarshal([]byte(body), &s); status != http.StatusOK || err != nil {
		g.t.Fatalf("state: status %d, %v: %s", status, err, body)
	}
	return s
}

func (g *gateway) kept() string {
	data, err := os.ReadFile(filepath.Join(g.dir, stateFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		g.t.Fatal(err)
	}
	return string(data)
}

func TestStateShowsEachLane(t *testing.T) {
	_, url := upstream(t, simulate.Config{Rules: refusing()})
	g := start(t, Config{Upstreams: []string{url}})
	if status, _, body := g.call("busy"); status != http.StatusOK {
		t.Fatalf("the call got %d: %s", status, body)
	}
	status, header, body := g.get("/weir/api/state")
	if status != http.StatusOK || header.Get("Content-Type") != "application/json" || header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("status %d, header %v", status, header)
	}
	var s struct {
		Version   string
		PID       int
		Persisted bool
		Queued    *int
		InFlight  *int `json:"in_flight"`
		Accounts  []struct {
			Account string
			Lanes   []struct {
				Lane     string
				Limit    int
				Why      string
				Queued   *int
				InFlight *int `json:"in_flight"`
				Verdicts map[string]int
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatal(err)
	}
	if s.Version != "v0.0.0-test" || s.PID != os.Getpid() || !s.Persisted || s.Queued == nil || s.InFlight == nil {
		t.Errorf("state: %s", body)
	}
	if len(s.Accounts) != 1 || len(s.Accounts[0].Lanes) != 1 {
		t.Fatalf("want one lane: %s", body)
	}
	l := s.Accounts[0].Lanes[0]
	if l.Lane != s.Accounts[0].Account+"/busy" || l.Limit < 1 || l.Why == "" || l.Queued == nil || l.InFlight == nil {
		t.Errorf("lane: %+v", l)
	}
	if l.Verdicts["concurrency"] != 1 || l.Verdicts["ok"] != 1 {
		t.Errorf("verdicts: %v, want one refusal and one good answer", l.Verdicts)
	}
}

// A gateway that cannot write what it learns says so, and says when it can again.
func TestStateSaysWhetherWhatIsLearnedIsKept(t *testing.T) {
	_, url := upstream(t, simulate.Config{})
	g := start(t, Config{Upstreams: []string{url}})
	isKept := func(want bool) func() bool {
		return func() bool {
			_, _, body := g.get("/weir/api/state")
			return strings.Contains(body, fmt.Sprintf(`"persisted": %t`, want))
		}
	}
	file := filepath.Join(g.dir, stateFile)
	if err := os.RemoveAll(file); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(file, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if status, _, body := g.call("glm-5"); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	g.until(patience, "it says that nothing is kept", isKept(false))
	const says = "what is learned cannot be written"
	if _, _, body := g.get("/weir/api/state"); !strings.Contains(body, says) {
		t.Errorf("%s does not say %q", body, says)
	}
	if got := g.notes(); len(got) != 1 || !strings.HasPrefix(got[0], says) {
		t.Errorf("notes %q", got)
	}
	if err := os.RemoveAll(file); err != nil {
		t.Fatal(err)
	}
	g.until(patience, "it says that all is kept again", isKept(true))
}

func TestMetricsHaveAllNames(t *testing.T) {
	_, url := upstream(t, simulate.Config{Rules: refusing()})
	g := start(t, Config{Upstreams: []string{url}})
	g.call("busy")
	var body string
	g.until(patience, "the request is counted", func() bool {
		var status int
		status, _, body = g.get("/metrics")
		return status == http.StatusOK && strings.Contains(body, `weir_requests_total{outcome="ok"} 1`)
	})
	for _, name := range []string{
		`weir_in_flight{lane="zai-coding/`, `weir_queued{lane="zai-coding/`, `weir_retrying{lane="zai-coding/`, `weir_limit{lane="zai-coding/`,
		`weir_paused{lane="zai-coding/`, `weir_attempts_total{verdict="ok"} 1`, `weir_attempts_total{verdict="concurrency"} 1`,
		"weir_queue_wait_seconds_count 1", "weir_time_to_first_byte_seconds_count 1", "weir_attempt_duration_seconds_count",
		"weir_limit_changes_total{reason=",
	} {
		if !strings.Contains(body, "\n"+name) {
			t.Errorf("no %s in the metrics", name)
		}
	}
}

func TestOwnEndpointsRefuseStrangers(t *testing.T) {
	_, url := upstream(t, simulate.Config{})
	g := start(t, Config{Upstreams: []string{url}, AllowHosts: []string{"Box.lan"}})
	tests := []struct {
		name, host, origin string
		want               int
	}{
		{"the address itself", "", "", http.StatusOK},
		{"localhost on any port", "localhost:1", "", http.StatusOK},
		{"a listed name", "box.lan:1302", "", http.StatusOK},
		{"a page of its own", "", "http://127.0.0.1:1302", http.StatusOK},
		{"a stranger's name that points here", "evil.example", "", http.StatusForbidden},
		{"an address beyond loopback", "192.168.1.7:1302", "", http.StatusForbidden},
		{"a page of another site", "", "https://evil.example", http.StatusForbidden},
		{"a page without a site", "", "null", http.StatusForbidden},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, path := range []string{"/healthz", "/readyz", "/metrics", "/weir/api/state"} {
				req := g.request(http.MethodGet, path, "")
				req.Host = tt.host
				if tt.origin != "" {
					req.Header.Set("Origin", tt.origin)
				}
				if status, _, body := send(req); status != tt.want {
					t.Errorf("%s: status %d, want %d: %s", path, status, tt.want, body)
				}
			}
		})
	}
	t.Run("only reading is possible, and only what there is", func(t *testing.T) {
		if status, header, _ := send(g.request(http.MethodPost, "/weir/api/state", "{}")); status != http.StatusMethodNotAllowed || header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST: status %d, Allow %q", status, header.Get("Allow"))
		}
		if status, _, _ := g.get("/weir/api/nothing"); status != http.StatusNotFound {
			t.Errorf("status %d, want 404", status)
		}
	})
}

func TestResumeEndpointWantsTokenAndJSON(t *testing.T) {
	_, url := upstream(t, simulate.Config{Rules: refusing()})
	g := start(t, Config{Upstreams: []string{url}})
	g.call("spent")
	good := g.store.Token()
	tests := []struct {
		name, method, kind, token, body string
		want                            int
	}{
		{"not by GET", http.MethodGet, "application/json", good, "", http.StatusMethodNotAllowed},
		{"not as a form", http.MethodPost, "application/x-www-form-urlencoded", good, "lane=", http.StatusUnsupportedMediaType},
		{"not without a type", http.MethodPost, "", good, "{}", http.StatusUnsupportedMediaType},
		{"not without the token", http.MethodPost, "application/json", "", "{}", http.StatusForbidden},
		{"not with another token", http.MethodPost, "application/json", strings.Repeat("0", len(good)), "{}", http.StatusForbidden},
		{"not with a body of another kind", http.MethodPost, "application/json", good, `{"all":true}`, http.StatusBadRequest},
		{"with all of it", http.MethodPost, "application/json", good, `{"lane":""}`, http.StatusOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := g.request(tt.method, "/weir/api/resume", tt.body)
			req.Header.Set("Content-Type", tt.kind)
			req.Header.Set(tokenHeader, tt.token)
			status, _, body := send(req)
			if status != tt.want {
				t.Errorf("status %d, want %d: %s", status, tt.want, body)
			}
			if status == http.StatusOK && !strings.Contains(body, `"opened": 1`) {
				t.Errorf("answer: %s", body)
			}
		})
	}
}

func TestNewRefusesWrongSettings(t *testing.T) {
	tests := []struct {
		name, field string
		cfg         Config
	}{
		{"beyond loopback", "listen", Config{Listen: "0.0.0.0:0"}},
		{"all addresses", "listen", Config{Listen: ":1302"}},
		{"no port", "listen", Config{Listen: "127.0.0.1"}},
		{"a port that cannot be", "listen", Config{Listen: "127.0.0.1:70000"}},
		{"a name that is not localhost", "listen", Config{Listen: "example.com:1302"}},
		{"an upstream that nobody knows", "upstream", Config{Upstreams: []string{"nobody"}}},
		{"a format that there is not", "log-format", Config{LogFormat: "xml"}},
		{"a negative time", "drain", Config{Drain: -1}},
		{"a host with its port", "allow-host", Config{AllowHosts: []string{"box.lan:1302"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.cfg.Listen == "" {
				tt.cfg.Listen = "127.0.0.1:0"
			}
			tt.cfg.State = filepath.Join(t.TempDir(), "weir")
			_, err := New(tt.cfg)
			var wrong *ConfigError
			if !errors.As(err, &wrong) || wrong.Field != tt.field {
				t.Fatalf("error %v, want one about %s", err, tt.field)
			}
			if _, err := os.Stat(tt.cfg.State); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the state directory was made for nothing (%v)", err)
			}
		})
	}
}

func TestNewNamesWhatCannotBeHad(t *testing.T) {
	t.Run("a port in use", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		dir := t.TempDir()
		_, err = New(Config{Listen: l.Addr().String(), State: dir})
		var wrong *ConfigError
		if err == nil || errors.As(err, &wrong) || !strings.Contains(err.Error(), l.Addr().String()) {
			t.Errorf("error %v, want one that names %s", err, l.Addr())
		}
		s, err := OpenStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if s.ReadOnly() {
			t.Error("the state directory was not let go")
		}
	})
	t.Run("a state directory that cannot be", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := New(Config{Listen: "127.0.0.1:0", State: filepath.Join(file, "weir")})
		var wrong *ConfigError
		if err == nil || errors.As(err, &wrong) || !strings.Contains(err.Error(), file) {
			t.Errorf("error %v, want one that names %s", err, file)
		}
	})
}

func TestFixedLimitHolds(t *testing.T) {
	_, url := upstream(t, simulate.Config{})
	g := start(t, Config{Upstreams: []string{url}, Limit: limit.Config{Min: 2, Max: 2, Start: 2}})
	g.call("glm-5")
	s := g.state()
	if len(s.Accounts) != 1 || s.Accounts[0].Limit != 2 || s.Accounts[0].Lanes[0].Limit != 2 {
		t.Errorf("state: %+v", s)
	}
}

func TestLogHasOneLineForARequest(t *testing.T) {
	_, url := upstream(t, simulate.Config{Rules: refusing()})
	g := start(t, Config{Upstreams: []string{url}, LogFormat: "json"})
	req := g.request(http.MethodPost, chatPath, `{"model":"busy"}`)
	req.Header.Set("X-Weir-Class", "subagent")
	req.Header.Set("X-Weir-Session", "a-session")
	_, header, _ := send(req)
	var lines []map[string]any
	g.until(patience, "the request is logged", func() bool {
		lines = nil
		for line := range strings.Lines(g.logs.String()) {
			var entry map[string]any
			if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == "request" {
				lines = append(lines, entry)
			}
		}
		return len(lines) > 0
	})
	if len(lines) != 1 {
		t.Fatalf("%d lines, want 1", len(lines))
	}
	line := lines[0]
	for _, key := range []string{"id", "lane", "session", "class", "start", "end", "waited", "attempts", "verdicts", "in_flight", "status", "bytes"} {
		if _, ok := line[key]; !ok {
			t.Errorf("no %s in %v", key, line)
		}
	}
	if line["id"] != header.Get("X-Weir-Request-Id") || line["attempts"] != 2.0 || line["verdicts"] != "concurrency,ok" || line["class"] != "subagent" || line["session"] != "a-session" || line["status"] != 200.0 {
		t.Errorf("line: %v", line)
	}
}

// stateFiles lists the directory without what comes and goes.
func stateFiles(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}
