package proxy_test

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/proxy"
)

// dialects are the paths of the default provider, with a good stream, a
// keep-alive for one who waits, and the mark of a retryable error.
var dialects = []struct{ name, path, good, queued, running, retry string }{
	{"chat", chatPath, chatStream, ": weir: queued, 0 ahead\n\n", ": weir: waiting for the provider\n\n", `"type":"rate_limit_error","code":429`},
	{"messages", messagesPath, messagesStream, "event: ping\ndata: {\"type\": \"ping\"}\n\n", "event: ping\ndata: {\"type\": \"ping\"}\n\n", `"type":"overloaded_error"`},
	{"responses", responsesPath, responsesStream, "event: keepalive\ndata: {\"type\":\"keepalive\",\"sequence_number\":0}\n\n", "event: keepalive\ndata: {\"type\":\"keepalive\",\"sequence_number\":0}\n\n", `"code":"rate_limit_exceeded"`},
}

// after answers with a good stream once a time has passed.
func after(d time.Duration, body string) *upstream {
	return &upstream{answer: func(_ int, r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(d):
			return stream(strings.NewReader(body)), nil
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}}
}

func TestAStreamIsHeldSilentlyAndThenKeptAlive(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGateway(t, after(97*time.Second, d.good))
				first := g.send(request("POST", d.path, askStream))
				synctest.Wait()
				c := g.send(request("POST", d.path, askStream))
				time.Sleep(40*time.Second - time.Nanosecond)
				synctest.Wait()
				if status, body := c.have(); status != 0 || body != "" {
					t.Fatalf("before 40 s: %d %q", status, body)
				}
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				if status, body := c.have(); status != 200 || body != d.queued {
					t.Fatalf("at 40 s: %d %q", status, body)
				}
				if c.sent.Get("Content-Type") != "text/event-stream" || c.sent.Get("X-Weir-Request-Id") == "" || c.sent.Get("X-Weir-Lane") == "" ||
					c.sent.Get("X-Weir-Attempts") != "0" || c.sent.Get("X-Weir-Waited-Ms") != "40000" {
					t.Errorf("headers at 40 s: %v", c.sent)
				}
				if _, body := first.have(); body != d.running {
					t.Errorf("the running one is kept alive with %q", body)
				}
				time.Sleep(30 * time.Second)
				synctest.Wait()
				if _, body := c.have(); body != strings.Repeat(d.queued, 4) {
					t.Errorf("at 70 s: %q", body)
				}
				<-c.done
				if _, body := c.have(); body != strings.Repeat(d.queued, 6)+strings.Repeat(d.running, 10)+d.good {
					t.Errorf("in the end: %q", body)
				}
				<-first.done
				if _, body := first.have(); !strings.HasSuffix(body, d.running+d.good) {
					t.Errorf("the first: %q", body)
				}
				g.idle(t)
			})
		})
	}
}

func TestKeepAlivesSayWhoIsAheadAlsoAfterARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{answer: func(n int, r *http.Request) (*http.Response, error) {
			resp := answer(429, "application/json", sample(t, "01-zai-1302-openai-old.json"))
			resp.Header.Set("Retry-After", "60")
			return resp, nil
		}}
		c := newGateway(t, u).send(request("POST", chatPath, askStream))
		time.Sleep(41 * time.Second)
		synctest.Wait()
		if _, body := c.have(); body != ": weir: queued, 0 ahead\n\n" {
			t.Errorf("got %q", body)
		}
		if c.sent.Get("X-Weir-Attempts") != "1" {
			t.Errorf("headers %v", c.sent)
		}
		c.leave()
		<-c.done
	})
}

// mayComeBack wants an answer before the first byte after which tools try again.
func mayComeBack(t *testing.T, c *client) {
	t.Helper()
	status, _ := c.have()
	if status != 429 || c.sent.Get("X-Weir-Error") != "max-wait" {
		t.Errorf("got %d, %v", status, c.sent)
	}
	if s, err := strconv.Atoi(c.sent.Get("Retry-After")); err != nil || s < 5 || s > 55 {
		t.Errorf("Retry-After: %q", c.sent.Get("Retry-After"))
	}
	for name := range c.sent {
		if name == "X-Should-Retry" || strings.HasPrefix(name, "Anthropic-Ratelimit") {
			t.Errorf("%s goes with it", name)
		}
	}
}

