package pool_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

// warm has n calls of a lane accepted side by side, so that the levels up to n
// are known to hold, and forgets them.
func (w *world) warm(lane string, n int) {
	w.t.Helper()
	answers := w.answers
	w.answers = func(*call) answer { return good(10*time.Millisecond, time.Duration(n)*time.Second) }
	for i := range n {
		w.call(lane, fmt.Sprint("warm", i), admission.Interactive)
	}
	w.finish(time.Minute)
	w.run(time.Minute)
	w.answers, w.calls, w.events = answers, nil, nil
}

func TestAnOverloadedLaneTriesOneAtATimeAndAnotherEachTime(t *testing.T) {
	w := newWorld(t, config(fixed(4), fixed(4)))
	w.warm("glm", 4)
	refusals := 0
	w.answers = func(*call) answer {
		if refusals++; refusals <= 8 {
			return no(provider.Overload, 0)
		}
		return good(200*time.Millisecond, 5*time.Second)
	}
	for i := range 6 {
		w.call("glm", fmt.Sprint("s", i), admission.Interactive)
	}
	starts := 0
	w.granted = func(*call) {
		if starts++; refusals <= 9 && w.inFlight != 1 {
			t.Errorf("trial %d: %d in flight", starts, w.inFlight)
		}
	}
	w.run(100 * time.Millisecond)
	if !w.lane("glm").Overload {
		t.Errorf("not shown as overloaded")
	}
	for starts < 5 {
		w.step(w.now.Add(time.Hour))
	}
	order := w.order()[4:] // without the wave
	for i := 1; i < len(order); i++ {
		if order[i] == order[i-1] {
			t.Errorf("%s tried twice in a row: %v", order[i], order)
		}
	}
	w.run(200 * time.Millisecond)
	if w.lane("glm").Overload || w.inFlight != 4 {
		t.Errorf("overloaded %v, %d in flight after a trial was accepted", w.lane("glm").Overload, w.inFlight)
	}
	w.finish(time.Minute)
	for _, c := range w.calls {
		w.want(c, "answered")
	}
}

// Whoever was refused last stands back, also if another of its wave stood back
// before it.
func TestTheNextTrialIsNotTheOneRefusedLast(t *testing.T) {
	w := newWorld(t, config(fixed(2), fixed(2)))
	w.warm("glm", 2)
	w.answers = func(c *call) answer {
		a := no(provider.Overload, 0)
		switch {
		case len(c.starts) > 1:
			return good(200*time.Millisecond, time.Second)
		case c.ID == "r0":
			a.first = 200 * time.Millisecond
		}
		return a
	}
	w.call("glm", "a", admission.Interactive)
	w.call("glm", "b", admission.Interactive)
	w.finish(time.Minute)
	if got := fmt.Sprint(w.order()); got != "[r0 r1 r1 r0]" {
		t.Errorf("order %v: r0 was refused last and tried first", got)
	}
}

func TestTheRestIsFullyJittered(t *testing.T) {
	const rounds = 6
	var low, high [rounds]int
	for seed := range uint64(100) {
		cfg := config(fixed(1), limit.Config{})
		cfg.Rand = rand.New(rand.NewPCG(seed, 0))
		w := newWorld(t, cfg)
		w.answers = func(c *call) answer {
			if len(c.starts) <= rounds {
				return no(provider.Overload, 0)
			}
			return good(200*time.Millisecond, time.Second)
		}
		c := w.call("glm", "s", admission.Interactive)
		w.finish(time.Hour)
		for i := range rounds {
			rest, ceiling := c.starts[i+1].Sub(c.starts[i])-100*time.Millisecond, time.Second<<i
			if rest < 0 || rest >= ceiling {
				t.Fatalf("rest %d was %v, the ceiling is %v", i+1, rest, ceiling)
			}
			if rest < ceiling/4 {
				low[i]++
			}
			if rest > ceiling*3/4 {
				high[i]++
			}
		}
	}
	for i := range rounds {
		if low[i] < 10 || high[i] < 10 {
			t.Errorf("round %d: %d of 100 rests in the lowest quarter, %d in the highest", i+1, low[i], high[i])
		}
	}
}

