package pool_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/retry"
)

// one is a world with a limit of one that gives each attempt of the call with
// the id the answers in turn, and then takes it; all others it takes at once.
func one(t failer, id string, answers ...answer) *world {
	w := newWorld(t, config(fixed(1), limit.Config{}))
	w.answers = func(c *call) answer {
		if n := len(c.starts); c.ID == id && n <= len(answers) {
			return answers[n-1]
		}
		return good(200*time.Millisecond, time.Second)
	}
	return w
}

func times(n int, a answer) []answer { return slices.Repeat([]answer{a}, n) }

// order returns the ids of the calls by their starts.
func (w *world) order() []string {
	var ids []string
	for _, ev := range w.events {
		if ev.Kind == pool.Admitted {
			ids = append(ids, ev.Request)
		}
	}
	return ids
}

func TestWhichVerdictsAreRetried(t *testing.T) {
	tests := []struct {
		kind    provider.Kind
		retried bool
		closed  bool // the lane
		flagged bool
	}{
		{kind: provider.Concurrency, retried: true},
		{kind: provider.Frequency, retried: true},
		{kind: provider.Throttled, retried: true},
		{kind: provider.Overload, retried: true},
		{kind: provider.Server, retried: true},
		{kind: provider.Transport, retried: true},
		{kind: provider.Quota, closed: true},
		{kind: provider.Flagged, flagged: true},
		{kind: provider.Plan},
		{kind: provider.Auth},
		{kind: provider.Invalid},
		{kind: provider.Content},
		{kind: provider.Unknown},
	}
	for _, tt := range tests {
		for _, final := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, final %v", tt.kind, final), func(t *testing.T) {
				a := no(tt.kind, 0)
				a.Final = final
				w := one(t, "r0", a)
				c := w.call("glm", "s", admission.Interactive)
				w.finish(time.Minute)
				want, attempts := "passed", 1
				if tt.retried && !final {
					want, attempts = "answered", 2
				}
				w.want(c, want)
				if len(c.starts) != attempts || c.entry.Attempts() != attempts {
					t.Errorf("%d attempts (%d by the entry), want %d", len(c.starts), c.entry.Attempts(), attempts)
				}
				if final {
					return
				}
				l := w.lane("glm")
				if (l.Closed != nil) != tt.closed || (w.pool.Snapshot(w.now).Flagged != nil) != tt.flagged {
					t.Errorf("closed: %+v, flagged: %+v", l.Closed, w.pool.Snapshot(w.now).Flagged)
				}
				if n := l.Verdicts[tt.kind]; n != 1 {
					t.Errorf("verdicts: %v", l.Verdicts)
				}
			})
		}
	}
}

func TestARetriedRequestKeepsItsPlace(t *testing.T) {
	tests := []struct {
		kind provider.Kind
		want string // the order of starts; a is refused first, b, c and d arrived later
	}{
		{provider.Concurrency, "[a a b c d]"},
		{provider.Frequency, "[a a b c d]"},
		{provider.Throttled, "[a a b c d]"},
		{provider.Overload, "[a b a c d]"}, // another goes first, once
		{provider.Server, "[a b a c d]"},   // its own back-off is under a second, which is the length of a call
		{provider.Transport, "[a b a c d]"},
	}
	for _, tt := range tests {
		for class := range admission.Background + 1 {
			t.Run(fmt.Sprintf("%s, %s", tt.kind, class), func(t *testing.T) {
				w := one(t, "a", no(tt.kind, 0))
				for i, id := range []string{"a", "b", "c", "d"} {
					session := "s" + id
					w.after(time.Duration(i)*time.Millisecond, func() {
						w.arrive(pool.Request{ID: id, Lane: "glm", Session: session, Class: class})
					})
				}
				w.run(0)
				w.run(time.Second)
				w.finish(time.Minute)
				want := tt.want
				if class == admission.Background && want == "[a b a c d]" {
					want = "[a a b c d]" // no optional work starts while another waits to be retried
				}
				if got := fmt.Sprint(w.order()); got != want {
					t.Errorf("order %v, want %v", got, want)
				}
			})
		}
	}
}

