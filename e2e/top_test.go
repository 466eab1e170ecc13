package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// startTop starts weir top in a terminal, with variables before it, and returns its
// process. What the terminal was like is kept in the file "before".
func (x *terminal) startTop(t *testing.T, u *site, variables string) *os.Process {
	t.Helper()
	file := filepath.Join(u.home, "pid")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	x.types(t, "clear; stty -g > before; "+variables+" sh -c 'echo $$ > pid; exec "+u.binary+" top'")
	x.shows(t, "? help")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// isAsBefore fails unless the shell is back with a status, in a terminal that is as it
// was before weir top.
func (x *terminal) isAsBefore(t *testing.T, status int) {
	t.Helper()
	x.shellAgain(t, status)
	if got := x.tmux(t, "display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{keypad_flag}"); got != "0 1 0 0\n" {
		t.Errorf("alternate screen, cursor, mouse and keypad are %q", got)
	}
	if screen := x.screen(t); strings.Contains(screen, "running") || strings.Contains(screen, "1302") {
		t.Errorf("something is left of it:\n%s", screen)
	}
	x.types(t, "clear; stty -g | cmp - before && echo it is")
	x.shows(t, "it is")
}

func (x *terminal) showsNoMore(t *testing.T, text string) {
	t.Helper()
	eventually(t, fmt.Sprintf("the terminal shows %q no more", text), func() bool { return !strings.Contains(x.screen(t), text) })
}

func TestTop(t *testing.T) {
	t.Parallel()
	s := startSimulator(t, 1, "steady.json")
	u := newSite(t, s)
	caller, enough := u.startCaller(t)
	eventually(t, "the tool has answers", func() bool { return answers(caller) > 3 })

	t.Run("it shows what happens, at each size", func(t *testing.T) {
		x := newTerminal(t, u)
		x.startTop(t, u, "")
		for _, want := range []string{"glm-5", "running", "queued", "to be retried", "limit", "in flight", "done"} {
			x.shows(t, want)
		}
		x.tmux(t, "resize-window", "-x", "120", "-y", "40")
		x.shows(t, "s session")
		x.tmux(t, "resize-window", "-x", "20", "-y", "10")
		x.shows(t, "20x10 is small")
		x.tmux(t, "resize-window", "-x", "80", "-y", "24")
		x.shows(t, "? help")
		x.press(t, "3")
		x.shows(t, "requests overlap")
		x.press(t, "4")
		x.shows(t, "accepted  refused")
		x.press(t, "2")
		x.shows(t, "[2 Requests]")
		x.press(t, "End")
		x.press(t, "Enter")
		x.shows(t, "Attempts: 1")
		x.press(t, "?")
		x.shows(t, "Keys")
		x.press(t, "q")
		x.isAsBefore(t, 0)
	})
	t.Run("signs in a terminal that has them", func(t *testing.T) {
		x := newTerminal(t, u)
		x.startTop(t, u, "LC_ALL=C.UTF-8")
		eventually(t, "there is a staircase", func() bool { return strings.Contains(x.tmux(t, "-u", "capture-pane", "-p"), "█ in flight") })
		x.press(t, "q")
		x.isAsBefore(t, 0)
	})
	t.Run("no colours where none are wanted", func(t *testing.T) {
		x := newTerminal(t, u)
		colours := func() bool {
			screen := x.tmux(t, "capture-pane", "-p", "-e")
			return strings.Contains(screen, "\x1b[34m") || strings.Contains(screen, "\x1b[32m")
		}
		x.startTop(t, u, "")
		eventually(t, "there are colours", colours)
		x.press(t, "q")
		x.isAsBefore(t, 0)
		x.startTop(t, u, "NO_COLOR=1")
		x.shows(t, "done")
		if colours() {
			t.Error("there are colours with NO_COLOR")
		}
		x.press(t, "q")
		x.isAsBefore(t, 0)
	})
	for _, way := range []struct {
		name string
		out  func(x *terminal, p *os.Process) error
	}{
		{"Ctrl-C", func(x *terminal, _ *os.Process) error { x.press(t, "C-c"); return nil }},
		{"SIGTERM", func(_ *terminal, p *os.Process) error { return p.Signal(syscall.SIGTERM) }},
		{"SIGINT", func(_ *terminal, p *os.Process) error { return p.Signal(syscall.SIGINT) }},
		{"SIGHUP", func(_ *terminal, p *os.Process) error { return p.Signal(syscall.SIGHUP) }},
		{"SIGQUIT", func(_ *terminal, p *os.Process) error { return p.Signal(syscall.SIGQUIT) }},
	} {
		t.Run(way.name+" gives the terminal back", func(t *testing.T) {
			x := newTerminal(t, u)
			if err := way.out(x, x.startTop(t, u, "")); err != nil {
				t.Error(err)
			}
			x.isAsBefore(t, 0)
		})
	}
	t.Run("Ctrl-Z stops it, and fg brings it back", func(t *testing.T) {
		x := newTerminal(t, u)
		x.startTop(t, u, "")
		x.press(t, "C-z")
		x.stopped(t)
		x.types(t, "clear; fg")
		x.shows(t, "? help")
		x.press(t, "q")
		x.isAsBefore(t, 0)
	})
	t.Run("it ends with its terminal", func(t *testing.T) {
		x := newTerminal(t, u)
		p := x.startTop(t, u, "")
		x.tmux(t, "new-window", "sleep 600") // the server lives on without the first one
		x.tmux(t, "kill-window", "-t", ":0")
		eventually(t, "it has ended", func() bool { return p.Signal(syscall.Signal(0)) != nil })
	})
	enough()
	caller.wait(t)
	t.Run("it waits for the next gateway", func(t *testing.T) {
		x := newTerminal(t, u)
		x.startTop(t, u, "")
		if status := u.weir(t, u.home, "stop").wait(t); status != 0 {
			t.Fatalf("weir stop: %d", status)
		}
		x.shows(t, "NOT CONNECTED since")
		x.shows(t, "no gateway runs")
		u.run(t, "true")
		x.showsNoMore(t, "NOT CONNECTED")
		x.press(t, "q")
		x.isAsBefore(t, 0)
	})
	t.Run("without a terminal it points to weir status", func(t *testing.T) {
		p := u.weir(t, u.home, "top")
		if status := p.wait(t); status != 2 || !strings.Contains(p.stderr.text(), "weir status") {
			t.Errorf("status %d, %q", status, p.stderr.text())
		}
	})
	t.Run("without a gateway it says so", func(t *testing.T) {
		x := newTerminal(t, u)
		x.types(t, "clear; "+u.binary+" top --state nowhere")
		x.shows(t, "no gateway runs")
		x.shellAgain(t, 1)
	})
}
