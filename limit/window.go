package limit

import "time"

// A sample is one decided start as evidence, in 32 bytes.
type sample struct {
	at        int64 // moment of the start, Unix nanoseconds
	running   uint16
	spaced    uint16                // milliseconds since the last start that was not refused
	ended     [agesEnded]uint16     // ages of the last ended slots, milliseconds, newest first
	abandoned [agesAbandoned]uint16 // and of the abandoned ones
	verdict   verdict
}

type verdict uint8

const (
	undecidedYet verdict = iota
	accepted
	refused
	excused // a refusal whose cause has been found
)

const (
	agesEnded     = 6
	agesAbandoned = 2
	longest       = 1<<16 - 1 // milliseconds; stands for longer, and for never
	windowSize    = 32
)

// window keeps the last decided starts.
type window struct {
	samples [windowSize]sample
	n       int // how many were ever added
}

func (w *window) add(s sample, v verdict) {
	s.verdict = v
	w.samples[w.n%windowSize] = s
	w.n++
}

func (w *window) all() []sample { return w.samples[:min(w.n, windowSize)] }

// count is how full the provider was for this start if it counts slots for so
// long after their end.
func (s *sample) count(ended, abandoned time.Duration) int {
	x := int(s.running)
	for _, ms := range s.ended {
		if time.Duration(ms)*time.Millisecond >= ended || ms == longest {
			break
		}
		x++
	}
	for _, ms := range s.abandoned {
		if time.Duration(ms)*time.Millisecond >= abandoned || ms == longest {
			break
		}
		x++
	}
	return x
}

// releases keeps when the last slots were left, those that the provider had
// counted.
type releases struct {
	at        [64]int64 // Unix nanoseconds
	abandoned [64]bool
	n         int
}

func (r *releases) add(now time.Time, abandoned bool) {
	i := r.n % len(r.at)
	r.at[i], r.abandoned[i] = now.UnixNano(), abandoned
	r.n++
}

// last returns the moment of the newest one, zero if there was none.
func (r *releases) last() time.Time {
	if r.n == 0 {
		return time.Time{}
	}
	return time.Unix(0, r.at[(r.n-1)%len(r.at)])
}

// held counts the slots that were left but still count, and returns when the
// first of them will not.
func (r *releases) held(now time.Time, ended, abandoned time.Duration) (n int, until time.Time) {
	if ended <= 0 && abandoned <= 0 {
		return 0, time.Time{}
	}
	at, first := now.UnixNano(), int64(0)
	for i := r.n - 1; i >= 0 && i >= r.n-len(r.at); i-- {
		j := i % len(r.at)
		age := at - r.at[j]
		if age >= int64(max(ended, abandoned)) {
			break
		}
		lag := ended
		if r.abandoned[j] {
			lag = abandoned
		}
		if age < int64(lag) {
			n++
			if over := r.at[j] + int64(lag); first == 0 || over < first {
				first = over
			}
		}
	}
	if n > 0 {
		until = time.Unix(0, first)
	}
	return n, until
}

// ages fills a sample's ages.
func (r *releases) ages(now time.Time, s *sample) {
	e, a := 0, 0
	at := now.UnixNano()
	for i := r.n - 1; i >= 0 && i >= r.n-len(r.at) && (e < len(s.ended) || a < len(s.abandoned)); i-- {
		j := i % len(r.at)
		ms := uint16(min((at-r.at[j])/int64(time.Millisecond), longest))
		if ms == longest {
			break
		}
		switch {
		case r.abandoned[j] && a < len(s.abandoned):
			s.abandoned[a] = ms
			a++
		case !r.abandoned[j] && e < len(s.ended):
			s.ended[e] = ms
			e++
		}
	}
	for ; e < len(s.ended); e++ {
		s.ended[e] = longest
	}
	for ; a < len(s.abandoned); a++ {
		s.abandoned[a] = longest
	}
}

func milliseconds(d time.Duration) uint16 {
	return uint16(min(max(d/time.Millisecond, 0), longest))
}
