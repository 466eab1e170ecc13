package pool_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

func quota(reset time.Time) answer {
	a := no(provider.Quota, 0)
	a.Code, a.Reset = "1308", reset
	return a
}

// closedWorld has a lane that was closed at the moment it returns, by r0, and a
// provider that goes on answering so until the test says otherwise.
func closedWorld(t failer, a answer) *world {
	w := newWorld(t, config(fixed(1), fixed(2)))
	w.answers = func(c *call) answer {
		if c.Lane == "glm" {
			return a
		}
		return good(200*time.Millisecond, time.Second)
	}
	w.call("glm", "s", admission.Interactive)
	w.run(100 * time.Millisecond)
	w.want(w.calls[0], "passed")
	return w
}

func TestASpentQuotaClosesTheLane(t *testing.T) {
	reset := epoch.Add(3 * time.Hour)
	t.Run("all that wait in it are answered at once, and nobody else", func(t *testing.T) {
		w := newWorld(t, config(fixed(1), limit.Config{}))
		w.answers = func(c *call) answer {
			if c.Lane == "glm" {
				return quota(reset)
			}
			return good(200*time.Millisecond, time.Second)
		}
		w.call("glm", "a", admission.Interactive)
		b := w.call("glm", "b", admission.Interactive)
		c := w.call("glm", "c", admission.Background)
		d := w.call("air", "d", admission.Interactive)
		w.run(100 * time.Millisecond)
		for _, c := range []*call{b, c} {
			w.want(c, "turned")
			if got := *c.turned; got.Reason != pool.QuotaClosed || got.Kind != provider.Quota || got.Code != "1308" || !got.Until.Equal(reset) {
				t.Errorf("turned away: %+v", got)
			}
		}
		w.finish(5 * time.Second)
		w.want(d, "answered")
	})
	t.Run("one request every ten minutes tries", func(t *testing.T) {
		w := closedWorld(t, quota(reset))
		tried := 0
		for range 35 * 60 { // one a second
			w.run(time.Second)
			if c := w.call("glm", "s", admission.Interactive); c.fate == "" {
				tried++
			}
		}
		if tried != 3 {
			t.Errorf("%d tried within 35 minutes", tried)
		}
	})
	t.Run("it opens at the reset", func(t *testing.T) {
		w := closedWorld(t, quota(epoch.Add(5*time.Minute)))
		w.run(5*time.Minute - 101*time.Millisecond)
		w.want(w.call("glm", "s", admission.Interactive), "turned")
		w.run(time.Millisecond)
		w.answers = func(*call) answer { return good(200*time.Millisecond, time.Second) }
		c := w.call("glm", "s", admission.Interactive)
		w.finish(5 * time.Second)
		w.want(c, "answered")
		if w.lane("glm").Closed != nil {
			t.Errorf("still closed: %+v", w.lane("glm").Closed)
		}
	})
	t.Run("it opens when a trial is accepted", func(t *testing.T) {
		w := closedWorld(t, quota(reset))
		w.run(10 * time.Minute)
		w.answers = func(*call) answer { return good(time.Second, 2*time.Second) }
		c := w.call("glm", "s", admission.Interactive)
		w.run(999 * time.Millisecond)
		w.want(w.call("glm", "s", admission.Interactive), "turned")
		w.run(time.Millisecond)
		d := w.call("glm", "s", admission.Interactive)
		w.finish(10 * time.Second)
		w.want(c, "answered")
		w.want(d, "answered")
	})
	t.Run("a trial that is refused otherwise is retried", func(t *testing.T) {
		w := closedWorld(t, quota(reset))
		w.run(10 * time.Minute)
		w.answers = func(c *call) answer {
			if len(c.starts) < 3 {
				return no(provider.Concurrency, 0)
			}
			return good(time.Second, 2*time.Second)
		}
		c := w.call("glm", "s", admission.Interactive)
		w.finish(time.Minute)
		w.want(c, "answered")
	})
	t.Run("a trial that never started leaves its turn to the next", func(t *testing.T) {
		w := closedWorld(t, quota(reset))
		w.run(10*time.Minute - time.Second)
		w.answers = func(*call) answer { return good(time.Second, 10*time.Minute) }
		w.call("air", "a", admission.Interactive)
		w.call("flash", "a", admission.Interactive)
		w.run(time.Second)
		c := w.call("glm", "s", admission.Interactive)
		w.want(c, "") // the account has no room
		w.want(w.call("glm", "s", admission.Interactive), "turned")
		w.leave(c)
		w.want(w.call("glm", "s", admission.Interactive), "")
	})
	t.Run("what started before and is accepted afterwards does not open it", func(t *testing.T) {
		w := newWorld(t, config(fixed(2), fixed(2)))
		w.answers = func(c *call) answer {
			if c.ID == "r0" {
				return good(2*time.Second, 5*time.Second)
			}
			return quota(reset)
		}
		w.call("glm", "a", admission.Interactive)
		w.call("glm", "b", admission.Interactive)
		w.finish(10 * time.Second)
		w.want(w.calls[0], "answered")
		if w.lane("glm").Closed == nil {
			t.Errorf("open again")
		}
	})
	for _, kind := range []provider.Kind{provider.Concurrency, provider.Overload, provider.Server} {
		t.Run("what started before and is refused afterwards for "+kind.String()+" is not tried again", func(t *testing.T) {
			w := newWorld(t, config(fixed(2), fixed(2)))
			w.answers = func(c *call) answer {
				if c.ID == "r0" {
					a := no(kind, 0)
					a.first = 2 * time.Second
					return a
				}
				return quota(reset)
			}
			a := w.call("glm", "a", admission.Interactive)
			w.call("glm", "b", admission.Interactive)
			w.finish(2 * time.Second)
			w.want(a, "turned")
			if a.turned.Reason != pool.QuotaClosed || len(a.starts) != 1 {
				t.Errorf("%v after %d attempts", a.turned, len(a.starts))
			}
		})
	}
}

