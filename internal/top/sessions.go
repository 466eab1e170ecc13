package top

import (
	"fmt"

	"github.com/charmbracelet/x/ansi"

	"github.com/weirhq/weir/internal/dashboard"
)

// sessionList shows whose sessions there are, and what each has of the account.
func (s *screen) sessionList(room int) []line {
	all, at := s.sessions()
	if len(all) == 0 {
		return []line{nil, text("  no sessions yet: they come with the first request", dim)}
	}
	wide := s.whoWidth()
	head := " " + column("tool and directory", wide)
	for i, name := range []string{"running", "queued", "requests", "overlap", "waited"} {
		head += number(name, sessionColumns[i])
	}
	head += "   share"
	if s.width >= 100 {
		head += " of its account's time in flight"
	}
	out := []line{text(head, dim)}
	more := s.view.MoreSessions
	rows := room - 1
	if more > 0 || len(all) > rows {
		rows--
	}
	named := map[string]int{}
	for _, one := range all {
		named[one.Who]++
	}
	from, to := window(len(all), at, rows)
	for i := from; i < to; i++ {
		row := s.sessionRow(all[i], wide, named[all[i].Who] > 1)
		if i == at {
			row = append(text("▸", strong), row[1:]...).pick(s.width)
		}
		out = append(out, row)
	}
	if hidden := len(all) - (to - from); hidden+more > 0 {
		out = append(out, text(fmt.Sprintf("  %d of %d sessions, the busiest first", to-from, len(all)+more), dim))
	}
	return out
}

// sessionColumns are the widths of the numbers of sessions.
var sessionColumns = [5]int{8, 7, 9, 8, 8}

// whoWidth is the width of the names of sessions: what the numbers leave.
func (s *screen) whoWidth() int { return max(8, min(60, s.width-1-40-2-6)) }

// sessionRow says what a session has. One of several of the same name is told apart by
// its own.
func (s *screen) sessionRow(one dashboard.Session, wide int, alike bool) line {
	name := fallback(one.Who, fallback(one.Session, "not known"))
	if alike && one.Who != "" {
		own := cut(one.Session, max(6, wide/3))
		name = cut(one.Who, wide-3-ansi.StringWidth(own)) + " · " + own
	}
	row := text(" ", plain).add(column(name, wide), plain)
	w := sessionColumns
	row = row.add(number(fmt.Sprint(one.Running), w[0]), lookIf(one.Running > 0, runs))
	row = row.add(number(fmt.Sprint(one.Queued), w[1]), lookIf(one.Queued > 0, waits))
	row = row.add(number(fmt.Sprint(one.Requests), w[2])+number(fmt.Sprint(one.Overlap), w[3])+number(short(one.Waited), w[4])+"  ", plain)
	room := min(30, s.width-row.width()-6)
	row = row.add(number(percent(one.Share), 6), plain)
	if room >= 4 {
		filled := int(float64(room-1)*min(1, max(0, one.Share)) + 0.5)
		row = row.add(" ", plain).add(blocksOf(filled), runs)
	}
	return row
}

// lookIf is a look for what is so, and a dim one for what is not.
func lookIf(is bool, l look) look {
	if is {
		return l
	}
	return dim
}
