package e2e

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const (
	// openCodePrompt makes the script of testdata/subagents.json start three
	// sub-agents, whose answers take long enough to overlap.
	openCodePrompt = "Have all kestrels counted"
	openCodeAnswer = "All three parts are counted: 42 kestrels."
)

// openCodeCalls is what one prompt makes OpenCode ask, by rule of the script.
func openCodeCalls() map[string]int {
	return map[string]int{"title": 1, "main": 1, "subagent": 3, "final": 1}
}

func TestOpenCode(t *testing.T) {
	t.Parallel()
	binary := openCodeBinary(t)
	chat := dialect{"@ai-sdk/openai-compatible", "/api/coding/paas/v4"}
	messages := dialect{"@ai-sdk/anthropic", "/api/anthropic/v1"}
	tests := []struct {
		name    string
		dialect dialect
		limit   string // weir's
		refused bool   // whether the provider must have refused something
	}{
		{"three sub-agents end well in the OpenAI dialect", chat, "auto", false},
		{"three sub-agents end well in the Anthropic dialect", messages, "auto", false},
		{"refusals stay between weir and the provider", chat, "3", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := startSimulator(t, 1, "subagents.json")
			g := startGateway(t, s, "--limit", tt.limit)
			o := startOpenCode(t, binary, g.url, tt.dialect, openCodePrompt)
			o.endsWell(t)
			if found := o.refusals(t); len(found) > 0 {
				t.Errorf("OpenCode met trouble:\n%s", strings.Join(found, ""))
			}
			if got := s.rules(t); !maps.Equal(got, openCodeCalls()) {
				t.Errorf("the provider answered %v, want %v", got, openCodeCalls())
			}
			stats := s.stats(t)
			if stats.MaxInFlight != 1 {
				t.Errorf("%d calls at once at a provider of one slot", stats.MaxInFlight)
			}
			if tt.refused && stats.Refused == 0 {
				t.Error("the provider refused nothing: the calls did not overlap")
			}
			g.stop(t)
			g.answered(t, 6, stats)
		})
	}
	t.Run("a gateway that is killed and comes back costs a retry", func(t *testing.T) {
		t.Parallel()
		testOpenCodeRestart(t, binary, messages)
	})
}

// testOpenCodeRestart kills the gateway while sub-agents run and others wait.
func testOpenCodeRestart(t *testing.T, binary string, d dialect) {
	s := startSimulator(t, 1, "subagents.json")
	g := startGateway(t, s)
	o := startOpenCode(t, binary, g.url, d, openCodePrompt)
	eventually(t, "a sub-agent is being answered", func() bool {
		return s.rules(t)["main"] == 1 && s.stats(t).InFlight == 1
	})
	g.kill()
	g.restart(t)
	o.endsWell(t)
	if got := s.rules(t); !maps.Equal(got, openCodeCalls()) {
		t.Errorf("the provider answered %v, want %v", got, openCodeCalls())
	}
	if s.stats(t).Aborted == 0 {
		t.Error("the provider saw no call end before its time: the gateway was killed too late")
	}
}

// endsWell waits for the end, which must bring the scripted answer.
func (o *opencode) endsWell(t *testing.T) {
	t.Helper()
	if status := o.wait(t); status != 0 {
		t.Errorf("OpenCode: exit status %d, want 0", status)
	}
	if out := o.stdout.text(); !strings.Contains(out, openCodeAnswer) {
		t.Errorf("OpenCode printed %q, want it to contain %q", out, openCodeAnswer)
	}
}

// A dialect is a way in which OpenCode can be told to call its model.
type dialect struct{ npm, path string }

// An opencode is a running OpenCode.
type opencode struct {
	*program
	home string
}

// startOpenCode gives OpenCode a prompt, headless, in an empty project and with
// a home of its own.
func startOpenCode(t *testing.T, binary, gateway string, d dialect, prompt string) *opencode {
	t.Helper()
	config, err := json.Marshal(map[string]any{
		"autoupdate": false,
		"share":      "disabled",
		"snapshot":   false,
		"model":      "weir/glm-5",
		"provider": map[string]any{"weir": map[string]any{
			"npm":     d.npm,
			"name":    "weir",
			"options": map[string]any{"baseURL": gateway + d.path, "apiKey": testKey},
			"models":  map[string]any{"glm-5": map[string]any{"limit": map[string]int{"context": 200000, "output": 32000}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	home, project := t.TempDir(), t.TempDir()
	env := []string{
		"HOME=" + home,
		"XDG_CONFIG_HOME=" + filepath.Join(home, "config"),
		"XDG_DATA_HOME=" + filepath.Join(home, "data"),
		"XDG_CACHE_HOME=" + filepath.Join(home, "cache"),
		"XDG_STATE_HOME=" + filepath.Join(home, "state"),
		"OPENCODE_CONFIG_CONTENT=" + string(config),
		"OPENCODE_DISABLE_AUTOUPDATE=1",
		"OPENCODE_DISABLE_MODELS_FETCH=1",
		"OPENCODE_DISABLE_LSP_DOWNLOAD=1",
		"OPENCODE_DISABLE_DEFAULT_PLUGINS=1",
	}
	return &opencode{start(t, "opencode", project, env, binary, "run", prompt), home}
}

// refusals returns the lines of OpenCode's own log that tell of an answer which
// was none, after each of which it tries again or gives up.
func (o *opencode) refusals(t *testing.T) []string {
	t.Helper()
	var found []string
	logs := filepath.Join(o.home, "data", "opencode", "log")
	err := filepath.WalkDir(logs, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for line := range strings.Lines(string(content)) {
			if strings.Contains(line, "level=ERROR") {
				found = append(found, line)
			}
		}
		return err
	})
	if err != nil {
		t.Fatalf("OpenCode's log: %v", err)
	}
	return found
}

// openCodeBinary returns OpenCode's binary for this machine. npm installs it as
// an optional dependency of opencode-ai, whose own launcher needs an install
// script that npm may not run.
func openCodeBinary(t *testing.T) string {
	t.Helper()
	name := "opencode-" + runtime.GOOS + "-" + strings.Replace(runtime.GOARCH, "amd64", "x64", 1)
	for _, variant := range []string{"", "-baseline", "-musl", "-baseline-musl"} {
		path, err := filepath.Abs(filepath.Join("node_modules", name+variant, "bin", "opencode"))
		if err != nil {
			t.Fatal(err)
		}
		// A binary for another processor or C library is there but does not run.
		version := exec.Command(path, "--version")
		version.Env = []string{"HOME=" + t.TempDir()}
		if version.Run() == nil {
			return path
		}
	}
	t.Fatalf("OpenCode for %s/%s is not in e2e/node_modules; install it from the root of the repository with: npm ci --prefix e2e", runtime.GOOS, runtime.GOARCH)
	return ""
}
