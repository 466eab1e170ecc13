package main

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestIdeal(t *testing.T) {
	tests := []struct {
		name  string
		tasks []time.Duration
		slots int
		want  time.Duration
	}{
		{"nothing takes no time", nil, 4, 0},
		{"one slot takes one after the other", []time.Duration{1, 2, 3}, 1, 6},
		{"as many slots as tasks take the longest", []time.Duration{1, 2, 3}, 3, 3},
		{"the slot that is free first takes the next", []time.Duration{3, 1, 1, 1, 2}, 2, 5},
		{"a long last task is not moved forward", []time.Duration{1, 1, 10}, 2, 11},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ideal(tt.tasks, tt.slots); got != tt.want {
				t.Errorf("ideal(%v, %d) = %d, want %d", tt.tasks, tt.slots, got, tt.want)
			}
		})
	}
}

// Graham's bounds: no schedule beats the mean load of a slot or the longest
// task, and list scheduling ends at most one task later than the mean.
func TestIdealKeepsGrahamsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.IntRange(1, 6).Draw(t, "slots")
		ms := rapid.SliceOfN(rapid.Int64Range(1, 1500), 1, 64).Draw(t, "tasks")
		var sum int64
		tasks := make([]time.Duration, len(ms))
		for i, n := range ms {
			tasks[i], sum = time.Duration(n), sum+n
		}
		got := float64(ideal(tasks, slots))
		mean, longest := float64(sum)/float64(slots), float64(slices.Max(ms))
		if got < mean || got < longest || got > mean+longest {
			t.Fatalf("ideal %v is not between max(%v, %v) and their sum", got, mean, longest)
		}
	})
}

func TestInversions(t *testing.T) {
	tests := []struct {
		name          string
		sent, arrived []int64
		tie           int64
		want          int
	}{
		{"nobody overtakes nobody", nil, nil, 5, 0},
		{"in order", []int64{0, 10, 20}, []int64{100, 110, 120}, 5, 0},
		{"one overtakes one", []int64{0, 10}, []int64{110, 100}, 5, 1},
		{"the last overtakes two", []int64{0, 10, 20}, []int64{110, 120, 100}, 5, 2},
		{"reversed", []int64{0, 10, 20}, []int64{120, 110, 100}, 5, 3},
		{"who was sent at once may arrive in any order", []int64{0, 5}, []int64{110, 100}, 5, 0},
		{"who arrived at once overtook nobody", []int64{0, 10}, []int64{105, 100}, 5, 0},
		{"the order of the list does not matter", []int64{10, 0}, []int64{100, 110}, 5, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := inversions(tt.sent, tt.arrived, tt.tie); got != tt.want {
				t.Errorf("inversions(%v, %v, %d) = %d, want %d", tt.sent, tt.arrived, tt.tie, got, tt.want)
			}
		})
	}
}

// The number of inversions of a permutation is the number of swaps that bubble
// sort needs.
func TestInversionsAreBubbleSortsSwaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.Permutation([]int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}).Draw(t, "order")
		sent := []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
		got := inversions(sent, order, 0)
		swaps := 0
		for bubble := slices.Clone(order); !slices.IsSorted(bubble); {
			for i := range len(bubble) - 1 {
				if bubble[i] > bubble[i+1] {
					bubble[i], bubble[i+1] = bubble[i+1], bubble[i]
					swaps++
				}
			}
		}
		if got != swaps {
			t.Fatalf("%d inversions of %v, want %d", got, order, swaps)
		}
	})
}

func TestMedianAndPercentile(t *testing.T) {
	tests := []struct {
		name             string
		xs               []float64
		median, p50, p99 float64
	}{
		{"nothing has none", nil, math.NaN(), math.NaN(), math.NaN()},
		{"one is its own", []float64{7}, 7, 7, 7},
		{"an odd number has a middle", []float64{3, 1, 2}, 2, 2, 3},
		{"an even number has two", []float64{4, 1, 3, 2}, 2.5, 2, 4},
	}
	same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := median(tt.xs); !same(got, tt.median) {
				t.Errorf("median(%v) = %v, want %v", tt.xs, got, tt.median)
			}
			if got := percentile(tt.xs, 0.5); !same(got, tt.p50) {
				t.Errorf("p50 of %v = %v, want %v", tt.xs, got, tt.p50)
			}
			if got := percentile(tt.xs, 0.99); !same(got, tt.p99) {
				t.Errorf("p99 of %v = %v, want %v", tt.xs, got, tt.p99)
			}
		})
	}
}

func TestLengthsAreTheSameForASeed(t *testing.T) {
	a, b := lengths(1302, 64), lengths(1302, 64)
	if !slices.Equal(a, b) {
		t.Error("the same seed gave other lengths")
	}
	if low, high := slices.Min(a), slices.Max(a); low < 500*time.Millisecond || high > 1500*time.Millisecond {
		t.Errorf("lengths from %v to %v, want 0.5 to 1.5 s", low, high)
	}
}
