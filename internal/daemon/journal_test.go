package daemon

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/config"
	"github.com/weirhq/weir/internal/journal"
	"github.com/weirhq/weir/internal/simulate"
)

// rowsOf reads the journal of a state directory.
func rowsOf(t *testing.T, dir string) (requests []journal.Request, changes []journal.Change) {
	t.Helper()
	r, err := journal.Read(filepath.Join(dir, journal.File))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for row, err := range r.Rows(context.Background(), time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		switch row := row.(type) {
		case journal.Request:
			requests = append(requests, row)
		case journal.Change:
			changes = append(changes, row)
		}
	}
	return requests, changes
}

func TestTheJournalHasRequestsAttemptsAndClosures(t *testing.T) {
	_, url := upstream(t, simulate.Config{Rules: refusing()})
	g := start(t, Config{Upstreams: []string{url}})
	before := time.Now()
	req := g.request(http.MethodPost, chatPath, `{"model":"busy","stream":true,"messages":[{"role":"user","content":"hello"}]}`)
	req.Header.Set("Authorization", "Bearer key-of-the-test")
	req.Header.Set("User-Agent", "opencode/1.0 ai-sdk")
	req.Header.Set("X-Session-Id", "ses_1")
	if status, _, body := send(req); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	g.call("spent")
	if status, _, body := g.get("/weir/api/state"); status != http.StatusOK || !strings.Contains(body, `"journal"`) {
		t.Errorf("the state does not speak of the journal: %s", body)
	}
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	requests, changes := rowsOf(t, g.dir)
	if len(requests) != 2 {
		t.Fatalf("%d requests", len(requests))
	}
	r := requests[0]
	if r.Tool != "opencode" || r.Session != "ses_1" || r.Class != "interactive" || r.Dialect != "openai" || !strings.HasSuffix(r.Lane, "/busy") || r.Status != 200 ||
		r.Outcome != "ok" || r.Verdict != "ok" || r.Tries != 2 || len(r.Attempts) != 2 || r.Bytes == 0 || r.Waited == 0 || r.InFlight != 1 || r.ID == "" {
		t.Errorf("%+v", r)
	}
	last := before
	for i, a := range r.Attempts {
		if a.Start.Before(last.Truncate(time.Microsecond)) || a.End.Before(a.Start) || a.End.After(r.End.Add(time.Millisecond)) || a.InFlight != 1 {
			t.Errorf("attempt %d: %+v", i, a)
		}
		last = a.End
	}
	if a := r.Attempts[0]; a.Verdict != "concurrency" || a.Code != "1302" {
		t.Errorf("the refused attempt: %+v", a)
	}
	if spent := requests[1]; spent.Status != 402 || spent.Verdict != "quota" || spent.Code != "1308" {
		t.Errorf("%+v", spent)
	}
	kinds := map[string]bool{}
	for _, c := range changes {
		kinds[c.Kind] = true
	}
	if !kinds["closed"] || !kinds["paused"] {
		t.Errorf("changes of the kinds %v, want a pause and a closure", kinds)
	}
}

func TestOnlyTheOwnerOfTheStateDirectoryKeepsAJournal(t *testing.T) {
	_, url := upstream(t, simulate.Config{})
	first := start(t, Config{Upstreams: []string{url}})
	second := start(t, Config{Upstreams: []string{url}, State: first.dir})
	second.call("glm-5")
	if !strings.Contains(second.logs.String(), "no journal is kept") || second.Daemon.state().Journal != nil {
		t.Errorf("the second does not say that it keeps no journal: %s", second.logs)
	}
	second.stop()
	first.stop()
	if requests, _ := rowsOf(t, first.dir); len(requests) != 0 {
		t.Errorf("%d requests of the second are in the first one's journal", len(requests))
	}
}

// A journal that cannot be had costs a request nothing.
func TestRequestsGoOnWithoutAJournal(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, path string)
		says  string
	}{
		{"a directory is in its place", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "cannot be written"},
		{"it is damaged", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "set aside"},
		{"somebody has locked it", func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path) // the driver is the journal's
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			db.SetMaxOpenConns(1)
			if _, err := db.Exec("CREATE TABLE t (a); BEGIN EXCLUSIVE"); err != nil {
				t.Fatal(err)
			}
		}, "cannot be written"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, url := upstream(t, simulate.Config{})
			dir := filepath.Join(t.TempDir(), "state")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			tt.spoil(t, filepath.Join(dir, journal.File))
			g := start(t, Config{Upstreams: []string{url}, State: dir})
			for range 20 {
				if status, _, body := g.call("glm-5"); status != http.StatusOK {
					t.Fatalf("status %d: %s", status, body)
				}
			}
			g.until(patience, "it is said", func() bool { return strings.Contains(g.logs.String(), tt.says) })
		})
	}
}

func TestTheConfigurationBoundsTheJournal(t *testing.T) {
	want := config.Retention{Age: 24 * time.Hour, Size: 5e6}
	if got := FromFile(&config.Config{Retention: want}).Retention; got != want {
		t.Errorf("retention %+v, want %+v", got, want)
	}
	if keys := (&Config{}).needRestart(Config{Retention: want}); len(keys) != 1 || keys[0] != "retention" {
		t.Errorf("a change of it is told as %v", keys)
	}
	if data, err := json.Marshal(State{}); err != nil || strings.Contains(string(data), `"journal"`) {
		t.Errorf("without a journal the state is %s, %v", data, err)
	}
}
