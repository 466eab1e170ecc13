package daemon

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/config"
	"github.com/weirhq/weir/internal/simulate"
)

// configured is a gateway that reads a file; write gives it another text.
func configured(t *testing.T, text string) (g *gateway, write func(string)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "weir.yaml")
	write = func(text string) {
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil { // as editors do
			t.Fatal(err)
		}
	}
	write(text)
	read := func() (Config, error) {
		c, err := config.Load(file, os.LookupEnv)
		if err != nil {
			return Config{}, err
		}
		cfg := FromFile(c)
		cfg.Listen = "127.0.0.1:0"
		return cfg, nil
	}
	cfg, err := read()
	if err != nil {
		t.Fatal(err)
	}
	cfg.File, cfg.Again = file, read
	return start(t, cfg), write
}

func TestAChangeOfTheFileHoldsWithoutDroppingACall(t *testing.T) {
	_, one := upstream(t, simulate.Config{Limit: 50})
	_, two := upstream(t, simulate.Config{Limit: 50})
	g, write := configured(t, "upstream: zai-coding="+one+"\nlimit: 4\n")
	load := g.keepCalling()
	g.until(patience, "calls come", func() bool { return load.calls.Load() > 5 })
	if s := g.state(); s.Accounts[0].Limit != 4 {
		t.Errorf("limit %d, want 4", s.Accounts[0].Limit)
	}
	write("upstream: zai-coding=" + two + "\nlimit: 2\nlanes: [{model: glm-5, limit: 1}]\nlisten: 127.0.0.1:9\n")
	g.until(patience, "the new limit holds", func() bool {
		s := g.state()
		return s.Accounts[0].Limit == 2 && s.Accounts[0].Lanes[0].Limit == 1
	})
	g.until(patience, "calls go to the other address", func() bool { return strings.Contains(g.Upstreams(), two) })
	write("upstream: nowhere\n")
	g.until(patience, "a wrong file is told of", func() bool { return strings.Contains(g.logs.String(), "the old one holds") })
	since := load.calls.Load()
	g.until(patience, "calls go on", func() bool { return load.calls.Load() > since+5 })
	load.stop()
	if load.failed.Load() > 0 {
		t.Errorf("%d of %d calls failed", load.failed.Load(), load.calls.Load())
	}
	if s := g.state(); s.Accounts[0].Limit != 2 {
		t.Errorf("limit %d, want that of the last good file", s.Accounts[0].Limit)
	}
}

func TestHangupReadsTheFileAgain(t *testing.T) {
	hangup := make(chan os.Signal)
	var limit atomic.Int64
	limit.Store(1)
	read := func() (Config, error) {
		var c config.Config
		c.Limit.Min, c.Limit.Max = int(limit.Load()), int(limit.Load())
		return FromFile(&c), nil
	}
	_, url := upstream(t, simulate.Config{})
	g := start(t, Config{Upstreams: []string{url}, Again: read, Hangup: hangup})
	g.call("glm-5")
	limit.Store(3)
	hangup <- os.Interrupt // of any kind
	g.until(patience, "the limit is another", func() bool { return g.state().Accounts[0].Limit == 3 })
}

func TestListeningBeyondLoopback(t *testing.T) {
	tokens := []string{"a-token-of-the-test-0"}
	tests := []struct {
		name string
		cfg  Config
		want string // of the error; empty: it may
	}{
		{"without tokens", Config{Listen: "0.0.0.0:0", Upstreams: []string{"zai"}}, "not a loopback address"},
		{"with a coding plan", Config{Listen: "0.0.0.0:0", Tokens: tokens}, "one user and no third party"},
		{"with a coding plan as the second", Config{Listen: "0.0.0.0:0", Tokens: tokens, Upstreams: []string{"zai", "bigmodel-coding"}}, "one user and no third party"},
		{"with a coding plan under another name", Config{Listen: "0.0.0.0:0", Tokens: tokens, Upstreams: []string{"generic=https://api.z.ai/api/coding/paas/v4"}}, "the coding plan of generic is for one user and no third party"},
		{"with terms", Config{Listen: "0.0.0.0:0", Tokens: tokens, TermsAgreed: true}, ""},
		{"without a coding plan", Config{Listen: ":0", Tokens: tokens, Upstreams: []string{"zai"}}, ""},
	}
	for _, tt := range tests {
		_, err := settle(&tt.cfg)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	cfg := Config{Listen: "0.0.0.0:0", Tokens: tokens, Upstreams: []string{"zai"}}
	s, err := settle(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	if target, err := s.routes.Find(http.MethodPost, "/@zai-coding"+chatPath, http.Header{}); err == nil {
		t.Errorf("others can use the coding plan at %s", target.URL)
	}
}

func TestSettingsThatNeedARestartAreNamed(t *testing.T) {
	a := Config{Listen: "x", LogFormat: "text", MaxQueue: 1}
	if got := a.needRestart(Config{Listen: "y", LogFormat: "text", MaxQueue: 2, Drain: time.Second}); strings.Join(got, " ") != "listen max_queue" {
		t.Errorf("needRestart = %q", got)
	}
}
