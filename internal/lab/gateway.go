package lab

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/weirhq/weir/internal/scenario"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/retry"
)

// A gateway lets calls start. Moments do not decrease. It is polled after each
// event and at the moment that it asked for.
type gateway interface {
	// arrive tells of a new call; false: it is turned away at once.
	arrive(now time.Duration, c *call) bool
	// accepted tells of the first event of an answer.
	accepted(now time.Duration, c *call)
	// refused tells of a refusal; true: the call waits again, false: it is over.
	refused(now time.Duration, c *call) bool
	// ended tells that an accepted call has ended, by a hang-up or not.
	ended(now time.Duration, c *call, aborted bool)
	// poll calls grant for each call that may start now, in order, and turn for
	// each that is given up, and returns when it wants to be polled at the latest,
	// never: after the next event.
	poll(now time.Duration, grant, turn func(*call)) time.Duration
	// level returns the level that it thinks stable, of a model or of the account.
	level(model string, account bool) int
	// cause names what it takes refusals for, "" if it does not ask.
	cause(now time.Duration, model string) string
}

// profileName is the provider whose rules and bounds hold in the laboratory.
const profileName = "zai-coding"

// epoch is the moment at which a run begins, for those who want a date.
func epoch() time.Time { return time.Date(2026, time.January, 5, 9, 0, 0, 0, time.UTC) }

func newGateway(o Options, seed uint64) gateway {
	rng := rand.New(rand.NewPCG(seed, 0x67617465))
	switch o.Learner {
	case Fixed:
		return newBaseline(rng, func() limiter { return fixed{} })
	case AIMD:
		return newBaseline(rng, func() limiter { return &aimd{window: 1} })
	case Vendor:
		return newBaseline(rng, func() limiter { return newVendor() })
	case Gradient:
		return newBaseline(rng, func() limiter { return newGradient() })
	}
	return newPooled(o.Limit, rng)
}

// pooled is the pool that the gateway runs, set up as the gateway does it.
type pooled struct {
	pool     *pool.Pool
	profile  *provider.Profile
	epoch    time.Time
	verdicts map[string]provider.Verdict // of refusals without a hint, by code
}

var _ gateway = (*pooled)(nil)

func newPooled(lim limit.Config, rng *rand.Rand) *pooled {
	profile, ok := provider.Lookup(profileName)
	if !ok {
		panic("lab: there is no profile " + profileName)
	}
	if lim.Max == 0 {
		lim.Max = profile.LimitMax
	}
	p := pool.New(pool.Config{Name: profileName + "/lab", Lane: lim, Account: lim, Rand: rng})
	return &pooled{pool: p, profile: profile, epoch: epoch(), verdicts: map[string]provider.Verdict{}}
}

func (g *pooled) time(now time.Duration) time.Time { return g.epoch.Add(now) }

func (g *pooled) arrive(now time.Duration, c *call) bool {
	e, err := g.pool.Push(g.time(now), pool.Request{Lane: c.model, Session: c.session, Class: c.class, Owner: c})
	c.entry = e
	return err == nil
}

func (g *pooled) accepted(now time.Duration, c *call) { g.pool.Accepted(g.time(now), c.entry) }

func (g *pooled) ended(now time.Duration, c *call, aborted bool) {
	how := limit.Answered
	if aborted {
		how = limit.Abandoned
	}
	g.pool.Ended(g.time(now), c.entry, how)
}

func (g *pooled) refused(now time.Duration, c *call) bool {
	return g.pool.Refused(g.time(now), c.entry, g.outcome(now, c.ruling)) == pool.Retry
}

// outcome judges a refusal as the gateway does: by the answer that says it.
func (g *pooled) outcome(now time.Duration, r scenario.Ruling) pool.Outcome {
	if r.RetryAfter <= 0 {
		v, ok := g.verdicts[r.Code]
		if !ok {
			v = g.profile.Classify(refusal(r, g.time(now)))
			g.verdicts[r.Code] = v
		}
		return pool.Outcome{Verdict: v, Hint: v.Wait}
	}
	answer := refusal(r, g.time(now))
	o := pool.Outcome{Verdict: g.profile.Classify(answer)}
	o.Hint, _ = retry.After(answer.Header, answer.Now)
	return o
}

// refusal is the smallest answer that says it. A code that is an error's status is
// that status. Retry-After is in whole seconds, rounded up.
func refusal(r scenario.Ruling, now time.Time) provider.Answer {
	a := provider.Answer{Status: http.StatusTooManyRequests, Header: http.Header{}, Now: now}
	if r.RetryAfter > 0 {
		a.Header.Set("Retry-After", strconv.Itoa(int(math.Ceil(r.RetryAfter.Seconds()))))
	}
	if status, err := strconv.Atoi(r.Code); err == nil && status >= 400 && status < 600 {
		a.Status = status
		return a
	}
	a.Body = fmt.Appendf(nil, `{"error":{"code":%q,"message":""}}`, r.Code)
	return a
}

func (g *pooled) poll(now time.Duration, grant, turn func(*call)) time.Duration {
	fx := g.pool.Poll(g.time(now))
	for _, e := range fx.Turned {
		turn(e.Owner.(*call))
	}
	for _, e := range fx.Granted {
		grant(e.Owner.(*call))
	}
	g.pool.Events() // nobody looks
	if fx.Wake.IsZero() {
		return never
	}
	return fx.Wake.Sub(g.epoch)
}

func (g *pooled) level(model string, account bool) int {
	own, all := g.pool.Limit(model)
	if account {
		return all
	}
	return own
}

func (g *pooled) cause(now time.Duration, model string) string {
	s := g.pool.Snapshot(g.time(now))
	if s.Cause == pool.ByAccount {
		return string(s.Cause)
	}
	for _, l := range s.Lanes {
		if l.Model == model {
			return string(l.Cause)
		}
	}
	return string(limit.NoCause)
}
