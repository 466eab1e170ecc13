package main

import (
	"context"
	"fmt"
	"log"
	"slices"
	"time"
)

// settling is how long a gateway is left alone before its memory is read: a
// collection or two fall into it.
const settling = 2 * time.Second

// fewWaiting is a queue that anybody could search through, for comparison; it
// must outlast the admissions that are measured.
const fewWaiting = 64

// memory measures what an open stream and a waiting request cost, each in a
// process that has done nothing before, as Go gives memory back late.
func memory(ctx context.Context, b *bench) (report, error) {
	open := rounds{map[string][]float64{}, map[string][]float64{}}
	for range min(b.rounds, 3) {
		for _, gateway := range []struct {
			name string
			into map[string][]float64
		}{{"bare", open.bare}, {"weir", open.weir}} {
			kb, err := b.openStreams(ctx, gateway.name, 1000)
			if err != nil {
				return report{}, fmt.Errorf("open streams through %s: %w", gateway.name, err)
			}
			gateway.into["kb"] = append(gateway.into["kb"], kb)
		}
	}
	waiting, notes, err := b.waitingRequests(ctx)
	if err != nil {
		return report{}, fmt.Errorf("waiting requests: %w", err)
	}
	few := map[string][]float64{}
	if err := b.crowd(ctx, "weir", fewWaiting, few, b.admissions); err != nil {
		return report{}, fmt.Errorf("few waiting requests: %w", err)
	}
	next := waiting.weir["next"]
	return report{Rows: []row{
		open.row("kb", "memory of an open stream", "KB").atMost(1.3),
		waiting.row("kb", "memory of a waiting request of 2 KB", "KB").atMost(1.3),
		waiting.row("mb", "memory of them all", "MB"),
		waiting.row("cpu", "CPU to take one in", "µs"),
		only("next admission, of so many, median", "ms", median(next)).below(1),
		only("next admission, slowest", "ms", percentile(next, 1)),
		only(fmt.Sprintf("next admission, of %d, median", fewWaiting), "ms", median(few["next"])),
		only("next admission, what the queue's length adds", "ms", median(next)-median(few["next"])),
	}, Notes: notes}, nil
}

// fresh starts the named gateway alone and sends it a few requests, so that
// what every gateway builds once is there. limit is weir's.
func (b *bench) fresh(ctx context.Context, name, limit string) (*process, int64, error) {
	start := func() (*process, error) { return b.startWeir(ctx, limit, "") }
	if name == "bare" {
		start = func() (*process, error) { return b.startBare(ctx) }
	}
	p, err := start()
	if err != nil {
		return nil, 0, err
	}
	warm := load{target: p, prompt: prompt{do: "do=json"}, conns: 1, every: 10 * time.Millisecond, length: 500 * time.Millisecond}
	if _, err := warm.run(ctx); err != nil {
		p.stop()
		return nil, 0, err
	}
	base, err := p.memory()
	if err != nil {
		p.stop()
		return nil, 0, err
	}
	return p, base, nil
}

// openStreams returns the KB of resident memory for each of n open streams.
func (b *bench) openStreams(ctx context.Context, name string, n int) (float64, error) {
	p, base, err := b.fresh(ctx, name, fmt.Sprint(b.limit))
	if err != nil {
		return 0, err
	}
	defer p.stop()
	s, err := openStreams(ctx, p, n, time.Millisecond, prompt{do: "do=stream&every=500ms&chunks=1000000", stream: true}, nil)
	if err != nil {
		return 0, err
	}
	defer s.close()
	if err := s.await(ctx, 3, 60*time.Second); err != nil {
		return 0, err
	}
	if err := sleep(ctx, settling); err != nil {
		return 0, err
	}
	full, err := p.memory()
	return float64(full-base) / 1024 / float64(n), err
}

// waitingRequests fills bare with calls that hang at the provider and weir, with
// limit 1, with calls of two accounts that wait in weir. The proxy needs two
// connections for each call, so it may have to do with fewer; figures are for
// each call.
func (b *bench) waitingRequests(ctx context.Context) (rounds, []string, error) {
	r := rounds{map[string][]float64{}, map[string][]float64{}}
	const spare = 200 // files for everything else
	n := min(b.waiting, openFiles()-spare) / 2 * 2
	inBare := min(n, (openFiles()-spare)/2)
	notes := []string{fmt.Sprintf("%d requests wait in weir, %d are open through bare", n, inBare)}
	if inBare < n {
		notes = append(notes, fmt.Sprintf("bare needs two files a call and may have %d open", openFiles()))
	}
	for range min(b.rounds, 2) {
		if err := b.crowd(ctx, "bare", inBare, r.bare, nil); err != nil {
			return r, nil, fmt.Errorf("bare: %w", err)
		}
		if err := b.crowd(ctx, "weir", n, r.weir, b.admissions); err != nil {
			return r, nil, fmt.Errorf("weir: %w", err)
		}
	}
	return r, notes, nil
}

