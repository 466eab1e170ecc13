package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// streams are open answers, each with a goroutine that reads it. Close them.
type streams struct {
	conns    []*conn
	audience []*audience
	heard    []atomic.Int64 // events of each
	ended    atomic.Int64   // how many ended before they were closed
	why      atomic.Value   // string: how one of these ended
	closing  atomic.Bool
	wg       sync.WaitGroup
}

// openStreams opens n streams, one each apart. listener makes the audience of
// each; nil means plain ones.
func openStreams(ctx context.Context, target *process, n int, apart time.Duration, p prompt, listener func() *audience) (*streams, error) {
	s := &streams{heard: make([]atomic.Int64, n)}
	request := p.request(target.url)
	for i := range n {
		c, err := dial(ctx, target.url)
		if err != nil {
			s.close()
			return nil, err
		}
		a := &audience{}
		if listener != nil {
			a = listener()
		}
		tell := a.heard
		a.heard = func(events int) {
			s.heard[i].Store(int64(events))
			if tell != nil {
				tell(events)
			}
		}
		s.conns, s.audience = append(s.conns, c), append(s.audience, a)
		s.wg.Go(func() {
			if err := c.expect(request, a.piece); !s.closing.Load() {
				s.why.Store(fmt.Sprintf("after %d events: %v", a.events, err))
				s.ended.Add(1)
			}
		})
		if err := sleep(ctx, apart); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// await waits until each stream has brought so many events.
func (s *streams) await(ctx context.Context, events int, patience time.Duration) error {
	return await(ctx, patience, func() (bool, string, error) {
		if err := s.whole(); err != nil {
			return false, "", err
		}
		ready := 0
		for i := range s.heard {
			if s.heard[i].Load() >= int64(events) {
				ready++
			}
		}
		return ready == len(s.heard), fmt.Sprintf("%d of %d streams have brought %d events", ready, len(s.heard), events), nil
	})
}

// whole returns an error if a stream has ended before it was closed.
func (s *streams) whole() error {
	if n := s.ended.Load(); n > 0 {
		return fmt.Errorf("%d of %d streams ended by themselves, one %v", n, len(s.conns), s.why.Load())
	}
	return nil
}

// hangUp closes all connections and returns when it began.
func (s *streams) hangUp() time.Time {
	s.closing.Store(true)
	now := time.Now()
	for _, c := range s.conns {
		c.Close()
	}
	return now
}

// close closes all streams and returns all delays. It may be called again.
func (s *streams) close() []float64 {
	s.hangUp()
	s.wg.Wait()
	var delays []float64
	for _, a := range s.audience {
		delays = append(delays, a.delays...)
	}
	return delays
}

// A crowd is a number of connections whose requests wait for an answer. Close
// it.
type crowd struct {
	conns []*conn
	mu    sync.Mutex // guards statuses
	// statuses counts answers by status; 0 stands for connections that broke.
	statuses map[int]int
	closing  atomic.Bool
	wg       sync.WaitGroup
}

// gather opens n connections, a few at a time, and sends a request on each, by
// turns for each of the accounts.
func gather(ctx context.Context, target *process, n int, p prompt, accounts ...string) (*crowd, error) {
	g := &crowd{conns: make([]*conn, n), statuses: map[int]int{}}
	var requests [][]byte
	for _, a := range accounts {
		p.account = a
		requests = append(requests, p.request(target.url))
	}
	const hands = 16
	errs := make(chan error, hands)
	for h := range hands {
		go func() {
			for i := h; i < n; i += hands {
				c, err := dial(ctx, target.url)
				if err != nil {
					errs <- err
					return
				}
				g.conns[i] = c
				if _, err := c.Write(requests[i%len(requests)]); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var failed error
	for range hands {
		if err := <-errs; err != nil {
			failed = err
		}
	}
	for _, c := range g.conns {
		if c != nil {
			g.wg.Go(func() { g.listen(c) })
		}
	}
	if failed != nil {
		g.close()
		return nil, failed
	}
	return g, nil
}

// listen reads the answer of one connection.
func (g *crowd) listen(c *conn) {
	status, err := c.answer(nil)
	if g.closing.Load() {
		return
	}
	if err != nil {
		status = 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.statuses[status]++
}

// bad says how many answers were not 200, empty if none.
func (g *crowd) bad() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	text := ""
	for status, n := range g.statuses {
		if status != 200 {
			text += fmt.Sprintf("%d × status %d; ", n, status)
		}
	}
	return text
}

// close hangs up on all and returns when it began.
func (g *crowd) close() time.Time {
	g.closing.Store(true)
	now := time.Now()
	for _, c := range g.conns {
		if c != nil {
			c.Close()
		}
	}
	g.wg.Wait()
	return now
}
