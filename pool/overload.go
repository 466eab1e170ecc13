package pool

import (
	"time"

	"github.com/weirhq/weir/retry"
)

// overload is a lane whose provider says that it is overloaded: the lane rests,
// with full jitter, and then tries one request at a time until one passes.
type overload struct {
	active bool
	fails  int
	until  time.Time // nothing starts before
	known  time.Time // when the last refusal that counted was known
	trial  *Entry    // the one that tries
	last   *Entry    // the one that was refused last: another goes first if one waits
}

// refused records a refusal for overload and returns the end of the rest.
// Attempts from before the last refusal was known belong to its wave.
func (o *overload) refused(now time.Time, e *Entry, hint time.Duration, policy retry.Policy, rnd float64) time.Time {
	if !o.active || e.started.After(o.known) {
		o.fails++
		o.known = now
		wait := policy.Backoff(o.fails, rnd)
		if hint > 0 {
			wait = hint + time.Duration(rnd*float64(min(hint, 500*time.Millisecond)))
		}
		o.until = latest(o.until, now.Add(wait))
	} else if hint > 0 {
		o.until = latest(o.until, now.Add(hint))
	}
	o.active = true
	return o.until
}

// passed records an acceptance; it returns true if it ends the overload.
func (o *overload) passed(e *Entry) bool {
	if !o.active || e.started.Before(o.known) {
		return false
	}
	*o = overload{known: o.known, until: o.until} // a straggler may have brought a hint meanwhile
	return true
}
