package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/proxy"
)

func TestAClientThatLeavesFreesEverythingAtOnce(t *testing.T) {
	half := chatStream[:strings.Index(chatStream, "hello")+20] + "\n\n"
	thinking := func(_ int, r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	refused := func(int, *http.Request) (*http.Response, error) {
		return answer(429, "application/json", `{"error":{"code":"1302","message":"no"}}`), nil
	}
	tests := []struct {
		name   string
		answer func(int, *http.Request) (*http.Response, error)
		queue  bool // behind another one
		wait   time.Duration
		status int // that the client had, or 0
	}{
		{"while it waits for its first slot", thinking, true, time.Second, 0},
		{"while it is kept alive in the queue", thinking, true, 45 * time.Second, 200},
		{"while the provider thinks", thinking, false, time.Second, 0},
		{"while it is kept alive and the provider thinks", thinking, false, 45 * time.Second, 200},
		{"between two attempts", refused, false, time.Second, 0},
		{"in the prelude", func(_ int, r *http.Request) (*http.Response, error) {
			return live(r, half[:strings.Index(half, "\n\n")+2]), nil
		}, false, time.Second, 0},
		{"in the answer", func(_ int, r *http.Request) (*http.Response, error) { return live(r, half), nil }, false, time.Second, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := &upstream{answer: tt.answer}
				g := newGateway(t, u)
				var first *client
				if tt.queue {
					first = g.send(request("POST", chatPath, askStream))
					synctest.Wait()
				}
				c := g.send(request("POST", chatPath, askStream))
				time.Sleep(tt.wait)
				synctest.Wait()
				if status, _ := c.have(); status != tt.status {
					t.Errorf("status %d, want %d", status, tt.status)
				}
				attempts := len(u.seen())
				begin := time.Now()
				c.leave()
				<-c.done
				if time.Since(begin) != 0 {
					t.Errorf("it took %v", time.Since(begin))
				}
				if r := <-g.records; r.Outcome() != "left" || r.Cut {
					t.Errorf("recorded as %s", r.Outcome())
				}
				if tt.queue {
					if s := g.governor.Snapshot(); s.Queued != 0 || s.InFlight != 1 {
						t.Errorf("%d queued, %d in flight", s.Queued, s.InFlight)
					}
					first.leave()
					<-first.done
				}
				g.idle(t)
				time.Sleep(time.Minute)
				if n := len(u.seen()); n != attempts {
					t.Errorf("%d attempts, then %d", attempts, n)
				}
			})
		})
	}
}

func TestTheSlotOfOneWhoLeftGoesToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{answer: func(n int, r *http.Request) (*http.Response, error) {
			if n == 1 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return stream(strings.NewReader(chatStream)), nil
		}}
		g := newGateway(t, u)
		first := g.send(request("POST", chatPath, askStream))
		synctest.Wait()
		second := g.send(request("POST", chatPath, askStream))
		time.Sleep(3 * time.Second)
		begin := time.Now()
		first.leave()
		<-second.done
		if _, body := second.have(); body != chatStream || time.Since(begin) != 0 {
			t.Errorf("%q after %v", body, time.Since(begin))
		}
	})
}

func TestAThousandWhoLeaveTheQueueLeaveNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, after(5*time.Minute, chatStream))
		first := g.send(request("POST", chatPath, askStream, "X-Weir-Max-Wait", "1h"))
		synctest.Wait()
		all := make([]*client, 1000)
		for i := range all {
			all[i] = g.send(request("POST", chatPath, askStream))
		}
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if s := g.governor.Snapshot(); s.Queued != len(all) {
			t.Errorf("%d queued", s.Queued)
		}
		for _, c := range all {
			c.leave()
		}
		for _, c := range all {
			<-c.done
		}
		if s := g.governor.Snapshot(); s.Queued != 0 || s.InFlight != 1 {
			t.Errorf("%d queued, %d in flight", s.Queued, s.InFlight)
		}
		<-first.done
		g.idle(t)
	})
}

// The moments of a grant and of a hang-up are the same here, in real time.
func TestGrantsThatRaceHangUpsLoseNoSlot(t *testing.T) {
	u := &upstream{answer: func(_ int, r *http.Request) (*http.Response, error) {
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		return stream(strings.NewReader(chatStream)), nil
	}}
	g := newGateway(t, u, func(c *weir.Config, _ *proxy.Config) { c.Limit = limit.Config{Min: 2, Max: 2} })
	var all sync.WaitGroup
	for i := range 600 {
		all.Go(func() {
			c := g.send(request("POST", chatPath, askStream, "X-Weir-Session", fmt.Sprint(i%7)))
			if i%2 == 0 {
				c.leave()
			}
			<-c.done
			if status, body := c.have(); i%2 == 1 && (status != 200 || body != chatStream) {
				t.Errorf("one who stayed got %d %q", status, body)
			}
		})
	}
	all.Wait()
	g.idle(t)
}

func TestNothingOfAPromptIsHeldLongerThanNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pr, pw := io.Pipe()
		g := newGateway(t, &upstream{answer: func(int, *http.Request) (*http.Response, error) { return stream(pr), nil }})
		c := g.send(request("POST", chatPath, askStream))
		synctest.Wait()
		if s := g.governor.Snapshot(); s.Bytes != int64(len(askStream)) {
			t.Errorf("%d bytes while the answer may fail", s.Bytes)
		}
		half := strings.Index(chatStream, "hello") + 20
		at := half + strings.Index(chatStream[half:], "\n\n") + 2
		io.WriteString(pw, chatStream[:at])
		synctest.Wait()
		if s := g.governor.Snapshot(); s.Bytes != 0 || s.InFlight != 1 {
			t.Errorf("%d bytes, %d in flight once it has begun", s.Bytes, s.InFlight)
		}
		io.WriteString(pw, chatStream[at:])
		pw.Close()
		<-c.done
		g.idle(t)
	})
}

func TestASilentProviderIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{answer: func(n int, r *http.Request) (*http.Response, error) {
			if n == 1 {
				return live(r, "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"), nil
			}
			return stream(strings.NewReader(chatStream)), nil
		}}
		g := newGateway(t, u, func(_ *weir.Config, c *proxy.Config) { c.Transport.Stall = time.Minute })
		c := g.do("POST", chatPath, askStream)
		if _, body := c.have(); !strings.HasSuffix(body, chatStream) {
			t.Errorf("got %q", body)
		}
		if at := u.seen()[1].at.Sub(c.started); at < time.Minute || at > time.Minute+5*time.Second {
			t.Errorf("tried again after %v", at)
		}
		g.idle(t)
	})
}
