package limit_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weirhq/weir/limit"
)

func TestRestoreRefusesDamagedStates(t *testing.T) {
	good := limit.State{Version: limit.Version, Stable: 3, Tokens: 1, Wait: 10 * time.Second}
	tests := []struct {
		name   string
		damage func(*limit.State)
		ok     bool
	}{
		{"whole", func(*limit.State) {}, true},
		{"no version", func(s *limit.State) { s.Version = 0 }, false},
		{"a later version", func(s *limit.State) { s.Version++ }, false},
		{"the first version", func(s *limit.State) { s.Version = 1 }, true},
		{"endless debt is brought up", func(s *limit.State) { s.Tokens = math.Inf(-1) }, true},
		{"nothing is stable", func(s *limit.State) { s.Stable = 0 }, false},
		{"less than nothing is stable", func(s *limit.State) { s.Stable = -3 }, false},
		{"a negative pause", func(s *limit.State) { s.Wait = -1 }, false},
		{"tokens that are no number", func(s *limit.State) { s.Tokens = math.NaN() }, false},
		{"level zero", func(s *limit.State) { s.Levels = map[int]limit.Counted{0: {}} }, false},
		{"a negative level", func(s *limit.State) { s.Levels = map[int]limit.Counted{-1: {}} }, false},
		{"a level that would need all memory", func(s *limit.State) { s.Levels = map[int]limit.Counted{1 << 40: {}} }, false},
		{"a negative score", func(s *limit.State) { s.Levels = map[int]limit.Counted{1: {Score: -1}} }, false},
		{"a score that is no number", func(s *limit.State) { s.Levels = map[int]limit.Counted{1: {Score: math.NaN()}} }, false},
		{"more tokens than can be saved are brought down", func(s *limit.State) { s.Tokens = 99 }, true},
		{"a deeper debt than there is is brought up", func(s *limit.State) { s.Tokens = -99 }, true},
		{"no pause is the shortest", func(s *limit.State) { s.Wait = 0 }, true},
		{"too long a pause is the longest", func(s *limit.State) { s.Wait = time.Hour }, true},
		{"a level above all bounds is brought down", func(s *limit.State) { s.Stable = 1 << 40 }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := good
			tt.damage(&s)
			l, err := limit.Restore(limit.Config{Max: 8}, s)
			if !tt.ok {
				if err == nil || l != nil {
					t.Fatalf("it was read: %+v", l.State())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkState(t, l, 8)
		})
	}
}

// What the first version of a state said is still known.
func TestAnOlderStateIsRead(t *testing.T) {
	const text = `{"version":1,"stable":3,"tokens":1.25,"wait":40000000000,"next":"2026-03-01T09:05:00Z","careful":true,` +
		`"levels":{"3":{"accepted":412,"refused":2,"score":0.5,"last":"2026-03-01T09:00:00Z"},"4":{"accepted":0,"refused":6,"score":15,"last":"0001-01-01T00:00:00Z"}}}`
	var s limit.State
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	l, err := limit.Restore(limit.Config{}, s)
	if err != nil {
		t.Fatal(err)
	}
	answered, abandoned := l.Lag()
	if l.Stable() != 3 || answered+abandoned+l.Pace() != 0 || !l.Fresh(start.Add(time.Minute), 3) {
		t.Errorf("%d is stable, lag %s and %s, pace %s", l.Stable(), answered, abandoned, l.Pace())
	}
	if curve, want := l.Curve(), []limit.LevelCount{{Level: 3, Accepted: 412, Refused: 2}, {Level: 4, Refused: 6}}; !slices.Equal(curve, want) {
		t.Errorf("the curve is %v, want %v", curve, want)
	}
	again := l.State()
	if again.Version != limit.Version || again.Tokens != 1.25 || again.Wait != 40*time.Second || !again.Next.Equal(start.Add(5*time.Minute)) || !again.Careful {
		t.Errorf("it goes on as %+v", again)
	}
}

// A gap that no learner can have written is none; the rest of the state is read.
func TestDamagedGapsAreDropped(t *testing.T) {
	const second = time.Second
	tests := []struct {
		name string
		gap  limit.Gap
		kept time.Duration
	}{
		{"whole", limit.Gap{Value: second, Low: second / 2, High: second, Settled: true}, second},
		{"in a search", limit.Gap{Value: second, Low: second / 2, High: 2 * second}, second},
		{"none", limit.Gap{}, 0},
		{"a negative value", limit.Gap{Value: -second, High: second, Settled: true}, 0},
		{"longer than any", limit.Gap{Value: 61 * second, High: second, Settled: true}, 0},
		{"the longest duration there is", limit.Gap{Value: 1<<63 - 1, Low: 1<<63 - 1, High: 1<<63 - 1}, 0},
		{"refused at less than nothing", limit.Gap{Value: second, Low: -1, High: second}, 0},
		{"refused at more than any", limit.Gap{Value: second, Low: 13 * second, High: second}, 0},
		{"held at less than nothing", limit.Gap{Value: second, High: -second}, 0},
		{"held at more than any", limit.Gap{Value: second, High: 13 * second}, 0},
		{"a bracket upside down", limit.Gap{Value: second, Low: 3 * second, High: second / 10}, second},
		{"nothing is known of its bracket", limit.Gap{Value: second}, second},
		{"a pause of less than nothing", limit.Gap{Value: second, High: second, Settled: true, Pause: -7}, second},
		{"a pause without end", limit.Gap{Value: second, High: second, Settled: true, Pause: 1 << 60}, second},
	}
	for _, tt := range tests {
		for _, of := range []string{"lag", "abandoned", "pace"} {
			t.Run(tt.name+", "+of, func(t *testing.T) {
				s := knowing(2, func(s *limit.State) {
					*map[string]*limit.Gap{"lag": &s.Lag, "abandoned": &s.Abandoned, "pace": &s.Pace}[of] = tt.gap
				})
				l, err := limit.Restore(limit.Config{}, s)
				if err != nil {
					t.Fatal(err)
				}
				answered, abandoned := l.Lag()
				got := map[string]time.Duration{"lag": answered, "abandoned": abandoned, "pace": l.Pace()}[of]
				if got != tt.kept || l.Stable() != 2 {
					t.Errorf("%s, want %s; %d is stable", got, tt.kept, l.Stable())
				}
				// Whatever it is, a life later it is a length that can be.
				life(l, rand.New(rand.NewPCG(1, 1302)), 2000)
				answered, abandoned = l.Lag()
				if answered < 0 || abandoned > 3500*time.Millisecond || l.Pace() < 0 || l.Pace() > time.Minute {
					t.Errorf("lag %s and %s, pace %s", answered, abandoned, l.Pace())
				}
			})
		}
	}
}

// A state from a clock that was ahead, by an hour or by a hundred years, can be
// read, lived with and written again.
func TestAStateFromTheFuture(t *testing.T) {
	for _, ahead := range []time.Duration{time.Hour, 100 * 24 * time.Hour, 100 * 365 * 24 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			l := limit.New(limit.Config{})
			life(l, rand.New(rand.NewPCG(1, 1302)), 500)
			s := l.State()
			s.Next, s.Above, s.History.At = start.Add(ahead), start.Add(ahead), start.Add(ahead)
			for i := range s.Hours {
				s.Hours[i].Hour += int32(ahead / time.Hour)
			}
			l, err := limit.Restore(limit.Config{}, s)
			if err != nil {
				t.Fatal(err)
			}
			life(l, rand.New(rand.NewPCG(2, 1302)), 500)
			if _, err := json.Marshal(l.State()); err != nil {
				t.Errorf("it cannot be written down: %v", err)
			}
		})
	}
}

