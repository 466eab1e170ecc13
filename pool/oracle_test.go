package pool_test

import (
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

// allowed fails if the attempt, the n-th in flight in its lane, should not have
// started.
func (w *world) allowed(c *call, n int, before pool.Snapshot) {
	w.t.Helper()
	ls := laneOf(w.t, before, c.Lane)
	if n > ls.Limit && (n > ls.Limit+1 || ls.Probing || !laneOf(w.t, w.pool.Snapshot(w.now), c.Lane).Probing) {
		w.t.Fatalf("%s: %d in flight in lane %s of limit %d, probing before %v", c.ID, n, c.Lane, ls.Limit, ls.Probing)
	}
	if w.inFlight > before.Limit+1 {
		w.t.Fatalf("%s: %d in flight in an account of limit %d", c.ID, w.inFlight, before.Limit)
	}
	if w.now.Before(w.notBefore[c.Lane]) {
		w.t.Fatalf("%s admitted %v before the end of the pause", c.ID, w.notBefore[c.Lane].Sub(w.now))
	}
	shut := ls.Closed != nil && (ls.Closed.Until.IsZero() || w.now.Before(ls.Closed.Until))
	if before.Flagged != nil && !c.arrived.After(w.closed[""]) || shut && !c.arrived.After(w.closed[c.Lane]) {
		w.t.Fatalf("%s had arrived before its lane or account was closed, and started after it", c.ID)
	}
	w.inOrder(c)
}

// inOrder fails if a call is admitted before one of its lane and class that
// arrived earlier and has a better claim: it was refused and queues again, or, if
// both are new, it is of the same session.
func (w *world) inOrder(c *call) {
	w.t.Helper()
	for _, o := range w.calls {
		if o == c {
			return // the others arrived later
		}
		if o.fate != "" || o.running || o.Lane != c.Lane || o.Class != c.Class {
			continue
		}
		switch {
		case len(o.starts) == 0 && len(c.starts) == 0 && o.Session == c.Session:
			w.t.Fatalf("%s admitted before %s, both new of session %s", c.ID, o.ID, c.Session)
		case len(o.starts) > 0 && (o.last == provider.Concurrency || o.last == provider.Frequency || o.last == provider.Throttled):
			w.t.Fatalf("%s admitted before %s, which has lost its place", c.ID, o.ID)
		}
	}
}

// audit compares the pool's figures with the books, and fails if something
// waits that nothing can ever set in motion.
func (w *world) audit() {
	w.t.Helper()
	if w.blind {
		return
	}
	waiting, retrying := map[string]int{}, map[string]int{}
	queued, again := 0, 0
	for _, c := range w.calls {
		if c.fate == "" && !c.running {
			queued++
			waiting[c.Lane]++
			if len(c.starts) > 0 {
				again++
				retrying[c.Lane]++
			}
		}
	}
	s := w.pool.Snapshot(w.now)
	if s.InFlight != w.inFlight || s.Queued != queued || s.Retrying != again {
		w.t.Fatalf("snapshot: in flight %d, queued %d, retrying %d; in the books %d, %d, %d", s.InFlight, s.Queued, s.Retrying, w.inFlight, queued, again)
	}
	held := 0
	for _, l := range s.Lanes {
		if l.Held != nil {
			held += l.Queued
		}
		if l.InFlight != w.byLane[l.Model] || l.Queued != waiting[l.Model] || l.Retrying != retrying[l.Model] {
			w.t.Fatalf("lane %s: in flight %d, queued %d, retrying %d; in the books %d, %d, %d", l.Lane, l.InFlight, l.Queued, l.Retrying, w.byLane[l.Model], waiting[l.Model], retrying[l.Model])
		}
	}
	if f, q := w.pool.Counts(); f != w.inFlight || q != queued {
		w.t.Fatalf("counts: in flight %d, queued %d; in the books %d, %d", f, q, w.inFlight, queued)
	}
	if queued > held && w.inFlight == 0 && w.wake.IsZero() {
		w.t.Fatalf("%d wait, %d of them held, nothing runs and no wake-up is asked for", queued, held)
	}
}

// pry polls though the pool has not asked for it. What can start now could have
// started when something happened last, or the wake-up comes too late.
func (w *world) pry() {
	w.t.Helper()
	for _, e := range w.pool.Poll(w.now).Granted {
		w.t.Fatalf("%s could start at %v, but the pool asked to be called at %v", w.of[e].ID, w.now, w.wake)
	}
}

func laneOf(t failer, s pool.Snapshot, model string) pool.LaneSnapshot {
	t.Helper()
	for _, l := range s.Lanes {
		if l.Model == model {
			return l
		}
	}
	t.Fatalf("no lane %s in the snapshot", model)
	return pool.LaneSnapshot{}
}

// lane is the state of a lane now.
func (w *world) lane(model string) pool.LaneSnapshot {
	w.t.Helper()
	return laneOf(w.t, w.pool.Snapshot(w.now), model)
}

// want fails unless the call has ended so.
func (w *world) want(c *call, fate string) {
	w.t.Helper()
	if c.fate != fate {
		w.t.Fatalf("%s: ended %q, want %q (attempts %d, %v)", c.ID, c.fate, fate, len(c.starts), c.turned)
	}
}
