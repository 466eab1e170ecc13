package scenario

import (
	"testing"
	"time"
)

const s = time.Second

func constant(d time.Duration) Dist { return Dist{Kind: Constant, Mean: d} }

func slots(n int) Limit { return Limit{Schedule: []Step{{Slots: n}}} }

// A story drives one upstream and keeps its calls by name.
type story struct {
	*testing.T
	u     *Upstream
	calls map[string]Slot
}

func tell(t *testing.T, p Provider) *story {
	p.RefusalTakes, p.FirstEvent = constant(s/10), constant(s)
	return &story{T: t, u: NewUpstream(p, 1, 0), calls: map[string]Slot{}}
}

// start starts a call; want is a cause, or empty for accepted.
func (y *story) start(at time.Duration, name, model string, want Cause) Ruling {
	y.Helper()
	free, _ := y.u.Free(at, model)
	r := y.u.Start(at, model, 10*s)
	if r.Accepted != (want == "") || r.Cause != want {
		y.Fatalf("%v: %s: accepted %v for %q, want %q", at, name, r.Accepted, r.Cause, want)
	}
	if free != (r.Accepted && !r.Held) && want != CauseNoise {
		y.Fatalf("%v: %s: free %v, accepted %v", at, name, free, r.Accepted)
	}
	y.calls[name] = r.Slot
	return r
}

func (y *story) end(at time.Duration, name string, aborted bool) {
	y.Helper()
	y.u.End(at, y.calls[name], aborted)
}

func (y *story) free(at time.Duration, model string, ok bool, next time.Duration) {
	y.Helper()
	if gotOK, got := y.u.Free(at, model); gotOK != ok || got != next {
		y.Fatalf("free at %v: %v, next %v, want %v, %v", at, gotOK, got, ok, next)
	}
}

func TestLimit(t *testing.T) {
	y := tell(t, Provider{Limit: slots(2)})
	r := y.start(0, "a", "m", "")
	if r.After != s {
		t.Errorf("first event after %v", r.After)
	}
	y.start(0, "b", "m", "")
	r = y.start(1*s, "c", "m", CauseLevel)
	if r.Code != "1302" || r.After != s/10 || r.RetryAfter != 0 {
		t.Errorf("refusal %+v", r)
	}
	y.free(1*s, "m", false, 0)
	y.start(1*s, "x", "other", "") // a limit is each model's own
	y.end(2*s, "a", false)
	y.free(2*s, "m", true, 0)
	y.start(2*s, "c", "m", "")
}

func TestFirstEventIsAtMostHalfTheAnswer(t *testing.T) {
	u := NewUpstream(Provider{}, 1, 0)
	for range 100 {
		if r := u.Start(0, "m", s); !r.Accepted || r.After > s/2 {
			t.Fatalf("%+v", r)
		}
		if r := u.Start(0, "m", time.Hour); r.After < 800*time.Millisecond || r.After > 3*s {
			t.Fatalf("%+v", r)
		}
	}
}

func TestLag(t *testing.T) {
	y := tell(t, Provider{Limit: slots(1), Lag: constant(2 * s), AbortLag: constant(5 * s)})
	y.start(0, "a", "m", "")
	y.start(1*s, "b", "m", CauseLevel)
	y.end(10*s, "a", false)
	y.free(10*s, "m", false, 12*s)
	y.start(12*s-1, "b", "m", CauseLag)
	y.start(12*s, "b", "m", "")
	y.end(20*s, "b", true)
	y.free(20*s, "m", false, 25*s)
}

func TestAbortLagIsTheLagIfNotSaid(t *testing.T) {
	y := tell(t, Provider{Limit: slots(1), Lag: constant(2 * s)})
	y.start(0, "a", "m", "")
	y.end(1*s, "a", true)
	y.free(1*s, "m", false, 3*s)
	y = tell(t, Provider{Limit: slots(1), Lag: constant(2 * s), AbortLag: constant(0)})
	y.start(0, "a", "m", "")
	y.end(1*s, "a", true)
	y.free(1*s, "m", true, 0)
}

