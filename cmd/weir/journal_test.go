package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/journal"
)

// journalOf makes a state directory with a journal of some rows.
func journalOf(t *testing.T, rows ...journal.Row) string {
	t.Helper()
	dir := t.TempDir()
	j := journal.Open(filepath.Join(dir, journal.File), journal.Options{})
	for _, r := range rows {
		j.Add(r)
	}
	j.Close()
	return dir
}

func TestJournalExport(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	dir := journalOf(t,
		journal.Request{ID: "a1", Lane: "zai-coding/f/glm-5", Session: `with "quotes", and a comma`, Start: start, End: start.Add(time.Second), Waited: 1500 * time.Microsecond,
			Tries: 2, Status: 200, Outcome: "ok", Attempts: []journal.Attempt{{Start: start, Verdict: "concurrency", Code: "1302"}, {Start: start, Verdict: "ok"}}},
		journal.Change{At: start, Kind: "limit-changed", Lane: "zai-coding/f", Limit: 3, Reason: "probe-accepted"},
	)
	status, stdout, stderr := execute(t, "journal", "export", "--state", dir, "--since", "2h")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if status != 0 || stderr != "" || len(lines) != 2 {
		t.Fatalf("status %d, %q, %q", status, stdout, stderr)
	}
	var r struct {
		Kind, ID, Start string
		WaitedMS        float64 `json:"waited_ms"`
		Retries         int
		Attempts        []struct{ Verdict, Code string }
	}
	if err := json.Unmarshal([]byte(lines[0]), &r); err != nil || r.Kind != "request" || r.ID != "a1" || r.Retries != 1 || r.WaitedMS != 1.5 ||
		len(r.Attempts) != 2 || r.Attempts[0].Code != "1302" || r.Start != "2026-03-01T12:00:00.000000Z" {
		t.Errorf("%+v, %v", r, err)
	}

	status, stdout, _ = execute(t, "journal", "export", "--state", dir, "--format", "csv")
	table, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	if err != nil || status != 0 || len(table) != 3 || table[0][0] != "kind" || table[1][3] != `with "quotes", and a comma` || table[2][0] != "limit-changed" {
		t.Errorf("status %d, %v, %v", status, table, err)
	}
	future := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	if status, stdout, _ := execute(t, "journal", "export", "--state", dir, "--since", future); status != 0 || stdout != "" {
		t.Errorf("from a moment to come: status %d, %q", status, stdout)
	}
}

func TestJournalExportSaysWhatIsWrong(t *testing.T) {
	dir := journalOf(t)
	tests := []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"no moment", []string{"--since", "yesterday", "--state", dir}, 2, `--since "yesterday"`},
		{"a moment to come", []string{"--since", "-2h", "--state", dir}, 2, "--since"},
		{"no format", []string{"--format", "xml", "--state", dir}, 2, "jsonl or csv"},
		{"no journal", []string{"--state", t.TempDir()}, 1, "there is no journal at"},
		{"an argument", []string{"all"}, 2, "takes no arguments"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := execute(t, append([]string{"journal", "export"}, tt.args...)...)
			if status != tt.status || stdout != "" || !strings.Contains(stderr, tt.says) {
				t.Errorf("status %d, %q, %q", status, stdout, stderr)
			}
		})
	}
}

func TestJournalExportEndsQuietlyWhenNobodyReads(t *testing.T) {
	rows := make([]journal.Row, 500)
	for i := range rows {
		rows[i] = journal.Request{ID: strings.Repeat("a", 50)}
	}
	dir := journalOf(t, rows...)
	reader, writer := io.Pipe()
	reader.Close()
	var stderr bytes.Buffer
	if status := run(t.Context(), []string{"journal", "export", "--state", dir}, writer, &stderr); status != 0 || stderr.Len() > 0 {
		t.Errorf("status %d, %q", status, stderr.String())
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "2h": now.Add(-2 * time.Hour), "1h30m": now.Add(-90 * time.Minute), "30d": now.AddDate(0, 0, -30),
		"2026-03-01T12:00:00+08:00": time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC),
	} {
		if got, err := parseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"0h", "-1d", "0d", "d", "2", "99999999999d", "soon"} {
		if got, err := parseSince(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
