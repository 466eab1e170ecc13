package daemon

import (
	"sync"
	"time"
)

// DefaultIdle is how long a gateway in the background stays when nobody needs it.
const DefaultIdle = 10 * time.Minute

// serving counts the calls under way.
type serving struct {
	mu   sync.Mutex // guards the fields below
	n    int
	last time.Time // when the last one ended
}

func (s *serving) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
}

func (s *serving) end(now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n--
	s.last = now()
}

// now returns how many calls are under way, and when the last one ended; the zero
// moment if none did.
func (s *serving) now() (n int, last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n, s.last
}

// idle returns a ticker that says when to look whether the gateway is still needed.
// One that nobody has started in the background stays.
func (d *Daemon) idle() *time.Ticker {
	if !d.cfg.Background {
		t := time.NewTicker(time.Hour)
		t.Stop()
		return t
	}
	return time.NewTicker(min(max(d.cfg.Idle/20, 10*time.Millisecond), 15*time.Second))
}

// isIdle tells that nobody has needed the gateway for as long as it stays. What was done
// by hand is known to it alone, so with that it stays.
func (d *Daemon) isIdle(now time.Time) bool {
	n, last := d.serving.now()
	if left := d.runs.lastLeft(); left.After(last) {
		last = left
	}
	if d.started.After(last) {
		last = d.started
	}
	// Both sides without their monotonic part: a machine that slept has been idle.
	return n == 0 && d.runs.none() && !d.governor.IsByHand() && now.Round(0).Sub(last.Round(0)) >= d.cfg.Idle
}
