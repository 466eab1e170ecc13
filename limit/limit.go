package limit

import "time"

// The constants of the ladder. What each is for, and what happens at half and
// at twice its value, stands in the package comment.
const (
	earn          = 0.009            // tokens for an accepted start
	maxTokens     = 3.0              // tokens that can be saved
	minTokens     = -1.0             // deepest debt
	firstTokens   = 2.0              // two early probes are paid in advance
	firstWait     = 10 * time.Second // pause between probes, before it doubles
	maxWait       = 8 * time.Minute
	scoreRefused  = 2.5 // what a refusal adds to its level's score
	scoreAccepted = 0.27
	scoreBad      = 8.0 // a level above it is failing: no retest, cut
	maxRest       = 5 * time.Second
	minRest       = 700 * time.Millisecond
	spacing       = 400 * time.Millisecond // between starts while one is unsure; longer than a refusal takes
	staleAfter    = 10 * time.Minute       // a level not accepted for so long is entered with spacing
	doubtAfter    = time.Minute            // a doubt without a second verdict is dropped
	undecided     = 20 * time.Second       // a probe without a verdict stops being one
	calmAtMost    = 30 * time.Second       // how long a repeated probe looks for a calm moment
	shutFactor    = 50                     // a probe may cost at most 1/50 of the time
	maxGate       = time.Minute
	inTransit     = 20 * time.Millisecond // how old the end of an answer may be when it is heard of
)

// Config bounds a [Learner]. The zero Config means 1 to 24, starting at 1.
type Config struct {
	Min   int // lowest level, at least 1; zero means 1
	Max   int // highest level; zero means 24; Min = Max fixes the limit
	Start int // first level, between Min and Max; zero means Min
}

// DefaultMax is the highest level that a zero [Config] climbs to, in attempts
// in flight: above every number that has been reported for a coding plan.
const DefaultMax = 24

func (c Config) withDefaults() Config {
	if c.Min < 1 {
		c.Min = 1
	}
	if c.Max == 0 {
		c.Max = max(DefaultMax, c.Min)
	}
	c.Max = max(c.Max, c.Min)
	c.Start = min(max(c.Start, c.Min), c.Max)
	return c
}

// Reason says why a learner's limit changed.
type Reason string

// The reasons of a change.
const (
	Unchanged     Reason = ""
	ProbeAccepted Reason = "probe-accepted" // a start one above the limit was accepted
	RefusedAgain  Reason = "refused-again"  // the retest of a refused level was refused too
	LevelFailing  Reason = "level-failing"  // the level has been refused too often of late
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

	tokens  float64       // what probes are paid with
	wait    time.Duration // pause after the next refused probe
	next    time.Time     // no probe before
	careful bool          // the last probe failed, or the limit was cut: probe at a calm moment only
	probe   time.Time     // start of the undecided probe; zero: none

	doubt *doubt
	row   int       // waves of refusals since the last acceptance
	wave  int       // counts the refusals that counted; a start remembers its value
	gate  time.Time // no start before

	lastRefused  time.Time // start of the attempt refused last
	lastStart    time.Time
	wanted       time.Time    // since when a level is wanted that was not seen to hold for long; zero: none is
	lastReleases [4]time.Time // newest first
	meanCall     time.Duration
	departures   [8]departure // the last attempts that left
	order        uint64       // counts departures
	window       window
}

// doubt is a refusal at or below the limit that is not believed yet.
type doubt struct {
	lowest int       // lowest level refused
	count  int       // refusals, a wave counted once
	first  time.Time // when the first was known
	tried  time.Time // last start at such a level, or the first refusal
}

// departure is an attempt that has left its slot.
type departure struct {
	started, left time.Time
	answered      bool
	order         uint64
}

// A Level is what is known of one number of attempts in flight.
type Level struct {
	Accepted, Refused uint64
	Score             float64   // rises with refusals, falls with acceptances
	Last              time.Time // last acceptance
}

// A Start is one attempt as its learner sees it. The caller keeps it and hands
// it back with the verdict. The zero Start stands for none.
type Start struct {
	Sample
	wave  int
	order uint64 // departures before it
	valid bool
}

