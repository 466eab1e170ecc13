package pool_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

func TestASnapshotShowsWhatGoesOn(t *testing.T) {
	w := newWorld(t, config(fixed(2), fixed(3)))
	w.warm("glm", 2)
	w.answers = func(c *call) answer {
		switch {
		case c.Session == "refused" && len(c.starts) == 1:
			return no(provider.Server, 40*time.Second)
		case c.Session == "slow down" && len(c.starts) == 1:
			return no(provider.Frequency, 10*time.Second)
		}
		return good(100*time.Millisecond, 5*time.Second)
	}
	w.call("glm", "refused", admission.Interactive)
	w.run(time.Second)
	w.call("glm", "a", admission.Interactive)
	w.call("glm", "a", admission.Interactive)
	w.call("glm", "a", admission.Subagent)
	w.call("glm", "b", admission.Background)
	w.call("air", "slow down", admission.Interactive)
	w.run(time.Second)

	s := w.pool.Snapshot(w.now)
	if s.Account != account || s.Limit != 3 || s.Why == "" || s.InFlight != 2 || s.Queued != 4 || s.Retrying != 2 {
		t.Errorf("account: %+v", s)
	}
	glm, air := laneOf(t, s, "glm"), laneOf(t, s, "air")
	if glm.Lane != account+"/glm" || glm.Limit != 2 || glm.InFlight != 2 || glm.Queued != 3 || glm.Retrying != 1 || glm.Paused != nil {
		t.Errorf("glm: %+v", glm)
	}
	if got := fmt.Sprint(glm.ByClass); got != fmt.Sprint(map[admission.Class]int{admission.Interactive: 1, admission.Subagent: 1, admission.Background: 1}) {
		t.Errorf("glm by class: %v", got)
	}
	if air.Paused == nil || air.Paused.Why != "the provider asked, with frequency" || air.Pace == 0 || air.Queued != 1 || air.Retrying != 1 {
		t.Errorf("air: %+v, paused %+v", air, air.Paused)
	}
	sessions := map[string]pool.SessionSnapshot{}
	for _, session := range s.Sessions {
		sessions[session.Name] = session
	}
	a := sessions["a"]
	if a.Running != 2 || a.Queued != 1 || a.Requests != 3 || a.Overlap != 3 || a.Waited != 0 || !a.Last.Equal(w.now.Add(-time.Second)) {
		t.Errorf("session a: %+v", a)
	}
	if got := sessions["refused"]; got.Running != 0 || got.Queued != 1 || got.Requests != 1 || got.Overlap != 1 {
		t.Errorf("session refused: %+v", got)
	}
	text, err := json.Marshal(s)
	if err != nil || strings.Contains(string(text), "0001-01-01") {
		t.Errorf("as JSON: %v\n%s", err, text)
	}

	w.run(time.Minute)
	w.finish(time.Minute)
	for _, session := range w.pool.Snapshot(w.now).Sessions {
		if session.Name == "a" && (session.Waited <= 0 || session.Running+session.Queued != 0) {
			t.Errorf("session a at the end: %+v", session)
		}
	}
}

func TestASnapshotIsACopy(t *testing.T) {
	w := closedWorld(t, quota(epoch.Add(time.Hour)))
	s := w.pool.Snapshot(w.now)
	s.Lanes[0].Closed.Until = time.Time{}
	s.Lanes[0].Verdicts[provider.Quota] = 7
	if l := w.lane("glm"); l.Closed.Until.IsZero() || l.Verdicts[provider.Quota] != 1 {
		t.Errorf("changed through the snapshot: %+v", l)
	}
	state := w.pool.State()
	state.Lanes["glm"].Closed.Until = time.Time{}
	if w.lane("glm").Closed.Until.IsZero() {
		t.Errorf("changed through the state")
	}
}

func TestHowManyAreAhead(t *testing.T) {
	w := newWorld(t, config(fixed(1), fixed(2)))
	w.answers = func(*call) answer { return good(100*time.Millisecond, 5*time.Second) }
	runs := w.call("glm", "a", admission.Interactive)
	bg := w.call("glm", "b", admission.Background)
	sub := w.call("glm", "c", admission.Subagent)
	first := w.call("glm", "d", admission.Interactive)
	second := w.call("glm", "e", admission.Interactive)
	other := w.call("air", "f", admission.Interactive)
	w.call("air", "f", admission.Interactive)
	third := w.call("air", "g", admission.Interactive)
	w.run(500 * time.Millisecond)
	for c, want := range map[*call]int{runs: -1, first: 0, second: 1, sub: 2, bg: 3, other: -1, third: 1} {
		if got := w.pool.Ahead(w.now, c.entry); got != want {
			t.Errorf("%s: %d ahead, want %d", c.ID, got, want)
		}
	}
	w.leave(first)
	w.run(time.Second)
	if got := w.pool.Ahead(w.now, bg.entry); got != 2 {
		t.Errorf("a second after one has left: %d ahead, want 2", got)
	}
	w.finish(5 * time.Minute)
	for _, c := range []*call{bg, first} {
		if got := w.pool.Ahead(w.now, c.entry); got != -1 {
			t.Errorf("%s is done: %d ahead", c.ID, got)
		}
	}

	t.Run("of one that sleeps nobody", func(t *testing.T) {
		w := one(t, "r0", no(provider.Server, 20*time.Second))
		c := w.call("glm", "a", admission.Interactive)
		w.run(time.Second)
		if got := w.pool.Ahead(w.now, c.entry); got != 0 {
			t.Errorf("%d ahead", got)
		}
	})
}

