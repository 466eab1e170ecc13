package pool_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

// busy keeps so many sessions of each lane calling without a pause for a span of
// time. It returns how many attempts there were, how many of them were refused,
// and the mean number in flight by lane.
func (w *world) busy(lanes []string, sessions int, span time.Duration) (attempts, refused int, mean map[string]float64) {
	end := w.now.Add(span)
	w.ended = func(c *call) {
		w.after(0, func() {
			if w.now.Before(end) {
				w.call(c.Lane, c.Session, admission.Interactive)
			}
		})
	}
	for _, lane := range lanes {
		for i := range sessions {
			w.call(lane, fmt.Sprint(lane, i), admission.Interactive)
		}
	}
	mean = map[string]float64{}
	seen := len(w.events)
	for w.now.Before(end) {
		w.run(100 * time.Millisecond)
		for lane, n := range w.byLane {
			mean[lane] += float64(n) * 0.1 / span.Seconds()
		}
		var open []*call // the audit need not look at all that ever was
		for _, c := range w.calls {
			if c.fate == "" {
				open = append(open, c)
			}
		}
		w.calls = open
	}
	w.ended = nil
	w.finish(time.Hour)
	for _, ev := range w.events[seen:] {
		switch ev.Kind {
		case pool.Admitted:
			attempts++
		case pool.Refused:
			refused++
		}
	}
	return attempts, refused, mean
}

// bearing is a provider with hard limits by lane and over all lanes; 0: none.
func bearing(w *world, lanes map[string]int, all int) func(*call) answer {
	return func(c *call) answer {
		most := lanes[c.Lane]
		if most > 0 && w.byLane[c.Lane] > most || all > 0 && w.inFlight > all {
			return no(provider.Concurrency, 0)
		}
		return good(300*time.Millisecond, 3*time.Second+time.Duration(len(w.events)%7)*200*time.Millisecond)
	}
}

func TestAnAccountsLimitIsFoundOverTwoLanes(t *testing.T) {
	w := newWorld(t, config(limit.Config{}, limit.Config{}))
	w.answers = bearing(w, nil, 3)
	lanes := []string{"glm", "air"}
	w.busy(lanes, 4, 5*time.Minute)
	attempts, refused, mean := w.busy(lanes, 4, 20*time.Minute)
	all := mean["glm"] + mean["air"]
	t.Logf("%d attempts, %d refused, %.2f in flight (%v)", attempts, refused, all, mean)
	if n := w.pool.Snapshot(w.now).Limit; n != 3 {
		t.Errorf("the account's limit is taken for %d", n)
	}
	if all < 2.8 {
		t.Errorf("%.2f of 3 slots were used", all)
	}
	if refused*100 > 2*attempts {
		t.Errorf("%d of %d attempts were refused", refused, attempts)
	}
}

func TestTheModelsLimitsAreFoundWhereTheAccountHasNone(t *testing.T) {
	w := newWorld(t, config(limit.Config{}, limit.Config{}))
	bears := map[string]int{"glm": 2, "air": 4}
	w.answers = bearing(w, bears, 0)
	lanes := []string{"glm", "air"}
	w.busy(lanes, 6, 10*time.Minute)
	attempts, refused, mean := w.busy(lanes, 6, 20*time.Minute)
	t.Logf("%d attempts, %d refused, in flight %v", attempts, refused, mean)
	for lane, n := range bears {
		if got := w.lane(lane).Limit; got != n {
			t.Errorf("lane %s bears %d, taken for %d", lane, n, got)
		}
		if mean[lane] < 0.9*float64(n) {
			t.Errorf("lane %s: %.2f of %d slots were used", lane, mean[lane], n)
		}
	}
	if refused*100 > 3*attempts {
		t.Errorf("%d of %d attempts were refused", refused, attempts)
	}
}

// Of two probes in one start the account's is taken for the one refused.
func TestARefusedProbeOfBothIsTheAccounts(t *testing.T) {
	w := newWorld(t, config(limit.Config{}, limit.Config{}))
	w.answers = func(c *call) answer {
		if w.inFlight > 2 {
			return no(provider.Concurrency, 0)
		}
		return good(300*time.Millisecond, 10*time.Second)
	}
	w.call("glm", "a", admission.Interactive)
	w.run(time.Second)
	w.call("air", "b", admission.Interactive)
	w.run(time.Second)
	c := w.call("glm", "c", admission.Interactive)
	w.run(500 * time.Millisecond)
	if len(c.starts) != 1 || c.last != provider.Concurrency {
		t.Fatalf("%d starts, %v", len(c.starts), c.last)
	}
	s := w.pool.State()
	if got := s.Limit.Levels[3].Refused; got != 1 {
		t.Errorf("%d refusals at the account's level 3", got)
	}
	if got := s.Lanes["glm"].Limit.Levels[2].Refused; got != 0 {
		t.Errorf("%d refusals at the lane's level 2", got)
	}
	w.finish(time.Minute)
}

func TestWhatRanDuringASleepTeachesNothing(t *testing.T) {
	tests := []struct {
		name   string
		answer answer
	}{
		{"accepted", good(200*time.Millisecond, time.Second)},
		{"refused for concurrency", no(provider.Concurrency, 0)},
		{"refused for frequency", no(provider.Frequency, 0)},
		{"refused for overload", no(provider.Overload, 0)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, config(limit.Config{}, limit.Config{}))
			w.answers = func(c *call) answer {
				a := good(200*time.Millisecond, time.Second)
				if len(c.starts) == 1 {
					a = tt.answer
				}
				a.first += 8 * time.Hour // the lid was shut
				a.took += 8 * time.Hour
				return a
			}
			before := w.pool.State()
			c := w.call("glm", "s", admission.Interactive)
			w.run(time.Second)
			w.pool.Slept()
			w.run(8 * time.Hour)
			after := w.pool.State()
			l := w.lane("glm")
			if len(l.Curve) > 0 || l.Pace != 0 || l.Overload || l.Paused != nil {
				t.Errorf("learned: %+v", l)
			}
			if after.Limit.Stable != before.Limit.Stable || after.Limit.Tokens != before.Limit.Tokens || !maps.Equal(after.Limit.Levels, before.Limit.Levels) {
				t.Errorf("learned: %+v", after.Limit)
			}
			w.answers = func(*call) answer { return good(200*time.Millisecond, time.Second) }
			w.finish(24 * time.Hour)
			w.want(c, "answered")
			w.finish(time.Minute)
			again := w.call("glm", "s", admission.Interactive)
			w.finish(time.Minute)
			w.want(again, "answered")
			if n := len(w.lane("glm").Curve); n != 1 {
				t.Errorf("what started afterwards teaches again: %d levels known", n)
			}
		})
	}
}
