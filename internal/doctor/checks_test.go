package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/internal/endpoint"
	"github.com/weirhq/weir/internal/peer"
	"github.com/weirhq/weir/internal/tools"
)

func TestNothingIsWrongWithAHealthyMachine(t *testing.T) {
	m := healthy(t)
	install(t, m, "opencode", endpoint.Setting{Name: "provider zai", URL: "http://127.0.0.1:1302/api/coding/paas/v4", Source: "opencode.json", Gateway: true})
	results := Examine(t.Context(), m)
	for _, r := range results {
		if r.Status != OK {
			t.Errorf("%+v", r)
		}
	}
	var text bytes.Buffer
	if err := WriteText(&text, results); err != nil || !strings.HasSuffix(text.String(), "\nall is well\n") {
		t.Errorf("%v: %s", err, &text)
	}
}

func TestGateway(t *testing.T) {
	none := func(context.Context) (string, string, error) { return "", "", nil }
	through := endpoint.Setting{Name: "env", URL: "http://127.0.0.1:1302/anthropic", Gateway: true}
	t.Run("none runs, and none is needed", func(t *testing.T) {
		m := healthy(t)
		m.Gateway = none
		expect(t, one(t, m, "gateway"), Warn, "no gateway runs", "weir serve")
	})
	t.Run("none runs, and a tool needs it", func(t *testing.T) {
		m := healthy(t)
		m.Gateway = none
		install(t, m, "claude", through)
		expect(t, one(t, m, "gateway"), Wrong, "Claude Code points at weir", "weir serve")
		expect(t, one(t, m, "tool claude"), Wrong, "none runs", "--undo")
	})
	t.Run("it cannot be told", func(t *testing.T) {
		m := healthy(t)
		m.Gateway = func(context.Context) (string, string, error) { return "", "", errNoWay }
		expect(t, one(t, m, "gateway"), Wrong, "made up")
	})
	t.Run("it does not answer", func(t *testing.T) {
		m := healthy(t)
		m.Client.Transport = answers(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/healthz" {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			return reply(http.StatusOK, ""), nil
		})
		expect(t, one(t, m, "gateway"), Wrong, "refused")
	})
	t.Run("something else answers", func(t *testing.T) {
		m := healthy(t)
		m.Client.Transport = answers(func(*http.Request) (*http.Response, error) { return reply(http.StatusNotFound, ""), nil })
		expect(t, one(t, m, "gateway"), Wrong, "Not Found")
	})
}

func TestTools(t *testing.T) {
	setting := func(u, profile string, gateway bool) endpoint.Setting {
		return endpoint.Setting{Name: "provider x", URL: u, Source: "~/x.json", Profile: profile, Gateway: gateway}
	}
	tests := []struct {
		name   string
		set    endpoint.Setting
		status Status
		words  []string
	}{
		{"through weir", setting("http://127.0.0.1:1302/v1", "", true), OK, []string{"through weir", "~/x.json"}},
		{"through a weir elsewhere", setting("http://127.0.0.1:1309/v1", "", true), Warn, []string{"1309", "1302"}},
		{"straight to the plan", setting("https://api.z.ai/api/coding/paas/v4", "zai-coding", false), Warn, []string{"past weir", "weir setup opencode"}},
		{"straight to the general endpoint", setting("https://api.z.ai/api/paas/v4", "zai", false), Warn, []string{"1113", "doctor --key", "https://api.z.ai/api/coding/paas/v4"}},
		{"a path that is not served", setting("https://api.z.ai/api/nothing", "", false), Wrong, []string{"no such path", "https://api.z.ai/api/"}},
		{"another gateway", setting("http://localhost:8787/v1", "", false), Warn, []string{"another gateway"}},
		{"a model server that is known", setting("http://127.0.0.1:11434/v1", "ollama", false), Warn, []string{"ollama"}},
		{"a host that nobody knows", setting("https://user:secret@llm.example.com/v1?k=secret", "", false), Warn, []string{"generic=https://llm.example.com/v1"}},
		{"no URL", setting("api.z.ai", "", false), Wrong, []string{"no URL"}},
		{"not set", setting("", "", false), Skipped, []string{"not set"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := healthy(t)
			install(t, m, "opencode", tt.set)
			r := one(t, m, "tool opencode")
			expect(t, r, tt.status, tt.words...)
			if text := r.Saw + r.Means + r.Do; strings.Contains(text, "secret") {
				t.Errorf("it tells a secret: %s", text)
			}
		})
	}
	t.Run("the worst counts, all are told", func(t *testing.T) {
		m := healthy(t)
		install(t, m, "opencode", tests[0].set, tests[4].set, tests[1].set)
		expect(t, one(t, m, "tool opencode"), Wrong, "/v1 (~/x.json); ", "/api/nothing", "1309")
	})
	t.Run("settings that cannot be read", func(t *testing.T) {
		m := healthy(t)
		install(t, m, "opencode")
		m.Settings = func(context.Context, *tools.Tool) ([]endpoint.Setting, error) { return nil, errNoWay }
		expect(t, one(t, m, "tool opencode"), Warn, "made up")
	})
	t.Run("no settings", func(t *testing.T) {
		m := healthy(t)
		install(t, m, "opencode")
		expect(t, one(t, m, "tool opencode"), Skipped, "no base URL")
	})
	t.Run("none is installed", func(t *testing.T) {
		expect(t, one(t, healthy(t), "tools"), Skipped)
	})
}

