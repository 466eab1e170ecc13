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

// describe lets the account's upstream decide about the call. p.mu must be held.
func (x *exchange) describeLocked(since time.Duration) (refusal string) {
	a, sc := x.account, x.p.config.Scenario
	if a.upstream == nil {
		a.upstream = scenario.NewUpstream(sc.Provider, x.p.config.Seed, 0)
	}
	x.total = x.answerLocked()
	ruling := a.upstream.Start(since, x.request.Model, x.total)
	x.entry.Limit = a.upstream.Limit(since, x.request.Model)
	if !ruling.Accepted {
		x.delay, x.hint = ruling.After, ruling.RetryAfter
		return ruling.Code
	}
	x.first, x.total, x.place = ruling.After, x.total+ruling.Hold, ruling.Slot
	a.running++
	return ""
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

// vacateLocked gives the slot back to the upstream. p.mu must be held.
func (x *exchange) vacateLocked(since time.Duration, aborted bool) {
	x.account.running--
	x.account.upstream.End(since, x.place, aborted)
}
