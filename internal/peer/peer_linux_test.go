package peer

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// dialVariable makes the test binary a client: it connects to the addresses that
// come on its standard input, one a line, and keeps the connections until that
// ends.
const dialVariable = "WEIR_TEST_PEER_DIAL"

func TestMain(m *testing.M) {
	if os.Getenv(dialVariable) != "" {
		for s := bufio.NewScanner(os.Stdin); s.Scan(); {
			c, err := net.Dial("tcp", s.Text())
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			defer c.Close()
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A client is another process that connects where it is told.
type client struct {
	pid    int
	dir    string
	orders io.WriteCloser
}

func startClient(t testing.TB) *client {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env, cmd.Dir, cmd.Stderr = append(os.Environ(), dialVariable+"=1"), dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the client: %v", err)
		}
	})
	return &client{pid: cmd.Process.Pid, dir: dir, orders: in}
}

// connect returns the server's end of a new connection of the client's.
func (c *client) connect(t testing.TB, l net.Listener, to string) net.Conn {
	t.Helper()
	fmt.Fprintln(c.orders, to)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func listen(t testing.TB, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func addresses(t testing.TB, c net.Conn) (remote, local netip.AddrPort) {
	t.Helper()
	return netip.MustParseAddrPort(c.RemoteAddr().String()), netip.MustParseAddrPort(c.LocalAddr().String())
}

func TestFindsWhoIsAtTheOtherEnd(t *testing.T) {
	for _, tt := range []struct{ name, network, listen, host string }{
		{"IPv4", "tcp4", "127.0.0.1:0", "127.0.0.1"},
		{"IPv4 to a listener for both", "tcp", "[::]:0", "127.0.0.1"},
		{"IPv6", "tcp6", "[::1]:0", "::1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := listen(t, tt.network, tt.listen)
			_, port, _ := net.SplitHostPort(l.Addr().String())
			c := startClient(t)
			var f Finder
			for range 2 { // the second time among those that are known
				remote, local := addresses(t, c.connect(t, l, net.JoinHostPort(tt.host, port)))
				got, ok := f.Find(remote, local)
				want := Process{PID: c.pid, Program: "peer.test", Dir: c.dir}
				if !ok || got != want {
					t.Errorf("got %+v, %v; want %+v", got, ok, want)
				}
				quick, _ := inodeOf(unmap(remote), unmap(local))
				slow, ok := inodeInTables(unmap(remote), unmap(local))
				if !ok || slow != quick {
					t.Errorf("the tables say %q, %v; the kernel %q", slow, ok, quick)
				}
			}
			if !slices.Equal(f.known(), []int{c.pid}) {
				t.Errorf("remembers %v", f.known())
			}
		})
	}
}

func TestFindsNothingWhereThereIsNothing(t *testing.T) {
	var f Finder
	for name, pair := range map[string][2]string{
		"no such connection":   {"127.0.0.1:1", "127.0.0.1:2"},
		"another machine":      {"192.0.2.1:4000", "192.0.2.2:1302"},
		"one end is elsewhere": {"127.0.0.1:4000", "192.0.2.2:1302"},
	} {
		t.Run(name, func(t *testing.T) {
			if p, ok := f.Find(netip.MustParseAddrPort(pair[0]), netip.MustParseAddrPort(pair[1])); ok {
				t.Errorf("found %+v", p)
			}
		})
	}
	if _, ok := f.Find(netip.AddrPort{}, netip.AddrPort{}); ok {
		t.Error("found the zero address")
	}
}

func TestAConnectionThatIsGoneHasNobody(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:0")
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	remote, local := addresses(t, server)
	var f Finder
	if p, ok := f.Find(remote, local); !ok || p.PID != os.Getpid() {
		t.Fatalf("got %+v, %v", p, ok)
	}
	conn.Close()
	if _, err := io.ReadAll(server); err != nil {
		t.Fatal(err)
	}
	if p, ok := f.Find(remote, local); ok {
		t.Errorf("found %+v", p)
	}
}

func TestConnections(t *testing.T) {
	l, other := listen(t, "tcp4", "127.0.0.1:0"), listen(t, "tcp4", "127.0.0.1:0")
	a, b := startClient(t), startClient(t)
	for range 2 {
		a.connect(t, l, l.Addr().String())
	}
	b.connect(t, l, l.Addr().String())
	b.connect(t, other, other.Addr().String())
	to := netip.MustParseAddrPort(l.Addr().String())
	var f Finder
	got, err := f.Connections(func(x netip.AddrPort) bool { return x == to })
	if err != nil {
		t.Fatal(err)
	}
	byPID := map[int]int{}
	for _, c := range got {
		byPID[c.Process.PID]++
		if c.Remote != to {
			t.Errorf("to %v", c.Remote)
		}
	}
	if len(got) != 3 || byPID[a.pid] != 2 || byPID[b.pid] != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestFindConcurrently(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:0")
	var f Finder
	var wg sync.WaitGroup
	for range 3 {
		c := startClient(t)
		remote, local := addresses(t, c.connect(t, l, l.Addr().String()))
		wg.Go(func() {
			for range 5 {
				if p, ok := f.Find(remote, local); !ok || p.PID != c.pid {
					t.Errorf("got %+v, %v; want %d", p, ok, c.pid)
				}
			}
		})
	}
	wg.Wait()
}

func TestMemoryOfProcessesIsBounded(t *testing.T) {
	var f Finder
	for pid := range 100 {
		f.remember(pid)
	}
	f.remember(98)
	if got := f.known(); len(got) != maxRecent || got[0] != 98 || got[1] != 99 || got[2] != 97 {
		t.Errorf("got %v", got)
	}
}

func TestTableReadsWhatItWrites(t *testing.T) {
	for _, tt := range []struct {
		wide bool
		addr string
	}{{false, "127.0.0.1:1302"}, {false, "8.8.4.4:443"}, {true, "[2001:db8::7]:443"}, {true, "127.0.0.1:80"}} {
		want := netip.MustParseAddrPort(tt.addr)
		x := table{wide: tt.wide}
		if got, ok := x.read(x.write(want)); !ok || got != want {
			t.Errorf("%s: %s: got %v, %v", tt.addr, x.write(want), got, ok)
		}
	}
	for _, bad := range []string{"", ":", "0100007F", "0100007F:", "0100007F:FFFFF", "0100007G:0001", "01:0001"} {
		if got, ok := (table{}).read(bad); ok {
			t.Errorf("%q: got %v", bad, got)
		}
	}
}

// BenchmarkFind is what a new client connection costs beside 300 other processes:
// of a process that is known, and of one that is not.
func BenchmarkFind(b *testing.B) {
	l := listen(b, "tcp4", "127.0.0.1:0")
	c := startClient(b) // older than the crowd, so that the search meets them all
	remote, local := addresses(b, c.connect(b, l, l.Addr().String()))
	for range 300 {
		cmd := exec.Command("cat")
		in, err := cmd.StdinPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	}
	run := func(b *testing.B, f func() *Finder) {
		var worst time.Duration
		for b.Loop() {
			start := time.Now()
			if p, ok := f().Find(remote, local); !ok || p.PID != c.pid {
				b.Fatalf("got %+v, %v", p, ok)
			}
			worst = max(worst, time.Since(start))
		}
		b.ReportMetric(float64(worst.Microseconds()), "worst-µs")
	}
	b.Run("unknown", func(b *testing.B) { run(b, func() *Finder { return new(Finder) }) })
	var f Finder
	b.Run("known", func(b *testing.B) { run(b, func() *Finder { return &f }) })
}
