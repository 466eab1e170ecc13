package pool_test

import (
	"testing"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/provider"
)

// waited is how long the call waited for its first start.
func waited(t failer, c *call) time.Duration {
	t.Helper()
	if len(c.starts) == 0 {
		t.Fatalf("%s has not started", c.ID)
	}
	return c.starts[0].Sub(c.arrived)
}

func TestAtLimitOneBackgroundLooksOutForASecond(t *testing.T) {
	t.Run("it goes after a second if nothing else comes", func(t *testing.T) {
		w := newWorld(t, config(fixed(1), limit.Config{}))
		b := w.call("glm", "s", admission.Background)
		w.finish(time.Minute)
		if got := waited(t, b); got != time.Second {
			t.Errorf("waited %v", got)
		}
	})
	t.Run("a main request that comes meanwhile goes first", func(t *testing.T) {
		w := newWorld(t, config(fixed(1), limit.Config{}))
		b := w.call("glm", "s", admission.Background)
		w.run(900 * time.Millisecond)
		m := w.call("glm", "s", admission.Interactive)
		w.finish(time.Minute)
		if waited(t, m) != 0 || !b.starts[0].Equal(m.ended) {
			t.Errorf("main waited %v, background started %v after its end", waited(t, m), b.starts[0].Sub(m.ended))
		}
	})
	t.Run("each looks out for itself", func(t *testing.T) {
		w := newWorld(t, config(fixed(1), limit.Config{}))
		w.answers = func(*call) answer { return good(10*time.Millisecond, 100*time.Millisecond) }
		w.call("glm", "s", admission.Background)
		w.run(700 * time.Millisecond)
		b := w.call("glm", "s", admission.Background)
		w.finish(time.Minute)
		if got := waited(t, b); got != time.Second {
			t.Errorf("waited %v", got)
		}
	})
	t.Run("sub-agents do not look out", func(t *testing.T) {
		w := newWorld(t, config(fixed(1), limit.Config{}))
		if got := waited(t, w.call("glm", "s", admission.Subagent)); got != 0 {
			t.Errorf("waited %v", got)
		}
	})
}

func TestTheLastFreeSlotIsKeptForAPersonAtWork(t *testing.T) {
	// slots is a lane of three; an interactive call takes 2 s, others 100 s.
	slots := func(t *testing.T) *world {
		w := newWorld(t, config(fixed(3), fixed(5)))
		w.warm("glm", 3)
		w.answers = func(c *call) answer {
			if c.Class == admission.Interactive {
				return good(10*time.Millisecond, 2*time.Second)
			}
			return good(10*time.Millisecond, 100*time.Second)
		}
		return w
	}
	t.Run("while a call of it runs, and five seconds longer", func(t *testing.T) {
		w := slots(t)
		m := w.call("glm", "m", admission.Interactive)
		a := w.call("glm", "b", admission.Background)
		b := w.call("glm", "b", admission.Background)
		if waited(t, a) != 0 {
			t.Errorf("there were two free slots")
		}
		w.call("glm", "s", admission.Subagent)
		w.run(10 * time.Second)
		if got := b.starts[0].Sub(m.ended); got != 5*time.Second {
			t.Errorf("started %v after the end of the main call", got)
		}
	})
	t.Run("a main request takes it at once", func(t *testing.T) {
		w := slots(t)
		w.call("glm", "m", admission.Interactive)
		w.call("glm", "b", admission.Background)
		w.call("glm", "b", admission.Background)
		w.run(time.Second)
		if got := waited(t, w.call("glm", "m", admission.Interactive)); got != 0 {
			t.Errorf("waited %v", got)
		}
	})
	t.Run("nobody at work, and it is background's", func(t *testing.T) {
		w := slots(t)
		for range 3 {
			if got := waited(t, w.call("glm", "b", admission.Background)); got != 0 {
				t.Errorf("waited %v", got)
			}
		}
	})
	t.Run("sub-agents alone are no person", func(t *testing.T) {
		w := slots(t)
		w.call("glm", "m", admission.Subagent)
		w.call("glm", "b", admission.Background)
		if got := waited(t, w.call("glm", "b", admission.Background)); got != 0 {
			t.Errorf("waited %v", got)
		}
	})
	t.Run("the account's last slot, too", func(t *testing.T) {
		w := newWorld(t, config(fixed(5), fixed(2)))
		w.warm("glm", 2)
		w.answers = func(c *call) answer {
			if c.Class == admission.Interactive {
				return good(10*time.Millisecond, 2*time.Second)
			}
			return good(10*time.Millisecond, 100*time.Second)
		}
		w.call("glm", "m", admission.Interactive)
		w.call("glm", "s", admission.Subagent)
		b := w.call("air", "b", admission.Background)
		w.run(20 * time.Second)
		if got := waited(t, b); got != 7*time.Second {
			t.Errorf("waited %v", got)
		}
	})
}

