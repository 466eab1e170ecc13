package lab

import (
	"context"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/internal/scenario"
	"github.com/weirhq/weir/pool"
)

// askContext is how many events pass between two looks at the context.
const askContext = 1 << 12

// A call is one call of a client, through all its attempts. What it will be is
// drawn when it is made, so that a learner and the oracle see the same calls.
type call struct {
	src     *source
	who     int // worker or agent
	session string
	model   string
	class   admission.Class
	answer  time.Duration // from start to end
	hangUp  float64       // where between the first event and the end its client leaves; 1: it does not
	think   time.Duration // of its worker, afterwards
	counts  bool          // it is measured

	arrived  time.Duration
	started  time.Duration // of the attempt that runs
	ruling   scenario.Ruling
	attempts int
	over     bool

	entry *pool.Entry // of the pool
	tries int         // refusals in a row, of the other gateways
	level int         // in flight at the start, itself included, of those
	epoch int         // of those
}

// A world is one run: a provider, a gateway and the load, in virtual time.
type world struct {
	sc   *scenario.Scenario
	up   *scenario.Upstream
	gw   gateway
	run  *run
	now  time.Duration
	wake time.Duration // when the gateway wants to be polled
	agenda
	sources []*source
	batches int // loads that are batches and not done
	endless bool
	grant   func(*call) // start, made a value once
	turn    func(*call) // lose, likewise
}

func newWorld(sc *scenario.Scenario, seed uint64, gateway func(*scenario.Upstream) gateway) *world {
	up := scenario.NewUpstream(sc.Provider, seed, sc.Length)
	w := &world{sc: sc, up: up, gw: gateway(up), wake: never, run: newRun(sc, seed)}
	w.grant, w.turn = w.start, w.lose
	for i := range sc.Load {
		w.sources = append(w.sources, newSource(w, i, seed))
	}
	return w
}

// play runs the world to its end: that of the scenario, or of its batches if it
// has nothing else. It ends early with the context.
func (w *world) play(ctx context.Context) {
	w.noteLevel()
	for n := 0; ; n++ {
		if n%askContext == 0 && ctx.Err() != nil {
			return
		}
		if w.batches == 0 && !w.endless {
			break
		}
		at := min(w.agenda.next(), w.wake)
		if at >= w.sc.Length {
			w.now = w.sc.Length
			break
		}
		w.now = at
		if w.agenda.next() == at {
			w.happen(w.agenda.pop())
		}
		w.wake = max(w.gw.poll(w.now, w.grant, w.turn), w.now+1)
		w.noteLevel()
	}
	w.finish()
}

func (w *world) happen(e event) {
	switch e.kind {
	case callComes:
		e.src.callComes(e.who)
	case burstComes:
		e.src.burstComes()
	case waveComes:
		e.src.waveComes(e.who)
	case batchComes:
		e.src.batchComes()
	case firstEvent:
		w.gw.accepted(w.now, e.call)
	case answerEnds:
		w.end(e.call)
	case refusalKnown:
		if !w.gw.refused(w.now, e.call) {
			w.lose(e.call)
		}
	}
}

// arrive lets a call come to the gateway.
func (w *world) arrive(c *call) {
	c.arrived = w.now
	w.run.calls++
	if !w.gw.arrive(w.now, c) {
		w.lose(c)
	}
}

// start sends an attempt to the provider.
func (w *world) start(c *call) {
	c.started = w.now
	c.attempts++
	c.ruling = w.up.Start(w.now, c.model, c.answer)
	r := c.ruling
	w.run.started(c, w.now)
	if !r.Accepted {
		w.plan(event{at: w.now + r.After, kind: refusalKnown, call: c})
		return
	}
	first := w.now + r.After
	end := max(w.now+r.Hold+c.answer, first)
	if c.hangUp < 1 {
		end = first + time.Duration(c.hangUp*float64(end-first))
	}
	w.plan(event{at: first, kind: firstEvent, call: c})
	w.plan(event{at: end, kind: answerEnds, call: c})
}

// end ends an accepted call. The provider's slot is free before the gateway hears
// of it: the other way round a lag would be seen that is none.
func (w *world) end(c *call) {
	aborted := c.hangUp < 1
	w.up.End(w.now, c.ruling.Slot, aborted)
	w.gw.ended(w.now, c, aborted)
	w.run.ended(c, w.now)
	w.over(c, true)
}

// lose ends a call that the gateway has given up.
func (w *world) lose(c *call) {
	w.run.lost++
	w.over(c, false)
}

func (w *world) over(c *call, answered bool) {
	if c.over {
		panic("lab: a call ended twice")
	}
	c.over = true
	c.src.ended(c, answered)
}

// noteLevel keeps the learned level when it has changed.
func (w *world) noteLevel() {
	w.run.level.add(w.now, w.gw.level(w.run.model, w.run.account))
}

// finish counts what still runs, up to the end.
func (w *world) finish() {
	for _, e := range w.events {
		if e.kind == answerEnds {
			w.run.ended(e.call, w.now)
			w.run.open++
		}
	}
	w.run.length = w.now
	w.run.limitAtEnd = w.gw.level(w.run.model, w.run.account)
	w.run.cause = w.gw.cause(w.now, w.run.model)
	for _, s := range w.sources {
		w.run.makespan += s.makespan(w.now)
	}
}
