package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// figures are what one measurement of one gateway found, by name.
type figures map[string]float64

// rounds are the figures of both gateways, round by round.
type rounds struct{ bare, weir map[string][]float64 }

// interleave measures both gateways in turn; who comes first alternates, so that
// a machine that slows down wrongs neither.
func (b *bench) interleave(n int, p pair, measure func(*process) (figures, error)) (rounds, error) {
	r := rounds{map[string][]float64{}, map[string][]float64{}}
	for i := range n {
		turns := []*process{p.bare, p.weir}
		if i%2 == 1 {
			turns[0], turns[1] = turns[1], turns[0]
		}
		for _, target := range turns {
			found, err := measure(target)
			if err != nil {
				return r, fmt.Errorf("%s: %w", target.name, err)
			}
			into := r.weir
			if target == p.bare {
				into = r.bare
			}
			for name, x := range found {
				into[name] = append(into[name], x)
			}
		}
	}
	return r, nil
}

// row makes a row of the figures of one name.
func (r rounds) row(name, what, unit string) row {
	return compare(what, unit, r.bare[name], r.weir[name])
}

// A load is a number of connections that each send the same request.
type load struct {
	target *process
	prompt prompt
	conns  int
	// every is the time between two requests of one connection; 0 means that
	// the next is sent as soon as the last is answered.
	every  time.Duration
	length time.Duration
}

// A yield is what a load has brought.
type yield struct {
	requests, events int
	latencies        []float64 // µs from the request's write to its answer's end
	cpu              time.Duration
	waited           float64 // seconds that all requests together waited in weir's queue
}

// perRequest is the gateway's CPU time for a request in µs.
func (y yield) perRequest() float64 { return float64(y.cpu.Microseconds()) / float64(y.requests) }

// perEvent is the gateway's CPU time for an event in µs.
func (y yield) perEvent() float64 { return float64(y.cpu.Microseconds()) / float64(y.events) }

// perWait is how long a request waited in weir's queue in ms. Where it is not
// about 0, the load has met a limit and the other figures contain the queue.
func (y yield) perWait() float64 { return 1e3 * y.waited / float64(y.requests) }

// run runs the load once, after a short warm-up that is not counted.
func (l load) run(ctx context.Context) (yield, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request := l.prompt.request(l.target.url)
	conns := make([]*conn, l.conns)
	for i := range conns {
		c, err := dial(ctx, l.target.url)
		if err != nil {
			return yield{}, err
		}
		defer c.Close()
		conns[i] = c
	}
	l.drive(ctx, cancel, conns, request, l.length/8)
	waited, err := l.target.waited(ctx)
	if err != nil {
		return yield{}, err
	}
	before, err := l.target.cpu()
	if err != nil {
		return yield{}, err
	}
	y := l.drive(ctx, cancel, conns, request, l.length)
	after, err := l.target.cpu()
	if err != nil {
		return yield{}, err
	}
	if err := context.Cause(ctx); err != nil {
		return yield{}, err
	}
	y.cpu = after - before
	y.waited, err = l.target.waited(ctx)
	y.waited -= waited
	return y, err
}

// drive sends requests over all connections for a time. The first error ends
// all through fail.
func (l load) drive(ctx context.Context, fail context.CancelCauseFunc, conns []*conn, request []byte, length time.Duration) yield {
	var all yield
	var mu sync.Mutex // guards all
	var wg sync.WaitGroup
	began := time.Now()
	for i, c := range conns {
		wg.Go(func() {
			mine := audience{}
			var latencies []float64
			due := began.Add(l.every * time.Duration(i) / time.Duration(len(conns)))
			for ctx.Err() == nil && time.Since(began) < length {
				if l.every > 0 {
					if sleep(ctx, time.Until(due)) != nil {
						return
					}
					due = due.Add(l.every)
				}
				sent := time.Now()
				if err := c.expect(request, mine.piece); err != nil {
					fail(err)
					return
				}
				latencies = append(latencies, float64(time.Since(sent).Nanoseconds())/1e3)
			}
			mu.Lock()
			defer mu.Unlock()
			all.requests += len(latencies)
			all.events += mine.events
			all.latencies = append(all.latencies, latencies...)
		})
	}
	wg.Wait()
	return all
}

// waitRow is the check on the premise that nobody waits.
const waitRow = "wait in the queue a request (premise: 0)"

