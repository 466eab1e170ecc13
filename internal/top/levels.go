package top

import (
	"fmt"
	"math"
	"strings"

	"github.com/weirhq/weir/internal/dashboard"
	"github.com/weirhq/weir/internal/evidence"
)

func blocksOf(n int) string { return strings.Repeat("█", max(0, n)) }

// lanesBody shows all lanes, and of the one that is looked at what is believed and the
// level curve.
func (s *screen) lanesBody(room int) []line {
	all := s.laneList(max(3, room/3))
	l, ok := s.current()
	if !ok {
		return all
	}
	all = append(all, s.rule(text(cut(l.Lane, s.width-24), strong), text(l.State, stateOf(l))))
	for _, part := range wrap(l.Why, s.width-4) {
		all = append(all, text("  "+part, plain))
	}
	all = append(all, text(fmt.Sprintf("  queued by class: %d interactive, %d subagent, %d background", l.ByClass[0], l.ByClass[1], l.ByClass[2]), dim))
	all = append(all, s.rule(text("Levels: what became of starts, by how many were in flight", strong), nil))
	for _, part := range wrap(l.Verdict, s.width-4) {
		all = append(all, text("  "+part, plain))
	}
	all = append(all, s.curve(l.Curve, room-len(all))...)
	const enough = 10
	if left := room - len(all) - 1; left >= enough {
		all = append(all, nil)
		all = append(all, s.staircase(min(left, 20))...)
	}
	return all
}

func stateOf(l dashboard.Lane) look {
	if l.State == dashboard.LaneOpen || l.State == dashboard.LaneIdle {
		return good
	}
	return bad
}

// curve writes the level curve: counts, the share that is refused, and its 95 % interval
// as a bar.
func (s *screen) curve(levels []dashboard.Level, room int) []line {
	if len(levels) == 0 {
		return []line{text("  nothing was counted yet", dim)}
	}
	wide := max(0, min(50, s.width-67))
	scale := ""
	if wide >= 12 {
		scale = column("0 %"+strings.Repeat(" ", max(0, wide-8))+"100 %", wide) + "  "
	}
	all := []line{text("  level  accepted  refused   share  "+scale+"95 % interval", dim)}
	from := max(0, min(len(levels)-1, len(levels)-(room-2))) // the highest levels tell most
	if from > 0 {
		all = append(all, text(fmt.Sprintf("  … %d lower levels", from), dim))
	}
	for _, l := range levels[from:] {
		all = append(all, levelRow(l, wide))
	}
	return all
}

// levelRow writes one level. What is known of it is a sign and a word.
func levelRow(l dashboard.Level, wide int) line {
	said, as := "? not sure yet", dim
	switch {
	case l.Attempts() == 0:
	case l.High < evidence.Bearable:
		said, as = "✓ stable", good
	case l.Low > evidence.Bearable:
		said, as = "✗ failing", bad
	}
	share := math.NaN()
	if n := l.Attempts(); n > 0 {
		share = float64(l.Refused) / float64(n)
	}
	row := text(fmt.Sprintf("  %5d  %8d  %7d  %6s  ", l.Level.Level, l.Accepted, l.Refused, percent(share)), plain)
	if wide >= 12 {
		row = row.add(interval(l.Low, share, l.High, wide)+"  ", as)
	}
	return row.add(column(fmt.Sprintf("%s to %s", percent(l.Low), percent(l.High)), 14)+" ", plain).add(said, as)
}

// interval draws a share and the interval that it lies in, on a line from 0 to 1.
func interval(low, share, high float64, wide int) string {
	at := func(f float64) int {
		if math.IsNaN(f) {
			return 0
		}
		return max(0, min(wide-1, int(f*float64(wide-1)+0.5)))
	}
	cells := []rune(strings.Repeat("·", wide))
	for i := at(low); i <= at(high); i++ {
		cells[i] = '─'
	}
	cells[at(low)], cells[at(high)] = '├', '┤'
	if !math.IsNaN(share) {
		cells[at(share)] = '●'
	}
	return string(cells)
}
