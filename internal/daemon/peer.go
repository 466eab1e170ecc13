package daemon

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir/internal/peer"
	"github.com/weirhq/weir/proxy"
)

// A connection is one of the server's, and who is at its other end.
type connection struct {
	conn net.Conn

	mu     sync.Mutex // guards the fields below
	looked bool       // it is known, or known that it cannot be
	known  bool
	who    proxy.Caller
}

// peer tells whose process sends a request. It is looked up once for each connection,
// when it is first needed and there is time for it.
func (d *Daemon) peer(ctx context.Context) (proxy.Caller, bool) {
	c, ok := ctx.Value(connectionKey{}).(*connection)
	if !ok || !peer.Supported {
		return proxy.Caller{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.looked && d.lookups.start(time.Now()) {
		begin := time.Now()
		c.who, c.known = d.look(c.conn)
		c.looked = true
		d.lookups.spend(time.Since(begin))
	}
	return c.who, c.known
}

func (d *Daemon) look(conn net.Conn) (proxy.Caller, bool) {
	remote, err1 := netip.ParseAddrPort(conn.RemoteAddr().String())
	local, err2 := netip.ParseAddrPort(conn.LocalAddr().String())
	if err1 != nil || err2 != nil {
		return proxy.Caller{}, false
	}
	p, ok := d.peers.Find(remote, local)
	if !ok {
		return proxy.Caller{}, false
	}
	return proxy.Caller{Session: fmt.Sprintf("%s %d", p.Program, p.PID), Title: Title(p.Program, p.Dir)}, true
}

// An allowance bounds the time that look-ups take: for a process with thousands of
// connections each takes milliseconds, and nobody needs to know that much.
type allowance struct {
	mu   sync.Mutex // guards the fields below
	left time.Duration
	at   time.Time // of the last refill; zero: it is full
}

const (
	mostLookups  = 200 * time.Millisecond // at once, which is for hundreds of connections
	lookupsShare = 50                     // and a fiftieth of the time in the long run
)

// start tells whether there is time for a look-up.
func (a *allowance) start(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at.IsZero() {
		a.left = mostLookups
	} else {
		a.left = min(mostLookups, a.left+max(0, now.Sub(a.at))/lookupsShare)
	}
	a.at = now
	return a.left > 0
}

func (a *allowance) spend(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left -= d
}

// Title names a program that works in a directory, for people: "opencode in ~/shop".
func Title(program, dir string) string {
	if dir == "" {
		return program
	}
	if home, err := os.UserHomeDir(); err == nil && home != "" {
		if dir == home {
			dir = "~"
		} else if rest, ok := strings.CutPrefix(dir, home+string(filepath.Separator)); ok {
			dir = "~" + string(filepath.Separator) + rest
		}
	}
	return program + " in " + dir
}
