package scenario

import (
	"math"
	"math/rand/v2"
	"time"
)

// never is a moment that does not come.
const never = time.Duration(math.MaxInt64)

// shortest is the least time between two changes: a course always gets on.
const shortest = time.Millisecond

// The streams of random numbers. Each kind has its own, so that one more outsider
// changes no walk. The numbers below a kind's are its members'.
const (
	streamLuck      uint64 = 0
	streamOutsiders uint64 = 1 << 20
	streamOutages   uint64 = 2 << 20
	streamWalks     uint64 = 3 << 20
)

// stream returns the n-th stream of a seed.
func stream(seed, n uint64) *rand.Rand {
	// Multiplied by an odd number, neighbours lie far apart.
	return rand.New(rand.NewPCG(seed*0x9e3779b97f4a7c15, (n+1)*0xd1342543de82ef95))
}

// A limitCourse is a limit as it changes by itself.
type limitCourse struct {
	slots  int           // now
	next   time.Duration // change; never: none
	steps  []Step        // of a schedule, not yet made
	walk   *Walk
	rng    *rand.Rand
	length time.Duration
}

func newLimitCourse(l Limit, rng *rand.Rand, length time.Duration) limitCourse {
	c := limitCourse{slots: Unlimited, next: never, walk: l.Walk, rng: rng, length: length}
	switch {
	case l.Walk != nil:
		c.slots = 1 + rng.IntN(max(1, l.Walk.Max))
		c.plan(0)
	case len(l.Schedule) > 0:
		c.slots, c.steps = l.Schedule[0].Slots, l.Schedule[1:]
		c.plan(0)
	}
	return c
}

// plan sets next, the change after the one at t.
func (c *limitCourse) plan(t time.Duration) {
	c.next = never
	if c.walk != nil {
		c.next = within(t, c.walk.Every.Draw(c.rng), c.length)
	} else if len(c.steps) > 0 && c.steps[0].At <= c.length {
		c.next = c.steps[0].At
	}
}

func (c *limitCourse) advance(now time.Duration) {
	for c.next <= now && c.next != never {
		if c.walk != nil {
			by := 1 + c.rng.IntN(3)
			if c.rng.IntN(2) == 0 {
				by = -by
			}
			c.slots = min(max(c.slots+by, 1), max(1, c.walk.Max))
		} else {
			c.slots, c.steps = c.steps[0].Slots, c.steps[1:]
		}
		c.plan(c.next)
	}
}

// An onOff is an outsider at work. It is off at first.
type onOff struct {
	o      Outsider
	on     bool
	next   time.Duration // change
	rng    *rand.Rand
	length time.Duration
}

func newOnOff(o Outsider, rng *rand.Rand, length time.Duration) onOff {
	f := onOff{o: o, rng: rng, length: length}
	f.plan(0)
	return f
}

func (f *onOff) plan(t time.Duration) {
	mean := f.o.Off
	if f.on {
		mean = f.o.On
	}
	f.next = within(t, Dist{Kind: Exponential, Mean: mean}.Draw(f.rng), f.length)
}

// slotsAt returns how many slots it takes.
func (f *onOff) slotsAt(now time.Duration) int {
	for f.next <= now && f.next != never {
		f.on = !f.on
		f.plan(f.next)
	}
	if f.on {
		return f.o.Slots
	}
	return 0
}

// An outage is the present or the next outage of a description.
type outage struct {
	o        Outage
	from, to time.Duration // never: no more
	code     string
	rng      *rand.Rand
	length   time.Duration
}

func newOutage(o Outage, rng *rand.Rand, length time.Duration) outage {
	a := outage{o: o, code: o.Code, rng: rng, length: length}
	if a.code == "" {
		a.code = outageCode
	}
	if o.Every.Kind == Absent {
		a.from, a.to = o.From, o.From+max(shortest, o.For.Draw(rng))
	} else {
		a.plan(o.From)
	}
	return a
}

func (a *outage) plan(t time.Duration) {
	a.to = never
	if a.from = within(t, a.o.Every.Draw(a.rng), a.length); a.from != never {
		a.to = a.from + max(shortest, a.o.For.Draw(a.rng))
	}
}

func (a *outage) advance(now time.Duration) {
	for a.to <= now && a.to != never {
		if a.o.Every.Kind == Absent {
			a.from, a.to = never, never
			return
		}
		a.plan(a.to)
	}
}

// within returns t + d, never if that is beyond the length.
func within(t, d, length time.Duration) time.Duration {
	if next := t + max(shortest, d); next <= length && next > t {
		return next
	}
	return never
}
