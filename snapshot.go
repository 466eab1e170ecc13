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
		for i := range as.Sessions {
			as.Sessions[i].Caller = a.callers[as.Sessions[i].Name]
		}
		a.mu.Unlock()
		s.Queued += as.Queued
		s.InFlight += as.InFlight
		s.Accounts = append(s.Accounts, as)
	}
	slices.SortFunc(s.Accounts, func(a, b pool.Snapshot) int { return cmp.Compare(a.Account, b.Account) })
	return s
}

// State returns what is worth keeping, and whether anything has happened since
// the last call. Of more than ten thousand lanes those of the accounts used last
// are kept.
func (g *Governor) State() (s State, changed bool) {
	s = State{Version: StateVersion, Accounts: map[string]pool.State{}}
	type account struct {
		name  string
		used  time.Time
		state pool.State
	}
	var all []account
	for _, a := range g.all() {
		a.mu.Lock()
		all = append(all, account{a.name, a.used, a.pool.State()})
		changed = changed || a.changed
		a.changed = false
		a.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b account) int { return b.used.Compare(a.used) })
	lanes := 0
	for _, a := range all {
		if lanes += len(a.state.Lanes); lanes > maxLanes {
			break
		}
		s.Accounts[a.name] = a.state
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
