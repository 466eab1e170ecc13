package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// cuts are the ways in which a stream ends too early.
func cuts() map[string]func(sent string) io.Reader {
	return map[string]func(string) io.Reader{
		"a reset":     func(s string) io.Reader { return io.MultiReader(strings.NewReader(s), iotest.ErrReader(errReset)) },
		"a clean end": func(s string) io.Reader { return strings.NewReader(s) },
		"an unexpected end": func(s string) io.Reader {
			return io.MultiReader(strings.NewReader(s), iotest.ErrReader(io.ErrUnexpectedEOF))
		},
		"a reset, byte-wise": func(s string) io.Reader {
			return iotest.OneByteReader(io.MultiReader(strings.NewReader(s), iotest.ErrReader(errReset)))
		},
	}
}

var errReset = errors.New("connection reset by peer")

func TestAStreamThatIsCutAfterContentIsCutForTheClientToo(t *testing.T) {
	for how, cut := range cuts() {
		for _, d := range dialects {
			events := strings.SplitAfter(d.good, "\n\n")
			content := len(events[0]) + len(events[1])
			for _, at := range []int{content, content + 10, content + len(events[2])/2} {
				t.Run(fmt.Sprintf("%s after %d bytes, %s", how, at, d.name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						u := &upstream{answer: func(int, *http.Request) (*http.Response, error) { return stream(cut(d.good[:at])), nil }}
						g := newGateway(t, u)
						c := g.do("POST", d.path, askStream)
						status, body := c.have()
						if status != 200 || body != d.good[:at] {
							t.Errorf("got %d %q", status, body)
						}
						if !c.aborted {
							t.Error("half an answer looks like a whole one")
						}
						if n := len(u.seen()); n != 1 {
							t.Errorf("%d attempts: content was repeated", n)
						}
						if r := <-g.records; !r.Cut || r.Outcome() != "cut" {
							t.Errorf("recorded as %s", r.Outcome())
						}
						g.idle(t)
					})
				})
			}
		}
	}
}

func TestAStreamThatIsCutBeforeContentIsTriedAgain(t *testing.T) {
	for how, cut := range cuts() {
		for _, d := range dialects {
			first := strings.Index(d.good, "\n\n") + 2
			for _, at := range []int{0, 1, first / 2, first} {
				t.Run(fmt.Sprintf("%s after %d bytes, %s", how, at, d.name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						u := &upstream{answer: func(n int, _ *http.Request) (*http.Response, error) {
							if n == 1 {
								return stream(cut(d.good[:at])), nil
							}
							return stream(strings.NewReader(d.good)), nil
						}}
						g := newGateway(t, u)
						c := g.do("POST", d.path, askStream)
						if status, body := c.have(); status != 200 || body != d.good || c.aborted {
							t.Errorf("got %d %q", status, body)
						}
						if n := len(u.seen()); n != 2 {
							t.Errorf("%d attempts", n)
						}
						g.idle(t)
					})
				})
			}
		}
	}
}

func TestAWholeAnswerThatIsCut(t *testing.T) {
	long := `{"choices":[{"message":{"content":"` + strings.Repeat("x", 200_000) + `"}}]}`
	short := func(body string, at int) *http.Response {
		resp := answer(200, "application/json", body)
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(body[:at]), iotest.ErrReader(io.ErrUnexpectedEOF)))
		return resp
	}
	t.Run("early is tried again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			u := &upstream{answer: func(n int, _ *http.Request) (*http.Response, error) {
				if n == 1 {
					return short(chatWhole, 20), nil
				}
				return answer(200, "application/json", chatWhole), nil
			}}
			c := newGateway(t, u).do("POST", chatPath, askWhole)
			if status, body := c.have(); status != 200 || body != chatWhole {
				t.Errorf("got %d %q", status, body)
			}
		})
	})
	t.Run("late is cut for the client too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGateway(t, &upstream{answer: func(int, *http.Request) (*http.Response, error) { return short(long, 150_000), nil }})
			c := g.do("POST", chatPath, askWhole)
			if _, body := c.have(); len(body) != 150_000 || !c.aborted {
				t.Errorf("%d bytes, broken off: %v", len(body), c.aborted)
			}
			g.idle(t)
		})
	})
	t.Run("long ones pass", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGateway(t, relay(200, "application/json", long))
			c := g.do("POST", chatPath, askWhole)
			if _, body := c.have(); body != long || c.aborted {
				t.Errorf("%d bytes", len(body))
			}
			g.idle(t)
		})
	})
}

