package pace_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/pace"
)

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// Each script is a story, told in durations:
//
//	~1s    time passes
//	+      a start
//	-      the last start is refused, without a hint
//	-5s    … with a hint
//	=1s    a start made so long ago is refused
//	*3     so many starts are accepted
//
// In jitter's middle the gate of a refusal without a hint is one gap away.
func TestPacer(t *testing.T) {
	tests := []struct {
		name, script string
		gap, next    time.Duration // next counts from now; less than zero: long past, or none
	}{
		{"a zero pacer spaces nothing", "", 0, -1},
		{"starts that are accepted are not spaced", "+ *1 + *1 + *1", 0, -1},
		{"a first refusal spaces starts by a quarter of a second", "+ ~50ms + ~100ms -", 250 * time.Millisecond, 250 * time.Millisecond},
		{"a refused spacing grows by half", "+ ~2s + ~100ms -", 3 * time.Second, 3 * time.Second},
		{"a long pause is not taken for a spacing", "+ ~1h + ~100ms -", 15 * time.Second, 15 * time.Second},
		{"a wave of refusals moves starts apart once", "+ ~2s + ~300ms + ~1s - =1300ms =1s", 450 * time.Millisecond, 450 * time.Millisecond},
		{"a start made after the refusal was known moves them apart again", "+ ~2s + ~100ms - ~2900ms + ~100ms -", 4500 * time.Millisecond, 4500 * time.Millisecond},
		{"a refused gap grows, however wide it was", "+ ~20s + - ~20s + ~1ms - ~30s + ~1ms - ~30s + ~1ms -", 15 * 3375 * time.Millisecond, 15 * 3375 * time.Millisecond},
		{"a gap ends at a minute", "+ ~20s + - ~20s + ~1ms - ~30s + ~1ms - ~30s + ~1ms - ~60s + ~1ms - ~60s + ~1ms -", time.Minute, time.Minute},
		{"a hint is respected to the full", "+ ~50ms + ~100ms -8s", 250 * time.Millisecond, 8250 * time.Millisecond},
		{"a short hint does not shorten the gap", "+ ~4s + ~100ms -1s", 6 * time.Second, 5900 * time.Millisecond},
		{"a later refusal of the same wave shuts the lane a little longer", "+ ~2s + ~300ms + ~1s - ~200ms =1200ms", 450 * time.Millisecond, 450 * time.Millisecond},
		{"an earlier gate does not pull in a later one", "+ ~50ms + ~100ms -8s =100ms", 250 * time.Millisecond, 8250 * time.Millisecond},
		{"a gap halves in 23 accepted starts", "+ ~2s + ~1m - *23", 1488 * time.Millisecond, 3 * time.Second},
		{"after many accepted starts spacing is over", "+ ~2s + ~1m - *135", 0, 3 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p pace.Pacer
			now, last := start, start
			for step := range strings.FieldsSeq(tt.script) {
				rest := step[1:]
				d, _ := time.ParseDuration(rest)
				switch step[0] {
				case '~':
					now = now.Add(d)
				case '+':
					p.Started(now)
					last = now
				case '-':
					p.Refused(now, last, d, 0.5)
				case '=':
					p.Refused(now, now.Add(-d), 0, 0.5)
				case '*':
					var n int
					fmt.Sscan(rest, &n)
					for range n {
						p.Accepted()
					}
				}
			}
			if got := p.Gap(); !near(got, tt.gap) {
				t.Errorf("gap %s, want %s", got, tt.gap)
			}
			next := p.Next().Sub(now)
			if tt.next < 0 && next > 0 || tt.next >= 0 && !near(next, tt.next) {
				t.Errorf("next start in %s, want %s", next, tt.next)
			}
		})
	}
}

func near(got, want time.Duration) bool { return (got - want).Abs() <= want/100+time.Microsecond }

func TestRestore(t *testing.T) {
	tests := []struct {
		name      string
		kept, gap time.Duration
	}{
		{"nothing was learned", 0, 0},
		{"a gap is taken up again", 3 * time.Second, 3 * time.Second},
		{"a negative gap is none", -time.Second, 0},
		{"a gap beyond a minute is a minute", time.Hour, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := pace.Restore(pace.State{Gap: tt.kept})
			if p.Gap() != tt.gap || !p.Next().IsZero() {
				t.Errorf("gap %s, next %v, want %s and none", p.Gap(), p.Next(), tt.gap)
			}
			text, err := json.Marshal(p.State())
			if err != nil {
				t.Fatal(err)
			}
			var s pace.State
			if err := json.Unmarshal(text, &s); err != nil || pace.Restore(s) != p {
				t.Errorf("%s does not bring the pacer back (%v)", text, err)
			}
			p.Started(start)
			if tt.gap > 0 && !p.Next().Equal(start.Add(tt.gap)) {
				t.Errorf("after a start the next is at %v, want %s later", p.Next(), tt.gap)
			}
		})
	}
}

