package chart

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/evidence"
)

// The room around and between what is drawn, in pixels.
const (
	leftRoom   = 44
	rightRoom  = 14
	keyRoom    = 24
	axisRoom   = 24
	strip      = 12 // of the refusals
	gap        = 10
	queueShare = 0.3 // of the height, for what waits
)

// Staircase draws what was in flight and queued, the limit, and a mark for each refusal.
// Numbers hold until they change, and are drawn so; of many changes in one column of
// pixels the highest and the last are seen. The picture says to programs where its time
// axis is: data-from and data-to in milliseconds since 1970, data-left and data-right
// in units of its viewBox.
func Staircase(c evidence.Course, o Options) string {
	o = o.withDefaults(300)
	left, right := float64(leftRoom), float64(o.Width-rightRoom)
	d := begin("staircase", o, "from", millis(c.From), "to", millis(c.To), "left", num(left), "right", num(right))
	if !c.From.Before(c.To) {
		d.text(left, d.top+40, "key", "start", "no time has passed")
		return d.end()
	}
	d.key(left, d.top+14, entries(c)...)
	bottom := d.top + float64(o.Height) - axisRoom
	room := bottom - d.top - keyRoom - strip - 2*gap
	x := timeAxis{from: c.From, to: c.To, left: left, right: right}
	queue := panel{axis: x, top: d.top + keyRoom, bottom: d.top + keyRoom + room*queueShare, most: max(1, evidence.Most(c.Queued, c.From, c.To))}
	run := panel{axis: x, top: queue.bottom + gap, bottom: bottom - strip - gap}
	if c.Queued == nil {
		run.top = queue.top
	}
	run.most = max(1, evidence.Most(c.InFlight, c.From, c.To), evidence.Most(c.Limit, c.From, c.To), evidence.Most(c.Truth, c.From, c.To))

	d.times(x, queue.top, bottom)
	if c.Queued != nil {
		d.levels(queue, 2)
		d.area(queue, "wait", c.Queued)
	}
	d.levels(run, 5)
	d.area(run, "run", c.InFlight)
	d.steps(run, "truth", c.Truth)
	d.steps(run, "limit", c.Limit)
	d.marks(x, c.Refused, bottom-strip, bottom)
	d.line("axis", left, bottom, right, bottom)
	return d.end()
}

// entries are those of the legend.
func entries(c evidence.Course) [][2]string {
	all := [][2]string{{"run", "in flight"}}
	if c.Queued != nil {
		all = append(all, [2]string{"wait", "queued"})
	}
	limit := "limit"
	if len(c.Truth) > 0 {
		all, limit = append(all, [2]string{"truth", "true limit"}), "learned level"
	}
	if len(c.Limit) > 0 {
		all = append(all, [2]string{"limit", limit})
	}
	return append(all, [2]string{"bad", evidence.Count(max(c.Refusals, len(c.Refused)), "refusal")})
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// area draws a number as what lies below it.
func (d *drawing) area(p panel, class string, steps []evidence.Step) {
	path := p.path(steps)
	if path == "" {
		return
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "M"), " ")
	fmt.Fprintf(d, `<path class="%s" d="%sV%sH%sZ"/>`, class, path, num(p.bottom), first)
	fmt.Fprintf(d, `<path class="%s-edge" d="%s"/>`, class, path)
}

// steps draws a number as a line; none: there is no number.
func (d *drawing) steps(p panel, class string, steps []evidence.Step) {
	if path := p.path(steps); path != "" {
		fmt.Fprintf(d, `<path class="%s" d="%s"/>`, class, path)
	}
}

// levels draws the scale of numbers at the left.
func (d *drawing) levels(p panel, count int) {
	for n, step := 0, wholeStep(p.most, count); n <= p.most; n += step {
		y := p.y(n)
		d.line("grid", p.axis.left, y, p.axis.right, y)
		d.text(p.axis.left-6, y+4, "tick", "end", strconv.Itoa(n))
	}
}

