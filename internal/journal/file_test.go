package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// patience is how long a test waits for what must come but has no term.
const patience = 20 * time.Second

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sample is a request as there are many.
func sample(i int) Request {
	start := noon.Add(time.Duration(i) * time.Second)
	return Request{
		ID: fmt.Sprintf("b9lhr5hc%04x", i), Lane: "zai-coding/9225e3095e97/glm-5", Session: "ses_" + strings.Repeat("a1", 13), Tool: "opencode",
		Class: "interactive", Dialect: "openai", Start: start, Admitted: start.Add(time.Millisecond), End: start.Add(9 * time.Second),
		Waited: 2 * time.Second, FirstByte: 3 * time.Second, InFlight: 3, Tries: 2, Attempts: []Attempt{
			{Start: start.Add(time.Millisecond), End: start.Add(80 * time.Millisecond), InFlight: 4, Verdict: "concurrency", Code: "1302", ProviderID: "20260301120000a1b2c3d4e5f6a7b8"},
			{Start: start.Add(2 * time.Second), End: start.Add(9 * time.Second), InFlight: 3, Verdict: "ok"},
		},
		Verdict: "ok", Status: 200, Outcome: "ok", Bytes: 3514,
	}
}

// open opens a file that is closed with the test.
func open(t testing.TB, path string, age time.Duration, size int64) *file {
	t.Helper()
	f, err := openFile(path, age, size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.close() }) // may be closed already
	return f
}

func write(t testing.TB, f *file, now time.Time, rows ...Row) {
	t.Helper()
	if err := f.write(rows, now); err != nil {
		t.Fatal(err)
	}
}

// readAll reads a journal.
func readAll(t testing.TB, path string, since time.Time) []Row {
	t.Helper()
	r, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var rows []Row
	for row, err := range r.Rows(context.Background(), since) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// until asks again and again until something holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprint(n))
		want := rapid.SliceOfN(anyRow(), 1, 20).Draw(t, "rows")
		f, err := openFile(path, DefaultAge, DefaultSize)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range want { // each at a moment of its own, so that the order is known
			if err := f.write([]Row{r}, noon.Add(time.Duration(i)*time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.close(); err != nil {
			t.Fatal(err)
		}
		r, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		since := rapid.IntRange(0, len(want)-1).Draw(t, "since")
		var got []Row
		for row, err := range r.Rows(context.Background(), noon.Add(time.Duration(since)*time.Second)) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, row)
		}
		if !reflect.DeepEqual(got, want[since:]) {
			t.Fatalf("read %+v\nwant %+v", got, want[since:])
		}
	})
}

func anyRow() *rapid.Generator[Row] {
	text := rapid.String()
	moment := rapid.Custom(func(t *rapid.T) time.Time { return moment(rapid.Int64Range(0, 1<<52).Draw(t, "us")) })
	span := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "us")) * time.Microsecond
	})
	return rapid.Custom(func(t *rapid.T) Row {
		if rapid.Bool().Draw(t, "change") {
			return Change{
				At: moment.Draw(t, "at"), Kind: text.Draw(t, "kind"), Lane: text.Draw(t, "lane"), Limit: rapid.IntRange(0, 99).Draw(t, "limit"),
				Level: rapid.IntRange(0, 99).Draw(t, "level"), Reason: text.Draw(t, "reason"), Why: text.Draw(t, "why"), Verdict: text.Draw(t, "verdict"),
				Code: text.Draw(t, "code"), Until: moment.Draw(t, "until"), Count: rapid.Int64Range(0, 1<<40).Draw(t, "count"),
			}
		}
		r := Request{
			ID: text.Draw(t, "id"), Lane: text.Draw(t, "lane"), Session: text.Draw(t, "session"), Tool: text.Draw(t, "tool"), Class: text.Draw(t, "class"),
			Dialect: text.Draw(t, "dialect"), Start: moment.Draw(t, "start"), Admitted: moment.Draw(t, "admitted"), End: moment.Draw(t, "end"),
			Waited: span.Draw(t, "waited"), FirstByte: span.Draw(t, "first byte"), InFlight: rapid.IntRange(0, 99).Draw(t, "in flight"),
			Tries: rapid.IntRange(0, 99).Draw(t, "tries"), Verdict: text.Draw(t, "verdict"), Code: text.Draw(t, "code"), ProviderID: text.Draw(t, "provider id"),
			Status: rapid.IntRange(0, 599).Draw(t, "status"), Outcome: text.Draw(t, "outcome"), Bytes: rapid.Int64Range(0, 1<<50).Draw(t, "bytes"), KeptAlive: rapid.Bool().Draw(t, "kept alive"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "attempts") {
			r.Attempts = append(r.Attempts, Attempt{
				Start: moment.Draw(t, "start"), End: moment.Draw(t, "end"), InFlight: rapid.IntRange(0, 99).Draw(t, "in flight"),
				Verdict: text.Draw(t, "verdict"), Code: text.Draw(t, "code"), ProviderID: text.Draw(t, "provider id"),
			})
		}
		return r
	})
}

func TestItIsReadWhileItIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b%41#c "+File) // what a URI takes for something else
	f := open(t, path, DefaultAge, DefaultSize)
	const n = 3*pageSize + 7
	for i := range n {
		write(t, f, noon.Add(time.Duration(i/100)*time.Second), sample(i))
	}
	r, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	read := 0
	for _, err := range r.Rows(context.Background(), time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		if read%pageSize == 0 {
			write(t, f, noon.Add(-time.Hour), sample(n)) // is noted as late as the last one
		}
		read++
	}
	if read < n {
		t.Errorf("read %d rows of %d", read, n)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read the file: %v, %v", info.Mode(), err)
	}
}

// running opens a journal at a path, with what it says.
func running(t *testing.T, path string, o Options) (*Journal, *said) {
	t.Helper()
	log := &said{}
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	j := Open(path, o)
	t.Cleanup(j.Close)
	return j, log
}

func TestADamagedFileIsSetAside(t *testing.T) {
	tests := []struct {
		name   string
		damage func(data []byte) []byte
	}{
		{"no database", func([]byte) []byte { return []byte(strings.Repeat("this is no database. ", 500)) }},
		{"garbage in the tables", func(data []byte) []byte {
			for i := 4096; i < len(data); i++ {
				data[i] = byte(i * 7)
			}
			return data
		}},
		{"cut off", func(data []byte) []byte { return data[:len(data)/3] }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), File)
			f := open(t, path, DefaultAge, DefaultSize)
			for i := range 200 {
				write(t, f, noon, sample(i))
			}
			if err := f.close(); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data = test.damage(data)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			j, log := running(t, path, Options{})
			j.Add(sample(1))
			until(t, "the row is written", func() bool { return j.Stats().Written == 1 })
			j.Close()
			if rows := readAll(t, path, time.Time{}); len(rows) != 1 || !reflect.DeepEqual(rows[0], sample(1)) {
				t.Errorf("the new file has %v", rows)
			}
			aside, _ := filepath.Glob(path + ".damaged-*")
			if len(aside) == 0 || !strings.Contains(log.String(), "set aside") {
				t.Fatalf("set aside: %v; said:\n%s", aside, log)
			}
			if kept, err := os.ReadFile(aside[0]); err != nil || len(kept) < len(data) {
				t.Errorf("the damaged file has %d bytes, had %d: %v", len(kept), len(data), err)
			}
			if lost := j.Stats().Lost; lost != 0 {
				t.Errorf("%d rows are lost", lost)
			}
		})
	}
}

func TestAFileThatIsRemovedIsMadeAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	f := open(t, path, DefaultAge, DefaultSize)
	write(t, f, noon, sample(1))
	for _, part := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + part); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.trim(noon); !errors.Is(err, errGone) {
		t.Errorf("trim: %v", err)
	}
	first := true
	j, log := running(t, path, Options{open: func() (sink, error) {
		if first {
			first = false
			return f, nil
		}
		return openFile(path, DefaultAge, DefaultSize)
	}})
	addRequests(j, 1)
	until(t, "it is said", func() bool { return strings.Contains(log.String(), "removed") })
	addRequests(j, 1)
	until(t, "both are written", func() bool { return j.Stats().Written == 2 })
	j.Close()
	if rows := readAll(t, path, time.Time{}); len(rows) != 1 {
		t.Errorf("the new file has %d rows, want the one that came after", len(rows))
	}
}

func TestALockedFileLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	f := open(t, path, DefaultAge, DefaultSize)
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite", address(path))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	exec := func(text string) {
		t.Helper()
		if _, err := other.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	exec("BEGIN IMMEDIATE")
	j, log := running(t, path, Options{})
	addRequests(j, 300)
	until(t, "it is said", func() bool { return strings.Contains(log.String(), "cannot be written") })
	exec("ROLLBACK")
	until(t, "all is written", func() bool { return j.Stats().Written == 300 })
	if lost := j.Stats().Lost; lost != 0 {
		t.Errorf("%d rows are lost", lost)
	}
}

func TestAFullDiskLosesNothingThatFitsInMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	var f *file
	opened := make(chan struct{})
	pages := func(n int) { // as many as the database may have
		if _, err := f.db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", n)); err != nil {
			t.Error(err)
		}
	}
	j, log := running(t, path, Options{open: func() (sink, error) {
		var err error
		if f, err = openFile(path, DefaultAge, DefaultSize); err == nil {
			pages(20)
		}
		close(opened)
		return f, err
	}})
	<-opened
	for i := range 1000 {
		j.Add(sample(i))
	}
	until(t, "it is said", func() bool { return strings.Contains(log.String(), "full") })
	pages(1 << 20)
	until(t, "all is written", func() bool { return j.Stats().Written == 1000 })
	if got := j.Stats(); got.Lost != 0 {
		t.Errorf("stats %+v", got)
	}
}

func TestAJournalOfANewerWeirIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	f := open(t, path, DefaultAge, DefaultSize)
	write(t, f, noon, sample(1))
	if _, err := f.db.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	j, log := running(t, path, Options{})
	addRequests(j, 5)
	until(t, "it gives up", func() bool { return j.Stats().Lost == 5 })
	j.Close()
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file has changed: %v", err)
	}
	if text := log.String(); !strings.Contains(text, "version 99") {
		t.Errorf("said: %s", text)
	}
	var newer *VersionError
	if _, err := Read(path); !errors.As(err, &newer) || newer.Version != 99 {
		t.Errorf("reading it: %v", err)
	}
}

func TestReadWithoutAJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	if _, err := Read(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty file: %v", err)
	}
}
