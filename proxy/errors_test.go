package proxy_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/proxy"
)

// refusal is a provider's answer that is no good one.
type refusal struct {
	name   string
	status int
	kind   string
	body   string
}

func (r refusal) response() *http.Response { return answer(r.status, r.kind, r.body) }

// forms returns an error's body in all the forms in which it is met.
func forms(name string, status int, body string) []refusal {
	return []refusal{
		{name + " with its status", status, "application/json", body},
		{name + " with its status, as event-stream", status, "text/event-stream;charset=UTF-8", body},
		{name + " as a body under 200", 200, "application/json", body},
		{name + " as a body under 200, as event-stream", 200, "text/event-stream", body},
		{name + " as the first event", 200, "text/event-stream", "event: error\ndata: " + body + "\n\ndata: [DONE]\n\n"},
		{name + " as the first data", 200, "text/event-stream", "data: " + body + "\n\n"},
	}
}

func TestRefusalsThatPassAreNeverSeen(t *testing.T) {
	var all []refusal
	for _, s := range []struct {
		name   string
		status int
	}{
		{"01-zai-1302-openai-old.json", 429}, {"02-zai-1302-anthropic-early.json", 429}, {"03-zai-1302-anthropic.json", 429},
		{"04-zai-1302-anthropic-cn.json", 429}, {"07-zai-1302-body-retry-after.json", 429}, {"08-zai-1305-openai.json", 429},
		{"09-zai-1305-anthropic-529.json", 529}, {"27-zai-start-plan-3010.json", 429}, {"21-zai-1234-openai-cn.json", 500},
	} {
		all = append(all, forms(s.name, s.status, sample(t, s.name))...)
	}
	all = append(all, forms("1303", 429, `{"error":{"code":"1303","message":"High frequency usage of this API"}}`)...)
	all = append(all,
		refusal{"05-zai-1302-in-stream.sse", 200, "text/event-stream", sample(t, "05-zai-1302-in-stream.sse")},
		refusal{"25-zai-finish-network-error.sse", 200, "text/event-stream", sample(t, "25-zai-finish-network-error.sse")},
		refusal{"31-anthropic-overloaded-in-stream.sse", 200, "text/event-stream", sample(t, "31-anthropic-overloaded-in-stream.sse")},
		refusal{"22-zai-api-error-200.json", 200, "application/json", sample(t, "22-zai-api-error-200.json")},
		refusal{"a bare 429", 429, "text/html", "<html>slow down</html>"},
		refusal{"a bare 503", 503, "text/html", ""},
		refusal{"an empty stream", 200, "text/event-stream", ""},
		refusal{"a stream that ends before its content", 200, "text/event-stream", chatStream[:strings.Index(chatStream, "\n\n")+2]},
	)
	for _, r := range all {
		t.Run(r.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := &upstream{answer: func(n int, _ *http.Request) (*http.Response, error) {
					if n <= 2 {
						return r.response(), nil
					}
					return stream(strings.NewReader(chatStream)), nil
				}}
				g := newGateway(t, u)
				c := g.do("POST", chatPath, askStream, "X-Weir-Max-Wait", "10m")
				status, body := c.have()
				for body != "" && strings.HasPrefix(body, ": weir:") { // it may have been kept alive
					_, body, _ = strings.Cut(body, "\n\n")
				}
				if status != http.StatusOK || body != chatStream || c.aborted {
					t.Errorf("the client got %d %q", status, body)
				}
				if n := len(u.seen()); n != 3 {
					t.Errorf("%d attempts, want 3", n)
				}
				g.idle(t)
			})
		})
	}
}

func TestFinalErrorsPassUntouched(t *testing.T) {
	tests := []refusal{
		{"1210, as event-stream", 400, "text/event-stream;charset=UTF-8", sample(t, "19-zai-1210-anthropic-cn.json")},
		{"1210", 400, "application/json", sample(t, "20-zai-1210-openai.json")},
		{"1001", 401, "application/json", sample(t, "26-zai-1001-openai.json")},
		{"1301", 400, "application/json", `{"error":{"code":"1301","message":"unsafe"},"contentFilter":[{"level":1}]}`},
		{"1301 as an event", 200, "text/event-stream", "event: error\ndata: {\"error\":{\"code\":\"1301\",\"message\":\"unsafe\"}}\n\ndata: [DONE]\n\n"},
		{"an unknown code", 400, "application/json;charset=UTF-8", `{"error":{"code":"9876","message":"who knows"}}`},
		{"an unknown code in a stream", 200, "text/event-stream", "data: {\"error\":{\"code\":\"9876\",\"message\":\"who knows\"}}\n\n"},
		{"no JSON", 418, "text/plain", "short and stout"},
		{"a long one", 400, "text/plain", strings.Repeat("no ", 100_000)},
	}
	for _, r := range tests {
		t.Run(r.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := &upstream{answer: func(int, *http.Request) (*http.Response, error) { return r.response(), nil }}
				g := newGateway(t, u)
				begin := time.Now()
				c := g.do("POST", messagesPath, askStream)
				if status, body := c.have(); status != r.status || body != r.body {
					t.Errorf("got %d %.200q, want %d %.200q", status, body, r.status, r.body)
				}
				if c.sent.Get("Content-Type") != r.kind {
					t.Errorf("Content-Type %q, want %q", c.sent.Get("Content-Type"), r.kind)
				}
				if n := len(u.seen()); n != 1 || time.Since(begin) != 0 {
					t.Errorf("%d attempts, %v", n, time.Since(begin))
				}
				g.idle(t)
			})
		})
	}
}

