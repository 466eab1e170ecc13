// Package evidence says what counts of accepted and refused attempts carry, and not
// more: intervals, the highest level that is stable, and how many more attempts would
// be needed to know.
package evidence

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Bearable is the share of refused attempts that parts stable levels from failing ones.
// A level is stable when its whole 95 % interval lies below it, which takes 35 attempts
// without a refusal, and failing when the whole interval lies above.
const Bearable = 0.1

// z95 is the two-sided 95 % point of the normal distribution.
const z95 = 1.959964

// Wilson returns the 95 % interval of a share of which k of n were seen (Wilson 1927):
// it stays within 0 and 1 and is honest for few attempts too, where the usual one is
// not. Without attempts it is 0 to 1.
func Wilson(k, n int) (low, high float64) {
	if n <= 0 {
		return 0, 1
	}
	p, z2, f := float64(k)/float64(n), z95*z95, float64(n)
	middle := (p + z2/(2*f)) / (1 + z2/f)
	half := z95 / (1 + z2/f) * math.Sqrt(p*(1-p)/f+z2/(4*f*f))
	low, high = max(0, middle-half), min(1, middle+half)
	if k == 0 {
		low = 0 // exactly, whatever rounding says
	}
	if k == n {
		high = 1
	}
	return low, high
}

// A Level is what became of the attempts that started with so many in flight, each
// itself included.
type Level struct {
	Level    int `json:"level"`
	Accepted int `json:"accepted"`
	Refused  int `json:"refused"`
}

// Attempts returns how many attempts were counted.
func (l Level) Attempts() int { return l.Accepted + l.Refused }

// Interval returns the 95 % interval of the share that is refused.
func (l Level) Interval() (low, high float64) { return Wilson(l.Refused, l.Attempts()) }

// Stable tells that the level is borne, Failing that it is not. Neither means that
// there are too few attempts to say.
func (l Level) Stable() bool {
	_, high := l.Interval()
	return high < Bearable
}

// Failing tells that the level is not borne. Of few attempts the interval says too much,
// so that at most one in forty levels at the border may look so is asked of the exact
// distribution too: one attempt, refused, is no evidence, two are.
func (l Level) Failing() bool {
	const many = 200 // of which the interval is right
	low, _ := l.Interval()
	return low > Bearable && (l.Attempts() > many || tail(l.Refused, l.Attempts(), Bearable) < 0.025)
}

// tail is how likely k or more of n are, if each is with the chance p (binomial).
func tail(k, n int, p float64) float64 {
	chance := math.Pow(1-p, float64(n)) // of none
	below := 0.0
	for i := range k {
		below += chance
		chance *= float64(n-i) / float64(i+1) * p / (1 - p)
	}
	return max(0, 1-below)
}

// Missing returns how many more attempts would decide between stable and failing if they
// went as those before; 0: it is decided, -1: no number below ten thousand would, since
// the share lies just at the border.
func (l Level) Missing() int {
	if l.Stable() || l.Failing() {
		return 0
	}
	share := 0.0
	if n := l.Attempts(); n > 0 {
		share = float64(l.Refused) / float64(n)
	}
	const most, enough = 10_000, 50 // to within a fiftieth
	for more := 1; more <= most; more += max(1, more/enough) {
		n := l.Attempts() + more
		k := int(math.Round(share * float64(n)))
		if then := (Level{Accepted: n - k, Refused: k}); then.Stable() || then.Failing() {
			return more
		}
	}
	return -1
}

func (l Level) String() string {
	return fmt.Sprintf("%s: %d of %d refused", Workers(l.Level), l.Refused, l.Attempts())
}

// A Curve is what became of attempts by level, in any order, each level once.
type Curve []Level

// Add counts an attempt. Levels below 1 are not counted.
func (c *Curve) Add(level int, refused bool) {
	if level < 1 {
		return
	}
	i := slices.IndexFunc(*c, func(l Level) bool { return l.Level == level })
	if i < 0 {
		*c = append(*c, Level{Level: level})
		slices.SortFunc(*c, func(a, b Level) int { return a.Level - b.Level })
		i = slices.IndexFunc(*c, func(l Level) bool { return l.Level == level })
	}
	if refused {
		(*c)[i].Refused++
	} else {
		(*c)[i].Accepted++
	}
}

// A Verdict is what a curve says.
type Verdict struct {
	Stable  int    `json:"stable"`  // highest level that is stable; 0: none is known to be
	Failing int    `json:"failing"` // lowest level above it that is failing; 0: none is known to be
	Certain bool   `json:"certain"` // they are next to each other
	Text    string `json:"text"`    // as a sentence, with the counts
	Missing string `json:"missing"` // what would make it certain; empty: it is
}

// Verdict says which levels are borne. Refusals at a low level make the ones above
// it doubtful too, and attempts accepted above vouch for those below only as far as
// they were counted.
func (c Curve) Verdict() Verdict {
	levels := slices.SortedFunc(slices.Values(c), func(a, b Level) int { return a.Level - b.Level })
	levels = slices.DeleteFunc(levels, func(l Level) bool { return l.Attempts() == 0 })
	if len(levels) == 0 {
		return Verdict{Text: "nothing was measured", Missing: "attempts, of whatever number in flight"}
	}
	var v Verdict
	var stable, failing *Level
	for i := range levels {
		l := &levels[i]
		if l.Failing() {
			failing = l
			break
		}
		if l.Stable() {
			stable = l
		}
	}
	var said []string
	if stable != nil {
		v.Stable = stable.Level
		said = append(said, fmt.Sprintf("%s stable: %d of %d refused", WorkersAre(stable.Level), stable.Refused, stable.Attempts()))
	}
	if failing != nil {
		v.Failing = failing.Level
		if v.Stable == 0 && failing.Level == 1 {
			said = append(said, fmt.Sprintf("not even 1 worker is stable: %d of %d refused", failing.Refused, failing.Attempts()))
		} else {
			said = append(said, failing.String())
		}
	}
	v.Certain = v.Failing > 0 && v.Failing == v.Stable+1
	if !v.Certain {
		v.Missing = missing(levels, v)
		lead := "not certain"
		if v.Stable > 0 && v.Failing == 0 {
			lead = "not certain where it ends"
		}
		said = append(said, lead+": "+v.Missing)
	}
	v.Text = strings.Join(said, "; ")
	return v
}

// missing says what would make a verdict certain.
func missing(levels []Level, v Verdict) string {
	next := v.Stable + 1
	l := Level{Level: next}
	for _, each := range levels {
		if each.Level == next {
			l = each
		}
	}
	switch n := l.Missing(); {
	case l.Attempts() == 0:
		return fmt.Sprintf("nothing was tried with %s; it takes about %d attempts", Workers(next), n)
	case n < 0:
		return fmt.Sprintf("%s, and more of the same would not tell", l)
	default:
		return fmt.Sprintf("%s; about %s would tell", l, Count(n, "more attempt"))
	}
}

// Count says a number of things: "1 refusal", "3 refusals".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Workers says a level in words: "1 worker", "3 workers".
func Workers(n int) string { return Count(n, "worker") }

// WorkersAre is [Workers] with its verb.
func WorkersAre(n int) string {
	if n == 1 {
		return "1 worker is"
	}
	return Workers(n) + " are"
}
