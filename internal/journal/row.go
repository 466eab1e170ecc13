package journal

import "time"

// A Row is one line of the journal: a [Request] or a [Change].
type Row interface{ row() }

// A Request is one request at its end. It has no text of what was asked or answered,
// and no value of a header. Zero fields are not known.
type Request struct {
	ID      string
	Lane    string // provider/account/model; the account is a fingerprint
	Session string
	Tool    string // "opencode"
	Class   string // interactive, subagent or background
	Dialect string

	Start    time.Time // it came
	Admitted time.Time // it first got a slot; zero: never
	End      time.Time
	Waited   time.Duration // for slots, in all
	// FirstByte is from the start to the first byte of the answer; 0: there was none.
	FirstByte time.Duration
	InFlight  int // attempts in flight in the lane at its last start, itself included

	Tries    int       // attempts in all
	Attempts []Attempt // the first of them

	Verdict    string // of the last attempt
	Code       string // the provider's, of the last attempt
	ProviderID string // the provider's id of the last attempt
	Status     int
	Outcome    string
	Bytes      int64 // of the answer, to the client
	KeptAlive  bool  // signs of life went out before the answer
}

// An Attempt is one try at the provider.
type Attempt struct {
	Start      time.Time
	End        time.Time // of its answer; zero: it was not seen
	InFlight   int       // attempts in flight in the lane at its start, itself included
	Verdict    string
	Code       string
	ProviderID string
}

// The kinds of a [Change] that are not an event's.
const (
	KindLost = "lost" // rows were lost before this one: Count says how many
)

// A Change is what happened to a lane, an account or the journal itself.
type Change struct {
	At      time.Time
	Kind    string // an event's, as "limit-changed", "paused", "closed", "opened"; or KindLost
	Lane    string // provider/account/model, or provider/account
	Limit   int    // after it
	Level   int    // that it is about
	Reason  string
	Why     string // what is believed after it, as a sentence
	Verdict string
	Code    string
	Until   time.Time
	Count   int64
}

func (Request) row() {}
func (Change) row()  {}
