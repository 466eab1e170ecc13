package scenario

import (
	"math"
	"math/rand/v2"
	"time"
)

// longest is the longest duration drawn: a tail must not wrap around.
const longest = 100 * 365 * 24 * time.Hour

// redraws bounds how often a log-normal duration beyond its ends is drawn again.
const redraws = 100

// Draw returns a duration, never negative. A log-normal one beyond its ends is drawn
// again, and becomes the nearer end if that does not help; Max 0 is no end.
func (d Dist) Draw(rng *rand.Rand) time.Duration {
	switch d.Kind {
	case Constant:
		return max(0, d.Mean)
	case Uniform:
		if d.Max <= d.Min {
			return max(0, d.Min)
		}
		return max(0, d.Min+time.Duration(rng.Int64N(int64(d.Max-d.Min)+1)))
	case LogNormal:
		var t time.Duration
		for range redraws {
			t = whole(float64(d.Mean) * math.Exp(d.Sigma*rng.NormFloat64()))
			if t >= d.Min && (t <= d.Max || d.Max <= 0) {
				return t
			}
		}
		return d.clip(t)
	case Exponential:
		return whole(float64(d.Mean) * rng.ExpFloat64())
	}
	return 0
}

// whole returns a duration of so many nanoseconds, at most the longest.
func whole(x float64) time.Duration { return time.Duration(min(max(x, 0), float64(longest))) }

// clip returns t or the end that it lies beyond.
func (d Dist) clip(t time.Duration) time.Duration {
	if t = max(t, d.Min); d.Max > 0 {
		t = min(t, d.Max)
	}
	return t
}

// Average returns the mean of what Draw returns.
func (d Dist) Average() time.Duration {
	switch d.Kind {
	case Constant, Exponential:
		return d.Mean
	case Uniform:
		return d.Min + (d.Max-d.Min)/2
	case LogNormal:
		return d.averageLogNormal()
	}
	return 0
}

// averageLogNormal is the mean of what lies between the ends.
func (d Dist) averageLogNormal() time.Duration {
	if d.Sigma <= 0 || d.Mean <= 0 {
		return d.clip(d.Mean)
	}
	mu := math.Log(float64(d.Mean))
	below := func(x time.Duration, shift float64) float64 { // of a normal distribution moved by shift
		if x <= 0 {
			return 0
		}
		return math.Erfc(-(math.Log(float64(x))-mu-shift)/(d.Sigma*math.Sqrt2)) / 2
	}
	upper := longest
	if d.Max > 0 {
		upper = d.Max
	}
	share := below(upper, 0) - below(d.Min, 0)
	if share < 1./redraws {
		return d.clip(d.Mean)
	}
	square := d.Sigma * d.Sigma
	return whole(math.Exp(mu+square/2) * (below(upper, square) - below(d.Min, square)) / share)
}
