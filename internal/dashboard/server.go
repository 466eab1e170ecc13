package dashboard

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/pool"
)

// Config is what a [Server] shows and lets people do.
type Config struct {
	About    func() View          // version, address and the like; the rest of it is made here
	Snapshot func() weir.Snapshot // of the governor
	LimitOf  func(lane string) int
	Open     func() []Request // that have not ended, the oldest first; estimates are made here
	Zone     *time.Location   // of the times in sentences; nil: the machine's
	Now      func() time.Time // nil: time.Now
	Token    string           // the page's, for its buttons
}

// A Server shows a gateway: it is told what happens, remembers a day of it, and serves
// the page and its data. Use [New]. It is safe for concurrent use.
type Server struct {
	cfg     Config
	history *history
	life    context.Context // until Close
	close   context.CancelFunc
	filling sync.WaitGroup

	mu    sync.Mutex // guards the fields below
	done  []Request  // the last that ended: number n is at n modulo MostDone
	ended uint64     // how many have
	times map[string]mean
	view  *View // the last one made, without Done
	made  time.Time
}

var _ weir.Observer = (*Server)(nil)

// New returns a server.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Zone == nil {
		cfg.Zone = time.Local
	}
	s := &Server{cfg: cfg, history: newHistory(cfg.LimitOf), times: map[string]mean{}}
	s.life, s.close = context.WithCancel(context.Background())
	return s
}

// Close ends the live streams, with a last view, and waits for [Server.Fill]. It may be
// called more than once.
func (s *Server) Close() {
	s.mu.Lock()
	s.view = nil // the last one shall say that it is
	s.mu.Unlock()
	s.close()
	s.filling.Wait()
}

// Observe implements [weir.Observer].
func (s *Server) Observe(ev pool.Event) { s.history.observe(ev) }

// Fill puts into the history what happened before the gateway began, in the background.
// The context that read gets ends with the server.
func (s *Server) Fill(read func(context.Context) iter.Seq[Past]) {
	s.filling.Go(func() { s.history.fill(s.cfg.Now(), read(s.life)) })
}

// mean is how long slots are held in a lane, of late.
type mean struct {
	of time.Duration
	n  int
}

// Ended notes a request that has ended.
func (s *Server) Ended(r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.done) < MostDone {
		s.done = append(s.done, r)
	} else {
		s.done[s.ended%MostDone] = r
	}
	s.ended++
	if n := len(r.Attempts); n > 0 && r.Outcome == "ok" && r.End != nil {
		s.held(r.Lane, r.End.Sub(r.Attempts[n-1].Start))
	}
}

// held notes for how long a slot was held. s.mu must be held.
func (s *Server) held(lane string, d time.Duration) {
	const most = 1000 // lanes; those that go on say it again
	if len(s.times) >= most {
		clear(s.times)
	}
	m := s.times[lane]
	m.n++
	m.of += (d - m.of) / time.Duration(min(m.n, 20))
	s.times[lane] = m
}

// since returns the requests that ended after the first n, the latest first, and how
// many have ended by now.
func (s *Server) since(n uint64) ([]Request, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := int(min(s.ended-n, uint64(len(s.done))))
	all := make([]Request, 0, fresh)
	for i := range fresh {
		all = append(all, s.done[(s.ended-1-uint64(i))%MostDone])
	}
	return all, s.ended
}

// How old a view may be that several watchers share, and one of which only what changes
// slowly is wanted.
const (
	maxAge  = 400 * time.Millisecond
	slowAge = 2 * time.Second
)

// View returns what the gateway does now, with the last requests that ended.
func (s *Server) View() View {
	v := s.shared(maxAge)
	v.conclude(s.since(0))
	return v
}

// conclude puts in the requests that have ended. The view may be older than they are, so
// it may have them as open. It returns how many have ended by now.
func (v *View) conclude(done []Request, ended uint64) uint64 {
	over := make(map[string]bool, len(done))
	for _, r := range done {
		over[r.ID] = true
	}
	isOpen := func(r Request) bool { return !over[r.ID] }
	v.Waiting, v.Active, v.Done = keep(v.Waiting, isOpen), keep(v.Active, isOpen), done
	return ended
}

// shared returns a view without requests that ended, which may be so old.
func (s *Server) shared(old time.Duration) View {
	now := s.cfg.Now()
	s.mu.Lock()
	if age := now.Sub(s.made); s.view != nil && age >= 0 && age < old {
		v := *s.view
		s.mu.Unlock()
		return v
	}
	times := make(map[string]mean, len(s.times))
	for lane, m := range s.times {
		times[lane] = m
	}
	s.mu.Unlock()
	v := look(s.cfg.About(), s.cfg.Snapshot(), s.cfg.Open(), times, s.cfg.Zone, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view, s.made = &v, now
	return v
}
