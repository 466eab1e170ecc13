package pool

import (
	"fmt"
	"time"

	"github.com/weirhq/weir/limit"
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
