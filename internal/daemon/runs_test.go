package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/simulate"
)

// callAs makes one call of a run.
func (g *gateway) callAs(run, model string) (int, http.Header, string) {
	g.t.Helper()
	req := g.request(http.MethodPost, "/"+run+chatPath, fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hello"}]}`, model))
	req.Header.Set("Authorization", "Bearer key-of-the-test")
	return send(req)
}

// join begins a run at the gateway.
func (g *gateway) join(title string) *Attendance {
	g.t.Helper()
	a, err := Attend(g.t.Context(), Starter{Dir: g.dir, Program: "/no/such/weir"}, "v0.0.0-test", RunInfo{Title: title, PID: 1})
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

func TestRunNamesCannotBeMadeUp(t *testing.T) {
	rs := newRuns([]byte("the secret of a state directory"))
	id := rs.newID()
	if !rs.genuine(id) || newRuns([]byte("another one")).genuine(id) {
		t.Error("a name is good for its own state directory only")
	}
	rapid.Check(t, func(t *rapid.T) {
		made := rapid.OneOf(rapid.String(), rapid.StringMatching(`~[0-9a-f]{32}`)).Draw(t, "name")
		if made != id && rs.genuine(made) {
			t.Fatalf("%q is taken for genuine", made)
		}
	})
}

func TestRunIsCountedAndShown(t *testing.T) {
	_, url := upstream(t, simulate.Config{Rules: refusing()})
	g := start(t, Config{Upstreams: []string{url}})
	a := g.join("opencode in ~/shop")
	if status, _, body := g.get("/weir/api/state"); status != http.StatusOK || !strings.Contains(body, `"opencode in ~/shop"`) {
		t.Errorf("state does not name the run: %s", body)
	}
	for model, want := range map[string]int{"glm-5": 200, "busy": 200, "spent": 402} {
		if status, _, body := g.callAs(a.ID(), model); status != want {
			t.Errorf("%s: status %d: %s", model, status, body)
		}
	}
	g.call("glm-5") // somebody else's
	stats := a.Leave(t.Context())
	if stats.Calls != 3 || stats.Failed != 1 || stats.Absorbed != 1 || stats.Limit < 1 || !stats.Learned {
		t.Errorf("stats %+v", stats)
	}
	if strings.Contains(g.logs.String(), a.ID()[1:]) {
		t.Error("the log has the run's name, which lets its bearer call")
	}
	if titles := g.runs.titles(); len(titles) > 0 {
		t.Errorf("still there: %v", titles)
	}
	if status, _, _ := g.callAs(a.ID(), "glm-5"); status != 200 {
		t.Errorf("a call after the end: status %d", status)
	}
}

// The first calls after a restart come before the run itself does.
func TestCallsBeforeTheRunComesBackAreCounted(t *testing.T) {
	_, url := upstream(t, simulate.Config{})
	g := start(t, Config{Upstreams: []string{url}, Keys: map[string]string{"zai-coding": "key-of-the-gateway"}, Tokens: []string{"a-token-of-the-test-0"}})
	id := g.runs.newID() // as a gateway before this one has given it
	if status, _, body := g.callAs(id, "glm-5"); status != 200 {
		t.Fatalf("status %d: %s", status, body)
	}
	a := &Attendance{info: RunInfo{ID: id, Title: "claude"}, stop: func() {}}
	i, err := Find(t.Context(), g.dir)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := a.joinAt(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	a.gateway = i
	if stats := a.Leave(t.Context()); stats.Calls != 1 {
		t.Errorf("stats %+v", stats)
	}
	if status, _, _ := g.callAs(id, "glm-5"); status != 401 {
		t.Errorf("a run that has ended may still use the gateway's key: status %d", status)
	}
}

func TestRunEndsWithItsConnection(t *testing.T) {
	g := start(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	a := &Attendance{info: RunInfo{Title: "claude"}}
	i, err := Find(t.Context(), g.dir)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := a.joinAt(ctx, i)
	if err != nil {
		t.Fatal(err)
	}
	if titles := g.runs.titles(); !slices.Equal(titles, []string{"claude"}) {
		t.Errorf("runs %v", titles)
	}
	cancel() // as if it had been killed
	stream.Close()
	g.until(patience, "the run is forgotten", g.runs.none)
}

// A gateway that ends while a run lives tells it what it has counted.
func TestStatsOutliveTheGateway(t *testing.T) {
	_, url := upstream(t, simulate.Config{})
	g := start(t, Config{Upstreams: []string{url}})
	a := g.join("qwen")
	g.callAs(a.ID(), "glm-5")
	if err := g.stop(); err != nil {
		t.Error(err)
	}
	next := start(t, Config{Upstreams: []string{url}, State: g.dir, Listen: strings.TrimPrefix(a.Address(), "http://")})
	next.until(patience, "the run has joined the next gateway", func() bool { return !next.runs.none() })
	next.callAs(a.ID(), "glm-5")
	if stats := a.Leave(t.Context()); stats.Calls != 2 || stats.Failed != 0 {
		t.Errorf("stats %+v, want the calls at both", stats)
	}
}

func TestStopWaitsForNobodyButSaysWhoRuns(t *testing.T) {
	g := start(t, Config{})
	i, err := Find(t.Context(), g.dir)
	if err != nil {
		t.Fatal(err)
	}
	a := g.join("crush in ~")
	if runs, err := i.Stop(t.Context(), false); err != nil || !slices.Equal(runs, []string{"crush in ~"}) {
		t.Errorf("Stop = %v, %v", runs, err)
	}
	if runs, err := i.Stop(t.Context(), true); err != nil || len(runs) > 0 {
		t.Errorf("Stop by force = %v, %v", runs, err)
	}
	<-g.over
	a.kept.Wait() // told that its user has ended it, it starts no other
	a.Leave(t.Context())
	if err := i.Gone(t.Context(), g.dir); err != nil {
		t.Error(err)
	}
	if _, err := Find(t.Context(), g.dir); !errors.Is(err, ErrNoGateway) {
		t.Errorf("Find = %v", err)
	}
}

func TestBackgroundEndsWhenNobodyNeedsIt(t *testing.T) {
	const idle = time.Second // long enough for the run to come, however busy the machine is
	g := start(t, Config{Background: true, Idle: idle})
	a := g.join("opencode")
	begin := time.Now()
	g.until(patience, "more than the idle time has passed", func() bool { return time.Since(begin) > 2*idle })
	select {
	case <-g.over:
		t.Fatal("it has ended while a run lives")
	default:
	}
	a.Leave(t.Context())
	select {
	case <-g.over:
	case <-time.After(patience):
		t.Fatal("it stays")
	}
}

func TestBackgroundTakesAnotherPort(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	g := start(t, Config{Background: true, Listen: other.Addr().String()})
	if g.Addr() == other.Addr().String() || !strings.Contains(g.Taken(), other.Addr().String()+" is held by ") {
		t.Errorf("listens on %s; taken: %q", g.Addr(), g.Taken())
	}
	free := start(t, Config{Background: true, Listen: "127.0.0.1:0", Prefer: other.Addr().String()})
	if free.Taken() != "" {
		t.Errorf("taken: %q", free.Taken())
	}
}

func TestTheAddressOfAnEarlierGateway(t *testing.T) {
	gone := start(t, Config{Background: true, Prefer: "192.0.2.77:1"}) // no machine's: the network has changed
	if !onLoopback(gone.Addr()) {
		t.Errorf("listens on %s", gone.Addr())
	}
	// It was open to others, and the configuration has taken that back.
	closed := start(t, Config{Background: true, Prefer: "0.0.0.0:0"})
	if !onLoopback(closed.Addr()) {
		t.Errorf("without tokens it listens on %s", closed.Addr())
	}
	open, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := New(Config{Background: true, Listen: "127.0.0.1:0", Listener: open, State: t.TempDir(), Log: io.Discard}); err == nil {
		d.listener.Close()
		t.Error("without tokens it takes over a listener that is open to others")
	}
}

func TestCleanEnv(t *testing.T) {
	env := []string{"PATH=/bin", "HOME=/home/me", "ZAI_API_KEY=secret", "https_proxy=http://p", "LC_ALL=C", "AWS_SECRET_ACCESS_KEY=secret", "OTEL_EXPORTER_OTLP_HEADERS=secret", "XDG_STATE_HOME=/s", "odd"}
	got := CleanEnv(env, func(name string) bool { return name == "ZAI_API_KEY" })
	want := []string{"PATH=/bin", "HOME=/home/me", "ZAI_API_KEY=secret", "https_proxy=http://p", "LC_ALL=C", "XDG_STATE_HOME=/s"}
	if !slices.Equal(got, want) {
		t.Errorf("CleanEnv = %q, want %q", got, want)
	}
}

func TestNewer(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"v1.10.0", "v1.9.0", true}, {"v1.9.0", "v1.10.0", false}, {"v1.0.0", "v1.0.0", false},
		{"v1.0.0", "v1.0.0-rc.1", true}, {"devel", "v1.0.0", false}, {"v1.0.0", "devel-0123456789ab", false},
	}
	for _, tt := range tests {
		if got := newer(tt.a, tt.b); got != tt.want {
			t.Errorf("newer(%q, %q) = %v", tt.a, tt.b, got)
		}
	}
}
