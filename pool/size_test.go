package pool_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

// errand keeps a few requests of some lanes in flight at a pool, one waiting in each, and
// ends the oldest or starts another, without a clock of its own: what a request
// costs, and what a lane weighs after many.
type errand struct {
	pool    *pool.Pool
	rng     *rand.Rand
	now     time.Time
	lanes   []string
	running []*pool.Entry
	refused int // one of so many attempts; zero: none
	round   int
}

func newErrand(lanes, refused int) *errand {
	e := &errand{pool: pool.New(config(limit.Config{}, limit.Config{Max: 64})), rng: rand.New(rand.NewPCG(1, 1302)), now: epoch, refused: refused}
	for i := range lanes {
		e.lanes = append(e.lanes, fmt.Sprint("m", i))
	}
	return e
}

// once lets a request arrive, admits what may run, takes or refuses it, and
// ends the oldest if none could.
func (e *errand) once() {
	e.round++
	e.now = e.now.Add(time.Duration(50+e.rng.IntN(1000)) * time.Millisecond)
	if _, queued := e.pool.Counts(); queued < 2*len(e.lanes) {
		_, _ = e.pool.Push(e.now, pool.Request{ID: "r", Lane: e.lanes[e.round%len(e.lanes)], Session: "s", Class: admission.Interactive})
	}
	e.admit()
	e.now = e.now.Add(200 * time.Millisecond)
	if len(e.running) > 0 && (len(e.running) > 3*len(e.lanes) || e.round%2 == 0) {
		how := limit.Answered
		if e.rng.IntN(50) == 0 {
			how = limit.Abandoned
		}
		e.pool.Ended(e.now, e.running[0], how)
		e.running = e.running[1:]
	}
	e.admit()
	e.pool.Events()
}

func (e *errand) admit() {
	for _, x := range e.pool.Poll(e.now).Granted {
		if e.refused > 0 && e.rng.IntN(e.refused) == 0 {
			e.pool.Refused(e.now, x, pool.Outcome{Verdict: provider.Verdict{Kind: provider.Concurrency, Code: "1302"}})
			continue
		}
		e.pool.Accepted(e.now, x)
		e.running = append(e.running, x)
	}
}

// A lane that has seen all sorts of things takes less than 8 KiB, its learner
// included, and the account's learner once.
func TestALaneIsSmall(t *testing.T) {
	const lanes, most = 40, 8 << 10
	before := inUse()
	e := newErrand(lanes, 5)
	for range lanes * 800 {
		e.once()
	}
	for _, x := range e.running {
		e.pool.Ended(e.now, x, limit.Answered)
	}
	e.running = nil
	e.pool.Events()
	size := (inUse() - before) / lanes
	t.Logf("%d bytes a lane", size)
	if size > most {
		t.Errorf("a lane takes %d bytes", size)
	}
	runtime.KeepAlive(e)
}

// inUse is how many bytes are in use, after what is left from elsewhere is gone: pools of
// the standard library are emptied by the second collection.
func inUse() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkRequest is what the pool costs a request: it arrives, is admitted,
// accepted or refused and admitted again, and ends.
func BenchmarkRequest(b *testing.B) {
	for _, lanes := range []int{1, 4, 50} {
		for _, refused := range []int{0, 100, 2} {
			b.Run(fmt.Sprintf("lanes=%d/refused=%d", lanes, refused), func(b *testing.B) {
				e := newErrand(lanes, refused)
				for range 2000 {
					e.once()
				}
				b.ReportAllocs()
				for b.Loop() {
					e.once()
				}
			})
		}
	}
}
