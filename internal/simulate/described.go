package simulate

import (
	"time"

	"github.com/weirhq/weir/internal/scenario"
)

// AnswerHeader lets a client say how long the answer to its call takes, as a
// duration ("1.2s"), where a [Config.Scenario] plays: a load that was drawn
// elsewhere can be replayed. Other values are ignored.
const AnswerHeader = "X-Simulate-Answer"

// longestAnswer bounds what a client may ask for.
const longestAnswer = time.Hour

// described returns the provider that the scenario describes, or else the rest of c:
// limit, lags and rate. Outages, what refusals say and how long anything takes are
// not in it then: a scenario cannot say them as c does.
func (c Config) described() scenario.Provider {
	if c.Scenario != nil {
		return c.Scenario.Provider
	}
	steps := []scenario.Step{{Slots: slots(c.Limit)}}
	for _, l := range c.Schedule {
		steps = append(steps, scenario.Step{At: l.From, Slots: slots(l.Limit)})
	}
	return scenario.Provider{
		Limit: scenario.Limit{Schedule: steps},
		Lag:   c.Lag.dist(), AbortLag: c.AbortLag.dist(),
		Starts: scenario.Starts{Rate: c.Rate, Burst: 1},
	}
}

// slots returns a limit as scenarios say it.
func slots(limit int) int {
	if limit < 0 {
		return scenario.Unlimited
	}
	return limit
}

// dist returns the range as scenarios say it; the zero Range is no time.
func (r Range) dist() scenario.Dist {
	return scenario.Dist{Kind: scenario.Uniform, Min: r.min, Max: r.max}
}

// lane is the model whose slots the call takes: without a scenario, those of all
// models are the same.
func (x *exchange) lane() string {
	if x.p.config.Scenario == nil {
		return ""
	}
	return x.request.Model
}

// noteSlotsLocked notes how the account's slots stand. p.mu must be held.
func (x *exchange) noteSlotsLocked(since time.Duration) {
	up, running := x.account.upstream, x.account.tally.counts.InFlight
	x.entry.InFlight, x.entry.Limit = running+1, up.Limit(since, x.lane())
	if x.entry.Limit == scenario.Unlimited {
		x.entry.Limit = -1
	}
	if x.p.config.Scenario == nil {
		x.entry.Lagging = up.InUse(since, x.lane()) - running
	}
}

// startLocked asks for a slot. It returns the code of a refusal, or empty. p.mu must
// be held.
func (x *exchange) startLocked(since time.Duration) (refusal string) {
	described := x.p.config.Scenario != nil
	if described {
		x.total = x.answerLocked()
	}
	r := x.account.upstream.Start(since, x.lane(), x.total)
	x.slot, x.place = r.Accepted, r.Slot
	switch {
	case !described:
	case r.Accepted:
		x.first, x.total = r.After, x.total+r.Hold
	default:
		x.delay, x.hint = r.After, r.RetryAfter
	}
	return r.Code
}

// answerLocked is how long the answer takes: what the request says, or what is
// drawn from the first load for its model, or else from the first load.
func (x *exchange) answerLocked() time.Duration {
	if d, err := time.ParseDuration(x.r.Header.Get(AnswerHeader)); err == nil && d >= 0 && d <= longestAnswer {
		return d
	}
	load := x.p.config.Scenario.Load
	answer := load[0].Answer
	for _, l := range load {
		if l.Model == x.request.Model {
			answer = l.Answer
			break
		}
	}
	return answer.Draw(x.p.random)
}
