// Package dashboard shows what a gateway does, at a glance: as JSON, as a live stream
// and as the page at /weir/. It knows nothing of requests' or answers' texts.
package dashboard

import (
	"time"

	"github.com/weirhq/weir/internal/evidence"
)

// How much of each kind a view shows; of the rest it says how many there are.
const (
	MostWaiting  = 100
	MostRunning  = 250
	MostDone     = 200
	MostSessions = 50
	MostLanes    = 100
)

// A View is what a gateway does at a moment, for people and for programs. Fields may be
// added, none changes its meaning.
type View struct {
	At       time.Time `json:"at"`
	Version  string    `json:"version"`
	Listen   string    `json:"listen"`
	Upstream string    `json:"upstream"`
	PID      int       `json:"pid"`
	Started  time.Time `json:"started"`
	Draining bool      `json:"draining"` // it is going down
	Notes    []string  `json:"notes"`    // what is not as it should be, such as a journal that cannot be written

	Running  int    `json:"running"`
	Queued   int    `json:"queued"`   // those to be retried included
	Retrying int    `json:"retrying"` // of the queued: were admitted before
	Words    string `json:"words"`    // the most important thing, in a sentence

	Lanes        []Lane    `json:"lanes"` // those first that had most attempts
	MoreLanes    int       `json:"more_lanes"`
	Sessions     []Session `json:"sessions"` // the active ones first, then by their share
	MoreSessions int       `json:"more_sessions"`

	Waiting     []Request `json:"waiting_requests"` // the next one first in each lane
	MoreWaiting int       `json:"more_waiting"`
	Active      []Request `json:"running_requests"` // the oldest first
	MoreActive  int       `json:"more_running"`
	Done        []Request `json:"done_requests"` // the latest first; in a stream those since the last view
}

// The states of a [Lane], the gravest last.
const (
	LaneIdle    = "idle"    // nothing runs or waits
	LaneOpen    = "open"    // all is well
	LanePaused  = "paused"  // for a moment, since the provider wants it
	LaneHeld    = "held"    // by hand
	LaneClosed  = "closed"  // a quota is spent
	LaneFlagged = "flagged" // the provider minds how the account is used
)

// A Lane is one model of one account.
type Lane struct {
	Lane     string     `json:"lane"` // provider/account/model; the account is a fingerprint
	Provider string     `json:"provider"`
	Account  string     `json:"account"` // provider/fingerprint
	Model    string     `json:"model"`
	Running  int        `json:"running"`
	Queued   int        `json:"queued"`
	Retrying int        `json:"retrying"`
	ByClass  [3]int     `json:"queued_by_class"` // interactive, subagent, background
	Limit    int        `json:"limit"`           // that holds: the lower one of the lane's and the account's
	Fixed    int        `json:"fixed"`           // by hand; 0: it is learned, or bounded by the configuration
	State    string     `json:"state"`
	Until    *time.Time `json:"until,omitempty"` // the state ends then; nil: not known
	Words    string     `json:"words"`           // what it does and why, in a sentence: "3 is stable; next try at 4 in 6 min"
	Why      string     `json:"why"`             // all that is believed of it
	Curve    []Level    `json:"curve"`           // lowest level first
	Verdict  string     `json:"verdict"`         // what the curve says, in a sentence

	// What was done by hand was done to the whole account.
	AccountFixed bool `json:"account_fixed"`
	AccountHeld  bool `json:"account_held"`

	attempts uint64 // that were judged since the start
}

// A Level is what became of the starts at one level in flight, with the 95 % interval
// of the share that is refused.
type Level struct {
	evidence.Level
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// A Session is what one agent session does.
type Session struct {
	Session  string        `json:"session"`
	Who      string        `json:"who"` // "opencode in ~/shop", else the tool's name; empty: not known
	Account  string        `json:"account"`
	Running  int           `json:"running"`
	Queued   int           `json:"queued"`
	Requests uint64        `json:"requests"` // since it was first seen
	Overlap  int           `json:"longest_overlap"`
	Waited   time.Duration `json:"waited_ns"` // in all
	Share    float64       `json:"share"`     // of the account's time in flight, 0 to 1
	Last     time.Time     `json:"last"`      // last arrival
}

// active is 1 for a session that has something under way or had of late, else 0.
func (s Session) active(now time.Time) int {
	const lately = time.Minute
	if s.Running+s.Queued > 0 || now.Sub(s.Last) < lately {
		return 1
	}
	return 0
}

// The states of a [Request].
const (
	Waiting  = "waiting"
	Retrying = "retrying" // waits, after an attempt that was refused
	Running  = "running"
	Done     = "done"
)

// A Request is one request from its arrival to its end. Fields that are not known yet
// are zero.
type Request struct {
	ID         string        `json:"id"`
	State      string        `json:"state"`
	Lane       string        `json:"lane"`
	Model      string        `json:"model"`
	Session    string        `json:"session"`
	Who        string        `json:"who"`
	Tool       string        `json:"tool"`
	Class      string        `json:"class"`
	Start      time.Time     `json:"start"`
	End        *time.Time    `json:"end,omitempty"`
	Waited     time.Duration `json:"waited_ns"`               // for slots, in all, up to now
	Place      int           `json:"place,omitempty"`         // in its lane's line, 1 is the next; 0: it does not wait
	Estimate   time.Duration `json:"estimate_ns,omitempty"`   // until it starts, roughly; 0: not known
	FirstByte  time.Duration `json:"first_byte_ns,omitempty"` // from the start to the answer's first byte
	InFlight   int           `json:"in_flight,omitempty"`     // in its lane at its last start, itself included
	Tries      int           `json:"tries"`                   // attempts so far
	Verdict    string        `json:"verdict,omitempty"`       // of the last attempt
	Code       string        `json:"code,omitempty"`          // the provider's, of the last attempt
	ProviderID string        `json:"provider_id,omitempty"`   // the provider's id of the last attempt
	Status     int           `json:"status,omitempty"`        // of the answer
	Outcome    string        `json:"outcome,omitempty"`       // "ok", or what went wrong
	Bytes      int64         `json:"bytes,omitempty"`         // of the answer
	Attempts   []Attempt     `json:"attempts,omitempty"`      // the first 32
}

// An Attempt is one try at the provider.
type Attempt struct {
	Start      time.Time  `json:"start"`
	End        *time.Time `json:"end,omitempty"`
	InFlight   int        `json:"in_flight"`
	Verdict    string     `json:"verdict,omitempty"` // empty: not judged yet
	Code       string     `json:"code,omitempty"`
	ProviderID string     `json:"provider_id,omitempty"`
}
