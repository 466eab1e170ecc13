package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/explain"
)

func TestExplainTakesCodesTextFilesAndStandardInput(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	body := `{"error":{"code":"1113","message":"Insufficient balance"},"request_id":"20260101aa"}`
	for name, text := range map[string]string{"error.json": body, "1302": body} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, in string
		args     []string
		says     []string
	}{
		{"a code, though a file has its name", "", []string{"1302"}, []string{"Read as a code", "concurrency, code 1302 (zai-coding, zai"}},
		{"a file", "", []string{"error.json"}, []string{"Read as an answer's body, request id 20260101aa", "plan, code 1113"}},
		{"standard input", body, []string{"-"}, []string{"plan, code 1113"}},
		{"words that the shell has split", "", []string{"status", "529"}, []string{"overload"}},
		{"one provider's meaning", "", []string{"--upstream", "minimax", "1002"}, []string{"frequency, code 1002 (minimax)"}},
		{"what others make of it", "", []string{"1001"}, []string{"auth, code 1001", "Elsewhere", "server, code 1001 (minimax)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			root := newRoot(&out, &errs)
			root.SetIn(strings.NewReader(tt.in))
			root.SetArgs(append([]string{"explain"}, tt.args...))
			if err := root.ExecuteContext(t.Context()); err != nil || errs.Len() > 0 {
				t.Fatalf("%v, stderr %q", err, errs.String())
			}
			for _, text := range append(tt.says, "meaning:", "weir:", "you:") {
				if !strings.Contains(out.String(), text) {
					t.Errorf("%q lacks %q", out.String(), text)
				}
			}
		})
	}
}

func TestExplainAsJSON(t *testing.T) {
	status, stdout, stderr := execute(t, "explain", "--json", "1302")
	var e explain.Explanation
	if err := json.Unmarshal([]byte(stdout), &e); err != nil || status != 0 || stderr != "" || len(e.Meanings) != 1 || e.Meanings[0].Code != "1302" {
		t.Errorf("status %d, %q, %q, %v", status, stdout, stderr, err)
	}
}

func TestExplainSaysWhatItLookedForAndNotWhatItGot(t *testing.T) {
	for _, args := range [][]string{{"explain", "sk-secret-0123456789"}, {"explain", "no-such-file.json"}, {"explain", "--upstream", "openai", "1302"}} {
		status, stdout, stderr := execute(t, args...)
		if status != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "weir: no error recognised: looked for ") || strings.Contains(stderr, "sk-secret") {
			t.Errorf("%v: status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
	}
	if status, _, stderr := execute(t, "explain", t.TempDir()); status != 1 || strings.Count(stderr, "\n") != 1 {
		t.Errorf("a directory: status %d, stderr %q", status, stderr)
	}
}
