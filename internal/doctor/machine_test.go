package doctor

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/endpoint"
	"github.com/weirhq/weir/internal/peer"
	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
)

// noon is the time of all machines here.
func noon() time.Time { return time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC) }

// healthy returns a made-up machine on which nothing is wrong and nothing is
// installed.
func healthy(t *testing.T) *Machine {
	t.Helper()
	m := &Machine{
		Env: func(string) string { return "" }, Now: noon,
		Client: &http.Client{Transport: answers(func(*http.Request) (*http.Response, error) {
			return reply(http.StatusOK, ""), nil
		})},
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
		Resolve: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}, nil
		},
		Gateway: func(context.Context) (string, string, error) { return "http://127.0.0.1:1302", "0.4.0", nil },
		Flagged: func(context.Context) ([]string, error) { return nil, nil },
		Settings: func(context.Context, *tools.Tool) ([]endpoint.Setting, error) {
			return nil, nil
		},
		Profiles:    map[string]*provider.Profile{},
		Connections: func(func(netip.AddrPort) bool) ([]peer.Connection, error) { return nil, nil },
		Own:         func(p peer.Process) bool { return p.Program == "weir" },
	}
	for _, name := range provider.Names() {
		m.Profiles[name], _ = provider.Lookup(name)
	}
	return m
}

// answers is a transport without a network.
type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	return a(r)
}

func reply(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status),
		Header: http.Header{"Date": {noon().Format(http.TimeFormat)}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}

// install puts a tool with such settings on the machine.
func install(t *testing.T, m *Machine, name string, settings ...endpoint.Setting) {
	t.Helper()
	tool, ok := tools.ByName(name)
	if !ok {
		t.Fatalf("no tool %s", name)
	}
	before := m.Settings
	m.Tools = append(m.Tools, tool)
	m.Settings = func(ctx context.Context, x *tools.Tool) ([]endpoint.Setting, error) {
		if x == tool {
			return settings, nil
		}
		return before(ctx, x)
	}
}

// serveAt moves a profile to a server.
func serveAt(m *Machine, name, base string) {
	p := *m.Profiles[name]
	p.Bases = map[provider.Dialect]string{}
	for d, b := range m.Profiles[name].Bases {
		u, _ := url.Parse(b)
		p.Bases[d] = base + u.Path
	}
	m.Profiles[name] = &p
}

// one examines the machine and returns the result of one check.
func one(t *testing.T, m *Machine, name string) Result {
	t.Helper()
	for _, r := range Examine(t.Context(), m) {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no check is called %q", name)
	return Result{}
}

// expect holds a result against a status and words that must be somewhere in it.
func expect(t *testing.T, r Result, status Status, words ...string) {
	t.Helper()
	text := r.Saw + "\n" + r.Means + "\n" + r.Do
	if r.Status != status {
		t.Errorf("%s: got %s, want %s: %s", r.Name, r.Status, status, text)
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s: it lacks %q: %s", r.Name, w, text)
		}
	}
	if r.Status == Wrong && (r.Saw == "" || r.Means == "" || r.Do == "") {
		t.Errorf("%s: what is wrong needs what it saw, what it means and what to do: %+v", r.Name, r)
	}
}

// dialing returns a client that trusts a TLS server and reaches it under every
// name.
func dialing(srv *httptest.Server) *http.Client {
	tr := srv.Client().Transport.(*http.Transport).Clone()
	tr.DisableKeepAlives = true
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
	}
	return &http.Client{Transport: tr}
}

var errNoWay = errors.New("made up")
