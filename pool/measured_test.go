package pool_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
)

// A lane that was measured starts from there at once, and its account lets it.
func TestAMeasuredLaneStartsFromThere(t *testing.T) {
	counts := []limit.LevelCount{{Level: 4, Accepted: 40}, {Level: 5, Refused: 6}}
	w := newWorld(t, config(limit.Config{Max: 8}, limit.Config{Max: 8}))
	w.answers = func(*call) answer { return good(100*time.Millisecond, time.Hour) }
	w.pool.Measured(w.now, "glm", 4, false, counts)
	for range 9 {
		w.call("glm", "a", admission.Interactive)
	}
	w.run(10 * time.Second)
	s := w.pool.Snapshot(w.now)
	glm := laneOf(t, s, "glm")
	if s.Limit != 4 || glm.Limit != 4 || glm.InFlight != 4 || !strings.Contains(glm.Why, "4 is stable") || !strings.Contains(glm.Why, "5 was refused 6 of 6") {
		t.Errorf("account %d, %+v", s.Limit, glm)
	}
	w.pool.Measured(w.now, "glm", 3, true, nil)
	if glm = laneOf(t, w.pool.Snapshot(w.now), "glm"); glm.Limit != 4 {
		t.Errorf("at least 3 has lowered it to %d", glm.Limit)
	}
	w.pool.Measured(w.now, "glm", 2, false, nil)
	if s = w.pool.Snapshot(w.now); laneOf(t, s, "glm").Limit != 2 || s.Limit != 4 {
		t.Errorf("2 was measured: account %d, %+v", s.Limit, laneOf(t, s, "glm"))
	}
}

func TestAMeasuredStateIsRestored(t *testing.T) {
	now := time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC)
	cfg := config(limit.Config{Max: 8}, limit.Config{Max: 8})
	var s pool.State
	if err := s.Measured(now, "glm", 4, true, []limit.LevelCount{{Level: 4, Accepted: 40}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Measured(now, "glm", 3, true, nil); err != nil {
		t.Fatal(err)
	}
	p, err := pool.Restore(cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	if own, whole := p.Limit("glm"); own != 4 || whole != 4 {
		t.Errorf("the lane starts from %d, the account from %d", own, whole)
	}
}

// An account that others found flagged lets nothing through, running or kept.
func TestAnAccountThatOthersFoundFlagged(t *testing.T) {
	w := newWorld(t, config(limit.Config{Max: 8}, limit.Config{Max: 8}))
	w.pool.Flag(w.now, "1313", "ask")
	if s := w.pool.Snapshot(w.now); s.Flagged == nil || s.Flagged.Code != "1313" || s.Flagged.Hint != "ask" {
		t.Errorf("%+v", s.Flagged)
	}
	var s pool.State
	if err := s.Flag(w.now, "1313", "ask"); err != nil {
		t.Fatal(err)
	}
	if err := s.Flag(w.now.Add(time.Hour), "1313", "ask"); err != nil || !s.Flagged.Since.Equal(w.now) {
		t.Errorf("again: %v, %+v", err, s.Flagged)
	}
	p, err := pool.Restore(config(limit.Config{Max: 8}, limit.Config{Max: 8}), s)
	if err != nil || p.Snapshot(w.now).Flagged == nil {
		t.Errorf("%v: it is not flagged any more", err)
	}
}
