// Package lab is the laboratory: it plays scenarios in virtual time. What it plays
// against a described provider is the very pool that the gateway runs, so that what
// it measures holds for the gateway. The same calls are played once more by an
// oracle that is told everything, which is the measure of what could be had.
//
// A run is one scenario under one seed. It is deterministic, whatever runs beside
// it. Nothing waits in real time.
package lab

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/weirhq/weir/internal/scenario"
	"github.com/weirhq/weir/limit"
)

// A Learner is what finds the limit.
type Learner string

// The learners. All but weir are baselines: they stand in the laboratory only.
const (
	Weir     Learner = "weir"     // the gateway's own pool
	Fixed    Learner = "fixed"    // one call at a time
	AIMD     Learner = "aimd"     // halves for a refusal, one more for each round of successes
	Vendor   Learner = "vendor"   // the rules of a vendor's own client
	Gradient Learner = "gradient" // follows the time to the first event
)

// Learners returns the learners, the default one first.
func Learners() []Learner { return []Learner{Weir, Fixed, AIMD, Vendor, Gradient} }

// DefaultSeeds is how many seeds a scenario is played under.
const DefaultSeeds = 4

// maxSeeds keeps a slip of the finger from filling the memory.
const maxSeeds = 10_000

// Options say how a scenario is played. The zero Options are weir's own learner
// with its defaults, seeds 1 to 4, and as many runs at a time as there are
// processors.
type Options struct {
	Seeds    int          // zero: DefaultSeeds
	First    uint64       // the first seed; zero: 1
	Learner  Learner      // zero: Weir
	Limit    limit.Config // of weir's learner; Max zero: as the provider's profile says
	Parallel int          // runs at a time; zero: as many as there are processors
	Trace    bool         // keep the course of the first seed, for a picture
}

func (o Options) withDefaults() (Options, error) {
	if o.Seeds == 0 {
		o.Seeds = DefaultSeeds
	}
	if o.Seeds < 1 || o.Seeds > maxSeeds {
		return o, fmt.Errorf("lab: %d seeds: want 1 to %d", o.Seeds, maxSeeds)
	}
	if o.First == 0 {
		o.First = 1
	}
	if o.Learner == "" {
		o.Learner = Weir
	}
	if !slices.Contains(Learners(), o.Learner) {
		return o, fmt.Errorf("lab: there is no learner %q: want one of %v", o.Learner, Learners())
	}
	if o.Parallel <= 0 {
		o.Parallel = runtime.GOMAXPROCS(0)
	}
	return o, nil
}

// Check says which option is wrong, if one is.
func (o Options) Check() error {
	_, err := o.withDefaults()
	return err
}

// Run plays a scenario under each seed, with the learner and with the oracle, and
// returns what came of it. The error is the context's cause, or says which option
// is wrong.
func Run(ctx context.Context, sc *scenario.Scenario, o Options) (Result, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Result{}, err
	}
	if len(sc.Load) == 0 || sc.Length <= 0 {
		return Result{}, errors.New("lab: a scenario needs a load and a length")
	}
	// Two runs a seed: the learner's at 2i, the oracle's at 2i+1.
	runs := make([]*run, 2*o.Seeds)
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(o.Parallel, len(runs)) {
		workers.Go(func() {
			for i := range next {
				seed := o.First + uint64(i/2)
				w := newWorld(sc, seed, func(up *scenario.Upstream) gateway {
					if i%2 == 1 {
						return newOracle(up)
					}
					return newGateway(o, seed)
				})
				if o.Trace && i == 0 {
					w.run.trace = &Trace{}
				}
				w.play(ctx)
				runs[i] = w.run
			}
		})
	}
	for i := range runs {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	return summarize(sc, o, runs), nil
}