func TestAWaveOfRefusalsIsOneReasonToRest(t *testing.T) {
	for seed := range uint64(20) {
		cfg := config(fixed(8), fixed(8))
		cfg.Rand = rand.New(rand.NewPCG(seed, 0))
		w := newWorld(t, cfg)
		w.warm("glm", 8)
		w.answers = func(c *call) answer {
			if len(c.starts) == 1 {
				a := no(provider.Overload, 0)
				a.first += time.Duration(c.levels[0]) * time.Millisecond
				return a
			}
			return good(200*time.Millisecond, time.Second)
		}
		for i := range 8 {
			w.call("glm", fmt.Sprint("s", i), admission.Interactive)
		}
		known := w.now.Add(101 * time.Millisecond) // the first refusal
		w.finish(time.Minute)
		first := w.calls[0].ended
		for _, c := range w.calls {
			if at := c.starts[1]; at.Before(first) {
				first = at
			}
		}
		if rest := first.Sub(known); rest >= time.Second+7*time.Millisecond {
			t.Fatalf("eight refusals of one wave made it rest for %v", rest)
		}
	}
}

// A straggler of the wave brings a hint while a trial runs: the trial's success
// does not cut the pause that the provider asked for.
func TestAHintOfAStragglerOutlivesTheTrial(t *testing.T) {
	w := newWorld(t, config(fixed(2), fixed(2)))
	w.warm("glm", 2)
	w.answers = func(c *call) answer {
		switch {
		case len(c.starts) > 1 || c.ID == "r2":
			return good(3*time.Second, 5*time.Second)
		case c.ID == "r1":
			a := no(provider.Overload, time.Minute)
			a.first = 2 * time.Second
			return a
		}
		return no(provider.Overload, 0)
	}
	w.call("glm", "a", admission.Interactive)
	w.call("glm", "b", admission.Interactive)
	c := w.call("glm", "c", admission.Interactive)
	w.finish(2 * time.Minute) // the world sees to the pause
	if !c.starts[0].Before(w.calls[1].starts[0].Add(2 * time.Second)) {
		t.Errorf("no trial ran while the straggler was under way")
	}
}

func TestARequestThatAloneIsRefusedIsGivenUp(t *testing.T) {
	w := newWorld(t, config(fixed(1), limit.Config{}))
	w.answers = func(c *call) answer {
		if c.ID == "poison" {
			return no(provider.Overload, 0)
		}
		return good(200*time.Millisecond, time.Second)
	}
	p := w.arrive(pool.Request{ID: "poison", Lane: "glm", Session: "p"})
	for i := range 10 {
		w.call("glm", fmt.Sprint("s", i), admission.Interactive)
	}
	accepted := 0 // calls of others accepted, each after a refusal of the poison
	w.granted = func(c *call) {
		if c == p && len(p.starts) != accepted+1 {
			t.Errorf("attempt %d after %d acceptances of others", len(p.starts), accepted)
		}
		if c != p && p.fate == "" {
			accepted++
		}
	}
	w.finish(10 * time.Minute)
	w.want(p, "turned")
	if p.turned.Reason != pool.GivenUp || p.turned.Kind != provider.Overload || len(p.starts) != 3 || accepted != 3 {
		t.Errorf("%v after %d attempts and %d acceptances", p.turned, len(p.starts), accepted)
	}
	for _, c := range w.calls[1:] {
		w.want(c, "answered")
	}
}

