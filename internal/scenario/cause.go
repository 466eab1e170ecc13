package scenario

import (
	"slices"
	"time"
)

// A Cause is a true cause of refusals.
type Cause string

// The causes. "None" has no name here: an accepted start has the empty one.
const (
	CauseLevel    Cause = "level"    // the model's limit
	CauseLag      Cause = "lag"      // slots that count on after the end
	CausePace     Cause = "pace"     // starts too close together
	CauseWindow   Cause = "window"   // a time in which everything is refused
	CauseOutsider Cause = "outsider" // slots that somebody else takes
	CauseAccount  Cause = "account"  // the limit over all models
	CauseNoise    Cause = "noise"    // nothing
	CauseOverload Cause = "overload" // an outage
)

// leastNoise is the share of noise from which on a learner may be asked to name it:
// below, there is less of it than of the refusals that its own tries cost.
const leastNoise = 0.005

// Causes returns the causes that are true in the scenario, those that a learner may
// rightly name, in the order of their constants; empty if nothing is ever refused.
//
// What the scenario has is a cause: a lag, a limit on starts (windows of starts are
// pace and window), a penalty (window), an enforced hint (window, and the level that
// brings it about), outsiders, outages. The account's limit is one if two models
// have load and it is below the sum of their limits. A limit that moves, is soft or
// holds is a level. One that stands still is a level only where nothing else is at
// work, for then every refusal is its; or beside a limit on starts that lets through
// more calls than it; and only if the load can exceed it. Noise is a cause from
// 0.5 % on and if there is no other.
func (s *Scenario) Causes() []Cause {
	p := &s.Provider
	demands := s.demands()
	lag := p.Lag.positive() || p.AbortLag.positive()
	enforced := p.RetryAfter.For.positive() && p.RetryAfter.Share > 0 && !p.RetryAfter.Advisory
	pace := p.Starts.Rate > 0 || p.Starts.PerWindow > 0
	shut := p.Penalty.positive() || enforced
	window := p.Starts.PerWindow > 0 || shut
	account := s.accountBinds(demands)
	other := lag || window || account || len(p.Outsiders) > 0 || len(p.Outages) > 0

	some := func(is func(demand) bool) bool { return slices.ContainsFunc(demands, is) }
	special := len(p.RefuseAbove) > 0 || p.HoldsAbove.positive() || enforced
	level := some(func(d demand) bool { return d.moves() || special && d.limit < Unlimited })
	noise := p.Noise >= leastNoise && !other && !pace && !level
	switch {
	case level || noise:
	case pace && !lag && !shut && !account && len(p.Outsiders) == 0 && len(p.Outages) == 0:
		level = some(func(d demand) bool { return d.limit < d.peak && d.limit < p.Starts.lets(d.answer) })
	default:
		level = !other && some(func(d demand) bool { return d.limit < d.peak })
	}

	var causes []Cause
	for _, c := range []struct {
		is    bool
		cause Cause
	}{
		{level, CauseLevel}, {lag, CauseLag}, {pace, CausePace}, {window, CauseWindow}, {len(p.Outsiders) > 0, CauseOutsider},
		{account, CauseAccount}, {noise, CauseNoise}, {len(p.Outages) > 0, CauseOverload},
	} {
		if c.is {
			causes = append(causes, c.cause)
		}
	}
	return causes
}

// A demand is what the load wants of one model.
type demand struct {
	name   string
	course Limit
	limit  int           // the highest it ever is
	peak   int           // most calls in flight that the load wants
	answer time.Duration // the longest mean
}

func (d demand) moves() bool { return d.course.Walk != nil || len(d.course.Schedule) > 1 }

// demands returns the demand for each model in the load, in its order.
func (s *Scenario) demands() []demand {
	var all []demand
	for _, l := range s.Load {
		i := slices.IndexFunc(all, func(d demand) bool { return d.name == l.Model })
		if i < 0 {
			course := s.Provider.limitOf(l.Model)
			i, all = len(all), append(all, demand{name: l.Model, course: course, limit: course.most()})
		}
		all[i].peak += l.peak()
		all[i].answer = max(all[i].answer, l.Answer.Average())
	}
	if account := s.Provider.AccountLimit; len(all) == 1 && account > 0 {
		all[0].limit = min(all[0].limit, account) // nobody could tell them apart
	}
	return all
}

// most returns the highest that the limit ever is.
func (l Limit) most() int {
	switch {
	case l.Walk != nil:
		return l.Walk.Max
	case len(l.Schedule) > 0:
		return slices.MaxFunc(l.Schedule, func(a, b Step) int { return a.Slots - b.Slots }).Slots
	}
	return Unlimited
}

// peak returns how many calls the load wants in flight at most; bursts that overlap
// are taken for one.
func (l Load) peak() int {
	switch {
	case l.Bursts != nil:
		return l.Bursts.Max
	case l.Agents > 0:
		return l.Agents * maxWave
	case l.Tasks > 0:
		return min(l.Tasks, l.Workers)
	}
	return l.Workers
}

// accountBinds tells whether the account's limit is one of its own.
func (s *Scenario) accountBinds(demands []demand) bool {
	limit, sum := s.Provider.AccountLimit, 0
	for _, d := range demands {
		sum = min(Unlimited, sum+d.limit)
	}
	return limit > 0 && len(demands) > 1 && limit < sum
}

// lets returns how many calls of that length the limit on starts lets be in flight:
// as many as start in one call's time, or at once.
func (s Starts) lets(answer time.Duration) int {
	n := Unlimited
	if s.Rate > 0 {
		n = max(s.Burst, int(s.Rate*answer.Seconds()))
	}
	if s.PerWindow > 0 {
		n = min(n, s.PerWindow)
	}
	return n
}

// positive tells whether the distribution draws anything but 0.
func (d Dist) positive() bool { return d.Average() > 0 }
