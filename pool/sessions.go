package pool

import (
	"time"

	"github.com/weirhq/weir/admission"
)

// maxSessions bounds the sessions that are remembered for display.
const maxSessions = 1000

// sessions counts what each session does, for people to see.
type sessions map[string]*sessionCount

type sessionCount struct {
	Session
	alive int
}

// A Session is what one agent session does in an account.
type Session struct {
	Name     string        `json:"session"`
	Running  int           `json:"running"`
	Queued   int           `json:"queued"`
	Requests uint64        `json:"requests"` // since it was first seen
	Overlap  int           `json:"longest_overlap"`
	Waited   time.Duration `json:"waited_ns"` // in all, to the first admissions
	Held     time.Duration `json:"held_ns"`   // slots, in all, by attempts that have ended
	Last     time.Time     `json:"last"`      // last arrival
}

func (s *sessions) arrived(now time.Time, e *Entry) {
	if *s == nil {
		*s = sessions{}
	}
	c := (*s)[e.Session]
	if c == nil {
		if len(*s) >= maxSessions {
			s.forgetIdle()
		}
		c = &sessionCount{Session: Session{Name: e.Session}}
		(*s)[e.Session] = c
	}
	c.Requests++
	c.Last = now
	c.alive++
	c.Overlap = max(c.Overlap, c.alive)
}

func (s sessions) started(e *Entry) {
	c := s[e.Session]
	c.Running++
	if e.attempts == 1 {
		c.Waited += e.admitted.Sub(e.arrived)
	}
}

func (s sessions) ended(now time.Time, e *Entry) {
	c := s[e.Session]
	c.Running--
	c.Held += now.Sub(e.started)
}

func (s sessions) done(e *Entry) { s[e.Session].alive-- }

func (s sessions) forgetIdle() {
	for name, c := range s {
		if c.alive == 0 {
			delete(s, name)
		}
	}
}

// places caches who is ahead of whom, since many ask and few need to know
// exactly.
type places struct {
	at time.Time
	of map[*Entry]int
}

// Ahead returns how many requests of the entry's lane are ahead of it, or -1 if
// it does not wait. It may be a second old.
func (p *Pool) Ahead(now time.Time, e *Entry) int {
	if !e.waiting() {
		return -1
	}
	n, known := p.places.of[e]
	if !known || now.Sub(p.places.at) >= time.Second {
		p.places = places{at: now, of: p.rank()}
		n = p.places.of[e]
	}
	return n
}

// rank numbers the waiting entries of each lane.
func (p *Pool) rank() map[*Entry]int {
	of := make(map[*Entry]int, p.queue.Len())
	ahead := map[*lane]int{}
	for _, it := range p.queue.InOrder() {
		e := it.Value
		of[e] = ahead[e.lane]
		ahead[e.lane]++
	}
	for _, e := range p.waitingIn(nil) {
		if _, known := of[e]; !known {
			of[e] = 0 // it waits for its own time, not for others
		}
	}
	return of
}

// classes are counted by class in snapshots.
func countByClass(entries []*Entry) map[admission.Class]int {
	by := map[admission.Class]int{}
	for _, e := range entries {
		by[e.Class]++
	}
	return by
}
