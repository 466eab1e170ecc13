package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/lab"
	"github.com/weirhq/weir/internal/scenario"
	"github.com/weirhq/weir/internal/simulate"
	"github.com/weirhq/weir/provider"
)

// What the laboratory and the code that it stands for may differ by.
const (
	goodputApart = 0.03 // share of the slots' time
	refusedApart = 0.01 // share of the attempts
	limitApart   = 1    // at the end, which may fall into a try
)

// loads marks the laboratory's random numbers of loads.
const loads = 0x6c6f6164 << 32

// noticed is how long a provider takes to notice a hang-up, where its description
// does not say. The laboratory's provider would notice it before the next call
// comes; over HTTP two connections race.
const noticed = 10 * time.Millisecond

// TestTheLaboratoryTellsTheTruth plays scenarios twice, under the same seeds: in the
// laboratory, and with the real governor and transport before the real simulated
// provider, over HTTP, in virtual time. What the laboratory leaves out (requests,
// streams, timers, goroutines) must make no difference that counts.
//
// Paces and penalties are not here: one refusal decides about much in them, so two
// runs that differ in one may go far apart, in the laboratory as well.
func TestTheLaboratoryTellsTheTruth(t *testing.T) {
	const seeds, length = 2, 30 * time.Minute
	for _, name := range []string{"hard-5", "drift-slow-8", "lag-1s-l4", "abort-lag", "noise-1pct-l4", "hints-half-l2", "holding-l3", "account-5"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc, err := lab.Scenario(name)
			if err != nil {
				t.Fatal(err)
			}
			sc.Length = length
			if p := &sc.Provider; p.Lag.Kind == scenario.Absent && p.AbortLag.Kind == scenario.Absent {
				p.AbortLag = scenario.Dist{Kind: scenario.Constant, Mean: noticed}
			}
			var virtual, real figures
			for seed := uint64(1); seed <= seeds; seed++ {
				v, r := inTheLaboratory(t, sc, seed), overHTTP(t, sc, seed)
				virtual.add(v)
				real.add(r)
				if r.limit < v.limit-limitApart || r.limit > v.limit+limitApart {
					t.Errorf("seed %d: the limit is %d at the end, %d in the laboratory", seed, r.limit, v.limit)
				}
			}
			real.slots = virtual.slots // the same provider
			t.Logf("laboratory: %v", virtual)
			t.Logf("real code:  %v", real)
			if d := real.goodput() - virtual.goodput(); d < -goodputApart || d > goodputApart {
				t.Errorf("goodput differs by %+.4f", d)
			}
			if d := real.refusals() - virtual.refusals(); d < -refusedApart || d > refusedApart {
				t.Errorf("the share of refusals differs by %+.4f", d)
			}
		})
	}
}

// figures are what is compared, added up over seeds.
type figures struct {
	slots, work       time.Duration // what there were, for their time; and what ran in them
	attempts, refused int
	limit             int // at the end; not added up
}

func (f *figures) add(g figures) {
	f.slots += g.slots
	f.work += g.work
	f.attempts += g.attempts
	f.refused += g.refused
}

func (f figures) goodput() float64  { return f.work.Seconds() / f.slots.Seconds() }
func (f figures) refusals() float64 { return float64(f.refused) / float64(max(1, f.attempts)) }

// String says it in a line.
func (f figures) String() string {
	return fmt.Sprintf("goodput %.4f, %d of %d refused (%.4f)", f.goodput(), f.refused, f.attempts, f.refusals())
}

// slotTime adds up a number over the time for which it holds.
func slotTime(steps []scenario.Step, until time.Duration) time.Duration {
	var sum time.Duration
	for i, s := range steps {
		end := until
		if i+1 < len(steps) {
			end = min(until, steps[i+1].At)
		}
		sum += time.Duration(s.Slots) * max(0, end-s.At)
	}
	return sum
}

