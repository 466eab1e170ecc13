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

	"github.com/weirhq/weir/internal/peer"
	"github.com/weirhq/weir/proxy"
)

// A connection is one of the server's, and who is at its other end.
type connection struct {
	conn  net.Conn
	once  sync.Once // for the fields below: it is looked up when it is first needed
	known bool
	who   proxy.Caller
}

// peer tells whose process sends a request, once for each connection.
func (d *Daemon) peer(ctx context.Context) (proxy.Caller, bool) {
	c, ok := ctx.Value(connectionKey{}).(*connection)
	if !ok || !peer.Supported {
		return proxy.Caller{}, false
	}
	c.once.Do(func() {
		remote, err1 := netip.ParseAddrPort(c.conn.RemoteAddr().String())
		local, err2 := netip.ParseAddrPort(c.conn.LocalAddr().String())
		if err1 != nil || err2 != nil {
			return
		}
		var p peer.Process
		if p, c.known = d.peers.Find(remote, local); c.known {
			c.who = proxy.Caller{Session: fmt.Sprintf("%s %d", p.Program, p.PID), Title: Title(p.Program, p.Dir)}
		}
	})
	return c.who, c.known
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