func TestProxyVariables(t *testing.T) {
	tests := []struct {
		name   string
		env    map[string]string
		status Status
		words  []string
	}{
		{"none", nil, OK, nil},
		{"weir itself", map[string]string{"HTTPS_PROXY": "http://127.0.0.1:1302"}, Wrong, []string{"HTTPS_PROXY", "weir itself"}},
		{"weir itself, without a scheme", map[string]string{"all_proxy": "localhost:1302"}, Wrong, []string{"all_proxy"}},
		{"a proxy for all", map[string]string{"HTTP_PROXY": "http://me:secret@proxy.example:3128"}, Warn, []string{"NO_PROXY", "proxy.example:3128"}},
		{"a proxy with an exception for another", map[string]string{"http_proxy": "proxy.example:3128", "no_proxy": "10.0.0.0/8,localhost"}, Warn, nil},
		{"a proxy with the exception", map[string]string{"http_proxy": "proxy.example:3128", "no_proxy": "localhost, 127.0.0.1"}, OK, nil},
		{"a proxy with a net as the exception", map[string]string{"ALL_PROXY": "socks5://proxy.example:1080", "NO_PROXY": "127.0.0.0/8"}, OK, nil},
		{"a proxy with all as the exception", map[string]string{"HTTP_PROXY": "proxy.example:1", "NO_PROXY": "*"}, OK, nil},
		{"a proxy that weir's URL does not take", map[string]string{"HTTPS_PROXY": "http://proxy.example:3128"}, OK, nil},
		{"another proxy of this machine", map[string]string{"HTTPS_PROXY": "http://127.0.0.1:3128"}, OK, nil},
		{"no URL", map[string]string{"HTTP_PROXY": "http://:secret@/"}, Warn, []string{"no URL"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := healthy(t)
			m.Env = func(name string) string { return tt.env[name] }
			r := one(t, m, "proxy variables")
			expect(t, r, tt.status, tt.words...)
			if strings.Contains(r.Saw+r.Means+r.Do, "secret") {
				t.Errorf("it tells a secret: %+v", r)
			}
		})
	}
}

func TestConnectionsPastWeir(t *testing.T) {
	crush := peer.Process{PID: 7, Program: "crush", Dir: "/home/a/shop"}
	live := []peer.Connection{
		{Process: crush, Remote: netip.MustParseAddrPort("192.0.2.7:443")},
		{Process: crush, Remote: netip.MustParseAddrPort("[2001:db8::7]:443")},
		{Process: peer.Process{PID: 8, Program: "weir"}, Remote: netip.MustParseAddrPort("192.0.2.7:443")},
		{Process: peer.Process{PID: 9, Program: "git"}, Remote: netip.MustParseAddrPort("192.0.2.7:22")},
	}
	list := func(to func(netip.AddrPort) bool) ([]peer.Connection, error) {
		var all []peer.Connection
		for _, c := range live {
			if to(c.Remote) {
				all = append(all, c)
			}
		}
		return all, nil
	}
	t.Run("some", func(t *testing.T) {
		m := healthy(t)
		m.Connections = list
		r := one(t, m, "connections past weir")
		expect(t, r, Warn, "crush in /home/a/shop (process 7): 2 connections to api.z.ai", "weir setup")
		if strings.Contains(r.Saw, "weir") || strings.Contains(r.Saw, "git") {
			t.Errorf("it names others: %s", r.Saw)
		}
	})
	t.Run("none", func(t *testing.T) {
		expect(t, one(t, healthy(t), "connections past weir"), OK, "api.z.ai")
	})
	t.Run("a system that does not show them", func(t *testing.T) {
		m := healthy(t)
		m.Connections = nil
		expect(t, one(t, m, "connections past weir"), Skipped)
	})
	t.Run("a list that fails", func(t *testing.T) {
		m := healthy(t)
		m.Connections = func(func(netip.AddrPort) bool) ([]peer.Connection, error) { return nil, errNoWay }
		expect(t, one(t, m, "connections past weir"), Skipped, "made up")
	})
	t.Run("one name is not known", func(t *testing.T) {
		m := healthy(t)
		m.Use = []string{"zai-coding", "deepseek"}
		m.Connections = list
		resolve := m.Resolve
		m.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			if host == "api.deepseek.com" {
				return nil, &net.DNSError{IsNotFound: true}
			}
			return resolve(ctx, host)
		}
		expect(t, one(t, m, "connections past weir"), Warn, "api.z.ai")
	})
}

