package proxy

import (
	"bytes"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/weirhq/weir/provider"
)

// returning remembers the calls that ended without their answer, because their client
// hung up or weir had to send it away: what the same client sends again soon is the
// same call, and has its place. It is safe for concurrent use.
type returning struct {
	now  func() time.Time
	seed maphash.Seed

	mu    sync.Mutex  // guards the fields below
	gone  []departure // in the order of departure
	count map[origin]int
}

// An origin is whose a call was: a copy of it by somebody else is another call.
type origin struct {
	account string // provider and fingerprint of the credential
	session string
}

// A departure is one such call.
type departure struct {
	from  origin
	body  uint64 // hash
	since time.Time
	times int       // how often it has come back before
	until time.Time // then it is forgotten
}

const (
	// rememberFor is longer than any tool waits before it repeats a call.
	rememberFor = 2 * time.Minute
	// maxDepartures bounds the memory; the oldest are forgotten first.
	maxDepartures = 1024
	// maxReturns is how often a call keeps its place: one that runs and times out again
	// and again would else go before all others for ever.
	maxReturns = 3
)

func newReturning(now func() time.Time) *returning {
	return &returning{now: now, seed: maphash.MakeSeed(), count: map[origin]int{}}
}

// leave remembers a call that has ended without its answer, when it was first made, and
// how often it has come back since.
func (r *returning) leave(from origin, hash uint64, since time.Time, times int) {
	if times >= maxReturns {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.gone) >= maxDepartures {
		r.forget(0)
	}
	r.gone = append(r.gone, departure{from, hash, since, times, r.now().Add(rememberFor)})
	r.count[from]++
}

// back returns when a call was first made that a client makes now, and how often it has
// come back with this one, or the zero time if it is a new one. Each departure is good for one return. The body is looked at only
// if there is something to compare it with.
func (r *returning) back(from origin, body []byte) (since time.Time, times int) {
	if !r.expects(from) {
		return time.Time{}, 0
	}
	hash := r.hash(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, d := range r.gone {
		if d.from == from && d.body == hash {
			r.forget(i)
			return d.since, d.times + 1
		}
	}
	return time.Time{}, 0
}

// expects tells whether anything of an origin's has departed lately.
func (r *returning) expects(from origin) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for now := r.now(); len(r.gone) > 0 && !now.Before(r.gone[0].until); {
		r.forget(0)
	}
	return r.count[from] > 0
}

func (r *returning) forget(i int) {
	from := r.gone[i].from
	if r.count[from]--; r.count[from] == 0 {
		delete(r.count, from)
	}
	r.gone = slices.Delete(r.gone, i, i+1)
}

// hash is that of a body's members but for those that say how its answer shall come,
// since a tool may repeat a stream without.
func (r *returning) hash(body []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	err := provider.ScanObject(body, func(key, value []byte) bool {
		if !bytes.Equal(key, []byte("stream")) && !bytes.Equal(key, []byte("stream_options")) {
			h.Write(key)
			h.WriteByte(0)
			h.Write(value)
			h.WriteByte(0)
		}
		return true
	})
	if err != nil {
		return maphash.Bytes(r.seed, body)
	}
	return h.Sum64()
}
