// Package journal keeps what becomes of requests, and of lanes, in a SQLite file that
// people and reports read. Nobody ever waits for the disk: rows go into a bounded
// memory, and one goroutine writes them in batches. What cannot be written is counted
// and said.
package journal

import (
	"log/slog"
	"sync"
	"time"
)

// File is the journal's name in a state directory.
const File = "journal.db"

// What a journal keeps when nobody says otherwise.
const (
	DefaultAge  = 30 * 24 * time.Hour
	DefaultSize = 150_000_000 // bytes
)

const (
	batchSize = 256         // rows of one transaction
	batchWait = time.Second // that a row waits for others: a crash loses no more
	maxWaits  = 8192        // rows in memory; more are lost
	trimEvery = time.Minute
	trimRows  = 10_000                 // after which it is trimmed sooner
	minPause  = 250 * time.Millisecond // between tries at a file that cannot be written
	maxPause  = 30 * time.Second
)

// Options set up a [Journal].
type Options struct {
	Age  time.Duration    // rows go after it; zero: DefaultAge
	Size int64            // bytes that the file may have; zero: DefaultSize
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: nothing is said

	open func() (sink, error) // for tests; nil: a file
}

// sink is where a journal writes to. Its methods are called one after the other.
type sink interface {
	write(rows []Row, now time.Time) error // all or nothing
	trim(now time.Time) error
	close() error
}

// A Journal takes rows. A nil Journal keeps nothing. Its methods may be called
// concurrently. Use [Open].
type Journal struct {
	path string
	opts Options

	wake  chan struct{} // there are rows, or enough for a batch
	hurry chan struct{} // somebody wants to read
	stop  chan struct{}
	done  chan struct{} // the writer has ended

	mu      sync.Mutex // guards the fields below
	waiting []Row
	written int64
	lost    int64
	closed  bool
	off     bool  // nothing can be kept until the next start
	failing bool  // the last write failed, or the file cannot be opened
	batch   []Row // being written; kept if that fails. Only the writer changes it

	// The writer's own.
	sink    sink
	pause   time.Duration // until the next try; zero: all is well
	trimmed time.Time
	fresh   int       // rows since
	grows   bool      // it could not be trimmed
	aside   time.Time // when a damaged file was set aside last
	told    int64     // of the lost rows, in the journal
}

// Stats is what became of the rows that a [Journal] was given.
type Stats struct {
	Written int64 `json:"written"`
	Waiting int64 `json:"waiting"` // for the disk
	Lost    int64 `json:"lost"`
	Failing bool  `json:"failing"` // it could not be written the last time
}

// Open begins a journal at a path. The file is opened in the background: one that is
// locked, full or damaged keeps nobody waiting, and is told to the log. A damaged one is
// set aside, one that a newer weir has made is left alone and nothing is kept.
func Open(path string, o Options) *Journal {
	if o.Age == 0 {
		o.Age = DefaultAge
	}
	if o.Size == 0 {
		o.Size = DefaultSize
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.open == nil {
		o.open = func() (sink, error) { return openFile(path, o.Age, o.Size) }
	}
	j := &Journal{path: path, opts: o, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go j.run()
	return j
}

// Add gives the journal a row, which must not be changed afterwards. It never waits:
// if too many wait to be written, or the journal is closed, the row is lost and counted.
func (j *Journal) Add(r Row) {
	if j == nil {
		return
	}
	j.mu.Lock()
	if j.closed || j.off || len(j.waiting) >= maxWaits {
		j.lost++
		j.mu.Unlock()
		return
	}
	j.waiting = append(j.waiting, r)
	n := len(j.waiting)
	j.mu.Unlock()
	if n == 1 || n == batchSize {
		select {
		case j.wake <- struct{}{}:
		default:
		}
	}
}

// Hurry lets the rows that wait be written now, for somebody will soon read them. It does
// not wait for that.
func (j *Journal) Hurry() {
	if j == nil {
		return
	}
	select {
	case j.hurry <- struct{}{}:
	default:
	}
}

// Stats tells what became of the rows so far.
func (j *Journal) Stats() Stats {
	if j == nil {
		return Stats{}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return Stats{Written: j.written, Waiting: int64(len(j.waiting) + len(j.batch)), Lost: j.lost, Failing: j.failing}
}

// Close writes what waits and closes the file. Rows that come later are lost. It may be
// called more than once.
func (j *Journal) Close() {
	if j == nil {
		return
	}
	j.mu.Lock()
	first := !j.closed
	j.closed = true
	j.mu.Unlock()
	if first {
		close(j.stop)
	}
	<-j.done
}
