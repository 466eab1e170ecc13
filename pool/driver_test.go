package pool_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

const account = "zai/4f2a"

var epoch = time.Date(2026, 9, 11, 3, 0, 0, 0, time.UTC)

// failer is what *testing.T and *rapid.T have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world drives a pool in virtual time as its contract says and no other way: one
// Poll after each event and one at the moment that the pool asks for. It keeps
// its own books of what waits, runs and has ended, and fails when the pool's
// deeds or figures disagree with them.
type world struct {
	t         failer
	pool      *pool.Pool
	now       time.Time
	wake      time.Time
	agenda    agenda
	answers   func(*call) answer // what the provider makes of an attempt that starts now
	ended     func(*call)        // called when a call has ended; may be nil
	granted   func(*call)        // called at each grant, after the checks; may be nil
	calls     []*call
	of        map[*pool.Entry]*call
	inFlight  int
	byLane    map[string]int
	notBefore map[string]time.Time // by lane: the end of the pauses that the provider asked for
	closed    map[string]time.Time // by lane, or "" for the account: when it was closed last
	events    []pool.Event
	blind     bool // does not audit
	sleeps    int  // how often the machine was asleep
	steps     int
}

// call is one request and its books.
type call struct {
	pool.Request
	entry    *pool.Entry
	arrived  time.Time
	starts   []time.Time
	levels   []int // of the lane, at each start
	running  bool
	accepted bool
	sleeps   int           // of the world, when the attempt started
	last     provider.Kind // verdict of the last attempt
	fate     string        // how it ended: answered, passed, turned, left; empty: not yet
	ended    time.Time
	turned   *pool.Turned
}

// answer is the fate of an attempt: accepted after first and over after took,
// or, with any verdict but ok, refused after first.
type answer struct {
	pool.Outcome
	first, took time.Duration
	broken      bool // never accepted, and ended without an answer
}

func good(first, took time.Duration) answer {
	return answer{Outcome: pool.Outcome{Verdict: provider.Verdict{Kind: provider.OK}}, first: first, took: took}
}

func no(k provider.Kind, hint time.Duration) answer {
	return answer{Outcome: pool.Outcome{Verdict: provider.Verdict{Kind: k, Code: "1302"}, Hint: hint}, first: 100 * time.Millisecond}
}

func config(lane, acc limit.Config) pool.Config {
	return pool.Config{Name: account, Lane: lane, Account: acc, Rand: rand.New(rand.NewPCG(1, 2))}
}

func fixed(n int) limit.Config { return limit.Config{Min: n, Max: n} }

// newWorld has a provider that takes everything: first byte after 0.2 s, the end
// after 1 s.
func newWorld(t failer, cfg pool.Config) *world {
	return worldOf(t, pool.New(cfg))
}

func worldOf(t failer, p *pool.Pool) *world {
	return &world{
		t: t, pool: p, now: epoch, of: map[*pool.Entry]*call{}, byLane: map[string]int{}, notBefore: map[string]time.Time{}, closed: map[string]time.Time{},
		answers: func(*call) answer { return good(200*time.Millisecond, time.Second) },
	}
}

// arrive lets a request arrive now.
func (w *world) arrive(r pool.Request) *call {
	w.t.Helper()
	if r.ID == "" {
		r.ID = fmt.Sprintf("r%d", len(w.calls))
	}
	c := &call{Request: r, arrived: w.now}
	w.calls = append(w.calls, c)
	e, err := w.pool.Push(w.now, r)
	if err != nil {
		turned, ok := err.(*pool.Turned)
		if !ok {
			w.t.Fatalf("Push: %v is no *Turned", err)
		}
		w.end(c, "turned")
		c.turned = turned
	} else {
		c.entry = e
		w.of[e] = c
		if !r.Deadline.IsZero() {
			w.at(r.Deadline, func() { w.leaveWaiting(c) })
		}
	}
	w.settle()
	return c
}

