// Package pace spaces starts for a provider that limits how often calls may
// begin. It is pure and only obeys: each verdict that speaks about frequency
// moves starts further apart, each accepted start brings them a little closer.
package pace

import "time"

// The bounds of the space between two starts.
const (
	minGap = 250 * time.Millisecond // first gap, if starts were closer than that
	maxGap = time.Minute
	noGap  = 50 * time.Millisecond // below it spacing is over
	// maxSeen bounds what is taken for a spacing: starts further apart than that
	// were a pause.
	maxSeen = 10 * time.Second
	grow    = 1.5
	shrink  = 0.97 // a gap halves in 23 accepted starts
)

// A Pacer says when the next start may come. The zero Pacer spaces nothing. It
// is not safe for concurrent use.
type Pacer struct {
	gap    time.Duration
	last   time.Time     // last start
	before time.Duration // between it and the start before
	gate   time.Time     // no start before: a verdict said so
	known  time.Time     // when the last verdict was known: starts before it are of its wave
}

// Gap returns the space between two starts now; zero means none.
func (p *Pacer) Gap() time.Duration { return p.gap }

// Next returns the moment before which nothing may start; zero or a past moment
// means that a start may come now.
func (p *Pacer) Next() time.Time {
	at := p.gate
	if p.gap > 0 && !p.last.IsZero() {
		if spaced := p.last.Add(p.gap); spaced.After(at) {
			at = spaced
		}
	}
	return at
}

// Started records a start.
func (p *Pacer) Started(now time.Time) {
	if !p.last.IsZero() {
		p.before = now.Sub(p.last)
	}
	p.last = now
}

// Refused records a verdict that says that starts come too often. The hint is
// how long the provider asks to wait, zero or less if it does not say; rnd is
// in [0, 1). Attempts that started before the last such verdict was known belong
// to its wave and move nothing but the gate.
func (p *Pacer) Refused(now, started time.Time, hint time.Duration, rnd float64) {
	if started.After(p.known) || p.known.IsZero() {
		seen := max(p.gap, min(p.before, maxSeen))
		p.gap = min(max(time.Duration(float64(seen)*grow), minGap), maxGap)
		p.known = now
	}
	wait := time.Duration(float64(p.gap) * (0.8 + 0.4*rnd))
	if hint > 0 {
		wait = hint + time.Duration(rnd*float64(min(hint, 500*time.Millisecond)))
	}
	if at := now.Add(wait); at.After(p.gate) {
		p.gate = at
	}
}

// Accepted records that a start was accepted.
func (p *Pacer) Accepted() {
	if p.gap == 0 {
		return
	}
	if p.gap = time.Duration(float64(p.gap) * shrink); p.gap < noGap {
		p.gap = 0
	}
}

// State is what a pacer knows that outlives a restart.
type State struct {
	Gap time.Duration `json:"gap"` // nanoseconds
}

// State returns what is worth keeping.
func (p *Pacer) State() State { return State{Gap: p.gap} }

// Restore returns a pacer that goes on from a state; a gap outside the possible
// range is brought into it.
func Restore(s State) Pacer { return Pacer{gap: min(max(s.Gap, 0), maxGap)} }