func TestGivingUpBeforeAByteIs429(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name+", never admitted", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGateway(t, after(time.Minute, d.good))
				g.send(request("POST", d.path, askStream))
				synctest.Wait()
				begin := time.Now()
				c := g.do("POST", d.path, askStream, "X-Weir-Max-Wait", "5s")
				if time.Since(begin) != 5*time.Second {
					t.Errorf("after %v", time.Since(begin))
				}
				mayComeBack(t, c)
				if _, body := c.have(); !strings.Contains(body, "weir: ") || !strings.Contains(body, `"error"`) {
					t.Errorf("body %s", body)
				}
				time.Sleep(2 * time.Minute)
			})
		})
		t.Run(d.name+", refused", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const name = "04-zai-1302-anthropic-cn.json"
				u := &upstream{answer: func(int, *http.Request) (*http.Response, error) {
					resp := answer(429, "application/json", sample(t, name))
					resp.Header.Set("X-Should-Retry", "false")
					resp.Header.Set("Anthropic-Ratelimit-Unified-Status", "rejected")
					resp.Header.Set("X-Log-Id", "kept")
					return resp, nil
				}}
				g := newGateway(t, u)
				begin := time.Now()
				c := g.do("POST", d.path, askStream, "X-Weir-Max-Wait", "5s")
				if time.Since(begin) > 5*time.Second {
					t.Errorf("after %v", time.Since(begin))
				}
				mayComeBack(t, c)
				if _, body := c.have(); body != sample(t, name) {
					t.Errorf("body %s", body)
				}
				if c.sent.Get("X-Log-Id") != "kept" {
					t.Errorf("headers %v", c.sent)
				}
				g.idle(t)
			})
		})
	}
}

func TestAHintLongerThanTheHoldIsAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{answer: func(int, *http.Request) (*http.Response, error) {
			resp := answer(429, "application/json", sample(t, "01-zai-1302-openai-old.json"))
			resp.Header.Set("Retry-After", "600")
			return resp, nil
		}}
		begin := time.Now()
		c := newGateway(t, u).do("POST", chatPath, askStream)
		if time.Since(begin) != 0 {
			t.Errorf("after %v", time.Since(begin))
		}
		mayComeBack(t, c)
	})
}

func TestGivingUpAfterKeepAlivesIsSaidInTheStream(t *testing.T) {
	for _, d := range dialects {
		for _, refused := range []bool{false, true} {
			t.Run(d.name+", refused: "+strconv.FormatBool(refused), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					u := after(1000*time.Second, d.good)
					if refused {
						u = relay(429, "application/json", sample(t, "01-zai-1302-openai-old.json"))
					}
					g := newGateway(t, u)
					first := g.send(request("POST", d.path, askStream, "X-Weir-Max-Wait", "1h"))
					synctest.Wait()
					begin := time.Now()
					c := g.do("POST", d.path, askStream)
					if time.Since(begin) != 220*time.Second {
						t.Errorf("after %v", time.Since(begin))
					}
					status, body := c.have()
					last := body[strings.LastIndex(strings.TrimSuffix(body, "\n\n"), "\n\n")+2:]
					if status != 200 || !strings.Contains(last, d.retry) || !strings.Contains(last, "try again in") || c.aborted {
						t.Errorf("got %d, at the end %q", status, last)
					}
					if n := strings.Count(body, "\n\n"); n < 18 || n > 20 {
						t.Errorf("%d events in 220 s", n)
					}
					first.leave()
					<-first.done
					g.idle(t)
				})
			})
		}
	}
}

func TestRequestsWithoutAStreamAreHeldSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, after(500*time.Second, chatStream))
		first := g.send(request("POST", chatPath, askWhole))
		synctest.Wait()
		begin := time.Now()
		c := g.do("POST", chatPath, askWhole)
		if time.Since(begin) != 280*time.Second {
			t.Errorf("after %v", time.Since(begin))
		}
		mayComeBack(t, c)
		<-first.done // it runs, so it is not abandoned
		if status, body := first.have(); status != 200 || body != chatStream {
			t.Errorf("the first: %d %q", status, body)
		}
		g.idle(t)
	})
}

func TestAnAttemptThatRunsIsNotAbandonedForTheHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newGateway(t, after(500*time.Second, chatStream)).do("POST", chatPath, askStream, "X-Weir-Max-Wait", "1s")
		if _, body := c.have(); !strings.HasSuffix(body, chatStream) {
			t.Errorf("got %q", body)
		}
	})
}

