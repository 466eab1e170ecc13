package lab

import (
	"math"
	"math/rand/v2"
	"time"
)

// A limiter is the rule by which a baseline changes its limit on one model's calls.
type limiter interface {
	// limit returns how many calls may be in flight now.
	limit() int
	// idle tells that nothing is in flight, and since when.
	idle(now, since time.Duration)
	// accepted tells of a first event so long after the start.
	accepted(c *call, took time.Duration)
	// ended tells of a whole answer; waiting: somebody waits.
	ended(c *call, waiting bool)
	// refused tells of a refusal; hinted: it said when to come again.
	refused(c *call)
	// epoch is what changes with each change of the limit.
	epoch() int
}

// baseline is the gateway of the baselines: for each model a queue, first come
// first served, and a limiter. What is refused keeps its place and comes again after
// a back-off, 2 s at first, doubled for each refusal in a row up to 60 s, times 0.5
// to 1. A hint shuts the model until then.
type baseline struct {
	rng   *rand.Rand
	make  func() limiter
	lanes []*baseLane
}

var _ gateway = (*baseline)(nil)

const (
	firstBackoff = 2 * time.Second
	maxBackoff   = time.Minute
)

type baseLane struct {
	model     string
	rule      limiter
	calls     fifo
	resting   []resting // after a refusal
	inFlight  int
	idleSince time.Duration
	shut      time.Duration // by a hint
}

type resting struct {
	call  *call
	until time.Duration
}

func newBaseline(rng *rand.Rand, rule func() limiter) *baseline {
	return &baseline{rng: rng, make: rule}
}

func (b *baseline) lane(model string) *baseLane {
	for _, l := range b.lanes {
		if l.model == model {
			return l
		}
	}
	l := &baseLane{model: model, rule: b.make()}
	b.lanes = append(b.lanes, l)
	return l
}

func (b *baseline) arrive(_ time.Duration, c *call) bool {
	b.lane(c.model).calls.push(c)
	return true
}

func (b *baseline) accepted(now time.Duration, c *call) {
	c.tries = 0
	b.lane(c.model).rule.accepted(c, now-c.started)
}

func (b *baseline) refused(now time.Duration, c *call) bool {
	l := b.lane(c.model)
	l.left(now)
	l.rule.refused(c)
	wait := time.Duration(math.Min(float64(firstBackoff)*math.Exp2(float64(min(c.tries, 10))), float64(maxBackoff)) * (0.5 + b.rng.Float64()/2))
	if hint := c.ruling.RetryAfter; hint > 0 {
		l.shut = max(l.shut, now+hint)
		wait = hint
	}
	c.tries++
	l.resting = append(l.resting, resting{c, now + wait})
	return true
}

func (b *baseline) ended(now time.Duration, c *call, _ bool) {
	l := b.lane(c.model)
	l.left(now)
	l.rule.ended(c, l.calls.len()+len(l.resting) > 0)
}

func (l *baseLane) left(now time.Duration) {
	if l.inFlight--; l.inFlight == 0 {
		l.idleSince = now
	}
}

func (b *baseline) poll(now time.Duration, grant, _ func(*call)) time.Duration {
	wake := never
	for _, l := range b.lanes {
		wake = min(wake, l.poll(now, grant))
	}
	return wake
}

func (l *baseLane) poll(now time.Duration, grant func(*call)) time.Duration {
	wake := never
	kept := l.resting[:0]
	for _, r := range l.resting {
		if r.until <= now {
			l.calls.unpop(r.call)
		} else {
			kept = append(kept, r)
			wake = min(wake, r.until)
		}
	}
	l.resting = kept
	if l.calls.len() == 0 {
		return wake
	}
	if now < l.shut {
		return min(wake, l.shut)
	}
	if l.inFlight == 0 {
		l.rule.idle(now, l.idleSince)
	}
	for l.calls.len() > 0 && l.inFlight < l.rule.limit() {
		c := l.calls.pop()
		l.inFlight++
		c.level, c.epoch = l.inFlight, l.rule.epoch()
		grant(c)
	}
	return wake
}

func (b *baseline) level(model string, account bool) int {
	sum := 0
	for _, l := range b.lanes {
		if l.model == model && !account {
			return l.rule.limit()
		}
		sum += l.rule.limit()
	}
	if account && len(b.lanes) > 0 {
		return sum
	}
	return b.make().limit()
}

func (b *baseline) cause(time.Duration, string) string { return "" }
