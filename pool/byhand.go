package pool

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirhq/weir/limit"
)

// MaxFixed is the highest limit that [Pool.Fix] takes, in attempts in flight.
const MaxFixed = 1000

// byHand is what a person has said of an account and its lanes. It is not kept.
type byHand struct {
	held  map[string]bool // lanes in which nothing starts; empty name: the account
	fixed map[string]int  // limits by lane; empty name: the account's
}

// key is the name under which what is done by hand is kept, of the lane or account that
// is shown under another; false: there is none.
func (p *Pool) key(shown string) (key string, ok bool) {
	if shown == p.cfg.Name {
		return "", true
	}
	name, ok := strings.CutPrefix(shown, p.cfg.Name+"/")
	return name, ok && p.lanes[name] != nil
}

// Hold lets nothing start in the lane of that name, as it is shown, or with the
// account's name in all of its lanes, until [Pool.Resume]. What runs goes on, what comes
// waits. It returns how many there are of that name: 0 or 1.
func (p *Pool) Hold(now time.Time, name string) int {
	key, ok := p.key(name)
	if !ok {
		return 0
	}
	if !p.byHand.held[key] {
		if p.byHand.held == nil {
			p.byHand.held = map[string]bool{}
		}
		p.byHand.held[key] = true
		p.emit(now, Event{Kind: Paused, Lane: name, Reason: ReasonByHand})
	}
	return 1
}

// ReasonByHand is the reason of events that a person has asked for.
const ReasonByHand = "by-hand"

// unhold takes back what Hold has done to a lane, or to the account if it is nil.
func (p *Pool) unhold(now time.Time, l *lane) int {
	key, name := "", p.cfg.Name
	if l != nil {
		key, name = l.name, l.fullName
	}
	if !p.byHand.held[key] {
		return 0
	}
	delete(p.byHand.held, key)
	p.emit(now, Event{Kind: Opened, Lane: name, Reason: ReasonByHand})
	return 1
}

// Fix fixes the limit of the lane of that name, or with the account's name that of the
// account, at n attempts in flight, 1 to [MaxFixed]; 0 lets it be learned again, within
// the bounds of the configuration. The account's limit does not stand below a lane's
// that is fixed. Running attempts are not cut. It returns how many there are of that
// name: 0 or 1.
func (p *Pool) Fix(now time.Time, name string, n int) int {
	key, ok := p.key(name)
	if !ok {
		return 0
	}
	n = min(max(n, 0), MaxFixed)
	if p.byHand.fixed == nil {
		p.byHand.fixed = map[string]int{}
	}
	p.byHand.fixed[key] = n
	if n == 0 {
		delete(p.byHand.fixed, key)
	}
	p.Bound(now, p.cfg)
	stable := p.limit.Stable()
	if l := p.lanes[key]; l != nil {
		stable = l.limit.Stable()
	}
	p.emit(now, Event{Kind: LimitChanged, Lane: name, Limit: stable, Reason: ReasonByHand, Why: p.fixedText(key, stable)})
	return 1
}

func (p *Pool) fixedText(key string, stable int) string {
	if n := p.byHand.fixed[key]; n > 0 {
		return fmt.Sprintf("%d is fixed by hand", n)
	}
	return fmt.Sprintf("it is learned again, from %d on", stable)
}

// bounds returns those of a lane's limit.
func (p *Pool) bounds(lane string) limit.Config {
	b := p.cfg.bounds(lane)
	if n := p.byHand.fixed[lane]; n > 0 {
		b.Min, b.Max = n, n
	}
	return b
}

// accountBounds returns those of the account's limit.
func (p *Pool) accountBounds() limit.Config {
	b := p.cfg.Account
	if n := p.byHand.fixed[""]; n > 0 {
		b.Min, b.Max = n, n
		return b
	}
	for _, n := range p.byHand.fixed {
		b.Min = max(b.Min, n)
		if b.Min > limit.DefaultMax || b.Max > 0 {
			b.Max = max(b.Max, b.Min)
		}
	}
	return b
}

// IsByHand tells whether a person has held or fixed something that holds still.
func (p *Pool) IsByHand() bool { return len(p.byHand.held)+len(p.byHand.fixed) > 0 }

// isHeld tells whether a person has stopped the lane.
func (p *Pool) isHeld(l *lane) bool {
	return len(p.byHand.held) > 0 && (p.byHand.held[""] || p.byHand.held[l.name])
}

// mayRetry tells that a request waits to be retried in a lane which no person has
// stopped: others keep nobody waiting.
func (p *Pool) mayRetry() bool {
	if len(p.byHand.held) == 0 {
		return p.retrying > 0
	}
	for _, l := range p.lanes {
		if l.retrying > 0 && !p.isHeld(l) {
			return true
		}
	}
	return false
}

// heldSnapshot says for people that a lane is stopped; nil: it is not.
func (p *Pool) heldSnapshot(l *lane) *HoldSnapshot {
	switch {
	case p.byHand.held[""]:
		return &HoldSnapshot{Whole: true}
	case p.byHand.held[l.name]:
		return &HoldSnapshot{}
	}
	return nil
}

// A HoldSnapshot says that a person has stopped a lane.
type HoldSnapshot struct {
	Whole bool `json:"account"` // with its whole account
}
