package simulate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/scenario"
)

// Each script is a story with the time in milliseconds: "0+" asks for a slot at
// 0 ms, "100-" gives the oldest one back at 100 ms. want has one letter for each
// "+": y admitted, n refused.
func TestWhatFlagsDescribe(t *testing.T) {
	lag := Exactly(50 * time.Millisecond)
	tests := []struct {
		name         string
		config       Config
		script, want string
	}{
		{"as many as the limit", Config{Limit: 2}, "0+ 0+ 0+", "yyn"},
		{"nobody at limit 0", Config{Limit: 2, Schedule: []Level{{Limit: 0}}}, "0+", "n"},
		{"everybody without a limit", Config{Limit: -1}, "0+ 0+ 0+", "yyy"},
		{"the limit until the schedule begins", Config{Limit: 1, Schedule: []Level{{From: 9 * time.Millisecond, Limit: -1}}}, "0+ 8+ 9+ 9+", "ynyy"},
		{"the next one when a slot is given back", Config{Limit: 1}, "0+ 5- 5+", "yy"},
		{"nobody while the lag runs", Config{Limit: 1, Lag: lag}, "0+ 100- 149+", "yn"},
		{"the next one in the moment the lag is over", Config{Limit: 1, Lag: lag}, "0+ 100- 150+", "yy"},
		{"no lag of those who end for that of those who leave", Config{Limit: 1, AbortLag: lag}, "0+ 100- 100+", "yy"},
		{"one start a second", Config{Limit: 9, Rate: 1}, "0+ 999+ 1000+ 1001+", "ynyn"},
		{"no burst after a rest", Config{Limit: 9, Rate: 1}, "0+ 9000+ 9001+", "yyn"},
		{"a refused start takes no token", Config{Limit: 1, Rate: 1}, "0+ 1500+ 1600- 1600+", "yny"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			up := scenario.NewUpstream(tt.config.described(), 1, 0)
			var taken []scenario.Slot
			var got strings.Builder
			for step := range strings.FieldsSeq(tt.script) {
				var ms int
				fmt.Sscanf(step, "%d", &ms)
				at := time.Duration(ms) * time.Millisecond
				if strings.HasSuffix(step, "-") {
					up.End(at, taken[0], false)
					taken = taken[1:]
					continue
				}
				r := up.Start(at, "", time.Second)
				if r.Accepted {
					taken = append(taken, r.Slot)
				} else if r.Code != "1302" {
					t.Errorf("refused with code %q", r.Code)
				}
				got.WriteByte("ny"[b2i(r.Accepted)])
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
func TestWhatFlagsDescribeAgreesWithAListOfLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := func(most int, name string) time.Duration {
			return time.Duration(rapid.IntRange(0, most).Draw(t, name)) * time.Millisecond
		}
		c := Config{Limit: rapid.IntRange(0, 4).Draw(t, "limit"), Lag: Exactly(ms(60, "lag")), AbortLag: Exactly(ms(60, "abort lag"))}
		up := scenario.NewUpstream(c.described(), 1, 0)
		var now time.Duration
		var running []scenario.Slot
		var ends []time.Duration // of lagging slots
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now += ms(30, "pass")
			if len(running) > 0 && rapid.Bool().Draw(t, "release") {
				aborted, lag := rapid.Bool().Draw(t, "aborted"), c.Lag
				if aborted {
					lag = c.AbortLag
				}
				up.End(now, running[0], aborted)
				running = running[1:]
				ends = append(ends, now+lag.max)
				continue
			}
			taken := len(running)
			for _, end := range ends {
				if now < end {
					taken++
				}
			}
			r := up.Start(now, "", time.Second)
			if want := taken < c.Limit; r.Accepted != want {
				t.Fatalf("%d of %d taken: admitted %v", taken, c.Limit, r.Accepted)
			}
			if r.Accepted {
				running = append(running, r.Slot)
			}
		}
	})
}
