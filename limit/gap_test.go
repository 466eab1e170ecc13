package limit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/limit"
)

// knowing is the state of a learner whose level was accepted just now, and
// which has no token for a probe.
func knowing(stable int, also func(*limit.State)) limit.State {
	s := limit.State{Version: limit.Version, Stable: stable, Levels: map[int]limit.Counted{stable: {Accepted: 1, Last: start}}}
	if also != nil {
		also(&s)
	}
	return s
}

func settledAt(d time.Duration) limit.Gap {
	return limit.Gap{Value: d, Low: d / 2, High: d, Settled: true, Proved: true, Blamed: true}
}

// TestGaps are stories of learners that know of a lag or a pace, or are told so.
// The language is that of TestLearner.
func TestGaps(t *testing.T) {
	lag := func(d time.Duration) func(*limit.State) { return func(s *limit.State) { s.Lag = settledAt(d) } }
	left := func(d time.Duration) func(*limit.State) {
		return func(s *limit.State) { s.Abandoned = settledAt(d) }
	}
	pace := func(d time.Duration) func(*limit.State) { return func(s *limit.State) { s.Pace = settledAt(d) } }
	tests := []struct {
		name   string
		state  limit.State
		script string
		log    string
	}{
		// A lag.
		{"a slot counts on after its answer", knowing(1, lag(300*time.Millisecond)), "?a ~1s +a ~15s /a ?b ~299ms ?b ~1ms ?b", "a .300ms .1ms b"},
		{"the next free slot is the one left first", knowing(2, lag(300*time.Millisecond)), "?a ?b ~1s +a +b ~5s /a ~100ms /b ?c ~200ms ?c ?d ~100ms ?d", "a b .200ms c .100ms d"},
		{"it counts beside those in flight", knowing(2, lag(time.Second)), "?a ?b ~1s +a +b /a ?c ~1s ?c", "a b .1s c"},
		{"a refused one does not count", knowing(1, lag(3*time.Second)), "?a ~1s -a ~625ms ?b", "a b"},
		{"one that was never sent does not count", knowing(1, lag(3*time.Second)), "?a ~1s oa ?b", "a b"},
		{"a hang-up counts at least as long", knowing(1, lag(time.Second)), "?a ~1s +a xa ?b ~1s ?b", "a .1s b"},
		{"a lag after hang-ups does not touch answers", knowing(1, left(2*time.Second)), "?a ~1s +a /a ?b ~1s +b xb ?c ~2s ?c #", "a b .2s c #0s/2s/0s"},
		{"nothing is probed while slots may count", knowing(1, func(s *limit.State) { s.Lag, s.Tokens = settledAt(time.Second), 2 }), "?a ~5s +a /a ?a ~1s ?a ~2s ?b", "a .1s a b^"},
		{"a refusal near a settled lag is not believed", knowing(1, lag(300*time.Millisecond)), "?a ~1s +a /a ~300ms ?b -b # =", "a b #300ms/300ms/0s =1"},
		{"the second within a few starts widens it", knowing(1, lag(300*time.Millisecond)), "?a ~1s +a /a ~300ms ?b -b ~625ms ?c ~1s +c /c ~300ms ?d -d # =", "a b c d #420ms/420ms/0s =1"},

		// A pace.
		{"starts are apart", knowing(2, pace(3*time.Second)), "?a ~1s ?b ~2s ?b", "a .2s b"},
		{"a refused start does not count", knowing(1, pace(3*time.Second)), "?a ~1s +a /a ~2s ?b ~100ms -b ~900ms ?c", "a b c"},
		{"one refusal near a settled pace changes nothing", knowing(2, pace(3*time.Second)), "?a +a ~3s ?b ~100ms !b #", "a b #0s/0s/3s"},
		{"a second one soon widens it", knowing(9, pace(3*time.Second)), "?a +a ~3s ?b ~100ms !b ~3s ?c +c ~3s ?d ~100ms !d #", "a b c d #0s/0s/4.2s"},
		{"one of twelve seconds that does not suffice grows, since the provider says so", knowing(9, pace(12*time.Second)), "?a +a ~12s ?b ~100ms !b ~13s ?c +c ~12s ?d ~100ms !d #", "a b c d #0s/0s/16.8s"},

		// A provider that says that starts come too often.
		{"a first refusal spaces them by more than was too close", knowing(9, nil), "?a ~50ms ?b ~300ms !b # ?c ~250ms ?c", "a b #0s/0s/142ms .250ms c"},
		{"a wider space is widened", knowing(9, nil), "?a ~2s ?b ~100ms !b # ?c", "a b #0s/0s/2.829s .2.829s"},
		{"a pause is not taken for a space", knowing(9, nil), "?a ~66s ?b ~100ms !b #", "a b #0s/0s/283ms"},
		{"a wave of refusals moves starts apart once", knowing(9, nil), "?a ~2s ?b ~300ms ?c ~100ms !c !b # ?d", "a b c #0s/0s/425ms .425ms"},
		{"a start after the refusal was known counts again", knowing(9, nil), "?a ~2s ?b !b ~3s ?c +c ~3s ?d !d #", "a b c d #0s/0s/4.03s"},
		{"a hint is kept to the full", knowing(9, nil), "?a ~50ms ?b ~100ms !b:8s ?c", "a b .8.25s"},
		{"a short hint does not shorten the space", knowing(9, nil), "?a ~4s ?b ~100ms !b:1s ?c ~1557ms ?c", "a b .1.557s c"},
		{"a gate is never pulled in", knowing(9, nil), "?a ~50ms ?b ?c ~100ms !b:8s !c ?d", "a b c .8.25s"},
		{"each further one in a row shuts the lane for twice as long", knowing(9, nil), "?a !a ~1s ?b !b ?c ~1s ?c !c ?d ~2s ?d !d ?e", "a b .1s c .2s d .4s"},
		{"and an acceptance ends the row", knowing(9, nil), "?a !a ~1s ?b !b ~1s ?c +c ~1s ?d !d ?e", "a b c d .430ms"},
		{"the level does not fall for it", knowing(9, nil), "?a +a " + strings.Repeat("~60s ?b !b ", 9) + "=", "a " + strings.Repeat("b ", 9) + "=9"},
		{"nor is it in doubt", knowing(2, nil), "?a +a ~100ms ?b !b ~1s ?b", "a b b"},
		{"a probe that came too often was none", knowing(1, func(s *limit.State) { s.Tokens = 2 }), "?a ~1s +a ?b !b $ ~2s ?c", "a b^ $2.009/10s c^"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := limit.Restore(limit.Config{}, tt.state)
			if err != nil {
				t.Fatal(err)
			}
			s := &story{t: t, learner: l, now: start, attempts: map[string]limit.Start{}}
			for step := range strings.FieldsSeq(tt.script) {
				s.play(step)
			}
			if got := strings.Join(s.log, " "); got != tt.log {
				t.Errorf("script %s\ngot  %s\nwant %s", tt.script, got, tt.log)
			}
		})
	}
}
