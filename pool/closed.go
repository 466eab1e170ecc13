package pool

import (
	"time"

	"github.com/weirhq/weir/provider"
)

// open tells whether the lane takes a request now; trial says that it is the
// one which tries a closed lane.
func (p *Pool) open(now time.Time, l *lane) (trial bool, err *Turned) {
	if c := p.flagged; c != nil {
		if now.Before(c.Until) {
			return false, c.turned(AccountFlagged)
		}
		p.unflag(now)
	}
	c := l.closed
	if c == nil {
		return false, nil
	}
	if !c.Until.IsZero() && !now.Before(c.Until) {
		p.reopen(now, l)
		return false, nil
	}
	if now.Before(c.Trial) {
		return false, c.turned(QuotaClosed)
	}
	c.Trial = now.Add(trialEvery)
	return true, nil
}

// shut tells why a request that was refused may not try again: its lane or
// account has been closed meanwhile.
func (p *Pool) shut(now time.Time, e *Entry) *Turned {
	if c := p.flagged; c != nil && now.Before(c.Until) {
		return c.turned(AccountFlagged)
	}
	// A request that came after the closure is the one that tries.
	if c := e.lane.closed; c != nil && !e.arrived.After(c.Since) && (c.Until.IsZero() || now.Before(c.Until)) {
		return c.turned(QuotaClosed)
	}
	return nil
}

func (c *Closure) turned(why Reason) *Turned {
	return &Turned{Reason: why, Kind: c.Kind, Code: c.Code, Until: c.Until, Hint: c.Hint}
}

// close shuts a lane whose quota is spent and answers those that wait in it.
// A header's hint wins over the moment that the body names.
func (p *Pool) close(now time.Time, l *lane, o Outcome) {
	until := o.Reset
	if o.Hint > 0 {
		until = now.Add(o.Hint)
	}
	if !until.After(now) {
		until = time.Time{} // already past: not to be believed
	}
	if c := l.closed; c != nil {
		c.Until, c.Code, c.Hint = latest(c.Until, until), o.Code, o.Verdict.Hint
		return
	}
	l.closed = &Closure{Kind: provider.Quota, Code: o.Code, Since: now, Until: until, Trial: now.Add(trialEvery), Hint: o.Verdict.Hint}
	p.emit(now, Event{Kind: Closed, Lane: l.fullName, Verdict: o.Kind, Code: o.Code, Until: until})
	for _, e := range p.waitingIn(l) {
		p.turnAway(now, e, l.closed.turned(QuotaClosed))
	}
}

func (p *Pool) reopen(now time.Time, l *lane) {
	l.closed = nil
	p.emit(now, Event{Kind: Opened, Lane: l.fullName, Reason: provider.Quota.String()})
}

// flag shuts the whole account: the provider minds how it is used, and each
// further attempt makes that worse. Nothing probes upward for the rest of the
// provider's day.
func (p *Pool) flag(now time.Time, o Outcome) {
	if p.flagged != nil {
		return
	}
	until := now.Add(flaggedFor)
	p.flagged = &Closure{Kind: provider.Flagged, Code: o.Code, Since: now, Until: until, Hint: o.Verdict.Hint}
	p.emit(now, Event{Kind: Closed, Lane: p.cfg.Name, Verdict: o.Kind, Code: o.Code, Until: until})
	quiet := latest(until, nextMidnight(now))
	p.limit.Hold(quiet)
	for _, l := range p.lanes {
		l.limit.Hold(quiet)
	}
	for _, e := range p.waitingIn(nil) {
		p.turnAway(now, e, p.flagged.turned(AccountFlagged))
	}
}

func (p *Pool) unflag(now time.Time) {
	p.flagged = nil
	p.emit(now, Event{Kind: Opened, Lane: p.cfg.Name, Reason: provider.Flagged.String()})
}

// Resume opens what is closed or held: the lane of that name as it is shown, or with
// the account's name or an empty one the account and all its lanes. It returns how
// many closures and holds it lifted.
func (p *Pool) Resume(now time.Time, name string) int {
	n := 0
	whole := name == "" || name == p.cfg.Name
	if p.flagged != nil && whole {
		p.unflag(now)
		n++
	}
	if whole {
		n += p.unhold(now, nil)
	}
	for _, l := range p.lanes {
		if whole || name == l.fullName {
			n += p.unhold(now, l)
		}
		if l.closed != nil && (whole || name == l.fullName) {
			p.reopen(now, l)
			n++
		}
	}
	return n
}

// nextMidnight is the end of the provider's day, which is reckoned in UTC+8.
func nextMidnight(now time.Time) time.Time {
	local := now.In(provider.Zone())
	return time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, local.Location())
}