func TestWithoutANetworkEachCauseIsToldOnce(t *testing.T) {
	m := healthy(t)
	m.Resolve = func(context.Context, string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Err: "connection refused", Name: "api.z.ai"}
	}
	m.Client.Transport = answers(func(r *http.Request) (*http.Response, error) {
		if r.URL.Hostname() != "127.0.0.1" {
			return nil, &net.OpError{Op: "dial", Err: syscall.ENETUNREACH}
		}
		return reply(http.StatusOK, ""), nil
	})
	expect(t, one(t, m, "dns api.z.ai"), Wrong, "no network?")
	for _, name := range []string{"tls api.z.ai", "clock api.z.ai", "connections past weir"} {
		m.found = survey{}
		expect(t, one(t, m, name), Skipped, "api.z.ai")
	}
}

func TestDNS(t *testing.T) {
	t.Run("addresses", func(t *testing.T) {
		expect(t, one(t, healthy(t), "dns api.z.ai"), OK, "192.0.2.7, 2001:db8::7")
	})
	t.Run("behind a proxy", func(t *testing.T) {
		m := healthy(t)
		m.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://me:secret@proxy.example:3128") }
		r := one(t, m, "dns api.z.ai")
		expect(t, r, Skipped, "proxy.example:3128")
		if strings.Contains(r.Saw, "secret") {
			t.Error("it tells a secret")
		}
	})
	t.Run("of each provider that a tool uses, once", func(t *testing.T) {
		m := healthy(t)
		install(t, m, "opencode",
			endpoint.Setting{Name: "a", URL: "https://api.deepseek.com/v1", Profile: "deepseek"},
			endpoint.Setting{Name: "b", URL: "https://api.z.ai/api/paas/v4", Profile: "zai"},
			endpoint.Setting{Name: "c", URL: "https://api.z.ai/api/coding/paas/v4", Profile: "zai-coding"})
		var names []string
		for _, r := range Examine(t.Context(), m) {
			if strings.HasPrefix(r.Name, "dns ") {
				names = append(names, r.Name)
			}
		}
		if strings.Join(names, ",") != "dns api.deepseek.com,dns api.z.ai" {
			t.Errorf("got %v", names)
		}
	})
}

func TestTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that shall fail
	srv.StartTLS()
	defer srv.Close()
	at := func(t *testing.T, base string) *Machine {
		m := healthy(t)
		m.Client = dialing(srv)
		serveAt(m, "zai-coding", base)
		return m
	}
	t.Run("it verifies", func(t *testing.T) {
		expect(t, one(t, at(t, "https://example.com"), "tls example.com"), OK, "TLS 1.3", "good until")
	})
	t.Run("another name", func(t *testing.T) {
		expect(t, one(t, at(t, "https://elsewhere.test"), "tls elsewhere.test"), Wrong, "another name")
	})
	t.Run("a stranger's signature", func(t *testing.T) {
		m := at(t, "https://example.com")
		m.Client.Transport.(*http.Transport).TLSClientConfig.RootCAs = nil
		expect(t, one(t, m, "tls example.com"), Wrong, "not known here", "SSL_CERT_FILE")
	})
	t.Run("a time at which it is not valid", func(t *testing.T) {
		m := at(t, "https://example.com")
		m.Client.Transport.(*http.Transport).TLSClientConfig.Time = func() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }
		expect(t, one(t, m, "tls example.com"), Wrong, "clock")
	})
	t.Run("nobody there", func(t *testing.T) {
		m := healthy(t)
		m.Client.Transport = answers(func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		})
		expect(t, one(t, m, "tls api.z.ai"), Wrong, "refused")
	})
	t.Run("plain HTTP", func(t *testing.T) {
		plain := httptest.NewServer(http.NotFoundHandler())
		defer plain.Close()
		m := healthy(t)
		m.Client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		serveAt(m, "zai-coding", plain.URL)
		host := strings.TrimPrefix(plain.URL, "http://")
		expect(t, one(t, m, "tls "+host), OK, "plain HTTP")
		m.found = survey{}
		expect(t, one(t, m, "dns 127.0.0.1"), OK, "needs no name server")
	})
}

