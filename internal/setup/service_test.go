package setup_test

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/setup"
)

// A machine has a service manager that notes what it is told.
type machine struct {
	calls  []string
	fail   string // a command that fails, by its beginning
	says   string
	active string
}

func (m *machine) run(_ context.Context, program string, args ...string) ([]byte, error) {
	call := strings.Join(append([]string{program}, args...), " ")
	m.calls = append(m.calls, call)
	if m.fail != "" && strings.HasPrefix(call, m.fail) {
		return []byte(m.says + "\nmore\n"), errors.New("exit status 1")
	}
	if strings.Contains(call, "is-active") {
		return []byte(m.active + "\n"), nil
	}
	return nil, nil
}

func service(t *testing.T, system string, m *machine) *setup.Service {
	t.Helper()
	return &setup.Service{
		System: system, Program: "/opt/we ir/100%/weir", Args: []string{"serve"}, Home: t.TempDir(), UID: 501,
		Getenv: func(string) string { return "" }, Run: m.run,
	}
}

func TestTheUnit(t *testing.T) {
	m := &machine{active: "active"}
	s := service(t, "linux", m)
	if s.Installed() {
		t.Fatal("installed already")
	}
	text := s.Text()
	for _, line := range []string{`ExecStart="/opt/we ir/100%%/weir" "serve"`, "WantedBy=default.target", "Restart=on-failure", "ExecReload=/bin/kill -HUP $MAINPID", "[Unit]", "[Service]", "[Install]"} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%s is not in\n%s", line, text)
		}
	}
	s.Program = `/a"b\c$d`
	if text := s.Text(); !strings.Contains(text, `ExecStart="/a\"b\\c$$d" "serve"`+"\n") {
		t.Errorf("escaped as\n%s", text)
	}
	s.Program = "/usr/bin/weir"
	notes, err := s.Install(t.Context())
	if err != nil || len(notes) == 0 {
		t.Fatal(notes, err)
	}
	if !s.Installed() || s.File() != filepath.Join(s.Home, ".config", "systemd", "user", "weir.service") {
		t.Errorf("installed at %s", s.File())
	}
	has(t, s.File(), s.Text())
	want := "systemctl --user show-environment; systemctl --user daemon-reload; systemctl --user enable weir.service; systemctl --user restart weir.service"
	if got := strings.Join(m.calls, "; "); got != want {
		t.Errorf("called %s", got)
	}
	if got := s.Status(t.Context()); !strings.HasSuffix(got, ", active") {
		t.Errorf("status %s", got)
	}
	if ok, err := s.Remove(t.Context()); !ok || err != nil || s.Installed() {
		t.Errorf("removed: %v, %v", ok, err)
	}
	if ok, err := s.Remove(t.Context()); ok || err != nil {
		t.Errorf("removed twice: %v, %v", ok, err)
	}
	if got := s.Status(t.Context()); !strings.HasPrefix(got, "not installed") {
		t.Errorf("status %s", got)
	}
}

func TestNoSystemdAnswers(t *testing.T) {
	m := &machine{fail: "systemctl --user show-environment", says: "Failed to connect to bus"}
	s := service(t, "linux", m)
	_, err := s.Install(t.Context())
	var refused *setup.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "Failed to connect to bus") || !strings.Contains(err.Error(), `"/opt/we ir/100%/weir" serve`) {
		t.Errorf("%v", err)
	}
	if got := names(t, s.Home); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

func TestAFailedInstallationLeavesNothing(t *testing.T) {
	m := &machine{fail: "systemctl --user restart", says: "Job failed"}
	s := service(t, "linux", m)
	if _, err := s.Install(t.Context()); err == nil || !strings.Contains(err.Error(), "Job failed") {
		t.Errorf("%v", err)
	}
	if got := names(t, s.Home); got != "" {
		t.Errorf("left behind: %s", got)
	}
	// An older one stays.
	if err := os.MkdirAll(filepath.Dir(s.File()), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, s.File(), "older", 0o644)
	if _, err := s.Install(t.Context()); err == nil {
		t.Error("no error")
	}
	has(t, s.File(), "older")
	s.Program = "/tmp/go-build1/b001/exe/weir"
	if _, err := s.Install(t.Context()); err == nil || !strings.Contains(err.Error(), "for one run") {
		t.Errorf("%v", err)
	}
}

func TestTheAgent(t *testing.T) {
	m := &machine{}
	s := service(t, "darwin", m)
	s.Program = "/Users/a&b/weir"
	notes, err := s.Install(t.Context())
	if err != nil || len(notes) == 0 {
		t.Fatal(err)
	}
	has(t, s.File(), s.Text())
	if !strings.Contains(s.Text(), "<string>/Users/a&amp;b/weir</string>\n\t\t<string>serve</string>") {
		t.Errorf("the agent is\n%s", s.Text())
	}
	for d := xml.NewDecoder(strings.NewReader(s.Text())); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(m.calls, "; "); got != "launchctl bootout gui/501/io.github.weirhq.weir; launchctl bootstrap gui/501 "+s.File() {
		t.Errorf("called %s", got)
	}
	if got := s.Status(t.Context()); !strings.HasSuffix(got, ", loaded") {
		t.Errorf("status %s", got)
	}
	if ok, err := s.Remove(t.Context()); !ok || err != nil || s.Installed() {
		t.Errorf("removed: %v, %v", ok, err)
	}
}

func TestOtherSystems(t *testing.T) {
	for system, says := range map[string]string{"windows": "schtasks /Create", "plan9": "start-up files"} {
		s := service(t, system, &machine{})
		_, err := s.Install(t.Context())
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", system, err)
		}
		if s.Installed() {
			t.Errorf("%s: installed", system)
		}
	}
}
