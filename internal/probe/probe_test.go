package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/weirhq/weir/internal/scenario"
	"github.com/weirhq/weir/provider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A described is a described provider as a RoundTripper, in virtual time and without
// connections.
type described struct {
	mu     sync.Mutex
	up     *scenario.Upstream
	random *rand.Rand
	answer scenario.Dist
	began  time.Time
	heeds  bool // max_tokens: answers are as much shorter
	open   int
	most   int
	sent   []time.Duration               // when each call came, since the beginning
	meet   func(call int) *http.Response // nil, or nil from it: as described
}

func describe(p scenario.Provider, seed uint64, answer scenario.Dist) *described {
	return &described{up: scenario.NewUpstream(p, seed, 0), random: rand.New(rand.NewPCG(seed, 7)), answer: answer, began: time.Now()}
}

func (d *described) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := wait(ctx, time.Duration(1+d.draw(20))*time.Millisecond); err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.sent = append(d.sent, time.Since(d.began))
	if d.meet != nil {
		if resp := d.meet(len(d.sent)); resp != nil {
			d.mu.Unlock()
			return resp, nil
		}
	}
	took := d.answer.Draw(d.random)
	if d.heeds {
		took = took * time.Duration(asked(req)) / longAnswer
	}
	ruling := d.up.Start(time.Since(d.began), "glm-5", took)
	if ruling.Accepted {
		d.open++
		d.most = max(d.most, d.open)
	}
	d.mu.Unlock()
	if err := wait(ctx, ruling.After); err != nil {
		if ruling.Accepted {
			d.end(ruling.Slot, true)
		}
		return nil, err
	}
	if !ruling.Accepted {
		resp := respond(429, "application/json", `{"error":{"code":"`+ruling.Code+`","message":"too many"}}`)
		if ruling.RetryAfter > 0 {
			resp.Header.Set("Retry-After", fmt.Sprint(int(ruling.RetryAfter.Seconds()+1)))
		}
		return resp, nil
	}
	resp := respond(200, "text/event-stream", "")
	resp.Body = &answer{d: d, ctx: ctx, slot: ruling.Slot, head: []byte(`data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"a"}}]}` + "\n\n"), until: time.Now().Add(max(0, took-ruling.After))}
	return resp, nil
}

// asked is the longest answer that a call asks for, in tokens.
func asked(req *http.Request) int {
	var body struct {
		Tokens int `json:"max_tokens"`
	}
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
		panic(err)
	}
	return body.Tokens
}

func (d *described) draw(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.IntN(n)
}

func (d *described) end(s scenario.Slot, aborted bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open--
	d.up.End(time.Since(d.began), s, aborted)
}

