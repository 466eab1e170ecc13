package retry_test

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/retry"
)

func TestBackoff(t *testing.T) {
	tests := []struct {
		name    string
		policy  retry.Policy
		attempt int
		rnd     float64
		want    time.Duration
	}{
		{"the first retry", retry.Policy{}, 1, 0.5, 500 * time.Millisecond},
		{"the second", retry.Policy{}, 2, 0.5, time.Second},
		{"the sixth", retry.Policy{}, 6, 0.5, 16 * time.Second},
		{"the seventh meets the cap", retry.Policy{}, 7, 0.5, 30 * time.Second},
		{"the thousandth too", retry.Policy{}, 1000, 0.5, 30 * time.Second},
		{"less than one counts as one", retry.Policy{}, -3, 0.5, 500 * time.Millisecond},
		{"no luck", retry.Policy{}, 3, 0, 0},
		{"a number that is too large", retry.Policy{}, 1, 2, time.Second - 1},
		{"a number that is too small", retry.Policy{}, 1, -1, 0},
		{"a number that is none", retry.Policy{}, 1, math.NaN(), 0},
		{"an own base", retry.Policy{Base: 10 * time.Second}, 2, 0.5, 10 * time.Second},
		{"a cap below the base", retry.Policy{Cap: 100 * time.Millisecond}, 1, 0.5, 50 * time.Millisecond},
		{"the largest of all", retry.Policy{Base: 1, Cap: math.MaxInt64}, math.MaxInt, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.policy.Backoff(tt.attempt, tt.rnd); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestBackoffIsTheShareOfTheCeiling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.Int64Range(1, math.MaxInt64).Draw(t, "base")
		most := rapid.Int64Range(1, math.MaxInt64).Draw(t, "cap")
		attempt := rapid.IntRange(1, 200).Draw(t, "attempt")
		rnd := rapid.Float64Range(0, math.Nextafter(1, 0)).Draw(t, "rnd")
		got := retry.Policy{Base: time.Duration(base), Cap: time.Duration(most)}.Backoff(attempt, rnd)

		ceiling := new(big.Int).Lsh(big.NewInt(base), uint(attempt-1))
		if limit := big.NewInt(most); ceiling.Cmp(limit) > 0 {
			ceiling = limit
		}
		exact, _ := new(big.Float).Mul(new(big.Float).SetInt(ceiling), big.NewFloat(rnd)).Float64()
		if off := math.Abs(float64(got) - exact); off > 1+exact*1e-12 || got < 0 || int64(got) >= ceiling.Int64() {
			t.Fatalf("got %d, want %g below %v", got, exact, ceiling)
		}
	})
}

func TestAllowed(t *testing.T) {
	tests := []struct {
		name    string
		most    int
		retries int
		want    bool
	}{
		{"by default five: the fifth", 0, 4, true},
		{"by default five: the sixth", 0, 5, false},
		{"one: the first", 1, 0, true},
		{"one: the second", 1, 1, false},
		{"none", -1, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (retry.Policy{MaxRetries: tt.most}).Allowed(tt.retries); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