func TestClock(t *testing.T) {
	tests := []struct {
		name   string
		skew   time.Duration // of this machine
		status Status
		words  []string
	}{
		{"right", 0, OK, []string{"within a second"}},
		{"a little behind", -50 * time.Second, OK, []string{"50s behind"}},
		{"ahead", 61 * time.Second, Wrong, []string{"1m1s ahead of", "synchronisation"}},
		{"behind", -2 * time.Minute, Wrong, []string{"2m0s behind"}},
		{"far ahead", 6 * time.Minute, Wrong, []string{"too early", "now"}},
		{"another zone", -8 * time.Hour, Wrong, []string{"8h0m0s behind"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := healthy(t)
			m.Now = func() time.Time { return noon().Add(tt.skew) }
			expect(t, one(t, m, "clock api.z.ai"), tt.status, tt.words...)
		})
	}
	t.Run("no date", func(t *testing.T) {
		m := healthy(t)
		m.Client.Transport = answers(func(*http.Request) (*http.Response, error) {
			r := reply(http.StatusOK, "")
			r.Header.Del("Date")
			return r, nil
		})
		expect(t, one(t, m, "clock api.z.ai"), Skipped, "no date")
	})
	t.Run("no answer", func(t *testing.T) {
		m := healthy(t)
		m.Client.Transport = answers(func(*http.Request) (*http.Response, error) { return nil, errNoWay })
		expect(t, one(t, m, "clock api.z.ai"), Skipped, "made up")
	})
}

func TestAMachineOnWhichNothingAnswersIsLookedAtInFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := healthy(t)
		install(t, m, "opencode")
		install(t, m, "claude")
		m.Use = []string{"zai-coding", "deepseek", "openai"}
		m.Settings = func(ctx context.Context, _ *tools.Tool) ([]endpoint.Setting, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		m.Gateway = func(ctx context.Context) (string, string, error) { <-ctx.Done(); return "", "", ctx.Err() }
		m.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			if host == "api.openai.com" {
				return []netip.Addr{netip.MustParseAddr("192.0.2.9")}, nil
			}
			<-ctx.Done()
			return nil, &net.DNSError{IsTimeout: true}
		}
		m.Client.Transport = answers(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		start := time.Now()
		results := Examine(t.Context(), m)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		for _, r := range results {
			if strings.HasPrefix(r.Name, "tls api.openai") && (r.Status != Wrong || !strings.Contains(r.Saw, "no answer in time")) {
				t.Errorf("%+v", r)
			}
		}
	})
}

func TestOutput(t *testing.T) {
	results := []Result{
		{Name: "gateway", Status: OK, Saw: "fine"},
		{Name: "tool opencode", Status: Wrong, Saw: "a\x1b[2J\nb", Means: "bad", Do: "good"},
		{Name: "x", Status: Warn, Saw: "hm", Means: "perhaps"},
		{Name: "y", Status: Skipped, Saw: "no"},
	}
	var text bytes.Buffer
	if err := WriteText(&text, results); err != nil {
		t.Fatal(err)
	}
	const want = `ok       gateway        fine
wrong    tool opencode  a [2J b
                        bad
                        → good
warn     x              hm
                        perhaps
skipped  y              no

1 wrong, 1 to look at, 1 not checked
`
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &text, want)
	}
	text.Reset()
	if err := WriteJSON(&text, results); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Wrong  int
		Checks []Result
	}
	if err := json.Unmarshal(text.Bytes(), &back); err != nil || back.Wrong != 1 || len(back.Checks) != 4 || back.Checks[1] != results[1] {
		t.Errorf("%v: %+v", err, back)
	}
}
