package e2e

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestLaboratory plays one scenario twice: in the laboratory's virtual time, and
// in real time with a real gateway in front of a real simulated provider. The
// same file describes both. What the one says must come out in the other.
func TestLaboratory(t *testing.T) {
	t.Parallel()
	const (
		workers = 12
		span    = time.Minute
		slots   = 15*4 + 12*2 + 33*4 // slot seconds that the provider has
	)
	file, err := filepath.Abs(filepath.Join("testdata", "lab.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	virtual := laboratory(t, file)

	s := startScenario(t, file)
	g := startGateway(t, s)
	client := newPlainClient(t)
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				if r, err := post(ctx, client, g.url, "think"); err == nil && !r.complete() {
					t.Errorf("status %d: %s", r.status, r.body)
				}
			}
		})
	}
	course := g.course(t, ctx)
	wg.Wait()

	// The limit's course: from a step of the provider's to the same step of weir's.
	for _, step := range []struct {
		what    string
		at      time.Duration // of the provider's step
		by      time.Duration // the next one
		limit   int
		virtual float64 // seconds, the laboratory's median
	}{
		{"the limit is found", 0, 15 * time.Second, 4, virtual.FindS},
		{"a fall is followed", 15 * time.Second, 27 * time.Second, 2, virtual.DropS},
		{"a rise is followed", 27 * time.Second, span, 4, virtual.RiseS},
	} {
		took := course.reached(step.limit, step.at, step.by)
		t.Logf("%s after %v, in the laboratory after %.1fs", step.what, took, step.virtual)
		if took < 0 {
			t.Errorf("%s: not before the next step; in the laboratory after %.1fs", step.what, step.virtual)
		}
	}
	var worked time.Duration
	accepted, refused := 0, 0
	for _, a := range s.log(t) {
		switch a.Verdict {
		case "ok", "aborted":
			accepted++
			worked += a.End.Sub(a.Start)
		case "refused":
			refused++
		}
	}
	goodput, share := worked.Seconds()/slots, float64(refused)/float64(accepted+refused)
	t.Logf("real: goodput %.3f, %d of %d refused; laboratory: goodput %.3f, refused %.4f", goodput, refused, accepted+refused, virtual.Goodput, virtual.Refused)
	if g.shown(t).limit(t) != virtual.LimitAtEnd {
		t.Errorf("the limit is %d at the end, %d in the laboratory", g.shown(t).limit(t), virtual.LimitAtEnd)
	}
	// One run, on a machine that has other things to do: loosely.
	if goodput < virtual.Goodput-0.15 || share > 2*virtual.Refused+0.02 {
		t.Errorf("real: goodput %.3f, refused %.4f; laboratory: %.3f, %.4f", goodput, share, virtual.Goodput, virtual.Refused)
	}
}

