package pool_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

// TestALaneThatIsToldOfAPace: one model's starts must be two seconds apart. It is
// spaced, its limit stays what it is, and the other model's calls are not delayed.
func TestALaneThatIsToldOfAPace(t *testing.T) {
	const apart = 2 * time.Second
	w := newWorld(t, config(limit.Config{}, limit.Config{}))
	var last time.Time
	bears := bearing(w, map[string]int{"glm": 4, "air": 3}, 0)
	w.answers = func(c *call) answer {
		if c.Lane == "glm" {
			if !last.IsZero() && w.now.Sub(last) < apart {
				return no(provider.Frequency, 0)
			}
			last = w.now
		}
		return bears(c)
	}
	lanes := []string{"glm", "air"}
	w.busy(lanes, 6, 10*time.Minute)
	attempts, refused, mean := w.busy(lanes, 6, 20*time.Minute)
	t.Logf("%d attempts, %d refused, in flight %v, pace %s and %s", attempts, refused, mean, w.lane("glm").Pace, w.lane("air").Pace)
	if got := w.lane("glm").Pace; got < apart || got > apart*5/4 {
		t.Errorf("starts are kept %s apart, want 2 s", got)
	}
	if got := w.lane("air"); got.Pace != 0 || got.Limit != 3 || mean["air"] < 2.7 {
		t.Errorf("the other model: pace %s, limit %d, %.2f of 3 slots used", got.Pace, got.Limit, mean["air"])
	}
	if refused*100 > 3*attempts {
		t.Errorf("%d of %d attempts were refused", refused, attempts)
	}
}

// TestBothLimitsAreToldApart: the account bears four, one of its models two.
func TestBothLimitsAreToldApart(t *testing.T) {
	w := newWorld(t, config(limit.Config{}, limit.Config{}))
	w.answers = bearing(w, map[string]int{"glm": 2}, 4)
	lanes := []string{"glm", "air"}
	w.busy(lanes, 6, 20*time.Minute)
	attempts, refused, mean := w.busy(lanes, 6, 40*time.Minute)
	s := w.pool.Snapshot(w.now)
	t.Logf("%d attempts, %d refused, in flight %v, account %d (%s), glm %d (%s), air %d (%s)", attempts, refused, mean,
		s.Limit, s.Cause, w.lane("glm").Limit, w.lane("glm").Cause, w.lane("air").Limit, w.lane("air").Cause)
	if s.Limit != 4 || w.lane("glm").Limit != 2 {
		t.Errorf("the account bears 4, taken for %d; glm bears 2, taken for %d", s.Limit, w.lane("glm").Limit)
	}
	if all := mean["glm"] + mean["air"]; all < 3.6 {
		t.Errorf("%.2f of 4 slots were used", all)
	}
	if refused*100 > 3*attempts {
		t.Errorf("%d of %d attempts were refused", refused, attempts)
	}
}

// A state from before lags and paces were learned is read, but for the spaces that
// were kept then.
func TestAnOlderStateIsRead(t *testing.T) {
	const text = `{"version":1,"limit":{"version":1,"stable":4,"tokens":2,"wait":10000000000,"next":"0001-01-01T00:00:00Z","careful":false,"levels":{}},` +
		`"lanes":{"glm":{"limit":{"version":1,"stable":3,"tokens":1,"wait":10000000000,"next":"0001-01-01T00:00:00Z","careful":true,"levels":{"3":{"accepted":9,"refused":0,"score":0,"last":"2026-03-01T09:00:00Z"}}},"pace":{"gap":3000000000}}}}`
	var s pool.State
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	p, err := pool.Restore(config(limit.Config{}, limit.Config{}), s)
	if err != nil {
		t.Fatal(err)
	}
	own, account := p.Limit("glm")
	if own != 3 || account != 4 {
		t.Errorf("the lane's limit is %d, the account's %d, want 3 and 4", own, account)
	}
	if again := p.State().Lanes["glm"].Limit.Version; again != limit.Version {
		t.Errorf("it is written with version %d", again)
	}
}