func TestDrainAnswersAllThatWait(t *testing.T) {
	w := newWorld(t, config(fixed(1), fixed(2)))
	w.answers = func(c *call) answer {
		if c.Session == "s" && len(c.starts) == 1 {
			return no(provider.Overload, 0)
		}
		if c.Session == "t" {
			return no(provider.Server, time.Minute)
		}
		return good(100*time.Millisecond, 5*time.Second)
	}
	w.call("glm", "s", admission.Interactive)
	w.call("air", "t", admission.Interactive)
	runs := w.call("flash", "u", admission.Interactive)
	w.run(2 * time.Second)
	w.call("flash", "u", admission.Background)
	w.pool.Drain(w.now)
	w.settle()
	for _, c := range w.calls {
		if c.running {
			continue
		}
		w.want(c, "turned")
		if c.turned.Reason != pool.Draining {
			t.Errorf("%+v", c.turned)
		}
	}
	w.finish(time.Minute)
	w.want(runs, "answered")
}

func TestEventsTellTheStoryAndNoSecret(t *testing.T) {
	const secret = "the prompt and the key"
	w := newWorld(t, config(fixed(1), limit.Config{}))
	w.answers = func(c *call) answer {
		a := no(provider.Concurrency, 2*time.Second)
		a.RequestID, a.Verdict.Hint = "req-7", secret
		if len(c.starts) > 1 {
			a = good(200*time.Millisecond, time.Second)
		}
		return a
	}
	w.arrive(pool.Request{ID: "r0", Lane: "glm", Session: "s", Class: admission.Subagent, Owner: secret})
	w.finish(time.Minute)
	started := w.calls[0].starts
	want := []pool.Event{
		{At: started[0], Kind: pool.Arrived},
		{At: started[0], Kind: pool.Admitted, Level: 1, Attempt: 1},
		{Kind: pool.Paused},
		{At: started[0].Add(100 * time.Millisecond), Kind: pool.Released, Level: 1, Attempt: 1, Took: 100 * time.Millisecond},
		{At: started[0].Add(100 * time.Millisecond), Kind: pool.Refused, Verdict: provider.Concurrency, Code: "1302", RequestID: "req-7", Level: 1, Attempt: 1},
		{At: started[1], Kind: pool.Admitted, Level: 1, Attempt: 2},
		{At: started[1].Add(200 * time.Millisecond), Kind: pool.Accepted, Verdict: provider.OK, Level: 1, Attempt: 2},
		{At: started[1].Add(time.Second), Kind: pool.Released, Level: 1, Attempt: 2, Took: time.Second},
		{At: started[1].Add(time.Second), Kind: pool.Done, Level: 1, Attempt: 2},
	}
	if len(w.events) != len(want) {
		t.Fatalf("events: %+v", w.events)
	}
	for i, ev := range w.events {
		if ev.Kind == pool.Paused {
			if ev.Lane != account+"/glm" || ev.Until.Sub(ev.At) < 2*time.Second || ev.Verdict != provider.Concurrency {
				t.Errorf("paused: %+v", ev)
			}
			ev = pool.Event{Kind: pool.Paused}
		} else {
			want[i].Lane, want[i].Request, want[i].Session, want[i].Class = account+"/glm", "r0", "s", admission.Subagent
		}
		if ev != want[i] {
			t.Errorf("event %d\n%+v, want\n%+v", i, ev, want[i])
		}
	}
	text, _ := json.Marshal(w.events)
	more, _ := json.Marshal(w.pool.State())
	if strings.Contains(string(text)+string(more)+fmt.Sprintf("%+v", w.events), secret) {
		t.Errorf("an event holds what it must not")
	}
	if again := w.pool.Events(); len(again) != 0 {
		t.Errorf("told twice: %+v", again)
	}
}

func TestOneCallRuns(t *testing.T) {
	w := newWorld(t, config(limit.Config{}, limit.Config{}))
	c := w.call("glm", "s", admission.Interactive)
	w.finish(time.Minute)
	w.want(c, "answered")
	if c.ended.Sub(epoch) != time.Second {
		t.Errorf("took %v", c.ended.Sub(epoch))
	}
}
