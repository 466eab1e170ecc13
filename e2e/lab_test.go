package e2e

import (
	"context"
	"encoding/json"
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
		span    = 45 * time.Second
		slots   = 15*4 + 12*2 + 18*4 // slot seconds that the provider has
	)
	file, err := filepath.Abs(filepath.Join("testdata", "lab.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	virtual := laboratory(t, file)

	p := startWeir(t, "simulate", "--listen", "127.0.0.1:0", "--log", filepath.Join(t.TempDir(), "log"), file)
	s := &simulator{program: p, url: address(t, p, p.stderr, "simulated provider on")}
	ready(t, p, s.url+"/healthz")
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
	wg.Wait()

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

// played is what the tests read of the laboratory's result.
type played struct {
	Goodput    float64 `json:"goodput"`
	Refused    float64 `json:"refused"`
	LimitAtEnd int     `json:"limit_at_end"`
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
