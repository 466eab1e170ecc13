package limit_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/limit"
)

// spaced is a provider that refuses starts closer to the last good one than some
// gap, and says why. There are always more requests waiting than may start. The
// verdict comes a little later than the start.
type spaced struct {
	gap, late time.Duration
	hints     bool
	most      int // starts that may be without a verdict
}

// run starts n requests. It returns how many it counted of those after the first,
// how many of these were refused, and the time that they took.
func (pr spaced) run(t *rapid.T, l *limit.Learner, n, first int) (total, refused int, took time.Duration) {
	type verdict struct {
		at   time.Time
		s    limit.Start
		good bool
	}
	var pending []verdict
	var lastGood, began time.Time
	tell := func() {
		v := pending[0]
		pending = pending[1:]
		if v.good {
			l.Accepted(v.at, v.s)
			l.Ended(v.at, v.s, limit.Answered)
			return
		}
		var hint time.Duration
		if pr.hints {
			hint = pr.gap
		}
		l.TooOften(v.at, v.s, hint, rapid.Float64Range(0, 0.999).Draw(t, "random"))
		l.Ended(v.at, v.s, limit.Unsent)
	}
	now := start
	for i := range n {
		// The next start, unless a verdict comes first and changes its moment.
		var p limit.Permit
		for p = l.May(now, len(pending)); !p.OK || len(pending) >= pr.most; p = l.May(now, len(pending)) {
			if len(pending) > 0 && (p.OK || p.Until.IsZero() || !pending[0].at.After(p.Until)) {
				now = pending[0].at
				tell()
				continue
			}
			if !p.Until.After(now) {
				t.Fatalf("start %d: nothing may start, and nothing will change that: %+v", i, p)
			}
			now = p.Until
		}
		for len(pending) > 0 && !pending[0].at.After(now) {
			tell()
		}
		if p = l.May(now, len(pending)); !p.OK {
			continue
		}
		good := lastGood.IsZero() || now.Sub(lastGood) >= pr.gap
		if good {
			lastGood = now
		}
		pending = append(pending, verdict{now.Add(pr.late), l.Start(now, len(pending), p), good})
		if i == first {
			began = now
		}
		if i >= first {
			total++
			if !good {
				refused++
			}
		}
		now = now.Add(time.Millisecond) // no two starts in the same instant
	}
	return total, refused, now.Sub(began)
}

// TestSpacedProvider: a space that the provider asks for in words is found.
func TestSpacedProvider(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pr := spaced{
			gap:   time.Duration(rapid.Int64Range(int64(300*time.Millisecond), int64(11*time.Second)).Draw(t, "gap")),
			late:  time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(300*time.Millisecond)).Draw(t, "verdict after")),
			most:  rapid.IntRange(1, 24).Draw(t, "most without a verdict"),
			hints: rapid.Bool().Draw(t, "hints"),
		}
		l := limit.New(limit.Config{Min: 24, Max: 24})
		total, refused, took := pr.run(t, l, 1000, 200)
		if refused*20 >= total {
			t.Errorf("%d of the last %d starts were refused (pace %s)", refused, total, l.Pace())
		}
		if mean := took / time.Duration(total-refused); mean > pr.gap*3/2 {
			t.Errorf("good starts were %s apart, the provider bears %s (pace %s)", mean, pr.gap, l.Pace())
		}
	})
}

// TestNothingIsEverTaken: whatever a provider says that takes nothing, nobody hammers
// at it, one start tries at a time, and nobody gives up.
func TestNothingIsEverTaken(t *testing.T) {
	type refuse func(*limit.Learner, time.Time, limit.Start)
	tests := []struct {
		name   string
		cfg    limit.Config
		refuse refuse
	}{
		{"too many in flight", limit.Config{}, func(l *limit.Learner, now time.Time, s limit.Start) { l.Refused(now, s, 0, 0.5) }},
		{"too many in flight, at a high level", limit.Config{Start: 8}, func(l *limit.Learner, now time.Time, s limit.Start) { l.Refused(now, s, 0, 0.5) }},
		{"too many in flight, at a fixed level", limit.Config{Min: 8, Max: 8}, func(l *limit.Learner, now time.Time, s limit.Start) { l.Refused(now, s, 0, 0.5) }},
		{"too often", limit.Config{}, func(l *limit.Learner, now time.Time, s limit.Start) { l.TooOften(now, s, 0, 0.5) }},
		{"too often, at a fixed level", limit.Config{Min: 8, Max: 8}, func(l *limit.Learner, now time.Time, s limit.Start) { l.TooOften(now, s, 0, 0.5) }},
		{"now this, now that", limit.Config{Start: 3}, func(l *limit.Learner, now time.Time, s limit.Start) {
			if now.UnixMilli()%2 == 0 {
				l.TooOften(now, s, 0, 0.5)
			} else {
				l.Refused(now, s, 0, 0.5)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := limit.New(tt.cfg)
			now := start
			var running []limit.Start
			var begun []time.Time
			most := 0
			for now.Before(start.Add(3 * time.Hour)) {
				p := l.May(now, len(running))
				if p.OK {
					begun = append(begun, now)
					running = append(running, l.Start(now, len(running), p))
					if len(begun) > 10 {
						most = max(most, len(running))
					}
					continue
				}
				verdict := now.Add(time.Hour)
				if len(running) > 0 {
					verdict = running[0].At.Add(101 * time.Millisecond)
				}
				if p.Until.IsZero() || !p.Until.Before(verdict) {
					now = verdict
					tt.refuse(l, now, running[0])
					l.Ended(now, running[0], limit.Unsent)
					running = running[1:]
					continue
				}
				now = p.Until
			}
			if most != 1 {
				t.Errorf("%d were in flight at once", most)
			}
			first := 0
			for _, at := range begun {
				if at.Before(start.Add(5 * time.Minute)) {
					first++
				}
			}
			if first > 25 {
				t.Errorf("%d starts in the first five minutes", first)
			}
			for i, at := range begun[first:] {
				if i == 0 {
					continue
				}
				if since := at.Sub(begun[first+i-1]); since < 48*time.Second || since > 73*time.Second {
					t.Fatalf("after %s of refusals a start comes %s after the one before, want about a minute", at.Sub(start), since)
				}
			}
		})
	}
}
