package weir_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// base plays the provider in memory.
type base func(*http.Request) (*http.Response, error)

func (b base) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	return b(r)
}

func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
	}
}

const (
	good      = `{"id":"1","object":"chat.completion","choices":[{"message":{"content":"hello"},"finish_reason":"stop"}]}`
	busy      = `{"error":{"code":"1302","message":"Rate limit reached for requests"}}`
	spent     = `{"error":{"code":"1308","message":"Usage limit reached for 5 hour."}}`
	flagged   = `{"error":{"code":"1313","message":"Fair Usage Policy"}}`
	codingURL = "https://api.z.ai/api/coding/paas/v4/chat/completions"
)

// setUp returns a client whose calls are governed, one at a time unless the
// configuration says more.
func setUp(t *testing.T, cfg weir.Config, b base) (*weir.Governor, *http.Client) {
	t.Helper()
	if cfg.Limit == (limit.Config{}) {
		cfg.Limit = limit.Config{Min: 1, Max: 1}
	}
	g, err := weir.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g, &http.Client{Transport: &weir.Transport{Governor: g, Base: b}}
}

func post(ctx context.Context, c *http.Client, key, model string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, "POST", codingURL, strings.NewReader(`{"model":"`+model+`"}`))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	resp, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func idle(t *testing.T, g *weir.Governor) {
	t.Helper()
	if s := g.Snapshot(); s.Queued != 0 || s.InFlight != 0 || s.Bytes != 0 {
		t.Errorf("left behind: %d queued, %d in flight, %d bytes", s.Queued, s.InFlight, s.Bytes)
	}
}

func TestOverlappingCallsAreRunAsTheProviderBearsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, refused := 0, 0
		g, c := setUp(t, weir.Config{Limit: limit.Config{Max: 8}, Seed: 1}, func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			over := running >= 3
			if over {
				refused++
			} else {
				running++
			}
			mu.Unlock()
			if over {
				return answer(r, 429, busy), nil
			}
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return answer(r, 200, good), nil
		})
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				if status, body, err := post(t.Context(), c, "k", "glm-5"); err != nil || status != 200 || body != good {
					t.Errorf("%d %s %v", status, body, err)
				}
			})
		}
		all.Wait()
		if refused > 5 {
			t.Errorf("%d refusals; %+v", refused, g.Snapshot().Accounts[0].Lanes[0])
		}
		idle(t, g)
		s := g.Snapshot()
		if len(s.Accounts) != 1 || len(s.Accounts[0].Lanes) != 1 || !strings.HasSuffix(s.Accounts[0].Lanes[0].Lane, "/glm-5") || s.Accounts[0].Lanes[0].Verdicts[provider.OK] != 40 {
			t.Errorf("snapshot: %+v", s)
		}
		if b, err := json.Marshal(s); err != nil || strings.Contains(string(b), `"k"`) {
			t.Errorf("%v %s", err, b)
		}
	})
}

func TestAnAccountsTroubleDoesNotDelayAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, c := setUp(t, weir.Config{}, func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Authorization") == "Bearer slow" {
				time.Sleep(time.Hour)
			}
			return answer(r, 200, good), nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { post(ctx, c, "slow", "glm-5") })
		}
		synctest.Wait()
		begin := time.Now()
		if status, _, err := post(t.Context(), c, "quick", "glm-5"); err != nil || status != 200 || time.Since(begin) != 0 {
			t.Errorf("%d %v after %v", status, err, time.Since(begin))
		}
		cancel()
		all.Wait()
		time.Sleep(2 * time.Hour)
		idle(t, g)
	})
}

func TestHalfOfTheQueueIsOneAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, c := setUp(t, weir.Config{MaxQueue: 10}, func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return answer(r, 200, good), nil
		})
		var mu sync.Mutex
		full := map[string]int{}
		var all sync.WaitGroup
		for _, key := range []string{"a", "b"} {
			for range 9 {
				all.Go(func() {
					_, _, err := post(t.Context(), c, key, "glm-5")
					var refused *weir.RefusedError
					if errors.As(err, &refused) && refused.Reason == weir.QueueFull {
						mu.Lock()
						full[key]++
						mu.Unlock()
					} else if err != nil {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
		}
		all.Wait()
		if full["a"] != 3 || full["b"] != 3 { // one runs, five wait
			t.Errorf("turned away: %v", full)
		}
		idle(t, g)
	})
}

func TestRefusalsOfWeirAreTypedErrors(t *testing.T) {
	t.Run("a spent quota", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, c := setUp(t, weir.Config{}, func(r *http.Request) (*http.Response, error) { return answer(r, 429, spent), nil })
			if status, body, err := post(t.Context(), c, "k", "glm-5"); err != nil || status != 429 || body != spent {
				t.Errorf("the first gets the provider's own: %d %s %v", status, body, err)
			}
			_, _, err := post(t.Context(), c, "k", "glm-5")
			var refused *weir.RefusedError
			if !errors.As(err, &refused) || refused.Reason != weir.QuotaClosed || refused.Code != "1308" || refused.Kind != provider.Quota || refused.Attempts != 0 {
				t.Fatalf("%#v", err)
			}
			if n := g.Resume(refused.Lane); n != 1 {
				t.Errorf("Resume(%q) = %d", refused.Lane, n)
			}
			if status, _, err := post(t.Context(), c, "k", "glm-5"); err != nil || status != 429 {
				t.Errorf("after resume: %d %v", status, err)
			}
			idle(t, g)
		})
	})
	t.Run("a wait that is over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, c := setUp(t, weir.Config{}, func(r *http.Request) (*http.Response, error) {
				time.Sleep(time.Minute)
				return answer(r, 200, good), nil
			})
			var all sync.WaitGroup
			all.Go(func() { post(t.Context(), c, "k", "glm-5") })
			synctest.Wait()
			call := &weir.Call{Account: g.Fingerprint("k"), Model: "glm-5", MaxWait: 5 * time.Second}
			begin := time.Now()
			_, _, err := post(weir.WithCall(t.Context(), call), c, "k", "glm-5")
			var refused *weir.RefusedError
			if !errors.As(err, &refused) || refused.Reason != weir.MaxWait || refused.Waited != 5*time.Second || time.Since(begin) != 5*time.Second {
				t.Errorf("%v after %v", err, time.Since(begin))
			}
			all.Wait()
			idle(t, g)
		})
	})
	t.Run("going down", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, c := setUp(t, weir.Config{}, func(r *http.Request) (*http.Response, error) { return answer(r, 200, good), nil })
			g.Close()
			_, _, err := post(t.Context(), c, "k", "glm-5")
			var refused *weir.RefusedError
			if !errors.As(err, &refused) || refused.Reason != weir.Draining {
				t.Errorf("%v", err)
			}
		})
	})
	t.Run("a provider that is down", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cause := errors.New("no route")
			g, c := setUp(t, weir.Config{}, func(r *http.Request) (*http.Response, error) { return nil, cause })
			_, _, err := post(t.Context(), c, "k", "glm-5")
			var unreachable *weir.UnreachableError
			if !errors.As(err, &unreachable) || !errors.Is(err, cause) || unreachable.Attempts != 6 {
				t.Errorf("%v", err)
			}
			idle(t, g)
		})
	})
}

func TestACallerWhoLeavesGetsItsContextsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := setUp(t, weir.Config{}, nil)
		call := &weir.Call{Account: "a", Model: "m"}
		slot, err := g.Acquire(t.Context(), call)
		if err != nil {
			t.Fatal(err)
		}
		why := errors.New("bored")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		if _, err := g.Acquire(ctx, call); !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
		if _, err := g.Acquire(ctx, call); !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
		slot.Accepted()
		slot.Release(true)
		slot.Release(false) // only the first counts
		idle(t, g)
	})
}

func TestASlotThatIsRefusedWaitsAgainAtItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := setUp(t, weir.Config{}, nil)
		call := &weir.Call{Account: "a", Model: "m"}
		slot, err := g.Acquire(t.Context(), call)
		if err != nil {
			t.Fatal(err)
		}
		second := make(chan time.Time, 1)
		go func() {
			s, err := g.Acquire(t.Context(), call)
			if err != nil {
				t.Error(err)
				return
			}
			second <- time.Now()
			s.Release(true)
		}()
		synctest.Wait()
		again, err := slot.Refuse(t.Context(), pool.Outcome{Verdict: provider.Verdict{Kind: provider.Concurrency}})
		if !again || err != nil {
			t.Fatalf("%v %v", again, err)
		}
		if len(second) != 0 {
			t.Error("the later one went first")
		}
		slot.Release(true)
		<-second
		again, err = slot.Refuse(t.Context(), pool.Outcome{Verdict: provider.Verdict{Kind: provider.Concurrency}})
		if again || err != nil {
			t.Errorf("a slot that was given back: %v %v", again, err)
		}
		idle(t, g)
	})
}

