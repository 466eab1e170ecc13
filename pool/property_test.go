package pool_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

// A plan is what a provider does in a random story.
type plan struct {
	lane, account int // hard limits: so many attempts at once
	kinds         []provider.Kind
	sick          int // of a hundred attempts, until healed, so many get one of kinds
	healed        time.Time
}

// provide answers by the plan: a refusal for concurrency over the hard limits,
// else by chance one of the plan's verdicts, else well.
func (p plan) provide(t *rapid.T, w *world) func(*call) answer {
	ms := func(from, to int, what string) time.Duration {
		return time.Duration(rapid.IntRange(from, to).Draw(t, what)) * time.Millisecond
	}
	return func(c *call) answer {
		if w.byLane[c.Lane] > p.lane || w.inFlight > p.account {
			a := no(provider.Concurrency, 0)
			a.first = ms(50, 300, "refused after")
			return a
		}
		sick := len(p.kinds) > 0 && w.now.Before(p.healed) && rapid.IntRange(0, 99).Draw(t, "health") < p.sick
		if !sick {
			first := ms(100, 2000, "first byte")
			a := good(first, first+ms(0, 5000, "rest"))
			a.broken = rapid.IntRange(0, 19).Draw(t, "broken") == 0
			return a
		}
		a := no(rapid.SampledFrom(p.kinds).Draw(t, "verdict"), 0)
		a.first = ms(20, 3000, "verdict after")
		if rapid.IntRange(0, 3).Draw(t, "hinted") == 0 {
			a.Hint = ms(1, 90_000, "hint")
		}
		a.Dial = a.Kind == provider.Transport && rapid.Bool().Draw(t, "dial")
		a.Final = rapid.IntRange(0, 29).Draw(t, "final") == 0
		if a.Kind == provider.Quota {
			a.Reset = w.now.Add(ms(-60_000, 7_200_000, "reset"))
		}
		return a
	}
}

// populate lets random clients come and go.
func populate(t *rapid.T, w *world, lanes, sessions []string) {
	var at time.Duration
	for i := range rapid.IntRange(1, 60).Draw(t, "requests") {
		at += time.Duration(rapid.SampledFrom([]int{0, 0, 0, 7, 400, 1000, 6000, 30_000}).Draw(t, "gap")) * time.Millisecond
		r := pool.Request{
			ID:      fmt.Sprintf("r%d", i),
			Lane:    rapid.SampledFrom(lanes).Draw(t, "lane"),
			Session: rapid.SampledFrom(sessions).Draw(t, "session"),
			Class:   admission.Class(rapid.IntRange(0, 2).Draw(t, "class")),
		}
		if rapid.IntRange(0, 3).Draw(t, "has a deadline") == 0 {
			r.Deadline = epoch.Add(at + time.Duration(rapid.IntRange(1, 220_000).Draw(t, "hold"))*time.Millisecond)
		}
		stays := rapid.IntRange(0, 5).Draw(t, "leaves") > 0
		stay := time.Duration(rapid.IntRange(0, 60_000).Draw(t, "stay")) * time.Millisecond
		w.at(epoch.Add(at), func() {
			c := w.arrive(r)
			if !stays {
				w.after(stay, func() { w.leave(c) })
			}
		})
	}
	if rapid.IntRange(0, 3).Draw(t, "sleeps") == 0 {
		w.after(time.Duration(rapid.IntRange(0, 100_000).Draw(t, "asleep at"))*time.Millisecond, w.slept)
	}
	for range rapid.IntRange(0, 10).Draw(t, "looks") {
		w.after(time.Duration(rapid.IntRange(0, 400_000).Draw(t, "look at"))*time.Millisecond, func() {
			w.step(w.now) // a wake-up that is due first
			w.pry()
		})
	}
	if rapid.IntRange(0, 3).Draw(t, "by hand") == 0 {
		byHand(t, w, lanes)
	}
	// Some leave in the very moment in which they are granted a slot.
	w.granted = func(c *call) {
		if rapid.IntRange(0, 19).Draw(t, "leaves when granted") == 0 {
			w.leave(c)
		}
	}
}

// byHand lets somebody hold and fix lanes and the account, and take it back.
func byHand(t *rapid.T, w *world, lanes []string) {
	names := []string{account}
	for _, l := range lanes {
		names = append(names, account+"/"+l)
	}
	for range rapid.IntRange(1, 4).Draw(t, "orders") {
		name := rapid.SampledFrom(names).Draw(t, "of")
		n := rapid.IntRange(1, 9).Draw(t, "fixed at")
		from := time.Duration(rapid.IntRange(0, 100_000).Draw(t, "order at")) * time.Millisecond
		until := from + time.Duration(rapid.IntRange(0, 100_000).Draw(t, "order for"))*time.Millisecond
		do, undo := func() { w.pool.Hold(w.now, name) }, func() { w.pool.Resume(w.now, name) }
		if rapid.Bool().Draw(t, "fixes") {
			do, undo = func() { w.pool.Fix(w.now, name, n) }, func() { w.pool.Fix(w.now, name, 0) }
		}
		w.after(from, func() { do(); w.settle() })
		w.after(until, func() { undo(); w.settle() })
	}
}

