package limit

import (
	"math"
	"time"
)

// The constants of the search for a gap. See the package comment.
const (
	gapProofs  = 6                     // accepted starts near a value that prove it
	lagClose   = 1.10                  // a bracket narrower than this is settled: for a lag, where a little too much costs little
	paceClose  = 1.05                  // and for a pace, where it is lost
	gapNarrow  = 60 * time.Millisecond // or than this
	gapGuess   = 1.6                   // the top of a guess no wider than this is tried first
	gapWide    = 4.0                   // the same, and it is settled there, where it is quickly seen to be too much
	gapMargin  = 30 * time.Millisecond // on top of the lowest value that held: networks jitter
	gapLook    = 0.8                   // what a look below tries
	firstLook  = 200                   // accepted starts to the first look
	soonLook   = 40                    // the same, if nothing was refused in the search
	maxLook    = 4000
	gapWiden   = 1.4
	gapLeast   = 50 * time.Millisecond // below it there is none
	gapStrikes = 20                    // two refusals within so many starts near a settled value widen it
	barredFor  = time.Hour
)

// A gap is a length of time that the provider keeps and does not say: how long
// it counts a slot after its end, or how far apart it wants starts. It is found
// by bisection: starts that come just so late are accepted or refused.
type gap struct {
	most  time.Duration // above it the cause must be another
	prove time.Duration // how long a value must hold before it is proved
	close float64       // a bracket whose ends are no further apart, as a ratio, is settled

	val     time.Duration // in force; zero: none
	lo, hi  time.Duration // refused at lo, held at hi
	proved  bool          // hi was seen to hold, and not only guessed
	blamed  bool          // something was refused in the search: it is not chance
	doubted bool          // val was refused once, where refusals mean little
	quick   bool          // there are so many starts that looks below are soon made
	state   gapState
	good    int // accepted starts near val since it was set
	seen    int // accepted starts since then
	since   time.Time
	strike  int       // good at the last refusal near a settled value; less than zero: none
	pause   int       // starts between looks
	barred  time.Time // not searched before: the search came to nothing
	failed  int       // searches that came to nothing
	refused uint64    // refusals since it was found that it explains

	explained, of int // refusals that it explained when it was found; of zero: not from a window
}

type gapState uint8

const (
	gapNone gapState = iota
	searching
	looking // once, below a settled value
	settled
)

// found begins a search in a bracket; quick says that starts are so many that a
// value which is too long is soon found to be.
func (g *gap) found(now time.Time, lo, hi time.Duration, quick bool) {
	g.lo, g.hi = max(lo, 20*time.Millisecond), min(max(hi, gapNarrow), g.most)
	g.pause, g.proved, g.blamed, g.quick = firstLook, false, false, quick
	g.bisect(now)
}

// accepted records an accepted start that came no later after the gap's end
// than a value slightly above it would have had it.
func (g *gap) accepted(now time.Time) {
	g.good++
	switch g.state {
	case searching:
		if g.proves(now) {
			g.hi, g.proved = g.val, true
			g.bisect(now)
		}
	case looking:
		if g.proves(now) {
			g.lo, g.hi, g.pause = min(g.lo, g.val/2), g.val, firstLook
			if g.val <= gapLeast {
				g.drop()
				return
			}
			g.set(now, time.Duration(gapLook*float64(g.val)), looking)
		}
	case settled:
		if g.good >= g.pause {
			g.hi = g.val
			g.set(now, time.Duration(gapLook*float64(g.val)), looking)
		}
	}
}

// proves tells that the value has held: often enough and, where that is asked
// for, for long enough and for most of the starts. What may be saved up for later
// (a burst) can hide a pace from a few starts.
func (g *gap) proves(now time.Time) bool {
	took := now.Sub(g.since)
	return g.good >= gapProofs && (g.prove == 0 || took >= g.prove && took <= time.Duration(g.seen)*g.val*3/2)
}

// searches tells that a refusal is expected: values are being tried.
func (g *gap) searches() bool { return g.state == searching || g.state == looking }

// tooShort records a refusal that the gap explains: a start that came so late
// after the gap's beginning was refused.
//
// Where refusals often mean nothing (noisy) one alone is not believed.
func (g *gap) tooShort(now time.Time, came time.Duration, noisy bool) {
	g.refused++
	if g.prove > 0 && g.seen == 0 && g.state == searching {
		return // what went before may still tell: a burst or a window that was used up
	}
	if noisy && g.searches() && !g.doubted {
		g.doubted = true
		return
	}
	g.blamed = g.blamed || g.searches()
	switch g.state {
	case searching:
		g.lo = max(g.lo, g.val, came)
		if g.lo >= g.most {
			g.giveUp(now)
			return
		}
		if g.hi <= g.lo {
			g.hi, g.proved = min(g.most, 2*g.lo), false // the bracket was wrong
		}
		g.bisect(now)
	case looking:
		g.pause = min(max(2*g.pause, firstLook), maxLook)
		g.set(now, g.hi, settled)
	case settled:
		if g.strike < 0 || g.good-g.strike > gapStrikes {
			g.strike = g.good
			return
		}
		if g.val >= g.most {
			g.giveUp(now)
			return
		}
		g.lo = g.val
		g.hi, g.proved = min(g.most, time.Duration(gapWiden*float64(g.val))), false
		g.set(now, g.hi, searching)
	}
}

// sure is the length that is known: the gap is no shorter.
func (g *gap) sure() time.Duration {
	if g.state == gapNone {
		return 0
	}
	return min(g.lo, g.val)
}

// within tells whether a refusal so late after the gap's beginning can be due to
// it while values are being tried.
func (g *gap) within(came time.Duration) bool {
	return g.searches() && (came <= g.hi || !g.proved && came <= g.most)
}

func (g *gap) bisect(now time.Time) {
	if g.proved && !g.blamed && g.hi <= 2*gapLeast {
		g.drop() // it was chance
		return
	}
	ratio := float64(g.hi) / float64(g.lo)
	wide := g.hi-g.lo > gapNarrow && ratio > g.close
	top := !wide || g.quick && ratio <= gapWide || !g.proved && ratio <= gapGuess
	switch {
	case !top:
		g.set(now, time.Duration(math.Sqrt(float64(g.lo)*float64(g.hi))), searching)
	case !g.proved:
		g.set(now, min(g.hi+gapMargin, g.most), searching)
	default:
		g.pause = firstLook
		if wide || !g.blamed {
			g.pause = soonLook
		}
		g.set(now, min(g.hi+gapMargin, g.most), settled)
	}
}

// giveUp ends a search that came to nothing: the cause must be another. The next
// may begin in 1, 4, 16 hours.
func (g *gap) giveUp(now time.Time) {
	g.drop()
	g.barred = now.Add(barredFor << min(2*g.failed, 4))
	g.failed++
}

func (g *gap) drop() { *g = gap{most: g.most, prove: g.prove, close: g.close, failed: g.failed} }

func (g *gap) set(now time.Time, val time.Duration, to gapState) {
	val = (val + time.Millisecond - 1).Truncate(time.Millisecond) // as samples count
	g.val, g.state, g.good, g.since, g.strike, g.doubted, g.seen = val, to, 0, now, -1, false, 0
}