// marks draws a tick for each moment, at most one a pixel.
func (d *drawing) marks(x timeAxis, moments []time.Time, top, bottom float64) {
	var path strings.Builder
	last := -1.0
	for _, t := range slices.SortedFunc(slices.Values(moments), time.Time.Compare) {
		if t.Before(x.from) || t.After(x.to) {
			continue
		}
		if at := float64(int(x.x(t))); at != last {
			last = at
			fmt.Fprintf(&path, "M%s %sV%s", num(at), num(top), num(bottom))
		}
	}
	if path.Len() > 0 {
		fmt.Fprintf(d, `<path class="bad" d="%s"/>`, path.String())
	}
}

// A panel is where a number is drawn over time.
type panel struct {
	axis        timeAxis
	top, bottom float64
	most        int // the number at the top
}

func (p panel) y(n int) float64 {
	return p.bottom - (p.bottom-p.top)*float64(n)/float64(p.most)
}

// path is the line of a number from where it is known; empty: it is not.
func (p panel) path(steps []evidence.Step) string {
	if len(steps) == 0 {
		return ""
	}
	var b strings.Builder
	begin := steps[0].At // before it nothing is known
	if begin.Before(p.axis.from) {
		begin = p.axis.from
	}
	if begin.After(p.axis.to) {
		return ""
	}
	fmt.Fprintf(&b, "M%s %s", num(p.axis.x(begin)), num(p.y(evidence.At(steps, begin))))
	for _, s := range p.reduced(steps) {
		fmt.Fprintf(&b, "H%sV%s", num(p.axis.x(s.At)), num(p.y(s.N)))
	}
	fmt.Fprintf(&b, "H%s", num(p.axis.right))
	return b.String()
}

// reduced returns the steps within the axis, at most two in each column of pixels: the
// highest and the last.
func (p panel) reduced(steps []evidence.Step) []evidence.Step {
	var all []evidence.Step
	column, inIt := -1, 0
	for _, s := range steps {
		if !s.At.After(p.axis.from) || s.At.After(p.axis.to) {
			continue
		}
		if at := int(p.axis.x(s.At)); at != column {
			column, inIt = at, 0
		}
		if inIt++; inIt <= 2 {
			all = append(all, s)
			continue
		}
		high, last := &all[len(all)-2], &all[len(all)-1]
		if last.N > high.N {
			*high = *last
		}
		*last = s
	}
	return all
}

// A timeAxis lays a time over pixels.
type timeAxis struct {
	from, to    time.Time
	left, right float64
}

func (a timeAxis) x(t time.Time) float64 {
	return a.left + (a.right-a.left)*float64(t.Sub(a.from))/float64(a.to.Sub(a.from))
}

// times draws the moments below and the lines above them.
func (d *drawing) times(a timeAxis, top, bottom float64) {
	step := timeStep(a.to.Sub(a.from), int(a.right-a.left)/90)
	first, zone := whole(a.from, step, d.opts.Zone), d.opts.Zone
	if d.opts.Elapsed {
		first = a.from
	}
	for t := first; !t.After(a.to); t = t.Add(step) {
		x := a.x(t)
		d.line("grid", x, top, x, bottom)
		if x-a.left <= 20 || a.right-x <= 20 {
			continue
		}
		text := t.In(zone).Format(layout(step))
		if d.opts.Elapsed {
			text = elapsed(t.Sub(a.from), step)
		}
		d.text(x, bottom+16, "tick", "middle", text)
	}
}

// elapsed writes a length of time in the unit of the ticks.
func elapsed(d, step time.Duration) string {
	switch {
	case step >= time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case step >= time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// timeStep is the distance of at most count ticks: a length that clocks show.
func timeStep(length time.Duration, count int) time.Duration {
	const day = 24 * time.Hour
	steps := []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 7 * day, 14 * day, 28 * day,
	}
	for _, s := range steps {
		if length/s <= time.Duration(max(1, count)) {
			return s
		}
	}
	return length / time.Duration(max(1, count))
}

// whole is the first moment not before another at which the clock on the wall shows a
// whole step.
func whole(from time.Time, step time.Duration, zone *time.Location) time.Time {
	_, offset := from.In(zone).Zone()
	shift := time.Duration(offset) * time.Second
	t := from.Add(shift).Truncate(step).Add(-shift)
	if t.Before(from) {
		t = t.Add(step)
	}
	return t
}

func layout(step time.Duration) string {
	switch {
	case step < time.Minute:
		return "15:04:05"
	case step < 24*time.Hour:
		return "15:04"
	}
	return "2 Jan"
}