// story runs a random story to its end.
func story(t *rapid.T, p plan, cfg pool.Config, lanes []string) *world {
	w := newWorld(t, cfg)
	p.healed = epoch.Add(time.Duration(rapid.IntRange(0, 1800).Draw(t, "healed after")) * time.Second)
	w.answers = p.provide(t, w)
	populate(t, w, lanes, []string{"a", "b", "c", "d"})
	w.run(time.Hour)
	w.finish(time.Hour)
	return w
}

func bounds(t *rapid.T, what string) limit.Config {
	switch rapid.IntRange(0, 2).Draw(t, what) {
	case 0:
		return limit.Config{}
	case 1:
		return fixed(rapid.IntRange(1, 5).Draw(t, what+" fixed"))
	}
	return limit.Config{Min: 1, Max: rapid.IntRange(1, 8).Draw(t, what+" max")}
}

// The world's own checks are the oracle: limits, places, pauses, figures, and
// that whatever waits is set in motion by an event or by the wake-up. Here comes
// that each request ends once, by something that explains it, and that the
// account is as good as new then.
func TestWhateverHappensEachRequestEndsOnceAndNothingIsLost(t *testing.T) {
	sicknesses := map[string][]provider.Kind{
		"a provider that only counts": nil,
		"overload alone":              {provider.Overload},
		"overload and faults":         {provider.Overload, provider.Server, provider.Transport},
		"every verdict but closures":  {provider.Overload, provider.Server, provider.Transport, provider.Frequency, provider.Throttled, provider.Concurrency, provider.Plan, provider.Auth, provider.Invalid, provider.Content, provider.Unknown},
		"everything":                  {provider.Overload, provider.Overload, provider.Server, provider.Transport, provider.Frequency, provider.Throttled, provider.Concurrency, provider.Quota, provider.Flagged, provider.Plan},
	}
	for name, kinds := range sicknesses {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				p := plan{
					lane: rapid.IntRange(1, 5).Draw(t, "lane limit"), account: rapid.IntRange(1, 8).Draw(t, "account limit"),
					kinds: kinds, sick: rapid.SampledFrom([]int{5, 30, 80, 100}).Draw(t, "sick"),
				}
				cfg := config(bounds(t, "lane"), bounds(t, "account"))
				w := story(t, p, cfg, []string{"glm", "air", "flash"}[:rapid.IntRange(1, 3).Draw(t, "lanes")])
				for _, c := range w.calls {
					explained(t, c)
				}
				goodAsNew(t, w)
				told(t, w)
			})
		})
	}
}

// explained fails if a call was turned away for no reason that the contract knows.
func explained(t failer, c *call) {
	t.Helper()
	if c.fate != "turned" {
		return
	}
	switch c.turned.Reason {
	case pool.MaxWait:
		if c.Deadline.IsZero() || !c.turned.Until.After(c.Deadline) {
			t.Fatalf("%s turned away for its deadline %v: %v", c.ID, c.Deadline, c.turned)
		}
	case pool.GivenUp:
		if len(c.starts) < 3 {
			t.Fatalf("%s given up after %d attempts", c.ID, len(c.starts))
		}
	case pool.QuotaClosed, pool.AccountFlagged:
	default:
		t.Fatalf("%s turned away: %v", c.ID, c.turned)
	}
}

// goodAsNew fails unless the idle account takes and answers a call in each lane.
func goodAsNew(t failer, w *world) {
	t.Helper()
	w.granted = nil
	w.answers = func(*call) answer { return good(time.Millisecond, time.Millisecond) }
	w.pool.Resume(w.now, "")
	w.settle()
	w.run(10 * time.Minute) // the longest pauses
	s := w.pool.Snapshot(w.now)
	if s.InFlight != 0 || s.Queued != 0 || s.Retrying != 0 {
		t.Fatalf("at the end: %+v", s)
	}
	for _, session := range s.Sessions {
		if session.Running != 0 || session.Queued != 0 {
			t.Fatalf("session %+v at the end", session)
		}
	}
	for _, l := range s.Lanes {
		c := w.call(l.Model, "fresh", admission.Interactive)
		w.finish(15 * time.Second) // a pace that was learned keeps starts up to 12 s apart
		w.want(c, "answered")
	}
}

