package chart

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/weirhq/weir/internal/evidence"
)

// Levels draws the share of refused attempts by level in flight, each with its 95 %
// interval and the counts that it rests on. What is known to be stable, known to fail
// and not known differ in shape and colour.
func Levels(c evidence.Curve, o Options) string {
	o = o.withDefaults(260)
	d := begin("levels", o)
	levels := slices.SortedFunc(slices.Values(c), func(a, b evidence.Level) int { return a.Level - b.Level })
	levels = slices.DeleteFunc(levels, func(l evidence.Level) bool { return l.Attempts() == 0 })
	left, right := float64(leftRoom+8), float64(o.Width-rightRoom)
	top, bottom := d.top+keyRoom+6, d.top+float64(o.Height)-44
	d.text(left-6, d.top+14, "key", "start", "share refused, with 95 % interval")
	if len(levels) == 0 {
		d.text(left, (top+bottom)/2, "key", "start", "nothing was counted yet")
		return d.end()
	}
	y := func(share float64) float64 { return bottom - (bottom-top)*share }
	for _, percent := range []int{0, 25, 50, 75, 100} {
		at := y(float64(percent) / 100)
		d.line("grid", left, at, right, at)
		d.text(left-6, at+4, "tick", "end", fmt.Sprintf("%d %%", percent))
	}
	d.line("border", left, y(evidence.Bearable), right, y(evidence.Bearable))
	d.text(right, y(evidence.Bearable)-5, "tick", "end", fmt.Sprintf("%.0f %%: above is failing", evidence.Bearable*100))
	space := (right - left) / float64(len(levels))
	space = min(space, 120)
	every := 1 + int(52/space) // labels that do not overlap
	for i, l := range levels {
		x := left + space*(float64(i)+0.5)
		d.level(l, x, y, space)
		if i%every == 0 {
			d.text(x, bottom+17, "tick name", "middle", strconv.Itoa(l.Level))
			d.text(x, bottom+33, "tick", "middle", fmt.Sprintf("%d of %d", l.Refused, l.Attempts()))
		}
	}
	d.line("axis", left, bottom, right, bottom)
	d.text(left-6, bottom+17, "tick", "end", "level")
	return d.end()
}

// level draws one interval: a dot for the share, a bar with caps, and a shape that
// says what is known.
func (d *drawing) level(l evidence.Level, x float64, y func(float64) float64, space float64) {
	class := ""
	switch {
	case l.Stable():
		class = " good"
	case l.Failing():
		class = " bad"
	}
	low, high := l.Interval()
	share := float64(l.Refused) / float64(l.Attempts())
	half := min(7, space/3)
	fmt.Fprintf(d, `<path class="bar%s" d="M%s %sH%sM%s %sV%sM%s %sH%s"/>`, class,
		num(x-half), num(y(high)), num(x+half), num(x), num(y(high)), num(y(low)), num(x-half), num(y(low)), num(x+half))
	switch at := y(share); class {
	case " good":
		fmt.Fprintf(d, `<circle class="dot good" cx="%s" cy="%s" r="4.5"/>`, num(x), num(at))
	case " bad":
		fmt.Fprintf(d, `<path class="dot bad" d="M%s %sl5 5l-5 5l-5 -5z"/>`, num(x), num(at-5))
	default:
		fmt.Fprintf(d, `<rect class="dot" x="%s" y="%s" width="7" height="7"/>`, num(x-3.5), num(at-3.5))
	}
}
