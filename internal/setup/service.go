package setup

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Service is the gateway as the system starts it for one user, when that user
// logs in. It needs no rights beyond the user's own.
type Service struct {
	System  string   // runtime.GOOS
	Program string   // absolute path of weir
	Args    []string // of weir
	Home    string
	UID     int
	Getenv  func(name string) string
	// Run runs a program and returns what it prints, on both of its outputs.
	Run func(ctx context.Context, program string, args ...string) ([]byte, error)
}

const (
	unitName   = "weir.service"
	agentLabel = "io.github.weirhq.weir"
)

// File returns where the service is described; empty where weir installs none.
func (s *Service) File() string {
	switch s.System {
	case "linux":
		config := s.Getenv("XDG_CONFIG_HOME")
		if !filepath.IsAbs(config) {
			config = filepath.Join(s.Home, ".config")
		}
		return filepath.Join(config, "systemd", "user", unitName)
	case "darwin":
		return filepath.Join(s.Home, "Library", "LaunchAgents", agentLabel+".plist")
	}
	return ""
}

// Installed tells whether the service is installed.
func (s *Service) Installed() bool {
	file := s.File()
	if file == "" {
		return false
	}
	_, err := os.Stat(file)
	return err == nil
}

// Text returns the description: a systemd unit, or a launchd agent.
func (s *Service) Text() string {
	if s.System == "darwin" {
		return s.agent()
	}
	return s.unit()
}

func (s *Service) unit() string {
	var start strings.Builder
	for i, word := range append([]string{s.Program}, s.Args...) {
		if i > 0 {
			start.WriteByte(' ')
		}
		start.WriteString(unitWord(word))
	}
	// Status 2 is a wrong setting: another start would not mend it.
	return `[Unit]
Description=weir, a gateway between coding agents and LLM providers
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
ExecStart=` + start.String() + `
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartPreventExitStatus=2
RestartSec=2
NoNewPrivileges=yes
UMask=0077

[Install]
WantedBy=default.target
`
}

// unitWord writes a word as systemd reads it back.
func unitWord(word string) string {
	word = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`, "\n", `\n`, "\t", `\t`).Replace(word)
	return `"` + word + `"`
}

func (s *Service) agent() string {
	var words bytes.Buffer
	for _, word := range append([]string{s.Program}, s.Args...) {
		words.WriteString("\t\t<string>")
		_ = xml.EscapeText(&words, []byte(word)) // a buffer takes everything
		words.WriteString("</string>\n")
	}
	var log bytes.Buffer
	_ = xml.EscapeText(&log, []byte(s.log()))
	return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>` + agentLabel + `</string>
	<key>ProgramArguments</key>
	<array>
` + words.String() + `	</array>
	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<key>Umask</key>
	<integer>63</integer>
	<key>StandardOutPath</key>
	<string>` + log.String() + `</string>
	<key>StandardErrorPath</key>
	<string>` + log.String() + `</string>
</dict>
</plist>
`
}

func (s *Service) log() string { return filepath.Join(s.Home, "Library", "Logs", "weir.log") }

// Install describes the service to the system, for now and for every later login.
// It returns what the user should know, in sentences. If it fails nothing is left
// behind. A service that is there already is replaced.
func (s *Service) Install(ctx context.Context) (notes []string, err error) {
	if err := s.possible(ctx); err != nil {
		return nil, err
	}
	if strings.ContainsAny(s.Program, "\n\r") || !filepath.IsAbs(s.Program) {
		return nil, refuse("the path of weir itself, %q, cannot be a service's: copy weir to another place", s.Program)
	}
	if strings.Contains(filepath.ToSlash(s.Program), "/go-build") {
		return nil, refuse("this weir was built for one run (%s): install it first, then call the installed one", s.Program)
	}
	file := s.File()
	before, err := Read(file)
	if err != nil {
		return nil, err
	}
	made, err := makeParents(file)
	if err != nil {
		return nil, fmt.Errorf("the service is not installed: %w", err)
	}
	if err := replace(file, []byte(s.Text()), 0o644); err != nil {
		removeEmpty(made)
		return nil, fmt.Errorf("the service is not installed: %w", err)
	}
	var steps [][]string
	if s.System == "darwin" {
		// An older one must go first; that there is none is no failure.
		_, _ = s.Run(ctx, "launchctl", "bootout", s.domain()+"/"+agentLabel)
		steps = [][]string{{"launchctl", "bootstrap", s.domain(), file}}
		notes = append(notes, "its log is "+s.log())
	} else {
		steps = [][]string{
			{"systemctl", "--user", "daemon-reload"},
			{"systemctl", "--user", "enable", unitName},
			{"systemctl", "--user", "restart", unitName},
		}
		notes = append(notes,
			"its log is shown by: journalctl --user -u weir",
			"it runs while you are logged in; `loginctl enable-linger` lets it run always")
	}
	for _, step := range steps {
		if err := s.step(ctx, step); err != nil {
			s.takeBack(ctx, file, before, made)
			return nil, fmt.Errorf("the service is not installed: %w", err)
		}
	}
	return notes, nil
}

