package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"time"
)

// A Reader reads a journal, also while a gateway writes it. It changes nothing.
type Reader struct {
	db *sql.DB
}

// Read opens a journal to be read, also one on a medium that cannot be written. It fails
// with [fs.ErrNotExist] if there is none, and with a [*VersionError] if a newer weir has
// made it.
func Read(path string) (*Reader, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	r, err := read(path)
	if err != nil && isOnReadOnly(err) {
		return read(path, "immutable=1") // nobody else writes it then
	}
	return r, err
}

func read(path string, more ...string) (*Reader, error) {
	db, err := sql.Open("sqlite", address(path, append([]string{"mode=ro", "_pragma=busy_timeout(5000)", "_pragma=query_only(1)"}, more...)...))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	version, err := versionOf(db, path)
	if err == nil && version < len(migrations) {
		err = fmt.Errorf("%s has nothing that this weir could read: it is made new when the gateway starts", path)
		if version == 0 {
			err = fmt.Errorf("%s is empty: %w", path, fs.ErrNotExist)
		}
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Reader{db: db}, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.db.Close() }

// Rows returns the rows that were noted since a moment, the oldest first; the zero
// time means all. It reads in pages, so that one who reads slowly keeps no transaction
// open. After an error it ends.
func (r *Reader) Rows(ctx context.Context, since time.Time) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		requests := &pages{db: r.db, query: page("requests", requestColumns), scan: scanRequest, after: key{noted: micros(since)}}
		changes := &pages{db: r.db, query: page("changes", changeColumns), scan: scanChange, after: key{noted: micros(since)}}
		for {
			a, err := requests.next(ctx)
			b, errB := changes.next(ctx)
			if err = errors.Join(err, errB); err != nil {
				yield(nil, err)
				return
			}
			first := requests
			if a == nil || b != nil && b.noted < a.noted {
				a, first = b, changes
			}
			if a == nil || !yield(a.row, nil) {
				return
			}
			first.took()
		}
	}
}

// key is a place in a table, by which a next page is found.
type key struct{ noted, seq int64 }

// line is a row at its place.
type line struct {
	key
	row Row
}

// pages reads one table.
type pages struct {
	db    *sql.DB
	query string
	scan  func(*sql.Rows) (line, error)
	after key
	read  []line
	ended bool
}

const pageSize = 512

func page(table, columns string) string {
	return "SELECT seq, " + columns + " FROM " + table + " WHERE (noted, seq) > (?, ?) ORDER BY noted, seq LIMIT ?"
}

// next is the next row, nil after the last. It stays so until it is taken.
func (p *pages) next(ctx context.Context) (*line, error) {
	if len(p.read) == 0 && !p.ended {
		if err := p.fetch(ctx); err != nil {
			return nil, err
		}
	}
	if len(p.read) == 0 {
		return nil, nil
	}
	return &p.read[0], nil
}

func (p *pages) took() { p.read = p.read[1:] }

func (p *pages) fetch(ctx context.Context) error {
	rows, err := p.db.QueryContext(ctx, p.query, p.after.noted, p.after.seq, pageSize)
	if err != nil {
		return err
	}
	defer rows.Close()
	p.read = p.read[:0]
	for rows.Next() {
		l, err := p.scan(rows)
		if err != nil {
			return fmt.Errorf("the journal's row %d cannot be read: %w", l.seq, err)
		}
		p.read = append(p.read, l)
		p.after = l.key
	}
	p.ended = len(p.read) < pageSize
	return rows.Err()
}

func scanRequest(rows *sql.Rows) (line, error) {
	var l line
	var r Request
	var start, admitted, end, waited, firstByte int64
	var attempts string
	if err := rows.Scan(&l.seq, &l.noted, &r.ID, &r.Lane, &r.Session, &r.Tool, &r.Class, &r.Dialect, &start, &admitted, &end, &waited, &firstByte, &r.InFlight,
		&r.Tries, &attempts, &r.Verdict, &r.Code, &r.ProviderID, &r.Status, &r.Outcome, &r.Bytes, &r.KeptAlive); err != nil {
		return l, err
	}
	r.Start, r.Admitted, r.End = moment(start), moment(admitted), moment(end)
	r.Waited, r.FirstByte = time.Duration(waited)*time.Microsecond, time.Duration(firstByte)*time.Microsecond
	var err error
	r.Attempts, err = unpack(attempts, start)
	l.row = r
	return l, err
}

func scanChange(rows *sql.Rows) (line, error) {
	var l line
	var c Change
	var at, until int64
	err := rows.Scan(&l.seq, &l.noted, &at, &c.Kind, &c.Lane, &c.Limit, &c.Level, &c.Reason, &c.Why, &c.Verdict, &c.Code, &until, &c.Count)
	c.At, c.Until = moment(at), moment(until)
	l.row = c
	return l, err
}
