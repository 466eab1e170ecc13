package top

import (
	"fmt"
	"strings"

	"github.com/weirhq/weir/internal/dashboard"
	"github.com/weirhq/weir/internal/evidence"
)

// nowBody is the page that says it all: lanes, staircase, requests.
func (s *screen) nowBody(room int) []line {
	all := s.laneList(max(2, room/5))
	if height := min(room-len(all)-4, 2+room*2/5, 20); height >= 6 {
		all = append(all, s.staircase(height)...)
	}
	return append(all, s.requestList(room-len(all))...)
}

// laneList shows lanes in so many rows, and what the one that is looked at does and why.
func (s *screen) laneList(rows int) []line {
	lanes := s.view.Lanes
	if len(lanes) == 0 {
		return []line{text("  no lanes yet: they come with the first request", dim)}
	}
	at := 0
	for i, l := range lanes {
		if l.Lane == s.lane {
			at = i
		}
	}
	if len(lanes)+s.view.MoreLanes > rows && rows > 2 {
		rows-- // for the line that says so
	}
	from, to := window(len(lanes), at, rows)
	var all []line
	for i := from; i < to; i++ {
		all = append(all, s.laneRow(lanes[i], i == at))
		if i == at {
			all = append(all, text("     "+lanes[i].Words, dim))
		}
	}
	if more := len(lanes) - (to - from) + s.view.MoreLanes; more > 0 {
		all = append(all, text(fmt.Sprintf("     and %d more", more), dim))
	}
	return all
}

// laneRow says what a lane does, as a bar and in words.
func (s *screen) laneRow(l dashboard.Lane, isPicked bool) line {
	mark := "  "
	if isPicked {
		mark = "▸ "
	}
	wide := max(12, min(28, s.width/5))
	row := text(mark, strong).add(column(s.laneName(l.Lane), wide)+" ", strong)
	row = append(row, bar(l.Running, l.Limit, 10)...)
	row = row.add(" ", plain).add(fmt.Sprintf("%d of %d running", l.Running, l.Limit), runs)
	row = row.add(", ", plain).add(fmt.Sprintf("%d queued", l.Queued), waits)
	if l.Retrying > 0 {
		row = row.add(fmt.Sprintf(" (↻ %d)", l.Retrying), bad)
	}
	if l.Fixed > 0 {
		row = row.add(", fixed", bound)
	}
	if said := s.stateWords(l); said != "" {
		row = row.add("  ", plain).add(said, bad)
	}
	if space := s.width - row.width() - len(l.Account) - 1; space > 1 && s.width >= 100 {
		row = row.add(strings.Repeat(" ", space)+l.Account, dim)
	}
	return row
}

// stateWords says what keeps a lane from starting more; empty: nothing does.
func (s *screen) stateWords(l dashboard.Lane) string {
	switch l.State {
	case dashboard.LaneIdle, dashboard.LaneOpen, "":
		return ""
	}
	said := strings.ToUpper(l.State)
	if l.State == dashboard.LaneHeld {
		said = "PAUSED BY HAND"
	}
	if l.Until != nil {
		if left := l.Until.Sub(s.clock()); left > 0 {
			said += " for " + rough(left)
		}
	}
	return said
}

// bar draws how much of a limit is used: filled, free, and lighter what is above it.
func bar(running, limit, width int) line {
	used, free, over := min(running, limit), max(0, limit-running), max(0, running-limit)
	if total := used + free + over; total > width {
		used = (used*width + total - 1) / total
		over = min(width-used, (over*width+total-1)/total)
		free = width - used - over
	}
	return text(strings.Repeat("█", used), runs).
		add(strings.Repeat("▒", over), bad).
		add(strings.Repeat("░", free), dim).
		add(strings.Repeat(" ", max(0, width-used-over-free)), plain)
}

// staircase draws the past of the lane that is looked at.
func (s *screen) staircase(height int) []line {
	columns := s.width - axisRoom - 2
	length := lengths[s.zoom]
	each := secondsEach(columns, length)
	columns = min(columns, (int(length.Seconds())+each-1)/each)
	past := s.memory.of(s.lane).past(columns, each)
	refused := 0
	for _, p := range past {
		refused += p.refused
	}
	title := text("last "+short(length), strong)
	if len(s.view.Lanes) > 1 {
		title = text(cut(s.laneName(s.lane), 24)+", last "+short(length), strong)
	}
	legend := line{{"█ in flight", runs}, {"  ", plain}, {"▁ limit", bound}, {"  ", plain}, {"× " + evidence.Count(refused, "refusal"), bad}, {"  ", plain}, {"⧗ queued", waits}}
	steps := stairs(past, each, height-1, s.clock().In(s.now.Location()))
	return append([]line{s.rule(title, legend)}, steps...)
}
