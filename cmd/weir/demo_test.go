package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// file writes a file of the test's own.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDemoShowsTheDifference(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	status, stdout, stderr := execute(t, "demo")
	if status != 0 || stderr != "" {
		t.Fatalf("status %d, %q", status, stderr)
	}
	row := func(name string) []string {
		// finished, lost, seen by the tool, at the provider
		found := regexp.MustCompile(`(?m)^` + name + ` +(\d+) +(\d+) +(\d+) +(\d+) +[\d.]+ s$`).FindStringSubmatch(stdout)
		if found == nil {
			t.Fatalf("no row %q in\n%s", name, stdout)
		}
		return found[1:]
	}
	if direct := row("directly"); direct[0] == "16" || direct[1] == "0" || direct[2] == "0" || direct[2] != direct[3] {
		t.Errorf("directly: %v, want some lost and all refusals seen", direct)
	}
	if through := row("through weir"); through[0] != "16" || through[1] != "0" || through[2] != "0" {
		t.Errorf("through weir: %v, want 16 finished, none lost, no refusal seen", through)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind (%v)", left, err)
	}
}
