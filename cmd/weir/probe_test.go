package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/daemon"
	"github.com/weirhq/weir/internal/evidence"
	"github.com/weirhq/weir/internal/probe"
	"github.com/weirhq/weir/internal/simulate"
	"github.com/weirhq/weir/provider"
)

// quickProvider is a simulated provider whose answers take little time.
func quickProvider(t *testing.T, limit int) string {
	t.Helper()
	p, err := simulate.New(simulate.Config{Limit: limit, FirstEvent: simulate.Exactly(5 * time.Millisecond), Answer: simulate.Exactly(60 * time.Millisecond), Refusal: simulate.Exactly(time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { _ = p.Serve(ctx, listener) })
	t.Cleanup(func() { cancel(); serving.Wait() })
	return "http://" + listener.Addr().String()
}

// probeMachine is a machine without a key, and its state directory.
func probeMachine(t *testing.T) (state string) {
	state = emptyMachine(t)
	t.Setenv("ZAI_API_KEY", "")
	return state
}

// A few rounds against a provider, to the end, without a gateway.
func TestProbePrintsAndKeepsWhatItFinds(t *testing.T) {
	state, upstream := probeMachine(t), quickProvider(t, 2)
	picture := filepath.Join(t.TempDir(), "levels.svg")
	status, stdout, stderr := execute(t, "probe", "--upstream", upstream, "--model", "glm-5", "--yes", "--rounds", "3", "--state", state, "-o", picture)
	if status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	if !strings.Contains(stderr, "calls") || !strings.Contains(stderr, "count as use") || !strings.Contains(stderr, "unfair use") {
		t.Errorf("it does not say what it costs: %s", stderr)
	}
	if !strings.Contains(stdout, "not certain") || !strings.Contains(stdout, "calls in") {
		t.Errorf("after three rounds: %s", stdout)
	}
	if svg, err := os.ReadFile(picture); err != nil || !strings.HasPrefix(string(svg), "<svg") {
		t.Errorf("the picture: %v", err)
	}
	if s, err := daemon.ReadState(state); err != nil || s != nil {
		t.Errorf("three rounds tell too little to learn from, but %+v was kept (%v)", s, err)
	}
}

func TestProbeJSON(t *testing.T) {
	state, upstream := probeMachine(t), quickProvider(t, 1)
	status, stdout, stderr := execute(t, "probe", "--upstream", upstream, "--model", "glm-5", "--yes", "--rounds", "2", "--max-level", "2", "--json", "--state", state)
	var report struct {
		Upstream, Model string
		Answer          struct{ Text string }
		Rounds, Calls   int
	}
	if err := json.Unmarshal([]byte(stdout), &report); status != 0 || err != nil || report.Model != "glm-5" || report.Rounds != 2 || report.Answer.Text == "" {
		t.Errorf("status %d, %v: %s %s", status, err, stdout, stderr)
	}
}

// countingProvider counts calls, and refuses each for fair use.
func countingProvider(t *testing.T, calls *atomic.Int32) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"error":{"code":"1313","message":"Your account has been restricted for violating the Fair Usage Policy"}}`))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestProbeAsksBeforeItSends(t *testing.T) {
	state := probeMachine(t)
	var calls atomic.Int32
	upstream := countingProvider(t, &calls)
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"no model":      {[]string{"--upstream", upstream}, 2, "--model"},
		"no such level": {[]string{"--upstream", upstream, "--model", "m", "--max-level", "0"}, 2, "--max-level"},
		"no rounds":     {[]string{"--upstream", upstream, "--model", "m", "--rounds", "0"}, 2, "--rounds"},
		"no provider":   {[]string{"--upstream", "nobody", "--model", "m"}, 2, "nobody"},
		"no key":        {[]string{"--upstream", "zai", "--model", "m", "--yes"}, 2, "--key-env"},
		"an argument":   {[]string{"glm-5"}, 2, "takes no arguments"},
	} {
		status, _, stderr := execute(t, append([]string{"probe", "--state", state}, c.args...)...)
		if status != c.status || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: status %d, %s", name, status, stderr)
		}
	}
	// Standard input of tests is no terminal.
	if status, _, stderr := execute(t, "probe", "--upstream", upstream, "--model", "m", "--state", state); status != 2 || !strings.Contains(stderr, "--yes") {
		t.Errorf("without a terminal: status %d, %s", status, stderr)
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d calls were sent", n)
	}
}

// An account that is flagged is left alone, also by the next probe.
func TestProbeNeverTouchesAFlaggedAccount(t *testing.T) {
	state := probeMachine(t)
	t.Setenv("ZAI_API_KEY", "some-key")
	var calls atomic.Int32
	upstream := countingProvider(t, &calls)
	args := []string{"probe", "--upstream", upstream, "--model", "m", "--yes", "--state", state}
	if status, _, stderr := execute(t, args...); status != 1 || !strings.Contains(stderr, "1313") {
		t.Errorf("status %d, %s", status, stderr)
	}
	sent := calls.Load()
	if sent == 0 || sent > 8 {
		t.Errorf("%d calls were sent", sent)
	}
	if status, _, stderr := execute(t, args...); status != 1 || !strings.Contains(stderr, "flagged") || !strings.Contains(stderr, "nothing was sent") {
		t.Errorf("again: status %d, %s", status, stderr)
	}
	if n := calls.Load(); n != sent {
		t.Errorf("%d more calls were sent to a flagged account", n-sent)
	}
}

// What a probe found is where the next gateway starts from.
func TestProbeTeaches(t *testing.T) {
	state := probeMachine(t)
	p, _ := provider.Lookup("zai-coding")
	call := weir.Call{Profile: p, Account: "0a1b", Model: "glm-5"}
	for _, c := range []struct {
		name     string
		result   probe.Result
		learned  int
		stable   int
		finished bool
	}{
		{"nothing", probe.Result{}, 0, 0, false},
		{"certain", probe.Result{Answer: probe.Answer{Low: 3, High: 3, Certain: true}, Levels: evidence.Curve{{Level: 3, Accepted: 40}, {Level: 4, Refused: 5}}}, 3, 3, true},
		{"not certain, and less", probe.Result{Answer: probe.Answer{Low: 2, High: 6}, Levels: evidence.Curve{{Level: 2, Accepted: 40}}}, 2, 3, true},
		{"not certain, and more", probe.Result{Answer: probe.Answer{Low: 5, High: 6}, Levels: evidence.Curve{{Level: 5, Accepted: 40}}}, 5, 5, true},
		{"certain, and less", probe.Result{Answer: probe.Answer{Low: 1, High: 1, Certain: true}, Levels: evidence.Curve{{Level: 1, Accepted: 40}, {Level: 2, Refused: 5}}}, 1, 1, true},
	} {
		r := probeReport{Result: c.result}
		if err := r.teach(t.Context(), state, call); err != nil || r.Learned != c.learned {
			t.Errorf("%s: learned %d, %v", c.name, r.Learned, err)
		}
		kept, err := daemon.ReadState(state)
		if err != nil || (kept != nil) != c.finished {
			t.Fatalf("%s: %+v, %v", c.name, kept, err)
		}
		if c.finished {
			if lane := kept.Accounts["zai-coding/0a1b"].Lanes["glm-5"]; lane.Limit.Stable != c.stable {
				t.Errorf("%s: the lane starts from %d", c.name, lane.Limit.Stable)
			}
		}
	}
}

// A gateway hides what is to be measured.
func TestProbeRefusesTheGatewayItself(t *testing.T) {
	state := probeMachine(t)
	out, _, _ := background(t, "serve", "--listen", "127.0.0.1:0", "--upstream", quickProvider(t, 2), "--state", state, "--drain", "0s")
	address := awaited(t, out, `weir listens on (http://\S+)`)
	status, _, stderr := execute(t, "probe", "--upstream", address, "--model", "glm-5", "--yes", "--state", state)
	if status != 2 || !strings.Contains(stderr, "gateway itself") {
		t.Errorf("status %d: %s", status, stderr)
	}
}

// The progress line never leaves more behind than it has written.
func TestProgressLineElsewhereThanOnATerminal(t *testing.T) {
	var b buffer
	l := newProgressLine(&b)
	for range 5 {
		l.show(probe.Progress{Share: 0.5, Left: time.Minute, Text: "2 workers: 0 of 3 refused"})
	}
	l.clear()
	if s := b.String(); strings.Count(s, "\n") != 1 || strings.ContainsAny(s, "\r\x1b") {
		t.Errorf("%q", s)
	}
}
