package limit

import "time"

// Measured starts the learner anew from what was measured by other means than its own
// starts: so many attempts in flight hold, and the counts by level, which replace what
// was known of these levels; without counts what is known stays. Bounds win over what was
// measured. Attempts in flight go on, and it goes on learning from them and what follows.
func (l *Learner) Measured(now time.Time, stable int, counts []LevelCount) {
	for _, c := range counts {
		if c.Level < 1 || c.Level > maxLevel {
			continue
		}
		lv := Level{Accepted: c.Accepted, Refused: c.Refused, Late: c.Late}
		if c.Accepted > 0 && c.Level <= stable {
			lv.Last = now
		}
		if c.Level > stable && c.Refused > c.Accepted {
			lv.Score = scoreBad
		}
		*l.level(c.Level) = lv
	}
	l.setStable(now, min(max(stable, l.cfg.Min), l.cfg.Max))
	l.proved = l.level(l.stable).Accepted > 0
	l.doubt, l.probe = nil, time.Time{}
	l.wait, l.next = firstWait, now
	if l.level(l.stable+1).Refused > 0 { // it was tried often enough for a while
		l.above, l.careful = now, true
		l.wait, l.next = maxWait, now.Add(maxWait)
	}
}

// Measured starts a state that no learner uses now from what was measured, as
// [Learner.Measured] does; the zero State is one that knows nothing.
func (s State) Measured(now time.Time, stable int, counts []LevelCount) (State, error) {
	cfg := Config{Max: maxLevel}
	l := New(cfg)
	if s.Version != 0 {
		var err error
		if l, err = Restore(cfg, s); err != nil {
			return s, err
		}
	}
	l.Measured(now, stable, counts)
	return l.State(), nil
}
