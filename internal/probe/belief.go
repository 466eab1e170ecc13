package probe

import "math"

// belief is how likely each limit is after what was seen: a start within the limit is
// refused for no reason with some small probability, and one above it is accepted with
// some other; neither is known, so all of a few are weighed. It steers the probe. What
// the probe says rests on counts alone.
type belief struct {
	logs [][]float64 // by limit, 0 to the most, and by pair of noise and leak
}

var (
	noises = [...]float64{0.002, 0.02, 0.05, 0.1} // of starts within the limit, refused
	leaks  = [...]float64{0.002, 0.1, 0.3, 0.6}   // of starts above it, accepted
)

// newBelief is that of somebody who has seen nothing. A limit of the most stands for
// all above, too.
func newBelief(most int) *belief {
	b := &belief{logs: make([][]float64, most+1)}
	for i := range b.logs {
		b.logs[i] = make([]float64, len(noises)*len(leaks))
	}
	return b
}

// saw takes in one start of which the level is known.
func (b *belief) saw(level int, refused bool) {
	b.each(func(limit int, noise, leak float64) float64 {
		accepted := 1 - noise
		if level > limit {
			accepted = leak
		}
		if refused {
			return 1 - accepted
		}
		return accepted
	})
}

// sawBurst takes in starts of one moment: how many were accepted says how much room
// there was, whichever of them came first.
func (b *belief) sawBurst(n, accepted int) {
	b.each(func(limit int, noise, leak float64) float64 {
		room := min(limit, n)
		if accepted > room {
			return math.Pow(1-noise, float64(room)) * math.Pow(leak, float64(accepted-room))
		}
		p := choose(room, accepted) * math.Pow(1-noise, float64(accepted)) * math.Pow(noise, float64(room-accepted))
		if n > room {
			p *= 1 - leak
		}
		return p
	})
}

// each multiplies each hypothesis by how likely it makes what was seen.
func (b *belief) each(likely func(limit int, noise, leak float64) float64) {
	for limit, row := range b.logs {
		for i := range row {
			row[i] += math.Log(max(1e-12, likely(limit, noises[i/len(leaks)], leaks[i%len(leaks)])))
		}
	}
}

// shares returns how likely each limit is, 0 first; they add up to 1.
func (b *belief) shares() []float64 {
	top := math.Inf(-1)
	for _, row := range b.logs {
		for _, l := range row {
			top = max(top, l)
		}
	}
	all, sum := make([]float64, len(b.logs)), 0.0
	for limit, row := range b.logs {
		for _, l := range row {
			all[limit] += math.Exp(l - top)
		}
		sum += all[limit]
	}
	for i := range all {
		all[i] /= sum
	}
	return all
}

func choose(n, k int) float64 {
	c := 1.0
	for i := range k {
		c = c * float64(n-i) / float64(i+1)
	}
	return c
}