// TestAnyEvents checks after each of many random events what the comments
// promise: nothing shortens what a verdict said, each wave of verdicts widens
// the gap, and an acceptance never does.
func TestAnyEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p pace.Pacer
		now := start
		starts := []time.Time{}
		var known, shut time.Time
		t.Repeat(map[string]func(*rapid.T){
			"time passes": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.Int64Range(1, int64(20*time.Second)).Draw(t, "step")))
			},
			"start": func(t *rapid.T) {
				p.Started(now)
				starts = append(starts, now)
				if p.Gap() > 0 && p.Next().Before(now.Add(p.Gap())) {
					t.Fatalf("next start at %v, %s after the last is %v", p.Next(), p.Gap(), now.Add(p.Gap()))
				}
			},
			"refused": func(t *rapid.T) {
				if len(starts) == 0 {
					return // nothing has started
				}
				at := rapid.SampledFrom(starts).Draw(t, "start")
				hint := rapid.SampledFrom([]time.Duration{-1, 0, time.Millisecond, time.Second, time.Minute}).Draw(t, "hint")
				before := p.Gap()
				p.Refused(now, at, hint, rapid.Float64Range(0, 0.999).Draw(t, "random"))
				if wave := !known.IsZero() && !at.After(known); wave {
					if p.Gap() != before {
						t.Fatalf("a refusal of the same wave moved the gap from %s to %s", before, p.Gap())
					}
				} else {
					known = now
					if p.Gap() <= before && before < time.Minute || p.Gap() > time.Minute || p.Gap() < 250*time.Millisecond {
						t.Fatalf("a refusal moved the gap from %s to %s", before, p.Gap())
					}
				}
				least := max(hint, 0)
				if hint <= 0 {
					least = time.Duration(0.79 * float64(p.Gap()))
				}
				if until := now.Add(least); until.After(shut) {
					shut = until
				}
			},
			"accepted": func(t *rapid.T) {
				before := p.Gap()
				p.Accepted()
				if p.Gap() > before || p.Gap() < before*9/10 && p.Gap() != 0 {
					t.Fatalf("an acceptance moved the gap from %s to %s", before, p.Gap())
				}
			},
			"": func(t *rapid.T) {
				if p.Next().Before(shut) {
					t.Fatalf("next start at %v, but a verdict shut the lane until %v", p.Next(), shut)
				}
			},
		})
	})
}

// TestSpacedProvider lets always more requests wait than may start, at
// a provider that refuses starts closer to the last good one than some gap. The
// verdict comes before the next start would be a good one: where it comes later
// a wave is more than one refusal.
func TestSpacedProvider(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gap := time.Duration(rapid.Int64Range(int64(300*time.Millisecond), int64(30*time.Second)).Draw(t, "gap"))
		late := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(300*time.Millisecond)).Draw(t, "verdict after"))
		most := rapid.IntRange(1, 24).Draw(t, "most without a verdict")
		hints := rapid.Bool().Draw(t, "hints")
		p, total, refused, spaced := provider{gap: gap, late: late, hints: hints, most: most}.run(t, 1000)
		if refused*10 >= 800 {
			t.Errorf("%d of the last 800 starts were refused", refused)
		}
		if mean := spaced / time.Duration(total); mean > gap*5/2 {
			t.Errorf("starts were %s apart, the provider bears %s (gap %s)", mean, gap, p.Gap())
		}
	})
}

type provider struct {
	gap, late time.Duration
	hints     bool
	most      int // starts that may be without a verdict
}

// run starts n requests. It returns how many it counted after the first 200,
// how many of these were refused, and the time that they took.
func (pr provider) run(t *rapid.T, n int) (p pace.Pacer, total, refused int, took time.Duration) {
	type verdict struct {
		at, started time.Time
		good        bool
	}
	var pending []verdict
	var lastGood, began time.Time
	tell := func(v verdict) {
		if v.good {
			p.Accepted()
			return
		}
		var hint time.Duration
		if pr.hints {
			hint = pr.gap
		}
		p.Refused(v.at, v.started, hint, rapid.Float64Range(0, 0.999).Draw(t, "random"))
	}
	now := start
	for i := range n {
		// The next start, unless a verdict comes first and changes its moment.
		for {
			at := now
			if next := p.Next(); next.After(at) {
				at = next
			}
			if len(pending) == 0 || pending[0].at.After(at) && len(pending) < pr.most {
				now = at
				break
			}
			now = pending[0].at
			v := pending[0]
			pending = pending[1:]
			tell(v)
		}
		good := lastGood.IsZero() || now.Sub(lastGood) >= pr.gap
		if good {
			lastGood = now
		}
		p.Started(now)
		pending = append(pending, verdict{at: now.Add(pr.late), started: now, good: good})
		if i == 200 {
			began = now
		}
		if i >= 200 {
			total++
			if !good {
				refused++
			}
		}
		now = now.Add(time.Millisecond) // no two starts in the same instant
	}
	return p, total, refused, now.Sub(began)
}

func FuzzRestore(f *testing.F) {
	f.Add([]byte(`{"gap":3000000000}`))
	f.Add([]byte(`{"gap":-1}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s pace.State
		if json.Unmarshal(text, &s) != nil {
			return
		}
		p := pace.Restore(s)
		p.Started(start)
		if d := p.Next().Sub(start); p.Gap() < 0 || p.Gap() > time.Minute || d > time.Minute {
			t.Errorf("gap %s, next start in %s", p.Gap(), d)
		}
	})
}
