// Package report makes evidence of a journal: what was refused in a lane, at which
// level, when and under which request ids, and what that carries. It is for the person
// who looks for the cause and for the provider's support, so it says no more than was
// counted, and nothing of what was asked, answered or sent along: no prompt, key,
// header, nor the name of a session.
package report

import (
	"encoding/json"
	"io"
	"time"

	"github.com/weirhq/weir/internal/evidence"
)

// A Report is what a journal says of one lane. As JSON it only ever grows. Moments are
// in UTC; the sentences are for people and may change.
type Report struct {
	Made   time.Time `json:"made"`
	Weir   string    `json:"weir"`   // its version
	System string    `json:"system"` // "linux/amd64"
	Zone   Zone      `json:"zone"`   // of the person whose report it is

	Lane     string `json:"lane"` // provider/account/model; the account is a fingerprint of the key
	Provider string `json:"provider"`
	Account  string `json:"account"`
	Model    string `json:"model"`
	Plan     string `json:"plan,omitempty"` // as the person says

	From time.Time `json:"from"` // the lane's first request came
	To   time.Time `json:"to"`   // its last one ended

	Endpoints []Endpoint `json:"endpoints"`
	Upstream  string     `json:"upstream,omitempty"` // where the gateway that runs now sends to; empty: none runs
	Tools     []Count    `json:"tools"`              // by requests; the name is empty where it is not known
	Sessions  int        `json:"sessions"`

	Requests int     `json:"requests"`
	Outcomes []Count `json:"outcomes"` // of the requests, as the journal names them
	Counts   Counts  `json:"attempts"`

	Verdict evidence.Verdict `json:"verdict"`
	Summary string           `json:"summary"` // what was counted in all, as a sentence
	Levels  []Level          `json:"levels"`
	Moments []Moment         `json:"moments"` // the worst first, at most three
	Codes   []Code           `json:"codes"`   // refusals first, then by number

	Done   []string `json:"done"`   // what was already done about it
	Method []string `json:"method"` // how it was measured
	Doubts []string `json:"doubts"` // what makes this report less sure; may be empty
	More   []string `json:"more"`   // what would make it more sure

	Others []Lane `json:"others"` // the journal's other lanes, by refusals and requests
}

// A Zone is the clock on a person's wall.
type Zone struct {
	Name   string `json:"name"`
	Offset string `json:"offset"` // from UTC at the end of the period: "+01:00"

	location *time.Location
}

// An Endpoint is where the requests of a dialect go, as the provider's profile has it.
type Endpoint struct {
	Dialect    string `json:"dialect"`
	Base       string `json:"base"` // empty: the profile does not say
	CodingPlan bool   `json:"coding_plan"`
	Requests   int    `json:"requests"`
}

// A Count is how often there was something.
type Count struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

// Counts are the attempts of a lane. Those that the journal has one by one are accepted,
// refused, other errors, or undecided.
type Counts struct {
	Accepted   int `json:"accepted"`
	Refused    int `json:"refused"`    // as too many: verdicts concurrency and throttled
	Other      int `json:"other"`      // ended with another error, which says nothing of the level
	Undecided  int `json:"undecided"`  // had no verdict: who asked went away before
	Unrecorded int `json:"unrecorded"` // beyond those of each request that the journal keeps
}

// All returns the number of all attempts.
func (c Counts) All() int {
	return c.Accepted + c.Refused + c.Other + c.Undecided + c.Unrecorded
}

// A Level is what became of the attempts that started with so many in flight, each
// itself included.
type Level struct {
	evidence.Level
	Low     float64 `json:"low"`             // of the 95 % interval of the share that is refused
	High    float64 `json:"high"`            // likewise
	Known   string  `json:"known"`           // "stable", "failing", or empty: too few attempts
	Missing int     `json:"missing"`         // attempts that would decide; 0: it is decided, -1: more would not
	Minutes int     `json:"minutes"`         // in how many minutes there were attempts
	Bad     int     `json:"minutes_refused"` // and in how many of them refusals

	halves [2]evidence.Level // the earlier attempts and the later ones
}

// narrow tells that attempts come from so few minutes that they may have one cause: the
// interval, which takes them as independent, is too narrow then.
func (l Level) narrow() bool {
	const few = 3
	return l.Known == "failing" && l.Bad < few && l.Refused > l.Bad || l.Known == "stable" && l.Minutes < few
}

// A Moment is one of the worst: many refusals within a minute, and what was under way
// around them.
type Moment struct {
	Begin   time.Time       `json:"begin"`           // of the minute
	Refused int             `json:"refused"`         // attempts within it
	Most    int             `json:"most"`            // attempts that were in flight at once within it
	Course  evidence.Course `json:"course"`          // from a minute before it to a minute after it
	Text    string          `json:"text"`            // as a sentence
	Doubt   string          `json:"doubt,omitempty"` // what the picture lacks
}

// A Code is one way in which attempts ended that were not accepted.
type Code struct {
	Code     string    `json:"code"`    // the provider's; empty: it gave none
	Verdict  string    `json:"verdict"` // what weir makes of it
	Refusal  bool      `json:"refusal"` // it counts as refused for being too many
	Means    string    `json:"means"`
	N        int       `json:"n"`
	WithID   int       `json:"with_id"`  // of them, those to which the provider gave a request id
	Examples []Example `json:"examples"` // at most 20 with an id, of other errors 5, spread over the period
}

// An Example is one attempt that the provider can find by its id.
type Example struct {
	At       time.Time `json:"at"` // it was sent
	ID       string    `json:"id"` // the provider's
	InFlight int       `json:"in_flight,omitempty"`
}

// A Lane is one of those that the report is not about.
type Lane struct {
	Name     string `json:"name"`
	Requests int    `json:"requests"`
	Attempts int    `json:"attempts"`
	Refused  int    `json:"refused"`
}

// curve returns the levels as evidence has them.
func (r *Report) curve() evidence.Curve {
	c := make(evidence.Curve, len(r.Levels))
	for i, l := range r.Levels {
		c[i] = l.Level
	}
	return c
}

// formats are those that a report can be written in.
var formats = map[string]func(*Report, io.Writer) error{"html": (*Report).html, "md": (*Report).markdown, "json": (*Report).json}

// IsFormat tells whether [Report.Write] knows a format: html, md or json.
func IsFormat(name string) bool { return formats[name] != nil }

// Write writes the report: as one HTML file that needs no other and has no script, as
// Markdown to paste, or as JSON. The format must be one of [IsFormat].
func (r *Report) Write(w io.Writer, format string) error { return formats[format](r, w) }

func (r *Report) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
