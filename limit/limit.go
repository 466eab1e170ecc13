package limit

import "time"

// The constants of the ladder. What each is for, and what happens at half and
// at twice its value, stands in the package comment.
const (
	maxTokens     = 3.0              // tokens that can be saved
	minTokens     = -1.0             // deepest debt
	firstTokens   = 2.0              // two early probes are paid in advance
	firstWait     = 10 * time.Second // pause between probes, before it doubles
	maxWait       = 8 * time.Minute
	scoreRefused  = 2.5 // what a refusal adds to its level's score
	scoreAccepted = 0.27
	scoreBad      = 8.0 // a level above it is failing: no retest, cut
	maxRest       = 5 * time.Second
	minRest       = 500 * time.Millisecond
	spacing       = 400 * time.Millisecond // between starts while one is unsure; longer than a refusal takes
	staleAfter    = 10 * time.Minute       // a level not accepted for so long is entered with spacing
	doubtAfter    = time.Minute            // a doubt without a second verdict is dropped
	undecided     = 20 * time.Second       // a probe without a verdict stops being one
	calmAtMost    = 30 * time.Second       // how long a repeated probe looks for a calm moment
	shutFactor    = 50                     // a probe may cost at most 1/50 of the time
	maxGate       = time.Minute
	maxHint       = time.Hour
	awaits        = 5 * time.Second // how long a start is waited for, after two refusals in a row
	maxNext       = 72 * time.Hour
	patience      = 7                // refusals in a row after a refused probe before a cut
	crashWithin   = time.Minute      // a fall so soon after a rise may be a crash
	lately        = 30 * time.Minute // how long the refusal of the level above counts as known
	mostLag       = 3500 * time.Millisecond
	shortCall     = 3 * time.Second
	mostPace      = 12 * time.Second
	mostToldPace  = time.Minute           // the same where the provider says that it minds
	paceProof     = 90 * time.Second      // a burst can hide a pace for so long
	inTransit     = 20 * time.Millisecond // how old the end of an answer may be when it is heard of
)

// Config bounds a [Learner]. The zero Config means 1 to 24, starting at 1.
type Config struct {
	Min   int // lowest level, at least 1; zero means 1
	Max   int // highest level; zero means 24; Min = Max fixes the limit
	Start int // first level, between Min and Max; zero means Min
	// Eager is the share of accepted starts that may be risked on tries above the
	// stable level, 0.0025 to 0.04; zero means [DefaultEager].
	Eager float64
}

// DefaultMax is the highest level that a zero [Config] climbs to, in attempts
// in flight: above every number that has been reported for a coding plan.
const DefaultMax = 24

// The bounds of [Config.Eager] and its default.
const (
	MinEager     = 0.0025
	DefaultEager = 0.009
	MaxEager     = 0.04
)

func (c Config) withDefaults() Config {
	if c.Min < 1 {
		c.Min = 1
	}
	if c.Max == 0 {
		c.Max = max(DefaultMax, c.Min)
	}
	c.Max = max(c.Max, c.Min)
	c.Start = min(max(c.Start, c.Min), c.Max)
	if c.Eager == 0 {
		c.Eager = DefaultEager
	}
	c.Eager = min(max(c.Eager, MinEager), MaxEager)
	return c
}

// Reason says what a learner has changed its mind about.
type Reason string

// The reasons of a change.
const (
	Unchanged     Reason = ""
	ProbeAccepted Reason = "probe-accepted" // a start one above the limit was accepted
	RefusedAgain  Reason = "refused-again"  // the retest of a refused level was refused too
	LevelFailing  Reason = "level-failing"  // the level has been refused too often of late

	LagFound  Reason = "lag-found"  // slots count on after their end; the level stays
	PaceFound Reason = "pace-found" // starts must be apart; the level stays
	GapLost   Reason = "gap-lost"   // a lag or a pace was none, or is over; the level stays
)