// TestLaboratoryBatch plays a batch twice, as [TestLaboratory] does with endless
// load. Each call says how long its answer takes, so that the work is known.
func TestLaboratoryBatch(t *testing.T) {
	t.Parallel()
	const workers, tasks = 16, 64
	file, err := filepath.Abs(filepath.Join("testdata", "batch.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	virtual := laboratory(t, file)

	s := startScenario(t, file)
	g := startGateway(t, s)
	client := newPlainClient(t)
	answers := make(chan time.Duration, tasks)
	random := rand.New(rand.NewPCG(1, 64))
	var work time.Duration
	for range tasks {
		answer := 300*time.Millisecond + time.Duration(random.IntN(601))*time.Millisecond
		work += answer
		answers <- answer
	}
	close(answers)
	began := time.Now()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for answer := range answers {
				if r, err := post(t.Context(), client, g.url, "think", "X-Simulate-Answer", answer.String()); err != nil || !r.complete() {
					t.Errorf("status %d, %v: %s", r.status, err, r.body)
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began)

	stats := s.stats(t)
	ideal := shortest(work, began.Sub(stats.Since))
	ratio := took.Seconds() / ideal.Seconds()
	t.Logf("real: %.2fs for %.2fs, ratio %.3f, %d refused; laboratory: ratio %.3f, worst %.3f, %.1f refused, worst %d",
		took.Seconds(), ideal.Seconds(), ratio, stats.Refused, virtual.MakespanRatio, virtual.MakespanWorst, virtual.Refusals, virtual.RefusalsWorst)
	// One run, on a machine that has other things to do: loosely.
	if ratio < 0.9*virtual.MakespanRatio || ratio > 1.1*virtual.MakespanWorst {
		t.Errorf("the batch took %.3f of the ideal time, in the laboratory %.3f, at worst %.3f", ratio, virtual.MakespanRatio, virtual.MakespanWorst)
	}
	if stats.Refused > virtual.RefusalsWorst+4 {
		t.Errorf("%d refused, in the laboratory %.1f, at worst %d", stats.Refused, virtual.Refusals, virtual.RefusalsWorst)
	}
}

// shortest returns how long so much work takes in the slots of testdata/batch.yaml,
// from a moment on, if it can be shared out at will.
func shortest(work, from time.Duration) time.Duration {
	const fall, rise = 5 * time.Second, 11 * time.Second
	at := from
	for _, step := range []struct {
		until time.Duration
		slots time.Duration
	}{{fall, 4}, {rise, 2}} {
		room := max(0, step.until-at) * step.slots
		if room >= work {
			return at + work/step.slots - from
		}
		work -= room
		at = max(at, step.until)
	}
	return at + work/4 - from
}

// startScenario starts a provider that a scenario file describes, and waits until it
// is there.
func startScenario(t *testing.T, file string) *simulator {
	t.Helper()
	p := startWeir(t, "simulate", "--listen", "127.0.0.1:0", "--log", filepath.Join(t.TempDir(), "log"), file)
	s := &simulator{program: p, url: address(t, p, p.stderr, "simulated provider on")}
	ready(t, p, s.url+"/healthz")
	return s
}

// played is what the tests read of the laboratory's result.
type played struct {
	Goodput    float64 `json:"goodput"`
	Refused    float64 `json:"refused"`
	LimitAtEnd int     `json:"limit_at_end"`
	FindS      float64 `json:"find_s"`
	DropS      float64 `json:"drop_s"`
	RiseS      float64 `json:"rise_s"`

	MakespanRatio float64 `json:"makespan_ratio"`
	MakespanWorst float64 `json:"makespan_worst"`
	Refusals      float64 `json:"refusals"`
	RefusalsWorst int     `json:"refusals_worst"`
}

// A course is a learned limit as it was seen, every tenth of a second or so.
type course []struct {
	at    time.Duration
	limit int
}

// course looks at the limit until the context ends.
func (g *gateway) course(t *testing.T, ctx context.Context) course {
	t.Helper()
	began := time.Now()
	var c course
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return c
		case <-tick.C:
			limit := g.shown(t).limit(t)
			c = append(c, struct {
				at    time.Duration
				limit int
			}{time.Since(began), limit})
		}
	}
}

// reached returns how long after a moment the limit was first seen to be so high,
// or less than nothing if it was not before another moment.
func (c course) reached(limit int, after, before time.Duration) time.Duration {
	for _, p := range c {
		if p.at >= after && p.at < before && p.limit == limit {
			return p.at - after
		}
	}
	return -1
}

// laboratory plays a scenario file in virtual time.
func laboratory(t *testing.T, file string) played {
	t.Helper()
	p := startWeir(t, "lab", file, "--seeds", "20", "--json")
	if status := p.wait(t); status != 0 {
		t.Fatalf("weir lab: exit status %d: %s", status, p.stderr.text())
	}
	var r played
	if err := json.Unmarshal([]byte(p.stdout.text()), &r); err != nil {
		t.Fatalf("weir lab --json: %v: %s", err, p.stdout.text())
	}
	return r
}