func checkState(t *testing.T, l *limit.Learner, most int) {
	t.Helper()
	s := l.State()
	if s.Stable < 1 || s.Stable > most || !(s.Tokens >= -1 && s.Tokens <= 3) || s.Wait < 10*time.Second || s.Wait > 8*time.Minute {
		t.Errorf("a learner was restored that none could have become: %+v", s)
	}
}

// TestRestoredLearnerGoesOn: a night later all levels are stale, nothing else has
// changed.
func TestRestoredLearnerGoesOn(t *testing.T) {
	s := limit.State{Version: limit.Version, Stable: 3, Tokens: 2, Wait: 20 * time.Second, Levels: map[int]limit.Counted{3: {Accepted: 412, Last: start}}}
	l, err := limit.Restore(limit.Config{}, s)
	if err != nil {
		t.Fatal(err)
	}
	if !l.Fresh(start.Add(time.Minute), 2) || l.Fresh(start.Add(time.Minute), 4) || l.Fresh(start.Add(8*time.Hour), 3) {
		t.Error("levels up to 3 are fresh for ten minutes, and no others")
	}
	morning := start.Add(8 * time.Hour)
	var begun []time.Duration
	for now, n := morning, 0; n < 3; now = now.Add(100 * time.Millisecond) {
		if p := l.May(now, n); p.OK {
			l.Start(now, n, p)
			begun = append(begun, now.Sub(morning))
			n++
		}
	}
	if begun[0] != 0 || begun[1] != 400*time.Millisecond || begun[2] != 800*time.Millisecond {
		t.Errorf("three start after %v, want 0.4 s apart", begun)
	}
	if p := l.May(morning.Add(time.Hour), 3); p.OK {
		t.Error("a level is probed before the one below it was accepted again")
	}
}

