package top

import (
	"fmt"
	"strings"
)

// Below this size only the numbers are shown, and what would be needed for more.
const (
	leastWidth  = 50
	leastHeight = 12
)

// head returns the lines that stand above every page.
func (s *screen) head() []line {
	title := text(" weir ", strong)
	if s.view == nil {
		return []line{title, s.lossLine(), s.tabs()}
	}
	v := s.view
	title = title.add(v.Listen+" → "+v.Upstream, plain)
	right := text(cut("up "+short(s.clock().Sub(v.Started))+"  weir "+v.Version+" ", 40), dim)
	numbers := text(" ", plain).
		add(fmt.Sprintf("▶ %d running", v.Running), runs).add("   ", plain).
		add(fmt.Sprintf("⧗ %d queued", v.Queued), waits)
	retried := "↻ %d of them to be retried"
	if s.width < 76 {
		retried = "↻ %d retried"
	}
	numbers = numbers.add("   ", plain).add(fmt.Sprintf(retried, v.Retrying), lookIf(v.Retrying > 0, bad))
	if l, ok := s.current(); ok {
		numbers = numbers.add("   limit ", plain).add(fmt.Sprint(l.Limit), bound)
		if len(v.Lanes) > 1 && s.width >= 76 {
			numbers = numbers.add(" for "+cut(s.laneName(l.Lane), 20), plain)
		}
	}
	all := []line{apart(title, right, s.width), numbers}
	if loss := s.lossLine(); loss != nil {
		return append(all, loss, s.tabs())
	}
	all = append(all, s.sentence())
	for _, note := range v.Notes {
		all = append(all, text(column(" ! "+note, s.width), bad))
	}
	return append(all, s.tabs())
}

// sentence says the most important thing.
func (s *screen) sentence() line {
	l := text(" ", plain)
	if s.view.Draining {
		l = l.add("It is going down. ", bad)
	}
	return l.add(s.view.Words, plain)
}

// lossLine says that there is no connection, since when and why; nil: there is one.
func (s *screen) lossLine() line {
	if s.lost.IsZero() {
		return nil
	}
	why := cut(s.why, max(10, s.width-63))
	return text(column(" ! NOT CONNECTED since "+s.lost.Format("15:04:05")+" ("+why+"): this is old; trying again", s.width), picked)
}

// tabs names the pages, the present one in brackets.
func (s *screen) tabs() line {
	l := text("─", dim)
	for p := range pages {
		name := fmt.Sprintf("%d %s", p+1, p)
		if p == s.page && !s.help {
			l = l.add("[", strong).add(name, strong).add("]", strong)
		} else {
			l = l.add(" "+name+" ", plain)
		}
		l = l.add("─", dim)
	}
	return l.add(strings.Repeat("─", max(0, s.width-l.width())), dim)
}

// rule is a line with a title at its left and a legend at its right.
func (s *screen) rule(title, legend line) line {
	l := append(text("─ ", dim), title...).add(" ", plain)
	space := s.width - l.width() - legend.width() - 2
	if legend == nil || space < 1 {
		return l.add(strings.Repeat("─", max(0, s.width-l.width())), dim)
	}
	l = l.add(strings.Repeat("─", space), dim)
	return append(l.add(" ", plain), legend...).add(" ", plain)
}

// foot is the last line: a question, a notice, or the keys.
func (s *screen) foot() line {
	switch {
	case s.ask != nil:
		prompt := text(" "+cut(s.ask.text, s.width-12), strong)
		return prompt.add(s.ask.typed, plain).add("▁", plain)
	case s.notice != "":
		return text(" "+s.notice, strong)
	case s.help:
		return keyLine(s.width, "Esc", "back", "↑↓", "move", "q", "quit")
	case s.opened != nil:
		return keyLine(s.width, "Esc", "back", "↑↓", "move", "s", "its session", "l", "its lane", "c", "cancel", "q", "quit")
	case s.page == sessionsPage:
		return keyLine(s.width, "Tab", "page", "↑↓", "move", "Enter", "its requests", "?", "help", "q", "quit")
	case s.page == lanesPage:
		return keyLine(s.width, "Tab", "page", "↑↓", "lane", "Enter", "its requests", "p", "pause or resume", "f", "fix limit", "?", "help", "q", "quit")
	}
	return keyLine(s.width, "Tab", "page", "↑↓", "move", "Enter", "open", "?", "help", "q", "quit", "/", "filter", "c", "cancel", "p", "pause", "f", "limit", "←→", "lane", "+-", "zoom", "s", "session", "v", "verdict")
}

// keyLine names keys and what they do, as many as fit.
func keyLine(width int, pairs ...string) line {
	l := text(" ", plain)
	for i := 0; i+1 < len(pairs); i += 2 {
		more := line{{pairs[i], strong}, {" " + pairs[i+1] + "  ", dim}}
		if l.width()+more.width() > width+2 {
			break
		}
		l = append(l, more...)
	}
	return l
}

// tiny is the screen where there is no room for one.
func (s *screen) tiny() []line {
	all := []line{text("weir", strong)}
	if s.view != nil {
		all = append(all,
			text(fmt.Sprintf("▶ %d running", s.view.Running), runs),
			text(fmt.Sprintf("⧗ %d queued", s.view.Queued), waits))
		if l, ok := s.current(); ok {
			all = append(all, line{{"limit ", plain}, {fmt.Sprint(l.Limit), bound}})
		}
	}
	if !s.lost.IsZero() {
		all = append(all, text("! NOT CONNECTED", bad))
	}
	all = append(all, text(fmt.Sprintf("%dx%d is small,", s.width, s.height), dim), text(fmt.Sprintf("%dx%d shows all", leastWidth, leastHeight), dim), text("q quit", dim))
	return all
}
