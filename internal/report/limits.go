package report

import (
	"slices"
	"time"

	"github.com/weirhq/weir/internal/evidence"
	"github.com/weirhq/weir/internal/journal"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
)

// limits is how the limit of a lane or an account went, and what kept it shut.
type limits struct {
	steps []evidence.Step
	why   string // what weir believed last
	whyAt time.Time

	byHand int // changes that a person made
	pauses int
	paused time.Duration
	until  time.Time // of the last pause
	closed int
}

// maxSteps bounds the steps that are kept: the last ones.
const maxSteps = 50_000

func (l *limits) add(c journal.Change) {
	byHand := c.Reason == pool.ReasonByHand
	if byHand {
		l.byHand++
	}
	switch pool.EventKind(c.Kind) {
	case pool.LimitChanged:
		if c.Why != "" && !byHand {
			l.why, l.whyAt = c.Why, c.At
		}
		l.step(c)
	case pool.Paused:
		if byHand {
			return // until whenever
		}
		l.pauses++
		from := c.At
		if l.until.After(from) {
			from = l.until
		}
		if c.Until.After(from) {
			l.paused += c.Until.Sub(from)
			l.until = c.Until
		}
	case pool.Closed:
		if !byHand {
			l.closed++
		}
	}
}

func (l *limits) step(c journal.Change) {
	if c.Limit < 1 {
		return
	}
	if len(l.steps) == 0 {
		l.steps = append(l.steps, evidence.Step{N: before(c)}) // from whenever on
	}
	l.steps = append(l.steps, evidence.Step{At: c.At, N: c.Limit})
	if len(l.steps) > maxSteps {
		l.steps = append(l.steps[:0], l.steps[maxSteps/2:]...)
		l.steps[0].At = time.Time{}
	}
}

// before is the limit before the first change that is known.
func before(c journal.Change) int {
	switch limit.Reason(c.Reason) {
	case limit.ProbeAccepted:
		return max(1, c.Limit-1)
	case limit.RefusedAgain, limit.LevelFailing:
		return max(c.Limit, c.Level)
	}
	return c.Limit
}

// course returns the steps in order, also where the clock was set back.
func (l *limits) course() []evidence.Step {
	if l == nil {
		return nil
	}
	return slices.SortedStableFunc(slices.Values(l.steps), func(a, b evidence.Step) int { return a.At.Compare(b.At) })
}

// limitOf returns how the limit of a lane went: the lower one of its own and its account's.
// A limit that did not change is not known here; none at all: neither did.
func (s *survey) limitOf(name string) []evidence.Step {
	own, whole := s.limits[name].course(), s.limits[account(name)].course()
	if len(own) == 0 {
		return whole
	}
	if len(whole) == 0 {
		return own
	}
	var both []evidence.Step
	for len(own)+len(whole) > 0 {
		next := &own
		if len(own) == 0 || len(whole) > 0 && whole[0].At.Before(own[0].At) {
			next = &whole
		}
		both = append(both, (*next)[0])
		*next = (*next)[1:]
	}
	own, whole = s.limits[name].course(), s.limits[account(name)].course()
	for i, step := range both {
		both[i].N = min(evidence.At(own, step.At), evidence.At(whole, step.At))
	}
	return changed(both)
}

// changed leaves out steps that change nothing, and all but the last of a moment.
func changed(steps []evidence.Step) []evidence.Step {
	var kept []evidence.Step
	for i, step := range steps {
		if i+1 < len(steps) && steps[i+1].At.Equal(step.At) || len(kept) > 0 && kept[len(kept)-1].N == step.N {
			continue
		}
		kept = append(kept, step)
	}
	return kept
}

// account is the name of a lane's account.
func account(lane string) string {
	p, a, _ := parts(lane)
	return p + "/" + a
}
