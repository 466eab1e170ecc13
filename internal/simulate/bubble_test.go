package simulate

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A pipeListener accepts what its dial makes, without a socket.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (l *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// inBubble runs f in a bubble with a provider that is served in it, a client
// that reaches it, and the moment of the start.
func inBubble(t *testing.T, c Config, f func(t *testing.T, b *bubble)) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error)
		go func() { served <- p.Serve(ctx, l) }()
		transport := &http.Transport{DialContext: l.dial}
		f(t, &bubble{t, p, &http.Client{Transport: transport}, time.Now()})
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		transport.CloseIdleConnections()
		if in := p.Stats().InFlight; in != 0 {
			t.Errorf("%d in flight after the end", in)
		}
	})
}

type bubble struct {
	t      *testing.T
	p      *Provider
	client *http.Client
	start  time.Time
}

// since is the time that has passed in the bubble.
func (b *bubble) since() time.Duration { return time.Since(b.start) }

func (b *bubble) post(ctx context.Context, path, key, body string) *http.Response {
	b.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sim"+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return res
}

// call posts a call and returns status, body and how long the answer took.
func (b *bubble) call(path, key, body string) (int, string, time.Duration) {
	b.t.Helper()
	began := time.Now()
	res := b.post(b.t.Context(), path, key, body)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Errorf("read answer: %v", err)
	}
	return res.StatusCode, string(text), time.Since(began)
}

const (
	chatPath      = "/api/coding/paas/v4/chat/completions"
	messagesPath  = "/api/anthropic/v1/messages"
	responsesPath = "/api/v1/responses"
	plain         = `{"model":"glm-5","messages":[]}`
	streaming     = `{"model":"glm-5","messages":[],"stream":true}`
)

func TestAnswersTakeTheirTime(t *testing.T) {
	for _, path := range []string{chatPath, messagesPath, responsesPath} {
		t.Run("a whole answer at "+path, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, b *bubble) {
				status, body, took := b.call(path, "k", plain)
				if status != 200 || took != time.Second || !strings.Contains(body, "A weir is a low wall") {
					t.Errorf("%d after %v: %s", status, took, body)
				}
			})
		})
		t.Run("a stream at "+path, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, b *bubble) {
				res := b.post(t.Context(), path, "k", streaming)
				defer res.Body.Close()
				if b.since() != 200*time.Millisecond {
					t.Errorf("the head came after %v, want 200ms", b.since())
				}
				moments := 0
				last := b.since()
				for buffer := make([]byte, 64<<10); ; {
					_, err := res.Body.Read(buffer)
					if now := b.since(); now > last {
						moments, last = moments+1, now
					}
					if err == io.EOF {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				if b.since() != time.Second || moments < 10 || moments > 50 {
					t.Errorf("ended after %v, after events at %d moments", b.since(), moments)
				}
			})
		})
	}
}

