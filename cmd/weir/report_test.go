package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/journal"
)

// reported is a state directory with a journal that has refusals at level 2.
func reported(t *testing.T) string {
	t.Helper()
	var rows []journal.Row
	start := time.Now().Add(-time.Hour)
	for i := range 60 {
		at := start.Add(time.Duration(i) * time.Minute)
		r := journal.Request{Lane: "zai-coding/f00d/glm-5", Session: "SECRET", Start: at, Admitted: at, End: at.Add(10 * time.Second), Tries: 1, Status: 200, Outcome: "ok"}
		r.Attempts = []journal.Attempt{{Start: at, End: r.End, InFlight: 1, Verdict: "ok"}}
		if i%2 == 0 {
			r.Attempts = []journal.Attempt{{Start: at, End: at, InFlight: 2, Verdict: "concurrency", Code: "1302", ProviderID: "20260301id"}}
		}
		rows = append(rows, r)
	}
	rows = append(rows, journal.Request{Lane: "zai-coding/f00d/glm-5.2", Start: start, End: start, Tries: 1, Verdict: "ok", InFlight: 1})
	return journalOf(t, rows...)
}

func TestReport(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	state := reported(t)
	for format, begin := range map[string]string{"html": "<!DOCTYPE html>", "md": "# Refusals of glm-5 at zai-coding", "json": "{"} {
		status, stdout, stderr := execute(t, "report", "--state", state, "--format", format, "--plan", "GLM Coding Pro")
		if status != 0 || stderr != "" || !strings.HasPrefix(stdout, begin) {
			t.Fatalf("%s: status %d, %q, %.60q", format, status, stderr, stdout)
		}
		for _, say := range []string{"20260301id", "GLM Coding Pro", "30 of 30 refused"} {
			if !strings.Contains(stdout, say) {
				t.Errorf("%s does not say %q", format, say)
			}
		}
		if strings.Contains(stdout, "SECRET") {
			t.Errorf("%s names a session", format)
		}
	}
}

func TestReportIntoAFile(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	state := reported(t)
	for name, begin := range map[string]string{"r.html": "<!DOCTYPE", "r.md": "# ", "r.JSON": "{", "r.txt": "<!DOCTYPE"} {
		file := filepath.Join(t.TempDir(), name)
		status, stdout, stderr := execute(t, "report", "--state", state, "--since", "2h", "-o", file)
		text, err := os.ReadFile(file)
		if status != 0 || stderr != "" || err != nil || !strings.HasPrefix(string(text), begin) || !strings.HasPrefix(stdout, file+": ") {
			t.Errorf("%s: status %d, %q, %q, %v, %.60q", name, status, stdout, stderr, err, text)
		}
	}
	_, stdout, _ := execute(t, "report", "--state", state, "--format", "json", "--lane", "5.2")
	var r struct {
		Lane    string
		Verdict struct{ Certain bool }
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || r.Lane != "zai-coding/f00d/glm-5.2" || r.Verdict.Certain {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestReportSaysWhatIsWrong(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	state, empty := reported(t), journalOf(t)
	tests := []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"no moment", []string{"--since", "yesterday", "--state", state}, 2, `--since "yesterday"`},
		{"no format", []string{"--format", "pdf", "--state", state}, 2, "html, md or json"},
		{"two lanes", []string{"--lane", "f00d", "--state", state}, 2, `"zai-coding/f00d/glm-5", "zai-coding/f00d/glm-5.2"`},
		{"no lane", []string{"--lane", "gpt", "--state", state}, 2, "no lane of the journal"},
		{"an argument", []string{"all"}, 2, "takes no arguments"},
		{"no journal", []string{"--state", t.TempDir()}, 1, "there is no journal at"},
		{"an empty journal", []string{"--state", empty}, 1, "nothing to report"},
		{"nothing in that time", []string{"--since", time.Now().Add(time.Hour).Format(time.RFC3339), "--state", state}, 1, "no request to a model in that time"},
		{"a directory that is not there", []string{"--state", state, "-o", filepath.Join(state, "none", "r.html")}, 1, "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := execute(t, append([]string{"report"}, tt.args...)...)
			if status != tt.status || stdout != "" || !strings.Contains(stderr, tt.says) {
				t.Errorf("status %d, %q, %q", status, stdout, stderr)
			}
		})
	}
}

func TestReportOfANewerJournal(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	state := reported(t)
	path := filepath.Join(state, journal.File)
	head, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head[63] = 99 // user_version, the file format's bytes 60 to 63
	if err := os.WriteFile(path, head, 0o600); err != nil {
		t.Fatal(err)
	}
	if status, stdout, stderr := execute(t, "report", "--state", state); status != 1 || stdout != "" || !strings.Contains(stderr, "use a newer weir") {
		t.Errorf("status %d, %.60q, %q", status, stdout, stderr)
	}
}

func TestReportEndsQuietlyWhenNobodyReads(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	reader, writer := io.Pipe()
	reader.Close()
	var stderr bytes.Buffer
	if status := run(t.Context(), []string{"report", "--state", reported(t)}, writer, &stderr); status != 0 || stderr.Len() > 0 {
		t.Errorf("status %d, %q", status, stderr.String())
	}
}
