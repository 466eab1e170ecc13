package pool

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/retry"
)

// kinds is the number of verdicts.
const kinds = int(provider.Transport) + 1

// Times that the contract names.
const (
	trialEvery     = 10 * time.Minute // a closed lane lets one real request through
	flaggedFor     = 6 * time.Hour
	interactiveFor = 5 * time.Second // a session is active for so long after its last call
	lookOut        = time.Second     // at limit 1 background work looks out for a main request
	maxOverloads   = 3               // refusals of one request, each followed by another's acceptance
	maxDials       = 3               // repeats when not even a connection came about
	maxHint        = time.Hour       // the longest pause that a hint is believed for, but for quotas
	maxLanes       = 100             // lanes remembered in an account; beyond, idle ones are forgotten
)

// Config sets up a [Pool].
type Config struct {
	Name    string                                 // the account as it is shown: provider and fingerprint
	Lane    limit.Config                           // bounds of each lane's limit, unless LaneOf knows better
	LaneOf  func(lane string) (limit.Config, bool) // bounds of one lane's; nil: Lane for each
	Account limit.Config                           // bounds of the account's limit
	Retry   retry.Policy                           // backoff, and how often a request is repeated for faults of its own
	Rand    *rand.Rand                             // for jitter; needed
}

// A Pool is one account: its lanes, their common limit, and the requests that
// wait for a slot. It is a pure state machine: events and moments go in,
// admissions and the next wake-up come out of [Pool.Poll]. Moments must not
// decrease. It is not safe for concurrent use. Use [New].
type Pool struct {
	cfg   Config
	queue admission.Queue[*Entry]
	lanes map[string]*lane
	limit *limit.Learner // over the whole account

	inFlight    int
	sleepers    sleepers // requests that wait before they queue again
	retrying    int      // requests that were admitted before and wait, queued or not
	interactive int      // interactive requests that run or wait
	lastActive  time.Time
	sleeps      int      // how often the machine was asleep
	flagged     *Closure // the account is closed
	sessions    sessions

	turned []*Entry // answered by weir, to be handed out by Poll
	events []Event
	wake   time.Time    // when Poll is due, while one looks for it
	permit limit.Permit // of the account, for the start being decided
	places places
	pause  Pause // of the whole account
	tells  tells // refusals that spoke about the account's limit alone
	byHand byHand
}

// lane is the requests of one account for one model.
type lane struct {
	name     string
	limit    *limit.Learner
	budget   retry.Budget
	inFlight int
	running  int64 // requests alive in the lane
	retrying int   // of them, those that were admitted before and wait
	overload overload
	bench    *Entry // was refused for overload last: lets another try first
	suspects []*Entry
	closed   *Closure
	fullName string
	permit   limit.Permit
	pause    Pause
	verdicts [kinds]uint64
	lastUsed time.Time
	tells    tells // refusals that spoke about this lane's limit alone
}

// A Closure says why and until when a lane or an account takes no requests.
type Closure struct {
	Kind  provider.Kind `json:"kind"` // quota or flagged
	Code  string        `json:"code,omitempty"`
	Since time.Time     `json:"since"`
	Until time.Time     `json:"until,omitzero"` // zero: not known
	Trial time.Time     `json:"trial,omitzero"` // when a real request may try; zero: never
	Hint  string        `json:"hint,omitempty"` // what it means
}

// A Pause is why nothing starts in a lane before a moment.
type Pause struct {
	Until time.Time
	Kind  provider.Kind // the verdict that caused it
	Asked bool          // the provider named the time
}

// New returns an idle pool.
func New(cfg Config) *Pool {
	return &Pool{cfg: cfg, lanes: map[string]*lane{}, limit: limit.New(cfg.Account)}
}

// Push lets a request arrive. It is queued, or turned away at once with a
// [*Turned] error: its lane or account is closed, or paused for longer than it
// may wait.
func (p *Pool) Push(now time.Time, r Request) (*Entry, error) { return p.PushSince(now, now, r) }

