package daemon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// A gate is a listener that can be shut for a moment without turning anybody away:
// those who come wait in the system's line.
type gate struct {
	*net.TCPListener

	mu     sync.Mutex    // guards the fields below
	open   chan struct{} // closed while connections are taken
	parked chan struct{} // closed when whoever takes them waits at the shut gate
}

func newGate(l net.Listener) (*gate, error) {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("%s is not a TCP address", l.Addr())
	}
	g := &gate{TCPListener: tcp, open: make(chan struct{})}
	close(g.open)
	return g, nil
}

// Accept implements [net.Listener].
func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.TCPListener.Accept()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return conn, err
		}
		<-g.park()
	}
}

// park says that no connection is in hand, and returns what ends the wait.
func (g *gate) park() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.parked != nil {
		close(g.parked)
		g.parked = nil
	}
	return g.open
}

// shut keeps connections waiting until the gate is opened again, and returns when the
// server has all that were taken. It is shut or opened by one goroutine at a time,
// while another one accepts.
func (g *gate) shut() error {
	parked := make(chan struct{})
	g.mu.Lock()
	g.open, g.parked = make(chan struct{}), parked
	g.mu.Unlock()
	if err := g.SetDeadline(time.Unix(1, 0)); err != nil { // ends a wait for the next one
		return err
	}
	<-parked
	return nil
}

// reopen takes connections again.
func (g *gate) reopen() error {
	err := g.SetDeadline(time.Time{})
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
	return err
}

// Close implements [net.Listener].
func (g *gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
	default:
		close(g.open) // who waits sees that the listener is closed
	}
	return g.TCPListener.Close()
}

// listen opens the listener, where that is asked for at the first address that is
// free.
func (d *Daemon) listen() error {
	l := d.cfg.Listener
	if l == nil {
		var err error
		if l, err = d.firstFree(); err != nil {
			return err
		}
	} else if !d.mayHold(l.Addr().String()) {
		l.Close()
		return fmt.Errorf("the listener on %s is open to others, and the configuration (listen: %s) does not say that any more", l.Addr(), d.cfg.Listen)
	}
	g, err := newGate(l)
	if err != nil {
		l.Close()
		return err
	}
	d.listener = g
	return nil
}

// mayHold tells whether an address of an earlier gateway may be this one's too: who is
// let in was judged by what the configuration says now, which may be loopback only.
func (d *Daemon) mayHold(address string) bool {
	return onLoopback(address) || !onLoopback(d.cfg.Listen)
}

func (d *Daemon) firstFree() (net.Listener, error) {
	if !d.cfg.Background {
		l, err := net.Listen("tcp", d.cfg.Listen)
		if err != nil {
			return nil, fmt.Errorf("cannot listen on %s: %w (is another weir running? --listen takes another address)", d.cfg.Listen, err)
		}
		return l, nil
	}
	const any = "127.0.0.1:0"
	if d.cfg.Prefer != "" && d.mayHold(d.cfg.Prefer) {
		// It may have gone with its network: then no tool calls there either.
		if l, err := net.Listen("tcp", d.cfg.Prefer); err == nil {
			return l, nil
		}
	}
	for _, address := range []string{d.cfg.Listen, any} {
		l, err := net.Listen("tcp", address)
		switch {
		case err == nil:
			return l, nil
		case address == any || !errors.Is(err, syscall.EADDRINUSE):
			return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
		case address == d.cfg.Listen:
			d.taken = address + " is held by " + d.holder(address)
			d.log.Info("another port", "why", d.taken)
		}
	}
	return nil, errors.New("no address to listen on")
}

// Taken says who has the address that the gateway would have had; empty: nobody.
func (d *Daemon) Taken() string { return d.taken }

// holder names the program that listens on an address, as well as it can.
func (d *Daemon) holder(address string) string {
	const unknown = "another program"
	const soon = time.Second
	conn, err := net.DialTimeout("tcp", address, soon)
	if err != nil {
		return unknown
	}
	defer conn.Close()
	// From its side this is the local end.
	far, err1 := netip.ParseAddrPort(conn.RemoteAddr().String())
	near, err2 := netip.ParseAddrPort(conn.LocalAddr().String())
	if err1 != nil || err2 != nil {
		return unknown
	}
	if p, ok := d.peers.Find(far, near); ok {
		return fmt.Sprintf("%s (process %d)", p.Program, p.PID)
	}
	return unknown
}

// openStore opens the state directory. A gateway in the background is alone in it, so
// it waits for another one that goes down.
func openStore(cfg Config) (*Store, error) {
	const every = 10 * time.Millisecond
	deadline := time.Now().Add(cfg.Drain + 10*time.Second)
	for {
		s, err := OpenStore(cfg.State)
		if err != nil || !cfg.Background || !s.ReadOnly() {
			return s, err
		}
		s.Close()
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("another process uses the state directory %s and does not answer as a gateway", cfg.State)
		}
		time.Sleep(every)
	}
}