func wait(ctx context.Context, dur time.Duration) error {
	select {
	case <-time.After(dur):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// An answer is a stream: a first event, and after a while the end.
type answer struct {
	d     *described
	ctx   context.Context
	slot  scenario.Slot
	head  []byte
	until time.Time
	over  bool
}

func (a *answer) Read(p []byte) (int, error) {
	if len(a.head) > 0 {
		n := copy(p, a.head)
		a.head = a.head[n:]
		return n, nil
	}
	if a.over {
		return 0, io.EOF
	}
	a.over = true
	err := wait(a.ctx, time.Until(a.until))
	a.d.end(a.slot, err != nil)
	if err != nil {
		return 0, err
	}
	return copy(p, "data: [DONE]\n\n"), nil
}

func (a *answer) Close() error {
	if !a.over {
		a.over = true
		a.d.end(a.slot, true)
	}
	return nil
}

func respond(status int, kind, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(bytes.NewReader([]byte(body)))}
}

func configOf(t http.RoundTripper, seed uint64) Config {
	p, _ := provider.Lookup("zai-coding")
	return Config{URL: "http://sim/api/coding/paas/v4/chat/completions", Profile: p, Key: "k", Model: "glm-5", Seed: seed, Transport: t}
}

func between(lo, hi time.Duration) scenario.Dist {
	return scenario.Dist{Kind: scenario.Uniform, Min: lo, Max: hi}
}

func slots(n int) scenario.Limit { return scenario.Limit{Schedule: []scenario.Step{{Slots: n}}} }

var runs = flag.Uint64("runs", 100, "seeded runs of each kind of provider")

// The figures of docs/probe.md: in at least 95 of 100 runs over limits 1 to 8, with noise,
// lag and penalties, the true limit lies in the answer, and most of the others say that
// they are not certain; also where the provider is not strict.
func TestTheAnswerHoldsTheLimit(t *testing.T) {
	for _, strict := range []bool{true, false} {
		t.Run(map[bool]string{true: "strict", false: "not strict"}[strict], func(t *testing.T) {
			var s tally
			for seed := range *runs {
				s.add(t, seed, disturbed(seed, strict))
			}
			t.Logf("%+v", s)
			if s.Wrong*20 > int(*runs) {
				t.Errorf("%d of %d are wrong", s.Wrong, *runs)
			}
			if 2*s.WrongButUnsure < s.Wrong {
				t.Errorf("%d of %d wrong answers were given as certain", s.Wrong-s.WrongButUnsure, s.Wrong)
			}
		})
	}
}

// A tally is what came of some runs.
type tally struct {
	Exact, Certain, Wrong, WrongButUnsure, Calls int
	Took                                         time.Duration
}

// add probes a provider and counts what comes of it.
func (s *tally) add(t *testing.T, seed uint64, p scenario.Provider) {
	var res Result
	synctest.Test(t, func(t *testing.T) {
		d := describe(p, seed, between(2*time.Second, 5*time.Second))
		if seed/8%2 == 1 {
			d.answer, d.heeds = between(6*time.Second, 10*time.Second), true
		}
		res = Run(t.Context(), configOf(d, seed))
	})
	a, limit := res.Answer, p.Limit.Schedule[0].Slots
	s.Took += res.Took
	s.Calls += res.Calls
	if a.Certain {
		s.Certain++
	}
	if a.Low == limit && a.High == limit {
		s.Exact++
	}
	if a.Low <= limit && (limit <= a.High || a.Open) {
		return
	}
	s.Wrong++
	if !a.Certain {
		s.WrongButUnsure++
	}
	t.Logf("seed %d, limit %d, noise %g, lag %v, penalty %v: %+v %v %s", seed, limit, p.Noise, p.Lag.Max, p.Penalty.Max, a, res.Levels, res.Stopped)
}

// disturbed is a provider with a limit of 1 to 8 that refuses some calls for no reason,
// counts slots on after their end, is shut for a while after a refusal, or some of that.
// One that is not strict accepts 30 to 70 % of the starts one above its limit.
func disturbed(seed uint64, strict bool) scenario.Provider {
	random := rand.New(rand.NewPCG(seed, 99))
	p := scenario.Provider{
		Limit: slots(int(seed%8) + 1), Noise: []float64{0, 0.01, 0.03, 0.05}[random.IntN(4)],
		FirstEvent: between(200*time.Millisecond, 800*time.Millisecond), RefusalTakes: between(50*time.Millisecond, 300*time.Millisecond),
	}
	if random.IntN(2) == 0 {
		p.Lag = between(0, time.Duration(200+random.IntN(1500))*time.Millisecond)
	}
	if random.IntN(3) == 0 {
		p.Penalty = between(time.Second, 4*time.Second)
	}
	if !strict {
		p.RefuseAbove = []float64{0.3 + 0.4*random.Float64()}
	}
	return p
}

// usual is a provider with so many slots whose answers take a while.
func usual(limit int) *described {
	p := scenario.Provider{
		Limit: slots(limit), FirstEvent: between(200*time.Millisecond, 800*time.Millisecond), RefusalTakes: between(50*time.Millisecond, 300*time.Millisecond),
	}
	return describe(p, 5, between(2*time.Second, 5*time.Second))
}

// refusal is an answer with a code, and seconds to wait if they are not 0.
func refusal(status int, code string, after int) *http.Response {
	resp := respond(status, "application/json", `{"error":{"code":"`+code+`","message":"no"}}`)
	if after > 0 {
		resp.Header.Set("Retry-After", fmt.Sprint(after))
	}
	return resp
}

// from refuses every call from the n-th on.
func from(n int, status int, code string) func(int) *http.Response {
	return func(call int) *http.Response {
		if call < n {
			return nil
		}
		return refusal(status, code, 0)
	}
}

func TestItStopsWhereMoreCallsWouldDoHarm(t *testing.T) {
	for name, c := range map[string]struct {
		code   string
		status int
		kind   provider.Kind
	}{
		"fair use": {"1313", 429, provider.Flagged}, "quota": {"1308", 429, provider.Quota},
		"plan": {"1113", 429, provider.Plan}, "key": {"1000", 401, provider.Auth}, "model": {"1211", 400, provider.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := usual(4)
				d.meet = from(30, c.status, c.code)
				res := Run(t.Context(), configOf(d, 1))
				if res.Kind != c.kind || res.Stopped == "" || res.Answer.Certain {
					t.Errorf("%+v", res)
				}
				if len(d.sent) > 30+DefaultMost || d.open != 0 {
					t.Errorf("%d calls were sent, the 30th was refused for good; %d are open", len(d.sent), d.open)
				}
				if len(res.Levels) == 0 {
					t.Error("what was measured is lost")
				}
			})
		})
	}
}

