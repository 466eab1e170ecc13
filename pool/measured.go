package pool

import (
	"fmt"
	"time"

	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/provider"
)

// ReasonMeasured is the reason of a limit that comes from a measurement.
const ReasonMeasured = "measured"

// Measured starts the lane of that model from what was measured: so many attempts in
// flight hold, and the counts by level. With atLeast more may hold, and a lane that knows
// as much stays as it is. The account's limit is raised with it, so that
// it does not hold the lane back, and never lowered. What runs goes on.
func (p *Pool) Measured(now time.Time, model string, stable int, atLeast bool, counts []limit.LevelCount) {
	l := p.lane(now, model)
	l.lastUsed = now
	if atLeast && l.limit.Stable() >= stable {
		return
	}
	l.limit.Measured(now, stable, counts)
	if stable > p.limit.Stable() {
		p.limit.Measured(now, stable, nil)
	}
	p.emit(now, Event{Kind: LimitChanged, Lane: l.fullName, Limit: l.limit.Stable(), Reason: ReasonMeasured, Why: l.limit.Explain(now)})
}

// Measured starts a lane of a state that no pool uses now from what was measured, as
// [Pool.Measured] does. The zero State is one that knows nothing.
func (s *State) Measured(now time.Time, model string, stable int, atLeast bool, counts []limit.LevelCount) error {
	l := s.Lanes[model]
	if atLeast && l.Limit.Stable >= stable {
		return nil
	}
	measured, err := l.Limit.Measured(now, stable, counts)
	if err != nil {
		return fmt.Errorf("pool: lane %s: %w", model, err)
	}
	account := s.Limit
	if account.Stable < stable {
		if account, err = account.Measured(now, stable, nil); err != nil {
			return fmt.Errorf("pool: account: %w", err)
		}
	}
	if s.Lanes == nil {
		s.Lanes = map[string]LaneState{}
	}
	l.Limit = measured
	s.Version, s.Limit, s.Lanes[model] = Version, account, l
	return nil
}

// Flag closes the account as a refusal for fair use does that came to others.
func (p *Pool) Flag(now time.Time, code, hint string) {
	p.flag(now, Outcome{Verdict: provider.Verdict{Kind: provider.Flagged, Code: code, Hint: hint}})
}

// Flag closes the account of a state that no pool uses now. One that is closed already
// stays as it is.
func (s *State) Flag(now time.Time, code, hint string) error {
	if s.Flagged != nil {
		return nil
	}
	if s.Version == 0 { // one that knows nothing
		account, err := s.Limit.Measured(now, 1, nil)
		if err != nil {
			return fmt.Errorf("pool: account: %w", err)
		}
		s.Version, s.Limit = Version, account
	}
	s.Flagged = &Closure{Kind: provider.Flagged, Code: code, Since: now, Until: now.Add(flaggedFor), Hint: hint}
	s.Limit.Quiet = nextMidnight(now)
	for name, l := range s.Lanes {
		l.Limit.Quiet = nextMidnight(now)
		s.Lanes[name] = l
	}
	return nil
}
