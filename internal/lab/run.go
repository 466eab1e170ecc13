package lab

import (
	"slices"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/internal/scenario"
	"github.com/weirhq/weir/limit"
)

// A Course is a number as it changes, in the order of time.
type Course []scenario.Step

// add says that the number has that value from now on.
func (c *Course) add(now time.Duration, n int) {
	last := len(*c) - 1
	switch {
	case last >= 0 && (*c)[last].Slots == n:
	case last >= 0 && (*c)[last].At == now:
		(*c)[last].Slots = n
	default:
		*c = append(*c, scenario.Step{At: now, Slots: n})
	}
}

// first returns the first moment in [from, until) at which the number satisfies
// is, until if there is none. The course begins at or before from.
func (c Course) first(from, until time.Duration, is func(n int) bool) time.Duration {
	i, found := slices.BinarySearchFunc(c, from, func(s scenario.Step, t time.Duration) int { return int(s.At - t) })
	if !found {
		i--
	}
	for ; i < len(c) && c[i].At < until; i++ {
		if is(c[i].Slots) {
			return max(from, c[i].At)
		}
	}
	return until
}

// A run is what was counted in one run.
type run struct {
	model   string // the one whose level is looked at
	account bool   // or that of the account
	truth   Course
	level   Course
	length  time.Duration // how far it went

	calls, open, lost int // all that were made; still running at the end; given up

	// Of the calls that are measured:
	attempts, refused int           // refused: but for overload
	overloaded        int           // refused for overload
	work              time.Duration // accepted calls ran so long
	waits             map[admission.Class][]time.Duration

	inFlight, peak int // at the provider, of the model or the account that is looked at
	limitAtEnd     int
	makespan       time.Duration
	cause          string
	trace          *Trace
}

func newRun(sc *scenario.Scenario, seed uint64) *run {
	r := &run{model: sc.Load[0].Model, waits: map[admission.Class][]time.Duration{}}
	r.account = slices.Contains(sc.Causes(), scenario.CauseAccount)
	p := sc.Provider
	if r.account { // what remains if no model has a limit of its own
		p.Limit, p.Models = scenario.Limit{}, nil
	}
	for _, s := range scenario.NewUpstream(p, seed, sc.Length).Steps(r.model, sc.Length) {
		// A learner never goes below one, nor looks beyond its highest.
		r.truth.add(s.At, min(max(s.Slots, 1), limit.DefaultMax))
	}
	return r
}

// started counts an attempt, whose ruling is known.
func (r *run) started(c *call, now time.Duration) {
	if c.ruling.Accepted {
		r.changed(c, now, 1)
	} else if r.trace != nil {
		r.trace.Refused = append(r.trace.Refused, now)
	}
	if !c.counts {
		return
	}
	r.attempts++
	switch {
	case c.ruling.Accepted:
		r.waits[c.class] = append(r.waits[c.class], now-c.arrived)
	case c.ruling.Cause == scenario.CauseOverload:
		r.overloaded++
	default:
		r.refused++
	}
}

// ended counts the work of an accepted call up to now. Held time is no work.
func (r *run) ended(c *call, now time.Duration) {
	r.changed(c, now, -1)
	if c.counts {
		r.work += max(0, now-c.started-c.ruling.Hold)
	}
}

// changed counts what is in flight.
func (r *run) changed(c *call, now time.Duration, by int) {
	if !r.account && c.model != r.model {
		return
	}
	r.inFlight += by
	r.peak = max(r.peak, r.inFlight)
	if r.trace != nil {
		r.trace.InFlight.add(now, r.inFlight)
	}
}