// call is a request of a lane, session and class that arrives now.
func (w *world) call(lane, session string, class admission.Class) *call {
	w.t.Helper()
	return w.arrive(pool.Request{Lane: lane, Session: session, Class: class})
}

// leave lets the client of a request go away, whatever the request does.
func (w *world) leave(c *call) {
	w.t.Helper()
	if c.fate != "" || c.entry == nil {
		return
	}
	if w.leaveWaiting(c) {
		return
	}
	w.release(c)
	w.pool.Ended(w.now, c.entry, limit.Abandoned)
	w.end(c, "left")
	w.settle()
}

// leaveWaiting ends the request if it waits.
func (w *world) leaveWaiting(c *call) bool {
	w.t.Helper()
	if c.fate != "" {
		return false
	}
	if got := w.pool.Cancel(w.now, c.entry); got == c.running {
		w.t.Fatalf("%s: Cancel = %v, running %v", c.ID, got, c.running)
	}
	if c.running {
		return false
	}
	w.end(c, "left")
	w.settle()
	return true
}

// settle polls after an event.
func (w *world) settle() {
	w.t.Helper()
	var before pool.Snapshot
	if !w.blind {
		before = w.pool.Snapshot(w.now)
	}
	fx := w.pool.Poll(w.now)
	if !fx.Wake.IsZero() && !fx.Wake.After(w.now) {
		w.t.Fatalf("Poll asks to be called again %v ago", w.now.Sub(fx.Wake))
	}
	w.wake = fx.Wake
	for _, e := range fx.Turned {
		c := w.of[e]
		if c.running || e.Turned == nil {
			w.t.Fatalf("%s turned away: running %v, %v", c.ID, c.running, e.Turned)
		}
		c.turned = e.Turned
		w.end(c, "turned")
	}
	for _, e := range fx.Granted {
		w.grant(w.of[e], before)
	}
	w.events = append(w.events, w.pool.Events()...)
	w.audit()
	for _, e := range fx.Granted {
		if c := w.of[e]; w.granted != nil && c.running {
			w.granted(c)
		}
	}
}

// grant books an attempt and checks that it was allowed, by the limits as they
// were shown just before.
func (w *world) grant(c *call, before pool.Snapshot) {
	w.t.Helper()
	if c.running || c.fate != "" {
		w.t.Fatalf("%s granted, running %v, ended %q", c.ID, c.running, c.fate)
	}
	w.inFlight++
	w.byLane[c.Lane]++
	n := w.byLane[c.Lane]
	if !w.blind {
		w.allowed(c, n, before)
	}
	c.running, c.accepted, c.sleeps = true, false, w.sleeps
	c.starts = append(c.starts, w.now)
	c.levels = append(c.levels, n)
	w.attempt(c, w.answers(c))
}

// attempt lets the provider answer.
func (w *world) attempt(c *call, a answer) {
	nth := len(c.starts)
	still := func() bool { return c.running && len(c.starts) == nth }
	switch {
	case a.broken:
		w.after(a.took, func() {
			if still() {
				w.over(c, false)
			}
		})
	case a.Kind == provider.OK:
		w.after(a.first, func() {
			if still() {
				c.accepted, c.last = true, provider.OK
				w.pool.Accepted(w.now, c.entry)
				w.settle()
			}
		})
		w.after(max(a.took, a.first), func() {
			if still() {
				w.over(c, true)
			}
		})
	default:
		w.after(a.first, func() {
			if still() {
				w.refuse(c, a.Outcome)
			}
		})
	}
}

func (w *world) over(c *call, answered bool) {
	w.release(c)
	w.pool.Ended(w.now, c.entry, how(answered))
	w.end(c, "answered")
	w.settle()
}

