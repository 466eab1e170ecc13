package limit

import "time"

// A Permit answers whether an attempt may start.
type Permit struct {
	OK    bool
	Probe bool      // it would be one above the stable level
	Until time.Time // when to ask again if not OK; zero: after the next event
}

// May tells whether one more attempt may start while so many are in flight and
// somebody waits for it.
func (l *Learner) May(now time.Time, inFlight int) Permit {
	shut := l.gate
	if l.pace.val > 0 {
		shut = later(shut, l.taken.Add(l.pace.val))
	}
	// After a refusal, until a start is accepted: one at a time, since the next
	// may be refused as well.
	if l.row > 0 {
		shut = later(shut, l.lastStart.Add(spacing))
	}
	// After the second, not before the verdict on the last: where something has
	// shut the lane, the first that passes must not be followed into the next shut.
	if l.row >= 2 && l.awaited != 0 {
		shut = later(shut, l.lastStart.Add(awaits))
	}
	if now.Before(shut) {
		return Permit{Until: shut}
	}
	held, until := l.held(now)
	level := inFlight + held + 1
	p := l.mayStart(now, level)
	// A probe beside slots that only may still count would prove nothing, nor would
	// one while it is being found out for how long they do.
	if p.Probe && level > l.full && (held > 0 || l.lag.state == searching && age(now, l.above) <= lately) {
		p = Permit{}
	}
	if !p.OK && held > 0 && (p.Until.IsZero() || until.Before(p.Until)) {
		p.Until = until
	}
	return p
}

func (l *Learner) mayStart(now time.Time, level int) Permit {
	if level > l.stable {
		return l.mayProbe(now, level)
	}
	// Among levels that have not been seen to hold for long one at a time as well:
	// the limit may have fallen. Alone in flight there is no wave, and a fixed limit is its
	// user's word.
	if level > 1 && l.cfg.Min < l.cfg.Max && l.stale(now, level) {
		// Starts below it must not put it off for ever.
		if l.wanted.IsZero() {
			l.wanted = now
		}
		if at := earlier(l.lastStart, l.wanted).Add(spacing); now.Before(at) {
			return Permit{Until: at}
		}
	}
	if d := l.currentDoubt(now); d != nil && d.count == 1 && level >= d.lowest && level > l.cfg.Min {
		if at := earlier(l.calm(), d.tried.Add(4*l.rest())); now.Before(at) {
			return Permit{Until: at}
		}
	}
	return Permit{OK: true}
}

func (l *Learner) mayProbe(now time.Time, level int) Permit {
	if level != l.stable+1 || level > l.cfg.Max || !l.proved || l.currentDoubt(now) != nil {
		return Permit{}
	}
	if l.kept != 0 {
		return Permit{}
	}
	if !l.probe.IsZero() {
		at := l.probe.Add(undecided)
		if now.Before(at) {
			return Permit{Until: at}
		}
		l.noVerdict(now)
	}
	if l.tokens < 1 {
		return Permit{}
	}
	// A kept moment that lies further ahead than any that is set is damaged.
	if l.next.Sub(now) > maxNext {
		l.next = now
	}
	if l.quiet.Sub(now) > maxNext {
		l.quiet = now
	}
	// Two starts in one moment may reach the provider in the other order: then the
	// probe would prove less than it seems to.
	if at := l.lastStart.Add(inTransit); now.Before(at) {
		return Permit{Until: at}
	}
	next := later(l.next, l.quiet)
	if now.Before(next) {
		return Permit{Until: next}
	}
	if l.careful {
		if at := earlier(l.calm(), next.Add(calmAtMost)); now.Before(at) {
			return Permit{Until: at}
		}
	}
	return Permit{OK: true, Probe: true}
}

// noVerdict ends a probe that has had no verdict for long. It may still raise
// the limit if it is accepted late; not if first bytes never take so long: then
// the provider keeps calls waiting that are too many, instead of refusing them.
func (l *Learner) noVerdict(now time.Time) {
	l.probe = time.Time{}
	if !l.firstByte.slow(undecided) {
		l.next = later(l.next, now.Add(l.wait))
		return
	}
	l.history.charge(now, ByLevel, false)
	l.above, l.kept = now, l.probeSeq+1
	l.probeFailed(now, 0.5)
}

// Start records that an attempt starts with so many in flight before it. The
// permit is the one that [Learner.May] gave at the same moment.
func (l *Learner) Start(now time.Time, inFlight int, p Permit) Start {
	held, _ := l.held(now)
	s := Start{At: now, Level: inFlight + held + 1, Probe: p.Probe, held: held, wave: l.wave, seq: l.starts, order: l.order, calm: !now.Before(l.calm()), valid: true}
	s.sample = sample{at: now.UnixNano(), running: uint16(min(inFlight+1, longest)), spaced: milliseconds(age(now, l.taken))}
	l.releases.ages(now, &s.sample)
	if p.Probe {
		l.probe, l.probeSeq = now, s.seq
	}
	if d := l.currentDoubt(now); d != nil && s.Level >= d.lowest {
		d.tried = now
	}
	if s.Level > 1 && l.stale(now, s.Level) {
		l.wanted = time.Time{}
	}
	if age(now, l.lastStart) > staleAfter {
		// What was learned before a long rest is looked at again before long.
		for _, g := range [...]*gap{&l.lag, &l.abandoned, &l.pace} {
			g.pause = min(g.pause, firstLook)
		}
	}
	l.recent[l.starts%uint64(len(l.recent))] = moment{seq: s.seq, at: now}
	l.starts++
	l.lastStart, l.awaited = now, l.starts
	l.taken, l.takenBefore = now, l.taken
	return s
}

// overtaken counts the starts made so soon after this one that they may have been
// decided before it.
func (l *Learner) overtaken(s Start) int {
	n := 0
	for _, r := range l.recent {
		if r.seq > s.seq && r.at.Sub(s.At) <= inTransit {
			n++
		}
	}
	return n
}
