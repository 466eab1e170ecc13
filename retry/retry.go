// Package retry says how long until the next attempt, or stop: what an answer's
// headers ask for ([After]), how long to back off without such a word ([Policy]),
// and how many retries a lane may afford at all ([Budget]).
//
// The package is pure: it does no I/O, reads no clock and draws no random number;
// moments and random numbers come in as values.
package retry

import (
	"math"
	"time"
)

// Defaults of a Policy.
const (
	DefaultMaxRetries = 5
	DefaultBase       = time.Second
	DefaultCap        = 60 * time.Second
)

// A Policy says how often and how fast a request is tried again. The zero Policy
// has the defaults. Its methods may be called concurrently.
type Policy struct {
	// MaxRetries is how many retries a request has beside its first attempt. 0
	// means DefaultMaxRetries, less than 0 none.
	MaxRetries int
	// Base is the longest wait before the first retry; it doubles with each
	// further one. 0 or less means DefaultBase.
	Base time.Duration
	// Cap bounds the wait. 0 or less means DefaultCap. A Cap below Base wins.
	Cap time.Duration
}

// Backoff returns how long to wait before retry number attempt, counted from 1
// (less counts as 1): the share rnd of the smaller of Cap and Base·2^(attempt-1).
// With rnd drawn evenly from [0,1) this is exponential back-off with full jitter,
// which spreads those that were refused together. An rnd outside [0,1) is brought
// to its nearest end, one that is no number to 0.
func (p Policy) Backoff(attempt int, rnd float64) time.Duration {
	ceiling, most := p.Base, p.Cap
	if ceiling <= 0 {
		ceiling = DefaultBase
	}
	if most <= 0 {
		most = DefaultCap
	}
	for range max(attempt, 1) - 1 {
		if ceiling >= most/2+1 { // doubling would reach most, or overflow
			ceiling = most
			break
		}
		ceiling *= 2
	}
	ceiling = min(ceiling, most)
	switch {
	case math.IsNaN(rnd) || rnd <= 0:
		return 0
	case rnd >= 1:
		return ceiling - 1
	}
	// The rounding of large values must not reach the ceiling itself.
	return min(time.Duration(rnd*float64(ceiling)), ceiling-1)
}

// Allowed reports whether a request that was retried so many times may be retried
// once more.
func (p Policy) Allowed(retries int) bool {
	most := p.MaxRetries
	if most == 0 {
		most = DefaultMaxRetries
	}
	return retries < most
}
