package pool_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

// learned is a world that has learned limits, a pace and a closure.
func learned(t failer) *world {
	w := newWorld(t, config(limit.Config{}, limit.Config{}))
	w.answers = bearing(w, map[string]int{"glm": 2, "air": 3}, 0)
	w.busy([]string{"glm", "air"}, 4, 2*time.Minute)
	for lane, kind := range map[string]provider.Kind{"shut": provider.Quota, "slow": provider.Frequency} {
		w.answers = func(c *call) answer {
			if len(c.starts) > 1 {
				return good(1, 1)
			}
			a := no(kind, 0)
			a.Reset = w.now.Add(time.Hour)
			return a
		}
		w.call(lane, "s", admission.Interactive)
		w.finish(time.Minute)
	}
	return w
}

// afterJSON is the state as it comes back from a file.
func afterJSON(t failer, s pool.State) pool.State {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var read pool.State
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatalf("%v", err)
	}
	return read
}

func TestWhatWasLearnedOutlivesARestart(t *testing.T) {
	w := learned(t)
	before := w.pool.Snapshot(w.now)
	p, err := pool.Restore(config(limit.Config{}, limit.Config{}), afterJSON(t, w.pool.State()))
	if err != nil {
		t.Fatal(err)
	}
	after := p.Snapshot(w.now)
	if after.Limit != before.Limit || before.Limit < 3 || len(after.Lanes) != len(before.Lanes) {
		t.Errorf("limit %d of %d lanes, was %d of %d", after.Limit, len(after.Lanes), before.Limit, len(before.Lanes))
	}
	for i, b := range before.Lanes {
		a := after.Lanes[i]
		if a.Lane != b.Lane || a.Limit != b.Limit || a.Pace != b.Pace || fmt.Sprint(a.Curve) != fmt.Sprint(b.Curve) {
			t.Errorf("lane\n%+v, was\n%+v", a, b)
		}
	}
	v := worldOf(t, p)
	v.now = w.now
	shut := v.call("shut", "s", admission.Interactive)
	v.want(shut, "turned")
	if shut.turned.Reason != pool.QuotaClosed || !shut.turned.Until.Equal(laneOf(t, before, "shut").Closed.Until) {
		t.Errorf("%+v", shut.turned)
	}
	v.run(time.Hour)
	v.want(v.call("shut", "s", admission.Interactive), "")
}

func TestAFlagOutlivesARestart(t *testing.T) {
	w := newWorld(t, config(fixed(1), limit.Config{}))
	w.answers = func(*call) answer { return no(provider.Flagged, 0) }
	w.call("glm", "s", admission.Interactive)
	w.run(100 * time.Millisecond)
	state := afterJSON(t, w.pool.State())
	p, err := pool.Restore(config(fixed(1), limit.Config{}), state)
	if err != nil {
		t.Fatal(err)
	}
	v := worldOf(t, p)
	v.now = w.now.Add(6*time.Hour - 1)
	v.want(v.call("air", "s", admission.Interactive), "turned")
	v.run(1)
	v.want(v.call("air", "s", admission.Interactive), "")

	t.Run("and is lifted in the file", func(t *testing.T) {
		if n := state.Resume(account, account+"/glm"); n != 0 {
			t.Errorf("a lane's name lifted %d", n)
		}
		if n := state.Resume(account, account); n != 1 || state.Flagged != nil {
			t.Errorf("lifted %d, left %+v", n, state.Flagged)
		}
	})
}

func TestADamagedLaneLeavesTheOthers(t *testing.T) {
	w := learned(t)
	state := afterJSON(t, w.pool.State())
	bad := state.Lanes["air"]
	bad.Limit.Stable = -3
	state.Lanes["air"] = bad
	p, err := pool.Restore(config(limit.Config{}, limit.Config{}), state)
	if err == nil || !strings.Contains(err.Error(), account+"/air") {
		t.Errorf("error: %v", err)
	}
	after := p.Snapshot(w.now)
	if got, want := laneOf(t, after, "glm").Limit, w.lane("glm").Limit; got != want || want < 2 {
		t.Errorf("limit of the sound lane %d, was %d", got, want)
	}
	if laneOf(t, after, "shut").Closed == nil || after.Limit != w.pool.Snapshot(w.now).Limit {
		t.Errorf("lost: %+v", after)
	}
	v := worldOf(t, p)
	v.now = w.now
	c := v.call("air", "s", admission.Interactive)
	v.finish(time.Minute)
	v.want(c, "answered")

	t.Run("so does a damaged account", func(t *testing.T) {
		state := afterJSON(t, w.pool.State())
		state.Limit.Version = 99
		p, err := pool.Restore(config(limit.Config{}, limit.Config{}), state)
		if err == nil || p.Snapshot(w.now).Limit != 1 || laneOf(t, p.Snapshot(w.now), "glm").Limit < 2 {
			t.Errorf("error %v, %+v", err, p.Snapshot(w.now))
		}
	})
	t.Run("another version gives a fresh account", func(t *testing.T) {
		state := afterJSON(t, w.pool.State())
		state.Version++
		p, err := pool.Restore(config(limit.Config{}, limit.Config{}), state)
		if err == nil || len(p.Snapshot(w.now).Lanes) != 0 {
			t.Errorf("error %v, %+v", err, p.Snapshot(w.now))
		}
	})
}