// A Learner finds the highest number of attempts in flight that a provider
// accepts, from acceptances and refusals alone, and follows it as it moves.
//
// It is a pure state machine: it reads no clock and draws no random number; the
// caller passes moments, which must not decrease, and numbers in [0, 1). It is
// not safe for concurrent use. Use [New]; the zero Learner is not ready.
type Learner struct {
	cfg Config

	stable int       // the level that holds
	since  time.Time // when stable was set
	proved bool      // stable was accepted since then
	levels []Level   // by level; index 0 is unused

	tokens    float64       // what probes are paid with
	wait      time.Duration // pause after the next refused probe
	next      time.Time     // no probe before
	quiet     time.Time     // no probe before, whatever is learned
	careful   bool          // the last probe failed, or the limit was cut: probe at a calm moment only
	probe     time.Time     // start of the undecided probe; zero: none
	probeSeq  uint64        // of that start
	kept      uint64        // start of a probe that the provider keeps waiting, and so does not count, plus 1; zero: none
	failed    time.Time     // when a probe was refused last and nothing has been accepted since; zero otherwise
	crash     crash
	above     time.Time // when the level above stable was refused last
	aboveCalm time.Time // the same, at a calm moment; zero after a rise
	full      int       // the level that a release lag was found to add up to; may be above stable

	doubt *doubt
	row   int       // waves of refusals since the last acceptance
	wave  int       // counts the refusals that counted; a start remembers its value
	gate  time.Time // no start before

	lag       gap // how long an ended slot counts on
	abandoned gap // how long an abandoned one does
	pace      gap // the space between starts
	releases  releases

	lastRefused time.Time // start of the attempt refused last
	lastStart   time.Time
	awaited     uint64    // the last start while it has no verdict, plus 1; zero: none
	taken       time.Time // start of the last attempt that is not known to be refused
	takenBefore time.Time // of the one before it
	wanted      time.Time // since when a level is wanted that was not seen to hold for long; zero: none is
	meanCall    time.Duration
	firstByte   roundTrip
	departures  [8]departure // the last attempts that left
	recent      [8]moment    // the last starts
	starts      uint64       // counts starts
	order       uint64       // counts departures
	window      window
	history     history
}

// doubt is a refusal at or below the limit that is not believed yet.
type doubt struct {
	lowest  int       // lowest level refused
	count   int       // refusals, a wave counted once
	first   time.Time // when the first was known
	tried   time.Time // last start at such a level, or the first refusal
	patient bool      // it began right after a refused probe, which may have shut the lane
	struck  bool      // it was counted against a gap
}

// moment is when a start was made.
type moment struct {
	seq uint64
	at  time.Time
}

// departure is an attempt that has left its slot.
type departure struct {
	seq      uint64 // of its start
	order    uint64
	left     time.Time
	answered bool
	unsent   bool
}

// A Level is what is known of one number of attempts in flight.
type Level struct {
	Accepted, Refused uint64
	Late              uint64    // accepted, but so late that the provider must have kept them waiting
	Score             float64   // rises with refusals, falls with acceptances
	Last              time.Time // last acceptance
}

// A Start is one attempt as its learner sees it. The caller keeps it and hands
// it back with the verdict. The zero Start stands for none.
type Start struct {
	At    time.Time
	Level int  // attempts in flight and slots that still count, itself included
	Probe bool // it was one above the stable level

	sample sample
	held   int // slots that still counted
	wave   int
	seq    uint64 // starts before it
	order  uint64 // departures before it
	calm   bool   // no start or release shortly before
	valid  bool
}

// An End is how an attempt left its slot.
type End uint8

// The ends.
const (
	Answered  End = iota // its answer has wholly ended
	Abandoned            // the client went away, or the answer broke
	Unsent               // the provider never held it: refused, or not sent at all
)

// New returns a learner at its first level that has seen nothing yet.
func New(cfg Config) *Learner {
	cfg = cfg.withDefaults()
	return &Learner{
		cfg: cfg, stable: cfg.Start, tokens: firstTokens, wait: firstWait,
		lag: gap{most: mostLag, close: lagClose}, abandoned: gap{most: mostLag, close: lagClose},
		pace: gap{most: mostPace, prove: paceProof, close: paceClose},
	}
}

// Bound gives a learner other bounds. What it has learned stays, as far as it lies
// within them.
func (l *Learner) Bound(now time.Time, cfg Config) {
	l.cfg = cfg.withDefaults()
	if stable := min(max(l.stable, l.cfg.Min), l.cfg.Max); stable != l.stable {
		l.stable, l.since, l.proved, l.doubt = stable, now, false, nil
		l.probe = time.Time{}
	}
	if l.stable == l.cfg.Max {
		l.probe = time.Time{} // of the level above
	}
}

// Stable returns the level that holds, in attempts in flight.
func (l *Learner) Stable() int { return l.stable }

// Limit returns how many attempts may be in flight now: the stable level, plus
// one while a probe runs.
func (l *Learner) Limit() int {
	if !l.probe.IsZero() {
		return l.stable + 1
	}
	return l.stable
}

// Gate returns the moment before which nothing may start, because of a refusal
// or of a provider's hint; zero or a past moment means that nothing is shut.
func (l *Learner) Gate() time.Time { return l.gate }

// Pace returns the learned space between starts; zero means none.
func (l *Learner) Pace() time.Duration { return l.pace.val }

