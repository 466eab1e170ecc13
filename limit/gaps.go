package limit

import "time"

// nearly is how far above a gap's value a start may come and still say something
// about it.
func nearly(val time.Duration) time.Duration { return val + val/4 + 50*time.Millisecond }

// lagAge returns how old the slot was which, if the provider still counted it,
// made the start one too many: the youngest that the learned lag lets go. Only
// such a start says anything about the lag: below the limit every lag looks like
// zero.
func (l *Learner) lagAge(s *sample, abandoned bool) (time.Duration, bool) {
	answered, left := l.Lag()
	over := max(l.stable, l.full) + 1 - s.count(answered, left)
	if over <= 0 {
		return 0, false // one too many anyway
	}
	lag, ages := answered, s.ended[:]
	if abandoned {
		lag, ages = left, s.abandoned[:]
	}
	for _, ms := range ages {
		if age := time.Duration(ms) * time.Millisecond; age < lag {
			continue
		} else if over--; over == 0 && ms < longest {
			return age, true
		}
	}
	return 0, false
}

// nearPace tells whether a start came just after the space that is kept.
func (l *Learner) nearPace(s *sample) bool {
	return l.pace.val > 0 && time.Duration(s.spaced)*time.Millisecond <= nearly(l.pace.val)
}

// acceptedGaps lets an accepted start speak about the gaps that it came near.
func (l *Learner) acceptedGaps(now time.Time, s *Start) {
	l.pace.seen++
	if l.nearPace(&s.sample) {
		l.pace.accepted(now)
	}
	// While the level above holds the lag cannot be seen.
	if l.above.IsZero() || now.Sub(l.above) > lately {
		return
	}
	if age, ok := l.lagAge(&s.sample, false); ok && age <= nearly(l.lag.val) {
		l.lag.accepted(now)
	}
	if age, ok := l.lagAge(&s.sample, true); ok && age <= nearly(l.abandoned.val) {
		l.abandoned.accepted(now)
	}
}

// expected tells whether a search for a gap explains a refusal: values are being
// tried, and this one was too short.
func (l *Learner) expected(now time.Time, s *Start) bool {
	var g *gap
	var came time.Duration
	cause := ByLag
	if age, ok := l.lagAge(&s.sample, false); ok && l.lag.within(age) {
		g, came = &l.lag, age
	} else if age, ok := l.lagAge(&s.sample, true); ok && l.abandoned.within(age) {
		g, came = &l.abandoned, age
	} else if l.pace.searches() && l.nearPace(&s.sample) {
		g, came, cause = &l.pace, l.pace.val, ByPace
	} else {
		return false
	}
	g.tooShort(now, came, l.noisy())
	l.history.charge(now, cause, false)
	if cause == ByPace {
		l.window.excuse()
	}
	return true
}

// cured looks for what a refusal speaks about that time has cured: not the
// level, which was accepted meanwhile.
func (l *Learner) cured(now time.Time, d *doubt) {
	last := l.window.lastRefused()
	if last == nil {
		return
	}
	// A pace may look like a lag at first: under load a start follows a release.
	if f, ok := l.findPace(now); ok {
		l.lag.drop()
		l.abandoned.drop()
		l.blame(now, f)
		return
	}
	if d.struck {
		return
	}
	if d.patient && d.count > 1 {
		l.window.excuse()
		return
	}
	f, ok := l.explain(now, min(mostLag, l.rest()))
	if !ok {
		if d.count >= 3 && l.pace.val == 0 && !now.Before(l.pace.barred) {
			if mean := l.window.meanSpace(now); mean > 0 {
				l.blame(now, finding{cause: ByPace, lo: mean * 7 / 10, hi: mean * 115 / 100, explained: d.count})
				return
			}
		}
		l.history.charge(now, ByNoise, false)
		return
	}
	l.blame(now, f)
}

// strikes tells whether a refusal speaks against a lag that had been settled.
func (l *Learner) strikes(s *sample, g *gap, abandoned bool) bool {
	if g.state != settled {
		return false
	}
	age, ok := l.lagAge(s, abandoned)
	return ok && float64(age) <= gapWiden*float64(g.val)
}

// struck counts a refusal against the settled gap that it speaks about, if there
// is one.
func (l *Learner) struck(now time.Time, s *sample) bool {
	g, cause := &l.lag, ByLag
	switch {
	case l.strikes(s, &l.lag, false):
	case l.strikes(s, &l.abandoned, true):
		g = &l.abandoned
	case l.pace.state == settled && l.nearPace(s):
		g, cause = &l.pace, ByPace
	default:
		return false
	}
	g.tooShort(now, g.val, false)
	l.history.charge(now, cause, false)
	return true
}

// explain finds the release lag, of at most so long, that explains the refusals of
// the window best.
func (l *Learner) explain(now time.Time, most time.Duration) (finding, bool) {
	answered, left := l.Lag()
	// What the level in flight leaves unexplained is what there is to explain.
	none, _, _ := l.window.part(answered, left, l.ceiling(now))
	best, found := finding{mistakes: none}, false
	if none == 0 {
		return best, false
	}
	consider := func(g *gap, abandoned bool) {
		if g.val > 0 || now.Before(g.barred) {
			return
		}
		f, ok := l.window.findLag(answered, left, abandoned, most, l.ceiling(now))
		if ok && f.mistakes < best.mistakes && l.enough(f) {
			best, found = f, true
		}
	}
	consider(&l.lag, false)
	consider(&l.abandoned, true)
	return best, found
}

