package evidence

import (
	"slices"
	"time"
)

// A Step is a number that holds from a moment to the next step's.
type Step struct {
	At time.Time `json:"at"`
	N  int       `json:"n"`
}

// A Span is a time in which something was under way: [From, To).
type Span struct{ From, To time.Time }

// A Course is what happened in a lane over time, or in all of them. Steps are in order;
// those before From say what holds there.
type Course struct {
	From     time.Time   `json:"from"`
	To       time.Time   `json:"to"`
	InFlight []Step      `json:"in_flight"`
	Queued   []Step      `json:"queued"`
	Limit    []Step      `json:"limit"`           // empty: it is not known, or there is no one limit
	Truth    []Step      `json:"truth,omitempty"` // what the provider really bears; empty: nobody knows
	Refused  []time.Time `json:"refused"`
	Refusals int         `json:"refusals,omitempty"` // how many there were, if Refused has one for several
}

// Overlap returns how many of the spans are under way, from moment to moment.
func Overlap(spans []Span) []Step {
	type edge struct {
		at time.Time
		by int
	}
	edges := make([]edge, 0, 2*len(spans))
	for _, s := range spans {
		if s.From.Before(s.To) {
			edges = append(edges, edge{s.From, 1}, edge{s.To, -1})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.by - b.by // what ends makes room for what begins
	})
	var steps []Step
	n := 0
	for _, e := range edges {
		n += e.by
		if k := len(steps); k > 0 && steps[k-1].At.Equal(e.at) {
			steps[k-1].N = n
		} else {
			steps = append(steps, Step{At: e.at, N: n})
		}
	}
	return steps
}

// At returns the number that holds at a moment: 0 before the first step.
func At(steps []Step, t time.Time) int {
	i, found := slices.BinarySearchFunc(steps, t, func(s Step, t time.Time) int { return s.At.Compare(t) })
	if !found {
		i--
	}
	if i < 0 {
		return 0
	}
	return steps[i].N
}

// Most returns the highest number that holds between two moments.
func Most(steps []Step, from, to time.Time) int {
	n := At(steps, from)
	i, _ := slices.BinarySearchFunc(steps, from, func(s Step, t time.Time) int { return s.At.Compare(t) })
	for ; i < len(steps) && steps[i].At.Before(to); i++ {
		n = max(n, steps[i].N)
	}
	return n
}
