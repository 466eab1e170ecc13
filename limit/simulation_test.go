package limit_test

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weirhq/weir/limit"
)

// world is a provider with a hard limit and sixteen workers who always have
// another call, in virtual time. The provider decides as a call starts; nobody but it
// knows the limit.
type world struct {
	limit   func(at time.Duration) int
	noise   float64       // share of starts that it refuses for no reason
	lag     time.Duration // a slot counts on after the end of an answer
	left    time.Duration // and after a hang-up
	pace    time.Duration // starts must be so far apart
	penalty time.Duration // a refusal for the level shuts the lane for so long
	keeps   time.Duration // instead of refusing it keeps a call waiting
	hangUps float64       // share of calls whose client leaves; zero: a hundredth
	horizon time.Duration
	rng     *rand.Rand
	learner *limit.Learner

	now      time.Duration
	wake     time.Duration // when the learner wants to be asked again
	events   events
	waiting  int
	inFlight int
	used     int // slots that the provider counts
	taken    time.Duration
	shut     time.Duration

	starts, refused int
	above           int           // starts more than one above the stable level
	good            time.Duration // accepted running time within the horizon
	found           time.Duration // first moment at which the stable level was the limit's
	followed        func(w *world)
}

const (
	workers = 16
	think   = 20 * time.Millisecond
)

type event struct {
	at time.Duration
	do func()
}

type events []event

var _ heap.Interface = (*events)(nil)

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

func newSim(seed uint64, horizon time.Duration, of func(time.Duration) int) *world {
	return &world{limit: of, horizon: horizon, rng: rand.New(rand.NewPCG(seed, 1302)), learner: limit.New(limit.Config{}), found: -1, taken: -time.Hour, followed: func(*world) {}}
}

func constant(n int) func(time.Duration) int { return func(time.Duration) int { return n } }

func (w *world) after(d time.Duration, do func()) {
	heap.Push(&w.events, event{w.now + d, do})
}

func (w *world) uniform(from, to float64) time.Duration {
	return time.Duration((from + (to-from)*w.rng.Float64()) * float64(time.Second))
}

func (w *world) run() *world {
	w.waiting = workers
	for {
		w.admit()
		if w.found < 0 && w.learner.Stable() == w.limit(w.now) {
			w.found = w.now
		}
		w.followed(w)
		next := w.wake
		if len(w.events) > 0 && (next == 0 || w.events[0].at <= next) {
			next = w.events[0].at
		}
		if next == 0 || next >= w.horizon {
			return w
		}
		w.now = next
		if len(w.events) > 0 && w.events[0].at == next {
			heap.Pop(&w.events).(event).do()
		}
	}
}

// admit starts calls while the learner lets it.
func (w *world) admit() {
	w.wake = 0
	for w.waiting > 0 {
		now := start.Add(w.now)
		p := w.learner.May(now, w.inFlight)
		if !p.OK {
			if !p.Until.IsZero() {
				w.wake = max(w.now+1, p.Until.Sub(start))
			}
			return
		}
		if w.inFlight+1 > w.learner.Stable()+1 {
			w.above++
		}
		s := w.learner.Start(now, w.inFlight, p)
		w.waiting--
		w.inFlight++
		w.starts++
		switch full := w.used >= w.limit(w.now); {
		case w.now < w.shut, w.rng.Float64() < w.noise, w.now < w.taken+w.pace:
			w.refuse(s)
		case full && w.keeps > 0:
			w.keep(s)
		case full:
			w.shut = w.now + w.penalty
			w.refuse(s)
		default:
			w.accept(s)
		}
	}
}

// keep lets a call wait that is one too many, and then runs it.
func (w *world) keep(s limit.Start) {
	w.after(w.keeps, func() { w.accept(s) })
}

func (w *world) refuse(s limit.Start) {
	w.refused++
	w.after(w.uniform(.05, .3), func() {
		w.inFlight--
		w.waiting++ // it keeps its place
		now := start.Add(w.now)
		w.learner.Refused(now, s, 0, w.rng.Float64())
		w.learner.Ended(now, s, limit.Unsent)
	})
}

func (w *world) accept(s limit.Start) {
	seconds := min(max(12*math.Exp(.8*w.rng.NormFloat64()), 2), 90)
	length := time.Duration(seconds * float64(time.Second))
	first := min(w.uniform(.8, 3), length/2)
	w.used++
	w.taken = w.now
	whole := w.rng.Float64() >= max(.01, w.hangUps)
	if !whole { // the client leaves at some moment after the first byte
		length = first + time.Duration(w.rng.Float64()*float64(length-first))
	}
	w.good += min(length, w.horizon-w.now)
	w.after(first, func() { w.learner.Accepted(start.Add(w.now), s) })
	lag := w.lag
	if !whole {
		lag = max(lag, w.left)
	}
	if lag > 0 {
		w.after(length+lag, func() { w.used-- })
	}
	w.after(length, func() {
		if lag == 0 { // the slot is free before the end is heard of: else it would be a lag
			w.used--
		}
		w.inFlight--
		how := limit.Answered
		if !whole {
			how = limit.Abandoned
		}
		w.learner.Ended(start.Add(w.now), s, how)
		w.after(think, func() { w.waiting++ })
	})
}

