package evidence

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Figures of Newcombe 1998 and of closed forms: k = 0 gives z²/(n+z²).
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{
		{0, 0, 0, 1}, {0, 40, 0, 0.0876}, {0, 35, 0, 0.0989}, {0, 34, 0, 0.1015}, {17, 40, 0.2851, 0.5780},
		{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {1, 29, 0.0061, 0.1718}, {29, 29, 0.8830, 1},
	} {
		low, high := Wilson(c.k, c.n)
		if math.Abs(low-c.low) > 6e-4 || math.Abs(high-c.high) > 6e-4 {
			t.Errorf("Wilson(%d, %d) = %.4f, %.4f, want %.4f, %.4f", c.k, c.n, low, high, c.low, c.high)
		}
	}
}

func TestWilsonHoldsTheShareAndNarrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5000).Draw(t, "n")
		k := rapid.IntRange(0, n).Draw(t, "k")
		low, high := Wilson(k, n)
		if p := float64(k) / float64(n); low < 0 || high > 1 || low > p || p > high {
			t.Fatalf("Wilson(%d, %d) = %v, %v does not hold %v", k, n, low, high, p)
		}
		if l, h := Wilson(2*k, 2*n); h-l >= high-low {
			t.Fatalf("twice as many attempts say less: %v, %v", h-l, high-low)
		}
	})
}

func TestVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		curve           Curve
		stable, failing int
		certain         bool
		text            string
	}{
		"nothing":      {nil, 0, 0, false, "nothing was measured"},
		"as hoped":     {Curve{{1, 412, 0}, {2, 77, 41}}, 1, 2, true, "1 worker is stable: 0 of 412 refused; 2 workers: 41 of 118 refused"},
		"two":          {Curve{{3, 23, 17}, {2, 40, 0}, {1, 40, 0}}, 2, 3, true, "2 workers are stable: 0 of 40 refused; 3 workers: 17 of 40 refused"},
		"few":          {Curve{{1, 5, 0}}, 0, 0, false, "not certain: 1 worker: 0 of 5 refused; about 30 more attempts would tell"},
		"no end":       {Curve{{1, 40, 0}, {2, 40, 0}}, 2, 0, false, "nothing was tried with 3 workers; it takes about 35 attempts"},
		"all refuse":   {Curve{{1, 0, 12}}, 0, 1, true, "not even 1 worker is stable: 12 of 12 refused"},
		"a gap":        {Curve{{1, 40, 0}, {4, 0, 20}}, 1, 4, false, "nothing was tried with 2 workers"},
		"one is none":  {Curve{{3, 90, 2}, {4, 0, 1}}, 3, 0, false, "3 workers are stable: 2 of 92 refused; not certain where it ends: 4 workers: 1 of 1 refused; about 1 more attempt would tell"},
		"two are some": {Curve{{1, 40, 0}, {2, 0, 2}}, 1, 2, true, "2 workers: 2 of 2 refused"},
		"low fails":    {Curve{{1, 10, 30}, {2, 400, 0}}, 0, 1, true, "not even 1 worker"},
		"between":      {Curve{{1, 400, 0}, {2, 18, 2}}, 1, 0, false, "2 workers: 2 of 20 refused, and more of the same would not tell"},
	} {
		v := c.curve.Verdict()
		if v.Stable != c.stable || v.Failing != c.failing || v.Certain != c.certain || !strings.Contains(v.Text, c.text) || v.Certain != (v.Missing == "") {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// Whatever the counts, a verdict never says more than they carry.
func TestVerdictClaimsOnlyWhatIsCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Curve
		for n := range rapid.IntRange(0, 6).Draw(t, "levels") {
			c = append(c, Level{n + 1, rapid.IntRange(0, 100).Draw(t, "accepted"), rapid.IntRange(0, 100).Draw(t, "refused")})
		}
		v := c.Verdict()
		for _, l := range c {
			if l.Level == v.Stable && !l.Stable() || l.Level == v.Failing && !l.Failing() {
				t.Fatalf("%+v of %v", v, c)
			}
			if l.Level < v.Stable && l.Failing() {
				t.Fatalf("%+v is above a failing level of %v", v, c)
			}
		}
	})
}

func TestMissing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Level{1, rapid.IntRange(0, 60).Draw(t, "accepted"), 0}
		n := l.Missing()
		l.Accepted += n
		if !l.Stable() {
			t.Fatalf("after %d more: %v is not stable", n, l)
		}
	})
}

func TestAdd(t *testing.T) {
	var c Curve
	for _, n := range []int{2, 1, 2, 0, -1} {
		c.Add(n, n == 2)
	}
	if len(c) != 2 || c[0] != (Level{1, 1, 0}) || c[1] != (Level{2, 0, 2}) {
		t.Errorf("%v", c)
	}
}

func TestOverlap(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	steps := Overlap([]Span{{at(1), at(4)}, {at(2), at(3)}, {at(4), at(5)}, {at(6), at(6)}})
	want := []Step{{at(1), 1}, {at(2), 2}, {at(3), 1}, {at(4), 1}, {at(5), 0}}
	if len(steps) != len(want) {
		t.Fatalf("%v", steps)
	}
	for i, s := range steps {
		if s != want[i] {
			t.Errorf("step %d is %v, want %v", i, s, want[i])
		}
	}
	if At(steps, at(0)) != 0 || At(steps, at(2)) != 2 || At(steps, at(9)) != 0 {
		t.Error("At is wrong")
	}
	if Most(steps, at(0), at(9)) != 2 || Most(steps, at(3), at(9)) != 1 || Most(steps, at(7), at(9)) != 0 {
		t.Error("Most is wrong")
	}
}