// findPace looks for a pace that explains the window's refusals better than the
// level and any lag do. If a lag fits as well, more evidence will tell.
func (l *Learner) findPace(now time.Time) (finding, bool) {
	if l.pace.val > 0 || now.Before(l.pace.barred) {
		return finding{}, false
	}
	f, ok := l.window.findPace(mostPace)
	if !ok {
		return f, false
	}
	none, _, _ := l.window.part(0, 0, l.ceiling(now))
	if 3*f.mistakes > none {
		return f, false
	}
	ended, _ := l.window.findLag(0, 0, false, mostLag, l.ceiling(now))
	abandoned, _ := l.window.findLag(0, 0, true, mostLag, l.ceiling(now))
	return f, f.mistakes < min(none, ended.mistakes, abandoned.mistakes)
}

// examine looks whether a release lag explains refusals that would otherwise
// speak against the level: where calls are short there is never a calm moment
// for a retest or a probe.
func (l *Learner) examine(now time.Time) bool {
	if l.lag.val > 0 {
		return false
	}
	f, ok := l.explain(now, mostLag)
	if !ok || f.explained < 3+2*f.mistakes {
		return false
	}
	l.blame(now, f)
	l.doubt = nil
	return true
}

// ceiling is the highest level that can hold: the stable one if the one above
// was refused lately at a calm moment, when no lag could have been to blame.
func (l *Learner) ceiling(now time.Time) int {
	if !l.aboveCalm.IsZero() && now.Sub(l.aboveCalm) <= lately {
		return l.stable
	}
	return 1 << 16
}

// noisy tells that refusals which nothing explains are met.
func (l *Learner) noisy() bool { return l.history.tally[index(ByNoise)] >= 1.5 }

// enough tells whether a lag explains more than chance would: two refusals if it
// says that the stable level is the limit, three if it says that another is.
// Where calls are short one is enough: if it was chance, the next few starts say so.
func (l *Learner) enough(f finding) bool {
	switch {
	case f.level != l.stable:
		return f.explained >= 3+2*f.mistakes
	case l.short():
		return f.explained >= 1+f.mistakes
	}
	return f.explained >= 2+f.mistakes
}

// short tells that calls are short: evidence comes quickly.
func (l *Learner) short() bool { return l.meanCall > 0 && l.meanCall < shortCall }

// blame acts on a finding.
func (l *Learner) blame(now time.Time, f finding) {
	g := &l.lag
	switch {
	case f.cause == ByPace:
		g = &l.pace
	case f.abandoned:
		g = &l.abandoned
	}
	g.found(now, f.lo, f.hi, f.cause == ByLag && l.short())
	g.explained, g.of = f.explained, f.of
	l.history.chargeMany(now, f.cause, f.explained)
	l.window.excuse()
	for i := range l.levels {
		l.levels[i].Score = 0
	}
	// What it explains were no failed probes: the next is due, and paid for.
	l.next, l.wait, l.tokens = now, firstWait, max(l.tokens, 1)
	if f.cause == ByLag {
		l.full = f.level
	}
}

// A crash is a deep fall right after a climb: levels that were all accepted a
// moment ago, and the one from which the climb began, are all refused. A limit
// rarely does that twice; a number of starts that may be made in some time does
// it whenever it is used up.
type crash struct {
	base  int       // the level from which the last climb began
	risen time.Time // the last rise
	fall  int       // levels lost since, within a minute
	count int       // crashes, of late
	last  time.Time // the last one
}

// rose records a rise.
func (c *crash) rose(now time.Time, from int) {
	if now.Sub(c.risen) > crashWithin || c.fall > 0 {
		c.base = from
	}
	c.risen, c.fall = now, 0
}

// fell records a fall and tells whether it is a crash that is not the first one.
func (c *crash) fell(now time.Time, from, to int) bool {
	if c.risen.IsZero() || now.Sub(c.risen) > crashWithin {
		return false
	}
	deep := func(fall, to int) bool { return fall >= 3 || fall >= 2 && to <= c.base-2 }
	before := deep(c.fall, from)
	c.fall += from - to
	if before || !deep(c.fall, to) {
		return false
	}
	if now.Sub(c.last) > lately {
		c.count = 0
	}
	c.count, c.last = c.count+1, now
	return c.count >= 2
}

// crashed spaces starts as they came on average in the last minute, to see if
// that helps.
func (l *Learner) crashed(now time.Time) {
	if l.pace.val > 0 || now.Before(l.pace.barred) {
		return
	}
	if mean := l.window.meanSpace(now); mean > 0 {
		l.blame(now, finding{cause: ByPace, lo: mean * 7 / 10, hi: mean * 115 / 100, explained: l.crash.count})
	}
}

// tooClose records a refusal that says that starts come too often.
func (l *Learner) tooClose(now time.Time, s *Start) {
	l.history.charge(now, ByPace, false)
	l.pace.most = mostToldPace
	if l.pace.val == 0 {
		spaced := min(max(time.Duration(s.sample.spaced)*time.Millisecond, leastPace), 5*time.Second)
		if s.sample.spaced == longest { // there was none before it, or so long ago that it was a pause
			spaced = 2 * leastPace
		}
		l.pace.found(now, spaced, 2*spaced, false)
		return
	}
	l.pace.tooShort(now, l.pace.val, false)
}

func (w *window) lastRefused() *sample {
	for i := w.n - 1; i >= 0 && i >= w.n-windowSize; i-- {
		if s := &w.samples[i%windowSize]; s.verdict == refused {
			return s
		}
	}
	return nil
}