func (w *world) refuse(c *call, o pool.Outcome) {
	w.release(c)
	c.last = o.Kind
	switch o.Kind {
	case provider.Quota:
		if !w.blind && w.lane(c.Lane).Closed == nil {
			w.closed[c.Lane] = w.now
		}
	case provider.Flagged:
		if w.pool.Snapshot(w.now).Flagged == nil {
			w.closed[""] = w.now
		}
	case provider.Concurrency, provider.Throttled, provider.Frequency, provider.Overload:
		if until := w.now.Add(o.Hint); o.Hint > 0 && until.After(w.notBefore[c.Lane]) && c.sleeps == w.sleeps {
			w.notBefore[c.Lane] = until
		}
	}
	if w.pool.Refused(w.now, c.entry, o) == pool.Pass {
		w.end(c, "passed")
	}
	w.settle()
}

// slept lets the machine have been asleep until now.
func (w *world) slept() {
	w.sleeps++
	w.pool.Slept()
	w.settle()
}

func (w *world) release(c *call) {
	w.inFlight--
	w.byLane[c.Lane]--
	c.running = false
}

func (w *world) end(c *call, fate string) {
	if c.fate != "" {
		w.t.Fatalf("%s has ended twice: %s, %s", c.ID, c.fate, fate)
	}
	c.fate, c.ended = fate, w.now
	if w.ended != nil {
		w.ended(c)
	}
}

// at and after put something on the agenda.
func (w *world) at(t time.Time, do func()) {
	heap.Push(&w.agenda, item{at: t, seq: w.agenda.count(), do: do})
}

func (w *world) after(d time.Duration, do func()) { w.at(w.now.Add(d), do) }

// run lets a span of time pass.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	for w.step(end) {
	}
	w.now = end
}

// finish runs until nothing waits or runs, and fails if that takes longer.
func (w *world) finish(within time.Duration) {
	w.t.Helper()
	end := w.now.Add(within)
	for w.open() > 0 && w.step(end) {
	}
	if n := w.open(); n > 0 {
		w.t.Fatalf("%d of %d calls have not ended after %v", n, len(w.calls), within)
	}
}

// open counts the calls that have not ended.
func (w *world) open() int {
	n := 0
	for _, c := range w.calls {
		if c.fate == "" {
			n++
		}
	}
	return n
}

// step does what is due next, the agenda before the wake-up.
func (w *world) step(end time.Time) bool {
	w.t.Helper()
	if w.steps++; w.steps > 1_000_000 {
		w.t.Fatalf("no end in sight: a million steps")
	}
	if len(w.agenda.items) > 0 && (w.wake.IsZero() || !w.wake.Before(w.agenda.items[0].at)) {
		if w.agenda.items[0].at.After(end) {
			return false
		}
		it := heap.Pop(&w.agenda).(item)
		w.now = it.at
		it.do()
		return true
	}
	if w.wake.IsZero() || w.wake.After(end) {
		return false
	}
	w.now = w.wake
	w.settle()
	return true
}

// An item of the agenda; those of one moment are done in the order in which they
// were put there.
type item struct {
	at  time.Time
	seq int
	do  func()
}

type agenda struct {
	items []item
	n     int
}

func (a *agenda) count() int    { a.n++; return a.n }
func (a *agenda) Len() int      { return len(a.items) }
func (a *agenda) Swap(i, j int) { a.items[i], a.items[j] = a.items[j], a.items[i] }
func (a *agenda) Less(i, j int) bool {
	if !a.items[i].at.Equal(a.items[j].at) {
		return a.items[i].at.Before(a.items[j].at)
	}
	return a.items[i].seq < a.items[j].seq
}
func (a *agenda) Push(x any) { a.items = append(a.items, x.(item)) }
func (a *agenda) Pop() any {
	it := a.items[len(a.items)-1]
	a.items = a.items[:len(a.items)-1]
	return it
}

func how(answered bool) limit.End {
	if answered {
		return limit.Answered
	}
	return limit.Abandoned
}
