package lab

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/internal/scenario"
)

const (
	shortest     = time.Millisecond // of an answer, and between two bursts
	afterFailure = time.Second      // a worker whose call was given up waits so long at least
	betweenRuns  = 10 * time.Second // between two batches: longer than any lag, so that each begins alone
)

// An agent's waves.
const (
	waveOfOne = 0.7 // share of the waves that are one call
	waveMax   = 4
	wavePause = 200 * time.Millisecond
	waveSoon  = 2 * time.Second // mean, beyond the pause
	waveLate  = 240 * time.Second
	lateShare = 0.1
)

// A source makes the calls of one load.
type source struct {
	w        *world
	load     scenario.Load
	class    admission.Class
	until    time.Duration // no call is made from then on
	rng      *rand.Rand
	sessions []string
	agents   []agent

	batch   int // batches begun
	left    int // tasks of the batch that no worker has begun
	running int // and those begun and not over
	began   time.Duration
	took    time.Duration // the last batch, once it is over; zero: it is not
}

// An agent sends waves of calls.
type agent struct {
	rng   *rand.Rand
	left  int // calls of the wave that are not over
	pause time.Duration
}

// stream returns a stream of random numbers of its own for each seed and n.
func stream(seed, n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x6c6f6164<<32|n)) }

func newSource(w *world, i int, seed uint64) *source {
	l := w.sc.Load[i]
	class, err := admission.ParseClass(l.Class)
	if err != nil {
		class = admission.Interactive // what a load without a class is
	}
	s := &source{w: w, load: l, class: class, until: l.To, rng: stream(seed, uint64(i)<<16)}
	if s.until <= 0 || s.until > w.sc.Length {
		s.until = w.sc.Length
	}
	for who := range max(1, l.Workers, l.Agents) {
		s.sessions = append(s.sessions, fmt.Sprintf("%d-%d", i, who))
	}
	first := event{at: l.From, src: s}
	switch {
	case l.Bursts != nil:
		first.kind = burstComes
		w.plan(first)
	case l.Tasks > 0:
		first.kind = batchComes
		w.plan(first)
		w.batches++
		return s
	case l.Agents > 0:
		first.kind = waveComes
		for who := range l.Agents {
			s.agents = append(s.agents, agent{rng: stream(seed, uint64(i)<<16|uint64(who+1))})
			first.who = who
			w.plan(first)
		}
	default:
		first.kind = callComes
		for who := range l.Workers {
			first.who = who
			w.plan(first)
		}
	}
	w.endless = true
	return s
}

// call makes a call. It draws equally often for each.
func (s *source) call(rng *rand.Rand, who int) *call {
	l := &s.load
	c := &call{src: s, who: who, session: s.sessions[who], model: l.Model, class: s.class, hangUp: 1, counts: true}
	c.answer = max(shortest, l.Answer.Draw(rng))
	abort, where := rng.Float64(), rng.Float64()
	if abort < l.Abort {
		c.hangUp = where
	}
	c.think = l.Think.Draw(rng)
	return c
}

// open tells whether calls are still made.
func (s *source) open() bool { return s.w.now < s.until }

func (s *source) callComes(who int) {
	if s.load.Tasks > 0 {
		if s.left > 0 {
			s.task(who)
		}
		return
	}
	if s.open() {
		s.w.arrive(s.call(s.rng, who))
	}
}

func (s *source) burstComes() {
	if !s.open() {
		return
	}
	b := s.load.Bursts
	for range b.Min + s.rng.IntN(max(1, b.Max-b.Min+1)) {
		s.w.arrive(s.call(s.rng, 0))
	}
	s.w.plan(event{at: s.w.now + max(shortest, b.Every.Draw(s.rng)), kind: burstComes, src: s})
}

func (s *source) waveComes(who int) {
	if !s.open() {
		return
	}
	a := &s.agents[who]
	n := 1
	if a.rng.Float64() >= waveOfOne {
		n = 2 + a.rng.IntN(waveMax-1)
	}
	mean := waveSoon
	if a.rng.Float64() < lateShare {
		mean = waveLate
	}
	a.pause = wavePause + scenario.Dist{Kind: scenario.Exponential, Mean: mean}.Draw(a.rng)
	a.left = n
	for range n {
		s.w.arrive(s.call(a.rng, who))
	}
}

func (s *source) batchComes() {
	s.batch++
	s.began, s.left = s.w.now, s.load.Tasks
	for who := range min(s.load.Workers, s.load.Tasks) {
		s.task(who)
	}
}

func (s *source) task(who int) {
	c := s.call(s.rng, who)
	c.counts = s.last()
	s.left--
	s.running++
	s.w.arrive(c)
}

// last tells that the batch is the one that is measured.
func (s *source) last() bool { return s.batch >= max(1, s.load.Repeat) }

// ended plans what follows a call.
func (s *source) ended(c *call, answered bool) {
	pause := c.think
	if !answered {
		pause = max(pause, afterFailure)
	}
	now := s.w.now
	switch {
	case s.load.Bursts != nil:
	case s.load.Tasks > 0:
		s.running--
		switch {
		case s.left > 0:
			s.w.plan(event{at: now + pause, kind: callComes, src: s, who: c.who})
		case s.running > 0:
		case s.last():
			s.took = now - s.began
			s.w.batches--
		default:
			s.w.plan(event{at: now + betweenRuns, kind: batchComes, src: s})
		}
	case s.load.Agents > 0:
		a := &s.agents[c.who]
		if a.left--; a.left == 0 {
			s.w.plan(event{at: now + a.pause, kind: waveComes, src: s, who: c.who})
		}
	default:
		s.w.plan(event{at: now + pause, kind: callComes, src: s, who: c.who})
	}
}

// makespan returns how long the batch that is measured took: what has passed of
// it, if it is not over; zero for other loads.
func (s *source) makespan(now time.Duration) time.Duration {
	switch {
	case s.load.Tasks == 0:
		return 0
	case s.took > 0:
		return s.took
	case s.last():
		return now - s.began
	}
	return now
}
