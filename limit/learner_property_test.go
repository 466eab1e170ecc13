package limit_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/limit"
)

// attempt is one attempt as the ledger knows it.
type attempt struct {
	limit.Start
	accepted bool
	index    int // among all starts
}

// ledger drives a learner with whatever may happen, and keeps its own book of
// what it has told and what it was promised.
type ledger struct {
	cfg      limit.Config
	min, max int
	learner  *limit.Learner
	now      time.Time
	inFlight []*attempt
	shut     time.Time   // nothing may start before
	quiet    time.Time   // nothing may probe before
	gate     time.Time   // as it was last
	started  []time.Time // all starts
	counts   map[int]limit.LevelCount
}

func newLedger(t *rapid.T) *ledger {
	lo := rapid.IntRange(1, 4).Draw(t, "min")
	hi := rapid.IntRange(lo, 8).Draw(t, "max")
	cfg := limit.Config{Min: lo, Max: hi, Start: rapid.IntRange(lo, hi).Draw(t, "start")}
	return &ledger{cfg: cfg, min: lo, max: hi, learner: limit.New(cfg), now: start, counts: map[int]limit.LevelCount{}}
}

func (b *ledger) start(t *rapid.T) {
	before := len(b.inFlight)
	p := b.learner.May(b.now, before)
	stable := b.learner.Stable()
	if !p.OK {
		if !p.Until.IsZero() && !p.Until.After(b.now) {
			t.Fatalf("nothing may start, and it is to be asked again at a moment that is past: %s ago", b.now.Sub(p.Until))
		}
		return
	}
	a := &attempt{Start: b.learner.Start(b.now, before, p)}
	switch level := a.Level; {
	case b.now.Before(b.shut):
		t.Fatalf("a start is permitted %s before the lane opens", b.shut.Sub(b.now))
	case level < before+1 || a.Probe != p.Probe:
		t.Fatalf("a start beside %d in flight is known as level %d (probe: %t), the permit said %t", before, level, a.Probe, p.Probe)
	case level > stable+1 || !p.Probe && level > stable:
		t.Fatalf("a start at level %d is permitted (probe: %t), %d is stable", level, p.Probe, stable)
	case p.Probe && (level > b.max || level <= stable):
		t.Fatalf("a probe at level %d is permitted, %d is stable, %d the highest", level, stable, b.max)
	case p.Probe && b.now.Before(b.quiet):
		t.Fatalf("a probe is permitted %s too early", b.quiet.Sub(b.now))
	}
	b.inFlight = append(b.inFlight, a)
	a.index = len(b.started)
	b.started = append(b.started, b.now)
	undecided := 0
	for _, a := range b.inFlight {
		if a.Probe && !a.accepted && b.now.Sub(a.At) < 20*time.Second {
			undecided++
		}
	}
	if undecided > 1 {
		t.Fatalf("%d probes are undecided", undecided)
	}
}

func (b *ledger) pick(t *rapid.T, undecidedOnly bool) *attempt {
	var of []*attempt
	for _, a := range b.inFlight {
		if !undecidedOnly || !a.accepted {
			of = append(of, a)
		}
	}
	if len(of) == 0 {
		t.Skip("there is none")
	}
	return rapid.SampledFrom(of).Draw(t, "attempt")
}

func (b *ledger) accept(t *rapid.T) {
	a := b.pick(t, true)
	before := b.learner.Stable()
	why := b.learner.Accepted(b.now, a.Start)
	a.accepted = true
	b.decided(a, true)
	switch after := b.learner.Stable(); {
	case why == limit.ProbeAccepted && (after != before+1 || !a.Probe || a.Level != after):
		t.Fatalf("the acceptance of level %d (probe: %t) moved the limit from %d to %d", a.Level, a.Probe, before, after)
	case why != limit.ProbeAccepted && after != before:
		t.Fatalf("the limit went from %d to %d: %q", before, after, why)
	case why == limit.RefusedAgain || why == limit.LevelFailing:
		t.Fatalf("an acceptance changed the limit: %s", why)
	}
	if found[why] {
		b.quiet = time.Time{} // what a gap explains were no failed probes
	}
}

// found are the reasons that leave the level as it is.
var found = map[limit.Reason]bool{limit.LagFound: true, limit.PaceFound: true, limit.GapLost: true}

// overtook counts the starts so soon after one that they may have been decided
// before it: that many levels higher it may have been.
func (b *ledger) overtook(a *attempt) int {
	n := 0
	for _, at := range b.started[a.index+1:] {
		if at.Sub(a.At) <= 20*time.Millisecond {
			n++
		}
	}
	return n
}

// gaps are the learned gaps.
func (b *ledger) gaps() [3]time.Duration {
	answered, abandoned := b.learner.Lag()
	return [...]time.Duration{answered, abandoned, b.learner.Pace()}
}

