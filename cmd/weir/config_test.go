package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigCheck(t *testing.T) {
	t.Setenv("ZAI_API_KEY", "a-key-of-the-test")
	t.Setenv("WEIR_TEAM_TOKEN", "a-token-of-the-test")
	t.Setenv("WEIR_CI_TOKEN", "another-token-of-the-test")
	for _, name := range []string{"person", "team", "local-server"} {
		file := "../../examples/" + name + ".yaml"
		if status, out, errs := execute(t, "config", "check", file); status != 0 || !strings.Contains(out, "is right") {
			t.Errorf("%s: status %d\n%s%s", name, status, out, errs)
		}
	}
	file := filepath.Join(t.TempDir(), "weir.yaml")
	tests := []struct{ text, want string }{
		{"liten: x\nlimit: lots", ":1:1: the configuration has no key \"liten\"; did you mean \"listen\"?\n" + file + ":2:8: limit is \"lots\""},
		{"limit: 2\nlisten: 0.0.0.0:1302", file + ":2:9: listen: \"0.0.0.0:1302\" is not a loopback address"},
		{"listen: 0.0.0.0:1302", "; with tokens in the configuration it may be another"},
		{"listen: 0.0.0.0:1302\ntokens: [0123456789abcdef]", "the coding plan of zai-coding is for one user"},
		{"key: ${NO_SUCH_VARIABLE}", "the variable NO_SUCH_VARIABLE is not set"},
	}
	for _, tt := range tests {
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if status, _, errs := execute(t, "config", "check", file); status != 2 || !strings.Contains(errs, tt.want) {
			t.Errorf("%q: status %d\n%s", tt.text, status, errs)
		}
	}
	if status, _, errs := execute(t, "config", "check", filepath.Join(t.TempDir(), "none")); status != 2 || !strings.Contains(errs, "cannot be read") {
		t.Errorf("a file that is not there: status %d, %s", status, errs)
	}
}

func TestConfigShowMasksSecrets(t *testing.T) {
	t.Setenv("ZAI_API_KEY", "a-key-of-the-test")
	t.Setenv("WEIR_TEAM_TOKEN", "a-token-of-the-test")
	t.Setenv("WEIR_CI_TOKEN", "another-token-of-the-test")
	status, out, errs := execute(t, "config", "show", "--config", "../../examples/team.yaml")
	if status != 0 || strings.Contains(out, "of-the-test") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	for _, want := range []string{"listen: 0.0.0.0:1302\n", "zai: (set, 17 characters)\n", "stall: 10m", "max_queue: 2000\n", "eager: 0.9%\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("it lacks %q:\n%s", want, out)
		}
	}
}
