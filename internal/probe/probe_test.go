package probe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
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
	open   int
	most   int
	calls  int
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
	d.calls++
	if d.meet != nil {
		if resp := d.meet(d.calls); resp != nil {
			d.mu.Unlock()
			return resp, nil
		}
	}
	took := d.answer.Draw(d.random)
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

// The figure of docs/probe.md: in at least 95 of 100 runs over limits 1 to 8, with noise,
// lag and penalties, the true limit lies in the answer.
func TestTheAnswerHoldsTheLimit(t *testing.T) {
	const first = 0
	right, certain, unsure, exact := 0, 0, 0, 0
	var took time.Duration
	calls := 0
	for seed := range uint64(100) {
		seed += first
		limit := int(seed%8) + 1
		random := rand.New(rand.NewPCG(seed, 99))
		p := scenario.Provider{
			Limit: slots(limit), Noise: []float64{0, 0.01, 0.03, 0.05}[random.IntN(4)],
			FirstEvent: between(200*time.Millisecond, 800*time.Millisecond), RefusalTakes: between(50*time.Millisecond, 300*time.Millisecond),
		}
		if random.IntN(2) == 0 {
			p.Lag = between(0, time.Duration(200+random.IntN(1500))*time.Millisecond)
		}
		if random.IntN(3) == 0 {
			p.Penalty = between(time.Second, 4*time.Second)
		}
		var res Result
		synctest.Test(t, func(t *testing.T) {
			res = Run(t.Context(), configOf(describe(p, seed, between(2*time.Second, 5*time.Second)), seed))
		})
		a := res.Answer
		in := a.Low <= limit && (limit <= a.High || a.Open)
		took += res.Took
		calls += res.Calls
		switch {
		case in:
			right++
		case !a.Certain:
			unsure++
		}
		if a.Certain {
			certain++
		}
		if a.Low == limit && (a.High == limit) {
			exact++
		}
		if !in || !a.Certain {
			t.Logf("seed %d, limit %d, noise %g, lag %v, penalty %v: %+v %v %s", seed, limit, p.Noise, p.Lag.Max, p.Penalty.Max, a, res.Levels, res.Stopped)
		}
	}
	t.Logf("right %d of 100 (exactly %d, certain %d); of the others %d say that they are not certain; %v and %d calls each", right, exact, certain, unsure, took/100, calls/100)
	if right < 95 {
		t.Errorf("right %d of 100", right)
	}
	if 2*unsure < 100-right {
		t.Errorf("%d of %d wrong answers were given as certain", 100-right-unsure, 100-right)
	}
}

var _ = strings.Contains
