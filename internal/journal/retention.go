package journal

import (
	"errors"
	"os"
	"time"
)

// errGone is that of a file that is not at its path any more, so that what is written
// can never be read.
var errGone = errors.New("the file was moved or removed")

// trim implements sink: what is too old goes, and then the oldest until the file is
// small enough.
func (f *file) trim(now time.Time) error {
	if there, err := os.Stat(f.path); err != nil || !os.SameFile(there, f.info) {
		return errGone
	}
	if err := f.trimAge(now); err != nil {
		return err
	}
	if err := f.trimSize(); err != nil {
		return err
	}
	if _, err := f.db.Exec("PRAGMA incremental_vacuum"); err != nil {
		return err
	}
	// A reader may be in the way: then it is for the next time.
	_, err := f.db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// trimAge deletes in steps, so that no transaction is long.
func (f *file) trimAge(now time.Time) error {
	const step = 4096
	before := micros(now.Add(-f.age))
	for _, table := range []string{"requests", "changes"} {
		for {
			result, err := f.db.Exec("DELETE FROM "+table+" WHERE seq IN (SELECT seq FROM "+table+" WHERE noted < ? LIMIT ?)", before, step)
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil || n < step {
				break
			}
		}
	}
	return nil
}

// trimSize goes by the order in which rows came, which no clock can change.
func (f *file) trimSize() error {
	most := max(f.size-2*walSize, f.size/2) // room for the log beside it, and what comes until the next time
	for {
		used, err := f.used()
		if err != nil || used <= most {
			return err
		}
		var gone int64
		for _, table := range []string{"requests", "changes"} {
			result, err := f.db.Exec("DELETE FROM " + table + " WHERE seq <= (SELECT min(seq) + (max(seq) - min(seq)) / 32 FROM " + table + ")")
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			gone += n
		}
		if gone == 0 {
			return nil // what is left is the empty tables
		}
	}
}

// used is how many bytes of the file have something in them.
func (f *file) used() (int64, error) {
	var pages, free, size int64
	for _, p := range []struct {
		pragma string
		to     *int64
	}{{"page_count", &pages}, {"freelist_count", &free}, {"page_size", &size}} {
		if err := f.db.QueryRow("PRAGMA " + p.pragma).Scan(p.to); err != nil {
			return 0, err
		}
	}
	return (pages - free) * size, nil
}
