package weir

import (
	"time"

	"github.com/weirhq/weir/pool"
)

// Resume opens what the governor has closed or what is held: the lane or account of
// that name, or everything if it is empty. It returns how many closures and holds it
// lifted.
func (g *Governor) Resume(name string) int {
	return g.each(func(p *pool.Pool, now time.Time) int { return p.Resume(now, name) })
}

// Hold lets nothing start in the lane or account of that name until it is resumed. What
// runs goes on, and what comes waits. It tells whether there is one.
func (g *Governor) Hold(name string) bool {
	return g.each(func(p *pool.Pool, now time.Time) int { return p.Hold(now, name) }) > 0
}

// Fix fixes the limit of the lane or account of that name at n attempts in flight, 1 to
// [pool.MaxFixed]; 0 lets it be learned again. It holds until the governor is closed,
// also through [Governor.Bound]. It tells whether there is one.
func (g *Governor) Fix(name string, n int) bool {
	return g.each(func(p *pool.Pool, now time.Time) int { return p.Fix(now, name, n) }) > 0
}

// IsByHand tells whether somebody has held or fixed something that holds still.
func (g *Governor) IsByHand() bool {
	for _, a := range g.all() {
		a.mu.Lock()
		is := a.pool.IsByHand()
		a.mu.Unlock()
		if is {
			return true
		}
	}
	return false
}

// each lets something be done to all accounts, and adds up what they say.
func (g *Governor) each(do func(*pool.Pool, time.Time) int) int {
	n := 0
	for _, a := range g.all() {
		a.mu.Lock()
		now := a.now()
		n += do(a.pool, now)
		a.settle(now)
	}
	return n
}

// LimitOf returns the limit that holds for a lane, in attempts in flight: the lower one
// of its own and its account's. It costs much less than a snapshot. 0: there is no such
// lane.
func (g *Governor) LimitOf(lane string) int {
	account, model := splitLane(lane)
	g.mu.Lock()
	a := g.accounts[account]
	g.mu.Unlock()
	if a == nil {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return min(a.pool.Limit(model))
}