func TestTheLimitHolds(t *testing.T) {
	t.Run("calls beyond it are refused quickly, each account by itself", func(t *testing.T) {
		inBubble(t, Config{Limit: 2}, func(t *testing.T, b *bubble) {
			var wg sync.WaitGroup
			var mu sync.Mutex
			got := map[string]int{}
			for i := range 8 {
				wg.Go(func() {
					key := "ab"[i%2 : i%2+1]
					status, _, took := b.call(chatPath, key, plain)
					mu.Lock()
					defer mu.Unlock()
					got[key+http.StatusText(status)+took.String()]++
				})
			}
			wg.Wait()
			if len(got) != 4 || got["aOK1s"] != 2 || got["bOK1s"] != 2 || got["aToo Many Requests50ms"] != 2 || got["bToo Many Requests50ms"] != 2 {
				t.Errorf("got %v", got)
			}
			s := b.p.Stats()
			if a := s.Accounts[Account("a")]; s.Requests != 8 || s.OK != 4 || s.Refused != 4 || s.MaxInFlight != 4 || a.MaxInFlight != 2 || a.Codes["1302"] != 2 {
				t.Errorf("stats are %+v", s)
			}
		})
	})
	t.Run("a slot is free as soon as a client sees the end", func(t *testing.T) {
		inBubble(t, Config{Limit: 1}, func(t *testing.T, b *bubble) {
			for i := range 20 {
				body := []string{plain, streaming}[i%2]
				if status, _, _ := b.call([]string{chatPath, messagesPath, responsesPath}[i%3], "", body); status != 200 {
					t.Fatalf("call %d: %d", i, status)
				}
			}
		})
	})
	t.Run("a slot counts on for the lag", func(t *testing.T) {
		inBubble(t, Config{Limit: 1, Lag: Exactly(300 * time.Millisecond)}, func(t *testing.T, b *bubble) {
			b.call(chatPath, "", plain)
			time.Sleep(299 * time.Millisecond)
			if status, _, _ := b.call(chatPath, "", plain); status != 429 { // takes 50 ms
				t.Errorf("one millisecond early: %d", status)
			}
			if status, _, _ := b.call(chatPath, "", plain); status != 200 {
				t.Errorf("after the lag: %d", status)
			}
			if e := b.p.Entries(); e[1].Lagging != 1 || e[1].InFlight != 1 {
				t.Errorf("the refused call's entry is %+v", e[1])
			}
		})
	})
	t.Run("a client that goes frees its slot at once, but for the abort lag", func(t *testing.T) {
		inBubble(t, Config{Limit: 1, Lag: Exactly(time.Minute), AbortLag: Exactly(time.Second)}, func(t *testing.T, b *bubble) {
			ctx, cancel := context.WithCancel(t.Context())
			res := b.post(ctx, messagesPath, "", streaming)
			cancel()
			res.Body.Close()
			synctest.Wait()
			if s := b.p.Stats(); s.InFlight != 0 || s.Aborted != 1 {
				t.Errorf("stats are %+v", s)
			}
			time.Sleep(999 * time.Millisecond)
			if status, _, _ := b.call(messagesPath, "", plain); status != 429 {
				t.Errorf("within the abort lag: %d", status)
			}
			if status, _, _ := b.call(messagesPath, "", plain); status != 200 {
				t.Errorf("after the abort lag: %d", status)
			}
		})
	})
	t.Run("a schedule moves it, an outage closes it", func(t *testing.T) {
		c := Config{Limit: 1, Schedule: []Level{{From: 2 * time.Second, Limit: 0}, {From: 4 * time.Second, Limit: 1}}, Outages: []Window{{5 * time.Second, 6 * time.Second}}}
		inBubble(t, c, func(t *testing.T, b *bubble) {
			for _, want := range []struct {
				at     time.Duration
				status int
				code   string
			}{{0, 200, ""}, {2 * time.Second, 429, "1302"}, {4 * time.Second, 200, ""}, {5 * time.Second, 429, "1305"}, {6 * time.Second, 200, ""}} {
				time.Sleep(want.at - b.since())
				status, body, _ := b.call(chatPath, "", plain)
				if status != want.status || !strings.Contains(body, want.code) {
					t.Errorf("at %v: %d %s", want.at, status, body)
				}
			}
		})
	})
	t.Run("starts keep the rate", func(t *testing.T) {
		inBubble(t, Config{Limit: -1, Rate: 2, Answer: Exactly(0), FirstEvent: Exactly(0), Refusal: Exactly(0)}, func(t *testing.T, b *bubble) {
			var got []int
			for range 5 {
				status, _, _ := b.call(chatPath, "", plain)
				got = append(got, status)
				time.Sleep(250 * time.Millisecond)
			}
			for i, want := range []int{200, 429, 200, 429, 200} {
				if got[i] != want {
					t.Fatalf("statuses are %v", got)
				}
			}
		})
	})
}

func TestServeEndsWhileStreamsRun(t *testing.T) {
	inBubble(t, Config{Answer: Exactly(time.Hour)}, func(t *testing.T, b *bubble) {
		for range 3 {
			res := b.post(t.Context(), chatPath, "", streaming)
			t.Cleanup(func() { res.Body.Close() })
		}
	}) // inBubble checks that Serve returns and nothing is left in flight
}

func TestHangHoldsTheSlotUntilTheClientGoes(t *testing.T) {
	c := instant(Rule{Times: 1, Fault: &Fault{Hang: true}})
	c.Limit = 1
	inBubble(t, c, func(t *testing.T, b *bubble) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sim"+chatPath, strings.NewReader(streaming))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			_, err := b.client.Do(r)
			done <- err
		}()
		time.Sleep(59 * time.Second)
		if status, _, _ := b.call(chatPath, "", plain); status != 429 {
			t.Errorf("beside it: %d", status)
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the hung call ends with %v", err)
		}
		time.Sleep(time.Millisecond)
		if status, _, _ := b.call(chatPath, "", plain); status != 200 {
			t.Errorf("after it: %d", status)
		}
		if s := b.p.Stats(); s.Faults != 1 || s.Codes["hang"] != 1 {
			t.Errorf("stats are %+v", s)
		}
	})
}
