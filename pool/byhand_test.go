package pool_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

func TestAHeldLaneStartsNothingUntilItIsResumed(t *testing.T) {
	for _, name := range []string{account + "/glm", account} {
		w := newWorld(t, config(fixed(2), fixed(3)))
		w.answers = func(*call) answer { return good(100*time.Millisecond, 5*time.Second) }
		w.call("glm", "a", admission.Interactive)
		w.run(time.Second)
		if w.pool.Hold(w.now, "nothing/of/the/kind") != 0 || w.pool.Hold(w.now, name) != 1 || w.pool.Hold(w.now, name) != 1 {
			t.Fatal("the names are not known")
		}
		w.call("glm", "a", admission.Interactive)
		w.run(time.Minute)
		glm := laneOf(t, w.pool.Snapshot(w.now), "glm")
		if glm.Queued != 1 || glm.InFlight != 0 || glm.Held == nil || !strings.HasPrefix(glm.Why, "paused by hand") {
			t.Errorf("%s: %+v", name, glm)
		}
		if n := w.pool.Resume(w.now, name); n != 1 {
			t.Errorf("%s: resumed %d", name, n)
		}
		w.settle()
		w.run(time.Second)
		if glm = laneOf(t, w.pool.Snapshot(w.now), "glm"); glm.Queued != 0 || glm.InFlight != 1 || glm.Held != nil {
			t.Errorf("%s: %+v", name, glm)
		}
	}
}

func TestALimitFixedByHandHolds(t *testing.T) {
	w := newWorld(t, config(limit.Config{Max: 3}, limit.Config{Max: 3}))
	w.answers = func(*call) answer { return good(100*time.Millisecond, time.Hour) }
	w.call("glm", "a", admission.Interactive)
	w.run(time.Second)
	if w.pool.Fix(w.now, account+"/no", 5) != 0 || w.pool.Fix(w.now, account+"/glm", 5) != 1 {
		t.Fatal("the names are not known")
	}
	for range 9 {
		w.call("glm", "a", admission.Interactive)
	}
	w.run(time.Minute)
	s := w.pool.Snapshot(w.now)
	if glm := laneOf(t, s, "glm"); glm.Limit != 5 || glm.InFlight != 5 || glm.Fixed != 5 || s.Limit < 5 || glm.Why != "5 is fixed by hand" {
		t.Errorf("account %d, %+v", s.Limit, glm)
	}
	w.pool.Bound(w.now, config(limit.Config{Max: 4}, limit.Config{Max: 4}))
	if glm := laneOf(t, w.pool.Snapshot(w.now), "glm"); glm.Limit != 5 {
		t.Errorf("another configuration has changed it to %d", glm.Limit)
	}
	w.pool.Fix(w.now, account+"/glm", 0)
	s = w.pool.Snapshot(w.now)
	if glm := laneOf(t, s, "glm"); glm.Limit != 4 || glm.Fixed != 0 || s.Limit != 4 {
		t.Errorf("freed: account %d, %+v", s.Limit, glm)
	}
	if w.pool.Fix(w.now, account, 2) != 1 || w.pool.Snapshot(w.now).Limit != 2 || w.pool.Snapshot(w.now).Fixed != 2 {
		t.Error("the account's is not fixed")
	}
	w.pool.Fix(w.now, account, pool.MaxFixed+1)
	if got := w.pool.Snapshot(w.now).Limit; got != pool.MaxFixed {
		t.Errorf("without bound: %d", got)
	}
}

// What was said of a lane by hand can be taken back, however many others come.
func TestALaneWithALimitFixedByHandIsNotForgotten(t *testing.T) {
	w := newWorld(t, config(limit.Config{Max: 3}, limit.Config{Max: 3}))
	w.call("glm", "a", admission.Interactive)
	w.run(time.Minute)
	w.pool.Fix(w.now, account+"/glm", 5)
	for i := range 200 {
		w.call(fmt.Sprintf("m%d", i), "a", admission.Interactive)
		w.run(time.Minute)
	}
	if w.pool.Fix(w.now, account+"/glm", 0) != 1 || w.pool.Snapshot(w.now).Limit > 3 {
		t.Errorf("it cannot be freed, and the account's limit stays at %d", w.pool.Snapshot(w.now).Limit)
	}
}

// What waits to be retried in a lane that is held keeps no background work of others waiting.
func TestAHeldLaneKeepsNoOtherWaiting(t *testing.T) {
	w := newWorld(t, config(fixed(2), fixed(4)))
	w.answers = func(c *call) answer {
		if c.Lane == "held" {
			return no(provider.Concurrency, 2*time.Second)
		}
		return good(10*time.Millisecond, 100*time.Millisecond)
	}
	w.call("held", "a", admission.Interactive)
	w.run(time.Second)
	w.pool.Hold(w.now, account+"/held")
	w.run(10 * time.Second)
	if got := laneOf(t, w.pool.Snapshot(w.now), "held").Retrying; got != 1 {
		t.Fatalf("%d wait to be retried", got)
	}
	b := w.call("glm", "b", admission.Background)
	w.run(2 * time.Minute)
	if got := waited(t, b); got != 0 {
		t.Errorf("it waited %v", got)
	}
}
