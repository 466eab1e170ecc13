package report

import (
	"time"

	"github.com/weirhq/weir/internal/evidence"
	"github.com/weirhq/weir/internal/journal"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
)

// limits is how the limit of a lane or an account went, and what kept it shut.
type limits struct {
	steps   []evidence.Step
	changes int
	low     int
	high    int
	why     string // what weir believed last
	whyAt   time.Time

	pauses int
	paused time.Duration
	until  time.Time // of the last pause
	closed int
}

// maxSteps bounds the steps that are kept: the last ones.
const maxSteps = 50_000

func (l *limits) add(c journal.Change) {
	switch pool.EventKind(c.Kind) {
	case pool.LimitChanged:
		if c.Why != "" {
			l.why, l.whyAt = c.Why, c.At
		}
		l.step(c)
	case pool.Paused:
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
		l.closed++
	}
}

func (l *limits) step(c journal.Change) {
	if c.Limit < 1 {
		return
	}
	if len(l.steps) == 0 {
		was := before(c)
		l.steps = append(l.steps, evidence.Step{N: was}) // from whenever on
		l.low, l.high = was, was
	}
	if l.steps[len(l.steps)-1].N != c.Limit {
		l.changes++
	}
	l.low, l.high = min(l.low, c.Limit), max(l.high, c.Limit)
	l.steps = append(l.steps, evidence.Step{At: c.At, N: c.Limit})
	if len(l.steps) > maxSteps {
		l.steps = append(l.steps[:0], l.steps[maxSteps/2:]...)
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
	return inOrder(l.steps)
}
