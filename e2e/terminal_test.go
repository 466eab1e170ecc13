package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A terminal is a shell with job control in a terminal of its own. Its prompt begins
// with the exit status of the last command.
type terminal struct {
	socket string
}

// newTerminal opens a terminal of 80 columns and 24 lines for a user. "$through"
// is short there for a run for the coding plan: no function, whose subshell would stand
// between the shell and weir.
func newTerminal(t *testing.T, u *site) *terminal {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir-tmux-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{socket: filepath.Join(dir, "s")}
	u.write(t, "shell", "PS1='$? ready> '\nthrough='"+u.binary+" run --upstream zai-coding --'\n")
	shell := []string{"env", "-i", "PATH=" + os.Getenv("PATH"), "TERM=screen", "LESS=", "LC_ALL=C"}
	shell = append(append(shell, u.env...), "bash", "--noprofile", "--rcfile", filepath.Join(u.home, "shell"), "-i")
	x.tmux(t, append([]string{"-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-c", u.home}, shell...)...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the terminal shows:\n%s", x.screen(t))
		}
		x.tmux(t, "kill-server")
		os.RemoveAll(dir)
	})
	x.shows(t, "0 ready>")
	return x
}

// tmux gives an order to the terminal and returns what it says.
func (x *terminal) tmux(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", x.socket}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

// types types a text and Enter.
func (x *terminal) types(t *testing.T, text string) {
	t.Helper()
	x.tmux(t, "send-keys", "-l", text)
	x.tmux(t, "send-keys", "Enter")
}

// press presses a key: C-c, C-z, q.
func (x *terminal) press(t *testing.T, key string) {
	t.Helper()
	x.tmux(t, "send-keys", key)
}

func (x *terminal) screen(t *testing.T) string { return x.tmux(t, "capture-pane", "-p") }

// shows waits until the screen has a text.
func (x *terminal) shows(t *testing.T, text string) {
	t.Helper()
	eventually(t, fmt.Sprintf("the terminal shows %q", text), func() bool { return strings.Contains(x.screen(t), text) })
}

// shellAgain waits until the shell is back in the foreground, with the exit status of
// its last command.
func (x *terminal) shellAgain(t *testing.T, status int) {
	t.Helper()
	prompt := fmt.Sprintf("%d ready>", status)
	eventually(t, "the shell says "+prompt, func() bool {
		all := strings.Split(strings.TrimSpace(x.screen(t)), "\n")
		return strings.TrimSpace(all[len(all)-1]) == prompt
	})
}

var stoppedPrompt = regexp.MustCompile(`^1[0-9]{2} ready>$`)

// stopped waits until the shell is back because its job has stopped.
func (x *terminal) stopped(t *testing.T) {
	t.Helper()
	eventually(t, "the shell says that the job has stopped", func() bool {
		all := strings.Split(strings.TrimSpace(x.screen(t)), "\n")
		return stoppedPrompt.MatchString(strings.TrimSpace(all[len(all)-1])) && strings.Contains(x.screen(t), "Stopped")
	})
}

// A tool under weir run has the terminal as if weir were not there.
func TestTerminal(t *testing.T) {
	t.Parallel()
	s := startSimulator(t, 1, "steady.json")
	u := newSite(t, s)
	var text strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text, "line %d.\n", i+1)
	}
	u.write(t, "text", text.String())
	u.write(t, "catch.sh", "trap 'echo caught; exit 7' INT\necho up\nwhile :; do sleep 0.1; done\n")
	u.write(t, "ask.sh", "echo up\nread word\necho \"got $word\"\nexit 3\n")
	u.run(t, "true") // so that the gateway is there, and nothing is said of it

	t.Run("a full screen follows the window's size", func(t *testing.T) {
		x := newTerminal(t, u)
		x.types(t, "$through less text")
		x.shows(t, "line 23.")
		if strings.Contains(x.screen(t), "line 24.") {
			t.Error("less shows more lines than it has")
		}
		x.tmux(t, "resize-window", "-x", "100", "-y", "40")
		x.shows(t, "line 39.")
		x.press(t, "q")
		x.shellAgain(t, 0)
		if screen := x.screen(t); !strings.Contains(screen, "weir: no calls\n0 ready>") {
			t.Errorf("after less the terminal shows:\n%s", screen)
		}
	})
	t.Run("Ctrl-C is the tool's", func(t *testing.T) {
		x := newTerminal(t, u)
		x.types(t, "$through sh catch.sh")
		x.shows(t, "up\n")
		x.press(t, "C-c")
		x.shellAgain(t, 7)
		if screen := x.screen(t); strings.Count(screen, "caught") != 1 {
			t.Errorf("the tool was told more than once, or never:\n%s", screen)
		}
	})
	t.Run("Ctrl-C ends a tool that does not mind it", func(t *testing.T) {
		x := newTerminal(t, u)
		x.types(t, "$through sh -c 'echo up; exec sleep 600'")
		x.shows(t, "up\n")
		x.press(t, "C-c")
		x.shellAgain(t, 130)
	})
	t.Run("Ctrl-Z stops it, and fg brings it back", func(t *testing.T) {
		x := newTerminal(t, u)
		x.types(t, "$through sh ask.sh")
		x.shows(t, "up\n")
		for range 2 {
			x.press(t, "C-z")
			x.stopped(t)
			x.types(t, "clear; fg")
			eventually(t, "the tool has the terminal", func() bool { return !strings.Contains(x.screen(t), "ready>") })
		}
		x.types(t, "kestrel")
		x.shows(t, "got kestrel")
		x.shellAgain(t, 3)
	})
	t.Run("a full screen is stopped and comes back", func(t *testing.T) {
		x := newTerminal(t, u)
		x.types(t, "$through less text")
		x.shows(t, "line 23.")
		x.press(t, "C-z")
		x.stopped(t)
		x.types(t, "fg")
		x.shows(t, "line 23.")
		x.press(t, "q")
		x.shellAgain(t, 0)
	})
	t.Run("kill of weir reaches the tool", func(t *testing.T) {
		x := newTerminal(t, u)
		x.types(t, "$through sh -c 'echo up; exec sleep 600' &")
		x.shows(t, "up\n")
		x.types(t, "clear; kill -TERM $!; wait $!")
		x.shows(t, "143 ready>")
		x.shows(t, "weir: no calls") // said when the tool has ended
	})
}
