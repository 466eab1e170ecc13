package limit

import "time"

// A Cause is what a learner takes refusals for.
type Cause string

// The causes. A learner names one when it has met it, [NoCause] before.
const (
	NoCause  Cause = "none"     // cannot tell yet
	ByLevel  Cause = "level"    // too many in flight
	ByLag    Cause = "lag"      // a slot counts on after its end
	ByPace   Cause = "pace"     // starts came too close to each other
	ByWindow Cause = "window"   // for a while after an offence everything is refused
	Outsider Cause = "outsider" // something else uses the same allowance
	ByNoise  Cause = "noise"    // refusals that nothing explains and that do not come again
)

// leastPace is the smallest space between starts that is looked for.
const leastPace = 100 * time.Millisecond

// lags are the release lags that are looked for.
var lags = [...]time.Duration{
	100 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond, 450 * time.Millisecond, 600 * time.Millisecond,
	800 * time.Millisecond, time.Second, 1300 * time.Millisecond, 1600 * time.Millisecond, 2 * time.Second,
	2500 * time.Millisecond, 3 * time.Second, 3500 * time.Millisecond,
}

// A finding is a cause that explains the refusals of a window.
type finding struct {
	cause     Cause
	abandoned bool // of a lag: of abandoned slots
	lo, hi    time.Duration
	explained int // refusals
	of        int // refusals in the window; zero: the finding is not from it
	mistakes  int // decided starts that speak against it
	level     int // of a lag: the level that parts accepted from refused
}

// findLag looks for a release lag which, added to what was in flight, parts the
// refused starts from the accepted ones better than what was in flight alone.
// With abandoned it is the lag of abandoned slots. The joint count separates
// the two causes without an experiment: under load every start follows a release
// at once, so that "refused soon after a release" alone would blame the lag for
// every fall of the limit.
func (w *window) findLag(ended, held time.Duration, abandoned bool, most time.Duration, ceiling int) (finding, bool) {
	lag := func(l time.Duration) (time.Duration, time.Duration) {
		if abandoned {
			return ended, l
		}
		return l, held
	}
	ended0, held0 := lag(0)
	none, refusals, _ := w.part(ended0, held0, ceiling)
	if refusals == 0 || none == 0 {
		return finding{mistakes: none}, false
	}
	best := finding{cause: ByLag, abandoned: abandoned, mistakes: none + 1, of: refusals}
	before := time.Duration(0)
	open := false // the best run of lags goes on
	for _, l := range lags {
		if l > most {
			break
		}
		endedL, heldL := lag(l)
		m, _, level := w.part(endedL, heldL, ceiling)
		switch {
		case m < best.mistakes:
			best.mistakes, best.lo, best.hi, best.level = m, before, l, level
			open = true
		case m == best.mistakes && open:
			best.hi = l // any lag of the run explains what was seen
		default:
			open = false
		}
		before = l
	}
	best.explained = none - best.mistakes
	return best, 3*best.mistakes <= none
}

// part finds the level, at most the ceiling, that parts the refused starts from
// the accepted ones best, and returns how many are on the wrong side of it, and
// how many refusals there are.
func (w *window) part(ended, abandoned time.Duration, ceiling int) (mistakes, refusals, level int) {
	const span = 64
	var bad, good [span]uint8
	low := 1 << 16
	for i := range w.all() {
		if s := &w.samples[i]; s.verdict == accepted || s.verdict == refused {
			low = min(low, int(s.running))
		}
	}
	for i := range w.all() {
		s := &w.samples[i]
		x := min(s.count(ended, abandoned)-low, span-1)
		switch s.verdict {
		case accepted:
			good[x]++
		case refused:
			bad[x]++
			refusals++
		}
	}
	// All that is above the threshold should be refused: start with all above.
	m := 0
	for x := range good {
		m += int(good[x])
	}
	mistakes, level = m, low-1
	for x := 0; x < span && low+x <= ceiling; x++ {
		m += int(bad[x]) - int(good[x])
		if m <= mistakes {
			mistakes, level = m, low+x
		}
	}
	return mistakes, refusals, level
}

// findPace looks for a space between starts that parts the refused ones from
// the accepted ones.
func (w *window) findPace(most time.Duration) (finding, bool) {
	var spaces [windowSize]uint16
	n, refusals, fine := 0, 0, 0
	for i := range w.all() {
		switch s := &w.samples[i]; s.verdict {
		case accepted:
			fine++
		case refused:
			refusals++
			if s.spaced < longest {
				spaces[n] = s.spaced
				n++
			}
		}
	}
	best := finding{cause: ByPace, mistakes: refusals, of: refusals}
	var lo, hi uint16
	for _, at := range spaces[:n] { // the threshold just above each refused one
		explained, wrong, next := 0, 0, uint16(longest)
		for i := range w.all() {
			switch s := &w.samples[i]; {
			case s.verdict == refused && s.spaced <= at:
				explained++
			case s.verdict == accepted && s.spaced <= at:
				wrong++
			case s.verdict == accepted:
				next = min(next, s.spaced)
			}
		}
		if m := refusals - explained + wrong; m < best.mistakes || m == best.mistakes && best.explained < explained {
			best.mistakes, best.explained, lo, hi = m, explained, at, next
		}
	}
	best.lo, best.hi = time.Duration(lo)*time.Millisecond, min(time.Duration(hi)*time.Millisecond, most)
	if hi == longest {
		best.hi = min(2*best.lo, most)
	}
	// That so few of so many are just those which came soonest must not be chance.
	strict := best.explained >= 6 || best.mistakes == 0 && (best.explained == 2 && fine >= 13 || best.explained >= 3 && fine >= 6)
	return best, strict && 3*best.mistakes <= refusals && best.lo < most && best.hi >= leastPace
}

// excuse takes the refusals out of the window: their cause is known.
func (w *window) excuse() {
	for i := range w.all() {
		if w.samples[i].verdict == refused {
			w.samples[i].verdict = excused
		}
	}
}

// meanSpace returns the mean space between the accepted starts of the last
// minute; zero if there were fewer than three.
func (w *window) meanSpace(now time.Time) time.Duration {
	from := now.Add(-time.Minute).UnixNano()
	first, last, n := int64(0), int64(0), 0
	for i := range w.all() {
		s := &w.samples[i]
		if s.verdict != accepted || s.at < from {
			continue
		}
		if n == 0 || s.at < first {
			first = s.at
		}
		last = max(last, s.at)
		n++
	}
	if n < 3 {
		return 0
	}
	return time.Duration((last - first) / int64(n-1))
}