// observer keeps the kinds of events of each request.
type observer struct {
	mu     sync.Mutex
	events []weir.Event
}

func (o *observer) Observe(ev weir.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, ev)
}

func TestAnObserverSeesEachStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, n := &observer{}, 0
		_, c := setUp(t, weir.Config{Observer: o}, func(r *http.Request) (*http.Response, error) {
			if n++; n == 1 {
				return answer(r, 429, busy), nil
			}
			return answer(r, 200, good), nil
		})
		post(t.Context(), c, "k", "glm-5")
		var kinds []pool.EventKind
		for _, ev := range o.events {
			if ev.Request != "" {
				kinds = append(kinds, ev.Kind)
			}
		}
		want := []pool.EventKind{pool.Arrived, pool.Admitted, pool.Released, pool.Refused, pool.Admitted, pool.Accepted, pool.Released, pool.Done}
		if !slices.Equal(kinds, want) {
			t.Errorf("%v, want %v", kinds, want)
		}
	})
}

func TestATraceFollowsOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		_, c := setUp(t, weir.Config{}, func(r *http.Request) (*http.Response, error) {
			if n++; n == 1 {
				return answer(r, 429, busy), nil
			}
			return answer(r, 200, good), nil
		})
		var trace weir.Trace
		post(weir.WithTrace(t.Context(), &trace), c, "k", "glm-5")
		info := trace.Info()
		if info.Attempts != 2 || !slices.Equal(info.Verdicts, []provider.Kind{provider.Concurrency, provider.OK}) || !info.Passed || info.Cut ||
			info.Waited == 0 || info.Bytes != int64(len(good)) || info.ID == "" || info.Level != 1 || trace.Ahead() != -1 {
			t.Errorf("%+v", info)
		}
		attempts := trace.Attempts()
		if len(attempts) != 2 || attempts[0].Kind != provider.Concurrency || attempts[0].Code != "1302" || attempts[1].Kind != provider.OK ||
			attempts[1].Level != 1 || attempts[0].End.IsZero() || attempts[1].End.IsZero() || !attempts[1].Start.After(attempts[0].End) {
			t.Errorf("attempts %+v", attempts)
		}
	})
}

func TestATraceIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		_, c := setUp(t, weir.Config{}, func(r *http.Request) (*http.Response, error) {
			if n++; n <= 50 {
				return answer(r, 429, busy), nil
			}
			return answer(r, 200, good), nil
		})
		var trace weir.Trace
		post(weir.WithTrace(t.Context(), &trace), c, "k", "glm-5")
		if attempts := trace.Attempts(); trace.Info().Attempts != 51 || len(attempts) != 32 || attempts[31].Kind != provider.Concurrency {
			t.Errorf("%d of %d attempts are remembered", len(attempts), trace.Info().Attempts)
		}
	})
}

func TestStateOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := weir.Config{Limit: limit.Config{Max: 6}, Secret: []byte("a secret of this test only"), Seed: 1}
		bodies := map[string]string{"closed": spent, "flagged": flagged}
		serve := func(r *http.Request) (*http.Response, error) {
			if body := bodies[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]; body != "" {
				return answer(r, 429, body), nil
			}
			time.Sleep(time.Second)
			return answer(r, 200, good), nil
		}
		g, c := setUp(t, cfg, serve)
		var all sync.WaitGroup
		for range 60 {
			all.Go(func() { post(t.Context(), c, "good", "glm-5") })
		}
		all.Wait()
		post(t.Context(), c, "closed", "glm-5")
		post(t.Context(), c, "flagged", "glm-5")
		learned := g.Snapshot()
		state, changed := g.State()
		if _, again := g.State(); !changed || again {
			t.Errorf("changed: %v, then %v", changed, again)
		}
		written, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{`"good"`, "Usage limit", "Fair Usage Policy\"}}"} {
			if strings.Contains(string(written), secret) {
				t.Errorf("the state holds %q", secret)
			}
		}
		var read weir.State
		if err := json.Unmarshal(written, &read); err != nil {
			t.Fatal(err)
		}
		cfg.State = &read
		g2, c2 := setUp(t, cfg, serve)
		for i, a := range g2.Snapshot().Accounts {
			if before := learned.Accounts[i]; a.Account != before.Account || a.Limit != before.Limit || a.Lanes[0].Limit != before.Lanes[0].Limit {
				t.Errorf("%s: %d, was %d", a.Account, a.Limit, before.Limit)
			}
		}
		for key, reason := range map[string]weir.Reason{"closed": weir.QuotaClosed, "flagged": weir.AccountFlagged} {
			_, _, err := post(t.Context(), c2, key, "glm-5")
			var refused *weir.RefusedError
			if !errors.As(err, &refused) || refused.Reason != reason {
				t.Errorf("%s: %v", key, err)
			}
		}
		if n := read.Resume(""); n != 2 {
			t.Errorf("Resume opened %d", n)
		}
	})
}

