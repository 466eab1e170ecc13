package top

import (
	"time"

	"github.com/weirhq/weir/internal/dashboard"
	"github.com/weirhq/weir/internal/evidence"
	"github.com/weirhq/weir/provider"
)

// How much of the past is kept, in seconds, and for how many lanes.
const (
	pastSeconds = 15 * 60
	mostLanes   = 2 * dashboard.MostLanes
)

// A second is what was seen of a lane in one second, or in several together: the most
// in flight, the limit that held with it, the most queued, and how many were refused.
type second struct {
	known   bool
	running int
	queued  int
	limit   int
	refused int
}

// plus joins a second with a later one.
func (s second) plus(later second) second {
	refused := s.refused + later.refused
	switch {
	case !later.known:
	case !s.known:
		s = later
	default:
		if later.running >= s.running {
			s.running, s.limit = later.running, later.limit
		}
		s.queued = max(s.queued, later.queued)
	}
	s.refused = refused
	return s
}

// A course is the past of one lane. The zero course has seen nothing.
type course struct {
	seconds [pastSeconds]second // a ring, by Unix time
	last    int64               // the latest second that is in it; 0: none
}

// at returns the second in the ring, nil if it is not one of those kept.
func (c *course) at(unix int64) *second {
	if unix < 1 || unix > c.last || unix <= c.last-pastSeconds {
		return nil
	}
	return &c.seconds[unix%pastSeconds]
}

// see notes what a lane does at a moment. Numbers hold until they change, so a few
// seconds without news were as the one before; after a longer gap nobody knows.
func (c *course) see(now time.Time, l dashboard.Lane) {
	const stale = 5
	unix := max(now.Unix(), 1)
	if c.last-unix > stale { // another gateway, or its clock was set
		*c = course{}
	}
	unix = max(unix, c.last)
	gap := unix - c.last
	before := second{}
	if old := c.at(c.last); old != nil && gap <= stale {
		before = second{known: old.known, running: old.running, queued: old.queued, limit: old.limit}
	}
	for s := max(c.last+1, unix-pastSeconds+1); s <= unix; s++ {
		c.seconds[s%pastSeconds] = before
	}
	c.last = unix
	seen := second{known: true, running: l.Running, queued: l.Queued, limit: l.Limit}
	if gap > 0 {
		*c.at(unix) = seen // what was before it was seen in the second before
		return
	}
	*c.at(unix) = c.at(unix).plus(seen)
}

// refuse notes a refusal at a moment, if that is still kept.
func (c *course) refuse(at time.Time) {
	if s := c.at(at.Unix()); s != nil {
		s.refused++
	}
}

// fill writes what was before the first view, as far as the requests in it tell: what was
// in flight and queued, but not the limit.
func (c *course) fill(v *dashboard.View, lane string) {
	first := c.last
	known := max(first-pastSeconds+1, v.Started.Unix(), 1)
	if len(v.Done) >= dashboard.MostDone { // of what ended before the oldest nothing is told
		if end := v.Done[len(v.Done)-1].End; end != nil {
			known = max(known, end.Unix())
		}
	}
	running, queued := spans(v, lane)
	for s := known; s < first; s++ {
		from, to := time.Unix(s, 0), time.Unix(s+1, 0)
		c.seconds[s%pastSeconds] = second{known: true, running: evidence.Most(running, from, to), queued: evidence.Most(queued, from, to)}
	}
}

// spans returns what was in flight and what was queued in a lane over time, as far as
// the requests of a view tell.
func spans(v *dashboard.View, lane string) (running, queued []evidence.Step) {
	var run, wait []evidence.Span
	for _, requests := range [][]dashboard.Request{v.Waiting, v.Active, v.Done} {
		for i := range requests {
			r := &requests[i]
			if r.Lane != lane {
				continue
			}
			free := r.Start
			for _, a := range r.Attempts {
				end := v.At
				if a.End != nil {
					end = *a.End
				}
				wait = append(wait, evidence.Span{From: free, To: a.Start})
				run = append(run, evidence.Span{From: a.Start, To: end})
				free = end
			}
			if r.State == dashboard.Waiting || r.State == dashboard.Retrying {
				wait = append(wait, evidence.Span{From: free, To: v.At})
			}
		}
	}
	return evidence.Overlap(run), evidence.Overlap(wait)
}

