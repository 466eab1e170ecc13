package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"time"
)

// watch measures what it costs that people can see what goes on: weir against a weir
// that keeps no journal, counts nothing and has nothing for its page.
func watch(ctx context.Context, b *bench) (report, error) {
	p, err := b.startWatched(ctx)
	if err != nil {
		return report{}, err
	}
	defer p.stop()
	const perSecond, conns = 200, 10
	r, err := b.interleave(b.rounds, p, func(target *process) (figures, error) {
		steady := load{target: target, prompt: prompt{do: "do=json"}, conns: conns,
			every: time.Second * conns / perSecond, length: b.length}
		y, err := steady.run(ctx)
		if err != nil {
			return nil, err
		}
		found := figures{"cpu": y.perRequest(), "wait": y.perWait(), "p50": percentile(y.latencies, 0.5), "p99": percentile(y.latencies, 0.99)}
		found["page"] = found["cpu"]
		if target == p.weir {
			stop := openPage(ctx, target)
			y, err = steady.run(ctx)
			if err := errors.Join(err, stop()); err != nil {
				return nil, err
			}
			found["page"] = y.perRequest()
		}
		return found, nil
	})
	return report{Against: "unseen", Rows: []row{
		r.row("cpu", "CPU a request at 200/s", "µs").atMost(1.15),
		r.row("page", "the same while a page is open", "µs").atMost(1.15),
		r.row("p50", "latency p50 at 200/s", "µs"),
		r.row("p99", "latency p99 at 200/s", "µs"),
		r.row("wait", waitRow, "ms"),
	}, Notes: []string{"unseen is weir without journal, metrics and what the page shows (-tags unobserved)"}}, err
}

// startWatched starts a weir that is seen and, in bare's place, one that is not.
func (b *bench) startWatched(ctx context.Context) (pair, error) {
	if b.unobserved == "" {
		b.unobserved = filepath.Join(b.dir, "weir-unobserved")
		if err := build(ctx, b.unobserved, "./cmd/weir", "unobserved"); err != nil {
			return pair{}, err
		}
	}
	weir, err := b.startWeir(ctx, strconv.Itoa(b.limit), "")
	if err != nil {
		return pair{}, err
	}
	observed := b.weir
	b.weir = b.unobserved
	unseen, err := b.startWeir(ctx, strconv.Itoa(b.limit), "")
	b.weir = observed
	if err != nil {
		weir.stop()
		return pair{}, err
	}
	unseen.name = "unseen" // it has no metrics to be asked for
	return pair{bare: unseen, weir: weir}, nil
}

// openPage reads what a page reads while it is open, until the function that comes back
// is called.
func openPage(ctx context.Context, target *process) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.url.JoinPath("weir", "api", "events").String(), nil)
		if err != nil {
			done <- err
			return
		}
		req.Header.Set("Accept-Encoding", "gzip") // by hand, so that it stays packed
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		done <- err
	}()
	return func() error {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			return errors.Join(errors.New("the page's stream has ended"), err)
		}
		return nil
	}
}
