// Package admission decides which waiting request runs next: classes first,
// turns between sessions within a class, first come first served within
// a session, with ageing so that nothing starves. It is pure: it knows neither
// clocks nor limits; the caller says which lanes have room.
//
// # Order
//
// Of the requests that may run, the one with the best rank comes first:
// interactive before subagent before background. A request that has waited
// [AgeAfter] ranks as interactive, whatever its class. Within a rank, a request
// that was admitted once and waits to be retried keeps its place: it comes
// before all that were never admitted, the earliest arrival first. The others
// take turns by session, as on a ring: a session's turn dates from its last
// first admission, or from the arrival of the oldest request that it has waiting
// in that lane and rank if that is later, and the oldest turn comes first. So a session with forty waiting
// requests delays another's single one by one request, a single session is served
// in the order of arrival, and every session on the ring is served before any
// is served twice.
//
// Places in these orders are moments, so that a client which comes back with a request
// that it has made before can have the place of that one: see [Queue.PushSince].
package admission

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"time"
)

// AgeAfter is how long a request waits before it ranks as interactive.
const AgeAfter = time.Minute

// A Class is the priority of a request. The zero Class is Interactive.
type Class uint8

// The classes, most urgent first.
const (
	Interactive Class = iota // a person waits for it
	Subagent                 // a helper of such a request
	Background               // nobody waits: titles, memory, warm-ups
	classes
)

var classNames = [classes]string{"interactive", "subagent", "background"}

