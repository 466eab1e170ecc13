package journal

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// run is the writer.
func (j *Journal) run() {
	defer close(j.done)
	j.prepare()
	for {
		stopping := j.await()
		if j.prepare() {
			j.flush()
		}
		if stopping {
			j.end()
			return
		}
		j.trim()
	}
}

// await waits until there is something to do; true: it is the last time.
func (j *Journal) await() (stopping bool) {
	if j.pause > 0 {
		return j.rest(j.pause, nil, nil)
	}
	timer := time.NewTimer(trimEvery)
	defer timer.Stop()
	select {
	case <-j.stop:
		return true
	case <-timer.C:
		return false
	case <-j.hurry:
		return false
	case <-j.wake:
	}
	j.mu.Lock()
	full := len(j.waiting) >= batchSize
	j.mu.Unlock()
	if full {
		return false
	}
	return j.rest(batchWait, j.wake, j.hurry)
}

// rest waits for a while, or until it is woken; true: the journal is being closed.
func (j *Journal) rest(d time.Duration, wake, hurry <-chan struct{}) (stopping bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-j.stop:
		return true
	case <-timer.C:
	case <-wake:
	case <-hurry:
	}
	return false
}

// since is how long ago a moment is; one that is still to come, for the clock was set
// back, is long ago.
func (j *Journal) since(t time.Time) time.Duration {
	d := j.opts.Now().Sub(t)
	if d < 0 {
		return trimEvery
	}
	return d
}

// prepare opens the file, if it is not.
func (j *Journal) prepare() bool {
	if j.sink != nil {
		return true
	}
	j.mu.Lock()
	off := j.off
	j.mu.Unlock()
	if off {
		return false
	}
	s, err := j.opts.open()
	if err != nil {
		j.failed(err)
		return j.sink != nil // in a damaged one's place
	}
	j.sink = s
	return true
}

// flush writes what waits, in batches, until a batch fails.
func (j *Journal) flush() {
	for j.take() {
		if !j.prepare() {
			return
		}
		if err := j.sink.write(j.batch, j.opts.Now()); err != nil {
			j.failed(err)
			if j.pause > 0 {
				return
			}
			continue // a new file is in the damaged one's place
		}
		j.mu.Lock()
		j.written += int64(len(j.batch))
		j.fresh += len(j.batch)
		j.batch, j.failing = nil, false
		j.mu.Unlock()
		j.works()
		j.trim()
	}
	if j.pause > 0 && j.sink != nil {
		j.works() // it can be opened again
	}
}

// take makes a batch of what waits, unless there is one; false: there is nothing.
func (j *Journal) take() bool {
	if j.batch != nil {
		return true
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	n := min(len(j.waiting), batchSize)
	if n == 0 {
		return false
	}
	j.batch = append(make([]Row, 0, n), j.waiting[:n]...)
	left := copy(j.waiting, j.waiting[n:])
	clear(j.waiting[left:])
	j.waiting = j.waiting[:left]
	return true
}

// failed says what is wrong, once, and decides how it goes on.
func (j *Journal) failed(err error) {
	var newer *VersionError
	switch {
	case errors.As(err, &newer):
		j.opts.Log.Warn("no journal is kept until the next start: the file is left alone", "error", err)
		j.turnOff()
	case isDamaged(err):
		j.setAside(err)
	case errors.Is(err, errGone):
		_ = j.sink.close() // nobody can read it
		j.sink = nil
		j.backOff(err)
	default:
		j.backOff(err)
	}
}

// turnOff gives up all that waits.
func (j *Journal) turnOff() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.off, j.failing = true, true
	j.lost += int64(len(j.waiting) + len(j.batch))
	j.waiting, j.batch = nil, nil
	j.pause = 0
}

func (j *Journal) backOff(err error) {
	if j.pause == 0 {
		j.opts.Log.Warn("the journal cannot be written; requests go on, and it is tried again", "file", j.path, "error", err)
	}
	j.pause = min(max(2*j.pause, minPause), maxPause)
	j.mu.Lock()
	j.failing = true
	j.mu.Unlock()
}

// setAside makes room for a new file, and keeps the damaged one.
func (j *Journal) setAside(err error) {
	if j.sink != nil {
		_ = j.sink.close() // it is damaged
		j.sink = nil
	}
	if !j.aside.IsZero() && j.since(j.aside) < trimEvery {
		j.backOff(fmt.Errorf("%w; that of the last minute was too", err))
		return
	}
	j.aside = j.opts.Now()
	aside := j.path + ".damaged-" + j.opts.Now().UTC().Format("20060102T150405.000")
	if moved := rename(j.path, aside); moved != nil {
		j.backOff(fmt.Errorf("%w; it cannot be set aside: %w", err, moved))
		return
	}
	j.opts.Log.Warn("the journal is damaged and was set aside; a new one begins", "file", aside, "error", err)
	s, err := j.opts.open()
	if err != nil {
		j.backOff(err)
		return
	}
	j.sink, j.pause = s, 0
}

// rename moves a database with what belongs to it.
func rename(from, to string) error {
	for _, part := range []string{"-wal", "-shm"} {
		if err := os.Rename(from+part, to+part); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.Rename(from, to)
}

// works says that the file can be written again, and tells it what it lacks.
func (j *Journal) works() {
	lost := j.Stats().Lost - j.told
	if j.pause == 0 && lost == 0 {
		return
	}
	j.pause = 0
	if lost > 0 {
		now := j.opts.Now()
		if err := j.sink.write([]Row{Change{At: now, Kind: KindLost, Count: lost}}, now); err != nil {
			j.failed(err)
			return
		}
		j.told += lost
	}
	j.opts.Log.Info("the journal is written again", "lost", lost)
}

// trim lets the file forget, now and then. What keeps it from that is said once; rows
// may be written all the same.
func (j *Journal) trim() {
	if j.sink == nil || j.pause > 0 || j.fresh < trimRows && j.since(j.trimmed) < trimEvery {
		return
	}
	j.trimmed, j.fresh = j.opts.Now(), 0
	err := j.sink.trim(j.trimmed)
	switch {
	case err == nil:
		j.grows = false
	case isDamaged(err), errors.Is(err, errGone):
		j.failed(err)
	case !j.grows:
		j.grows = true
		j.opts.Log.Warn("the journal cannot be made smaller; it is tried again", "file", j.path, "error", err)
	}
}

// end closes the file, and says what it will never have.
func (j *Journal) end() {
	j.mu.Lock()
	j.lost += int64(len(j.waiting) + len(j.batch))
	j.waiting, j.batch = nil, nil
	lost := j.lost - j.told
	j.mu.Unlock()
	if lost > 0 {
		j.opts.Log.Warn("the journal lacks some rows", "lost", lost)
	}
	if j.sink == nil {
		return
	}
	if err := j.sink.close(); err != nil {
		j.opts.Log.Warn("the journal cannot be closed", "file", j.path, "error", err)
	}
}