// New returns a learner at its first level that has seen nothing yet.
func New(cfg Config) *Learner {
	cfg = cfg.withDefaults()
	return &Learner{cfg: cfg, stable: cfg.Start, tokens: firstTokens, wait: firstWait}
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

// A Permit answers whether an attempt may start.
type Permit struct {
	OK    bool
	Probe bool      // it would be one above the stable level
	Until time.Time // when to ask again if not OK; zero: after the next event
}

// May tells whether one more attempt may start while so many are in flight and
// somebody waits for it.
func (l *Learner) May(now time.Time, inFlight int) Permit {
	level := inFlight + 1
	if now.Before(l.gate) {
		return Permit{Until: l.gate}
	}
	// After a refusal, until a start is accepted: one at a time, since the next
	// may be refused as well.
	if l.row > 0 {
		if at := l.lastStart.Add(spacing); now.Before(at) {
			return Permit{Until: at}
		}
	}
	if level > l.stable {
		return l.mayProbe(now, level)
	}
	// The same among levels that have not been seen to hold for long: the limit
	// may have fallen. Alone in flight there is no wave, and a fixed limit is its
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
	if d := l.currentDoubt(now); d != nil && d.count == 1 && level >= d.lowest {
		if at := earlier(l.calm(), d.tried.Add(4*l.rest())); now.Before(at) {
			return Permit{Until: at}
		}
	}
	return Permit{OK: true}
}

func (l *Learner) mayProbe(now time.Time, level int) Permit {
	if level != l.stable+1 || level > l.cfg.Max || !l.proved || l.tokens < 1 || l.currentDoubt(now) != nil {
		return Permit{}
	}
	if !l.probe.IsZero() {
		if at := l.probe.Add(undecided); now.Before(at) {
			return Permit{Until: at}
		}
		l.probe = time.Time{} // no verdict: it may still raise the limit if it is accepted late
		l.next = now.Add(l.wait)
	}
	if now.Before(l.next) {
		return Permit{Until: l.next}
	}
	if l.careful {
		if at := earlier(l.calm(), l.next.Add(calmAtMost)); now.Before(at) {
			return Permit{Until: at}
		}
	}
	return Permit{OK: true, Probe: true}
}

// Start records that an attempt starts with so many in flight before it. The
// permit is the one that [Learner.May] gave at the same moment.
func (l *Learner) Start(now time.Time, inFlight int, p Permit) Start {
	s := Start{Sample: Sample{At: now, Level: inFlight + 1, Probe: p.Probe, SinceStart: age(now, l.lastStart)}, wave: l.wave, order: l.order, valid: true}
	for i, at := range l.lastReleases {
		s.SinceRelease[i] = age(now, at)
	}
	if p.Probe {
		l.probe = now
	}
	if d := l.currentDoubt(now); d != nil && s.Level >= d.lowest {
		d.tried = now
	}
	if s.Level > 1 && l.stale(now, s.Level) {
		l.wanted = time.Time{}
	}
	l.lastStart = now
	return s
}

// Accepted records that the provider has taken the attempt: its first good
// event or its good head has come.
func (l *Learner) Accepted(now time.Time, s Start) Reason {
	if !s.valid {
		return Unchanged
	}
	proof := l.provesLevel(s)
	lv := l.level(s.Level)
	lv.Accepted++
	lv.Score = max(0, lv.Score-scoreAccepted)
	if proof {
		lv.Last = now
	}
	l.tokens = min(maxTokens, l.tokens+earn)
	l.window.add(s.Sample, true)
	if !s.At.Before(l.lastRefused) {
		l.row = 0
	}
	if s.Level >= l.stable && !s.At.Before(l.since) {
		l.proved = true
	}
	if d := l.currentDoubt(now); d != nil && s.wave == l.wave {
		// At the doubted level time has cured it; below it, after a second
		// refusal, the cut stands.
		if proof && s.Level >= d.lowest || d.count >= 2 {
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
	l.setStable(now, s.Level)
	l.probe = time.Time{} // a later one at the same level is no longer above it
	l.proved, l.careful = true, false
	l.wait, l.next = firstWait, now
	return ProbeAccepted
}

// Refused records a refusal that speaks about the number in flight. The hint
// is how long the provider asks to wait, zero or less if it does not say; rnd is
// in [0, 1).
func (l *Learner) Refused(now time.Time, s Start, hint time.Duration, rnd float64) Reason {
	if !s.valid {
		return Unchanged
	}
	lv := l.level(s.Level)
	lv.Refused++
	lv.Score += scoreRefused
	l.window.add(s.Sample, false)
	if s.At.After(l.lastRefused) {
		l.lastRefused = s.At
	}
	sameWave := s.wave != l.wave
	if !sameWave {
		l.wave++
		l.row++
	}
	l.shut(now, s, hint, rnd)
	if s.Probe {
		l.clearProbe(s)
		if !sameWave {
			l.probeRefused(now, hint, rnd)
		}
		return Unchanged
	}
	// Above the stable level it has been given up already; at the lowest level
	// there is nothing to give up.
	if s.Level > l.stable || s.Level <= l.cfg.Min || l.cfg.Min == l.cfg.Max {
		return Unchanged
	}
	d := l.currentDoubt(now)
	switch {
	case sameWave:
		if d != nil {
			d.lowest = min(d.lowest, s.Level)
		}
		return Unchanged
	case d == nil && lv.Score <= scoreBad:
		l.doubt = &doubt{lowest: s.Level, count: 1, first: now, tried: now}
		return Unchanged
	case d == nil:
		l.tokens = max(minTokens, l.tokens-1)
		return l.cut(now, s.Level-1, LevelFailing)
	}
	d.count++
	d.lowest = min(d.lowest, s.Level)
	return l.cut(now, d.lowest-1, RefusedAgain)
}

// Ended records that an attempt has left its slot, whatever became of it. The
// length of a call that was answered tells what a calm moment is; the caller
// passes answered = false for refused and abandoned ones.
func (l *Learner) Ended(now time.Time, s Start, answered bool) {
	if !s.valid {
		return
	}
	l.clearProbe(s)
	l.order++
	l.departures[l.order%uint64(len(l.departures))] = departure{started: s.At, left: now, answered: answered, order: l.order}
	copy(l.lastReleases[1:], l.lastReleases[:3])
	l.lastReleases[0] = now
	if !answered {
		return
	}
	if took := age(now, s.At); l.meanCall == 0 {
		l.meanCall = took
	} else {
		l.meanCall += (took - l.meanCall) / 8
	}
}

// provesLevel tells whether an accepted start shows that its level holds. It does
// not if the provider counted fewer in flight than we did: those that it refused
// meanwhile, and those whose end was on its way to us when the start was made.
func (l *Learner) provesLevel(s Start) bool {
	for _, d := range l.departures {
		if d.order > s.order && !d.started.After(s.At) && (!d.answered || d.left.Sub(s.At) <= inTransit) {
			return false
		}
	}
	return true
}

// Hold forbids probes before the moment.
func (l *Learner) Hold(until time.Time) {
	if until.After(l.next) {
		l.next = until
	}
}

// Fresh tells whether the level, or one above it, was accepted lately.
func (l *Learner) Fresh(now time.Time, level int) bool { return !l.stale(now, level) }

// shut sets the gate that a refusal closes.
func (l *Learner) shut(now time.Time, s Start, hint time.Duration, rnd float64) {
	var wait time.Duration
	switch {
	case hint > 0:
		wait = hint + time.Duration(rnd*float64(min(hint, 500*time.Millisecond)))
	case l.row >= 2:
		wait = jitter(min(maxGate, time.Second<<min(l.row-2, 10)), rnd)
	}
	if s.Level == 1 {
		wait = max(wait, jitter(625*time.Millisecond, rnd)) // at least 0.5 s
	}
	if at := now.Add(wait); at.After(l.gate) {
		l.gate = at
	}
}

func (l *Learner) probeRefused(now time.Time, hint time.Duration, rnd float64) {
	l.tokens = max(minTokens, l.tokens-1)
	l.next = now.Add(jitter(l.wait, rnd))
	l.wait = min(2*l.wait, maxWait)
	l.careful = true
	if hint > 0 { // what shut the lane was the probe
		l.Hold(now.Add((shutFactor + 1) * hint))
	}
}

func (l *Learner) cut(now time.Time, level int, why Reason) Reason {
	level = max(level, l.cfg.Min)
	if level >= l.stable {
		l.doubt = nil
		return Unchanged
	}
	l.setStable(now, level)
	l.proved, l.careful = false, true
	l.wait, l.next = firstWait, now.Add(firstWait)
	return why
}

func (l *Learner) setStable(now time.Time, level int) { l.stable, l.since = level, now }

func (l *Learner) clearProbe(s Start) {
	if s.Probe && s.At.Equal(l.probe) {
		l.probe = time.Time{}
	}
}

// currentDoubt returns the doubt, unless it is so old that it is dropped.
func (l *Learner) currentDoubt(now time.Time) *doubt {
	if l.doubt != nil && now.Sub(l.doubt.first) > doubtAfter {
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
	last := l.lastStart
	if l.lastReleases[0].After(last) {
		last = l.lastReleases[0]
	}
	return last.Add(l.rest())
}

func (l *Learner) rest() time.Duration {
	if l.meanCall == 0 {
		return maxRest
	}
	return min(maxRest, max(minRest, l.meanCall/2))
}

func (l *Learner) level(n int) *Level {
	for len(l.levels) <= n {
		l.levels = append(l.levels, Level{})
	}
	return &l.levels[n]
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

// age is how long ago a moment was; a zero moment was never, which is as long
// ago as can be said.
func age(now, at time.Time) time.Duration {
	if at.IsZero() {
		return 1<<63 - 1
	}
	return now.Sub(at)
}
