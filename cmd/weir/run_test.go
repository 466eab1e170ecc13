package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/daemon"
)

func TestEnvironmentOfATool(t *testing.T) {
	tests := []struct {
		name       string
		env, moved []string
		want       []string
	}{
		{"nothing set", []string{"A=1"}, []string{"B=2"}, []string{"A=1", "B=2", "NO_PROXY=127.0.0.1,localhost", "no_proxy=127.0.0.1,localhost"}},
		{"what is moved is there once", []string{"B=1", "A=1"}, []string{"B=2"}, []string{"A=1", "B=2", "NO_PROXY=127.0.0.1,localhost", "no_proxy=127.0.0.1,localhost"}},
		{"what is exempt stays so", []string{"NO_PROXY=x.example"}, nil, []string{"NO_PROXY=x.example,127.0.0.1,localhost", "no_proxy=x.example,127.0.0.1,localhost"}},
		{"in each way of writing", []string{"NO_PROXY=x", "no_proxy=y,localhost"}, nil, []string{"NO_PROXY=x,127.0.0.1,localhost", "no_proxy=y,localhost,127.0.0.1"}},
	}
	for _, tt := range tests {
		if got := environment(tt.env, tt.moved); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestSummary(t *testing.T) {
	tests := []struct {
		stats daemon.RunStats
		want  string
	}{
		{daemon.RunStats{}, "no calls"},
		{daemon.RunStats{Calls: 41, Absorbed: 6, Waited: 38 * time.Second, Limit: 3, Learned: true}, "41 calls, 0 failed, 6 refusals absorbed, waited 38 s in all, limit 3 (learned)"},
		{daemon.RunStats{Calls: 1, Failed: 1, Absorbed: 1, Waited: 125 * time.Second, Limit: 2}, "1 call, 1 failed, 1 refusal absorbed, waited 2 min 5 s in all, limit 2 (fixed)"},
		{daemon.RunStats{Calls: 2, Waited: 400 * time.Millisecond}, "2 calls, 0 failed, 0 refusals absorbed, waited 0.4 s in all"},
	}
	for _, tt := range tests {
		if got := summary(tt.stats); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.stats, got, tt.want)
		}
	}
}

func TestRunThatCannotBegin(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	for _, name := range []string{"OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_BASE_URL"} {
		t.Setenv(name, "")
	}
	tests := []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"no tool", []string{"run", "--"}, 2, "needs a tool to run"},
		{"a tool that there is not", []string{"run", "--", "no-such-tool"}, 127, "weir: no-such-tool: not found"},
		{"a file that is no program", []string{"run", "--", "./run_test.go"}, 126, "weir: ./run_test.go: cannot be run"},
		{"a directory", []string{"run", "--", "/"}, 126, "weir: /: cannot be run"},
		{"a file that there is not", []string{"run", "--", "./nope"}, 127, "weir: ./nope: not found: there is no such file"},
		{"nothing to move", []string{"run", "--", "true"}, 2, "name the provider with --upstream NAME"},
		{"an unknown provider", []string{"run", "--upstream", "nobody", "--", "true"}, 2, "no provider has that name"},
	}
	for _, tt := range tests {
		status, out, errs := execute(t, append(tt.args[:1:1], append([]string{"--state", t.TempDir()}, tt.args[1:]...)...)...)
		if status != tt.status || out != "" || !strings.Contains(errs, tt.says) {
			t.Errorf("%s: status %d, %q, %q", tt.name, status, out, errs)
		}
	}
}
