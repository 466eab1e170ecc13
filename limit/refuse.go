package limit

import "time"

// Refused records a refusal that speaks about the number in flight, or about an
// unknown cause. The hint is how long the provider asks to wait, zero or less
// if it does not say; rnd is in [0, 1).
func (l *Learner) Refused(now time.Time, s Start, hint time.Duration, rnd float64) Reason {
	if !s.valid {
		return Unchanged
	}
	before := l.gaps()
	return l.news(before, l.refused(now, s, hint, rnd))
}

func (l *Learner) refused(now time.Time, s Start, hint time.Duration, rnd float64) Reason {
	l.level(s.Level).Refused++
	l.history.count(now, s.Level, false)
	// Those that started right after it may have overtaken it on their way.
	overtaken, alone := l.overtaken(s), s.Level == 1
	s.Level += overtaken
	s.sample.running += uint16(overtaken)
	lv := l.level(s.Level)
	l.sampled(&s, refused)
	l.decided(s)
	if s.At.After(l.lastRefused) {
		l.lastRefused = s.At
	}
	if s.At.Equal(l.taken) {
		l.taken = l.takenBefore
	}
	sameWave := s.wave != l.wave
	if !sameWave {
		l.wave++
		l.row++
	}
	l.shut(now, alone, hint, rnd)
	if !sameWave && (!s.Probe || s.Level <= l.full) && l.expected(now, &s) {
		l.clearProbe(s)
		return Unchanged
	}
	lv.Score += scoreRefused
	if s.Probe {
		l.clearProbe(s)
		if !sameWave {
			l.history.charge(now, ByLevel, false)
			l.probeFailed(now, rnd)
			l.failed, l.above = now, now
			if s.calm {
				l.aboveCalm = now
				l.full = min(l.full, l.stable) // it was not as full as that
			} else {
				defer l.examine(now)
			}
			if hint > 0 { // what shut the lane was the probe
				l.next = later(l.next, now.Add((shutFactor+1)*min(hint, maxHint)))
			}
		}
		return Unchanged
	}
	if s.Level > l.stable { // given up already
		return Unchanged
	}
	if sameWave {
		if d := l.currentDoubt(now); d != nil {
			d.lowest = min(d.lowest, s.Level)
		}
		return Unchanged
	}
	return l.refusedBelow(now, s, lv)
}

// refusedBelow records the first refusal of a wave at or below the stable level.
func (l *Learner) refusedBelow(now time.Time, s Start, lv *Level) Reason {
	d := l.currentDoubt(now)
	struck := d == nil && l.struck(now, &s.sample)
	if struck {
		lv.Score = max(0, lv.Score-scoreRefused) // it speaks about the gap
	}
	if d == nil && (struck || lv.Score <= scoreBad || !l.failed.IsZero() || s.Level <= l.cfg.Min) {
		l.doubt = &doubt{lowest: s.Level, count: 1, first: now, tried: now, patient: !l.failed.IsZero(), struck: struck}
		return Unchanged
	}
	if s.Level <= l.cfg.Min {
		d.count++
		return Unchanged // the lowest level is not to blame, whatever is
	}
	if l.examine(now) {
		return Unchanged
	}
	if d == nil {
		l.tokens = max(minTokens, l.tokens-1)
		l.history.charge(now, ByLevel, true)
		return l.cut(now, s.Level-1, LevelFailing)
	}
	d.count++
	d.lowest = min(d.lowest, s.Level)
	if d.patient && d.count < patience {
		l.tokens = max(minTokens, l.tokens-1)
		l.history.charge(now, ByWindow, false)
		return Unchanged
	}
	l.history.charge(now, ByLevel, true)
	if d.patient { // what was refused in a lane that is shut says little about its level
		d.lowest = l.stable
	}
	return l.cut(now, d.lowest-1, RefusedAgain)
}

// TooOften records a refusal that says that starts come too often.
func (l *Learner) TooOften(now time.Time, s Start, hint time.Duration, rnd float64) Reason {
	if !s.valid {
		return Unchanged
	}
	before := l.gaps()
	if s.At.Equal(l.taken) {
		l.taken = l.takenBefore
	}
	if s.wave == l.wave {
		l.wave++
		l.row++
		l.tooClose(now, &s)
	}
	l.lastRefused = later(l.lastRefused, s.At)
	if hint <= 0 {
		l.gate = later(l.gate, now.Add(jitter(max(l.pace.val, 250*time.Millisecond), rnd)))
	}
	l.shut(now, s.Level == 1, hint, rnd)
	l.clearProbe(s)
	return l.news(before, Unchanged)
}

// shut sets the gate that a refusal closes.
func (l *Learner) shut(now time.Time, alone bool, hint time.Duration, rnd float64) {
	var wait time.Duration
	switch {
	case hint > 0:
		wait = hinted(hint, rnd)
	case l.row >= 2:
		wait = jitter(min(maxGate, time.Second<<min(l.row-2, 10)), rnd)
	}
	if alone {
		wait = max(wait, jitter(625*time.Millisecond, rnd)) // at least 0.5 s
	}
	l.gate = later(l.gate, now.Add(wait))
}

// probeFailed pays for a probe that was not accepted.
func (l *Learner) probeFailed(now time.Time, rnd float64) {
	l.tokens = max(minTokens, l.tokens-1)
	l.next = later(l.next, now.Add(jitter(l.wait, rnd)))
	l.wait = min(2*l.wait, maxWait)
	l.careful = true
}

func (l *Learner) cut(now time.Time, level int, why Reason) Reason {
	level = max(level, l.cfg.Min)
	if level >= l.stable || l.cfg.Min == l.cfg.Max {
		return Unchanged // nothing to give up; the doubt waits for what cures it
	}
	l.history.fell(now, l.stable, level)
	if l.crash.fell(now, l.stable, level) {
		defer l.crashed(now)
	}
	l.setStable(now, level)
	l.proved, l.careful = false, true
	l.wait, l.next = firstWait, now.Add(firstWait)
	return why
}

// currentDoubt returns the doubt, unless it is so old that it is dropped.
func (l *Learner) currentDoubt(now time.Time) *doubt {
	if l.doubt != nil && now.Sub(later(l.doubt.first, l.gate)) > doubtAfter {
		l.doubt = nil
	}
	return l.doubt
}
