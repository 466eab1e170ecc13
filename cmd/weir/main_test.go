package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// buffer is an output that may be read while it is written.
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

// execute runs a command line that ends by itself.
func execute(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs buffer
	status = run(ctx, args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestWrongCommandLinesEndWith2(t *testing.T) {
	state := filepath.Join(t.TempDir(), "weir")
	tests := []struct{ name, args, says string }{
		{"an unknown command", "serv", `"serve"`},
		{"an unknown command that is like none", "xyzzy", `"xyzzy"`},
		{"an unknown flag", "serve --limits 3", "--limits"},
		{"an unknown flag of the root", "--nothing", "--nothing"},
		{"an argument too many", "serve now", `"now"`},
		{"an argument of version", "version now", `"now"`},
		{"two lanes", "resume a b", "at most one"},
		{"nothing to explain", "explain", "something to explain"},
		{"a provider that nobody knows", "explain --upstream nobody 1302", "--upstream"},
		{"an unknown shell", "completion tcsh", `"tcsh"`},
		{"an argument of a shell", "completion bash now", `"now"`},
		{"a flag without its value", "serve --limit", "--limit"},
		{"a limit of 0", "serve --limit 0", "--limit"},
		{"a limit that is no number", "serve --limit abc", "--limit"},
		{"a negative limit", "serve --limit -1", "--limit"},
		{"all addresses", "serve --listen 0.0.0.0:1302", "--listen"},
		{"all addresses, in short", "serve --listen :1302", "--listen"},
		{"no port", "serve --listen 127.0.0.1", "--listen"},
		{"an impossible port", "serve --listen 127.0.0.1:99999", "--listen"},
		{"an upstream that nobody knows", "serve --upstream nobody", "--upstream"},
		{"an upstream that is no web address", "serve --upstream ftp://127.0.0.1/", "--upstream"},
		{"an upstream without its address", "serve --upstream generic", "--upstream"},
		{"a format that there is not", "serve --log-format xml", "--log-format"},
		{"a negative drain", "serve --drain -1s", "--drain"},
		{"a drain without a unit", "serve --drain 30", "--drain"},
		{"a host with a port", "serve --allow-host box:1", "--allow-host"},
		{"no time at all", "serve --hold 0s", "--hold"},
		{"a simulator for everybody", "simulate --listen 0.0.0.0:0", "--listen"},
		{"a simulator without slots", "simulate --limit 0", "--limit"},
		{"a scenario that is not there", "simulate now.yaml", "now.yaml"},
		{"two scenarios at once", "simulate a.yaml b.yaml", "2 files"},
		{"a scenario and flags that describe the provider", "simulate now.yaml --lag 1s", "--lag and now.yaml"},
		{"an unknown flag of the simulator", "simulate --lags 1s", "--lags"},
		{"a schedule that is none", "simulate --schedule soon", "--schedule"},
		{"a script that is not there", "simulate --listen 127.0.0.1:0 --script " + state + "/none.json", "--script"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := strings.Fields(tt.args)
			if args[0] == "serve" {
				args = append([]string{"serve", "--state", state}, args[1:]...)
			}
			status, stdout, stderr := execute(t, args...)
			if status != 2 || stdout != "" {
				t.Errorf("status %d, stdout %q; want 2 and nothing", status, stdout)
			}
			line, rest, _ := strings.Cut(stderr, "\n")
			if !strings.HasPrefix(line, "weir: ") || !strings.Contains(line, tt.says) || rest != "Try: weir help\n" {
				t.Errorf("stderr %q, want one line about %s and where help is", stderr, tt.says)
			}
		})
	}
	if _, err := os.Stat(state); err == nil {
		t.Error("a state directory was made")
	}
}

func TestWhatCannotBeHadEndsWith1(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		says string
	}{
		{"a port in use", []string{"serve", "--state", t.TempDir(), "--listen", l.Addr().String()}, l.Addr().String()},
		{"a state directory that cannot be", []string{"serve", "--listen", "127.0.0.1:0", "--state", file + "/weir"}, file},
		{"a state directory that is a file", []string{"serve", "--listen", "127.0.0.1:0", "--state", file}, file},
		{"resume in such a one", []string{"resume", "--state", file + "/weir"}, file},
		{"the simulator's port in use", []string{"simulate", "--listen", l.Addr().String()}, l.Addr().String()},
		{"a log that cannot be written", []string{"simulate", "--listen", "127.0.0.1:0", "--log", file + "/log"}, file},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := execute(t, tt.args...)
			if status != 1 || stdout != "" {
				t.Errorf("status %d, stdout %q; want 1 and nothing", status, stdout)
			}
			if !strings.HasPrefix(stderr, "weir: ") || !strings.Contains(stderr, tt.says) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("stderr %q, want one line that names %s", stderr, tt.says)
			}
		})
	}
}

func TestVersionAndCompletion(t *testing.T) {
	status, stdout, stderr := execute(t, "version")
	if status != 0 || stderr != "" || !regexp.MustCompile(`^weir \S+ go1\S* \w+/\w+\n$`).MatchString(stdout) {
		t.Errorf("version: status %d, %q, %q", status, stdout, stderr)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		status, stdout, stderr := execute(t, "completion", shell)
		if status != 0 || stderr != "" || !strings.Contains(stdout, "weir") || strings.Count(stdout, "\n") < 50 {
			t.Errorf("completion %s: status %d, %d bytes, %q", shell, status, len(stdout), stderr)
		}
	}
}

func TestEachCommandHasHelp(t *testing.T) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		t.Run(c.CommandPath(), func(t *testing.T) {
			if c.Short == "" || c.Long == "" && c.Example == "" {
				t.Error("Short, and Long or Example, are needed")
			}
			status, stdout, stderr := execute(t, append(strings.Fields(c.CommandPath())[1:], "--help")...)
			if status != 0 || stderr != "" || !strings.Contains(stdout, "Usage:") || !strings.Contains(stdout, c.CommandPath()) {
				t.Errorf("--help: status %d, %q, %q", status, stdout, stderr)
			}
		})
		for _, sub := range c.Commands() {
			if !sub.Hidden {
				visit(sub)
			}
		}
	}
	visit(newRoot(io.Discard, io.Discard))
}

// background runs a command until the test stops it, and returns its outputs
// and what ends it and tells its status.
func background(t *testing.T, args ...string) (stdout, stderr *buffer, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stdout, stderr = &buffer{}, &buffer{}
	over := make(chan struct{})
	var status int
	go func() {
		defer close(over)
		status = run(ctx, args, stdout, stderr)
	}()
	stop = func() int {
		cancel()
		<-over
		return status
	}
	t.Cleanup(func() { stop() })
	return stdout, stderr, stop
}

// awaited waits until an output has what a pattern says, and returns its group.
func awaited(t *testing.T, b *buffer, pattern string) string {
	t.Helper()
	p := regexp.MustCompile(pattern)
	deadline := time.After(20 * time.Second)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		if found := p.FindStringSubmatch(b.String()); found != nil {
			return found[len(found)-1]
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("nothing like %s in %q", pattern, b)
		}
	}
}
