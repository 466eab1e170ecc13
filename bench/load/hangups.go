package main

import (
	"context"
	"fmt"
	"log"
	"time"
)

// hangups measures how soon the provider is rid of calls whose clients went
// away, in mid-stream and while they waited.
func hangups(ctx context.Context, b *bench) (report, error) {
	p, err := b.startBoth(ctx)
	if err != nil {
		return report{}, err
	}
	defer p.stop()
	r, err := b.interleave(b.rounds, p, func(target *process) (figures, error) {
		return b.leave(ctx, target, 20)
	})
	if err != nil {
		return report{}, err
	}
	const crowd = 1000
	a, err := b.abandon(ctx, crowd)
	if err != nil {
		return report{}, fmt.Errorf("hanging up in the queue: %w", err)
	}
	return report{Rows: []row{
		r.row("freed", "20 hang up in mid-stream, until the provider is rid of them", "ms").within(20),
		r.row("left", "streams still open after 3 s", ""),
		only(fmt.Sprintf("%d hang up in the queue: still queued", crowd), "", a.queued).below(0),
		only("still in flight", "", a.inFlight).below(0),
		only("calls of theirs that reached the provider", "", float64(a.attempts)).below(0),
		only("until the queue was empty", "ms", a.empty),
		only("a new call right afterwards", "ms", a.next),
		only("memory kept", "MB", a.kept),
	}}, nil
}

// leave opens n streams, hangs up on all at once and waits up to 3 s until the
// provider has noticed.
func (b *bench) leave(ctx context.Context, target *process, n int) (figures, error) {
	if err := b.reset(ctx, 0, 0); err != nil {
		return nil, err
	}
	s, err := openStreams(ctx, target, n, 2*time.Millisecond, prompt{do: "do=stream&every=50ms&chunks=1000000&id=stream", stream: true}, nil)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.await(ctx, 4, 10*time.Second); err != nil {
		return nil, err
	}
	left := s.hangUp()
	var last seen
	err = await(ctx, 3*time.Second, func() (bool, string, error) {
		last, err = b.seen(ctx)
		return last.Open == 0, fmt.Sprintf("%d of %d streams are still open", last.Open, n), err
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		log.Printf("%s: %v", target.name, err) // shows in the figures
	}
	var freed int64
	for _, c := range last.Calls {
		freed = max(freed, c.Freed)
	}
	return figures{"freed": float64(freed-left.UnixNano()) / 1e6, "left": float64(last.Open)}, nil
}