// serve puts the gateway before a real server, both over real connections.
func serve(t *testing.T, h http.HandlerFunc, http2 bool) (*gateway, string) {
	t.Helper()
	up := httptest.NewUnstartedServer(h)
	up.Config.ErrorLog = quiet
	up.EnableHTTP2 = http2
	if http2 {
		up.StartTLS()
	} else {
		up.Start()
	}
	t.Cleanup(up.Close)
	g := newGateway(t, nil, to(t, "zai-coding="+up.URL))
	if http2 {
		g.transport.Base = up.Client().Transport
	}
	front := httptest.NewUnstartedServer(g)
	front.Config.ErrorLog = quiet
	front.Start()
	t.Cleanup(front.Close)
	t.Cleanup(g.close)
	return g, front.URL
}

// post sends a request over the wire.
func post(ctx context.Context, url, body string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Close = true
	r.Header.Set("Authorization", "Bearer secret-of-a-test")
	return http.DefaultClient.Do(r)
}

func TestOnTheWireATruncatedStreamIsAnUnexpectedEnd(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for _, clean := range []bool{false, true} {
			t.Run(fmt.Sprintf("HTTP/2: %v, ended cleanly: %v", http2, clean), func(t *testing.T) {
				half := chatStream[:strings.Index(chatStream, "hello")+20]
				_, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if http2 != (r.ProtoMajor == 2) {
						t.Errorf("the provider is spoken to in %s", r.Proto)
					}
					w.Header().Set("Content-Type", "text/event-stream")
					io.WriteString(w, half+"\n\n")
					w.(http.Flusher).Flush()
					if !clean {
						panic(http.ErrAbortHandler)
					}
				}, http2)
				resp, err := post(t.Context(), url+chatPath, askStream)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(string(body), half) {
					t.Errorf("%v after %q", err, body)
				}
			})
		}
	}
}

func TestOnTheWireAConnectionThatBreaksBeforeTheAnswerIsTriedAgain(t *testing.T) {
	var n atomic.Int32
	_, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if n.Add(1) == 1 {
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, chatStream)
	}, false)
	resp, err := post(t.Context(), url+chatPath, askStream)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != chatStream {
		t.Errorf("%v %q", err, body)
	}
}

func TestOnTheWireAHangUpFreesTheProvider(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for _, when := range []string{"before the answer", "in the answer"} {
			t.Run(fmt.Sprintf("HTTP/2: %v, %s", http2, when), func(t *testing.T) {
				arrived, freed := make(chan struct{}), make(chan struct{})
				g, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
					io.Copy(io.Discard, r.Body)
					if when == "in the answer" {
						w.Header().Set("Content-Type", "text/event-stream")
						io.WriteString(w, chatStream[:strings.Index(chatStream, "hello")+20]+"\n\n")
						w.(http.Flusher).Flush()
					}
					close(arrived)
					<-r.Context().Done()
					close(freed)
				}, http2)
				ctx, cancel := context.WithCancel(t.Context())
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					resp, err := post(ctx, url+chatPath, askStream)
					if err == nil {
						io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
				}()
				<-arrived
				cancel()
				within(t, freed, "the provider is not rid of it")
				<-gone
				r := <-g.records
				if s := g.governor.Snapshot(); s.InFlight != 0 || s.Queued != 0 {
					t.Errorf("%d in flight, %d queued, status %d", s.InFlight, s.Queued, r.Status)
				}
			})
		}
	}
}

func TestABodyThatIsCutShortIsAnsweredClearly(t *testing.T) {
	g, url := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it reached the provider") }, false)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{\"model\":", messagesPath)
	conn.(*net.TCPConn).CloseWrite()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 400 || resp.Header.Get("X-Weir-Error") != "body-cut-short" || !strings.Contains(string(body), `"type":"error"`) {
		t.Errorf("got %d %s %v", resp.StatusCode, body, resp.Header)
	}
	<-g.records
	g.idle(t)
}

func within(t *testing.T, done <-chan struct{}, otherwise string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal(otherwise)
	}
}
