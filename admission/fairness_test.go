package admission_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/admission"
)

func allOpen(now time.Time) func(string) admission.Gate {
	return func(string) admission.Gate { return admission.Gate{Open: true, Background: now} }
}

func TestManyRequestsOfOneSessionDelayAnotherByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q admission.Queue[string]
		served := rapid.IntRange(0, 39).Draw(t, "served before")
		for range 40 {
			q.Push(start, "x", "a", admission.Interactive, "a")
		}
		for range served {
			q.Next(start, allOpen(start))
		}
		q.Push(start, "x", "b", admission.Interactive, "b")
		for before := 0; ; before++ {
			if q.Next(start, allOpen(start)).Value == "b" {
				return
			}
			if before == 1 {
				t.Fatal("two requests of a were admitted before the only one of b")
			}
		}
	})
}

// TestNoSessionIsServedTwiceBeforeEachIsServedOnce looks at nothing but the
// admissions: between two of one session, each session that waited all the while
// must have had one.
func TestNoSessionIsServedTwiceBeforeEachIsServedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q admission.Queue[string]
		sessions := rapid.IntRange(1, 8).Draw(t, "sessions")
		waiting := map[string]int{}
		passed := map[string]map[string]bool{} // by session: who was served while it waited
		now := start
		class := rapid.SampledFrom([]admission.Class{admission.Interactive, admission.Subagent, admission.Background}).Draw(t, "class")
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				name := fmt.Sprint("session ", rapid.IntRange(1, sessions).Draw(t, "session"))
				lane := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "lane")
				q.Push(now, lane, name, class, name)
				if waiting[name]++; waiting[name] == 1 {
					passed[name] = map[string]bool{}
				}
			},
			"next": func(t *rapid.T) {
				now = now.Add(time.Millisecond)
				it := q.Next(now, allOpen(now))
				if it == nil {
					return
				}
				served := it.Value
				waiting[served]--
				passed[served] = map[string]bool{}
				for other, n := range waiting {
					if other == served || n == 0 {
						continue
					}
					if passed[other][served] {
						t.Fatalf("%s was served twice while %s waited", served, other)
					}
					passed[other][served] = true
				}
			},
		})
	})
}

// TestNothingStarves lets one background request wait while others always have
// interactive ones: once it is a minute old, each session that waits then is
// served at most once before it, and none that comes later.
func TestNothingStarves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q admission.Queue[string]
		others := rapid.IntRange(1, 10).Draw(t, "other sessions")
		own := rapid.Bool().Draw(t, "its own session has interactive requests too")
		step := rapid.SampledFrom([]time.Duration{100 * time.Millisecond, time.Second, 7 * time.Second}).Draw(t, "between admissions")
		now := start
		waiting := map[string]int{} // interactive requests by session
		push := func(session string) {
			q.Push(now, "x", session, admission.Interactive, session)
			waiting[session]++
		}
		for session := range others {
			for range rapid.IntRange(1, 5).Draw(t, "waiting") {
				push(fmt.Sprint(session))
			}
		}
		q.Push(now, "x", "patient", admission.Background, "the patient one")
		if own {
			push("patient")
		}
		bound := -1 // how many may still go before it; not known until it is aged
		for {
			now = now.Add(step)
			aged := now.Sub(start) >= time.Minute
			if aged && bound < 0 {
				bound = 0
				for session, n := range waiting {
					if session != "patient" && n > 0 {
						bound++
					}
				}
			}
			it := q.Next(now, allOpen(now))
			if it.Value == "the patient one" {
				if !aged {
					t.Fatalf("a background request went first after %s", now.Sub(start))
				}
				return
			}
			if aged {
				if bound == 0 {
					t.Fatalf("of %d other sessions one went before it twice, or a later one went before it", others)
				}
				bound--
			}
			// Whoever was served asks again at once, and now and then a new one comes.
			waiting[it.Session]--
			push(it.Session)
			if rapid.IntRange(0, 9).Draw(t, "a newcomer") == 0 {
				push(fmt.Sprint("new ", now.UnixNano()))
			}
		}
	})
}

func TestOneSessionIsServedInTheOrderOfArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q admission.Queue[int]
		pushed, next, now := 0, 0, start
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				lane := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "lane")
				q.Push(now, lane, "a", admission.Subagent, pushed)
				pushed++
			},
			"next": func(t *rapid.T) {
				it := q.Next(now, allOpen(now))
				if it == nil {
					if next < pushed {
						t.Fatal("nothing was admitted although requests wait")
					}
					return
				}
				if it.Value != next {
					t.Fatalf("request %d was admitted, want %d", it.Value, next)
				}
				next++
			},
			"time passes": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
			},
		})
	})
}

func BenchmarkPushNext(b *testing.B) {
	for _, sessions := range []int{1, 5000} {
		b.Run(fmt.Sprintf("10000 waiting in %d sessions", sessions), func(b *testing.B) {
			var q admission.Queue[int]
			names := make([]string, sessions)
			for i := range names {
				names[i] = fmt.Sprint("session ", i)
			}
			gate := allOpen(start)
			for i := range 10_000 {
				q.Push(start, "x", names[i%sessions], admission.Interactive, i)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				q.Push(start, "x", names[i%sessions], admission.Interactive, i)
				q.Next(start, gate)
			}
		})
	}
}
