// Package chart draws weir's pictures as SVG, for the page, reports and files alike:
// the staircase of what was in flight, and the level curve. Text stays text, and colours
// come from a style sheet ([CSS]), so that a picture follows the page that it stands in,
// light or dark. It has no style attribute, which a strict content policy would ignore.
package chart

import (
	_ "embed"
	"fmt"
	"html"
	"strconv"
	"strings"
	"time"
)

// CSS is how pictures look, light and dark, for a page that they stand in.
//
//go:embed chart.css
var CSS string

// Options say how a picture is drawn. The zero Options are good for a page of 900
// pixels, with times in UTC.
type Options struct {
	Title      string         // what is seen, for people who do not see it too
	Desc       string         // what it tells, in a sentence; may be empty
	Width      int            // in CSS pixels; zero: 900
	Height     int            // likewise; zero: what suits the picture
	Zone       *time.Location // of the times that are written; nil: UTC
	Elapsed    bool           // times are written as those since the beginning
	Standalone bool           // a file of its own: it brings the style along and shows its title
}

func (o Options) withDefaults(height int) Options {
	if o.Width == 0 {
		o.Width = 900
	}
	if o.Height == 0 {
		o.Height = height
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	return o
}

// A drawing is an SVG being written.
type drawing struct {
	strings.Builder
	opts Options
	top  float64 // below what stands above the picture
}

// begin writes the head of an SVG. data are attributes for programs, as name and value.
func begin(kind string, o Options, data ...string) *drawing {
	d := &drawing{opts: o}
	height := o.Height
	if o.Standalone {
		d.top = 34
		height += int(d.top)
	}
	label := o.Title
	if o.Desc != "" {
		label += ": " + o.Desc
	}
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" class="chart %s" viewBox="0 0 %d %d" role="img" aria-label="%s"`, kind, o.Width, height, escape(label))
	if o.Standalone {
		fmt.Fprintf(d, ` width="%d" height="%d"`, o.Width, height)
	}
	for i := 0; i+1 < len(data); i += 2 {
		fmt.Fprintf(d, ` data-%s="%s"`, data[i], escape(data[i+1]))
	}
	d.WriteString(">")
	if o.Standalone {
		fmt.Fprintf(d, "<style>%s</style>", CSS)
		fmt.Fprintf(d, `<rect class="paper" width="%d" height="%d"/>`, o.Width, height)
		d.text(10, 22, "title", "start", o.Title)
	}
	return d
}

func (d *drawing) end() string {
	d.WriteString("</svg>")
	return d.String()
}

func (d *drawing) text(x, y float64, class, anchor, s string) {
	fmt.Fprintf(d, `<text class="%s" x="%s" y="%s" text-anchor="%s">%s</text>`, class, num(x), num(y), anchor, escape(s))
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(d, `<path class="%s" d="M%s %sL%s %s"/>`, class, num(x1), num(y1), num(x2), num(y2))
}

// key writes the legend's entries side by side, from x on: each a swatch and a name.
func (d *drawing) key(x, y float64, entries ...[2]string) {
	for _, e := range entries {
		fmt.Fprintf(d, `<rect class="swatch %s" x="%s" y="%s" width="12" height="10" rx="2"/>`, e[0], num(x), num(y-9))
		d.text(x+17, y, "key", "start", e[1])
		x += 17 + width(e[1]) + 14
	}
}

// width is about how wide a text of the legend is, in pixels.
func width(s string) float64 { return 6.4 * float64(len([]rune(s))) }

// num writes a coordinate as short as a tenth of a pixel allows.
func num(f float64) string {
	s := strconv.FormatFloat(f, 'f', 1, 64)
	return strings.TrimSuffix(s, ".0")
}

// wholeStep is the distance of at most count ticks at whole numbers up to top: 1, 2, 5,
// 10, 20, 50 and so on.
func wholeStep(top, count int) int {
	step := 1
	for i := 0; top/step > count; i++ {
		if step *= 2; i%3 == 1 {
			step = step * 5 / 4
		}
	}
	return step
}

// escape makes any text one that XML can hold.
func escape(s string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0xfffe || r == 0xffff {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?")))
}
