package admission_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/admission"
)

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// record is one request as the oracle knows it.
type record struct {
	item    *admission.Item[int]
	lane    string
	session string
	class   admission.Class
	arrived time.Time
	order   int64 // when it arrived, in the order of arrivals and first admissions
	waiting bool
	gone    bool // done with, or removed
	retry   bool
	aged    bool // Next has seen it 60 s old
}

// oracle says the order of the package comment in the slowest way: it keeps
// a plain list and compares each waiting request with each other.
type oracle struct {
	all    []*record
	events int64
	served map[string]int64 // first admission of a session's request last, while more of it wait
}

// forget drops the turns of sessions that are not on the ring: what comes next of them
// arrives later, or comes back and has its place by that.
func (o *oracle) forget() {
	for session := range o.served {
		if !slices.ContainsFunc(o.waiting(), func(r *record) bool { return r.session == session && !r.retry }) {
			delete(o.served, session)
		}
	}
}

// event places what happens now: after all before, and in the order of time.
func (o *oracle) event(now time.Time) int64 {
	o.events = max(o.events+2, 2*now.UnixNano()+1)
	return o.events
}

func (o *oracle) push(now time.Time, r *record) {
	r.waiting = true
	if r.arrived.Before(now) { // it has come back
		r.order = 2 * r.arrived.UnixNano()
	} else {
		r.order = o.event(now)
	}
	o.all = append(o.all, r)
}

func (o *oracle) waiting() (list []*record) {
	for _, r := range o.all {
		if r.waiting {
			list = append(list, r)
		}
	}
	return list
}

// running are the requests that were admitted and are not done with.
func (o *oracle) running() (list []*record) {
	for _, r := range o.all {
		if !r.waiting && !r.gone {
			list = append(list, r)
		}
	}
	return list
}

func rank(now time.Time, r *record) admission.Class {
	if now.Sub(r.arrived) >= 60*time.Second {
		return admission.Interactive
	}
	return r.class
}

// turn is the moment from which a request's session is waiting for its turn.
func (o *oracle) turn(now time.Time, r *record) int64 {
	oldest := r.order
	for _, other := range o.waiting() {
		same := other.session == r.session && other.lane == r.lane && rank(now, other) == rank(now, r)
		if same && !other.retry {
			oldest = min(oldest, other.order)
		}
	}
	return max(oldest, o.served[r.session])
}

// precedes tells whether a is to be admitted before b.
func (o *oracle) precedes(now time.Time, a, b *record) bool {
	switch ra, rb := rank(now, a), rank(now, b); {
	case ra != rb:
		return ra < rb
	case a.retry != b.retry:
		return a.retry
	case a.retry:
		return a.order < b.order
	}
	if ta, tb := o.turn(now, a), o.turn(now, b); ta != tb {
		return ta < tb
	}
	return a.order < b.order
}

// next returns what is to be admitted, nil if nothing may.
func (o *oracle) next(now time.Time, gates map[string]admission.Gate) *record {
	var best *record
	for _, r := range o.waiting() {
		g := gates[r.lane]
		optional := rank(now, r) == admission.Background && !r.retry
		if !g.Open || optional && (g.Background.IsZero() || r.arrived.After(g.Background)) {
			continue
		}
		if best == nil || o.precedes(now, r, best) {
			best = r
		}
	}
	for _, r := range o.all {
		r.aged = r.aged || rank(now, r) != r.class
	}
	if best == nil {
		return nil
	}
	best.waiting = false
	if !best.retry {
		o.served[best.session] = o.event(now)
		o.forget()
	}
	return best
}

// world drives a queue and an oracle alike.
type world struct {
	queue  admission.Queue[int]
	oracle oracle
	now    time.Time
}

func newWorld() *world {
	return &world{oracle: oracle{served: map[string]int64{}}, now: start}
}

func (w *world) push(t *rapid.T) {
	r := &record{
		lane:    rapid.SampledFrom([]string{"x", "x", "y"}).Draw(t, "lane"),
		session: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "session"),
		class:   rapid.SampledFrom([]admission.Class{admission.Interactive, admission.Subagent, admission.Background}).Draw(t, "class"),
		arrived: w.now,
	}
	r.item = w.queue.Push(w.now, r.lane, r.session, r.class, len(w.oracle.all))
	w.oracle.push(w.now, r)
}

// pushSince lets a request come back that arrived earlier, at a moment of its own.
func (w *world) pushSince(t *rapid.T) {
	r := &record{
		lane:    rapid.SampledFrom([]string{"x", "x", "y"}).Draw(t, "lane"),
		session: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "session"),
		class:   rapid.SampledFrom([]admission.Class{admission.Interactive, admission.Subagent, admission.Background}).Draw(t, "class"),
		arrived: w.now.Add(-rapid.SampledFrom([]time.Duration{1, time.Second, 9 * time.Second, 50 * time.Second, 2 * time.Minute}).Draw(t, "ago")),
	}
	for _, other := range w.oracle.all {
		if other.arrived.Equal(r.arrived) {
			t.Skip("the moment is taken")
		}
	}
	if len(w.oracle.all) == 0 {
		t.Skip("nothing has been there before")
	}
	r.item = w.queue.PushSince(w.now, r.arrived, r.lane, r.session, r.class, len(w.oracle.all))
	w.oracle.push(w.now, r)
}

func (w *world) gates(t *rapid.T) map[string]admission.Gate {
	gates := map[string]admission.Gate{}
	for _, lane := range []string{"x", "y"} {
		gates[lane] = admission.Gate{
			Open: rapid.IntRange(0, 3).Draw(t, "open") > 0,
			Background: rapid.SampledFrom([]time.Time{{}, w.now, w.now.Add(-time.Second), w.now.Add(-20 * time.Second)}).
				Draw(t, "background"),
		}
	}
	return gates
}

