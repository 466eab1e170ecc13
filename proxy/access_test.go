package proxy_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/proxy"
)

func TestAccess(t *testing.T) {
	const key, token = "key-of-the-gateway", "token-of-the-team-0123"
	access := proxy.NewAccess(map[string]string{"zai-coding": key}, []string{token, "another-token-0123"})
	run := func(element string) (proxy.Caller, bool) {
		return proxy.Caller{Session: "run", Trusted: true}, element == "~good"
	}
	const elsewhere = "198.51.100.7:40000"
	tests := []struct {
		name, path, remote string
		headers            []string
		status             int
		err, sent          string // the credential that the provider sees
	}{
		{"a token in place of a key", chatPath, "", []string{"Authorization", "Bearer " + token}, 200, "", "Bearer " + key},
		{"a token in place of a key, Messages", messagesPath, "", []string{"X-Api-Key", token}, 200, "", key},
		{"a token in its own header", chatPath, "", []string{"X-Weir-Token", token}, 200, "", "Bearer " + key},
		{"under a run", "/~good" + chatPath, "", nil, 200, "", "Bearer " + key},
		{"a key of one's own", chatPath, "", nil, 401, "token-required", ""},
		{"a made-up run", "/~bad" + chatPath, "", nil, 401, "token-required", ""},
		{"a part of a token", chatPath, "", []string{"X-Weir-Token", token[:10]}, 401, "token-required", ""},
		{"a provider without a key", "/@deepseek/v1/chat/completions", "", nil, 200, "", "Bearer secret-of-a-test"},
		{"a token for it", "/@deepseek/v1/chat/completions", "", []string{"Authorization", "Bearer " + token}, 403, "no-key", ""},
		{"from elsewhere", "/@deepseek/v1/chat/completions", elsewhere, nil, 401, "token-required", ""},
		{"from elsewhere with a token", "/@deepseek/v1/chat/completions", elsewhere, []string{"X-Weir-Token", token}, 200, "", "Bearer secret-of-a-test"},
		{"a foreign key in place of a token", chatPath, "", []string{"Authorization", "Bearer sk-ant-api03-x"}, 401, "token-required", ""},
		{"a token beside a foreign key", chatPath, "", []string{"Authorization", "Bearer sk-ant-api03-x", "X-Weir-Token", token}, 200, "", "Bearer " + key},
		{"a key in the query", chatPath + "?a=b&key=mine", "", []string{"X-Weir-Token", token}, 200, "", "Bearer " + key},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGateway(t, relay(200, "application/json", chatWhole), func(_ *weir.Config, pc *proxy.Config) {
					pc.Access, pc.Run = access, run
				})
				r := request("POST", tt.path, askWhole, tt.headers...)
				if r.RemoteAddr = "127.0.0.1:40000"; tt.remote != "" {
					r.RemoteAddr = tt.remote
				}
				if strings.Contains(strings.Join(tt.headers, " "), "X-Api-Key") {
					r.Header.Del("Authorization")
				}
				c := g.send(r)
				<-c.done
				status, body := c.have()
				if status != tt.status || c.sent.Get("X-Weir-Error") != tt.err {
					t.Fatalf("got %d %q: %s", status, c.sent.Get("X-Weir-Error"), body)
				}
				seen := g.upstream.seen()
				if tt.status != 200 {
					if len(seen) > 0 {
						t.Error("it was sent all the same")
					}
					return
				}
				var sent []string
				for _, name := range []string{"Authorization", "X-Api-Key", "X-Weir-Token"} {
					sent = append(sent, seen[0].header.Values(name)...)
				}
				if strings.Join(sent, ",") != tt.sent || strings.Contains(seen[0].url, "mine") {
					t.Errorf("the provider sees %q at %s", sent, seen[0].url)
				}
			})
		})
	}
}

// A gateway that listens on an address of its own is found there by programs of its own
// machine.
func TestTheMachinesOwnAddressIsLocal(t *testing.T) {
	own := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 10), Port: 1302}
	tests := []struct {
		remote, host  string
		local, passes bool
	}{
		{"192.0.2.10:40000", "192.0.2.10:1302", true, true},
		{"192.0.2.10:40000", "192.0.2.11:1302", true, false},
		{"192.0.2.11:40000", "192.0.2.10:1302", false, true},
		{"192.0.2.11:40000", "evil.example", false, false},
		{"127.0.0.1:40000", "127.0.0.1:1302", true, true},
	}
	for _, tt := range tests {
		r := request("GET", "/weir/api/state", "")
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, own))
		r.RemoteAddr, r.Host = tt.remote, tt.host
		if got := proxy.IsLocal(r); got != tt.local {
			t.Errorf("%s: IsLocal = %v", tt.remote, got)
		}
		if err := (&proxy.Guard{}).Check(r); (err == nil) != tt.passes {
			t.Errorf("%s from %s: %v", tt.host, tt.remote, err)
		}
	}
}

// Routes without a provider lead to it by no path.
func TestRoutesWithoutAProvider(t *testing.T) {
	routes, err := proxy.NewRoutes([]string{"zai"})
	if err != nil {
		t.Fatal(err)
	}
	closed := routes.Without(func(p *provider.Profile) bool { return p.CodingPlan })
	for _, path := range []string{"/@zai-coding/v1/chat/completions", "/api/coding/paas/v4/chat/completions", "/@bigmodel-coding/api/coding/paas/v4/chat/completions", "/@zai/api/coding/paas/v4/chat/completions"} {
		if target, err := closed.Find("POST", path, http.Header{}); err == nil {
			t.Errorf("%s leads to %s of %s", path, target.URL, target.Profile.Name)
		}
	}
	if target, err := closed.Find("POST", "/api/paas/v4/chat/completions", http.Header{}); err != nil || target.Profile.Name != "zai" {
		t.Errorf("zai itself: %v, %v", target, err)
	}
}