func TestAccount(t *testing.T) {
	y := tell(t, Provider{AccountLimit: 2, Models: map[string]Limit{"small": slots(1)}, Lag: constant(s)})
	y.start(0, "a", "small", "")
	y.start(0, "b", "small", CauseLevel)
	y.start(0, "b", "big", "")
	y.start(0, "c", "big", CauseAccount)
	y.start(0, "c", "small", CauseLevel) // both: the model's own is the nearer
	y.end(5*s, "a", false)
	y.free(5*s, "big", false, 6*s) // another model's lag
	y.start(5*s, "c", "big", CauseLag)
	y.start(6*s, "c", "big", "")
}

func TestTokens(t *testing.T) {
	y := tell(t, Provider{Limit: slots(9), Starts: Starts{Rate: 0.5, Burst: 2, Code: "1303"}})
	y.start(0, "a", "m", "")
	y.start(0, "b", "m", "")
	if r := y.start(0, "c", "m", CausePace); r.Code != "1303" {
		t.Errorf("code %q", r.Code)
	}
	y.free(1*s, "m", false, 2*s)
	y.start(2*s-1, "c", "m", CausePace) // takes no token
	y.start(2*s, "c", "m", "")
	y.start(2*s, "d", "m", CausePace)
	y.start(100*s, "d", "m", "")
	y.start(100*s, "e", "m", "") // no more than the burst is saved
	y.start(100*s, "f", "m", CausePace)
}

func TestFixedWindow(t *testing.T) {
	y := tell(t, Provider{Starts: Starts{PerWindow: 2, Window: 60 * s}})
	y.start(50*s, "a", "m", "")
	y.start(50*s, "b", "m", "")
	y.start(51*s, "c", "m", CauseWindow)
	y.free(51*s, "m", false, 60*s)
	y.start(60*s, "c", "m", "")
}

func TestPenalty(t *testing.T) {
	y := tell(t, Provider{Limit: slots(1), Penalty: constant(30 * s), Starts: Starts{Rate: 1, Burst: 1}})
	y.start(0, "a", "m", "")
	y.end(0, "a", false)
	y.start(0, "b", "m", CausePace) // shuts nothing
	y.start(1*s, "b", "m", "")
	y.start(2*s, "c", "m", CauseLevel)
	y.end(3*s, "b", false)
	y.free(3*s, "m", false, 32*s)
	y.start(20*s, "c", "m", CauseWindow) // does not prolong it
	y.start(32*s, "c", "m", "")
}

func TestHints(t *testing.T) {
	p := Provider{Limit: slots(1), RetryAfter: Hint{For: constant(20 * s), Share: 1}}
	y := tell(t, p)
	y.start(0, "a", "m", "")
	if r := y.start(1*s, "b", "m", CauseLevel); r.RetryAfter != 20*s {
		t.Errorf("says %v", r.RetryAfter)
	}
	y.end(2*s, "a", false)
	if r := y.start(2*s, "b", "m", CauseWindow); r.RetryAfter != 19*s {
		t.Errorf("then says %v", r.RetryAfter)
	}
	y.free(2*s, "m", false, 21*s)
	y.start(21*s, "b", "m", "")

	p.RetryAfter.Advisory = true
	y = tell(t, p)
	y.start(0, "a", "m", "")
	y.start(1*s, "b", "m", CauseLevel)
	y.end(2*s, "a", false)
	y.start(2*s, "b", "m", "")
}

func TestHintsHaveAShare(t *testing.T) {
	u := NewUpstream(Provider{Limit: slots(0), RetryAfter: Hint{For: constant(s), Share: 0.3, Advisory: true}}, 1, 0)
	said := 0
	for range 10_000 {
		if u.Start(0, "m", s).RetryAfter > 0 {
			said++
		}
	}
	if said < 2_800 || said > 3_200 {
		t.Errorf("%d of 10000 said when", said)
	}
}