func (w *world) next(t *rapid.T, gates map[string]admission.Gate) *record {
	asked := map[string]int{}
	holds := map[string]bool{}
	for _, r := range w.oracle.waiting() {
		holds[r.lane] = true
	}
	it := w.queue.Next(w.now, func(lane string) admission.Gate {
		if asked[lane]++; asked[lane] > 1 || !holds[lane] {
			t.Fatalf("gate of %s asked %d times; requests wait in it: %t", lane, asked[lane], holds[lane])
		}
		return gates[lane]
	})
	want := w.oracle.next(w.now, gates)
	switch {
	case it == nil && want == nil:
		return nil
	case it == nil:
		t.Fatalf("nothing was admitted, want request %d", want.item.Value)
	case want == nil:
		t.Fatalf("request %d was admitted, want none", it.Value)
	case it != want.item:
		t.Fatalf("request %d was admitted, want %d", it.Value, want.item.Value)
	case it.Waiting() || it.Retried() != want.retry:
		t.Fatalf("request %d: waiting %t, retried %t", it.Value, it.Waiting(), it.Retried())
	}
	return want
}

// check compares all that can be seen of the queue with the oracle.
func (w *world) check(t *rapid.T) {
	if err := w.queue.Check(); err != nil {
		t.Fatal(err)
	}
	retries, lanes := 0, map[string]int{}
	var want []int
	for _, r := range w.oracle.waiting() {
		want = append(want, r.item.Value)
		lanes[r.lane]++
		if r.retry {
			retries++
		}
	}
	if w.queue.Len() != len(want) || w.queue.Retries() != retries {
		t.Fatalf("Len %d, Retries %d, want %d and %d", w.queue.Len(), w.queue.Retries(), len(want), retries)
	}
	for _, lane := range []string{"x", "y", "never used"} {
		if got := w.queue.LaneLen(lane); got != lanes[lane] {
			t.Fatalf("LaneLen(%s) = %d, want %d", lane, got, lanes[lane])
		}
	}
	var all, ordered []int
	for it := range w.queue.All {
		all = append(all, it.Value)
	}
	for _, it := range w.queue.InOrder() {
		ordered = append(ordered, it.Value)
	}
	slices.Sort(all)
	slices.Sort(ordered)
	if !slices.Equal(all, want) || !slices.Equal(ordered, want) {
		t.Fatalf("All has %v, InOrder has %v, want %v", all, ordered, want)
	}
	w.checkAgeing(t)
}

func (w *world) checkAgeing(t *rapid.T) {
	var ageing []time.Time // arrivals, oldest first
	for _, r := range w.oracle.all {
		if r.class != admission.Interactive && !r.gone && !r.aged {
			ageing = append(ageing, r.arrived)
		}
	}
	slices.SortFunc(ageing, time.Time.Compare)
	at, ok := w.queue.NextAgeing()
	if ok != (len(ageing) > 0) || ok && !at.Equal(ageing[0].Add(time.Minute)) {
		t.Fatalf("NextAgeing = %v, %t with arrivals %v", at, ok, ageing)
	}
	after := w.now.Add(-time.Second)
	i := slices.IndexFunc(ageing, func(at time.Time) bool { return at.After(after) })
	at, ok = w.queue.ArrivedAfter(after)
	if ok != (i >= 0) || ok && !at.Equal(ageing[i]) {
		t.Fatalf("ArrivedAfter(%v) = %v, %t with arrivals %v", after, at, ok, ageing)
	}
}

// TestOrder drives a queue through random lives of requests: each admission is
// the one that the oracle names, nothing is lost, nothing is handed out twice.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		pick := func(t *rapid.T, list []*record) *record {
			if len(list) == 0 {
				t.Skip("there is none")
			}
			return rapid.SampledFrom(list).Draw(t, "request")
		}
		t.Repeat(map[string]func(*rapid.T){
			"push":       w.push,
			"push again": w.push,
			"push since": w.pushSince,
			"next":       func(t *rapid.T) { w.next(t, w.gates(t)) },
			"next of all": func(t *rapid.T) {
				w.next(t, open(w.now))
			},
			"requeue": func(t *rapid.T) {
				r := pick(t, w.oracle.running())
				w.queue.Requeue(r.item)
				r.retry, r.waiting = true, true
			},
			"forget": func(t *rapid.T) {
				r := pick(t, w.oracle.running())
				w.queue.Forget(r.item)
				r.gone = true
			},
			"remove": func(t *rapid.T) { // in each state: it waits, runs, or is long gone
				r := pick(t, w.oracle.all)
				if got := w.queue.Remove(r.item); got != r.waiting {
					t.Fatalf("Remove = %t of a request that waits: %t", got, r.waiting)
				}
				r.waiting, r.gone = false, true
				w.oracle.forget()
			},
			"time passes": func(t *rapid.T) {
				w.now = w.now.Add(rapid.SampledFrom([]time.Duration{1, time.Second, 7 * time.Second, 30 * time.Second, time.Minute}).Draw(t, "step"))
			},
			"": w.check,
		})
		for w.next(t, open(w.now)) != nil {
			w.check(t)
		}
		if n := len(w.oracle.waiting()); n > 0 || w.queue.Len() > 0 {
			t.Fatalf("%d requests are left in the queue, want none; it counts %d", n, w.queue.Len())
		}
	})
}

// open are gates that let all go.
func open(now time.Time) map[string]admission.Gate {
	all := admission.Gate{Open: true, Background: now}
	return map[string]admission.Gate{"x": all, "y": all}
}
