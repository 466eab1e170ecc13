package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"time"
)

// The mission: so many streams by so many workers on so many slots.
const (
	missionTasks   = 64
	missionWorkers = 16
	missionSlots   = 4
	missionTie     = 5 * time.Millisecond // who comes closer together came at once
)

// mission measures how well a limit that nobody told is found and used: cold,
// and again by a weir that was started anew on what the first had learned. Bare
// shows what happens to clients that give up at the first refusal.
func mission(ctx context.Context, b *bench) (report, error) {
	tasks := lengths(b.seed, missionTasks)
	bare, err := b.startBare(ctx)
	if err != nil {
		return report{}, err
	}
	defer bare.stop()
	none, err := b.work(ctx, bare, tasks)
	if err != nil {
		return report{}, err
	}
	state, err := os.MkdirTemp(b.dir, "learned-")
	if err != nil {
		return report{}, err
	}
	var found [2]outcome
	for i := range found {
		weir, err := b.startWeir(ctx, "auto", state)
		if err != nil {
			return report{}, err
		}
		found[i], err = b.work(ctx, weir, tasks)
		weir.stop()
		if err != nil {
			return report{}, err
		}
		log.Printf("s5: %v", found[i])
	}
	best := ideal(counted(tasks, b.lag), missionSlots)
	return report{
		Rows: missionRows(none, found[0], found[1], best),
		Notes: []string{
			fmt.Sprintf("%d streams of 0.5 to 1.5 s, %d workers, %d slots, lag %v, seed %d: ideal %.1f s",
				missionTasks, missionWorkers, missionSlots, b.lag, b.seed, best.Seconds()),
			"bare's clients give up at the first refusal, so it has no makespan",
		},
	}, nil
}

func missionRows(none, cold, learned outcome, best time.Duration) []row {
	var rows []row
	for _, run := range []struct {
		name               string
		outcome            outcome
		makespan, refusals float64 // goals
		withBare           bool
	}{
		{name: "cold", outcome: cold, makespan: 1.12, refusals: 3, withBare: true},
		{name: "learned", outcome: learned, makespan: 1.08, refusals: 1},
	} {
		both := func(what, unit string, of func(outcome) float64) row {
			r := only(run.name+": "+what, unit, of(run.outcome))
			if run.withBare {
				r.Bare = figure(of(none))
			}
			return r
		}
		rows = append(rows,
			both("lost", "", func(o outcome) float64 { return float64(o.lost) }).below(0),
			both("429 at the client", "", func(o outcome) float64 { return float64(o.refusedClients) }).below(0),
			only(run.name+": makespan", "× ideal", run.outcome.makespan.Seconds()/best.Seconds()).below(run.makespan),
			both("refusals at the provider", "", func(o outcome) float64 { return float64(o.refusals) }).below(run.refusals),
			only(run.name+": overtakings, of first arrivals", "", float64(run.outcome.overtakings)).below(0),
			only(run.name+": slowest task", "× median", run.outcome.slowest).below(1.5),
		)
	}
	return rows
}

// lengths returns n stream lengths, uniform from 0.5 to 1.5 s, whole ms, always
// the same for a seed.
func lengths(seed uint64, n int) []time.Duration {
	r := rand.New(rand.NewPCG(seed, seed))
	tasks := make([]time.Duration, n)
	for i := range tasks {
		tasks[i] = time.Duration(500+r.IntN(1001)) * time.Millisecond
	}
	return tasks
}

// counted returns how long the provider counts a slot for each task.
func counted(tasks []time.Duration, lag time.Duration) []time.Duration {
	with := make([]time.Duration, len(tasks))
	for i, t := range tasks {
		with[i] = t + lag
	}
	return with
}

// An outcome is what became of the mission.
type outcome struct {
	lost, refusedClients int
	refusals             int // at the provider
	overtakings          int
	makespan             time.Duration
	slowest              float64 // × the median of all tasks
}

func (o outcome) String() string {
	return fmt.Sprintf("%.1f s, %d lost, %d refusals at the provider, %d overtakings", o.makespan.Seconds(), o.lost, o.refusals, o.overtakings)
}

// work lets the workers send all tasks through a gateway, each the next when
// its last has been answered.
func (b *bench) work(ctx context.Context, target *process, tasks []time.Duration) (outcome, error) {
	if err := b.reset(ctx, missionSlots, b.lag); err != nil {
		return outcome{}, err
	}
	var o outcome
	var mu sync.Mutex // guards o, sent and took
	sent, took := make([]int64, len(tasks)), make([]float64, len(tasks))
	next := make(chan int, len(tasks))
	for i := range tasks {
		next <- i
	}
	close(next)
	began := time.Now()
	var wg sync.WaitGroup
	for range missionWorkers {
		wg.Go(func() {
			for i := range next {
				at := time.Now()
				err := task(ctx, target, i, tasks[i])
				mu.Lock()
				sent[i], took[i] = at.UnixNano(), time.Since(at).Seconds()
				if err != nil {
					o.lost++
				}
				if errors.Is(err, errRefused) {
					o.refusedClients++
				} else if err != nil {
					log.Printf("%s: task %d: %v", target.name, i, err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	o.makespan = time.Since(began)
	o.slowest = percentile(took, 1) / median(took)
	s, err := b.seen(ctx)
	if err != nil {
		return o, err
	}
	o.judge(s.Calls, sent)
	return o, ctx.Err()
}

// judge counts refusals and overtakings in the provider's ledger.
func (o *outcome) judge(calls []call, sent []int64) {
	first := map[int]int64{}
	for _, c := range calls {
		if c.Outcome == "refused" {
			o.refusals++
		}
		id, err := strconv.Atoi(c.ID)
		if err != nil {
			continue
		}
		if at, ok := first[id]; !ok || c.Arrived < at {
			first[id] = c.Arrived
		}
	}
	var sends, arrivals []int64
	for id, at := range first {
		sends, arrivals = append(sends, sent[id]), append(arrivals, at)
	}
	o.overtakings = inversions(sends, arrivals, missionTie.Nanoseconds())
}

// errRefused is the error of a task whose client saw a 429.
var errRefused = errors.New("the client was refused")

// task sends one task over a connection of its own, as a tool that starts anew
// does, and reads its stream to the end.
func task(ctx context.Context, target *process, id int, length time.Duration) error {
	c, err := dial(ctx, target.url)
	if err != nil {
		return err
	}
	defer c.Close()
	var a audience
	status, err := c.exchange(prompt{do: fmt.Sprintf("do=slots&id=%d&for=%s", id, length), stream: true,
		headers: "X-Weir-Session: mission\r\n"}.request(target.url), a.piece)
	switch {
	case err != nil:
		return err
	case status == 429:
		return errRefused
	case status != 200:
		return fmt.Errorf("%w but %d", errStatus, status)
	case !a.done:
		return errors.New("the stream ended without its end mark")
	}
	return nil
}
