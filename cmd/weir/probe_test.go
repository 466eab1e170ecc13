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

	"github.com/weirhq/weir/internal/daemon"
	"github.com/weirhq/weir/internal/simulate"
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
