package top

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// axisRoom is the width of the numbers at the left of the staircase, with their line.
const axisRoom = 6

// lengths are how much of the past a staircase can show.
var lengths = []time.Duration{time.Minute, 5 * time.Minute, pastSeconds * time.Second}

// secondsEach returns how many seconds a column stands for so that so many show at
// least a length of time.
func secondsEach(columns int, length time.Duration) int {
	columns = max(1, columns)
	each := (int(length.Seconds()) + columns - 1) / columns
	return max(1, min(each, pastSeconds))
}

// stairs draws what was in flight as steps of blocks under the limit's line; below, a
// row of marks for refusals and one for what was queued, and the time. A number in
// flight that is above the limit, since that fell, is drawn lighter. now is the moment
// of the last column, in the zone of the reader.
func stairs(past []second, each, height int, now time.Time) []line {
	rows := height - 3
	if rows < 2 || len(past) == 0 {
		return nil
	}
	most, queued := 1, 0
	for _, s := range past {
		most = max(most, s.running, s.limit)
		queued = max(queued, s.queued)
	}
	scale := newScale(most, rows)
	var all []line
	for row := scale.rows; row > 0; row-- {
		all = append(all, scale.row(past, row))
	}
	all = append(all, marks(past), waiting(past, queued), timeAxis(len(past), each, now))
	return all
}

// A scale says how numbers become rows: each unit has some rows, or each row some units.
type scale struct {
	rows    int // in all, the limit's line above the highest step included
	perUnit int // rows; 0: a row stands for more than one unit
	perRow  int // units, else 1
}

func newScale(most, rows int) scale {
	steps := rows - 1 // the line of the limit stands above its step
	if most <= steps {
		per := steps / most
		per = min(per, 3)
		return scale{rows: most*per + 1, perUnit: per, perRow: 1}
	}
	per := (most + steps - 1) / steps
	return scale{rows: (most+per-1)/per + 1, perRow: per}
}

// eighths returns how high a number is, in eighths of rows.
func (s scale) eighths(n int) int {
	if s.perUnit > 0 {
		return 8 * s.perUnit * n
	}
	return 8 * n / s.perRow
}

// ceiling returns the row, counted from 1 at the bottom, whose lower edge is the limit.
func (s scale) ceiling(limit int) int { return (s.eighths(limit)+7)/8 + 1 }

// label returns the number that the top of a row stands for, if it is one to be written.
func (s scale) label(row int) string {
	if s.perUnit > 0 {
		if row%s.perUnit == 0 && row < s.rows {
			return strconv.Itoa(row / s.perUnit)
		}
		return ""
	}
	if row < s.rows {
		return strconv.Itoa(row * s.perRow)
	}
	return ""
}

// blocks are cells that are filled from below, by eighths.
var blocks = []rune(" ▁▂▃▄▅▆▇█")

// row draws one row of steps.
func (s scale) row(past []second, row int) line {
	l := text(number(s.label(row), axisRoom-2)+" │", dim)
	for _, p := range past {
		filled := min(8, max(0, s.eighths(p.running)-8*(row-1)))
		above := p.limit > 0 && row >= s.ceiling(p.limit)
		switch {
		case !p.known:
			l = l.cell(' ', plain)
		case filled > 0 && above:
			l = l.cell('▒', bad)
		case filled > 0:
			l = l.cell(blocks[filled], runs)
		case p.limit > 0 && row == s.ceiling(p.limit):
			l = l.cell('▁', bound)
		default:
			l = l.cell(' ', plain)
		}
	}
	return l
}

// cell puts one character at a line's end, into the last span if that looks alike.
func (l line) cell(r rune, as look) line {
	if n := len(l); n > 1 && l[n-1].look == as {
		l[n-1].text += string(r)
		return l
	}
	return l.add(string(r), as)
}

// marks draws where attempts were refused: one, or how many in a column.
func marks(past []second) line {
	l := text(number("×", axisRoom-2)+" │", dim)
	for _, p := range past {
		switch {
		case p.refused == 0:
			l = l.cell(' ', plain)
		case p.refused == 1:
			l = l.cell('×', bad)
		default:
			l = l.cell(rune("0123456789"[min(9, p.refused)]), bad)
		}
	}
	return l
}

// waiting draws what was queued, in eighths of the most there were.
func waiting(past []second, most int) line {
	l := text(number("⧗"+few(most), axisRoom-2)+" │", dim)
	for _, p := range past {
		if !p.known || p.queued == 0 {
			l = l.cell(' ', plain)
			continue
		}
		l = l.cell(blocks[1+7*p.queued/max(1, most)], waits)
	}
	return l
}

// few writes a number in at most three characters, roughly.
func few(n int) string {
	switch {
	case n == 0:
		return ""
	case n < 1000:
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%dk", min(99, n/1000))
}

// timeAxis writes some moments below their columns.
func timeAxis(columns, each int, now time.Time) line {
	const every = 15 // columns, more than a moment is wide
	cells := []byte(strings.Repeat(" ", columns))
	newest := now.Unix() / int64(each)
	for i := columns - 1; i >= 0; i -= every {
		moment := time.Unix((newest-int64(columns-1-i))*int64(each), 0).In(now.Location()).Format("15:04:05")
		if i == columns-1 {
			moment = "now"
		}
		from := i - len(moment) + 1
		if from < 0 {
			break
		}
		copy(cells[from:], moment)
	}
	return text(fmt.Sprintf("%*s└%s", axisRoom-1, "", cells), dim)
}