// TestHardLimit: an hour from a cold start, at a provider that refuses for
// certain what is above its limit. Sixteen workers keep every slot busy, so the
// oracle's goodput is the limit times the hour.
func TestHardLimit(t *testing.T) {
	const seeds = 10
	tests := []struct {
		noise, goodput, refusals float64
	}{
		{0, 0.97, 0.02},
		{0.005, 0.93, 0.025},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("with %g %% noise", 100*tt.noise), func(t *testing.T) {
			for n := 1; n <= 10; n++ {
				var good time.Duration
				var refused, starts, found int
				var finds []time.Duration
				for seed := range uint64(seeds) {
					w := newSim(seed, time.Hour, constant(n))
					w.noise = tt.noise
					w.run()
					good += w.good
					refused += w.refused
					starts += w.starts
					finds = append(finds, w.found)
					if w.learner.Stable() == n {
						found++
					}
					if w.above > 0 {
						t.Errorf("limit %d, seed %d: %d starts more than one above the stable level", n, seed, w.above)
					}
					if tt.noise == 0 && (w.found < 0 || w.learner.Stable() != n) {
						t.Errorf("limit %d, seed %d: ends at %d, was first right at %s", n, seed, w.learner.Stable(), w.found)
					}
				}
				slices.Sort(finds)
				goodput := float64(good) / float64(time.Duration(n*seeds)*time.Hour)
				share := float64(refused) / float64(starts)
				t.Logf("limit %2d: goodput %.3f, refused %.4f of %d, found after %s (median), right at the end %d of %d",
					n, goodput, share, starts, finds[seeds/2].Round(time.Second), found, seeds)
				if goodput < tt.goodput || share > tt.refusals+tt.noise {
					t.Errorf("limit %d: goodput %.3f, refused %.4f; want %g and %g", n, goodput, share, tt.goodput, tt.refusals)
				}
				if median := finds[seeds/2]; median > time.Duration(n)*3*time.Second {
					t.Errorf("limit %d: found after %s, want 3 s a level", n, median)
				}
			}
		})
	}
}

// TestFallingLimit: after half an hour the limit falls. Running calls go on, so the
// provider counts more than it would accept for a while.
func TestFallingLimit(t *testing.T) {
	const fall = 30 * time.Minute
	var took []time.Duration
	var refusals int
	for from := 2; from <= 10; from++ {
		for to := 1; to < from; to++ {
			w := newSim(uint64(100*from+to), fall+20*time.Minute, func(at time.Duration) int {
				if at < fall {
					return from
				}
				return to
			})
			after, before := time.Duration(-1), -1
			w.followed = func(w *world) {
				if w.now < fall {
					return
				}
				if before < 0 {
					before = w.refused
				}
				if after < 0 && w.learner.Stable() <= to {
					after = w.now - fall
				}
			}
			w.run()
			if after < 0 {
				t.Errorf("from %d to %d: not followed in 20 min, ends at %d", from, to, w.learner.Stable())
				continue
			}
			if w.learner.Stable() != to {
				t.Errorf("from %d to %d: ends at %d", from, to, w.learner.Stable())
			}
			took = append(took, after)
			refusals += w.refused - before
		}
	}
	slices.Sort(took)
	t.Logf("followed after %s (median), %s (nine of ten), %s (all); %d refusals in %d falls",
		took[len(took)/2], took[len(took)*9/10], took[len(took)-1], refusals, len(took))
	if median := took[len(took)/2]; median > 30*time.Second {
		t.Errorf("a fall is followed after %s (median), want 30 s", median)
	}
}

// TestRisingLimit: after half an hour the limit rises, which nothing but paid
// probes can tell.
func TestRisingLimit(t *testing.T) {
	const rise = 30 * time.Minute
	var took []time.Duration
	for from := 1; from <= 6; from++ {
		for to := from + 1; to <= 8; to++ {
			w := newSim(uint64(100*from+to), 3*time.Hour, func(at time.Duration) int {
				if at < rise {
					return from
				}
				return to
			})
			after := time.Duration(-1)
			w.followed = func(w *world) {
				if w.now >= rise && after < 0 && w.learner.Stable() >= to {
					after = w.now - rise
				}
			}
			if w.run(); after < 0 {
				t.Errorf("from %d to %d: not followed in 150 min, ends at %d", from, to, w.learner.Stable())
				continue
			}
			took = append(took, after)
		}
	}
	slices.Sort(took)
	t.Logf("followed after %s (median), %s (all)", took[len(took)/2], took[len(took)-1])
	if median := took[len(took)/2]; median > 15*time.Minute {
		t.Errorf("a rise is followed after %s (median), want 15 min", median)
	}
}
