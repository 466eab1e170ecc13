package limit

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Explain says in one sentence what the learner believes and why. What it counts
// stands in [Learner.Curve] and [Learner.Evidence].
func (l *Learner) Explain(now time.Time) string {
	parts := []string{l.explainLevel(now)}
	if l.lag.val > 0 {
		parts = append(parts, fmt.Sprintf("slots are counted %s after the answer ended (explains %d of %d refusals)", spoken(l.lag.val), l.lag.explained, l.lag.of))
	}
	if l.abandoned.val > l.lag.val {
		parts = append(parts, fmt.Sprintf("and %s after a client hung up (explains %d of %d refusals)", spoken(l.abandoned.val), l.abandoned.explained, l.abandoned.of))
	}
	if l.pace.val > 0 {
		parts = append(parts, l.explainPace())
	}
	switch l.Cause(now) {
	case Outsider:
		falls, top, low, since := l.history.span(now)
		parts = append(parts, fmt.Sprintf("something else uses this account: the limit fell %d times in %s, between %d and %d", falls, coarse(now.Sub(since)), low, top))
	case ByWindow:
		parts = append(parts, fmt.Sprintf("after a refusal everything is refused for a while: %s on average, %d times", coarse(l.history.spell), l.history.spells))
	case ByNoise:
		parts = append(parts, fmt.Sprintf("about %d refusals of late meant nothing: the same level was accepted right after", int(math.Round(l.history.tally[index(ByNoise)]))))
	}
	return strings.Join(parts, "; ")
}

// Brief says in a few words what holds and what comes next: "3 is stable; next try at 4
// in 6 min".
func (l *Learner) Brief(now time.Time) string {
	if l.cfg.Min == l.cfg.Max {
		return fmt.Sprintf("%d is fixed by configuration", l.stable)
	}
	text := fmt.Sprintf("%d is stable", l.stable)
	switch lv := l.level(l.stable); {
	case lv.Accepted == 0 && lv.Refused > 0:
		text = fmt.Sprintf("%d is not accepted yet", l.stable)
	case lv.Accepted == 0:
		text = fmt.Sprintf("%d is where it begins", l.stable)
	}
	if l.row >= 2 && now.Before(l.gate) {
		return fmt.Sprintf("the last %d starts were refused; next try in %s", l.row, coarse(l.gate.Sub(now)))
	}
	return text + "; " + strings.Replace(l.explainNext(now), "next try", fmt.Sprintf("next try at %d", l.stable+1), 1)
}

func (l *Learner) explainLevel(now time.Time) string {
	if l.cfg.Min == l.cfg.Max {
		return fmt.Sprintf("%d is fixed by configuration", l.stable)
	}
	lv, text := l.level(l.stable), ""
	switch {
	case lv.Accepted == 0 && lv.Refused > 0:
		text = fmt.Sprintf("%d is not accepted yet: refused %s", l.stable, times(lv.Refused))
	case lv.Accepted > 0:
		text = fmt.Sprintf("%d is stable: %d of %d accepted", l.stable, lv.Accepted, lv.Accepted+lv.Refused)
	default:
		text = fmt.Sprintf("%d is where it begins: nothing is known yet", l.stable)
	}
	if l.row >= 2 && now.Before(l.gate) {
		return text + fmt.Sprintf("; the last %d starts were all refused, next try in %s", l.row, coarse(l.gate.Sub(now)))
	}
	if d := l.currentDoubt(now); d != nil && d.count == 1 {
		return text + fmt.Sprintf("; %d was refused once and will be tried again at a calm moment", d.lowest)
	}
	switch up := l.level(l.stable + 1); {
	case up.Refused > 0:
		text += fmt.Sprintf("; %d was refused %d of %d", l.stable+1, up.Refused, up.Accepted+up.Refused+up.Late)
	case up.Late > 0:
		text += fmt.Sprintf("; at %d the provider kept %d of %d waiting", l.stable+1, up.Late, up.Accepted+up.Late)
	}
	return text + ", " + l.explainNext(now)
}

func (l *Learner) explainNext(now time.Time) string {
	switch {
	case l.stable >= l.cfg.Max:
		return "it is the highest allowed"
	case l.tokens < 1:
		return fmt.Sprintf("next try after %d more accepted calls", int((1-l.tokens)/l.cfg.Eager)+1)
	case now.Before(later(l.next, l.quiet)):
		return fmt.Sprintf("next try in %s", coarse(later(l.next, l.quiet).Sub(now)))
	}
	return "next try when somebody waits"
}

func (l *Learner) explainPace() string {
	g := &l.pace
	text := fmt.Sprintf("starts must be %s apart", spoken(g.val))
	switch {
	case g.of > 0:
		text += fmt.Sprintf(": %d of %d refusals came sooner after a start, whatever was in flight", g.explained, g.of)
	case g.explained > 0:
		text += fmt.Sprintf(": %d times all levels failed right after a climb", g.explained)
	default:
		text += ": the provider said so"
	}
	return text
}

// Evidence is what a learner's sentences count, beside the level curve.
type Evidence struct {
	Refusals map[Cause]float64 `json:"refusals"` // taken for what; half is forgotten in two hours
	Falls    []Fall            `json:"falls"`    // of the limit, the oldest first
	Lag      GapEvidence       `json:"lag,omitzero"`
	Abandons GapEvidence       `json:"abandoned_lag,omitzero"`
	Pace     GapEvidence       `json:"pace,omitzero"`
	Windows  int               `json:"windows,omitempty"` // times that a refused probe shut the lane
}

// GapEvidence is how many of the refusals at hand a gap explained when it was
// found, and how many it has cost since to find its value.
type GapEvidence struct {
	Explained int    `json:"explained"`
	Of        int    `json:"of"`
	Since     uint64 `json:"since"`
}

// Evidence returns what the sentences count.
func (l *Learner) Evidence() Evidence {
	t := l.history.keep()
	if t.Falls == nil {
		t.Falls = []Fall{} // an empty list, for programs
	}
	of := func(g *gap) GapEvidence { return GapEvidence{Explained: g.explained, Of: g.of, Since: g.refused} }
	return Evidence{Refusals: t.Causes, Falls: t.Falls, Lag: of(&l.lag), Abandons: of(&l.abandoned), Pace: of(&l.pace), Windows: l.history.spells}
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// spoken is a short duration as people say it.
func spoken(d time.Duration) string { return fmt.Sprintf("%.2g s", d.Seconds()) }

// coarse is a longer one.
func coarse(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(math.Ceil(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(math.Round(d.Minutes())))
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
