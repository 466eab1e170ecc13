package lab

import (
	"math"
	"time"

	"github.com/weirhq/weir/limit"
)

// fixed lets one call run at a time.
type fixed struct{}

func (fixed) limit() int                    { return 1 }
func (fixed) idle(_, _ time.Duration)       {}
func (fixed) accepted(*call, time.Duration) {}
func (fixed) ended(*call, bool)             {}
func (fixed) refused(*call)                 {}
func (fixed) epoch() int                    { return 0 }

// aimd halves its window for a refusal, once for each wave, and adds one for each
// window of successes.
type aimd struct {
	window float64
	cuts   int
}

func (a *aimd) limit() int                    { return int(a.window) }
func (a *aimd) idle(_, _ time.Duration)       {}
func (a *aimd) accepted(*call, time.Duration) {}
func (a *aimd) epoch() int                    { return a.cuts }

func (a *aimd) ended(c *call, waiting bool) {
	if waiting {
		a.window = min(a.window+1/a.window, limit.DefaultMax)
	}
}

func (a *aimd) refused(c *call) {
	if c.epoch == a.cuts {
		a.window = max(1, a.window/2)
		a.cuts++
	}
}

// vendor is the governor of a vendor's own client: from 8, never above 16. It adds
// one after four successes under the cap in force, if somebody waits; a refusal of a
// start under that cap brings it back to the last one that was good, or down to
// three quarters; after five idle minutes it begins anew.
type vendor struct {
	cap, good, streak, changes int
}

const (
	vendorStart = 8
	vendorMax   = 2 * vendorStart
	vendorStep  = 4 // successes for one more
	vendorIdle  = 5 * time.Minute
)

func newVendor() *vendor { return &vendor{cap: vendorStart} }

func (v *vendor) limit() int                    { return v.cap }
func (v *vendor) accepted(*call, time.Duration) {}
func (v *vendor) epoch() int                    { return v.changes }

func (v *vendor) set(n int) {
	v.cap, v.streak = n, 0
	v.changes++
}

func (v *vendor) idle(now, since time.Duration) {
	if now-since >= vendorIdle && v.cap != vendorStart {
		v.good = 0
		v.set(vendorStart)
	}
}

func (v *vendor) ended(c *call, waiting bool) {
	if c.epoch != v.changes {
		return
	}
	if v.streak++; v.streak >= vendorStep && waiting && v.cap < vendorMax {
		v.good = v.cap
		v.set(v.cap + 1)
	}
}

func (v *vendor) refused(c *call) {
	if c.epoch != v.changes {
		return
	}
	n := max(1, v.cap*3/4)
	if v.good > 0 && v.good < v.cap { // it was probing
		n = v.good
	}
	v.good = 0
	v.set(n)
}

// gradient compares the time to the first event with its long average, and lets
// four more in for as long as it does not grow. Refusals tell it nothing.
type gradient struct {
	window, long float64 // long: seconds
	seen         int
}

const (
	gradientQueue     = 4
	gradientSmoothing = 0.2
	gradientTolerance = 1.5
	gradientWindow    = 600 // samples of the long average
	gradientWarmup    = 10  // samples that are averaged plainly
)

func newGradient() *gradient { return &gradient{window: 1} }

func (g *gradient) limit() int              { return int(g.window) }
func (g *gradient) idle(_, _ time.Duration) {}
func (g *gradient) ended(*call, bool)       {}
func (g *gradient) refused(*call)           {}
func (g *gradient) epoch() int              { return 0 }

func (g *gradient) accepted(c *call, took time.Duration) {
	short := max(took.Seconds(), 1e-9)
	g.seen++
	if g.seen <= gradientWarmup {
		g.long += (short - g.long) / float64(g.seen)
	} else {
		g.long += (short - g.long) * 2 / (gradientWindow + 1)
	}
	if g.long/short > 2 {
		g.long *= 0.95
	}
	if float64(c.level) < g.window/2 {
		return
	}
	slope := math.Max(0.5, math.Min(1, gradientTolerance*g.long/short))
	next := g.window*(1-gradientSmoothing) + (g.window*slope+gradientQueue)*gradientSmoothing
	g.window = min(max(next, 1), limit.DefaultMax)
}
