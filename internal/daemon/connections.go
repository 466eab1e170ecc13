package daemon

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// connections are those that a server has, and what they are at. http.Server's own way
// to end drops the requests of connections that it has taken but not read from, so the
// gateway waits for these itself.
type connections struct {
	mu   sync.Mutex // guards the field below
	open map[net.Conn]connectionState
}

type connectionState struct {
	is    http.ConnState
	since time.Time
}

// observe is the server's ConnState hook.
func (c *connections) observe(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		delete(c.open, conn)
		return
	}
	if c.open == nil {
		c.open = map[net.Conn]connectionState{}
	}
	c.open[conn] = connectionState{state, time.Now()}
}

// owed counts the connections on which an answer is owed: a request is under way, or
// will come at any moment, since who connects has one.
func (c *connections) owed() int {
	const moment = 500 * time.Millisecond // else it was opened on suspicion, as browsers do
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, s := range c.open {
		if s.is == http.StateActive || s.is == http.StateNew && time.Since(s.since) < moment {
			n++
		}
	}
	return n
}

// settle waits until no answer is owed; false: the context has ended first.
func (c *connections) settle(ctx context.Context) bool {
	const every = 2 * time.Millisecond
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for c.owed() > 0 {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
	return true
}

// connectionKey is that of the connection in a request's context.
type connectionKey struct{}

// withConnection keeps a connection at hand, for who is at its other end.
func withConnection(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, &connection{conn: conn})
}
