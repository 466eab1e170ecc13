package pool

import (
	"math"
	"time"

	"github.com/weirhq/weir/limit"
)

// tells counts refusals that can have been for one limit only, forgetting half
// in two hours.
type tells struct {
	n  float64
	at time.Time
}

const tellsForget = 2 * time.Hour

func (t tells) value(now time.Time) float64 {
	if t.at.IsZero() {
		return 0
	}
	return t.n * math.Exp2(-float64(now.Sub(t.at))/float64(tellsForget))
}

func (t *tells) add(now time.Time) { t.n, t.at = t.value(now)+1, now }

// oneAtATime tells whether a start may be a probe of the lane's limit and of the
// account's together. A refusal of such a one would say nothing about which of
// the two was hit, so that, once anything has been refused, the one is tried
// only where the other is known to hold. A lane that is alone in flight cannot
// tell them apart, nor need it.
func (p *Pool) oneAtATime(l *lane) bool {
	if !l.permit.Probe || !p.permit.Probe || l.inFlight == p.inFlight {
		return true
	}
	return !l.limit.Met() && !p.limit.Met()
}

// accountHit tells whether a refusal speaks about the account's limit and not
// about the lane's. Alone in flight the lane has it. If only one of the two was
// being probed it is that one. Else it is the one that such refusals have told of;
// and if none has, the account's, since refusing it costs the lane nothing, unless
// only the lane's level is one that was not seen to hold lately. No lane bears
// nothing at all.
func (p *Pool) accountHit(now time.Time, e *Entry) bool {
	a, b := e.laneStart, e.poolStart
	switch {
	case e.alone:
		return p.tells.value(now) > e.lane.tells.value(now)
	case b.Probe && !a.Probe:
		p.tells.add(now)
		return true
	case a.Probe && !b.Probe:
		e.lane.tells.add(now)
		return false
	case a.Level == 1:
		return true
	}
	if account, own := p.tells.value(now), e.lane.tells.value(now); account != own {
		return account > own
	}
	return a.Probe || e.lane.limit.Fresh(now, a.Level) || !p.limit.Fresh(now, b.Level)
}

// accountBound tells whether it is the account's limit that refuses.
func (p *Pool) accountBound(now time.Time) bool {
	account := p.tells.value(now)
	return account >= 1.5 && account > 2*p.ownTells(now)
}

// ownTells counts the refusals that can only have been for some lane's own limit.
func (p *Pool) ownTells(now time.Time) float64 {
	own := 0.0
	for _, l := range p.lanes {
		own += l.tells.value(now)
	}
	return own
}

// The causes that only the pool can name, beside those of [limit.Cause].
const (
	ByAccount  limit.Cause = "account"  // the limit over all lanes of the account
	ByOverload limit.Cause = "overload" // the provider said that it is overloaded
)