// small measures requests of 2 KB that are answered at once with 1 KB.
func small(ctx context.Context, b *bench) (report, error) {
	p, err := b.startBoth(ctx)
	if err != nil {
		return report{}, err
	}
	defer p.stop()
	const perSecond, conns = 200, 10
	r, err := b.interleave(b.rounds, p, func(target *process) (figures, error) {
		full, err := load{target: target, prompt: prompt{do: "do=json"}, conns: 64, length: b.length}.run(ctx)
		if err != nil {
			return nil, err
		}
		steady, err := load{target: target, prompt: prompt{do: "do=json"}, conns: conns,
			every: time.Second * conns / perSecond, length: b.length}.run(ctx)
		if err != nil {
			return nil, err
		}
		return figures{
			"full":   full.perRequest(),
			"wait":   full.perWait(),
			"rate":   float64(full.requests) / b.length.Seconds(),
			"steady": steady.perRequest(),
			"p50":    percentile(steady.latencies, 0.50),
			"p99":    percentile(steady.latencies, 0.99),
		}, nil
	})
	return report{Rows: []row{
		r.row("full", "CPU a request, saturated", "µs").atMost(1.4),
		r.row("steady", "CPU a request at 200/s", "µs"),
		r.row("p50", "latency p50 at 200/s", "µs").atMost(1.3),
		r.row("p99", "latency p99 at 200/s", "µs").atMost(1.25),
		r.row("rate", "requests a second, saturated", "1/s"),
		r.row("wait", waitRow, "ms"),
	}}, err
}

// bodies measures requests with an agent's whole context in them.
func bodies(ctx context.Context, b *bench) (report, error) {
	p, err := b.startBoth(ctx)
	if err != nil {
		return report{}, err
	}
	defer p.stop()
	r, err := b.interleave(b.rounds, p, func(target *process) (figures, error) {
		found := figures{}
		for _, body := range []struct {
			name string
			size int
		}{{"100k", 100 << 10}, {"1m", 1 << 20}} {
			y, err := load{target: target, prompt: prompt{do: "do=json", size: body.size}, conns: 4, length: b.length}.run(ctx)
			if err != nil {
				return nil, err
			}
			found[body.name] = y.perRequest()
			found[body.name+" p50"] = percentile(y.latencies, 0.5) / 1e3
			found["wait"] = y.perWait() // of the larger ones
		}
		return found, nil
	})
	return report{Rows: []row{
		r.row("100k", "CPU a request of 100 KB", "µs").atMost(1.15),
		r.row("1m", "CPU a request of 1 MB", "µs").atMost(1.15),
		r.row("100k p50", "latency p50 at 100 KB, 4 at once", "ms"),
		r.row("1m p50", "latency p50 at 1 MB, 4 at once", "ms"),
		r.row("wait", waitRow, "ms"),
	}}, err
}

// burst measures streams whose chunks come as fast as they can.
func burst(ctx context.Context, b *bench) (report, error) {
	p, err := b.startBoth(ctx)
	if err != nil {
		return report{}, err
	}
	defer p.stop()
	r, err := b.interleave(b.rounds, p, func(target *process) (figures, error) {
		y, err := load{target: target, prompt: prompt{do: "do=stream&chunks=200", stream: true}, conns: 8, length: b.length}.run(ctx)
		if err != nil {
			return nil, err
		}
		return figures{"cpu": y.perEvent(), "wait": y.perWait()}, nil
	})
	return report{Rows: []row{
		r.row("cpu", "CPU a chunk in a burst", "µs").atMost(1.1),
		r.row("wait", waitRow, "ms"),
	}}, err
}

// lone measures streams whose chunks come one by one.
func lone(ctx context.Context, b *bench) (report, error) {
	p, err := b.startBoth(ctx)
	if err != nil {
		return report{}, err
	}
	defer p.stop()
	r, err := b.interleave(b.rounds, p, func(target *process) (figures, error) {
		return b.listen(ctx, target, b.streams)
	})
	return report{Rows: []row{
		r.row("cpu", "CPU a lone chunk", "µs").atMost(1.15),
		r.row("p50", "chunk delay p50", "ms").within(0.1),
		r.row("p99", "chunk delay p99", "ms"),
	}, Notes: []string{fmt.Sprintf("%d streams at once", b.streams)}}, err
}

// listen opens streams with a chunk each 50 ms and measures in their midst,
// when all are open and none has ended.
func (b *bench) listen(ctx context.Context, target *process, streams int) (figures, error) {
	var on atomic.Bool
	var events atomic.Int64
	do := fmt.Sprintf("do=stream&every=50ms&chunks=%d", b.length/(50*time.Millisecond)+1_000_000)
	open, err := openStreams(ctx, target, streams, 50*time.Millisecond/time.Duration(streams),
		prompt{do: do, stream: true}, func() *audience {
			last := 0
			a := &audience{listen: on.Load}
			a.heard = func(n int) {
				if on.Load() {
					events.Add(int64(n - last))
				}
				last = n
			}
			return a
		})
	if err != nil {
		return nil, err
	}
	defer open.close()
	if err := open.await(ctx, 3, 30*time.Second); err != nil {
		return nil, err
	}
	before, err := target.cpu()
	if err != nil {
		return nil, err
	}
	on.Store(true)
	if err := sleep(ctx, b.length); err != nil {
		return nil, err
	}
	on.Store(false)
	after, err := target.cpu()
	if err != nil {
		return nil, err
	}
	delays := open.close()
	if err := open.whole(); err != nil {
		return nil, err
	}
	return figures{
		"cpu": float64((after - before).Microseconds()) / float64(events.Load()),
		"p50": percentile(delays, 0.50),
		"p99": percentile(delays, 0.99),
	}, nil
}
