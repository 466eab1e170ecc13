package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/proxy"
)

// relay plays a provider that answers everybody alike.
func relay(status int, kind, body string) *upstream {
	return &upstream{answer: func(int, *http.Request) (*http.Response, error) { return answer(status, kind, body), nil }}
}

func TestARequestReachesTheProviderAsTheClientSentIt(t *testing.T) {
	var got attempt
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = attempt{method: r.Method, url: r.RequestURI, host: r.Host, header: r.Header.Clone()}
		got.body, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, chatWhole)
	}))
	defer server.Close()
	g := newGateway(t, nil, to(t, "zai-coding="+server.URL))
	defer g.close()
	body := `{"model":"glm-5" , "unknown": {"x":[1,2]},  "messages":[{"content":"é \u00e9"}]}`

	const uri = chatPath + "?beta=true&a;b=c&odd=%zz%2F+%20&empty"
	r := request("POST", uri, body,
		"X-Unknown", "as it is", "X-Forwarded-For", "192.0.2.1", "Anthropic-Beta", "a,b", "X-Api-Key", "other",
		"X-Weir-Class", "subagent", "X-Weir-Session", "s", "X-Weir-Max-Wait", "9s", "X-Weir-Anything", "x",
		"Accept-Encoding", "gzip, br", "Connection", "X-Hop", "X-Hop", "1")
	c := g.send(r)
	<-c.done

	if got.method != "POST" || got.url != uri {
		t.Errorf("it saw %s %s, want %s", got.method, got.url, uri)
	}
	if string(got.body) != body {
		t.Errorf("body %q, want %q", got.body, body)
	}
	if want := strings.TrimPrefix(server.URL, "http://"); got.host != want {
		t.Errorf("Host %q, want %q", got.host, want)
	}
	want := map[string]string{
		"X-Unknown": "as it is", "X-Forwarded-For": "192.0.2.1", "Anthropic-Beta": "a,b", "X-Api-Key": "other",
		"Authorization": "Bearer secret-of-a-test", "Accept-Encoding": "identity", "Content-Type": "application/json",
	}
	for name, v := range want {
		if h := got.header[name]; len(h) != 1 || h[0] != v {
			t.Errorf("%s: %q, want %q", name, h, v)
		}
	}
	for name := range got.header {
		if _, ok := want[name]; !ok && name != "Content-Length" {
			t.Errorf("a header that the client did not send: %s", name)
		}
	}
}

func TestAnAnswerReachesTheClientAsTheProviderSentIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{answer: func(int, *http.Request) (*http.Response, error) {
			resp := answer(http.StatusOK, "application/json;charset=UTF-8", chatWhole)
			resp.Header["X-Log-Id"] = []string{"1", "2"}
			return resp, nil
		}}
		c := newGateway(t, u).do("POST", chatPath, askWhole)
		if status, body := c.have(); status != http.StatusOK || body != chatWhole {
			t.Errorf("got %d %q", status, body)
		}
		if c.sent.Get("Content-Type") != "application/json;charset=UTF-8" || len(c.sent["X-Log-Id"]) != 2 {
			t.Errorf("headers: %v", c.sent)
		}
		for _, name := range []string{"X-Weir-Request-Id", "X-Weir-Lane", "X-Weir-Attempts", "X-Weir-Waited-Ms"} {
			if c.sent.Get(name) == "" {
				t.Errorf("%s is missing", name)
			}
		}
		if strings.Contains(c.sent.Get("X-Weir-Lane"), "secret") {
			t.Error("the lane shows the credential")
		}
	})
}

func TestAStreamPassesByteForByte(t *testing.T) {
	streams := map[string]struct{ path, body string }{
		"chat":      {chatPath, chatStream},
		"messages":  {messagesPath, messagesStream},
		"responses": {responsesPath, responsesStream},
		"odd ends, comments and unknown fields": {chatPath,
			": hi\r\nretry: 5\r\n\r\nid: 7\ndata:{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\nfoo: bar\n\n\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]"},
		"larger than what is looked at": {chatPath,
			strings.Repeat(": nothing but a comment\n\n", 4000) + chatStream},
		"merged frames": {chatPath,
			"data: {\"id\":\"a\",\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"id\":\"a\",\"object\":\"chat.cdata: {\"id\":\"b\",\"choices\":[{\"delta\":{\"content\":\"11\"}}]}\n\ndata: [DONE]\n\n"},
	}
	for name, s := range streams {
		for _, bytewise := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					u := &upstream{answer: func(int, *http.Request) (*http.Response, error) {
						if bytewise {
							return stream(iotest.OneByteReader(strings.NewReader(s.body))), nil
						}
						return stream(strings.NewReader(s.body)), nil
					}}
					g := newGateway(t, u)
					c := g.do("POST", s.path, askStream)
					if status, body := c.have(); status != http.StatusOK || body != s.body || c.aborted {
						t.Errorf("got %d %q (broken off: %v), want %q", status, body, c.aborted, s.body)
					}
					g.idle(t)
				})
			})
		}
	}
}

func TestAnEventIsPassedOnWithoutDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pr, pw := io.Pipe()
		u := &upstream{answer: func(int, *http.Request) (*http.Response, error) { return stream(pr), nil }}
		c := newGateway(t, u).send(request("POST", chatPath, askStream))
		events := strings.SplitAfter(chatStream, "\n\n")
		io.WriteString(pw, events[0])
		synctest.Wait()
		if status, body := c.have(); status != 0 || body != "" {
			t.Errorf("before the first content the client had %d %q", status, body)
		}
		sent := events[0]
		for _, ev := range events[1:] {
			io.WriteString(pw, ev)
			sent += ev
			synctest.Wait()
			if _, body := c.have(); body != sent {
				t.Errorf("the client has %q, want %q", body, sent)
			}
		}
		pw.Close()
		<-c.done
	})
}

func TestCallsWithoutABodyAndOtherMethodsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := relay(http.StatusOK, "application/json", `{"data":[]}`)
		g := newGateway(t, u)
		for _, method := range []string{"GET", "DELETE", "PUT"} {
			c := g.do(method, "/api/coding/paas/v4/models?x=1", "")
			if status, body := c.have(); status != http.StatusOK || body != `{"data":[]}` {
				t.Errorf("%s: %d %s", method, status, body)
			}
			if id := c.sent.Get("X-Weir-Lane"); id != "" {
				t.Errorf("%s has a lane: %s", method, id)
			}
		}
		if n := len(u.seen()); n != 3 {
			t.Errorf("%d attempts", n)
		}
		if a := u.seen()[0]; a.url != "https://api.z.ai/api/coding/paas/v4/models?x=1" {
			t.Errorf("it went to %s", a.url)
		}
	})
}

// to leads the gateway to real servers.
func to(t *testing.T, upstreams ...string) func(*weir.Config, *proxy.Config) {
	t.Helper()
	routes, err := proxy.NewRoutes(upstreams)
	if err != nil {
		t.Fatal(err)
	}
	return func(_ *weir.Config, c *proxy.Config) { c.Routes = routes }
}
