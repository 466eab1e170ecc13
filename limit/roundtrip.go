package limit

import "time"

// roundTrip estimates how long first bytes take, as TCP does its round trips
// (RFC 6298): a mean and a mean deviation.
type roundTrip struct {
	mean, dev time.Duration
	n         int
}

func (r *roundTrip) add(took time.Duration) {
	if r.n == 0 {
		r.mean, r.dev, r.n = took, took/2, 1
		return
	}
	r.n++
	r.dev += ((took - r.mean).Abs() - r.dev) / 4
	r.mean += (took - r.mean) / 8
}

// slow tells that a first byte which takes so long is none of the usual ones.
// With few seen nothing is.
func (r *roundTrip) slow(took time.Duration) bool {
	return r.n >= 4 && took > r.mean+4*r.dev
}