func TestErrorsAfterKeepAlivesAreSaidInTheStream(t *testing.T) {
	tests := []struct {
		name, body string
		status     int
		kind       string
		want       string
	}{
		{"quota", sample(t, "10-zai-1308-openai.json"), 429, "application/json", "Usage limit reached"},
		{"auth", sample(t, "26-zai-1001-openai.json"), 401, "application/json", "Authentication parameter"},
		{"invalid, under the wrong type", sample(t, "19-zai-1210-anthropic-cn.json"), 400, "text/event-stream", "1210"},
		{"content, as an event", "event: error\ndata: {\"error\":{\"code\":\"1301\",\"message\":\"unsafe\"}}\n\n", 200, "text/event-stream", "unsafe"},
		{"not JSON", "<html>", 418, "text/html", "status 418"},
	}
	for _, tt := range tests {
		for _, d := range dialects {
			t.Run(tt.name+", "+d.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					u := &upstream{answer: func(int, *http.Request) (*http.Response, error) {
						time.Sleep(45 * time.Second)
						return answer(tt.status, tt.kind, tt.body), nil
					}}
					g := newGateway(t, u)
					c := g.do("POST", d.path, askStream)
					status, body := c.have()
					last := strings.TrimPrefix(body, d.running)
					if status != 200 || !strings.Contains(last, tt.want) || !strings.HasSuffix(last, "\n\n") || !strings.Contains(last, "data: {") {
						t.Errorf("got %d %q", status, body)
					}
					if strings.Contains(last, d.retry) || strings.Contains(last, "try again in") {
						t.Errorf("it invites to come back: %q", last)
					}
					g.idle(t)
				})
			})
		}
	}
}

func TestAnErrorThatPassesIsRetriedAfterKeepAlives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{answer: func(n int, _ *http.Request) (*http.Response, error) {
			time.Sleep(45 * time.Second)
			if n == 1 {
				return answer(500, "application/json", sample(t, "21-zai-1234-openai-cn.json")), nil
			}
			return stream(strings.NewReader(chatStream)), nil
		}}
		c := newGateway(t, u).do("POST", chatPath, askStream)
		if _, body := c.have(); !strings.HasPrefix(body, ": weir") || !strings.HasSuffix(body, "\n\n"+chatStream) || strings.Contains(body, "error") {
			t.Errorf("got %q", body)
		}
	})
}

func TestTheHoldCanBeConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, after(10*time.Second, chatStream), func(_ *weir.Config, c *proxy.Config) {
			c.Hold = proxy.Hold{Silent: time.Second, KeepAlive: 2 * time.Second}
		})
		c := g.do("POST", chatPath, askStream)
		if _, body := c.have(); strings.Count(body, ": weir") != 5 { // at 1, 3, 5, 7, 9 s
			t.Errorf("got %q", body)
		}
	})
}

func TestHeadsBeforeTheAnswersAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{answer: func(_ int, r *http.Request) (*http.Response, error) {
			for range 5 { // two before, the third with the first keep-alive
				time.Sleep(20 * time.Second)
				if got := httptrace.ContextClientTrace(r.Context()).Got1xxResponse(http.StatusEarlyHints, textproto.MIMEHeader{"X-Early": {"1"}}); got != nil {
					t.Error(got)
				}
			}
			return stream(strings.NewReader(chatStream)), nil
		}}
		c := newGateway(t, u).do("POST", chatPath, askStream)
		if status, body := c.have(); status != 200 || !strings.HasSuffix(body, chatStream) || c.sent.Get("X-Early") != "" {
			t.Errorf("got %d %q %v", status, body, c.sent)
		}
	})
}

func TestAWholeAnswerAfterKeepAlivesIsAnErrorInTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{answer: func(int, *http.Request) (*http.Response, error) {
			time.Sleep(time.Minute)
			return answer(200, "application/json", chatWhole), nil
		}}
		g := newGateway(t, u)
		c := g.do("POST", chatPath, askStream)
		_, body := c.have()
		if r := <-g.records; !strings.Contains(body, "no stream") || r.Outcome() != "no-stream" {
			t.Errorf("got %q, recorded as %s", body, r.Outcome())
		}
		g.idle(t)
	})
}

func TestGoingDownEndsWhatIsLeftClearly(t *testing.T) {
	for _, kept := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			g := newGateway(t, after(time.Hour, chatStream))
			r := request("POST", messagesPath, askStream)
			ctx, cancel := context.WithCancelCause(r.Context())
			c := g.send(r.WithContext(ctx))
			if time.Sleep(time.Second); kept {
				time.Sleep(time.Minute)
			}
			cancel(proxy.ErrDraining)
			<-c.done
			status, body := c.have()
			if !kept && (status != 503 || c.sent.Get("X-Weir-Error") != "draining" || c.sent.Get("Retry-After") == "") || kept && (status != 200 || !strings.Contains(body, "overloaded_error")) {
				t.Errorf("got %d %q %v", status, body, c.sent)
			}
			g.idle(t)
		})
	}
}