func TestThePauseAfterRefusedProbesEndsAtEightMinutes(t *testing.T) {
	l, err := limit.Restore(limit.Config{}, limit.State{Version: limit.Version, Stable: 1, Tokens: 3, Wait: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	l.Accepted(start, l.Start(start, 0, l.May(start, 0)))
	now := start.Add(time.Second)
	p := l.May(now, 1)
	if !p.Probe {
		t.Fatalf("no probe: %+v", p)
	}
	l.Refused(now, l.Start(now, 1, p), 0, 0.5)
	if s := l.State(); s.Wait != 8*time.Minute || !s.Next.Equal(now.Add(5*time.Minute)) {
		t.Errorf("next probe in %s, the pause after it is %s, want 5 and 8 min", s.Next.Sub(now), s.Wait)
	}
}

func FuzzRestore(f *testing.F) {
	l := limit.New(limit.Config{})
	l.Accepted(start, l.Start(start, 0, l.May(start, 0)))
	text, err := json.Marshal(l.State())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"stable":3,"tokens":-0.5,"wait":480000000000,"careful":true,"levels":{"3":{"accepted":9,"score":7.5}}}`))
	f.Add([]byte(`{"version":1,"stable":9223372036854775807,"tokens":1e308,"wait":9223372036854775807}`))
	f.Add([]byte(`{"version":1,"stable":1,"levels":{"65536":{}}}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":2,"stable":2,"tokens":3,"above":"2026-03-01T08:55:00Z","lag":{"value":300000000,"low":200000000,"high":400000000,"proved":true},"abandoned":{"value":2000000000,"settled":true,"pause":4000},"pace":{"value":3000000000,"low":3000000001,"high":1}}`))
	f.Add([]byte(`{"version":2,"stable":2,"history":{"at":"9999-01-01T00:00:00Z","causes":{"noise":1e308,"level":-1,"":3},"cuts":1e308,"falls":[{"at":"2026-03-01T08:00:00Z","top":-1,"low":9}],"spell":-5,"spells":-1}}`))
	f.Add([]byte(`{"version":2,"stable":1,"hours":[{"hour":2147483647,"level":-1,"accepted":4294967295},{"hour":-2147483648}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s limit.State
		if json.Unmarshal(text, &s) != nil {
			return
		}
		l, err := limit.Restore(limit.Config{Max: 8}, s)
		if err != nil {
			return
		}
		checkState(t, l, 8)
		now := start
		for i := range 30 { // it must go on living: every third start is refused
			now = now.Add(30 * time.Second)
			n := i % 9
			p := l.May(now, n)
			if !p.OK {
				continue
			}
			a := l.Start(now, n, p)
			if i%3 == 2 {
				l.Refused(now, a, 0, 0.5)
			} else {
				l.Accepted(now, a)
			}
			if i%3 == 2 {
				l.Ended(now.Add(time.Second), a, limit.Unsent)
			} else {
				l.Ended(now.Add(time.Second), a, limit.Answered)
			}
			checkState(t, l, 8)
			l.Explain(now)
		}
		kept, err := json.Marshal(l.State())
		if err != nil {
			t.Fatal(err)
		}
		var again limit.State
		if err := json.Unmarshal(kept, &again); err != nil {
			t.Fatal(err)
		}
		if _, err := limit.Restore(limit.Config{Max: 8}, again); err != nil {
			t.Errorf("what a restored learner wrote is not read: %v", err)
		}
	})
}