func TestSpentAccountsAre402(t *testing.T) {
	for _, name := range []string{
		"10-zai-1308-openai.json", "11-zai-1308-openai-cn.json", "13-zai-1308-code-in-type.json", "14-zai-1310-openai.json",
		"15-zai-1310-openai-cn.json", "16-zai-1313-openai.json", "18-zai-1113-openai.json",
	} {
		body := sample(t, name)
		for _, form := range forms(name, 429, body) {
			t.Run(form.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					u := &upstream{answer: func(int, *http.Request) (*http.Response, error) {
						resp := form.response()
						resp.Header.Set("X-Should-Retry", "true")
						resp.Header.Set("Anthropic-Ratelimit-Unified-Status", "rejected")
						return resp, nil
					}}
					c := newGateway(t, u).do("POST", chatPath, askStream)
					if status, got := c.have(); status != 402 || got != body {
						t.Errorf("got %d %q, want 402 %q", status, got, body)
					}
					if e := c.sent.Get("X-Weir-Error"); e != "quota" && e != "plan" && e != "flagged" {
						t.Errorf("X-Weir-Error: %q", e)
					}
					if c.sent.Get("X-Weir-Hint") == "" {
						t.Error("no X-Weir-Hint")
					}
					if n := len(u.seen()); n != 1 {
						t.Errorf("%d attempts", n)
					}

					c = newGateway(t, u).do("POST", messagesPath, askStream)
					status, got := c.have()
					if status != 402 {
						t.Errorf("Anthropic: status %d", status)
					}
					sameButBilling(t, body, got)
				})
			})
		}
	}
}

// sameButBilling wants an Anthropic error whose type is billing_error, and
// nothing else changed.
func sameButBilling(t *testing.T, before, after string) {
	t.Helper()
	var b, a map[string]any
	if err := json.Unmarshal([]byte(before), &b); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(after), &a); err != nil {
		t.Fatalf("%q: %v", after, err)
	}
	b["error"].(map[string]any)["type"] = "billing_error"
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if string(x) != string(y) {
		t.Errorf("got  %s\nwant %s", x, y)
	}
	start := strings.Index(after, `"type":"billing_error"`)
	if start < 0 {
		t.Fatalf("no billing_error in %s", after)
	}
	end := start + len(`"type":"billing_error"`)
	if !strings.HasPrefix(before, after[:start]) || !strings.HasSuffix(before, after[end+1:]) {
		t.Errorf("more than the type changed:\nbefore %s\nafter  %s", before, after)
	}
}

func TestQuotaStatusCanBeLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := sample(t, "10-zai-1308-openai.json")
		g := newGateway(t, relay(429, "application/json;charset=UTF-8", body), func(_ *weir.Config, c *proxy.Config) { c.KeepQuotaStatus = true })
		c := g.do("POST", messagesPath, askStream)
		if status, got := c.have(); status != 429 || got != body || c.sent.Get("Content-Type") != "application/json;charset=UTF-8" {
			t.Errorf("got %d %s %v", status, got, c.sent)
		}
	})
}

func TestASpentQuotaAnswersTheOthersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{answer: func(n int, r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return answer(429, "application/json", sample(t, "10-zai-1308-openai.json")), nil
		}}
		g := newGateway(t, u)
		first, second := g.send(request("POST", messagesPath, askStream)), g.send(request("POST", messagesPath, askStream))
		<-first.done
		<-second.done
		third := g.do("POST", messagesPath, askWhole)
		for _, c := range []*client{second, third} {
			status, body := c.have()
			if status != 402 || c.sent.Get("X-Weir-Error") != "quota" || !strings.Contains(body, "billing_error") || !strings.Contains(body, "1308") {
				t.Errorf("got %d %s %v", status, body, c.sent)
			}
		}
		other := g.do("POST", messagesPath, strings.Replace(askWhole, "glm-5", "glm-4", 1))
		if len(u.seen()) != 2 {
			t.Errorf("%d attempts: another model's lane is open, the spent one is not", len(u.seen()))
		}
		if status, _ := other.have(); status != 402 {
			t.Errorf("status %d", status)
		}
	})
}

func TestAFlaggedAccountMakesNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, relay(429, "application/json", sample(t, "16-zai-1313-openai.json")))
		g.do("POST", chatPath, askStream)
		c := g.do("POST", chatPath, strings.Replace(askStream, "glm-5", "glm-4", 1))
		if status, body := c.have(); status != 402 || c.sent.Get("X-Weir-Error") != "flagged" || !strings.Contains(body, "weir resume") {
			t.Errorf("got %d %s %v", status, body, c.sent)
		}
		if n := len(g.upstream.seen()); n != 1 {
			t.Errorf("%d attempts", n)
		}
		g.governor.Resume("")
		g.do("POST", chatPath, askStream)
		if n := len(g.upstream.seen()); n != 2 {
			t.Errorf("%d attempts after resume", n)
		}
	})
}

func TestAWrapped404Is404(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := sample(t, "23-zai-wrapped-404.json")
		u := relay(200, "application/json", body)
		for _, method := range []string{"POST", "GET"} {
			c := newGateway(t, u).do(method, "/api/anthropic/messages", askStream)
			if status, got := c.have(); status != 404 || got != body {
				t.Errorf("%s: got %d %s", method, status, got)
			}
		}
	})
}