// In an outage all are refused again and again; that another passes at its end
// says nothing about the request.
func TestAnOutageIsNoReasonToGiveUp(t *testing.T) {
	w := newWorld(t, config(fixed(1), limit.Config{}))
	w.answers = func(c *call) answer {
		// Both are refused four times; then b passes, and a only later.
		if n := len(c.starts); n <= 4 || c.ID == "a" && n <= 5 {
			return no(provider.Overload, 0)
		}
		return good(200*time.Millisecond, time.Second)
	}
	a := w.arrive(pool.Request{ID: "a", Lane: "glm", Session: "a"})
	b := w.arrive(pool.Request{ID: "b", Lane: "glm", Session: "b"})
	w.finish(time.Hour)
	w.want(b, "answered")
	w.want(a, "answered")
}

// Ten retries are free, then one per ten seconds and one for four first attempts;
// those without budget wait, the earliest arrival first, and are not given up.
func TestRetriesWithoutBudgetWait(t *testing.T) {
	for _, kind := range []provider.Kind{provider.Overload, provider.Server, provider.Transport} {
		t.Run(kind.String(), func(t *testing.T) {
			const n = 24
			w := newWorld(t, config(fixed(n), fixed(n)))
			w.answers = func(c *call) answer {
				if len(c.starts) == 1 {
					return no(kind, 0)
				}
				return good(200*time.Millisecond, time.Second)
			}
			for i := range n {
				w.call("glm", fmt.Sprint("s", i), admission.Interactive)
			}
			w.run(5 * time.Second)
			retried := func() (n int) {
				for _, c := range w.calls {
					n += max(0, len(c.starts)-1)
				}
				return n
			}
			if got := retried(); got > 10+n/4 {
				t.Errorf("%d retries at once, by %d first attempts", got, n)
			}
			for range 12 {
				if got, most := retried(), 10+n/4+1+int(w.now.Sub(epoch)/(10*time.Second)); got > most {
					t.Errorf("%d retries within %v, want %d at most", got, w.now.Sub(epoch), most)
				}
				w.run(10 * time.Second)
			}
			w.finish(10 * time.Minute)
			for _, c := range w.calls {
				w.want(c, "answered")
			}
		})
	}
}

func TestAmongThoseWithoutBudgetTheEarliestGoesFirst(t *testing.T) {
	const n = 32
	w := newWorld(t, config(fixed(1), limit.Config{}))
	w.answers = func(c *call) answer {
		if len(c.starts) == 1 {
			return no(provider.Server, 0)
		}
		return good(10*time.Millisecond, 20*time.Millisecond)
	}
	for i := range n {
		w.call("glm", fmt.Sprint("s", i), admission.Interactive)
	}
	w.run(30 * time.Second) // all were refused once, and the budget is spent
	seen := len(w.order())
	w.finish(time.Hour)
	rest := w.order()[seen:]
	if len(rest) < 5 {
		t.Fatalf("only %v were left without budget", rest)
	}
	for i := 1; i < len(rest); i++ {
		var a, b int
		fmt.Sscanf(rest[i-1], "r%d", &a)
		fmt.Sscanf(rest[i], "r%d", &b)
		if a > b {
			t.Errorf("r%d before r%d: %v", a, b, rest)
		}
	}
}

func TestAnotherLanesTroubleDelaysNobody(t *testing.T) {
	for _, kind := range []provider.Kind{provider.Overload, provider.Frequency, provider.Quota, provider.Server, provider.Plan} {
		t.Run(kind.String(), func(t *testing.T) {
			w := newWorld(t, config(fixed(4), fixed(8)))
			w.warm("well", 4)
			w.answers = func(c *call) answer {
				if c.Lane == "sick" {
					return no(kind, 5*time.Second)
				}
				return good(200*time.Millisecond, 500*time.Millisecond)
			}
			var waiting []int
			for i := range 50 {
				w.after(time.Duration(i)*time.Second, func() {
					w.call("sick", "s", admission.Interactive)
					c := w.call("well", "w", admission.Interactive)
					if len(c.starts) != 1 && len(waiting) < 3 {
						waiting = append(waiting, i)
					}
				})
			}
			w.run(time.Minute)
			if len(waiting) > 0 {
				t.Errorf("calls %v of the other lane waited", waiting)
			}
		})
	}
}