// crowd lets n calls of two accounts wait in the named gateway, measures it, and
// calls then with the gateway still full.
func (b *bench) crowd(ctx context.Context, name string, n int, into map[string][]float64, then func(context.Context) ([]float64, error)) error {
	if err := b.reset(ctx, 0, 0); err != nil {
		return err
	}
	p, base, err := b.fresh(ctx, name, "1")
	if err != nil {
		return err
	}
	defer p.kill() // it would wait for the hanging calls
	before, err := p.cpu()
	if err != nil {
		return err
	}
	g, err := gather(ctx, p, n, prompt{do: "do=hang"}, "bench-a", "bench-b")
	if err != nil {
		return err
	}
	defer g.close()
	if name == "bare" {
		err = b.awaitOpen(ctx, n, time.Minute)
	} else if err = b.awaitOpen(ctx, 2, time.Minute); err == nil {
		err = p.awaitQueued(ctx, n-2, time.Minute)
	}
	if err != nil {
		return fmt.Errorf("%w %s", err, g.bad())
	}
	after, err := p.cpu()
	if err != nil {
		return err
	}
	if err := sleep(ctx, settling); err != nil {
		return err
	}
	full, err := p.memory()
	if err != nil {
		return err
	}
	into["kb"] = append(into["kb"], float64(full-base)/1024/float64(n))
	into["mb"] = append(into["mb"], float64(full-base)/(1<<20))
	into["cpu"] = append(into["cpu"], float64((after-before).Microseconds())/float64(n))
	if then != nil {
		found, err := then(ctx)
		if err != nil {
			return err
		}
		into["next"] = append(into["next"], found...)
	}
	if bad := g.bad(); bad != "" {
		log.Printf("%s: answers nobody asked for: %s", name, bad)
	}
	return nil
}

// admissions ends running calls, one account after the other, and returns in ms
// how long after each end the account's next call reached the provider.
func (b *bench) admissions(ctx context.Context) ([]float64, error) {
	var took []float64
	accounts := []string{"bench-a", "bench-b"}
	for i := range 30 {
		account := accounts[i%len(accounts)]
		if err := b.end(ctx, account); err != nil {
			return nil, err
		}
		// Whoever asks at once takes the provider's time from what is measured.
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
		err := await(ctx, 20*time.Second, func() (bool, string, error) {
			s, err := b.seen(ctx)
			if err != nil {
				return false, "", err
			}
			ms, ok := handover(s.Calls, account)
			if ok {
				took = append(took, ms)
			}
			return ok, "no other call of the account has reached the provider", nil
		})
		if err != nil {
			return nil, err
		}
	}
	return took, nil
}

// handover returns how many ms passed at the provider between the last answer to
// an account and the arrival of the call that is open now, if one is.
func handover(calls []call, account string) (float64, bool) {
	var freed int64
	var next *call
	for i, c := range calls {
		switch {
		case c.Account != account:
		case c.Outcome == "open":
			next = &calls[i]
		default:
			freed = max(freed, c.Freed)
		}
	}
	if next == nil || next.Arrived < freed {
		return 0, false
	}
	return float64(next.Arrived-freed) / 1e6, true
}

// abandoned is what is left in weir after a crowd in its queue hung up.
type abandoned struct {
	queued, inFlight float64 // by weir's own account
	attempts         int     // calls that reached the provider, the running one aside
	empty            float64 // ms until the queue was empty
	next             float64 // ms that a new call took afterwards
	kept             float64 // MB that the process holds more than before the crowd
}

// abandon lets n calls queue behind a running one and hang up all at once.
func (b *bench) abandon(ctx context.Context, n int) (abandoned, error) {
	var a abandoned
	if err := b.reset(ctx, 0, 0); err != nil {
		return a, err
	}
	p, base, err := b.fresh(ctx, "weir", "1")
	if err != nil {
		return a, err
	}
	defer p.stop()
	running, err := gather(ctx, p, 1, prompt{do: "do=hang"}, "bench-a")
	if err != nil {
		return a, err
	}
	defer running.close()
	if err := b.awaitOpen(ctx, 1, 10*time.Second); err != nil {
		return a, err
	}
	waiting, err := gather(ctx, p, n, prompt{do: "do=hang"}, "bench-a")
	if err != nil {
		return a, err
	}
	defer waiting.close()
	if err := p.awaitQueued(ctx, n, 30*time.Second); err != nil {
		return a, fmt.Errorf("%w %s", err, waiting.bad())
	}
	left := waiting.close()
	if err := p.awaitQueued(ctx, 0, 10*time.Second); err != nil {
		log.Print(err) // shows in the figures
	}
	a.empty = float64(time.Since(left).Microseconds()) / 1e3
	if err := b.end(ctx, "bench-a"); err != nil {
		return a, err
	}
	c, err := dial(ctx, p.url)
	if err != nil {
		return a, err
	}
	defer c.Close()
	sent := time.Now()
	if err := c.expect(prompt{do: "do=json&id=after"}.request(p.url), nil); err != nil {
		return a, err
	}
	a.next = float64(time.Since(sent).Microseconds()) / 1e3
	if err := sleep(ctx, settling); err != nil {
		return a, err
	}
	s, err := p.state(ctx)
	if err != nil {
		return a, err
	}
	a.queued, a.inFlight = s.sum("queued"), s.sum("in_flight")
	calls, err := b.seen(ctx)
	if err != nil {
		return a, err
	}
	hung := slices.DeleteFunc(calls.Calls, func(c call) bool { return c.ID == "after" })
	a.attempts = len(hung) - 1
	full, err := p.memory()
	a.kept = float64(full-base) / (1 << 20)
	return a, err
}