// told fails unless the events tell each request's story, whole and in order:
//
//	arrived ( admitted accepted? ( released refused? ) )* ( turned-away | left )? done
//
// A request that is turned away as it arrives has one event.
func told(t failer, w *world) {
	t.Helper()
	stories := map[string]string{}
	var last time.Time
	for _, ev := range w.events {
		if ev.At.Before(last) {
			t.Fatalf("event %+v is older than the one before", ev)
		}
		last = ev.At
		if ev.Request != "" {
			stories[ev.Request] += string(ev.Kind) + " "
		}
	}
	for _, c := range w.calls {
		var want strings.Builder
		got := stories[c.ID]
		if c.entry != nil {
			want.WriteString("arrived ")
		}
		for range c.starts {
			rest := strings.TrimPrefix(got, want.String())
			want.WriteString("admitted ")
			if strings.HasPrefix(rest, "admitted accepted ") {
				want.WriteString("accepted ")
			}
			want.WriteString("released ")
			if strings.HasPrefix(strings.TrimPrefix(got, want.String()), "refused ") {
				want.WriteString("refused ")
			}
		}
		switch {
		case c.entry == nil:
			want.WriteString("turned-away ")
		case c.fate == "turned":
			want.WriteString("turned-away done ")
		case c.fate == "left" && !strings.HasSuffix(got, "released done "):
			want.WriteString("left done ")
		default:
			want.WriteString("done ")
		}
		if got != want.String() {
			t.Fatalf("%s (%s): events\n%s, want\n%s", c.ID, c.fate, got, want.String())
		}
	}
}

// Interactive calls come without end and faster than they can be served; one
// background call must get its turn a minute after it came, behind no more than
// what is retried, what its own session asked for before it, and a turn of each
// other session meanwhile.
func TestBackgroundDoesNotStarve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "limit")
		sessions := rapid.IntRange(1, 6).Draw(t, "sessions")
		sick := rapid.IntRange(0, 30).Draw(t, "percent refused")
		luck := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "luck"), 0))
		w := newWorld(t, config(fixed(n), limit.Config{}))
		w.answers = func(*call) answer {
			if luck.IntN(100) < sick {
				return no(provider.Concurrency, 0)
			}
			return good(100*time.Millisecond, time.Duration(n)*700*time.Millisecond)
		}
		for i := range 160 {
			w.at(epoch.Add(time.Duration(i)*500*time.Millisecond), func() {
				w.call("glm", fmt.Sprint("s", i%sessions), admission.Interactive)
			})
		}
		w.run(3 * time.Second)
		b := w.call("glm", fmt.Sprint("s", rapid.IntRange(0, sessions).Draw(t, "session")), admission.Background)
		w.run(admission.AgeAfter)
		own := 1
		for _, c := range w.calls {
			if c != b && c.Session == b.Session && !c.arrived.After(b.arrived) && len(c.starts) == 0 {
				own++
			}
		}
		seen := len(w.events)
		for w.open() > 0 && len(b.starts) == 0 {
			if !w.step(w.now.Add(time.Hour)) {
				t.Fatalf("stuck")
			}
		}
		overtook := 0
		for _, ev := range w.events[seen:] {
			if ev.Kind != pool.Admitted {
				continue
			}
			if ev.Request == b.ID {
				break
			}
			if ev.Session != b.Session && ev.Attempt == 1 {
				overtook++
			}
		}
		if overtook > own*sessions {
			t.Fatalf("%d calls of other sessions began before the background call that had aged, behind %d of its own", overtook, own-1)
		}
	})
}

// A state that went through JSON in the middle of any story is the same state,
// and what is shown of limits and closures is the same.
func TestStateSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan{lane: 3, account: 4, kinds: []provider.Kind{provider.Quota, provider.Frequency, provider.Flagged}, sick: 10}
		cfg := config(limit.Config{}, limit.Config{})
		w := story(t, p, cfg, []string{"glm", "air"})
		text, err := json.Marshal(w.pool.State())
		if err != nil {
			t.Fatal(err)
		}
		var read pool.State
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		restored, err := pool.Restore(cfg, read)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := json.Marshal(restored.State())
		if string(again) != string(text) {
			t.Fatalf("state\n%s\ncame back as\n%s", text, again)
		}
		a, b := w.pool.Snapshot(w.now), restored.Snapshot(w.now)
		if a.Limit != b.Limit || (a.Flagged == nil) != (b.Flagged == nil) || len(a.Lanes) != len(b.Lanes) {
			t.Fatalf("%+v came back as %+v", a, b)
		}
		for i := range a.Lanes {
			x, y := a.Lanes[i], b.Lanes[i]
			if x.Lane != y.Lane || x.Limit != y.Limit || x.Pace != y.Pace || (x.Closed == nil) != (y.Closed == nil) {
				t.Fatalf("lane %+v came back as %+v", x, y)
			}
		}
		goodAsNew(t, worldFrom(t, restored, w.now))
	})
}

func worldFrom(t failer, p *pool.Pool, now time.Time) *world {
	w := worldOf(t, p)
	w.now = now
	return w
}