func TestFaultsOfItsOwnAreRepeatedAFewTimes(t *testing.T) {
	dial := no(provider.Transport, 0)
	dial.Dial = true
	tests := []struct {
		name     string
		max      int
		answer   answer
		attempts int
	}{
		{"server faults five times", 0, no(provider.Server, 0), 6},
		{"broken connections five times", 0, no(provider.Transport, 0), 6},
		{"without a connection three times", 0, dial, 4},
		{"as often as configured", 2, no(provider.Server, 0), 3},
		{"once, if configured so", 1, no(provider.Server, 0), 2},
		{"never, if configured so", -1, no(provider.Server, 0), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config(fixed(1), limit.Config{})
			cfg.Retry = retry.Policy{MaxRetries: tt.max}
			w := newWorld(t, cfg)
			w.answers = func(*call) answer { return tt.answer }
			c := w.call("glm", "s", admission.Interactive)
			w.finish(time.Hour)
			w.want(c, "passed")
			if len(c.starts) != tt.attempts {
				t.Errorf("%d attempts, want %d", len(c.starts), tt.attempts)
			}
		})
	}
	t.Run("one less than that and it is answered", func(t *testing.T) {
		w := one(t, "r0", times(5, no(provider.Server, 0))...)
		c := w.call("glm", "s", admission.Interactive)
		w.finish(time.Hour)
		w.want(c, "answered")
	})
	t.Run("refusals for concurrency and frequency are not counted", func(t *testing.T) {
		w := one(t, "r0", append(times(15, no(provider.Concurrency, 0)), times(15, no(provider.Frequency, 0))...)...)
		c := w.call("glm", "s", admission.Interactive)
		w.finish(time.Hour)
		w.want(c, "answered")
	})
}

// Each of the verdicts that speak for the whole lane.
var laneWide = []provider.Kind{provider.Concurrency, provider.Frequency, provider.Throttled, provider.Overload}

func TestAHintedPauseEndsByItself(t *testing.T) {
	for _, kind := range laneWide {
		t.Run(kind.String(), func(t *testing.T) {
			const hint = 30 * time.Second
			w := one(t, "r0", no(kind, hint))
			c := w.call("glm", "s", admission.Interactive)
			w.run(5 * time.Second)
			if p := w.lane("glm").Paused; p == nil || p.Until.Sub(c.starts[0]) < hint {
				t.Errorf("shown: %+v", p)
			}
			w.finish(time.Minute)
			refused := c.starts[0].Add(100 * time.Millisecond)
			if wait := c.starts[1].Sub(refused); wait < hint || wait > hint+500*time.Millisecond {
				t.Errorf("started again after %v, asked for %v", wait, hint)
			}
			if p := w.lane("glm").Paused; p != nil {
				t.Errorf("still shown: %+v", p)
			}
		})
	}
}