func (b *ledger) refuse(t *rapid.T) {
	a := b.pick(t, true)
	hint := rapid.SampledFrom([]time.Duration{0, 0, 0, -1, 100 * time.Millisecond, 3 * time.Second, 2 * time.Minute}).Draw(t, "hint")
	before, gaps := b.learner.Stable(), b.gaps()
	why := b.learner.Refused(b.now, a.Start, hint, rapid.Float64Range(0, 0.999).Draw(t, "random"))
	b.decided(a, false)
	b.end(a, limit.Unsent)
	least := max(hint, 0)
	if a.Level == 1 {
		least = max(least, 500*time.Millisecond)
	}
	if at := b.now.Add(least); at.After(b.shut) {
		b.shut = at
	}
	after := b.learner.Stable()
	switch {
	case (why == limit.Unchanged || found[why]) && after != before:
		t.Fatalf("the limit went from %d to %d: %q", before, after, why)
	case why == limit.ProbeAccepted:
		t.Fatal("a refusal is an accepted probe")
	case why != limit.Unchanged && !found[why] && (after >= before || after >= a.Level+b.overtook(a) || a.Probe):
		t.Fatalf("the refusal of level %d (probe: %t) moved the limit from %d to %d: %s", a.Level, a.Probe, before, after, why)
	}
	switch {
	case b.gaps() != gaps:
		b.quiet = time.Time{}
	case why != limit.Unchanged:
		b.quiet = b.now.Add(10 * time.Second)
	}
}

// tooOften refuses a start because starts come too often.
func (b *ledger) tooOften(t *rapid.T) {
	a := b.pick(t, true)
	hint := rapid.SampledFrom([]time.Duration{0, 0, -1, 100 * time.Millisecond, 3 * time.Second}).Draw(t, "hint")
	before := b.learner.Stable()
	why := b.learner.TooOften(b.now, a.Start, hint, rapid.Float64Range(0, 0.999).Draw(t, "random"))
	b.end(a, limit.Unsent)
	if after := b.learner.Stable(); after != before || why != limit.Unchanged && !found[why] {
		t.Fatalf("it came too often, and the limit went from %d to %d: %q", before, after, why)
	}
	if at := b.now.Add(max(hint, 0)); at.After(b.shut) {
		b.shut = at
	}
}

func (b *ledger) decided(a *attempt, good bool) {
	c := b.counts[a.Level]
	c.Level = a.Level
	if good {
		c.Accepted++
	} else {
		c.Refused++
	}
	b.counts[a.Level] = c
}

func (b *ledger) end(a *attempt, how limit.End) {
	b.learner.Ended(b.now, a.Start, how)
	b.inFlight = slices.DeleteFunc(b.inFlight, func(other *attempt) bool { return other == a })
}

func (b *ledger) check(t *rapid.T) {
	s := b.learner.State()
	if n := b.learner.Stable(); n < b.min || n > b.max || s.Stable != n {
		t.Fatalf("%d is stable (%d in the state), outside of %d to %d", n, s.Stable, b.min, b.max)
	}
	if n := b.learner.Limit(); n > b.max || n != b.learner.Stable() && n != b.learner.Stable()+1 {
		t.Fatalf("the limit is %d, %d is stable, %d the highest", n, b.learner.Stable(), b.max)
	}
	if s.Tokens < -1 || s.Tokens > 3 {
		t.Fatalf("%g tokens", s.Tokens)
	}
	if s.Wait < 10*time.Second || s.Wait > 8*time.Minute {
		t.Fatalf("the pause after the next refused probe is %s", s.Wait)
	}
	if b.learner.Gate().Before(b.shut) {
		t.Fatalf("the gate opens at %v, before %v", b.learner.Gate(), b.shut)
	}
	if b.learner.Gate().Before(b.gate) {
		t.Fatalf("the gate was pulled in, from %v to %v", b.gate, b.learner.Gate())
	}
	b.gate = b.learner.Gate()
	for i, most := range [...]time.Duration{3500 * time.Millisecond, 3500 * time.Millisecond, time.Minute} {
		if gap := b.gaps()[i]; gap < 0 || gap > most {
			t.Fatalf("a lag or a pace of %s", gap)
		}
	}
	levels := slices.Sorted(maps.Keys(b.counts))
	curve := b.learner.Curve()
	if len(curve) != len(levels) {
		t.Fatalf("the curve is %v, want %v", curve, b.counts)
	}
	for i, n := range levels {
		got := curve[i]
		got.Accepted, got.Late = got.Accepted+got.Late, 0 // the book does not know what is late
		if got != b.counts[n] {
			t.Fatalf("the curve is %v, want %v", curve, b.counts)
		}
	}
}

