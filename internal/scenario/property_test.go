package scenario

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawDist(t *rapid.T, name string, most time.Duration) Dist {
	a := time.Duration(rapid.Int64Range(0, int64(most)).Draw(t, name))
	b := time.Duration(rapid.Int64Range(0, int64(most)).Draw(t, name+" max"))
	switch rapid.SampledFrom([]DistKind{Absent, Constant, Uniform, LogNormal, Exponential}).Draw(t, name+" kind") {
	case Constant:
		return Dist{Kind: Constant, Mean: a}
	case Uniform:
		return Dist{Kind: Uniform, Min: min(a, b), Max: max(a, b)}
	case LogNormal:
		return Dist{Kind: LogNormal, Mean: a + 1, Sigma: 0.8, Max: b}
	case Exponential:
		return Dist{Kind: Exponential, Mean: a}
	}
	return Dist{}
}

// drawProvider returns a provider without luck: no noise, no outage, no soft limit.
func drawProvider(t *rapid.T) Provider {
	p := Provider{
		Lag: drawDist(t, "lag", 3*s), AbortLag: drawDist(t, "abort lag", 3*s),
		Penalty: drawDist(t, "penalty", 30*s), AccountLimit: rapid.IntRange(0, 6).Draw(t, "account limit"),
		RetryAfter: Hint{For: drawDist(t, "hint", 30*s), Share: rapid.Float64Range(0, 1).Draw(t, "share"), Advisory: rapid.Bool().Draw(t, "advisory")},
		Models:     map[string]Limit{},
	}
	for _, m := range []string{"a", "b"} {
		switch rapid.IntRange(0, 2).Draw(t, "limit of "+m) {
		case 0:
			p.Models[m] = slots(rapid.IntRange(1, 5).Draw(t, "slots"))
		case 1:
			p.Models[m] = Limit{Schedule: []Step{{At: 0, Slots: 3}, {At: 20 * s, Slots: 1}, {At: 60 * s, Slots: 4}}}
		case 2:
			p.Models[m] = Limit{Walk: &Walk{Every: Dist{Kind: Uniform, Min: s, Max: 20 * s}, Max: 8}}
		}
	}
	if rapid.Bool().Draw(t, "rate") {
		p.Starts.Rate, p.Starts.Burst = rapid.Float64Range(0.05, 5).Draw(t, "per second"), rapid.IntRange(1, 4).Draw(t, "burst")
	}
	if rapid.Bool().Draw(t, "window") {
		p.Starts.PerWindow, p.Starts.Window = rapid.IntRange(1, 5).Draw(t, "per window"), 10*s
	}
	for range rapid.IntRange(0, 2).Draw(t, "outsiders") {
		p.Outsiders = append(p.Outsiders, Outsider{Slots: 1, On: 5 * s, Off: 10 * s})
	}
	return p
}

// A start is accepted exactly if it is free, only within the limit, and not before
// the moment that was said; a course is the same whatever calls are made; when all
// has ended, all is free again.
func TestUpstreamProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProvider(t)
		seed := rapid.Uint64().Draw(t, "seed")
		const length = 5 * time.Minute
		u, quiet := NewUpstream(p, seed, length), NewUpstream(p, seed, length)
		courses := map[string][]Step{"a": quiet.Steps("a", length), "b": quiet.Steps("b", length)}
		running := map[string][]Slot{}
		next := map[string]time.Duration{} // before it, nothing is free by itself
		now := time.Duration(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now += time.Duration(rapid.SampledFrom([]int64{0, 1, int64(s / 10), int64(s), int64(7 * s)}).Draw(t, "pause"))
			m := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "model")
			if at := next[m]; at > now && rapid.Bool().Draw(t, "jump") {
				if ok, _ := u.Free(at-1, m); ok {
					t.Fatalf("%s is free before %v", m, at)
				}
				now = at
			}
			if got, want := u.Limit(now, m), at(courses[m], now); got != want {
				t.Fatalf("%v: limit of %s is %d, its course says %d", now, m, got, want)
			}
			if n := len(running[m]); n > 0 && rapid.Bool().Draw(t, "end") {
				u.End(now, running[m][n-1], rapid.Bool().Draw(t, "aborted"))
				running[m] = running[m][:n-1]
				clear(next)
				continue
			}
			free, when := u.Free(now, m)
			r := u.Start(now, m, s)
			if free != r.Accepted {
				t.Fatalf("%v: %s: free %v, but %+v", now, m, free, r)
			}
			if free {
				when = 0
			} else if when != 0 && when <= now {
				t.Fatalf("%v: free at %v, which is over", now, when)
			}
			if next[m] = when; !r.Accepted {
				_, next[m] = u.Free(now, m) // the refusal may have shut the lane
				continue
			}
			running[m] = append(running[m], r.Slot)
			if len(running[m]) > at(courses[m], now) || u.InUse(now, m) > at(courses[m], now)+u.outside {
				t.Fatalf("%v: %d of %s in flight, limit %d", now, u.InUse(now, m), m, at(courses[m], now))
			}
		}
		for _, slots := range running {
			for _, slot := range slots {
				u.End(now, slot, false)
			}
		}
		for m := range courses {
			if u.InUse(now+48*time.Hour, m) != u.outside {
				t.Fatalf("%s: slots in use after all calls have ended", m)
			}
		}
	})
}

