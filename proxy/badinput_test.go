package proxy_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/proxy"
)

// inDialect wants an error body of the dialect that belongs to a path.
func inDialect(t *testing.T, c *client, anthropic bool) {
	t.Helper()
	_, body := c.have()
	var e struct {
		Type  string
		Error struct {
			Type, Message string
			Code          any
		}
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	if (e.Type == "error") != anthropic || (e.Error.Code == nil) != anthropic || e.Error.Type == "" || !strings.HasPrefix(e.Error.Message, "weir: ") {
		t.Errorf("not the dialect's: %s", body)
	}
	if c.sent.Get("Content-Type") != "application/json" {
		t.Errorf("Content-Type %q", c.sent.Get("Content-Type"))
	}
}

func TestBadInputGetsOneClearAnswer(t *testing.T) {
	tests := []struct {
		name, path string
		headers    []string
		status     int
		err        string
		says       []string
	}{
		{"an unknown provider", "/@nobody/v1/chat/completions", nil, 404, "unknown-path", []string{"nobody", "zai-coding"}},
		{"an unknown provider", "/@nobody/v1/messages", nil, 404, "unknown-path", []string{"nobody"}},
		{"a provider without an address", "/@azure-openai/v1/chat/completions", nil, 404, "unknown-path", []string{"--upstream azure-openai=URL"}},
		{"an unknown path", "/what/is/this", nil, 404, "unknown-path", []string{"/what/is/this", "/v1/"}},
		{"an unknown path", "/anthropicx/v1/messages", nil, 404, "unknown-path", []string{"/v1/"}},
		{"no path", "/", nil, 404, "unknown-path", []string{"/v1/"}},
		{"a WebSocket", "/v1/responses", []string{"Upgrade", "websocket", "Connection", "Upgrade"}, 426, "no-websocket", []string{"plain HTTP"}},
		{"a malformed wait", chatPath, []string{"X-Weir-Max-Wait", "90"}, 400, "bad-header", []string{"X-Weir-Max-Wait", "90s"}},
		{"a negative wait", messagesPath, []string{"X-Weir-Max-Wait", "-1s"}, 400, "bad-header", []string{"X-Weir-Max-Wait"}},
		{"an unknown class", messagesPath, []string{"X-Weir-Class", "urgent"}, 400, "bad-header", []string{"X-Weir-Class", "interactive"}},
		{"a key of another vendor", messagesPath, []string{"X-Api-Key", "sk-ant-api03-secret"}, 403, "foreign-key", []string{"anthropic", "zai-coding"}},
		{"a key of another vendor", chatPath, []string{"Authorization", "Bearer sk-proj-secret"}, 403, "foreign-key", []string{"openai"}},
		{"a key of another vendor in the query", chatPath + "?key=AIzaSecretSecretSecretSecret", nil, 403, "foreign-key", []string{"gemini"}},
		{"a key of another vendor for a free call", "/api/anthropic/v1/messages/count_tokens", []string{"X-Api-Key", "sk-ant-api03-secret"}, 403, "foreign-key", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name+" at "+tt.path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGateway(t, relay(200, "application/json", chatWhole))
				c := g.do("POST", tt.path, askWhole, tt.headers...)
				status, body := c.have()
				if status != tt.status || c.sent.Get("X-Weir-Error") != tt.err {
					t.Errorf("got %d %q, want %d %q", status, c.sent.Get("X-Weir-Error"), tt.status, tt.err)
				}
				inDialect(t, c, strings.Contains(tt.path, "/messages"))
				for _, s := range tt.says {
					if !strings.Contains(body, s) {
						t.Errorf("it does not say %q: %s", s, body)
					}
				}
				if strings.Contains(body, "ecret") {
					t.Errorf("it shows a secret: %s", body)
				}
				if n := len(g.upstream.seen()); n != 0 {
					t.Errorf("%d attempts", n)
				}
				if r := <-g.records; r.Outcome() != tt.err {
					t.Errorf("recorded as %q", r.Outcome())
				}
				g.idle(t)
			})
		})
	}
}

func TestABodyThatIsNoJSONGoesToTheUnnamedModelsLane(t *testing.T) {
	for _, body := range []string{"not JSON", `{"messages":[]}`, `[1]`, "", `{"model":7}`, "{\"model\":"} {
		synctest.Test(t, func(t *testing.T) {
			g := newGateway(t, relay(400, "application/json", `{"error":{"code":"1214","message":"no model"}}`))
			c := g.do("POST", chatPath, body)
			if status, _ := c.have(); status != 400 || !strings.HasSuffix(c.sent.Get("X-Weir-Lane"), "/-") || c.sent.Get("X-Weir-Error") != "" {
				t.Errorf("%q: got %d %v", body, status, c.sent)
			}
			if a := g.upstream.seen(); len(a) != 1 || string(a[0].body) != body {
				t.Errorf("%q: the provider saw %v", body, a)
			}
		})
	}
}

func TestABodyThatBreaksOffIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, relay(200, "application/json", chatWhole))
		for _, length := range []int64{100, -1} {
			r := request("POST", messagesPath, "")
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"model":`), iotest.ErrReader(errors.New("broken"))))
			r.ContentLength = length
			c := g.send(r)
			<-c.done
			if status, _ := c.have(); status != 400 || c.sent.Get("X-Weir-Error") != "body-cut-short" {
				t.Errorf("got %d %v", status, c.sent)
			}
			inDialect(t, c, true)
		}
		if n := len(g.upstream.seen()); n != 0 {
			t.Errorf("%d attempts", n)
		}
		g.idle(t)
	})
}

func TestAProviderThatIsDownIs502(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := &upstream{answer: func(int, *http.Request) (*http.Response, error) {
					return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connect: connection refused")}
				}}
				g := newGateway(t, u)
				c := g.do("POST", d.path, askWhole)
				status, body := c.have()
				if status != 502 || c.sent.Get("X-Weir-Error") != "upstream-unreachable" || !strings.Contains(body, "connection refused") || !strings.Contains(body, "--upstream") {
					t.Errorf("got %d %v %s", status, c.sent, body)
				}
				inDialect(t, c, d.name == "messages")
				if n := len(u.seen()); n < 2 || n > 6 {
					t.Errorf("%d attempts", n)
				}
				g.idle(t)
			})
		})
	}
}

func TestACertificateThatDoesNotVerifyIsSaidAtOnce(t *testing.T) {
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
	up.Config.ErrorLog = quiet
	up.StartTLS()
	defer up.Close()
	var dials atomic.Int32
	base := weir.NewBase()
	g := newGateway(t, nil, to(t, "zai-coding="+up.URL), func(_ *weir.Config, c *proxy.Config) { c.Transport.Base = counted{base, &dials} })
	defer base.CloseIdleConnections()
	c := g.do("POST", messagesPath, askWhole)
	status, body := c.have()
	if status != 502 || c.sent.Get("X-Weir-Error") != "upstream-unreachable" || !strings.Contains(body, "certificate does not verify") {
		t.Errorf("got %d %v %s", status, c.sent, body)
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("%d attempts", n)
	}
}

// counted counts the requests that pass through.
type counted struct {
	http.RoundTripper
	n *atomic.Int32
}

func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.RoundTripper.RoundTrip(r)
}

func TestOnlyCallersOfThisMachineAreHeard(t *testing.T) {
	tests := []struct {
		host, origin string
		ok           bool
	}{
		{"127.0.0.1:1302", "", true}, {"localhost", "", true}, {"LOCALHOST.:9", "", true}, {"[::1]:1302", "", true}, {"127.9.9.9", "", true},
		{"sub.localhost:1302", "", true}, {"gateway.lan", "", true}, {"gateway.lan:1302", "", true},
		{"127.0.0.1:1302", "http://localhost:3000", true}, {"127.0.0.1:1302", "http://gateway.lan", true},
		{"evil.example", "", false}, {"evil.example:1302", "", false}, {"127.0.0.1.evil.example", "", false}, {"", "", false},
		{"192.168.1.7:1302", "", false}, {"localhost.evil.example", "", false}, {"0.0.0.0:1302", "", false},
		{"127.0.0.1:1302", "https://evil.example", false}, {"127.0.0.1:1302", "null", false}, {"localhost", "http://localhost.evil.example", false},
		{"localhost", "vscode-webview://abc", false},
	}
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, relay(200, "application/json", chatWhole), func(_ *weir.Config, c *proxy.Config) { c.Guard = &proxy.Guard{Hosts: []string{"gateway.lan"}} })
		for _, tt := range tests {
			r := request("POST", messagesPath, askWhole)
			r.Host = tt.host
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			before := len(g.upstream.seen())
			c := g.send(r)
			<-c.done
			status, _ := c.have()
			if tt.ok && status != 200 || !tt.ok && (status != 403 || len(g.upstream.seen()) != before) {
				t.Errorf("Host %q, Origin %q: %d", tt.host, tt.origin, status)
			}
			if !tt.ok {
				inDialect(t, c, true)
			}
		}
	})
}

func TestAFullQueueIs503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, after(time.Minute, messagesStream), func(c *weir.Config, _ *proxy.Config) { c.MaxQueue = 4 })
		for range 3 {
			g.send(request("POST", messagesPath, askStream))
		}
		synctest.Wait()
		c := g.do("POST", messagesPath, askStream)
		status, _ := c.have()
		seconds, err := strconv.Atoi(c.sent.Get("Retry-After"))
		if status != 503 || c.sent.Get("X-Weir-Error") != "queue-full" || err != nil || seconds < 5 || seconds > 55 {
			t.Errorf("got %d %v", status, c.sent)
		}
		inDialect(t, c, true)
		other := g.send(request("POST", messagesPath, askStream, "Authorization", "Bearer another"))
		<-other.done
		if status, _ := other.have(); status != 200 {
			t.Errorf("another account: %d", status)
		}
		time.Sleep(5 * time.Minute)
		g.idle(t)
	})
}

func TestBodiesBeyondTheBoundAre503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, relay(200, "application/json", chatWhole), func(c *weir.Config, _ *proxy.Config) { c.MaxBytes = 100 })
		c := g.do("POST", chatPath, `{"model":"glm-5","x":"`+strings.Repeat("x", 100)+`"}`)
		if status, _ := c.have(); status != 503 || c.sent.Get("X-Weir-Error") != "queue-full" || c.sent.Get("Retry-After") == "" {
			t.Errorf("got %d %v", status, c.sent)
		}
		if c := g.do("POST", chatPath, `{"model":"m"}`); c.status != 200 {
			t.Errorf("a small one: %d", c.status)
		}
		g.idle(t)
	})
}

func TestGoingDownIs503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, after(time.Minute, chatStream))
		first := g.send(request("POST", chatPath, askStream))
		synctest.Wait()
		queued := g.send(request("POST", chatPath, askStream))
		synctest.Wait()
		g.governor.Drain()
		late := g.do("POST", chatPath, askStream)
		g.governor.TurnAway()
		<-queued.done
		for _, c := range []*client{late, queued} {
			if status, _ := c.have(); status != 503 || c.sent.Get("X-Weir-Error") != "draining" || c.sent.Get("Retry-After") == "" {
				t.Errorf("got %d %v", status, c.sent)
			}
		}
		<-first.done
		if _, body := first.have(); !strings.HasSuffix(body, chatStream) {
			t.Errorf("what runs must finish: %q", body)
		}
	})
}
