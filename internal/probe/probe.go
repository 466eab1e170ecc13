// Package probe measures with real calls how many streams at a time a provider bears:
// rounds of streams that truly overlap, at levels in random order, until the counts
// tell. [Plan] is the design, pure; [Run] sends.
package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/weirhq/weir/internal/evidence"
	"github.com/weirhq/weir/provider"
)

// Defaults of a [Config].
const (
	DefaultMost   = 8
	DefaultRounds = 60
)

// A Config says what is measured, and how.
type Config struct {
	URL       string            // of the chat completions
	Profile   *provider.Profile // whose rules tell what answers mean
	Key       string            // empty: none is sent
	Model     string
	Most      int               // highest level that is tried; 0: DefaultMost
	Rounds    int               // bound; 0: DefaultRounds
	Seed      uint64            // of what is random
	Transport http.RoundTripper // that sends
	// Progress is told how far it is, between the rounds; nil: nobody is.
	Progress func(Progress)
}

func (c Config) withDefaults() Config {
	if c.Most == 0 {
		c.Most = DefaultMost
	}
	if c.Rounds == 0 {
		c.Rounds = DefaultRounds
	}
	return c
}

// Progress is how far a probe is.
type Progress struct {
	Share float64       // done, 0 to 1
	Left  time.Duration // that it will probably take
	Calls int
	Next  int    // level of the next round
	Text  string // what is known of that level
}

// A Result is what a probe has found.
type Result struct {
	Answer  Answer         `json:"answer"`
	Levels  evidence.Curve `json:"levels"`
	Rounds  int            `json:"rounds"`
	Calls   int            `json:"calls"`
	Dropped int            `json:"dropped"` // starts that count for nothing
	Took    time.Duration  `json:"took_ns"`
	// Stopped says why it ended before it was sure; empty: it is sure, or the rounds
	// are used up.
	Stopped string `json:"stopped,omitempty"`
	// Kind is the verdict that ended it, if one did, and Hint what it means.
	Kind provider.Kind `json:"kind,omitempty"`
	Code string        `json:"code,omitempty"`
	Hint string        `json:"hint,omitempty"`
}

// A runner is a probe under way. Run's goroutine has it, and each stream's goroutine
// its own stream.
type runner struct {
	cfg     Config
	plan    *Plan
	stack   stack
	streams sync.WaitGroup
	pacing  pacing

	began   time.Time
	calls   int
	dropped int
	spoiled int // rounds in a row that said nothing
	shut    int // rounds in a row in which everything was refused
	lastEnd time.Time
}

// errStop ends a probe; its text says why.
type errStop struct {
	why  string
	kind provider.Kind
	code string
	hint string
}

// stopped is for what a stream's answer has said.
func stopped(why string, s *stream) error {
	return &errStop{why: why, kind: s.kind, code: s.verdict.Code, hint: s.verdict.Hint}
}

func (e *errStop) Error() string { return e.why }

// Run measures until enough is known, the rounds are used up, the provider says
// something that more calls would make worse, or ctx ends. The result holds what was
// measured until then in each case; no stream is left open when it returns.
func Run(ctx context.Context, cfg Config) Result {
	cfg = cfg.withDefaults()
	random := rand.New(rand.NewPCG(cfg.Seed, 1302))
	r := &runner{
		cfg: cfg, plan: NewPlan(cfg.Most, cfg.Rounds, random), stack: stack{random: random},
		pacing: newPacing(), began: time.Now(),
	}
	inner, cancel := context.WithCancel(ctx)
	err := r.all(inner)
	cancel() // what still runs says nothing any more
	r.streams.Wait()
	res := Result{Answer: r.plan.Answer(), Levels: r.plan.Curve(), Rounds: r.plan.Rounds(), Calls: r.calls, Dropped: r.dropped + r.plan.Withdrawn(), Took: time.Since(r.began)}
	var stop *errStop
	switch {
	case ctx.Err() != nil:
		res.Stopped = "interrupted"
	case errors.As(err, &stop):
		res.Stopped, res.Kind, res.Code, res.Hint = stop.why, stop.kind, stop.code, stop.hint
	}
	return res
}

func (r *runner) all(ctx context.Context) error {
	cost := Estimate(r.cfg.Most, r.cfg.Rounds)
	for {
		level := r.plan.Next()
		if level == 0 {
			return nil
		}
		if r.calls+level > cost.MostCalls {
			return &errStop{why: fmt.Sprintf("the %d calls that were agreed to are used up", cost.MostCalls)}
		}
		for tries := 0; ; tries++ {
			r.tell(level)
			if err := r.rest(ctx); err != nil {
				return err
			}
			again, err := r.round(ctx, level)
			if err != nil {
				return err
			}
			if !again || tries >= 3 || r.calls+level > cost.MostCalls {
				break
			}
		}
	}
}

// tell says how far it is.
func (r *runner) tell(level int) {
	if r.cfg.Progress == nil {
		return
	}
	done, left := r.plan.Rounds(), r.plan.Left()
	each := 2 * time.Second
	if done > 0 {
		each = time.Since(r.began) / time.Duration(done)
	}
	p := Progress{Share: float64(done) / float64(max(1, done+left)), Left: each * time.Duration(left), Calls: r.calls, Next: level, Text: r.plan.level(level).String()}
	r.cfg.Progress(p)
}

// rest waits until the next round may begin, and a while longer if the provider asks.
func (r *runner) rest(ctx context.Context) error {
	if r.pacing.asked > patience {
		return &errStop{why: fmt.Sprintf("the provider asks to come back in %v", r.pacing.asked.Round(time.Second))}
	}
	r.pacing.slow = r.plan.Slow()
	return sleep(ctx, time.Until(r.lastEnd.Add(r.pacing.next())))
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// patience is the longest Retry-After that is waited for.
const patience = 2 * time.Minute

// pacing is how long a probe rests between rounds: slots may count on for a while after
// their end, and after a refusal everything may be refused for a while.
type pacing struct {
	usual   time.Duration
	pause   time.Duration // after a refusal
	asked   time.Duration // by the provider, after the last round
	refused bool          // in the last round
	slow    bool          // the next round rests long before each start
	doubts  int           // refusals where there should have been room
}

const (
	firstRest  = 600 * time.Millisecond
	firstPause = 1500 * time.Millisecond
	slowRest   = 5 * time.Second
	mostPause  = time.Minute
	mostDoubts = 3
)

func newPacing() pacing { return pacing{usual: firstRest, pause: firstPause} }

// next returns the rest that is due now.
func (p *pacing) next() time.Duration {
	if p.refused {
		return max(p.pause, p.between(), p.asked)
	}
	return max(p.between(), p.asked)
}

// between returns the rest between starts of one round.
func (p *pacing) between() time.Duration {
	if p.slow {
		return max(p.usual, slowRest)
	}
	return p.usual
}
