package top

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// short says how long something took or takes: "40 ms", "3.2 s", "45 s", "12 min",
// "3.5 h", "4 d".
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 100*time.Minute:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.0f d", d.Hours()/24)
}

// rough is short for what is only estimated: no parts of seconds.
func rough(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.0f s", math.Ceil(max(1, d.Seconds())))
	}
	return short(d)
}

// ordinal says a place in a line.
func ordinal(n int) string {
	if n == 1 {
		return "next"
	}
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}

// size says how much an answer was: "812 B", "12.4 kB".
func size(n int64) string {
	f, unit := float64(n), "B"
	for _, next := range []string{"kB", "MB", "GB"} {
		if f < 1000 {
			break
		}
		f, unit = f/1000, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}

// percent says a share of 0 to 1.
func percent(f float64) string {
	if math.IsNaN(f) {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*min(1, max(0, f)))
}
