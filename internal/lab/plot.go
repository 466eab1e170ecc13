package lab

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The picture's size, and how many columns its curves are reduced to: a run has
// tens of thousands of changes.
const (
	plotWidth  = 960
	plotHeight = 400
	legendRoom = 26
	columns    = 900
)

// palette returns the colours: they differ in lightness too, for those who see
// fewer, and for print.
func palette() (truth, level, inFlight, refused color.Color) {
	return color.RGBA{0x33, 0x33, 0x33, 0xff}, color.RGBA{0xd9, 0x5f, 0x02, 0xff}, color.RGBA{0xc6, 0xdc, 0xf0, 0xff}, color.RGBA{0xb0, 0x10, 0x30, 0xff}
}

// Draw draws a course as an SVG: the true limit, the learned level and what is in
// flight over time, and each refusal as a tick below.
func Draw(w io.Writer, title string, t *Trace) error {
	scale := scaleOf(t.Length)
	p := plot.New()
	p.Title.Text = fmt.Sprintf("%s (seed %d)", title, t.Seed)
	p.Title.Padding = 6
	p.X.Label.Text, p.Y.Label.Text = "time, "+scale.name, "calls in flight"
	p.X.Min, p.X.Max = 0, t.Length.Seconds()/scale.unit.Seconds()
	top := max(t.Truth.most(), t.Level.most(), t.InFlight.most())
	p.Y.Min, p.Y.Max = -0.08*float64(top+1), float64(top)+0.5
	p.X.Tick.Marker = plot.ConstantTicks(wholeTicks(p.X.Max))
	p.Y.Tick.Marker = plot.ConstantTicks(wholeTicks(float64(top)))

	truth, level, inFlight, refused := palette()
	area, err := plotter.NewPolygon(t.InFlight.area(t.Length, scale.unit))
	if err != nil {
		return fmt.Errorf("lab: draw: %w", err)
	}
	area.Color, area.LineStyle.Width = inFlight, 0
	limitLine, err := stepLine(t.Truth.reduced(t.Length), t.Length, scale.unit)
	if err != nil {
		return err
	}
	limitLine.LineStyle = draw.LineStyle{Color: truth, Width: 2.5}
	levelLine, err := stepLine(t.Level.reduced(t.Length), t.Length, scale.unit)
	if err != nil {
		return err
	}
	levelLine.LineStyle = draw.LineStyle{Color: level, Width: 1.1}
	marks := ticks{at: t.refusedColumns(scale.unit), low: p.Y.Min * 0.9, high: p.Y.Min * 0.25, style: draw.LineStyle{Color: refused, Width: 0.8}}
	grid := plotter.NewGrid()
	grid.Vertical.Width, grid.Horizontal.Color = 0, color.Gray{0xe6}
	p.Add(grid, area, limitLine, levelLine, marks)

	canvas := vgsvg.New(plotWidth, plotHeight)
	whole := draw.New(canvas)
	p.Draw(draw.Crop(whole, 8, -16, legendRoom, -8))
	legend(p, draw.Crop(whole, 60, 0, 0, legendRoom-plotHeight), []entry{
		{"true limit", limitLine.LineStyle}, {"learned level", levelLine.LineStyle},
		{"in flight", draw.LineStyle{Color: inFlight, Width: 8}},
		{fmt.Sprintf("refusals (%d)", len(t.Refused)), draw.LineStyle{Color: refused, Width: 2}},
	})
	if _, err := canvas.WriteTo(w); err != nil {
		return fmt.Errorf("lab: draw: %w", err)
	}
	return nil
}

// A scale is the unit of the time axis.
type scale struct {
	unit time.Duration
	name string
}

func scaleOf(length time.Duration) scale {
	switch {
	case length > 3*time.Hour:
		return scale{time.Hour, "hours"}
	case length > 3*time.Minute:
		return scale{time.Minute, "minutes"}
	}
	return scale{time.Second, "seconds"}
}

