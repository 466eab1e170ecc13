package dashboard

import (
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/weirhq/weir/internal/evidence"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

// A Period is how far back a picture looks, in buckets of one length: of what happened
// within a bucket the highest numbers are kept.
type Period struct {
	Name   string
	Bucket time.Duration
	Count  int
}

// Periods are those that the page offers.
func Periods() []Period {
	return []Period{{"5m", time.Second, 300}, {"1h", 10 * time.Second, 360}, {"24h", 4 * time.Minute, 360}}
}

// Length is how far back the period looks.
func (p Period) Length() time.Duration { return p.Bucket * time.Duration(p.Count) }

// maxSeries is how many lanes have a history of their own; of more, those used last.
const maxSeries = 64

// history remembers for each lane, and for all of them together, what was in flight and
// queued. It is told by events, so it costs nothing while nothing happens.
type history struct {
	limitOf func(lane string) int

	mu    sync.Mutex // guards the fields below
	all   *series
	lanes map[string]*series
}

func newHistory(limitOf func(string) int) *history {
	return &history{limitOf: limitOf, all: newSeries(), lanes: map[string]*series{}}
}

// series is the history of one lane.
type series struct {
	alive, running int // can be off for a moment: events overtake each other
	limit          int // 0: not known, or there is no one limit
	used           time.Time
	rings          []ring // one a period
}

// ring is the last buckets of a period; the one of number n is at n modulo their count.
type ring struct {
	period  Period
	buckets []bucket
	last    int64 // number of the latest
}

// A bucket is what happened in a while: the highest numbers, and the limit at its end.
type bucket struct {
	known                  bool
	running, queued, limit int32
	refused                int32
}

func newSeries() *series {
	s := &series{}
	for _, p := range Periods() {
		s.rings = append(s.rings, ring{period: p, buckets: make([]bucket, p.Count)})
	}
	return s
}

// observe notes an event. It is called by many at once.
func (h *history) observe(ev pool.Event) {
	var alive, running, refused int
	switch ev.Kind {
	case pool.Arrived:
		alive = 1
	case pool.Done:
		alive = -1
	case pool.Admitted:
		running = 1
	case pool.Released:
		running = -1
	case pool.Refused:
		if !IsRefusal(ev.Verdict.String()) {
			return
		}
		refused = 1
	case pool.LimitChanged:
	default:
		return
	}
	h.mu.Lock()
	s := h.lanes[ev.Lane]
	fresh := s == nil && ev.Kind != pool.LimitChanged
	if fresh {
		s = h.add(ev.Lane)
	}
	h.all.note(ev.At, alive, running, refused)
	if s != nil {
		s.note(ev.At, alive, running, refused)
	}
	h.mu.Unlock()
	if fresh || ev.Kind == pool.LimitChanged {
		h.limits(ev.At)
	}
}

// IsRefusal tells whether a verdict of that name speaks about how much was in flight or
// how close starts were.
func IsRefusal(verdict string) bool {
	switch verdict {
	case provider.Concurrency.String(), provider.Throttled.String(), provider.Frequency.String():
		return true
	}
	return false
}

// add makes room for a lane and adds it.
func (h *history) add(lane string) *series {
	if len(h.lanes) >= maxSeries {
		oldest := ""
		for name, s := range h.lanes {
			if oldest == "" || s.used.Before(h.lanes[oldest].used) {
				oldest = name
			}
		}
		delete(h.lanes, oldest)
	}
	s := newSeries()
	h.lanes[lane] = s
	return s
}

// limits asks what holds now in each lane. That takes the locks of accounts, so it is
// not done under the history's.
func (h *history) limits(at time.Time) {
	h.mu.Lock()
	names := make([]string, 0, len(h.lanes))
	for name := range h.lanes {
		names = append(names, name)
	}
	h.mu.Unlock()
	for _, name := range names {
		limit := h.limitOf(name)
		h.mu.Lock()
		if s := h.lanes[name]; s != nil && limit != s.limit {
			s.pass(at) // what lies behind had the old one
			s.limit = limit
		}
		h.mu.Unlock()
	}
}

// note changes what holds. What holds for no time, as between the end of an attempt and
// that of its request, is not seen.
func (s *series) note(at time.Time, alive, running, refused int) {
	s.pass(at)
	s.alive += alive
	s.running += running
	for i := range s.rings {
		s.rings[i].latest().refused += int32(refused)
	}
}

// pass lets time pass, up to a moment, and keeps what has held in it.
func (s *series) pass(at time.Time) {
	s.advance(at)
	if !at.After(s.used) {
		return
	}
	s.used = at
	for i := range s.rings {
		s.now(s.rings[i].latest())
	}
}

// now raises a bucket to what holds.
func (s *series) now(b *bucket) {
	b.known = true
	b.running = max(b.running, int32(s.running))
	b.queued = max(b.queued, int32(s.alive-s.running))
	b.limit = int32(s.limit)
}

// mostLate is how late an event may come: they overtake each other, and the clock of who
// looks may be a little ahead of theirs. More than that is a clock that was set back.
const mostLate = time.Minute

// advance fills the buckets up to a moment with what has held since.
func (s *series) advance(at time.Time) {
	back := at.Before(s.used.Add(-mostLate))
	for i := range s.rings {
		r := &s.rings[i]
		n := at.UnixNano() / int64(r.period.Bucket)
		if r.last == 0 || back { // the first, or the clock was set back
			clear(r.buckets)
			r.last, s.used = n, time.Time{}
			continue
		}
		if n > r.last {
			s.now(r.latest()) // what held to its end
		}
		for from := max(r.last+1, n-int64(len(r.buckets))+1); from <= n; from++ {
			r.last = from
			*r.latest() = bucket{}
			s.now(r.latest())
		}
	}
}

func (r *ring) at(n int64) *bucket {
	return &r.buckets[int(n%int64(len(r.buckets)))]
}

func (r *ring) latest() *bucket { return r.at(r.last) }

// A Column is a bucket of a picture.
type Column struct {
	At      time.Time `json:"at"` // its beginning
	Running int       `json:"running"`
	Queued  int       `json:"queued"`
	Limit   int       `json:"limit"` // 0: not known, or there is no one limit
	Refused int       `json:"refused"`
}

// columns returns the buckets of a lane, or of all if it is empty, that are known, the
// oldest first.
func (h *history) columns(now time.Time, lane string, p Period) []Column {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.all
	if lane != "" {
		if s = h.lanes[lane]; s == nil {
			return nil
		}
	}
	if s.rings[0].last == 0 {
		return nil
	}
	if now.After(s.used) {
		s.pass(now)
	}
	for i := range s.rings {
		if r := &s.rings[i]; r.period == p {
			return r.columns()
		}
	}
	return nil
}

func (r *ring) columns() []Column {
	all := make([]Column, 0, len(r.buckets))
	for n := r.last - int64(len(r.buckets)) + 1; n <= r.last; n++ {
		if b := r.at(n); n > 0 && b.known {
			all = append(all, Column{
				At: time.Unix(0, n*int64(r.period.Bucket)), Running: int(max(0, b.running)), Queued: int(max(0, b.queued)),
				Limit: int(b.limit), Refused: int(b.refused),
			})
		}
	}
	return all
}

// course turns columns into what a picture shows.
func course(columns []Column, now time.Time, p Period) evidence.Course {
	c := evidence.Course{From: now.Add(-p.Length()), To: now}
	for _, col := range columns {
		c.InFlight = step(c.InFlight, col.At, col.Running)
		c.Queued = step(c.Queued, col.At, col.Queued)
		if col.Limit > 0 || len(c.Limit) > 0 {
			c.Limit = step(c.Limit, col.At, col.Limit)
		}
		if col.Refused > 0 {
			c.Refused = append(c.Refused, col.At.Add(p.Bucket/2))
			c.Refusals += col.Refused
		}
	}
	return c
}

func step(steps []evidence.Step, at time.Time, n int) []evidence.Step {
	if k := len(steps); k > 0 && steps[k-1].N == n {
		return steps
	}
	return append(steps, evidence.Step{At: at, N: n})
}

// A Past is a request that ended before the gateway began, for the history.
type Past struct {
	Lane    string
	Queued  []evidence.Span
	Running []evidence.Span
	Refused []time.Time
}

// mostPast is how many requests the history is filled with at the start.
const mostPast = 200_000

// fill adds what happened before, as far back as the last mostPast requests reach.
func (h *history) fill(now time.Time, past iter.Seq[Past]) {
	var last []Past
	count := 0
	for p := range past {
		if count++; len(last) < mostPast {
			last = append(last, p)
		} else {
			last[count%mostPast] = p
		}
	}
	var from time.Time // nothing is known before; zero: all is
	if count > mostPast {
		from = now
		for _, p := range last {
			for _, s := range p.Running {
				if s.From.Before(from) {
					from = s.From
				}
			}
		}
	}
	byLane := map[string][]Past{"": last}
	for _, p := range last {
		if len(byLane) <= maxSeries || byLane[p.Lane] != nil {
			byLane[p.Lane] = append(byLane[p.Lane], p)
		}
	}
	for lane, all := range byLane {
		if len(all) > 0 {
			h.fillOne(now, from, lane, all)
		}
	}
}

// fillOne fills the buckets of one lane, or of all together if its name is empty, from a
// moment on.
func (h *history) fillOne(now, since time.Time, lane string, past []Past) {
	var runs, waits []evidence.Span
	var refused []time.Time
	for _, p := range past {
		runs, waits, refused = append(runs, p.Running...), append(waits, p.Queued...), append(refused, p.Refused...)
	}
	slices.SortFunc(refused, time.Time.Compare)
	running, queued := evidence.Overlap(runs), evidence.Overlap(waits)
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.all
	if lane != "" {
		if s = h.lanes[lane]; s == nil {
			s = h.add(lane)
		}
	}
	s.advance(now)
	for i := range s.rings {
		r := &s.rings[i]
		for n := max(1, r.last-int64(len(r.buckets))+1); n <= r.last; n++ {
			b := r.at(n)
			from := time.Unix(0, n*int64(r.period.Bucket))
			to := from.Add(r.period.Bucket)
			if from.Before(since) {
				continue
			}
			first, _ := slices.BinarySearchFunc(refused, from, time.Time.Compare)
			last, _ := slices.BinarySearchFunc(refused, to, time.Time.Compare)
			b.known = true
			b.running = max(b.running, int32(evidence.Most(running, from, to)))
			b.queued = max(b.queued, int32(evidence.Most(queued, from, to)))
			b.refused += int32(last - first)
		}
	}
}
