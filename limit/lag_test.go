package limit_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weirhq/weir/limit"
)

// TestALagIsFoundWithFewRefusals: what it costs to find a lag, and how right it is.
// Calls last 16 s on average.
func TestALagIsFoundWithFewRefusals(t *testing.T) {
	const seeds = 20
	tests := []struct {
		lag      time.Duration
		bears    int
		hangUps  bool // it is one after hang-ups alone
		suspects int  // median of refusals until it is suspected
		settles  int  // and until it is settled
		within   time.Duration
	}{
		{lag: 300 * time.Millisecond, bears: 2, suspects: 5, settles: 10, within: 5 * time.Minute},
		{lag: 300 * time.Millisecond, bears: 4, suspects: 5, settles: 10, within: 5 * time.Minute},
		{lag: 300 * time.Millisecond, bears: 8, suspects: 5, settles: 10, within: 5 * time.Minute},
		{lag: 1500 * time.Millisecond, bears: 4, suspects: 5, settles: 10, within: 5 * time.Minute},
		{lag: 2 * time.Second, bears: 4, hangUps: true, suspects: 5, settles: 14, within: 45 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s at a limit of %d, after hang-ups alone: %t", tt.lag, tt.bears, tt.hangUps), func(t *testing.T) {
			var suspected, settled []int
			var after []time.Duration
			for seed := range uint64(seeds) {
				w := newSim(seed, 4*time.Hour, constant(tt.bears))
				gap := func() limit.Gap { return w.learner.State().Lag }
				if w.lag = tt.lag; tt.hangUps {
					w.lag, w.left, w.hangUps = 0, tt.lag, 0.05
					gap = func() limit.Gap { return w.learner.State().Abandoned }
				}
				suspects, settles := -1, -1
				w.followed = func(w *world) {
					switch {
					case settles >= 0:
					case suspects < 0 && gap().Value > 0:
						suspects = w.refused
					case suspects >= 0 && gap().Settled && gap().Value >= tt.lag:
						settles = w.refused
						after = append(after, w.now)
						w.horizon = w.now
					}
				}
				w.run()
				if settles < 0 {
					t.Errorf("seed %d: not found in four hours: %s", seed, w.learner.Explain(start.Add(w.now)))
					continue
				}
				suspected, settled = append(suspected, suspects), append(settled, settles)
			}
			slices.Sort(suspected)
			slices.Sort(settled)
			slices.Sort(after)
			n := len(settled)
			if n == 0 {
				return
			}
			t.Logf("suspected after %d refusals, settled after %d (all: %d) and %s (all: %s)", suspected[n/2], settled[n/2], settled[n-1], after[n/2].Round(time.Second), after[n-1].Round(time.Second))
			if suspected[n/2] > tt.suspects || settled[n/2] > tt.settles || after[n/2] > tt.within {
				t.Errorf("want %d, %d and %s", tt.suspects, tt.settles, tt.within)
			}
		})
	}
}

// TestASearchThatNothingEndsKeepsNoLimitDown: a lag was being looked for when the
// work stopped for the night. By morning the limit has risen, and nothing lags any
// more.
func TestASearchThatNothingEndsKeepsNoLimitDown(t *testing.T) {
	for _, settled := range []bool{false, true} {
		for _, above := range []time.Time{{}, start.Add(-12 * time.Hour)} {
			t.Run(fmt.Sprintf("settled: %t, the level above was refused: %t", settled, !above.IsZero()), func(t *testing.T) {
				l, err := limit.Restore(limit.Config{}, knowing(3, func(s *limit.State) {
					s.Above = above
					s.Lag = limit.Gap{Value: 400 * time.Millisecond, Low: 300 * time.Millisecond, High: 500 * time.Millisecond, Settled: settled, Proved: true, Blamed: true}
				}))
				if err != nil {
					t.Fatal(err)
				}
				w := newSim(1, 8*time.Hour, constant(8))
				w.learner = l
				w.run()
				if lag, _ := l.Lag(); l.Stable() != 8 || lag != 0 {
					t.Errorf("after eight hours %s", l.Explain(start.Add(w.now)))
				}
			})
		}
	}
}

// TestHeldSlotsCount: at no moment do those in flight and those left less than
// the lag ago add up to more than the stable level and one.
func TestHeldSlotsCount(t *testing.T) {
	const lag = 1500 * time.Millisecond
	l, err := limit.Restore(limit.Config{}, knowing(4, func(s *limit.State) { s.Lag, s.Tokens = settledAt(lag), 3 }))
	if err != nil {
		t.Fatal(err)
	}
	var running []limit.Start
	var left []time.Time
	now, started := start, 0
	for i := range 20_000 {
		now = now.Add(time.Duration(37+i%91) * time.Millisecond)
		held, free := 0, time.Time{}
		for len(left) > 0 && !now.Before(left[0].Add(lag)) {
			left = left[1:]
		}
		for _, at := range left {
			if held++; held == 1 {
				free = at.Add(lag)
			}
		}
		p := l.May(now, len(running))
		switch {
		case p.OK:
			s := l.Start(now, len(running), p)
			started++
			if s.Level != len(running)+held+1 || s.Level > l.Stable()+1 {
				t.Fatalf("a start beside %d in flight and %d held is known as level %d, %d is stable", len(running), held, s.Level, l.Stable())
			}
			l.Accepted(now, s)
			running = append(running, s)
		case held > 0 && (p.Until.IsZero() || p.Until.After(free)):
			t.Fatalf("the next slot is free in %s, and it wants to be asked in %s", free.Sub(now), p.Until.Sub(now))
		}
		if len(running) > 0 && i%3 == 0 {
			l.Ended(now, running[0], limit.Answered)
			running, left = running[1:], append(left, now)
		}
	}
	if value, _ := l.Lag(); value != lag || started < 1000 {
		t.Fatalf("after %d starts the lag is %s", started, value)
	}
}