// PushSince is Push for a request that repeats one which arrived earlier, whose client
// has hung up or was sent away: it has that one's place. What it has waited counts from
// now all the same.
func (p *Pool) PushSince(now, since time.Time, r Request) (*Entry, error) {
	l := p.lane(now, r.Lane)
	l.lastUsed = now
	trial, err := p.open(now, l)
	if err != nil {
		p.emit(now, Event{Kind: TurnedAway, Lane: l.fullName, Request: r.ID, Session: r.Session, Class: r.Class, Reason: string(err.Reason)})
		return nil, err
	}
	e := &Entry{Request: r, lane: l, state: queued, arrived: now, trial: trial}
	if t := p.hopeless(now, e); t != nil {
		p.emit(now, Event{Kind: TurnedAway, Lane: l.fullName, Request: r.ID, Session: r.Session, Class: r.Class, Reason: string(t.Reason)})
		return nil, t
	}
	if r.Class == admission.Interactive {
		p.interactive++
	}
	l.running++
	p.sessions.arrived(now, e)
	e.item = p.queue.PushSince(now, since, l.name, r.Session, r.Class, e)
	p.emit(now, p.event(Arrived, e))
	return e, nil
}

// Accepted records that the provider has taken the entry's attempt. Only the
// first call for an attempt counts.
func (p *Pool) Accepted(now time.Time, e *Entry) {
	if e.state != running || e.accepted {
		return
	}
	e.accepted = true
	l := e.lane
	l.verdicts[provider.OK]++
	ev := p.event(Accepted, e)
	ev.Verdict = provider.OK
	p.emit(now, ev)
	if !p.blind(e) {
		p.learned(now, l, l.limit, e.laneStart, l.limit.Accepted(now, e.laneStart))
		p.learned(now, nil, p.limit, e.poolStart, p.limit.Accepted(now, e.poolStart))
	}
	if l.overload.passed(e) {
		p.emit(now, Event{Kind: Opened, Lane: l.fullName, Reason: provider.Overload.String()})
	}
	if l.closed != nil && e.started.After(l.closed.Since) {
		p.reopen(now, l)
	}
	p.acquit(now, l, e)
}

// Ended records that the entry's attempt is over and its request with it, and
// how it left its slot.
func (p *Pool) Ended(now time.Time, e *Entry, how limit.End) {
	if e.state != running {
		return
	}
	p.release(now, e, how)
	p.done(now, e)
}

// Cancel takes a request back whose client went away while it waited. It
// returns false if the entry is not waiting: it holds a slot, or it is done.
func (p *Pool) Cancel(now time.Time, e *Entry) bool {
	if !e.waiting() {
		return false
	}
	p.withdraw(e)
	p.emit(now, p.event(Left, e))
	p.done(now, e)
	return true
}

// Refused records what became of the entry's attempt when the answer is none
// that could be passed on as it is, and decides: [Retry], the request waits for
// a slot again with its place kept, or [Pass], the provider's answer is passed on
// and the request is done. If its lane was closed while it ran, the next Poll
// turns it away.
func (p *Pool) Refused(now time.Time, e *Entry, o Outcome) Decision {
	if e.state != running {
		return Pass
	}
	l := e.lane
	l.verdicts[o.Kind]++
	p.blame(now, e, o)
	p.release(now, e, limit.Unsent)
	ev := p.event(Refused, e)
	ev.Verdict, ev.Code, ev.RequestID = o.Kind, o.Code, o.RequestID
	p.emit(now, ev)
	d := p.decide(now, e, o)
	if d == Pass {
		p.done(now, e)
		return Pass
	}
	e.attempted = true
	p.retrying++
	l.retrying++
	if t := p.shut(now, e); t != nil { // closed while the attempt ran
		p.turnAway(now, e, t)
	}
	return Retry
}

// decide applies the verdict's rule to the request, whose slot is free again.
func (p *Pool) decide(now time.Time, e *Entry, o Outcome) Decision {
	if o.Final {
		return Pass
	}
	if o.Hint > 0 && !e.Deadline.IsZero() && now.Add(o.Hint).After(e.Deadline) && o.Kind.Retried() {
		return Pass // it would be in vain to wait
	}
	l := e.lane
	switch o.Kind {
	case provider.Concurrency, provider.Throttled, provider.Frequency:
		e.state = queued
		p.queue.Requeue(e.item)
		return Retry
	case provider.Overload:
		if !slices.Contains(l.suspects, e) { // refused twice before another passes is refused once
			l.suspects = append(l.suspects, e)
		}
		l.overload.last = e
		p.sleep(e, now)
		return Retry
	case provider.Server, provider.Transport:
		if !p.cfg.Retry.Allowed(e.retries) || o.Dial && e.retries >= maxDials {
			return Pass
		}
		e.retries++
		wait := o.Hint
		if wait <= 0 {
			wait = p.cfg.Retry.Backoff(e.retries, p.cfg.Rand.Float64())
		}
		p.sleep(e, now.Add(wait))
		return Retry
	case provider.Quota:
		p.close(now, l, o)
	case provider.Flagged:
		p.flag(now, o)
	}
	return Pass
}

