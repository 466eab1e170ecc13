package pool

import (
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/provider"
)

// An EventKind names a step.
type EventKind string

// The steps.
const (
	Arrived      EventKind = "arrived"       // a request waits for its first slot, if only for a moment
	Admitted     EventKind = "admitted"      // a request has got a slot
	Accepted     EventKind = "accepted"      // the provider has taken the attempt
	Refused      EventKind = "refused"       // the attempt ended with a verdict that is not ok
	TurnedAway   EventKind = "turned-away"   // weir answers the request itself
	Left         EventKind = "left"          // the client went away while it waited
	Released     EventKind = "released"      // an attempt has left its slot
	Done         EventKind = "done"          // the request is over
	LimitChanged EventKind = "limit-changed" // a lane's or, with the account's name, the account's; or a lag or a pace was found or lost
	Paused       EventKind = "paused"
	Closed       EventKind = "closed"
	Opened       EventKind = "opened"
)

// An Event is one step, as the journal, the metrics and the page see it. It
// holds no text of a request or an answer. Fields that do not belong to its kind
// are zero.
type Event struct {
	At        time.Time
	Kind      EventKind
	Lane      string // provider/account/model, or provider/account
	Request   string // id of the request
	Session   string
	Class     admission.Class
	Verdict   provider.Kind
	Code      string // the provider's code
	RequestID string // the provider's id of the attempt
	Reason    string
	Why       string // what is believed after a change, as a sentence
	Until     time.Time
	Limit     int           // the limit after a change
	Level     int           // attempts in flight in the lane at the start, itself included
	Attempt   int           // 1 for the first
	Waited    time.Duration // from the arrival to the first admission
	Took      time.Duration // length of a released attempt
}

// Events returns what happened since the last call. The caller hands it on
// after it has released its lock.
func (p *Pool) Events() []Event {
	events := p.events
	p.events = nil
	return events
}

func (p *Pool) emit(now time.Time, ev Event) {
	ev.At = now
	p.events = append(p.events, ev)
}

// event begins an event about an entry.
func (p *Pool) event(kind EventKind, e *Entry) Event {
	ev := Event{Kind: kind, Lane: e.lane.fullName, Request: e.ID, Session: e.Session, Class: e.Class, Level: e.laneStart.Level, Attempt: e.attempts}
	if !e.admitted.IsZero() {
		ev.Waited = e.admitted.Sub(e.arrived)
	}
	return ev
}
