package top

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// A look is how a piece of text appears. What it means is always said by a sign or a
// word as well.
type look int

const (
	plain  look = iota
	dim         // less important
	strong      // what is looked for first
	runs        // in flight
	waits       // queued
	good        // went well
	bad         // went wrong, or needs somebody
	bound       // the limit
	picked      // the row that keys act on
)

// style returns the look for terminals: the sixteen colours that people choose
// themselves, so that it fits light and dark ones.
func (l look) style() ansi.Style {
	s := ansi.NewStyle()
	switch l {
	case dim:
		return s.Faint()
	case strong:
		return s.Bold()
	case runs:
		return s.ForegroundColor(ansi.Blue)
	case waits:
		return s.ForegroundColor(ansi.Yellow)
	case good:
		return s.ForegroundColor(ansi.Green)
	case bad:
		return s.ForegroundColor(ansi.Red)
	case bound:
		return s.ForegroundColor(ansi.Magenta)
	case picked:
		return s.Reverse(true)
	}
	return s
}

// A span is text of one look, a line is spans side by side. Their text is clean.
type span struct {
	text string
	look look
}

type line []span

// text makes a line of one look.
func text(s string, l look) line { return line{{s, l}} }

// add puts more at a line's end.
func (l line) add(s string, as look) line { return append(l, span{s, as}) }

func (l line) width() int {
	n := 0
	for _, s := range l {
		n += ansi.StringWidth(s.text)
	}
	return n
}

// pick marks a line of so many columns as the one that keys act on.
func (l line) pick(width int) line {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.text)
	}
	return text(column(b.String(), width), picked)
}

// apart puts one line at the left and one at the right of a width. The right one gives
// way.
func apart(left, right line, width int) line {
	space := width - left.width() - right.width()
	if space < 1 {
		return left
	}
	return append(left.add(strings.Repeat(" ", space), plain), right...)
}

// cut shortens a text to a width, with a sign that it did.
func cut(s string, width int) string {
	if width <= 0 {
		return ""
	}
	if len(s) <= width { // no byte is wider than one column
		return s
	}
	return ansi.Truncate(s, width, "…")
}

// column makes a text exactly so wide.
func column(s string, width int) string {
	s = cut(s, width)
	return s + strings.Repeat(" ", max(0, width-ansi.StringWidth(s)))
}

// number makes a text exactly so wide, at the right.
func number(s string, width int) string {
	s = cut(s, width)
	return strings.Repeat(" ", max(0, width-ansi.StringWidth(s))) + s
}

// wrap breaks a text into lines of a width, between words where it can.
func wrap(s string, width int) []string {
	if width <= 0 || s == "" {
		return nil
	}
	return strings.Split(ansi.Wrap(s, width, " "), "\n")
}

// draw makes a screen of lines: never more than height of them, none wider than width.
func draw(lines []line, width, height int, onlyASCII bool) string {
	var b strings.Builder
	for i, l := range lines[:min(len(lines), max(0, height))] {
		if i > 0 {
			b.WriteByte('\n')
		}
		room := width
		for _, s := range l {
			piece := cut(s.text, room)
			room -= ansi.StringWidth(piece)
			if onlyASCII {
				piece = ascii(piece)
			}
			switch {
			case piece == "":
			case s.look == plain:
				b.WriteString(piece)
			default:
				b.WriteString(s.look.style().Styled(piece))
			}
		}
	}
	return b.String()
}
