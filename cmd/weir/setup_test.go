package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/endpoint"
)

// setupHome is a home directory of its own, with the tools' variables unset.
func setupHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	for _, name := range []string{
		"XDG_CONFIG_HOME", "XDG_DATA_HOME", "OPENCODE_CONFIG", "CLAUDE_CONFIG_DIR", "CRUSH_GLOBAL_CONFIG", "QWEN_HOME", "CODEX_HOME",
		"ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "ZHIPU_API_KEY",
		"CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY",
	} {
		t.Setenv(name, "")
	}
	t.Chdir(home)
	return home
}

func TestSetupWritesAndUndoes(t *testing.T) {
	home := setupHome(t)
	file := filepath.Join(home, ".claude", "settings.json")
	const before = "{\n  // mine\n  \"env\": { \"ANTHROPIC_BASE_URL\": \"https://api.z.ai/api/anthropic\", \"ANTHROPIC_AUTH_TOKEN\": \"very-private\" },\n}\n"
	after := strings.Replace(before, "https://api.z.ai", "http://127.0.0.1:1302/@zai-coding", 1)
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	find := someService(home, true)
	step := func(status int, says, content string, args ...string) {
		t.Helper()
		got, out, err := command(t, newSetupOf(find), args...)
		if got != status || !strings.Contains(out+err, says) {
			t.Errorf("setup %v: status %d, %s%s", args, got, out, err)
		}
		if strings.Contains(out+err, "very-private") {
			t.Errorf("setup %v shows a secret: %s%s", args, out, err)
		}
		if data, err := os.ReadFile(file); err != nil || string(data) != content {
			t.Errorf("after setup %v the file is %q, %v", args, data, err)
		}
	}
	step(0, "Nothing is changed yet: --write does it", before, "claude")
	step(2, "weir service install", before, "claude", "--write")
	step(0, "works only while a gateway runs", after, "claude", "--write", "--yes")
	step(0, "set up already", after, "claude", "--write")
	step(0, "Restored", before, "claude", "--undo")
	step(0, "Nothing to undo", before, "claude", "--undo")

	if status, _, err := command(t, newServiceOf(find), "install"); status != 0 {
		t.Fatal(err)
	}
	step(0, "Written", after, "claude", "--write")
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	step(2, "was changed after", "{}", "claude", "--undo")
	step(0, "Restored", before, "claude", "--undo", "--yes")

	const broken = "{\n  \"env\": very-private\n}"
	if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	step(2, file+":2:10: ", broken, "claude", "--write", "--yes")
	if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestSetupOfAFileThatIsNotThere(t *testing.T) {
	home := setupHome(t)
	if status, out, err := command(t, newSetupOf(someService(home, true)), "opencode", "--write", "--yes", "--gateway", "http://127.0.0.1:1402/"); status != 0 {
		t.Fatal(out, err)
	}
	file := filepath.Join(home, ".config", "opencode", "opencode.json")
	if data, err := os.ReadFile(file); err != nil || !strings.Contains(string(data), `"http://127.0.0.1:1402/@zai-coding/api/coding/paas/v4"`) {
		t.Errorf("%s, %v", data, err)
	}
	// Another file of the tool's own comes in between.
	if err := os.WriteFile(file+"c", []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out, err := command(t, newSetupOf(someService(home, true)), "opencode", "--undo"); status != 0 || !strings.Contains(out, "Removed") {
		t.Error(status, out, err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the file is still there")
	}
}

func TestSetupOfAReadOnlyHome(t *testing.T) {
	home := setupHome(t)
	file := "/proc/self/opencode.json" // where nobody may write
	status, _, err := command(t, newSetupOf(someService(home, true)), "opencode", "--write", "--yes", "--file", file)
	if status != 1 || !strings.Contains(err, "nothing is changed") {
		t.Errorf("status %d, %s", status, err)
	}
}

func TestSetupKnowsWhoIsLoggedIn(t *testing.T) {
	home := setupHome(t)
	dir := filepath.Join(home, ".local", "share", "opencode")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := endpoint.OpenCodeLogins(thisSite()); got != nil || err != nil {
		t.Errorf("logged in: %v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "auth.json"), []byte(`{"zhipuai":{"type":"api","key":"very-private"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := endpoint.OpenCodeLogins(thisSite()); !slices.Equal(got, []string{"zhipuai"}) || err != nil {
		t.Errorf("logged in: %v, %v", got, err)
	}
	status, out, err := command(t, newSetupOf(someService(home, true)), "opencode")
	if status != 0 || !strings.Contains(out, "/@bigmodel/api/paas/v4") || strings.Contains(out, "very-private") {
		t.Errorf("status %d, %s%s", status, out, err)
	}
}

func TestSetupSaysWhatToAdd(t *testing.T) {
	find := someService(setupHome(t), true)
	for _, step := range []struct {
		args   string
		status int
		says   string
	}{
		{"codex", 0, "/@openai/v1"},
		{"codex --upstream zai-coding", 0, `base_url = "http://127.0.0.1:1302/@zai-coding/api/v1"`},
		{"cline --upstream zai", 0, "-b http://127.0.0.1:1302/@zai/api/paas/v4"},
		{"codex --write", 2, "call weir setup codex alone"},
		{"codex --upstream nobody", 2, "no provider that weir knows"},
		{"qwen", 2, "--upstream NAME"},
		{"nothing", 2, "opencode, claude"},
		{"", 2, "--list"},
		{"claude codex", 2, "one tool at a time"},
		{"claude --write --undo", 2, "opposites"},
		{"claude --list", 2, "--list shows all"},
		{"claude --gateway 127.0.0.1:1302", 2, "http://127.0.0.1:1302"},
		{"claude --gateway http://h/x", 2, "without a path"},
		{"claude --no-such-flag", 2, "unknown flag"},
	} {
		status, out, err := command(t, newSetupOf(find), strings.Fields(step.args)...)
		if status != step.status || !strings.Contains(out+err, step.says) || strings.Contains(err, "\n") {
			t.Errorf("setup %s: status %d, %s%s", step.args, status, out, err)
		}
	}
}

func TestSetupList(t *testing.T) {
	home := setupHome(t)
	bin := filepath.Join(home, "bin")
	t.Setenv("PATH", bin)
	for name, text := range map[string]string{
		filepath.Join(bin, "claude"):                    "#!/bin/sh\n",
		filepath.Join(home, ".claude", "settings.json"): `{"env":{"ANTHROPIC_BASE_URL":"https://api.z.ai/api/anthropic"}}`,
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	list := func() string {
		t.Helper()
		status, out, err := command(t, newSetupOf(someService(home, true)), "--list")
		if status != 0 {
			t.Fatal(out, err)
		}
		return out
	}
	out := list()
	for _, says := range []string{"(zai-coding, not through weir)", filepath.Join(bin, "claude"), "not installed"} {
		if !strings.Contains(out, says) {
			t.Errorf("%q is not in\n%s", says, out)
		}
	}
	if status, _, err := command(t, newSetupOf(someService(home, true)), "claude", "--write", "--yes"); status != 0 {
		t.Fatal(err)
	}
	if out := list(); !strings.Contains(out, "through weir)") || strings.Contains(out, "not through weir") {
		t.Errorf("after setup:\n%s", out)
	}
}
