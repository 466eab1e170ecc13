package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait. It is far longer than anything takes, since a
// busy machine may be slow, and it is only used up by a test that fails.
const patience = 5 * time.Minute

// A program is a running command and what it has written so far.
type program struct {
	name   string
	cmd    *exec.Cmd
	stdout *lines
	stderr *lines
	ended  chan struct{} // closed when the command has ended and all is read
}

// start runs a command in a directory of its own home, with nothing of the
// caller's environment but the search path. It is killed when the test ends if
// it still runs then, and its output is shown if the test failed.
func start(t *testing.T, name, dir string, env []string, path string, args ...string) *program {
	t.Helper()
	p := &program{name: name, stdout: newLines(), stderr: newLines(), ended: make(chan struct{})}
	p.cmd = exec.Command(path, args...)
	p.cmd.Dir = dir
	p.cmd.Env = append(env, "PATH="+os.Getenv("PATH"))
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.cmd.WaitDelay = 5 * time.Second // for grandchildren that hold the pipes
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // what it says is in ProcessState
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s wrote to stdout:\n%s", name, p.stdout.tail(30))
			t.Logf("%s wrote to stderr:\n%s", name, p.stderr.tail(30))
		}
	})
	return p
}

// kill ends the program at once (SIGKILL) and waits until it is gone.
func (p *program) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
}

// terminate asks the program to end (SIGTERM) and returns its exit status.
func (p *program) terminate(t *testing.T) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("terminate %s: %v", p.name, err)
	}
	return p.wait(t)
}

// wait returns the exit status once the program has ended by itself.
func (p *program) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.kill()
		t.Fatalf("%s did not end within %v", p.name, patience)
		return -1
	}
}

// running tells whether the program has not ended yet.
func (p *program) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// lines collects a program's output line by line.
type lines struct {
	mu      sync.Mutex
	whole   []string
	part    []byte        // the line that has not ended
	changed chan struct{} // closed and replaced with each whole line
}

func newLines() *lines { return &lines{changed: make(chan struct{})} }

// Write adds output of the program.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part = append(l.part, b...)
	for {
		line, rest, found := bytes.Cut(l.part, []byte("\n"))
		if !found {
			return len(b), nil
		}
		l.whole = append(l.whole, string(line))
		l.part = rest
		close(l.changed)
		l.changed = make(chan struct{})
	}
}

// all returns the whole lines so far and a channel that closes when there are
// more.
func (l *lines) all() ([]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.whole[:len(l.whole):len(l.whole)], l.changed
}

// text returns all output so far.
func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(append(l.whole[:len(l.whole):len(l.whole)], string(l.part)), "\n")
}

// tail returns the last n lines.
func (l *lines) tail(n int) string {
	all := strings.Split(l.text(), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}

// after returns what follows prefix in the first line that has it. It waits for
// such a line until ctx ends.
func (l *lines) after(ctx context.Context, prefix string) (string, bool) {
	for {
		all, changed := l.all()
		for _, line := range all {
			if _, rest, found := strings.Cut(line, prefix); found {
				return rest, true
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", false
		}
	}
}

// eventually asks until the answer is yes, and fails the test if it is not
// within patience.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