func TestNoOptionalWorkWhileAnotherWaitsToBeRetried(t *testing.T) {
	w := newWorld(t, config(fixed(4), fixed(8)))
	w.warm("glm", 4)
	w.answers = func(c *call) answer {
		if c.Class == admission.Subagent && len(c.starts) == 1 {
			return no(provider.Server, 20*time.Second)
		}
		return good(10*time.Millisecond, time.Second)
	}
	w.call("glm", "a", admission.Subagent)
	w.run(time.Second)
	b := w.call("glm", "b", admission.Background)
	other := w.call("air", "b", admission.Background)
	m := w.call("glm", "c", admission.Subagent)
	if waited(t, m) != 0 {
		t.Errorf("main work waited %v", waited(t, m))
	}
	w.answers = func(*call) answer { return good(10*time.Millisecond, time.Second) }
	w.run(18 * time.Second)
	if len(b.starts)+len(other.starts) > 0 {
		t.Errorf("background started while another waited to be retried")
	}
	w.run(3 * time.Second)
	for _, c := range []*call{b, other} {
		if got := w.calls[0].starts[1]; !c.starts[0].Equal(got) && c.starts[0].Before(got) {
			t.Errorf("%s started before the retry", c.ID)
		}
	}

	t.Run("its own retry does not hold it", func(t *testing.T) {
		w := newWorld(t, config(fixed(4), fixed(4)))
		w.answers = func(c *call) answer {
			if len(c.starts) == 1 {
				return no(provider.Concurrency, 0)
			}
			return good(10*time.Millisecond, time.Second)
		}
		b := w.call("glm", "b", admission.Background)
		w.finish(10 * time.Second)
		w.want(b, "answered")
	})
	t.Run("a main request that stood back for background alone is tried again itself", func(t *testing.T) {
		w := newWorld(t, config(fixed(1), limit.Config{}))
		w.answers = func(c *call) answer {
			if c.ID == "r0" && len(c.starts) < 4 {
				return no(provider.Overload, 0)
			}
			return good(10*time.Millisecond, time.Second)
		}
		m := w.call("glm", "m", admission.Interactive)
		b := w.call("glm", "b", admission.Background)
		w.finish(30 * time.Second)
		w.want(m, "answered")
		w.want(b, "answered")
	})
}

// Each of the three rules holds a background call for ever, were it not for its
// age.
func TestAgeingLiftsEachRuleOfBackground(t *testing.T) {
	tests := []struct {
		name  string
		limit int
		hold  func(w *world) // keeps the rule in force from now on
	}{
		{"while another waits to be retried", 4, func(w *world) {
			w.answers = func(c *call) answer {
				if c.ID == "r0" && len(c.starts) == 1 {
					return no(provider.Server, time.Hour)
				}
				return good(10*time.Millisecond, time.Second)
			}
			w.call("glm", "m", admission.Interactive)
			w.run(time.Second)
		}},
		{"while a person is at work", 2, func(w *world) {
			w.answers = func(*call) answer { return good(10*time.Millisecond, time.Hour) }
			w.call("glm", "m", admission.Interactive)
		}},
		{"while main requests come all the time", 1, func(w *world) {
			for i := range 200 {
				w.after(time.Duration(i)*990*time.Millisecond, func() { w.call("glm", "m", admission.Interactive) })
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, config(fixed(tt.limit), fixed(tt.limit)))
			w.warm("glm", tt.limit)
			tt.hold(w)
			b := w.call("glm", "b", admission.Background)
			w.run(59 * time.Second)
			if len(b.starts) > 0 {
				t.Fatalf("the rule held it for %v only", waited(t, b))
			}
			w.run(3 * time.Second)
			if got := waited(t, b); got > admission.AgeAfter+2*time.Second {
				t.Errorf("waited %v", got)
			}
		})
	}
}
