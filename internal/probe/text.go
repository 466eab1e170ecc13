package probe

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/evidence"
)

// Table shows the counts by level, each with the 95 % interval of the share that was
// refused as far as a line of so many characters has room for it. The colon stands for
// the share that parts stable levels from failing ones.
func Table(c evidence.Curve, width int) string {
	levels := slices.SortedFunc(slices.Values(c), func(a, b evidence.Level) int { return a.Level - b.Level })
	var b strings.Builder
	const fixed, most, least = 25, 42, 10 // before the picture, and of it
	room := min(width-fixed, most)
	if room >= least {
		fmt.Fprintf(&b, "level    refused         0 %%%*s\n", room-3, "100 %")
	}
	for _, l := range levels {
		if l.Attempts() == 0 {
			continue
		}
		counts := fmt.Sprintf("%d of %d", l.Refused, l.Attempts())
		if room < least {
			fmt.Fprintf(&b, "%d: %s\n", l.Level, counts)
			continue
		}
		fmt.Fprintf(&b, "%5d %10s %-7s %s\n", l.Level, counts, state(l), picture(l, room))
	}
	return b.String()
}

func state(l evidence.Level) string {
	switch {
	case l.Stable():
		return "stable"
	case l.Failing():
		return "failing"
	}
	return "?"
}

// picture draws an interval: the share as o.
func picture(l evidence.Level, width int) string {
	at := func(share float64) int { return int(math.Round(share * float64(width-1))) }
	line := slices.Repeat([]byte{' '}, width)
	line[at(evidence.Bearable)] = ':'
	low, high := l.Interval()
	for i := at(low); i <= at(high); i++ {
		line[i] = '-'
	}
	line[at(float64(l.Refused)/float64(l.Attempts()))] = 'o'
	return strings.TrimRight(string(line), " ")
}

// Line shows how far a probe is, in at most so many characters.
func (p Progress) Line(width int) string {
	left := fmt.Sprintf("%3.0f %% %s left", 100*p.Share, roughly(p.Left))
	text := fmt.Sprintf("%s  %d calls  %s", left, p.Calls, p.Text)
	const bar = 20
	if width >= len(left)+bar+3 {
		full := min(bar, int(math.Round(bar*p.Share)))
		text = "[" + strings.Repeat("=", full) + strings.Repeat(" ", bar-full) + "] " + text
	}
	if len(text) > width { // it is ASCII
		text = text[:max(0, width)]
	}
	return text
}

func roughly(d time.Duration) string {
	if d < 90*time.Second {
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	}
	return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
}
