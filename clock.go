package weir

import (
	"sync/atomic"
	"time"
)

// jump is how far the wall clock must run ahead of the monotonic one before the
// machine is taken to have slept.
const jump = 5 * time.Second

// clock gives wall-clock moments that never decrease: a wall clock that is set
// back is not followed, one that is ahead of the monotonic clock (which stands
// still while a machine sleeps) is.
type clock struct {
	start  time.Time
	offset atomic.Int64  // nanoseconds that the machine has slept
	sleeps atomic.Uint64 // how often
}

func newClock() *clock { return &clock{start: time.Now()} }

func (c *clock) now() time.Time {
	t := time.Now()
	awake := t.Sub(c.start) // monotonic
	wall := t.Round(0).Sub(c.start.Round(0))
	slept := time.Duration(c.offset.Load())
	if ahead := wall - awake; ahead-slept > jump && c.offset.CompareAndSwap(int64(slept), int64(ahead)) {
		c.sleeps.Add(1)
		slept = ahead
	}
	return c.start.Round(0).Add(awake + slept)
}