// inTheLaboratory plays a scenario under one seed.
func inTheLaboratory(t *testing.T, sc *scenario.Scenario, seed uint64) figures {
	t.Helper()
	r, err := lab.Run(t.Context(), sc, lab.Options{Seeds: 1, First: seed, Trace: true, Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	return figures{
		slots: slotTime(r.Trace.Truth, sc.Length), work: slotTime(r.Trace.InFlight, sc.Length),
		attempts: r.Attempts, refused: len(r.Trace.Refused), limit: int(*r.LimitAtEnd),
	}
}

// overHTTP plays a scenario under one seed with the real code.
func overHTTP(t *testing.T, sc *scenario.Scenario, seed uint64) figures {
	t.Helper()
	f := figures{}
	synctest.Test(t, func(t *testing.T) {
		upstream, err := simulate.New(simulate.Config{Scenario: sc, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		pipes := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- upstream.Serve(ctx, pipes) }()
		governor, err := weir.New(weir.Config{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		base := &http.Transport{DialContext: pipes.dial, MaxIdleConnsPerHost: 64}
		client := &http.Client{Transport: &weir.Transport{Governor: governor, Base: base}}

		saturate(t, sc, seed, client)

		now := time.Now()
		f.limit = levelOf(governor, sc)
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		began := upstream.Stats().Since
		for _, e := range upstream.Entries() {
			f.attempts++
			if e.Verdict == simulate.VerdictRefused {
				f.refused++
			} else {
				f.work += e.End.Sub(e.Start)
			}
		}
		if n := upstream.Stats().Requests; n != f.attempts {
			t.Errorf("%d of %d requests are kept", f.attempts, n)
		}
		if length := now.Sub(began); length != sc.Length {
			t.Errorf("took %v", length)
		}
		governor.Close()
		base.CloseIdleConnections()
	})
	return f
}

// levelOf returns what the laboratory compares as well: the level of the first load's
// model or, if the account's limit binds, of the account.
func levelOf(g *weir.Governor, sc *scenario.Scenario) int {
	account := g.Snapshot().Accounts[0]
	if slices.Contains(sc.Causes(), scenario.CauseAccount) {
		return account.Limit
	}
	for _, l := range account.Lanes {
		if l.Model == sc.Load[0].Model {
			return l.Limit
		}
	}
	return 0
}

// saturate sends the calls of a scenario's loads, which are workers, until its end.
// They are drawn as the laboratory draws them, from the same random numbers, so that
// both see the same calls.
func saturate(t *testing.T, sc *scenario.Scenario, seed uint64, client *http.Client) {
	profile, ok := provider.Lookup("zai-coding")
	if !ok {
		t.Fatal("no such profile")
	}
	ctx, cancel := context.WithTimeout(t.Context(), sc.Length)
	defer cancel()
	var wg sync.WaitGroup
	for i, l := range sc.Load {
		var mu sync.Mutex
		rng := rand.New(rand.NewPCG(seed, loads|uint64(i)<<16))
		for who := range l.Workers {
			wg.Go(func() {
				for ctx.Err() == nil {
					mu.Lock()
					answer, hangUp := l.Answer.Draw(rng), 1.0
					if abort, where := rng.Float64(), rng.Float64(); abort < l.Abort {
						hangUp = where
					}
					think := l.Think.Draw(rng)
					mu.Unlock()
					c := &weir.Call{Profile: profile, Model: l.Model, Session: fmt.Sprint(i, "-", who), Stream: true}
					if err := send(ctx, client, c, answer, hangUp); err != nil && ctx.Err() == nil {
						t.Errorf("%v after %v: %v", c.Session, answer, err)
					}
					select {
					case <-time.After(think):
					case <-ctx.Done():
					}
				}
			})
		}
	}
	wg.Wait()
}

// send makes one call and reads its answer, or leaves at a share of the time from
// its first event to its end.
func send(ctx context.Context, client *http.Client, c *weir.Call, answer time.Duration, hangUp float64) error {
	var started time.Time // of the last attempt
	ctx = httptrace.WithClientTrace(weir.WithCall(ctx, c), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { started = time.Now() }})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body := fmt.Sprintf(`{"model":%q,"messages":[],"stream":true}`, c.Model)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://provider/api/coding/paas/v4/chat/completions", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set(simulate.AnswerHeader, answer.String())
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	if hangUp < 1 {
		left := max(0, answer-time.Since(started))
		leave := time.AfterFunc(time.Duration(hangUp*float64(left)), cancel)
		defer leave.Stop()
	}
	if _, err = io.Copy(io.Discard, resp.Body); hangUp < 1 {
		return nil
	}
	return err
}

// pipes are a listener and what dials it, without a socket.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Accept returns the other end of what has been dialled.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and dial.
func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Addr returns the address of no socket.
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