func TestAnEndpointThatRefusesEverything(t *testing.T) {
	for _, n := range []int{1, 40} {
		synctest.Test(t, func(t *testing.T) {
			d := usual(3)
			d.meet = from(n, 429, "1302")
			res := Run(t.Context(), configOf(d, 2))
			if res.Stopped == "" || len(d.sent) > n+mostShut*DefaultMost || d.open != 0 {
				t.Errorf("from call %d on: %+v after %d calls", n, res, len(d.sent))
			}
			if n == 1 && (!res.Answer.Refused || res.Answer.Low != 0) {
				t.Errorf("nothing was ever accepted: %+v", res.Answer)
			}
			if n > 1 && (res.Answer.Certain || len(res.Levels) == 0) {
				t.Errorf("%+v of %v", res.Answer, res.Levels)
			}
		})
	}
}

func TestAFailingEndpointIsLeftAlone(t *testing.T) {
	for name, meet := range map[string]func(int) *http.Response{
		"server": from(20, 500, "500"),
		"no stream": func(int) *http.Response {
			return respond(200, "application/json", `{"choices":[{"message":{"content":"1"}}]}`)
		},
		"a page": func(int) *http.Response { return respond(200, "text/html", `<html>`) },
		"empty":  func(int) *http.Response { return respond(200, "text/event-stream", "") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := usual(3)
				d.meet = meet
				res := Run(t.Context(), configOf(d, 3))
				if res.Stopped == "" || res.Answer.Certain || len(d.sent) > 20+mostSpoiled*DefaultMost {
					t.Errorf("%+v after %d calls", res, len(d.sent))
				}
			})
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := usual(2)
		const asked = 30
		refusedAt := map[int]time.Duration{}
		d.meet = func(call int) *http.Response {
			if d.open < 2 {
				return nil
			}
			refusedAt[call] = time.Since(d.began)
			return refusal(429, "1302", asked)
		}
		res := Run(t.Context(), configOf(d, 4))
		if a := res.Answer; !a.Certain || a.Low != 2 || a.High != 2 {
			t.Errorf("%+v %v", a, res.Levels)
		}
		for _, at := range refusedAt {
			for call, sent := range d.sent {
				// Those of the same moment were under way already.
				if gap := sent - at; gap > 50*time.Millisecond && gap < asked*time.Second {
					t.Fatalf("call %d was sent %v after a refusal that asks for %d s", call+1, gap, asked)
				}
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		d := usual(2)
		d.meet = func(call int) *http.Response {
			if call < 10 {
				return nil
			}
			return refusal(429, "1302", 3000)
		}
		if res := Run(t.Context(), configOf(d, 4)); res.Stopped == "" || res.Took > 10*time.Minute {
			t.Errorf("a provider that asks for an hour: %+v", res)
		}
	})
}

func TestAnInterruptKeepsWhatWasMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := usual(3)
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		res := Run(ctx, configOf(d, 6))
		if res.Stopped != "interrupted" || len(res.Levels) == 0 || res.Took > 41*time.Second || d.open != 0 {
			t.Errorf("%+v, %d open", res, d.open)
		}
	})
}

// Answers that end at once never overlap, whatever was started together.
func TestOnlyTrueOverlapCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := describe(scenario.Provider{Limit: slots(1)}, 1, scenario.Dist{})
		res := Run(t.Context(), configOf(d, 7))
		for _, l := range res.Levels {
			if l.Level > d.most {
				t.Errorf("%v, but at most %d were open", l, d.most)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		d := usual(5)
		res := Run(t.Context(), configOf(d, 7))
		if d.most != 5 || res.Answer.Low != 5 {
			t.Errorf("at most %d were open, and the answer is %+v", d.most, res.Answer)
		}
	})
}

func TestProgressGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := configOf(usual(2), 8)
		n := 0
		cfg.Progress = func(p Progress) {
			n++
			if p.Share < 0 || p.Share > 1 || p.Left < 0 || p.Next < 1 || p.Next > DefaultMost {
				t.Errorf("%+v", p)
			}
		}
		if res := Run(t.Context(), cfg); n < res.Rounds {
			t.Errorf("told %d times of %d rounds", n, res.Rounds)
		}
	})
}
