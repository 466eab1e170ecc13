package simulate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Each script is a story with the time in milliseconds: "0+" asks for a slot at
// 0 ms, "100-50" gives one back at 100 ms with a lag of 50 ms. want has one
// letter for each "+": y admitted, n refused.
func TestAccountAdmits(t *testing.T) {
	tests := []struct {
		name         string
		limit        int
		rate         float64
		script, want string
	}{
		{"as many as the limit", 2, 0, "0+ 0+ 0+", "yyn"},
		{"nobody at limit 0", 0, 0, "0+", "n"},
		{"everybody without a limit", -1, 0, "0+ 0+ 0+", "yyy"},
		{"the next one when a slot is given back", 1, 0, "0+ 5-0 5+", "yy"},
		{"nobody while the lag runs", 1, 0, "0+ 100-50 149+", "yn"},
		{"the next one in the moment the lag is over", 1, 0, "0+ 100-50 150+", "yy"},
		{"lags that end out of order", 2, 0, "0+ 0+ 10-100 20-10 30+ 30+ 110+", "yyyny"},
		{"one start a second", 9, 1, "0+ 999+ 1000+ 1001+", "ynyn"},
		{"no burst after a rest", 9, 1, "0+ 9000+ 9001+", "yyn"},
		{"a refused start takes no token", 1, 1, "0+ 1500+ 1600-0 1600+", "yny"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, zero := new(account), time.Unix(0, 0)
			var got strings.Builder
			for step := range strings.FieldsSeq(tt.script) {
				var at, lag int
				if _, err := fmt.Sscanf(step, "%d-%d", &at, &lag); err == nil {
					a.release(zero.Add(time.Duration(at)*time.Millisecond), time.Duration(lag)*time.Millisecond)
					continue
				}
				fmt.Sscanf(step, "%d+", &at)
				got.WriteByte("ny"[b2i(a.admit(zero.Add(time.Duration(at)*time.Millisecond), tt.limit, tt.rate))])
			}
			if got.String() != tt.want {
				t.Errorf("admitted %s, want %s", got.String(), tt.want)
			}
		})
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// The oracle keeps every slot's whole life and counts those that cover a moment.
func TestAccountAgreesWithAListOfLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type life struct{ end time.Time }
		limit := rapid.IntRange(0, 4).Draw(t, "limit")
		a, now := new(account), time.Unix(0, 0)
		var running int
		var ended []life
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "pass")) * time.Millisecond)
			if running > 0 && rapid.Bool().Draw(t, "release") {
				lag := time.Duration(rapid.IntRange(0, 60).Draw(t, "lag")) * time.Millisecond
				a.release(now, lag)
				running--
				ended = append(ended, life{now.Add(lag)})
				continue
			}
			taken := running
			for _, l := range ended {
				if now.Before(l.end) {
					taken++
				}
			}
			want := taken < limit
			if got := a.admit(now, limit, 0); got != want {
				t.Fatalf("%d of %d taken: admitted %v", taken, limit, got)
			}
			if want {
				running++
			}
		}
	})
}
