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
