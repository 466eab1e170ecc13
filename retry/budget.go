package retry

import "time"

const (
	// price is how many first attempts pay for one retry. With four of them the
	// retries are a fifth of all attempts at most.
	price = 4
	// maxCredit is how much traffic is remembered, in first attempts: enough for
	// ten retries, so that a good hour does not pay for a storm after it.
	maxCredit = 10 * price

	allowance = 10               // retries that traffic need not pay for
	refill    = 10 * time.Second // time in which one of them comes back
)

// A Budget keeps the retries of one lane in proportion. Each is paid by four first
// attempts, which keeps retries under a fifth of all attempts, or else taken from
// an allowance of ten that refills by one per ten seconds. Traffic pays for no more
// than ten retries ahead.
//
// The zero Budget is ready, with its allowance full. Moments passed to its methods
// should not decrease; if a clock jumps back, the allowance is at worst empty. It
// must not be used concurrently.
type Budget struct {
	credit int       // first attempts that have not paid for a retry yet
	full   time.Time // when the allowance is full again; in the past: it is full
}

// Attempt records a first attempt: any that is no retry. The moment is not looked
// at today.
func (b *Budget) Attempt(now time.Time) {
	b.credit = min(b.credit+1, maxCredit)
}

// Take pays for one retry at the moment now and reports whether the budget could.
// If not, nothing has changed, and the retry should wait until Next.
func (b *Budget) Take(now time.Time) bool {
	if b.credit >= price {
		b.credit -= price
		return true
	}
	full := b.fullAt(now)
	if full.Sub(now) > (allowance-1)*refill {
		return false
	}
	b.full = full.Add(refill)
	return true
}

// Next returns the earliest moment, not before now, at which Take succeeds if
// nothing happens until then. New traffic may make it succeed earlier.
func (b *Budget) Next(now time.Time) time.Time {
	if b.credit >= price {
		return now
	}
	if next := b.fullAt(now).Add(-(allowance - 1) * refill); next.After(now) {
		return next
	}
	return now
}

// fullAt returns when the allowance is full again, seen from now: not in the past,
// and no further off than an empty allowance needs.
func (b *Budget) fullAt(now time.Time) time.Time {
	if b.full.Before(now) {
		return now
	}
	if empty := now.Add(allowance * refill); b.full.After(empty) {
		return empty
	}
	return b.full
}