// takeBack makes an installation undone that failed half-way.
func (s *Service) takeBack(ctx context.Context, file string, before []byte, made []string) {
	if before != nil {
		_ = replace(file, before, 0o644)
	} else {
		if s.System == "linux" {
			_, _ = s.Run(ctx, "systemctl", "--user", "disable", unitName)
		}
		_ = os.Remove(file)
		removeEmpty(made)
	}
	if s.System == "linux" {
		_, _ = s.Run(ctx, "systemctl", "--user", "daemon-reload")
	}
}

// Remove ends the service and takes its description away. ok is false if none was
// installed.
func (s *Service) Remove(ctx context.Context) (ok bool, err error) {
	file := s.File()
	if file == "" {
		return false, s.possible(ctx)
	}
	if !s.Installed() {
		return false, nil
	}
	if s.System == "darwin" {
		// One that is not loaded needs no unloading.
		_, _ = s.Run(ctx, "launchctl", "bootout", s.domain()+"/"+agentLabel)
	} else if err := s.possible(ctx); err == nil {
		if err := s.step(ctx, []string{"systemctl", "--user", "disable", "--now", unitName}); err != nil {
			return true, fmt.Errorf("the service is not removed: %w", err)
		}
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return true, fmt.Errorf("the service is not removed: %w", err)
	}
	if s.System == "linux" {
		_, _ = s.Run(ctx, "systemctl", "--user", "daemon-reload") // it finds out at the next login, too
	}
	return true, nil
}

// Status says in one line how the service is.
func (s *Service) Status(ctx context.Context) string {
	switch {
	case s.File() == "":
		return "weir installs no service on this system"
	case !s.Installed():
		return "not installed (weir service install)"
	}
	state := "loaded"
	if s.System == "darwin" {
		if _, err := s.Run(ctx, "launchctl", "print", s.domain()+"/"+agentLabel); err != nil {
			state = "not loaded"
		}
	} else {
		// Its exit status repeats what it prints.
		out, _ := s.Run(ctx, "systemctl", "--user", "is-active", unitName)
		word := firstLine(out)
		switch word {
		case "active", "activating", "deactivating", "inactive", "failed", "reloading":
			state = word
		default:
			state = "unknown, because no systemd of the user answers"
		}
	}
	return fmt.Sprintf("installed (%s), %s", s.File(), state)
}

// possible tells why no service can be installed here, and what to do instead.
func (s *Service) possible(ctx context.Context) error {
	switch s.System {
	case "darwin":
		return nil
	case "linux":
		out, err := s.Run(ctx, "systemctl", "--user", "show-environment")
		if err == nil {
			return nil
		}
		why := firstLine(out)
		if why == "" {
			why = err.Error()
		}
		return refuse("no systemd of yours answers on this machine (%s): log in as yourself (not by su or sudo) and try again, or let your own start-up files run: %s", why, s.command())
	case "windows":
		return refuse("weir installs no service on Windows; this starts it at each login: schtasks /Create /TN weir /SC ONLOGON /TR \"%s\" (and this ends that: schtasks /Delete /TN weir)",
			strings.ReplaceAll(s.command(), `"`, `\"`))
	default:
		return refuse("weir installs no service on %s: let your own start-up files run: %s", s.System, s.command())
	}
}

// command is the service's command line, for people.
func (s *Service) command() string {
	words := append([]string{s.Program}, s.Args...)
	for i, word := range words {
		if strings.ContainsAny(word, " \t'\"$&;()") {
			words[i] = `"` + word + `"`
		}
	}
	return strings.Join(words, " ")
}

func (s *Service) domain() string { return fmt.Sprintf("gui/%d", s.UID) }

func (s *Service) step(ctx context.Context, command []string) error {
	out, err := s.Run(ctx, command[0], command[1:]...)
	if err == nil {
		return nil
	}
	text := strings.Join(command, " ")
	if line := firstLine(out); line != "" {
		return fmt.Errorf("%s: %s (%w)", text, line, err)
	}
	return fmt.Errorf("%s: %w", text, err)
}

func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return strings.TrimSpace(line)
}