// blame tells the learners what the verdict says about the number in flight or
// the pace of starts.
func (p *Pool) blame(now time.Time, e *Entry, o Outcome) {
	if p.blind(e) {
		return
	}
	l, rnd := e.lane, p.cfg.Rand.Float64()
	o.Hint = min(o.Hint, maxHint)
	switch o.Kind {
	case provider.Concurrency, provider.Throttled:
		learner, start, of := l.limit, e.laneStart, l
		if p.accountHit(now, e) {
			learner, start, of = p.limit, e.poolStart, nil
		}
		p.learned(now, of, learner, start, learner.Refused(now, start, o.Hint, rnd))
		p.paused(now, of, Pause{Until: learner.Gate(), Kind: o.Kind, Asked: o.Hint > 0})
	case provider.Frequency:
		p.learned(now, l, l.limit, e.laneStart, l.limit.TooOften(now, e.laneStart, o.Hint, rnd))
		p.paused(now, l, Pause{Until: l.limit.Gate(), Kind: o.Kind, Asked: o.Hint > 0})
	case provider.Overload:
		until := l.overload.refused(now, e, o.Hint, p.cfg.Retry, rnd)
		p.paused(now, l, Pause{Until: until, Kind: o.Kind, Asked: o.Hint > 0})
	}
}

// blind tells that the machine was asleep during the entry's attempt, which
// therefore teaches nothing.
func (p *Pool) blind(e *Entry) bool { return e.sleeps != p.sleeps }

// release gives the slot back.
func (p *Pool) release(now time.Time, e *Entry, how limit.End) {
	l := e.lane
	l.inFlight--
	p.inFlight--
	if p.blind(e) {
		how = limit.Unsent
	}
	l.limit.Ended(now, e.laneStart, how)
	p.limit.Ended(now, e.poolStart, how)
	if l.overload.trial == e {
		l.overload.trial = nil
	}
	p.sessions.ended(now, e)
	ev := p.event(Released, e)
	ev.Took = now.Sub(e.started)
	p.emit(now, ev)
	if e.Class == admission.Interactive {
		p.lastActive = now
	}
}

// done forgets a request that will not come again.
func (p *Pool) done(now time.Time, e *Entry) {
	p.emit(now, p.event(Done, e))
	e.state = finished
	p.queue.Forget(e.item)
	e.lane.running--
	e.lane.lastUsed = now
	e.lane.acquitted(e)
	if e.trial && e.attempts == 0 && e.lane.closed != nil {
		e.lane.closed.Trial = now // it has tried nothing: the next may
	}
	if e.lane.overload.last == e {
		e.lane.overload.last = nil
	}
	if e.Class == admission.Interactive {
		p.interactive--
		p.lastActive = now
	}
	p.sessions.done(e)
}

// acquit notes that a request was accepted, for those which were refused for
// overload: when that has happened to one three times it is the request.
func (p *Pool) acquit(now time.Time, l *lane, accepted *Entry) {
	if len(l.suspects) == 0 {
		return
	}
	suspects := l.suspects
	l.suspects = nil
	for _, s := range suspects {
		if s == accepted {
			continue
		}
		if s.overloads++; s.overloads >= maxOverloads && s.waiting() {
			p.turnAway(now, s, &Turned{Reason: GivenUp, Kind: provider.Overload})
		}
	}
}

func (l *lane) acquitted(e *Entry) {
	for i, s := range l.suspects {
		if s == e {
			l.suspects = append(l.suspects[:i], l.suspects[i+1:]...)
			return
		}
	}
}

// sleep lets a request wait outside the queue until a moment, and longer if the
// lane's retry budget is spent then.
func (p *Pool) sleep(e *Entry, until time.Time) {
	e.state = asleep
	p.sleepers.push(e, until)
}

// withdraw takes a waiting entry from wherever it waits.
func (p *Pool) withdraw(e *Entry) {
	switch e.state {
	case queued:
		p.queue.Remove(e.item)
	case asleep:
		p.sleepers.remove(e)
	case benched:
		e.lane.bench = nil
	}
	if e.attempted {
		p.retrying--
		e.lane.retrying--
		e.attempted = false
	}
}

