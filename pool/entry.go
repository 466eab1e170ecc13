package pool

import (
	"fmt"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/provider"
)

// A Request is what the pool needs to know of a client's call.
type Request struct {
	ID       string // for events
	Lane     string // the model
	Session  string // root session, the unit of fairness
	Class    admission.Class
	Deadline time.Time // end of the hold; zero: it may wait for ever
	Owner    any       // for the caller
}

// An Entry is a request in the pool's care. Its methods may be called under the
// same lock as the pool's.
type Entry struct {
	Request
	Turned *Turned // why weir answers it; nil unless Poll says that it was turned away

	lane      *lane
	item      *admission.Item[*Entry]
	state     state
	arrived   time.Time
	admitted  time.Time // first admission
	started   time.Time // of the attempt that runs
	laneStart limit.Start
	poolStart limit.Start
	alone     bool // no other lane had an attempt in flight at the start
	accepted  bool // the attempt that runs was accepted
	sleeps    int  // how often the machine had been asleep when the attempt started
	attempted bool // waits to be retried
	attempts  int
	retries   int // for faults of its own

	overloads int  // refusals for overload that another's acceptance followed
	trial     bool // tries whether a closed lane is open again

	wakeAt    time.Time // while asleep
	sleeperAt int       // place among the sleepers
}

type state uint8

const (
	queued   state = iota
	asleep         // waits before it queues again
	benched        // lets another request try first
	running        // holds a slot
	finished       // done with
)

func (e *Entry) waiting() bool { return e.state == queued || e.state == asleep || e.state == benched }

// Attempts returns how many attempts were started for the request.
func (e *Entry) Attempts() int { return e.attempts }

// Arrived returns when the request arrived.
func (e *Entry) Arrived() time.Time { return e.arrived }

// Admitted returns when the request was first admitted; zero if never.
func (e *Entry) Admitted() time.Time { return e.admitted }

// Level returns how many attempts of the lane were in flight at the last start
// of the request, itself included; zero if it never started.
func (e *Entry) Level() int { return e.laneStart.Level }

// An Outcome is what an attempt's answer means, and how long its header or body
// asks to wait.
type Outcome struct {
	provider.Verdict
	Hint  time.Duration // zero or less: not said
	Dial  bool          // no connection came about: nothing was sent
	Final bool          // another attempt would be in vain
}

// A Decision is what happens to a request whose attempt was refused.
type Decision uint8

// The decisions.
const (
	Pass  Decision = iota // the request is done: pass the provider's answer on
	Retry                 // it waits for a slot again
)

// A Reason says why weir itself answers a request; the strings are those of the
// X-Weir-Error header.
type Reason string

// The reasons of the pool.
const (
	QuotaClosed    Reason = "quota"    // the lane is closed until the quota comes back
	AccountFlagged Reason = "flagged"  // the account is closed: fair use
	MaxWait        Reason = "max-wait" // the hold is over, or cannot suffice
	GivenUp        Reason = "overload" // refused for overload again and again while others pass
	Draining       Reason = "draining" // weir is going down
)

// Turned is the error of a request that weir answers itself.
type Turned struct {
	Reason Reason
	Kind   provider.Kind // the verdict behind it
	Code   string        // the provider's code behind it, if any
	Until  time.Time     // when it may work again; zero: not known
	Hint   string        // what it means for a person
}

// Error implements error.
func (t *Turned) Error() string {
	text := fmt.Sprintf("weir: request turned away: %s", t.Reason)
	if t.Code != "" {
		text += " (code " + t.Code + ")"
	}
	if !t.Until.IsZero() {
		text += " until " + t.Until.UTC().Format(time.RFC3339)
	}
	return text
}
