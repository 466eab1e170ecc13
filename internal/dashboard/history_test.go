package dashboard

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/evidence"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

// at is a moment of a test, on a whole bucket of each period.
func at(s float64) time.Time { return noon.Add(time.Duration(s * float64(time.Second))) }

func TestHistoryKeepsTheHighest(t *testing.T) {
	h := newHistory(func(string) int { return 2 })
	tell := func(s float64, kind pool.EventKind, v provider.Kind) {
		h.observe(pool.Event{At: at(s), Kind: kind, Lane: glm, Verdict: v})
	}
	tell(0.1, pool.Arrived, 0)
	tell(0.2, pool.Admitted, 0)
	tell(0.3, pool.Arrived, 0)
	tell(2.5, pool.Released, 0)
	tell(2.5, pool.Refused, provider.Concurrency)
	tell(2.6, pool.Refused, provider.Server)
	tell(3.5, pool.Admitted, 0)
	tell(4.5, pool.Released, 0)
	tell(4.5, pool.Done, 0)
	want := []Column{
		{at(0), 1, 1, 2, 0}, {at(1), 1, 1, 2, 0}, {at(2), 1, 2, 2, 1}, {at(3), 1, 2, 2, 0}, {at(4), 1, 1, 2, 0}, {at(5), 0, 1, 2, 0}, {at(6), 0, 1, 2, 0},
	}
	got := h.columns(at(6.5), glm, Periods()[0])
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i, c := range got {
		if !c.At.Equal(want[i].At) || c.Running != want[i].Running || c.Queued != want[i].Queued || c.Limit != want[i].Limit || c.Refused != want[i].Refused {
			t.Errorf("second %d: %+v, want %+v", i, c, want[i])
		}
	}
	if all := h.columns(at(6.5), "", Periods()[1]); len(all) != 1 || all[0].Running != 1 || all[0].Limit != 0 || all[0].Refused != 1 {
		t.Errorf("all: %+v", all)
	}
	if none := h.columns(at(6.5), "another", Periods()[0]); none != nil {
		t.Errorf("%+v", none)
	}
	h.observe(pool.Event{At: at(-3600), Kind: pool.Arrived, Lane: glm}) // the clock was set back
	if got := h.columns(at(-3599), glm, Periods()[0]); len(got) != 2 || got[0].Queued != 2 {
		t.Errorf("after the clock went back: %+v", got)
	}
}

// What comes late, or by a clock that lies a little behind the page's, wipes nothing out.
func TestHistoryBearsWhatComesLate(t *testing.T) {
	h := newHistory(func(string) int { return 2 })
	tell := func(s float64, kind pool.EventKind) { h.observe(pool.Event{At: at(s), Kind: kind, Lane: glm}) }
	tell(0, pool.Arrived)
	tell(0, pool.Admitted)
	h.columns(at(60), glm, Periods()[0])
	tell(57, pool.Arrived)
	got := h.columns(at(60.5), glm, Periods()[0])
	if len(got) != 61 || got[0].Running != 1 || got[60].Queued != 1 {
		t.Errorf("%d columns: %+v", len(got), got)
	}
}

func TestHistoryIsFilledWithWhatWasBefore(t *testing.T) {
	g := newGateway(t)
	now := time.Now()
	g.Observe(pool.Event{At: now, Kind: pool.Arrived, Lane: glm})
	g.Fill(func(context.Context) iter.Seq[Past] {
		return slices.Values([]Past{{
			Lane: glm, Running: []evidence.Span{{From: now.Add(-2 * time.Hour), To: now.Add(-time.Hour)}},
			Queued: []evidence.Span{{From: now.Add(-3 * time.Hour), To: now.Add(-2 * time.Hour)}}, Refused: []time.Time{now.Add(-150 * time.Minute)},
		}})
	})
	g.filling.Wait()
	day := Periods()[2]
	columns := g.history.columns(now, glm, day)
	if len(columns) != day.Count {
		t.Fatalf("%d columns", len(columns))
	}
	for ago, want := range map[time.Duration]Column{30 * time.Minute: {}, 90 * time.Minute: {Running: 1}, 160 * time.Minute: {Queued: 1}, 5 * time.Hour: {}} {
		c := columns[day.Count-1-int(ago/day.Bucket)]
		if c.Running != want.Running || c.Queued != want.Queued {
			t.Errorf("%v ago: %+v", ago, c)
		}
	}
	if i := slices.IndexFunc(columns, func(c Column) bool { return c.Refused == 1 }); i < 0 {
		t.Error("the refusal is lost")
	}
}

func TestABoundedHistoryKeepsTheNewest(t *testing.T) {
	h := newHistory(func(string) int { return 1 })
	now := at(86_400)
	h.fill(now, func(yield func(Past) bool) {
		for i := range 2 * mostPast {
			from := now.Add(time.Duration(i-2*mostPast) * 200 * time.Millisecond)
			if !yield(Past{Lane: glm, Running: []evidence.Span{{From: from, To: from.Add(100 * time.Millisecond)}}}) {
				return
			}
		}
	})
	columns := h.columns(now, "", Periods()[2])
	first := now.Add(-mostPast * 200 * time.Millisecond)
	if len(columns) == 0 || columns[0].At.Before(first) || columns[0].At.After(first.Add(10*time.Minute)) || columns[0].Running != 1 {
		t.Errorf("%d columns, from %+v; want them from %v on", len(columns), columns[:1], first)
	}
}

// However events overtake each other, at the end nothing is left over.
func TestHistoryEndsAtNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(func(string) int { return 1 })
		var events []pool.Event
		for i := range rapid.IntRange(0, 100).Draw(t, "requests") {
			lane := fmt.Sprintf("zai/a/m%d", i%rapid.IntRange(1, 5).Draw(t, "lanes"))
			for _, kind := range []pool.EventKind{pool.Arrived, pool.Admitted, pool.Released, pool.Done} {
				events = append(events, pool.Event{At: at(rapid.Float64Range(0, 90_000).Draw(t, "at")), Kind: kind, Lane: lane})
			}
		}
		for _, ev := range rapid.Permutation(events).Draw(t, "order") {
			h.observe(ev)
		}
		for _, p := range Periods() {
			all := h.columns(at(200_000), "", p)
			if n := len(all); n > 0 && (all[n-1].Running != 0 || all[n-1].Queued != 0) {
				t.Fatalf("%s: %+v", p.Name, all[n-1])
			}
			if len(all) > p.Count {
				t.Fatalf("%d columns", len(all))
			}
		}
	})
}

func TestManyLanesDoNotGrowTheHistoryWithoutEnd(t *testing.T) {
	h := newHistory(func(string) int { return 1 })
	for i := range 1000 {
		h.observe(pool.Event{At: at(float64(i)), Kind: pool.Arrived, Lane: fmt.Sprintf("zai/a/%d", i)})
	}
	if len(h.lanes) != maxSeries || h.lanes["zai/a/999"] == nil {
		t.Errorf("%d lanes", len(h.lanes))
	}
}