// wholeTicks returns ticks at whole numbers up to top, at most about ten.
func wholeTicks(top float64) []plot.Tick {
	step := 1
	for i := 0; top/float64(step) > 10; i++ { // 1, 2, 5, 10, 20, 50 and so on
		if step = step * 2; i%3 == 1 {
			step = step * 5 / 4
		}
	}
	var all []plot.Tick
	for n := 0; float64(n) <= top; n += step {
		all = append(all, plot.Tick{Value: float64(n), Label: fmt.Sprint(n)})
	}
	return all
}

func (c Course) most() int {
	n := 0
	for _, s := range c {
		n = max(n, s.Slots)
	}
	return n
}

// reduced returns the course with at most the first and the last change of each
// column.
func (c Course) reduced(length time.Duration) Course {
	var all Course
	column, inIt := time.Duration(-1), 0
	for _, s := range c {
		if n := s.At * columns / max(1, length); n != column {
			column, inIt = n, 0
		}
		if inIt++; inIt > 2 {
			all[len(all)-1] = s
		} else {
			all = append(all, s)
		}
	}
	return all
}

// area returns the outline of what lies below the highest number in each column.
func (c Course) area(length, unit time.Duration) plotter.XYs {
	all := plotter.XYs{{X: 0, Y: 0}}
	now, i := 0, 0
	for column := range time.Duration(columns) {
		from, until := length*column/columns, length*(column+1)/columns
		high := now
		for ; i < len(c) && c[i].At < until; i++ {
			now = c[i].Slots
			high = max(high, now)
		}
		all = append(all, plotter.XY{X: in(from, unit), Y: float64(high)}, plotter.XY{X: in(until, unit), Y: float64(high)})
	}
	return append(all, plotter.XY{X: in(length, unit), Y: 0})
}

func in(t, unit time.Duration) float64 { return t.Seconds() / unit.Seconds() }

// stepLine returns the curve of a course, up to the end.
func stepLine(c Course, length, unit time.Duration) (*plotter.Line, error) {
	var all plotter.XYs
	for _, s := range c {
		all = append(all, plotter.XY{X: in(s.At, unit), Y: float64(s.Slots)})
	}
	if len(all) > 0 {
		all = append(all, plotter.XY{X: in(length, unit), Y: all[len(all)-1].Y})
	}
	line, err := plotter.NewLine(all)
	if err != nil {
		return nil, fmt.Errorf("lab: draw: %w", err)
	}
	line.StepStyle = plotter.PostStep
	return line, nil
}

// refusedColumns returns when attempts were refused, once for each column.
func (t *Trace) refusedColumns(unit time.Duration) []float64 {
	var all []float64
	column := time.Duration(-1)
	for _, at := range t.Refused {
		if n := at * columns / max(1, t.Length); n != column {
			column = n
			all = append(all, in(at, unit))
		}
	}
	return all
}

// ticks are short vertical lines.
type ticks struct {
	at        []float64
	low, high float64
	style     draw.LineStyle
}

var _ plot.Plotter = ticks{}

// Plot implements plot.Plotter.
func (t ticks) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, at := range t.at {
		c.StrokeLine2(t.style, x(at), y(t.low), x(at), y(t.high))
	}
}

type entry struct {
	name  string
	style draw.LineStyle
}

// legend draws the entries side by side.
func legend(p *plot.Plot, c draw.Canvas, entries []entry) {
	style := p.X.Tick.Label
	style.Font = font.From(style.Font, 11)
	style.XAlign, style.YAlign = draw.XLeft, draw.YCenter
	x, y := c.Min.X, (c.Min.Y+c.Max.Y)/2
	for _, e := range entries {
		c.StrokeLine2(e.style, x, y, x+22, y)
		c.FillText(style, vg.Point{X: x + 28, Y: y}, e.name)
		x += 28 + vg.Length(math.Ceil(float64(style.Width(e.name)))) + 24
	}
}
