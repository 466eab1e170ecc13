package weir

import (
	"cmp"
	"slices"
	"time"

	"github.com/weirhq/weir/pool"
)

// A Snapshot is the whole state of a governor at a moment.
type Snapshot struct {
	At       time.Time       `json:"at"`
	Queued   int             `json:"queued"`    // in all accounts
	InFlight int             `json:"in_flight"` // in all accounts
	Bytes    int64           `json:"bytes"`     // of request bodies held
	Draining bool            `json:"draining"`
	Accounts []pool.Snapshot `json:"accounts"`
}

// Snapshot describes all accounts. They are read one after the other, not in
// one moment.
func (g *Governor) Snapshot() Snapshot {
	s := Snapshot{At: g.clock.now(), Bytes: g.bytes.Load(), Draining: g.drained.Load(), Accounts: []pool.Snapshot{}}
	for _, a := range g.all() {
		a.mu.Lock()
		as := a.pool.Snapshot(a.now())
		a.mu.Unlock()
		s.Queued += as.Queued
		s.InFlight += as.InFlight
		s.Accounts = append(s.Accounts, as)
	}
	slices.SortFunc(s.Accounts, func(a, b pool.Snapshot) int { return cmp.Compare(a.Account, b.Account) })
	return s
}

// State returns what is worth keeping, and whether anything has happened since
// the last call.
func (g *Governor) State() (s State, changed bool) {
	s = State{Version: StateVersion, Accounts: map[string]pool.State{}}
	for _, a := range g.all() {
		a.mu.Lock()
		s.Accounts[a.name] = a.pool.State()
		changed = changed || a.changed
		a.changed = false
		a.mu.Unlock()
	}
	return s, changed
}

// Resume opens what is closed in a state that no governor uses now, as
// [Governor.Resume] does in a running one.
func (s *State) Resume(name string) int {
	n := 0
	for account, kept := range s.Accounts {
		n += kept.Resume(account, name)
		s.Accounts[account] = kept
	}
	return n
}