// past returns the last columns of so many seconds each, the latest last. They begin at
// multiples of their length, so that a picture of them moves by whole columns.
func (c *course) past(columns, each int) []second {
	all := make([]second, max(0, columns))
	if c.last == 0 {
		return all
	}
	newest := c.last / int64(each)
	for i := range all {
		from := (newest - int64(len(all)-1-i)) * int64(each)
		for s := from; s < from+int64(each); s++ {
			if one := c.at(s); one != nil {
				all[i] = all[i].plus(*one)
			}
		}
	}
	return all
}

// A memory is the past of all lanes.
type memory struct {
	lanes map[string]*course
	told  map[string]told // by request
}

// told says how many of a request's attempts have been looked at, and when last.
type told struct {
	attempts int
	at       time.Time
}

func newMemory() *memory { return &memory{lanes: map[string]*course{}, told: map[string]told{}} }

// of returns the past of a lane, never nil.
func (m *memory) of(lane string) *course {
	if c := m.lanes[lane]; c != nil {
		return c
	}
	return &course{}
}

// see notes what a view shows.
func (m *memory) see(v *dashboard.View) {
	for _, l := range v.Lanes {
		c := m.lanes[l.Lane]
		if c == nil {
			if len(m.lanes) >= mostLanes {
				m.forgetLanes(v.At)
			}
			c = &course{}
			m.lanes[l.Lane] = c
			c.see(v.At, l)
			c.fill(v, l.Lane)
			continue
		}
		c.see(v.At, l)
	}
	for _, requests := range [][]dashboard.Request{v.Waiting, v.Active, v.Done} {
		for i := range requests {
			m.seeRequest(v.At, &requests[i])
		}
	}
	m.forgetRequests(v.At)
}

// hold notes that nothing has changed up to a moment.
func (m *memory) hold(now time.Time, lanes []dashboard.Lane) {
	for _, l := range lanes {
		if c := m.lanes[l.Lane]; c != nil && now.Unix() > c.last {
			c.see(now, l)
		}
	}
}

// seeRequest marks the refusals among a request's attempts that have not been marked.
func (m *memory) seeRequest(now time.Time, r *dashboard.Request) {
	if len(r.Attempts) == 0 {
		return
	}
	n := m.told[r.ID].attempts
	for ; n < len(r.Attempts); n++ {
		a := r.Attempts[n]
		if a.Verdict == "" {
			break
		}
		if !isRefusal(a.Verdict) {
			continue
		}
		at := a.Start
		if a.End != nil {
			at = *a.End
		}
		if c := m.lanes[r.Lane]; c != nil {
			c.refuse(at)
		}
	}
	m.told[r.ID] = told{attempts: n, at: now}
}

// forgetRequests drops what has not been seen for as long as the past is kept.
func (m *memory) forgetRequests(now time.Time) {
	const many = 2000 // below that there is nothing to save
	if len(m.told) < many {
		return
	}
	for id, t := range m.told {
		if now.Sub(t.at) > pastSeconds*time.Second || len(m.told) > 10*many {
			delete(m.told, id)
		}
	}
}

// forgetLanes drops lanes that the last views did not have, or all if there are none.
func (m *memory) forgetLanes(now time.Time) {
	for name, c := range m.lanes {
		if now.Unix()-c.last > 60 {
			delete(m.lanes, name)
		}
	}
	if len(m.lanes) >= mostLanes {
		clear(m.lanes)
	}
}

// isRefusal tells that the provider did not take an attempt because of what is under
// way, and not because of the request itself.
func isRefusal(verdict string) bool {
	switch verdict {
	case provider.Concurrency.String(), provider.Frequency.String(), provider.Throttled.String(), provider.Overload.String():
		return true
	}
	return false
}
