package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// migrations make a file of version i+1 from one of version i. What stands here is
// never changed: a new version is a new entry.
//
// Moments are microseconds since 1970, durations microseconds. "noted" is when a row
// was written: it decides what is old, and never goes back by less than a day.
var migrations = []string{`
CREATE TABLE requests (
	seq INTEGER PRIMARY KEY, noted INTEGER NOT NULL,
	id TEXT, lane TEXT, session TEXT, tool TEXT, class TEXT, dialect TEXT,
	start INTEGER, admitted INTEGER, ended INTEGER, waited INTEGER, first_byte INTEGER, in_flight INTEGER,
	tries INTEGER, attempts TEXT, verdict TEXT, code TEXT, provider_id TEXT,
	status INTEGER, outcome TEXT, bytes INTEGER, kept_alive INTEGER
) STRICT;
CREATE INDEX requests_noted ON requests (noted);
CREATE TABLE changes (
	seq INTEGER PRIMARY KEY, noted INTEGER NOT NULL,
	at INTEGER, kind TEXT, lane TEXT, "limit" INTEGER, level INTEGER, reason TEXT, why TEXT,
	verdict TEXT, code TEXT, until INTEGER, count INTEGER
) STRICT;
CREATE INDEX changes_noted ON changes (noted);
`}

// A VersionError is a journal that a newer weir has made.
type VersionError struct {
	Path           string
	Version, Known int
}

// Error implements error.
func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has version %d, and this weir knows %d: use a newer weir, or move the file away", e.Path, e.Version, e.Known)
}

// isDamaged tells an error of a file whose content is wrong.
func isDamaged(err error) bool { return isOne(err, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) }