func TestAHintLongerThanTheHoldIsAnsweredAtOnce(t *testing.T) {
	for _, kind := range laneWide {
		t.Run(kind.String(), func(t *testing.T) {
			w := one(t, "a", no(kind, time.Minute))
			soon := epoch.Add(30 * time.Second)
			a := w.arrive(pool.Request{ID: "a", Lane: "glm", Session: "a", Deadline: soon})
			b := w.arrive(pool.Request{ID: "b", Lane: "glm", Session: "b", Deadline: soon})
			c := w.arrive(pool.Request{ID: "c", Lane: "glm", Session: "c", Deadline: epoch.Add(2 * time.Minute)})
			d := w.arrive(pool.Request{ID: "d", Lane: "glm", Session: "d"})
			w.run(100 * time.Millisecond)
			w.want(a, "passed")
			w.want(b, "turned")
			if b.turned.Reason != pool.MaxWait || b.turned.Kind != kind || b.turned.Until.Before(epoch.Add(time.Minute)) {
				t.Errorf("turned away: %+v", b.turned)
			}
			w.want(c, "")
			w.want(d, "")
			w.run(time.Second)
			late := w.arrive(pool.Request{Lane: "glm", Session: "e", Deadline: soon})
			w.want(late, "turned")
			w.finish(2 * time.Minute)
			w.want(c, "answered")
			w.want(d, "answered")
			again := w.arrive(pool.Request{Lane: "glm", Session: "a", Deadline: w.now.Add(5 * time.Second)})
			w.finish(5 * time.Second)
			w.want(again, "answered")
		})
	}
	t.Run("of one request's own fault, and no other's", func(t *testing.T) {
		w := one(t, "a", no(provider.Server, time.Minute))
		soon := epoch.Add(30 * time.Second)
		a := w.arrive(pool.Request{ID: "a", Lane: "glm", Session: "a", Deadline: soon})
		b := w.arrive(pool.Request{ID: "b", Lane: "glm", Session: "b", Deadline: soon})
		w.finish(30 * time.Second)
		w.want(a, "passed")
		w.want(b, "answered")
	})
	t.Run("also in the other lanes if it speaks of the account", func(t *testing.T) {
		w := newWorld(t, config(limit.Config{}, limit.Config{Min: 2, Max: 2}))
		w.answers = func(c *call) answer {
			if c.ID == "b" && len(c.starts) == 1 {
				return no(provider.Concurrency, time.Minute)
			}
			return good(200*time.Millisecond, 20*time.Second)
		}
		soon := epoch.Add(30 * time.Second)
		w.arrive(pool.Request{ID: "a", Lane: "glm", Session: "a"})
		w.arrive(pool.Request{ID: "b", Lane: "air", Session: "b"})
		c := w.arrive(pool.Request{ID: "c", Lane: "flash", Session: "c", Deadline: soon})
		w.run(time.Second)
		w.want(c, "turned")
		w.want(w.arrive(pool.Request{Lane: "flash", Session: "d", Deadline: soon}), "turned")
		w.finish(3 * time.Minute)
	})
}

func TestACancelThatRacesAGrantLosesNoSlot(t *testing.T) {
	w := newWorld(t, config(fixed(1), limit.Config{}))
	a := w.call("glm", "a", admission.Interactive)
	b := w.call("glm", "b", admission.Interactive)
	c := w.call("glm", "c", admission.Interactive)
	w.granted = func(got *call) {
		if got == b { // its client leaves in the moment in which b is told
			if w.pool.Cancel(w.now, b.entry) {
				t.Errorf("a request that holds a slot was taken back as waiting")
			}
			w.leave(b)
		}
	}
	w.finish(2 * time.Second)
	w.want(a, "answered")
	w.want(b, "left")
	w.want(c, "answered")
	if !c.starts[0].Equal(a.ended) {
		t.Errorf("the slot was handed on %v later", c.starts[0].Sub(a.ended))
	}
}

func TestNothingCountsTwice(t *testing.T) {
	w := newWorld(t, config(fixed(1), limit.Config{}))
	c := w.call("glm", "s", admission.Interactive)
	w.finish(time.Minute)
	w.pool.Accepted(w.now, c.entry)
	w.pool.Ended(w.now, c.entry, limit.Answered)
	if w.pool.Cancel(w.now, c.entry) {
		t.Errorf("a request that is done was taken back")
	}
	if d := w.pool.Refused(w.now, c.entry, no(provider.Overload, 0).Outcome); d != pool.Pass {
		t.Errorf("a request that is done is retried")
	}
	w.settle()
	if got := w.lane("glm").Verdicts; len(got) != 1 || got[provider.OK] != 1 {
		t.Errorf("verdicts %v", got)
	}
}
