package limit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/limit"
)

// TestCauses lets the learner meet each thing that a provider may mind, and
// nothing else, for four hours.
func TestCauses(t *testing.T) {
	tests := []struct {
		name      string
		bears     int
		provider  func(*world)
		cause     limit.Cause
		lag, left [2]time.Duration // between
		pace      [2]time.Duration
		says      string
		refused   float64 // at most
	}{
		{name: "nothing but a limit", bears: 4, cause: limit.ByLevel, says: "4 is stable", refused: 0.01},
		{name: "a lag of 300 ms", bears: 4, provider: func(w *world) { w.lag = 300 * time.Millisecond },
			cause: limit.ByLag, lag: [2]time.Duration{300 * time.Millisecond, 450 * time.Millisecond}, left: [2]time.Duration{300 * time.Millisecond, 450 * time.Millisecond},
			says: "slots are counted 0.3", refused: 0.015},
		{name: "a lag of 3 s at a limit of one", bears: 1, provider: func(w *world) { w.lag = 3 * time.Second },
			cause: limit.ByLag, lag: [2]time.Duration{3 * time.Second, 3500 * time.Millisecond}, left: [2]time.Duration{3 * time.Second, 3500 * time.Millisecond},
			says: "slots are counted 3", refused: 0.03},
		{name: "a lag after hang-ups alone", bears: 4, provider: func(w *world) { w.left, w.hangUps = 2*time.Second, 0.05 },
			cause: limit.ByLag, left: [2]time.Duration{2 * time.Second, 2500 * time.Millisecond},
			says: "after a client hung up", refused: 0.013},
		{name: "a space of 3 s between starts", bears: 10, provider: func(w *world) { w.pace = 3 * time.Second },
			cause: limit.ByPace, pace: [2]time.Duration{3 * time.Second, 3600 * time.Millisecond},
			says: "starts must be 3", refused: 0.01},
		{name: "half a minute of refusals after each for the level", bears: 4, provider: func(w *world) { w.penalty = 30 * time.Second },
			cause: limit.ByWindow, says: "after a refusal everything is refused for a while", refused: 0.02},
		{name: "refusals that mean nothing", bears: 4, provider: func(w *world) { w.noise = 0.01 },
			cause: limit.ByNoise, says: "meant nothing", refused: 0.022},
		{name: "calls that are kept waiting", bears: 3, provider: func(w *world) { w.keeps = 45 * time.Second },
			cause: limit.ByLevel, says: "at 4 the provider kept", refused: 0},
		{name: "another program, on and off", bears: 5, provider: func(w *world) {
			w.limit = func(at time.Duration) int { return 5 - int(at/(10*time.Minute))%2 }
		}, cause: limit.Outsider, says: "something else uses this account", refused: 0.016},
	}
	between := func(d time.Duration, b [2]time.Duration) bool { return d >= b[0] && d <= b[1] }
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wrong := 0
			for seed := range uint64(5) {
				w := newSim(seed, 4*time.Hour, constant(tt.bears))
				if tt.provider != nil {
					tt.provider(w)
				}
				w.run()
				now := start.Add(w.now)
				if got := w.learner.Cause(now); got != tt.cause {
					t.Logf("seed %d: the cause is taken for %s: %s", seed, got, w.learner.Explain(now))
					wrong++
					continue
				}
				lag, left := w.learner.Lag()
				if !between(lag, tt.lag) || !between(left, tt.left) || !between(w.learner.Pace(), tt.pace) {
					t.Errorf("seed %d: lag %s and %s, pace %s", seed, lag, left, w.learner.Pace())
				}
				if says := w.learner.Explain(now); !strings.Contains(says, tt.says) {
					t.Errorf("seed %d: it says %q, and not %q", seed, says, tt.says)
				}
				if share := float64(w.refused) / float64(w.starts); share > tt.refused {
					t.Errorf("seed %d: %d of %d refused", seed, w.refused, w.starts)
				}
				if w.above > 0 {
					t.Errorf("seed %d: %d starts more than one above the stable level", seed, w.above)
				}
			}
			if wrong > 1 {
				t.Errorf("the cause is wrong in %d of 5 seeds, want %s", wrong, tt.cause)
			}
		})
	}
}

// TestExtremes: providers that nothing can be learned from, and hints that nobody
// can mean.
func TestExtremes(t *testing.T) {
	t.Run("all is refused from the start", func(t *testing.T) {
		w := newSim(1, 2*time.Hour, constant(0))
		w.run()
		if w.learner.Stable() != 1 || w.starts > 150 || w.starts < 100 {
			t.Errorf("%d starts in two hours, %d stable; want one a minute", w.starts, w.learner.Stable())
		}
	})
	t.Run("all is noise", func(t *testing.T) {
		w := newSim(1, 2*time.Hour, constant(4))
		w.noise = 1
		w.run()
		if w.learner.Stable() != 1 || w.starts > 150 {
			t.Errorf("%d starts in two hours, %d stable", w.starts, w.learner.Stable())
		}
	})
	t.Run("all is accepted", func(t *testing.T) {
		w := newSim(1, 2*time.Hour, constant(1000))
		w.learner = limit.New(limit.Config{Max: 12})
		w.run()
		if w.learner.Stable() != 12 || w.refused > 0 || w.above > 0 {
			t.Errorf("%d stable, %d refused", w.learner.Stable(), w.refused)
		}
	})
	t.Run("the clock stands still", func(t *testing.T) {
		l := limit.New(limit.Config{})
		for range 1000 {
			p := l.May(start, 0)
			if !p.OK {
				continue
			}
			s := l.Start(start, 0, p)
			l.Accepted(start, s)
			l.Ended(start, s, limit.Answered)
			l.Explain(start)
		}
	})
	for _, hint := range []time.Duration{-time.Hour, -1, 0, 365 * 24 * time.Hour, 1<<63 - 1} {
		t.Run("a hint of "+hint.String(), func(t *testing.T) {
			l := limit.New(limit.Config{Start: 2})
			s := l.Start(start, 1, l.May(start, 1))
			l.Refused(start, s, hint, 0.5)
			l.Ended(start, s, limit.Unsent)
			if at := l.Gate().Sub(start); at > time.Hour+time.Second || hint <= 0 && at > time.Second {
				t.Errorf("the gate is shut for %s", at)
			}
			p := l.May(start.Add(2*time.Hour), 0)
			if !p.OK {
				t.Errorf("two hours later nothing may start: %+v", p)
			}
		})
	}
	t.Run("a sleep with a probe under way", func(t *testing.T) {
		l := limit.New(limit.Config{})
		a := l.Start(start, 0, l.May(start, 0))
		now := start.Add(time.Second)
		l.Accepted(now, a)
		probe := l.Start(now, 1, l.May(now, 1))
		tokens := l.State().Tokens
		l.Slept()
		now = now.Add(8 * time.Hour)
		l.Ended(now, a, limit.Unsent)
		l.Ended(now, probe, limit.Unsent)
		if p := l.May(now, 0); !p.OK || l.State().Tokens != tokens || l.Stable() != 1 {
			t.Errorf("after the sleep: %+v, %+v", p, l.State())
		}
	})
}
