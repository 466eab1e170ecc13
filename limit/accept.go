package limit

import "time"

// Accepted records that the provider has taken the attempt: its first good
// event or its good head has come.
func (l *Learner) Accepted(now time.Time, s Start) Reason {
	if !s.valid {
		return Unchanged
	}
	before := l.gaps()
	return l.news(before, l.accepted(now, s))
}

func (l *Learner) accepted(now time.Time, s Start) Reason {
	took := now.Sub(s.At)
	if took > undecided && l.firstByte.slow(took) && s.Level > 1 {
		return l.late(now, s)
	}
	l.firstByte.add(took)
	l.decided(s)
	proof := l.provesLevel(s)
	lv := l.level(s.Level)
	lv.Accepted++
	lv.Score = max(0, lv.Score-scoreAccepted)
	if proof {
		lv.Last = now
	}
	l.history.count(now, s.Level, true)
	l.tokens = min(maxTokens, l.tokens+l.cfg.Eager)
	l.sampled(&s, accepted)
	l.acceptedGaps(now, &s)
	if !s.At.Before(l.lastRefused) {
		l.opened(now)
	}
	if s.Level >= l.stable && !s.At.Before(l.since) {
		l.proved = true
	}
	if d := l.currentDoubt(now); d != nil && s.wave == l.wave {
		switch {
		case proof && s.Level >= d.lowest:
			l.doubt = nil
			l.cured(now, d)
		case d.count >= 2: // below it, after a second refusal: the cut stands
			l.doubt = nil
		}
	}
	if !s.Probe {
		return Unchanged
	}
	l.clearProbe(s)
	if s.Level != l.stable+1 || s.Level > l.cfg.Max || !proof {
		return Unchanged
	}
	l.crash.rose(now, l.stable)
	l.setStable(now, s.Level)
	l.probe = time.Time{} // a later one at the same level is no longer above it
	l.proved, l.careful = true, false
	l.wait, l.next = firstWait, now
	return ProbeAccepted
}

// opened records that a start made after the last refusal was accepted: a row
// of refusals is over.
func (l *Learner) opened(now time.Time) {
	if !l.failed.IsZero() && l.row >= 2 {
		l.history.shut(now.Sub(l.failed))
		// The probe had shut the lane: it may cost at most a fiftieth of the time.
		l.next = later(l.next, now.Add(shutFactor*now.Sub(l.failed)))
	}
	l.row, l.failed = 0, time.Time{}
}

// late records an acceptance that came so late that the provider must have kept
// the call waiting: a refusal without words.
func (l *Learner) late(now time.Time, s Start) Reason {
	l.clearProbe(s)
	l.decided(s)
	lv := l.level(s.Level)
	lv.Late++
	l.history.count(now, s.Level, true)
	if s.Level > l.stable {
		return Unchanged // it has failed as a probe already
	}
	lv.Score += scoreRefused
	if s.wave != l.wave {
		return Unchanged
	}
	l.wave++
	return l.refusedBelow(now, s, lv)
}

// sampled puts a decided start into the window, without those in flight with it
// that turned out to be refused: the provider never counted them.
func (l *Learner) sampled(s *Start, v verdict) {
	for _, d := range l.departures {
		if d.order > s.order && d.seq < s.seq && d.unsent && s.sample.running > 1 {
			s.sample.running--
		}
	}
	l.window.add(s.sample, v)
}

// provesLevel tells whether an accepted start shows that its level holds. It does
// not if the provider counted fewer in flight than we did: those that it refused
// meanwhile, and those whose end was on its way to us when the start was made.
func (l *Learner) provesLevel(s Start) bool {
	// Slots that are held in case they still count prove nothing either.
	if s.held > 0 && (s.Level > l.full || s.sample.count(l.lag.sure(), max(l.abandoned.sure(), l.lag.sure())) < s.Level) {
		return false
	}
	for _, d := range l.departures {
		if d.order > s.order && d.seq < s.seq && (!d.answered || d.left.Sub(s.At) <= inTransit) {
			return false
		}
	}
	return true
}
