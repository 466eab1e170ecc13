package main

import (
	"strings"
	"testing"
)

func TestTopNeedsATerminal(t *testing.T) {
	status, stdout, stderr := execute(t, "top", "--state", t.TempDir())
	if status != 2 || stdout != "" {
		t.Errorf("status %d, stdout %q; want 2 and nothing", status, stdout)
	}
	for _, want := range []string{"needs a terminal", "weir status", "Try: weir help"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in %q", want, stderr)
		}
	}
}