// turnAway answers a waiting request; Poll hands it out.
func (p *Pool) turnAway(now time.Time, e *Entry, t *Turned) {
	p.withdraw(e)
	e.Turned = t
	ev := p.event(TurnedAway, e)
	ev.Reason = string(t.Reason)
	p.emit(now, ev)
	p.done(now, e)
	p.turned = append(p.turned, e)
}

// lane returns the lane of a model, making room for it if there are too many.
func (p *Pool) lane(now time.Time, name string) *lane {
	l := p.lanes[name]
	if l != nil {
		return l
	}
	for len(p.lanes) >= maxLanes && p.forgetIdle() {
	}
	l = &lane{name: name, fullName: p.cfg.Name + "/" + name, limit: limit.New(p.bounds(name))}
	p.lanes[name] = l
	return l
}

// bounds returns those that the configuration has for a lane's limit.
func (c Config) bounds(lane string) limit.Config {
	if c.LaneOf != nil {
		if b, ok := c.LaneOf(lane); ok {
			return b
		}
	}
	return c.Lane
}

// Bound gives the account and its lanes the bounds of another configuration. Running
// attempts are not cut; what was learned stays, as far as it lies within them. Limits
// that are fixed by hand stay so.
func (p *Pool) Bound(now time.Time, cfg Config) {
	p.cfg.Lane, p.cfg.LaneOf, p.cfg.Account = cfg.Lane, cfg.LaneOf, cfg.Account
	p.limit.Bound(now, p.accountBounds())
	for name, l := range p.lanes {
		l.limit.Bound(now, p.bounds(name))
	}
}

// forgetIdle drops the lane that has been idle for longest, a closed one only if
// all idle ones are, and none of which a person has said something. It returns false if
// there is none to drop.
func (p *Pool) forgetIdle() bool {
	var oldest *lane
	for _, l := range p.lanes {
		switch {
		case l.running > 0, p.byHand.held[l.name], p.byHand.fixed[l.name] > 0:
		case oldest == nil || l.closed == nil && oldest.closed != nil:
			oldest = l
		case (l.closed == nil) == (oldest.closed == nil) && l.lastUsed.Before(oldest.lastUsed):
			oldest = l
		}
	}
	if oldest == nil {
		return false
	}
	delete(p.lanes, oldest.name)
	return true
}

// learned tells of what a learner has changed its mind about; a nil lane means the account's.
func (p *Pool) learned(now time.Time, l *lane, learner *limit.Learner, s limit.Start, why limit.Reason) {
	if why == limit.Unchanged {
		return
	}
	ev := Event{Kind: LimitChanged, Lane: p.cfg.Name, Reason: string(why), Limit: learner.Stable(), Level: s.Level, Why: learner.Explain(now)}
	if l != nil {
		ev.Lane = l.fullName
	}
	p.emit(now, ev)
}

// paused keeps why a lane or, if it is nil, the account rests, and turns away
// those that cannot wait for it.
func (p *Pool) paused(now time.Time, l *lane, pause Pause) {
	if !pause.Until.After(now) {
		return
	}
	kept, name := &p.pause, p.cfg.Name
	if l != nil {
		kept, name = &l.pause, l.fullName
	}
	if pause.Until.After(kept.Until) {
		*kept = pause
	}
	p.emit(now, Event{Kind: Paused, Lane: name, Verdict: pause.Kind, Until: pause.Until})
	if !pause.Asked {
		return
	}
	for _, e := range p.waitingIn(l) {
		if t := p.hopeless(now, e); t != nil {
			p.turnAway(now, e, t)
		}
	}
}

// hopeless tells that the provider has asked for a pause which lasts longer than
// the request may wait.
func (p *Pool) hopeless(now time.Time, e *Entry) *Turned {
	pause := p.pauseOf(e.lane)
	if !pause.Asked || e.Deadline.IsZero() || !pause.Until.After(e.Deadline) || !pause.Until.After(now) {
		return nil
	}
	return &Turned{Reason: MaxWait, Kind: pause.Kind, Until: pause.Until}
}

// pauseOf returns the longer one of a lane's pause and the account's.
func (p *Pool) pauseOf(l *lane) Pause {
	if p.pause.Until.After(l.pause.Until) {
		return p.pause
	}
	return l.pause
}
