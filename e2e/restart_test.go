package e2e

import (
	"context"
	"sync"
	"testing"
	"time"
)

func TestRestart(t *testing.T) {
	t.Parallel()
	t.Run("calls that a kill cuts off succeed when their SDK asks again", func(t *testing.T) {
		t.Parallel()
		testCutOff(t)
	})
	t.Run("what was learned before a kill is known after it", func(t *testing.T) {
		t.Parallel()
		testLearned(t)
	})
}

// testCutOff kills the gateway while one call runs and seven wait. None of them
// has a head yet, for SDKs send no call again whose answer has begun.
func testCutOff(t *testing.T) {
	s := startSimulator(t, 1, "restart.json")
	g := startGateway(t, s)
	// More retries than the two of the default: one may meet a closed port.
	c := newClients(t, g.url, 6)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.overlap(t, 4, "openai", "anthropic")
	}()
	t.Cleanup(func() { <-done })
	eventually(t, "one call runs and seven wait", func() bool {
		now := g.shown(t)
		return s.stats(t).InFlight == 1 && now.InFlight+now.Queued == 8
	})
	g.kill()
	g.restart(t)
	<-done
	if c.retried.Load() < 8 {
		t.Errorf("the SDKs sent %d requests again, want all 8", c.retried.Load())
	}
	stats := s.stats(t)
	if stats.OK != 8 || stats.Aborted != 1 {
		t.Errorf("the provider answered %d calls and saw %d cut off, want 8 and 1", stats.OK, stats.Aborted)
	}
}

// testLearned keeps a gateway busy until it has found a limit, and kills it
// when that has had time to be written down.
func testLearned(t *testing.T) {
	s := startSimulator(t, 3, "steady.json")
	g := startGateway(t, s)
	client := newPlainClient(t)
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 6 {
		load.Go(func() {
			for ctx.Err() == nil {
				if r, err := post(ctx, client, g.url, "Count the kestrels"); err == nil && !r.complete() {
					t.Errorf("status %d: %s", r.status, r.body)
				}
			}
		})
	}
	defer load.Wait()
	defer stop()
	var learned int
	var since time.Time
	eventually(t, "the same limit above 1 is shown for longer than the second that a crash may cost", func() bool {
		if now := g.shown(t).limit(t); now != learned {
			learned, since = now, time.Now()
		}
		return learned > 1 && time.Since(since) > 1200*time.Millisecond
	})
	g.kill()
	stop()
	load.Wait()
	g.restart(t)
	// It may have risen once more just before the kill.
	if got := g.shown(t).limit(t); got < learned {
		t.Errorf("the limit is %d after the restart, want %d as before", got, learned)
	}
	if r, err := post(t.Context(), client, g.url, "Count the kestrels"); err != nil || !r.complete() {
		t.Errorf("after the restart: status %d, %v: %s", r.status, err, r.body)
	}
}
