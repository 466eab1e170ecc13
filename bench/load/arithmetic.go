package main

import (
	"math"
	"slices"
	"time"
)

// median returns the middle of xs, or the mean of the two in the middle; NaN if
// there is none.
func median(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	switch n := len(s); {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return s[n/2]
	default:
		return (s[n/2-1] + s[n/2]) / 2
	}
}

// percentile returns the smallest of xs that is not below a share p, 0 to 1, of
// them; NaN if there is none.
func percentile(xs []float64, p float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	i := int(math.Ceil(p*float64(len(s)))) - 1
	return s[min(max(i, 0), len(s)-1)]
}

// divide returns xs[i]/ys[i] for all i that both have.
func divide(xs, ys []float64) []float64 {
	ratios := make([]float64, min(len(xs), len(ys)))
	for i := range ratios {
		ratios[i] = xs[i] / ys[i]
	}
	return ratios
}

// ideal returns how long tasks take on the given number of slots, at least 1,
// when each is taken in turn by the slot that is free first: what a gateway
// reaches that keeps the order, never leaves a slot idle and costs nothing.
func ideal(tasks []time.Duration, slots int) time.Duration {
	free := make([]time.Duration, slots)
	for _, t := range tasks {
		i := slices.Index(free, slices.Min(free))
		free[i] += t
	}
	return slices.Max(free)
}

// inversions counts the pairs that were overtaken: the one was sent before the
// other, but arrived after it, each by more than tie. sent and arrived are the
// two moments of each task, in one unit.
func inversions(sent, arrived []int64, tie int64) int {
	count := 0
	for i := range sent {
		for j := range sent {
			if sent[j]-sent[i] > tie && arrived[i]-arrived[j] > tie {
				count++
			}
		}
	}
	return count
}