func TestWhenAClosedLaneOpens(t *testing.T) {
	now := epoch.Add(100 * time.Millisecond)
	tests := []struct {
		name  string
		reset time.Time
		hint  time.Duration
		want  time.Time
	}{
		{"at the reset", now.Add(time.Hour), 0, now.Add(time.Hour)},
		{"not known without one", time.Time{}, 0, time.Time{}},
		{"not known if it is past", now.Add(-time.Minute), 0, time.Time{}},
		{"not known if it is this moment", now, 0, time.Time{}},
		{"after the header's hint, which wins", now.Add(time.Hour), 20 * time.Minute, now.Add(20 * time.Minute)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := quota(tt.reset)
			a.Hint = tt.hint
			w := closedWorld(t, a)
			c := w.lane("glm").Closed
			if c == nil || !c.Until.Equal(tt.want) || !c.Trial.Equal(now.Add(10*time.Minute)) || !c.Since.Equal(now) {
				t.Fatalf("closed: %+v, want until %v", c, tt.want)
			}
			w.want(w.call("glm", "s", admission.Interactive), "turned")
		})
	}
}

func TestAFlagClosesTheAccount(t *testing.T) {
	// flaggedWorld was flagged by r0 in lane glm after 0.1 s. r1 runs in lane air
	// until 5 s, when it is refused; r2 and r3 waited.
	flaggedWorld := func(t *testing.T) *world {
		w := newWorld(t, config(fixed(1), fixed(2)))
		w.warm("warm", 1)
		w.answers = func(c *call) answer {
			switch c.Lane {
			case "glm":
				return no(provider.Flagged, 0)
			case "air":
				a := no(provider.Concurrency, 0)
				a.first = 5 * time.Second
				return a
			}
			t.Errorf("an attempt in lane %s", c.Lane)
			return good(1, 1)
		}
		w.call("air", "a", admission.Interactive)
		w.run(time.Second)
		w.call("glm", "b", admission.Interactive)
		w.call("glm", "c", admission.Interactive)
		w.call("flash", "d", admission.Interactive)
		w.run(100 * time.Millisecond)
		return w
	}
	t.Run("all that wait are answered at once", func(t *testing.T) {
		w := flaggedWorld(t)
		w.want(w.calls[1], "passed")
		for _, c := range w.calls[2:] {
			w.want(c, "turned")
			if c.turned.Reason != pool.AccountFlagged || c.turned.Until.Sub(w.now) != 6*time.Hour {
				t.Errorf("%+v", c.turned)
			}
		}
	})
	t.Run("nothing is attempted for six hours, also not what ran and was refused", func(t *testing.T) {
		w := flaggedWorld(t)
		until := w.now.Add(6 * time.Hour)
		w.run(10 * time.Second)
		w.want(w.calls[0], "turned")
		for w.now.Before(until.Add(-20 * time.Minute)) {
			w.want(w.call("flash", "s", admission.Interactive), "turned")
			w.run(11 * time.Minute)
		}
		w.answers = func(*call) answer { return good(200*time.Millisecond, time.Second) }
		w.run(until.Sub(w.now))
		c := w.call("flash", "s", admission.Interactive)
		w.finish(5 * time.Second)
		w.want(c, "answered")
	})
	t.Run("a person may open it", func(t *testing.T) {
		for _, name := range []string{"", account} {
			w := flaggedWorld(t)
			w.run(10 * time.Second)
			if n := w.pool.Resume(w.now, name); n != 1 {
				t.Errorf("%q opened %d closures", name, n)
			}
			w.settle()
			w.answers = func(*call) answer { return good(200*time.Millisecond, time.Second) }
			c := w.call("glm", "s", admission.Interactive)
			w.finish(5 * time.Second)
			w.want(c, "answered")
		}
	})
	t.Run("a lane's name does not open the account", func(t *testing.T) {
		w := flaggedWorld(t)
		if n := w.pool.Resume(w.now, account+"/glm"); n != 0 {
			t.Errorf("opened %d", n)
		}
	})
	t.Run("nothing climbs for the rest of the provider's day", func(t *testing.T) {
		w := newWorld(t, config(limit.Config{}, limit.Config{}))
		flag := true
		w.answers = func(c *call) answer {
			if flag {
				flag = false
				return no(provider.Flagged, 0)
			}
			return good(200*time.Millisecond, time.Second)
		}
		w.call("glm", "s", admission.Interactive)
		w.run(time.Second)
		w.pool.Resume(w.now, "")
		midnight := time.Date(2026, 9, 11, 16, 0, 0, 0, time.UTC) // of the 12th in UTC+8
		busy := func() int {
			for i := range 20 {
				w.call("glm", fmt.Sprint("s", i), admission.Interactive)
			}
			w.finish(time.Minute)
			return w.lane("glm").Limit
		}
		for w.now.Before(midnight.Add(-time.Hour)) {
			if n := busy(); n != 1 {
				t.Fatalf("limit %d at %v", n, w.now)
			}
			w.run(30 * time.Minute)
		}
		w.run(midnight.Sub(w.now))
		if n := busy(); n < 2 {
			t.Errorf("limit %d on the next day", n)
		}
	})
}

func TestResumeOpensALaneByItsName(t *testing.T) {
	w := closedWorld(t, quota(epoch.Add(time.Hour)))
	if n := w.pool.Resume(w.now, account+"/air"); n != 0 {
		t.Errorf("another lane's name opened %d", n)
	}
	if n := w.pool.Resume(w.now, account+"/glm"); n != 1 {
		t.Errorf("its name opened %d", n)
	}
	w.want(w.call("glm", "s", admission.Interactive), "")
}