func TestARestoredAccountClimbsAsHighAsItsProvidersProfileSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		openAI, ok := provider.Lookup("openai")
		if !ok {
			t.Fatal("no profile")
		}
		climb := func(g *weir.Governor) int {
			var all sync.WaitGroup
			for i := range 1500 {
				all.Go(func() {
					s, err := g.Acquire(t.Context(), &weir.Call{Profile: openAI, Account: "a", Model: "m"})
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(time.Second)
					s.Accepted()
					time.Sleep(4*time.Second + time.Duration(i%97)*41*time.Millisecond) // not in step
					s.Release(true)
				})
			}
			all.Wait()
			return g.Snapshot().Accounts[0].Limit
		}
		g, err := weir.New(weir.Config{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		state, _ := func() (weir.State, bool) { // known, but nothing learned yet
			s, err := g.Acquire(t.Context(), &weir.Call{Profile: openAI, Account: "a", Model: "m"})
			if err != nil {
				t.Fatal(err)
			}
			s.Release(true)
			return g.State()
		}()
		g2, err := weir.New(weir.Config{Seed: 1, State: &state})
		if err != nil {
			t.Fatal(err)
		}
		defer g2.Close()
		if a, b := climb(g), climb(g2); a <= limit.DefaultMax || b != a {
			t.Errorf("a new governor climbs to %d, a restored one to %d; the profile's is %d", a, b, openAI.LimitMax)
		}
	})
}

func TestAGovernorSaysWhatIsWrongWithItsConfiguration(t *testing.T) {
	for _, cfg := range []weir.Config{
		{Limit: limit.Config{Min: 3, Max: 2}}, {Limit: limit.Config{Max: -1}}, {MaxQueue: -1}, {MaxBytes: -1}, {State: &weir.State{Version: 99}},
	} {
		g, err := weir.New(cfg)
		if err == nil {
			t.Errorf("%+v was taken", cfg)
		}
		if g != nil {
			g.Close()
		}
	}
}

func TestGrantsAndCancelsInTheSameMomentLoseNoSlot(t *testing.T) {
	g, _ := setUp(t, weir.Config{Limit: limit.Config{Min: 3, Max: 3}}, nil)
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			for j := range 100 {
				ctx, cancel := context.WithCancel(t.Context())
				if (i+j)%3 == 0 {
					go cancel()
				}
				s, err := g.Acquire(ctx, &weir.Call{Account: fmt.Sprint(i % 2), Model: "m"})
				if err == nil {
					s.Accepted()
					s.Release(j%2 == 0)
				} else if ctx.Err() == nil {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	all.Wait()
	idle(t, g)
}

func TestALongRefusalDoesNotKeepItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed, n := 0, 0
		long := `{"error":{"code":"1302","message":"no"},"x":"` + strings.Repeat("x", 100_000) + `"}`
		_, c := setUp(t, weir.Config{}, func(r *http.Request) (*http.Response, error) {
			if n++; n > 1 {
				return answer(r, 200, good), nil
			}
			resp := answer(r, 429, long)
			resp.Body = closer{resp.Body, func() { closed++ }}
			return resp, nil
		})
		if status, _, err := post(t.Context(), c, "k", "glm-5"); status != 200 || err != nil {
			t.Errorf("%d %v", status, err)
		}
		if closed != 1 {
			t.Errorf("closed %d times", closed)
		}
	})
}

type closer struct {
	io.Reader
	onClose func()
}

func (c closer) Close() error { c.onClose(); return nil }