func TestOutage(t *testing.T) {
	y := tell(t, Provider{Limit: slots(1000), Outages: []Outage{{From: 10 * s, For: constant(5 * s)}, {From: 12 * s, For: constant(8 * s), Code: "529"}}})
	y.start(9*s, "a", "m", "")
	y.free(11*s, "m", false, 15*s)
	y.free(12*s, "m", false, 20*s)
	refused := 0
	for range 1000 {
		r := y.u.Start(13*s, "m", s)
		if !r.Accepted {
			refused++
			if r.Cause != CauseOverload || r.Code != "1305" {
				t.Fatalf("%+v", r)
			}
		}
	}
	if refused < 920 || refused > 980 {
		t.Errorf("%d of 1000 refused", refused)
	}
	if r := y.u.Start(16*s, "m", s); r.Code != "529" {
		t.Errorf("code %q", r.Code)
	}
	y.start(20*s, "b", "m", "")
}

func TestHolding(t *testing.T) {
	y := tell(t, Provider{Limit: slots(1), HoldsAbove: constant(45 * s)})
	y.start(0, "a", "m", "")
	r := y.start(1*s, "b", "m", "")
	if !r.Held || r.Hold != 45*s || r.After != 46*s {
		t.Errorf("%+v", r)
	}
	y.start(2*s, "gone", "m", "")
	y.end(3*s, "gone", true)
	y.end(10*s, "a", false)
	y.free(10*s, "m", true, 0) // a held call takes no slot
	y.start(10*s, "c", "m", "")
	y.end(20*s, "c", false)
	y.free(45*s, "m", true, 0)
	y.free(46*s, "m", false, 0) // now it counts
	y.end(56*s, "b", false)
	y.free(56*s, "m", true, 0)
}

func TestSoftLimit(t *testing.T) {
	accepted := [4]int{}
	for seed := range uint64(1000) {
		u := NewUpstream(Provider{Limit: slots(1), RefuseAbove: []float64{0.3, 0.8}}, seed, 0)
		u.Start(0, "m", s)
		if ok, _ := u.Free(0, "m"); ok {
			t.Fatal("a soft limit is not free")
		}
		for over := 1; over <= 3; over++ {
			if !u.Start(0, "m", s).Accepted {
				break
			}
			accepted[over]++
		}
	}
	if accepted[1] < 650 || accepted[1] > 750 || accepted[2] < 100 || accepted[2] > 180 || accepted[3] > 0 {
		t.Errorf("accepted above: %v", accepted[1:])
	}
}

func TestOutsiders(t *testing.T) {
	p := Provider{Limit: slots(2), Outsiders: []Outsider{{Slots: 2, On: 30 * s, Off: 90 * s}}}
	y := tell(t, p)
	course := y.u.Steps("m", time.Hour)
	if len(course) < 10 || course[0] != (Step{Slots: 2}) || course[1].Slots != 0 || course[2].Slots != 2 {
		t.Fatalf("course %v", course)
	}
	on, off := course[1].At, course[2].At
	y.start(on-1, "a", "m", "")
	y.start(on, "b", "m", CauseOutsider)
	y.end(on, "a", false)
	y.free(on, "m", false, off)
	y.start(off, "a", "m", "")
}

func TestSchedule(t *testing.T) {
	y := tell(t, Provider{Limit: Limit{Schedule: []Step{{At: 10 * s, Slots: 1}, {At: 20 * s, Slots: 3}}}})
	y.start(0, "a", "m", "")
	y.free(1*s, "m", false, 20*s)
	y.start(20*s, "b", "m", "")
	if got := y.u.Limit(20*s, "m"); got != 3 {
		t.Errorf("limit %d", got)
	}
	if got := y.u.Limit(20*s, "m"); got != 3 {
		t.Errorf("limit %d", got)
	}
}

func TestNoise(t *testing.T) {
	u := NewUpstream(Provider{Noise: 0.02}, 1, 0)
	refused := 0
	for range 10_000 {
		if r := u.Start(0, "m", s); !r.Accepted {
			refused++
			if r.Cause != CauseNoise || r.Code != "1302" {
				t.Fatalf("%+v", r)
			}
		}
	}
	if refused < 160 || refused > 240 {
		t.Errorf("%d of 10000 refused", refused)
	}
	if ok, _ := u.Free(0, "m"); !ok {
		t.Error("noise is not foreseen")
	}
}