func TestLanesAndSessionsAreBounded(t *testing.T) {
	quick := func(*call) answer { return good(1, 1) }
	// visit makes a call in a lane for itself.
	visit := func(w *world, lane, session string) *call {
		c := w.call(lane, session, admission.Interactive)
		w.run(time.Millisecond)
		w.calls = nil
		return c
	}
	t.Run("of lanes those idle for longest are forgotten", func(t *testing.T) {
		w := quietly(t)
		w.answers = quick
		for i := range 150 {
			visit(w, fmt.Sprint("m", i), "s")
			if i == 120 {
				visit(w, "m30", "s")
			}
		}
		lanes := map[string]bool{}
		for _, l := range w.pool.Snapshot(w.now).Lanes {
			lanes[l.Model] = true
		}
		if len(lanes) != 100 || !lanes["m149"] || !lanes["m30"] || lanes["m31"] {
			t.Errorf("%d lanes, the last %v, one used lately %v, an old one %v", len(lanes), lanes["m149"], lanes["m30"], lanes["m31"])
		}
	})
	t.Run("closed ones last, but they do not grow without bound", func(t *testing.T) {
		w := quietly(t)
		w.answers = func(*call) answer { return quota(time.Time{}) }
		visit(w, "shut", "s")
		w.run(time.Second)
		w.answers = quick
		for i := range 110 {
			visit(w, fmt.Sprint("m", i), "s")
		}
		if laneOf(t, w.pool.Snapshot(w.now), "shut").Closed == nil {
			t.Errorf("a closed lane was forgotten for an open one")
		}
		w.answers = func(*call) answer { return quota(time.Time{}) }
		for i := range 110 {
			visit(w, fmt.Sprint("shut", i), "s")
		}
		w.run(time.Second)
		w.answers = quick
		visit(w, "one more", "s")
		if n := len(w.pool.Snapshot(w.now).Lanes); n > 100 {
			t.Errorf("%d lanes", n)
		}
	})
	t.Run("what waits or runs is never forgotten", func(t *testing.T) {
		w := quietly(t)
		w.answers = func(*call) answer { return good(1, time.Minute) }
		var calls []*call
		for i := range 1100 { // far more than are remembered
			calls = append(calls, w.call(fmt.Sprint("m", i), fmt.Sprint("s", i), admission.Interactive))
		}
		w.finish(24 * time.Hour)
		for _, c := range calls {
			w.want(c, "answered")
		}
		w.calls = nil
		visit(w, "one more", "s")
		s := w.pool.Snapshot(w.now)
		if len(s.Lanes) > 100 || len(s.Sessions) > 1000 {
			t.Errorf("%d lanes, %d sessions", len(s.Lanes), len(s.Sessions))
		}
	})
	t.Run("of sessions the idle ones are forgotten", func(t *testing.T) {
		w := quietly(t)
		w.answers = quick
		for i := range 1500 {
			visit(w, "glm", fmt.Sprint("s", i))
			if n := len(w.pool.Snapshot(w.now).Sessions); n > 1000 {
				t.Fatalf("%d sessions", n)
			}
		}
	})
	t.Run("a state with too many lanes is cut", func(t *testing.T) {
		w := quietly(t)
		visit(w, "glm", "s")
		state := w.pool.State()
		for i := range 2000 {
			state.Lanes[fmt.Sprint("m", i)] = state.Lanes["glm"]
		}
		p, err := pool.Restore(config(fixed(1), limit.Config{}), state)
		if err != nil || len(p.Snapshot(w.now).Lanes) != 100 {
			t.Errorf("%d lanes, %v", len(p.Snapshot(w.now).Lanes), err)
		}
	})
}

// quietly is a world that does not look at the pool's figures after each event,
// which takes long where there are a thousand lanes.
func quietly(t failer) *world {
	w := newWorld(t, config(fixed(1), fixed(50)))
	w.blind = true
	return w
}

// Other bounds hold at once, and what was learned within them stays.
func TestBoundsCanChange(t *testing.T) {
	now := epoch
	p := pool.New(pool.Config{Name: account, Lane: limit.Config{Min: 4, Max: 4}, Account: limit.Config{Min: 8, Max: 8}, Rand: rand.New(rand.NewPCG(1, 1))})
	for i := range 6 {
		if _, err := p.Push(now, pool.Request{ID: fmt.Sprint(i), Lane: "glm"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(p.Poll(now).Granted); n != 4 {
		t.Fatalf("%d granted, want 4", n)
	}
	p.Bound(now, pool.Config{Lane: limit.Config{Min: 1, Max: 3}, Account: limit.Config{Min: 5, Max: 5}, LaneOf: func(lane string) (limit.Config, bool) {
		return limit.Config{Min: 2, Max: 2}, lane == "glm"
	}})
	if s := p.Snapshot(now); s.Limit != 5 || s.Lanes[0].Limit != 2 || s.InFlight != 4 {
		t.Errorf("limit %d of the account, %d of the lane, %d in flight", s.Limit, s.Lanes[0].Limit, s.InFlight)
	}
	p.Bound(now, pool.Config{Lane: limit.Config{Min: 1, Max: 6, Start: 6}, Account: limit.Config{Min: 8, Max: 8}})
	if s := p.Snapshot(now); s.Lanes[0].Limit != 2 {
		t.Errorf("limit %d, want the 2 that lie within the bounds", s.Lanes[0].Limit)
	}
}