// actions are whatever may happen to a learner.
func (b *ledger) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"start":     b.start,
		"one more":  b.start,
		"another":   b.start,
		"accept":    b.accept,
		"accept it": b.accept,
		"refuse":    b.refuse,
		"too often": b.tooOften,
		"end": func(t *rapid.T) {
			a := b.pick(t, false)
			how := limit.Unsent
			if a.accepted {
				how = limit.Answered
			}
			b.end(a, how)
		},
		"leave": func(t *rapid.T) { b.end(b.pick(t, false), limit.Abandoned) },
		"sleep": func(t *rapid.T) {
			b.now = b.now.Add(8 * time.Hour)
			b.learner.Slept()
			for _, a := range slices.Clone(b.inFlight) { // their verdicts say nothing
				b.end(a, limit.Unsent)
			}
		},
		"time passes": func(t *rapid.T) {
			b.now = b.now.Add(rapid.SampledFrom([]time.Duration{1, 100 * time.Millisecond, 400 * time.Millisecond, time.Second, 5 * time.Second, 20 * time.Second, 11 * time.Minute}).Draw(t, "step"))
		},
		"": b.check,
	}
}

// TestWhateverHappens checks what holds at any provider, even a mad one.
func TestWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newLedger(t)
		t.Repeat(b.actions())
	})
}

// TestStateSurvives writes a learner down as JSON and reads it again.
func TestStateSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newLedger(t)
		t.Repeat(b.actions())
		kept := b.learner.State()
		text, err := json.Marshal(kept)
		if err != nil {
			t.Fatal(err)
		}
		var read limit.State
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		again, err := limit.Restore(b.cfg, read)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if twice, err := json.Marshal(again.State()); err != nil || string(twice) != string(text) {
			t.Fatalf("read again it is\n%s, want\n%s (%v)", twice, text, err)
		}
		if again.Stable() != b.learner.Stable() || !slices.Equal(again.Curve(), b.learner.Curve()) {
			t.Fatalf("read again %d is stable, curve %v, want %d and %v", again.Stable(), again.Curve(), b.learner.Stable(), b.learner.Curve())
		}
		for level := 1; level <= b.max+1; level++ {
			if again.Fresh(b.now, level) != b.learner.Fresh(b.now, level) {
				t.Fatalf("read again level %d is fresh: %t", level, again.Fresh(b.now, level))
			}
		}
		if !again.Gate().IsZero() {
			t.Fatal("the gate survived; it is of the moment")
		}
		// Under other bounds these win.
		lo := rapid.IntRange(1, 6).Draw(t, "new min")
		hi := rapid.IntRange(lo, 6).Draw(t, "new max")
		other, err := limit.Restore(limit.Config{Min: lo, Max: hi}, read)
		if want := min(max(kept.Stable, lo), hi); err != nil || other.Stable() != want {
			t.Fatalf("between %d and %d %d is stable, want %d (%v)", lo, hi, other.Stable(), want, err)
		}
	})
}

// TestNothingRisesUnasked: where nobody waits, so that nobody asks whether more
// may start, no acceptance raises the limit.
func TestNothingRisesUnasked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newLedger(t)
		t.Repeat(b.actions()) // whatever it has met before
		for _, a := range slices.Clone(b.inFlight) {
			b.end(a, limit.Answered)
		}
		for range rapid.IntRange(1, 50).Draw(t, "starts") {
			before := b.learner.Stable()
			s := b.learner.Start(b.now, rapid.IntRange(0, 9).Draw(t, "in flight"), limit.Permit{OK: true})
			b.now = b.now.Add(time.Duration(rapid.IntRange(0, 10_000).Draw(t, "milliseconds")) * time.Millisecond)
			if rapid.IntRange(0, 3).Draw(t, "verdict") == 0 {
				b.learner.Refused(b.now, s, 0, 0.5)
			} else {
				b.learner.Accepted(b.now, s)
			}
			b.learner.Ended(b.now, s, limit.Answered)
			if after := b.learner.Stable(); after > before {
				t.Fatalf("the limit rose from %d to %d", before, after)
			}
		}
	})
}

// TestSameEventsSameLearner: what a learner becomes hangs on what it is told, and
// on nothing else.
func TestSameEventsSameLearner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		var said [2]string
		for i := range said {
			l := limit.New(limit.Config{})
			now := life(l, rand.New(rand.NewPCG(seed, 1302)), 500)
			text, err := json.Marshal(l.State())
			if err != nil {
				t.Fatal(err)
			}
			said[i] = fmt.Sprint(now, l.Gate(), l.Explain(now), l.Cause(now), string(text))
		}
		if said[0] != said[1] {
			t.Fatalf("twice the same, and it became\n%s and\n%s", said[0], said[1])
		}
	})
}