// isOnReadOnly tells an error of a file beside which nothing can be written.
func isOnReadOnly(err error) bool {
	return isOne(err, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
}

// isOne tells whether an error has one of these codes.
func isOne(err error, codes ...int) bool {
	var e *sqlite.Error
	const primary = 0xff // the rest says it more exactly
	return errors.As(err, &e) && slices.Contains(codes, e.Code()&primary)
}

// file is the sink of a gateway.
type file struct {
	path     string
	info     os.FileInfo // tells it from another at the same path
	db       *sql.DB
	requests *sql.Stmt // inserts one
	many     *sql.Stmt // inserts manyRows requests
	changes  *sql.Stmt
	age      time.Duration
	size     int64
	last     int64 // when the last row was noted
}

var _ sink = (*file)(nil)

// manyRows is how many requests one statement inserts, where there are so many: each
// statement costs as much as some rows.
const manyRows = 32

// walSize is how far the log beside the file grows, in bytes, while nobody reads long.
const walSize = 4 << 20

// openFile opens a journal, or makes it, for its user's eyes only.
func openFile(path string, age time.Duration, size int64) (*file, error) {
	made, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := made.Close(); err != nil {
		return nil, err
	}
	if err := checkVersion(path); err != nil {
		return nil, err
	}
	// auto_vacuum counts only before the first table; a second is long enough for a
	// reader that is in the way, and for the end of the program.
	db, err := sql.Open("sqlite", address(path, "mode=rw", "_pragma=busy_timeout(1000)", "_pragma=auto_vacuum(incremental)",
		"_pragma=journal_mode(wal)", "_pragma=synchronous(normal)", fmt.Sprintf("_pragma=journal_size_limit(%d)", walSize), "_txlock=immediate"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	f := &file{path: path, db: db, age: age, size: size}
	f.info, err = os.Stat(path)
	if err = errors.Join(err, f.prepare(path)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return f, nil
}

// checkVersion looks whether a file is for this weir, without a trace in it.
func checkVersion(path string) error {
	db, err := sql.Open("sqlite", address(path, "mode=ro", "_pragma=busy_timeout(1000)"))
	if err != nil {
		return err
	}
	_, err = versionOf(db, path)
	return errors.Join(err, db.Close())
}

// address is the URI of a database.
func address(path string, options ...string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: strings.Join(options, "&")}).String()
}

func (f *file) prepare(path string) error {
	version, err := versionOf(f.db, path)
	if err != nil {
		return err
	}
	for ; version < len(migrations); version++ {
		step := fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT", migrations[version], version+1)
		if _, err := f.db.Exec(step); err != nil {
			return fmt.Errorf("%s, to version %d: %w", path, version+1, err)
		}
	}
	for _, p := range []struct {
		to   **sql.Stmt
		text string
	}{
		{&f.requests, insert("requests", requestColumns, 1)},
		{&f.many, insert("requests", requestColumns, manyRows)},
		{&f.changes, insert("changes", changeColumns, 1)},
	} {
		if *p.to, err = f.db.Prepare(p.text); err != nil {
			return err
		}
	}
	return f.db.QueryRow(`SELECT max(coalesce((SELECT noted FROM requests ORDER BY seq DESC LIMIT 1), 0),
		coalesce((SELECT noted FROM changes ORDER BY seq DESC LIMIT 1), 0))`).Scan(&f.last)
}

// versionOf reads a database's version; one that is too new is an error.
func versionOf(db *sql.DB, path string) (int, error) {
	var version int
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	if version > len(migrations) {
		return version, &VersionError{Path: path, Version: version, Known: len(migrations)}
	}
	return version, nil
}

// The columns of the tables but seq, in the order of their values.
const (
	requestColumns = `noted, id, lane, session, tool, class, dialect, start, admitted, ended, waited, first_byte, in_flight,
		tries, attempts, verdict, code, provider_id, status, outcome, bytes, kept_alive`
	changeColumns = `noted, at, kind, lane, "limit", level, reason, why, verdict, code, until, count`
)

func insert(table, columns string, rows int) string {
	marks := "(?" + strings.Repeat(",?", strings.Count(columns, ",")) + ")"
	return "INSERT INTO " + table + " (" + columns + ") VALUES " + marks + strings.Repeat(","+marks, rows-1)
}

// write implements sink.
func (f *file) write(rows []Row, now time.Time) error {
	noted := f.note(now)
	tx, err := f.db.Begin()
	if err != nil {
		return err
	}
	if err := f.insert(tx, noted, rows); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		_ = tx.Rollback() // a commit that fails for a lock leaves it open
		return err
	}
	f.last = noted
	return nil
}

// note is when rows are noted that are written now. A clock that was set back a little
// is not followed, so that what came later is not older; one that was wrong by days is.
func (f *file) note(now time.Time) int64 {
	const little = 24 * time.Hour
	t := micros(now)
	if back := f.last - t; back > 0 && back < little.Microseconds() {
		return f.last
	}
	return t
}

func (f *file) insert(tx *sql.Tx, noted int64, rows []Row) error {
	requests := make([]any, 0, len(rows)*(strings.Count(requestColumns, ",")+1))
	for _, r := range rows {
		switch r := r.(type) {
		case Request:
			requests = append(requests, noted, r.ID, r.Lane, r.Session, r.Tool, r.Class, r.Dialect,
				micros(r.Start), micros(r.Admitted), micros(r.End), r.Waited.Microseconds(), r.FirstByte.Microseconds(), r.InFlight,
				r.Tries, pack(r), r.Verdict, r.Code, r.ProviderID, r.Status, r.Outcome, r.Bytes, r.KeptAlive)
		case Change:
			if _, err := tx.Stmt(f.changes).Exec(noted, micros(r.At), r.Kind, r.Lane, r.Limit, r.Level, r.Reason, r.Why,
				r.Verdict, r.Code, micros(r.Until), r.Count); err != nil {
				return err
			}
		}
	}
	one, many := tx.Stmt(f.requests), tx.Stmt(f.many)
	width := strings.Count(requestColumns, ",") + 1
	for len(requests) > 0 {
		next, n := one, width
		if len(requests) >= manyRows*width {
			next, n = many, manyRows*width
		}
		if _, err := next.Exec(requests[:n]...); err != nil {
			return err
		}
		requests = requests[n:]
	}
	return nil
}

// close implements sink.
func (f *file) close() error {
	err := errors.Join(f.requests.Close(), f.many.Close(), f.changes.Close())
	return errors.Join(err, f.db.Close())
}

// micros is a moment as the file has it; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment is the reverse of micros.
func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
