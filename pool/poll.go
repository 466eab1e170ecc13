package pool

import (
	"time"

	"github.com/weirhq/weir/admission"
)

// Effects is what follows from all that happened since the last Poll.
type Effects struct {
	Granted []*Entry  // hold a slot now, in the order of admission
	Turned  []*Entry  // are answered by weir; see Entry.Turned
	Wake    time.Time // Poll again then at the latest; zero: after the next event
}

// Poll admits whatever may run now. It must be called after each event and at
// the moment that it asked for.
func (p *Pool) Poll(now time.Time) Effects {
	var fx Effects
	p.wake = time.Time{}
	p.rouse(now)
	for {
		p.permit = p.limit.May(now, p.inFlight)
		it := p.queue.Next(now, func(name string) admission.Gate { return p.gate(now, p.lanes[name]) })
		if it == nil && p.unbench(now) {
			continue
		}
		if it == nil {
			break
		}
		p.start(now, it.Value)
		fx.Granted = append(fx.Granted, it.Value)
	}
	if at, ok := p.queue.NextAgeing(); ok && p.queue.Len() > 0 {
		p.wakeBy(at)
	}
	fx.Turned, p.turned = p.turned, nil
	fx.Wake = p.wake
	return fx
}

// gate says what may leave a lane, and notes when that changes by itself.
func (p *Pool) gate(now time.Time, l *lane) admission.Gate {
	if p.isHeld(l) {
		return admission.Gate{}
	}
	if now.Before(l.overload.until) {
		p.wakeBy(l.overload.until)
		return admission.Gate{}
	}
	if l.overload.active && l.overload.trial != nil {
		return admission.Gate{}
	}
	l.permit = l.limit.May(now, l.inFlight)
	if !l.permit.OK || !p.permit.OK {
		p.wakeBy(l.permit.Until)
		p.wakeBy(p.permit.Until)
		return admission.Gate{}
	}
	if !p.oneAtATime(l) {
		return admission.Gate{}
	}
	return admission.Gate{Open: true, Background: p.background(now, l)}
}

// background returns the latest arrival of a background request that may begin
// in the lane: optional work stands back while a request waits to be retried,
// leaves the last slot to a person at work, and alone looks out for a second.
func (p *Pool) background(now time.Time, l *lane) time.Time {
	if p.mayRetry() {
		return time.Time{}
	}
	if min(l.limit.Stable(), p.limit.Stable()) < 2 {
		cutoff := now.Add(-lookOut)
		if next, ok := p.queue.ArrivedAfter(cutoff); ok {
			p.wakeBy(next.Add(lookOut))
		}
		return cutoff
	}
	last := l.inFlight+1 >= l.limit.Stable() || p.inFlight+1 >= p.limit.Stable()
	if !last {
		return now
	}
	if p.interactive > 0 {
		return time.Time{}
	}
	if until := p.lastActive.Add(interactiveFor); now.Before(until) {
		p.wakeBy(until)
		return time.Time{}
	}
	return now
}

// start gives an entry its slot.
func (p *Pool) start(now time.Time, e *Entry) {
	l := e.lane
	e.laneStart = l.limit.Start(now, l.inFlight, l.permit)
	e.poolStart = p.limit.Start(now, p.inFlight, p.permit)
	e.alone = l.inFlight == p.inFlight
	l.inFlight++
	p.inFlight++
	if e.attempts == 0 {
		l.budget.Attempt(now)
		e.admitted = now
	}
	if e.attempted {
		p.retrying--
		l.retrying--
		e.attempted = false
	}
	e.attempts++
	e.state, e.started, e.accepted, e.sleeps = running, now, false, p.sleeps
	if l.overload.active {
		l.overload.trial = e
	}
	if b := l.bench; b != nil {
		l.bench = nil
		b.state = queued
		p.queue.Requeue(b.item)
	}
	p.sessions.started(e)
	ev := p.event(Admitted, e)
	ev.Level = e.laneStart.Level
	p.emit(now, ev)
}

// rouse queues the requests that have slept long enough and whose retry the
// lane's budget bears.
func (p *Pool) rouse(now time.Time) {
	for len(p.sleepers) > 0 {
		e := p.sleepers[0]
		if now.Before(e.wakeAt) {
			p.wakeBy(e.wakeAt)
			return
		}
		p.sleepers.remove(e)
		if l := e.lane; !l.budget.Take(now) {
			p.sleepers.push(e, latest(l.budget.Next(now), now.Add(time.Millisecond)))
			continue
		}
		if l := e.lane; l.overload.active && l.overload.last == e {
			if b := l.bench; b != nil { // of the same wave, refused before
				b.state = queued
				p.queue.Requeue(b.item)
			}
			e.state = benched
			l.bench = e
			continue
		}
		e.state = queued
		p.queue.Requeue(e.item)
	}
}

// unbench lets the requests go that stood back for another, since there is none
// that may go.
func (p *Pool) unbench(now time.Time) bool {
	any := false
	for _, l := range p.lanes {
		if e := l.bench; e != nil && p.gate(now, l).Open {
			l.bench = nil
			e.state = queued
			p.queue.Requeue(e.item)
			any = true
		}
	}
	return any
}

// wakeBy asks for a Poll at a moment, unless one is due earlier.
func (p *Pool) wakeBy(at time.Time) {
	if !at.IsZero() && (p.wake.IsZero() || at.Before(p.wake)) {
		p.wake = at
	}
}

// waitingIn returns the entries that wait in a lane, or all if it is nil.
func (p *Pool) waitingIn(l *lane) []*Entry {
	var all []*Entry
	for it := range p.queue.All {
		if l == nil || it.Value.lane == l {
			all = append(all, it.Value)
		}
	}
	for _, e := range p.sleepers {
		if l == nil || e.lane == l {
			all = append(all, e)
		}
	}
	for _, other := range p.lanes {
		if other.bench != nil && (l == nil || other == l) {
			all = append(all, other.bench)
		}
	}
	return all
}

// Drain answers all that wait; the caller admits no more.
func (p *Pool) Drain(now time.Time) {
	for _, e := range p.waitingIn(nil) {
		p.turnAway(now, e, &Turned{Reason: Draining})
	}
}

// Slept tells the pool that the machine was asleep: what runs now teaches
// nothing.
func (p *Pool) Slept() {
	p.sleeps++
	p.limit.Slept()
	for _, l := range p.lanes {
		l.limit.Slept()
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