// String returns the name of the class as users write it.
func (c Class) String() string {
	if c < classes {
		return classNames[c]
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}

// MarshalText implements [encoding.TextMarshaler].
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (c *Class) UnmarshalText(text []byte) (err error) {
	*c, err = ParseClass(string(text))
	return err
}

// ParseClass reads the name of a class.
func ParseClass(s string) (Class, error) {
	for i, name := range classNames {
		if s == name {
			return Class(i), nil
		}
	}
	return 0, fmt.Errorf("admission: unknown class %q (interactive, subagent or background)", s)
}

// An Item is one request in the queue's care, from Push until it is removed or
// done with. Its exported fields must not be changed.
type Item[T any] struct {
	Value   T
	Lane    string
	Session string
	Class   Class
	Arrived time.Time

	seq   uint64 // place in the order of arrival; see tick
	rank  Class  // its class, until it has aged
	retry bool   // it was admitted before
	index int    // place in its heap, -1 if it is in none
	flow  *flow[T]
	// Items that can age are linked in the order of arrival, even while they run.
	older, newer *Item[T]
	ageing       bool
}

// Waiting tells whether the item is in the queue.
func (it *Item[T]) Waiting() bool { return it.index >= 0 }

// Retried tells whether the item was admitted before.
func (it *Item[T]) Retried() bool { return it.retry }

// Before tells whether the item arrived before another.
func (it *Item[T]) Before(other *Item[T]) bool { return it.seq < other.seq }

// A Gate says what may leave a lane now.
type Gate struct {
	Open bool
	// Background is the latest arrival of a background request that may be
	// admitted for the first time; the zero time lets none go. Aged requests do
	// not count as background.
	Background time.Time
}

// A Queue holds the waiting requests of one account. The zero Queue is ready.
// It is not safe for concurrent use and must not be copied.
type Queue[T any] struct {
	seq      uint64
	lanes    []*lane[T] // those with waiting requests, in the order of their appearance
	byName   map[string]*lane[T]
	sessions map[string]*session[T] // those with waiting requests
	waiting  int
	retries  int
	oldest   *Item[T] // ends of the list of items that can age
	newest   *Item[T]
}

type lane[T any] struct {
	name    string
	waiting int
	retries [classes]itemHeap[T]
	flows   [classes]flowHeap[T]
}

// A session's turn is shared by its flows in all lanes and ranks.
type session[T any] struct {
	name  string
	turn  uint64 // when it was last served, in the order of arrivals and admissions
	flows []*flow[T]
}

// A flow is what a session has waiting in a lane at one rank.
type flow[T any] struct {
	session *session[T]
	lane    *lane[T]
	rank    Class
	items   itemHeap[T]
	index   int
}

// Push adds a request that arrives now.
func (q *Queue[T]) Push(now time.Time, laneName, sessionName string, class Class, value T) *Item[T] {
	it := &Item[T]{Value: value, Lane: laneName, Session: sessionName, Class: class, Arrived: now, seq: q.tick(now), rank: class}
	q.enter(it)
	return it
}

// PushSince adds a request that repeats one which arrived earlier and whose client
// hung up, or was sent away: it has that one's place and age. A moment that is not
// before now counts as now.
func (q *Queue[T]) PushSince(now, since time.Time, laneName, sessionName string, class Class, value T) *Item[T] {
	if !since.Before(now) {
		return q.Push(now, laneName, sessionName, class, value)
	}
	it := &Item[T]{Value: value, Lane: laneName, Session: sessionName, Class: class, Arrived: since, seq: moment(since), rank: class}
	q.enter(it)
	return it
}

func (q *Queue[T]) enter(it *Item[T]) {
	if it.Class != Interactive {
		q.link(it)
	}
	q.insert(it)
}

// moment is a time as a place in the order of arrival: twice its nanoseconds, so that
// those who come back have a place of their own between the others.
func moment(t time.Time) uint64 { return 2 * uint64(max(0, t.UnixNano())) }

// tick returns the place of what happens now, after all that has happened before.
func (q *Queue[T]) tick(now time.Time) uint64 {
	q.seq = max(q.seq+2, moment(now)|1)
	return q.seq
}

// Requeue puts back an item that was admitted; it keeps its place.
func (q *Queue[T]) Requeue(it *Item[T]) {
	it.retry = true
	q.insert(it)
}

// Remove takes an item out, because its client went away or it is answered
// otherwise. It returns false if the item was not waiting. Either way the queue
// forgets it.
func (q *Queue[T]) Remove(it *Item[T]) bool {
	was := it.Waiting()
	if was {
		q.takeOut(it)
	}
	q.Forget(it)
	return was
}

// Forget must be called when an admitted item is done with, unless it is
// requeued or removed.
func (q *Queue[T]) Forget(it *Item[T]) { q.unlink(it) }

// Len returns how many requests wait.
func (q *Queue[T]) Len() int { return q.waiting }

// Retries returns how many of the waiting requests were admitted before.
func (q *Queue[T]) Retries() int { return q.retries }

// LaneLen returns how many requests wait in a lane.
func (q *Queue[T]) LaneLen(name string) int {
	if l := q.byName[name]; l != nil {
		return l.waiting
	}
	return 0
}

// NextAgeing returns when the next request ages; false if none will.
func (q *Queue[T]) NextAgeing() (time.Time, bool) {
	if q.oldest == nil {
		return time.Time{}, false
	}
	return q.oldest.Arrived.Add(AgeAfter), true
}

// ArrivedAfter returns the earliest arrival after a moment among the requests
// that can age; false if there is none.
func (q *Queue[T]) ArrivedAfter(t time.Time) (first time.Time, ok bool) {
	for it := q.newest; it != nil && it.Arrived.After(t); it = it.older {
		first, ok = it.Arrived, true
	}
	return first, ok
}

// Next takes out the request that runs next, given which lanes are open, or
// returns nil if none may run. gate is called at most once for each lane in which
// a request waits.
func (q *Queue[T]) Next(now time.Time, gate func(lane string) Gate) *Item[T] {
	q.age(now)
	var best *Item[T]
	for _, l := range q.lanes {
		if g := gate(l.name); g.Open {
			if it := l.first(g.Background); it != nil && (best == nil || precedes(it, best)) {
				best = it
			}
		}
	}
	if best == nil {
		return nil
	}
	q.takeOut(best)
	if !best.retry {
		q.serve(now, best.Session)
	}
	return best
}

// All calls yield for each waiting item, in no order, until it returns false.
// The queue must not be changed meanwhile.
func (q *Queue[T]) All(yield func(*Item[T]) bool) {
	for _, s := range q.sessions {
		for _, f := range s.flows {
			for _, it := range f.items {
				if !yield(it) {
					return
				}
			}
		}
	}
	for _, l := range q.lanes {
		for _, h := range l.retries {
			for _, it := range h {
				if !yield(it) {
					return
				}
			}
		}
	}
}

// InOrder returns the waiting items about in the order in which they would be
// admitted now if all lanes were open: by rank, retries first, then by arrival. It
// takes turns between sessions for granted, so it is an estimate.
func (q *Queue[T]) InOrder() []*Item[T] {
	all := make([]*Item[T], 0, q.waiting)
	for it := range q.All {
		all = append(all, it)
	}
	slices.SortFunc(all, func(a, b *Item[T]) int {
		if a.rank != b.rank {
			return cmp.Compare(a.rank, b.rank)
		}
		if a.retry != b.retry {
			if a.retry {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.seq, b.seq)
	})
	return all
}

// first returns the lane's best request, leaving out background ones that
// arrived too late to begin.
func (l *lane[T]) first(background time.Time) *Item[T] {
	for rank := range classes {
		if h := l.retries[rank]; len(h) > 0 {
			return h[0]
		}
		if h := l.flows[rank]; len(h) > 0 {
			if rank == Background {
				return h.begin(background)
			}
			return h[0].items[0]
		}
	}
	return nil
}

// precedes is the order between the best requests of two lanes.
func precedes[T any](a, b *Item[T]) bool {
	if a.rank != b.rank {
		return a.rank < b.rank
	}
	if a.retry != b.retry {
		return a.retry
	}
	if a.retry {
		return a.seq < b.seq
	}
	ta, tb := a.flow.turn(), b.flow.turn()
	if ta != tb {
		return ta < tb
	}
	return a.seq < b.seq
}

// turn dates the flow's claim to be served.
func (f *flow[T]) turn() uint64 { return max(f.session.turn, f.items[0].seq) }

// serve sends a session to the end of the ring.
func (q *Queue[T]) serve(now time.Time, name string) {
	turn := q.tick(now)
	s := q.sessions[name]
	if s == nil { // nothing of it waits any more: its next request will be newer, or has come back
		return
	}
	s.turn = turn
	for _, f := range s.flows {
		heap.Fix(&f.lane.flows[f.rank], f.index)
	}
}

// age raises the rank of all that have waited long enough.
func (q *Queue[T]) age(now time.Time) {
	for it := q.oldest; it != nil && now.Sub(it.Arrived) >= AgeAfter; it = q.oldest {
		q.unlink(it)
		if !it.Waiting() {
			it.rank = Interactive
			continue
		}
		s := q.sessions[it.Session]
		q.takeOut(it)
		if s != nil { // it may have been the last of its session, whose turn must not be forgotten
			q.sessions[it.Session] = s
		}
		it.rank = Interactive
		q.insert(it)
	}
}

func (q *Queue[T]) insert(it *Item[T]) {
	l := q.byName[it.Lane]
	if l == nil {
		l = &lane[T]{name: it.Lane}
		if q.byName == nil {
			q.byName, q.sessions = map[string]*lane[T]{}, map[string]*session[T]{}
		}
		q.byName[it.Lane] = l
		q.lanes = append(q.lanes, l)
	}
	l.waiting++
	q.waiting++
	if it.retry {
		q.retries++
		heap.Push(&l.retries[it.rank], it)
		return
	}
	f := q.flowOf(l, it)
	it.flow = f
	heap.Push(&f.items, it)
	if f.index < 0 {
		heap.Push(&l.flows[f.rank], f)
	} else {
		heap.Fix(&l.flows[f.rank], f.index)
	}
}

func (q *Queue[T]) flowOf(l *lane[T], it *Item[T]) *flow[T] {
	s := q.sessions[it.Session]
	if s == nil {
		s = &session[T]{name: it.Session}
		q.sessions[it.Session] = s
	}
	for _, f := range s.flows {
		if f.lane == l && f.rank == it.rank {
			return f
		}
	}
	f := &flow[T]{session: s, lane: l, rank: it.rank, index: -1}
	s.flows = append(s.flows, f)
	return f
}

func (q *Queue[T]) takeOut(it *Item[T]) {
	l := q.byName[it.Lane]
	q.waiting--
	if it.retry {
		q.retries--
		heap.Remove(&l.retries[it.rank], it.index)
	} else {
		f := it.flow
		it.flow = nil
		heap.Remove(&f.items, it.index)
		if len(f.items) > 0 {
			heap.Fix(&l.flows[f.rank], f.index)
		} else {
			heap.Remove(&l.flows[f.rank], f.index)
			q.dropFlow(f)
		}
	}
	if l.waiting--; l.waiting == 0 {
		delete(q.byName, l.name)
		q.lanes = without(q.lanes, l)
	}
}

func (q *Queue[T]) dropFlow(f *flow[T]) {
	s := f.session
	if s.flows = without(s.flows, f); len(s.flows) == 0 {
		delete(q.sessions, s.name)
	}
}

func (q *Queue[T]) link(it *Item[T]) {
	it.ageing = true
	it.older = q.newest
	for it.older != nil && it.older.Arrived.After(it.Arrived) { // it has come back
		it.newer, it.older = it.older, it.older.older
	}
	if it.older != nil {
		it.older.newer = it
	} else {
		q.oldest = it
	}
	if it.newer != nil {
		it.newer.older = it
	} else {
		q.newest = it
	}
}

func (q *Queue[T]) unlink(it *Item[T]) {
	if !it.ageing {
		return
	}
	it.ageing = false
	if it.older != nil {
		it.older.newer = it.newer
	} else {
		q.oldest = it.newer
	}
	if it.newer != nil {
		it.newer.older = it.older
	} else {
		q.newest = it.older
	}
	it.older, it.newer = nil, nil
}

// without returns the slice without one element, keeping the order.
func without[E comparable](s []E, e E) []E {
	for i := range s {
		if s[i] == e {
			copy(s[i:], s[i+1:])
			var zero E
			s[len(s)-1] = zero
			return s[:len(s)-1]
		}
	}
	return s
}