// Lag returns how long a slot counts on after an answered attempt and after an
// abandoned one; zero means not at all.
func (l *Learner) Lag() (answered, abandoned time.Duration) {
	return l.lag.val, max(l.abandoned.val, l.lag.val)
}

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

// gaps tells which gaps are in force.
func (l *Learner) gaps() [3]bool {
	return [...]bool{l.pace.val > 0, l.lag.val > 0, l.abandoned.val > 0}
}

// news is the reason of a change, or else what has become of the gaps.
func (l *Learner) news(before [3]bool, why Reason) Reason {
	after := l.gaps()
	switch {
	case why != Unchanged || before == after:
		return why
	case after[0] && !before[0]:
		return PaceFound
	case after[1] && !before[1] || after[2] && !before[2]:
		return LagFound
	}
	return GapLost
}

// Ended records that an attempt has left its slot. The length of a call that was
// answered tells what a calm moment is.
func (l *Learner) Ended(now time.Time, s Start, how End) {
	if !s.valid {
		return
	}
	l.clearProbe(s)
	l.decided(s)
	l.order++
	l.departures[l.order%uint64(len(l.departures))] = departure{seq: s.seq, left: now, answered: how == Answered, unsent: how == Unsent, order: l.order}
	if how == Unsent {
		return
	}
	l.releases.add(now, how == Abandoned)
	if how != Answered {
		return
	}
	if took := age(now, s.At); l.meanCall == 0 {
		l.meanCall = took
	} else {
		l.meanCall += (took - l.meanCall) / 8
	}
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

// Slept forgets what is undecided: the machine was asleep, and the verdicts on what
// is in flight will say nothing. The caller passes none of them.
func (l *Learner) Slept() {
	l.probe, l.kept, l.awaited, l.doubt = time.Time{}, 0, 0, nil
	l.wave++
}

// Hold forbids probes before the moment, whatever is learned until then.
func (l *Learner) Hold(until time.Time) { l.quiet = later(l.quiet, until) }

// Fresh tells whether the level, or one above it, was accepted lately.
func (l *Learner) Fresh(now time.Time, level int) bool { return !l.stale(now, level) }

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

func (l *Learner) setStable(now time.Time, level int) {
	l.stable, l.since, l.aboveCalm = level, now, time.Time{}
}

// decided records that a start is not to be waited for any longer.
func (l *Learner) decided(s Start) {
	if s.seq+1 == l.awaited {
		l.awaited = 0
	}
	if s.seq+1 == l.kept {
		l.kept = 0
	}
}

func (l *Learner) clearProbe(s Start) {
	if s.Probe && s.seq == l.probeSeq {
		l.probe = time.Time{}
	}
}

// currentDoubt returns the doubt, unless it is so old that it is dropped.
func (l *Learner) currentDoubt(now time.Time) *doubt {
	if l.doubt != nil && now.Sub(later(l.doubt.first, l.gate)) > doubtAfter {
		l.doubt = nil
	}
	return l.doubt
}

// stale tells that neither the level nor one above it was accepted lately.
func (l *Learner) stale(now time.Time, level int) bool {
	for n := level; n < len(l.levels); n++ {
		if last := l.levels[n].Last; !last.IsZero() && now.Sub(last) < staleAfter {
			return false
		}
	}
	return true
}

// calm returns the moment at which the last start and the last release will be
// a rest old: then a start tests its level and nothing else.
func (l *Learner) calm() time.Time {
	return later(l.lastStart, l.releases.last()).Add(l.rest())
}

func (l *Learner) rest() time.Duration {
	if l.meanCall == 0 {
		return maxRest
	}
	return min(maxRest, max(minRest, l.meanCall/2))
}

// held returns how many slots count that were left, and until when the first does.
func (l *Learner) held(now time.Time) (int, time.Time) {
	answered, abandoned := l.Lag()
	return l.releases.held(now, answered, abandoned)
}

func (l *Learner) level(n int) *Level {
	for len(l.levels) <= n {
		l.levels = append(l.levels, Level{})
	}
	return &l.levels[n]
}

// hinted is a provider's hint with a little jitter on top. One of more than an
// hour is tried again after that: a limit on what is in flight does not last so long.
func hinted(hint time.Duration, rnd float64) time.Duration {
	hint = min(hint, maxHint)
	return hint + time.Duration(rnd*float64(min(hint, 500*time.Millisecond)))
}

// jitter spreads a duration by a fifth to both sides.
func jitter(d time.Duration, rnd float64) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*rnd))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// age is how long ago a moment was; a zero moment was never, which is as long
// ago as can be said.
func age(now, at time.Time) time.Duration {
	if at.IsZero() {
		return 1<<63 - 1
	}
	return now.Sub(at)
}
