package main

import (
	"slices"
	"sync"
	"time"
)

// A call is one attempt as the provider saw it. Times are Unix nanoseconds;
// Freed is 0 while the call is open.
type call struct {
	ID      string `json:"id"`
	Account string `json:"account"`
	Arrived int64  `json:"arrived"`
	Freed   int64  `json:"freed"`
	// Outcome is "open", "answered", "refused" or "left".
	Outcome string `json:"outcome"`

	answer chan struct{} // closed to let a hanging call be answered
	asked  bool          // answer is closed
}

// A report is what the ledger tells the load generator.
type report struct {
	Open  int     `json:"open"` // calls that are neither answered, refused nor left
	Calls []*call `json:"calls,omitempty"`
}

// A ledger writes calls down and counts slots. Its methods may be called
// concurrently. A call that was begun before a reset is not part of the new
// ledger, but it still gives back its slot.
type ledger struct {
	mu    sync.Mutex // guards all below
	calls []*call
	slots int           // how many calls may run at once; 0 or less: none of do=slots
	lag   time.Duration // how long a slot goes on being counted after its call
	taken int
}

func newLedger() *ledger { return &ledger{} }

// reset forgets all calls and sets how many slots there are.
func (l *ledger) reset(slots int, lag time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls, l.slots, l.lag = nil, slots, lag
}

// begin writes down that a call has arrived.
func (l *ledger) begin(id, account string) *call {
	c := &call{ID: id, Account: account, Outcome: "open", answer: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.Arrived = time.Now().UnixNano()
	l.calls = append(l.calls, c)
	return c
}

// finish writes down how a call ended, at the moment of the call of finish.
func (l *ledger) finish(c *call, outcome string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.Freed, c.Outcome = time.Now().UnixNano(), outcome
}

// take takes a slot and reports whether there was one.
func (l *ledger) take() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken >= l.slots {
		return false
	}
	l.taken++
	return true
}

// give gives a slot back, after the lag.
func (l *ledger) give() {
	l.mu.Lock()
	lag := l.lag
	l.mu.Unlock()
	free := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.taken--
	}
	if lag <= 0 {
		free()
		return
	}
	time.AfterFunc(lag, free)
}

// end lets the oldest hanging call of the account be answered and reports
// whether there was one.
func (l *ledger) end(account string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		if c.Account == account && c.Outcome == "open" && !c.asked {
			c.asked = true
			close(c.answer)
			return true
		}
	}
	return false
}

// report returns a copy of what was written down.
func (l *ledger) report() report {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := report{Calls: slices.Clone(l.calls)}
	for i, c := range r.Calls {
		seen := *c
		r.Calls[i] = &seen
		if c.Outcome == "open" {
			r.Open++
		}
	}
	return r
}