// Whoever waits for the moments that Free says gets in, once all calls have ended.
func TestFreeLeadsIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := NewUpstream(drawProvider(t), rapid.Uint64().Draw(t, "seed"), 0)
		var running []Slot
		for i := range 30 {
			m := []string{"a", "b"}[i%2]
			if r := u.Start(time.Duration(i)*s/4, m, s); r.Accepted {
				running = append(running, r.Slot)
			}
		}
		now := 10 * s
		for _, slot := range running {
			u.End(now, slot, false)
		}
		for {
			ok, next := u.Free(now, "a")
			if ok {
				break
			}
			if next <= now {
				t.Fatalf("%v: not free, next %v", now, next)
			}
			now = next
		}
		if r := u.Start(now, "a", s); !r.Accepted {
			t.Fatalf("%v: free, but %+v", now, r)
		}
	})
}

// at returns the limit at a moment of a course.
func at(course []Step, now time.Duration) int {
	i := len(course) - 1
	for course[i].At > now {
		i--
	}
	return course[i].Slots
}

// Whatever a call's luck, and whether anybody calls at all, what comes by itself is
// the same; another seed is another world.
func TestWorldIsTheSameForEverybody(t *testing.T) {
	p := Provider{
		Limit:     Limit{Walk: &Walk{Every: Dist{Kind: Uniform, Min: s, Max: 60 * s}, Max: 15}},
		Outsiders: []Outsider{{Slots: 1, On: 30 * s, Off: 90 * s}, {Slots: 1, On: 30 * s, Off: 90 * s}},
		Outages:   []Outage{{Every: Dist{Kind: Exponential, Mean: 100 * s}, For: Dist{Kind: Uniform, Min: s, Max: 60 * s}}},
	}
	course := func(u *Upstream, busy bool) (c [][3]int) {
		for now := time.Duration(0); now < time.Hour; now += s {
			if busy {
				u.Start(now, "other", s)
				u.Start(now, "m", s)
			}
			u.settle(now, "m")
			out := 0
			if u.outage() != nil {
				out = 1
			}
			c = append(c, [3]int{u.Limit(now, "m"), u.outside, out})
		}
		return c
	}
	noisy := p
	noisy.Noise, noisy.Lag = 0.5, constant(s)
	quiet := course(NewUpstream(p, 7, 0), false)
	if !slices.Equal(quiet, course(NewUpstream(noisy, 7, 0), true)) {
		t.Error("calls change the world")
	}
	if slices.Equal(quiet, course(NewUpstream(p, 8, 0), false)) {
		t.Error("seeds 7 and 8 are one world")
	}
	if a, b := NewUpstream(p, 7, 0).Steps("m", time.Hour), NewUpstream(p, 7, 0).Steps("n", time.Hour); slices.Equal(a, b) {
		t.Error("two models walk alike")
	}
}

func TestNothingChangesAfterTheLength(t *testing.T) {
	p := Provider{Limit: Limit{Walk: &Walk{Every: constant(s), Max: 15}}}
	steps := NewUpstream(p, 1, time.Minute).Steps("m", time.Hour)
	if last := steps[len(steps)-1]; last.At > time.Minute {
		t.Errorf("a step at %v", last.At)
	}
}

func TestDraw(t *testing.T) {
	calls := Dist{Kind: LogNormal, Mean: 12 * s, Sigma: 0.8, Min: 2 * s, Max: 90 * s}
	tests := []struct {
		d        Dist
		min, max time.Duration
		mean     time.Duration
	}{
		{Dist{}, 0, 0, 0},
		{constant(s), s, s, s},
		{Dist{Kind: Uniform, Min: s, Max: 3 * s}, s, 3 * s, 2 * s},
		{calls, 2 * s, 90 * s, 16095 * time.Millisecond},
		{Dist{Kind: LogNormal, Mean: s}, s, s, s},
		{Dist{Kind: LogNormal, Mean: s, Sigma: 0.5}, 0, time.Hour, 1133 * time.Millisecond},
		{Dist{Kind: Exponential, Mean: 20 * s}, 0, time.Hour, 20 * s},
	}
	for _, tt := range tests {
		rng := stream(1, 1)
		var sum time.Duration
		const n = 100_000
		for range n {
			d := tt.d.Draw(rng)
			if d < tt.min || d > tt.max {
				t.Fatalf("%+v drew %v", tt.d, d)
			}
			sum += d
		}
		for what, mean := range map[string]time.Duration{"drawn": sum / n, "Average": tt.d.Average()} {
			if diff := (mean - tt.mean).Abs(); diff > tt.mean/100 {
				t.Errorf("%+v: %s mean %v, want %v", tt.d, what, mean, tt.mean)
			}
		}
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	u := NewUpstream(Provider{Limit: slots(8), Lag: Dist{Kind: Uniform, Max: s}, Outsiders: []Outsider{{Slots: 2, On: s, Off: s}}}, 1, 0)
	now := time.Duration(0)
	round := func() {
		var slots [8]Slot
		for i := range slots {
			slots[i] = u.Start(now, "m", s).Slot
		}
		now += s
		for i := range slots {
			u.End(now, slots[i], false)
		}
	}
	round()
	if n := testing.AllocsPerRun(1000, round); n > 0 {
		t.Errorf("%v allocations a round", n)
	}
}

func BenchmarkStartEnd(b *testing.B) {
	p := Provider{Limit: Limit{Walk: &Walk{Every: Dist{Kind: Uniform, Min: 600 * s, Max: 3600 * s}, Max: 8}}, Lag: constant(s / 2),
		Outages: []Outage{{Every: Dist{Kind: Exponential, Mean: time.Hour}, For: Dist{Kind: Uniform, Min: 20 * s, Max: 120 * s}}}}
	u := NewUpstream(p, 1, 0)
	now := time.Duration(0)
	for b.Loop() {
		if r := u.Start(now, "m", s); r.Accepted {
			u.End(now, r.Slot, false)
		}
		now += s
	}
}
