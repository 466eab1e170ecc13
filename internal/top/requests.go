package top

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/dashboard"
)

// requestList shows the requests that the filter lets through.
func (s *screen) requestList(room int) []line {
	all, at := s.requests()
	title := text("Requests", strong)
	if f := s.filter.String(); f != "" {
		title = title.add(fmt.Sprintf(" with %s: %d (Esc shows all)", f, len(all)), bad)
	} else {
		title = title.add(fmt.Sprintf(": %d running, %d waiting, last %d", len(s.ledger.active)+s.view.MoreActive, len(s.ledger.waiting)+s.view.MoreWaiting, len(s.ledger.done)), plain)
	}
	out := []line{s.rule(title, nil)}
	if len(all) == 0 {
		what := "  none yet"
		if !s.filter.isEmpty() {
			what = "  none that match"
		}
		return append(out, text(what, dim))
	}
	from, to := window(len(all), at, room-1)
	for i := from; i < to; i++ {
		row := s.requestRow(all[i])
		if i == at {
			row = append(text("▸", strong), row[1:]...).pick(s.width)
		}
		out = append(out, row)
	}
	return out
}

// requestRow says of a request what it does, whose it is, and how long it takes.
func (s *screen) requestRow(r *dashboard.Request) line {
	const timesWide, moreWide = 32, 22
	rest := s.width - 1 - 12 - 1
	modelWide := max(8, min(20, rest/6))
	whoWide := rest - modelWide - 2 - timesWide
	if s.width >= 110 {
		whoWide -= moreWide
	}
	whoWide = max(10, min(48, whoWide))
	row := text(" ", plain).add(column(place(r), 12)+" ", stateLook(r))
	row = row.add(column(who(r), whoWide)+" ", plain).add(column(r.Model, modelWide)+" ", plain)
	if s.width >= 110 {
		row = row.add(column(r.Class, 12)+" "+r.Start.In(s.now.Location()).Format("15:04:05")+"  ", dim)
	}
	return row.add(s.times(r), plain)
}

// place says where a request stands, with a sign.
func place(r *dashboard.Request) string {
	switch r.State {
	case dashboard.Running:
		return "▶ running"
	case dashboard.Waiting, dashboard.Retrying:
		sign, said := "⧗ ", "waiting"
		if r.State == dashboard.Retrying {
			sign, said = "↻ ", "retry"
		}
		if r.Place > 0 {
			said = strings.TrimPrefix(said+" "+ordinal(r.Place), "waiting ")
		}
		return sign + said
	}
	if r.Outcome == "ok" || r.Outcome == "" && r.Status < 400 {
		return "✓ done"
	}
	return "✗ " + fallback(r.Outcome, "failed")
}

func stateLook(r *dashboard.Request) look {
	switch sign, _, _ := strings.Cut(place(r), " "); sign {
	case "▶":
		return runs
	case "⧗":
		return waits
	case "✓":
		return good
	}
	return bad
}

// who says whose a request is, as well as is known.
func who(r *dashboard.Request) string {
	return fallback(r.Who, fallback(r.Tool, fallback(r.Session, "somebody")))
}

func fallback(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// times says how long a request waits, runs or took, and what went wrong on the way.
func (s *screen) times(r *dashboard.Request) string {
	var said []string
	switch r.State {
	case dashboard.Waiting, dashboard.Retrying:
		said = append(said, "waits "+short(r.Waited))
		if r.Estimate > 0 {
			said = append(said, "~"+rough(r.Estimate)+" to go")
		}
	case dashboard.Running:
		since := r.Start.Add(r.Waited)
		if n := len(r.Attempts); n > 0 {
			since = r.Attempts[n-1].Start
		}
		said = append(said, "runs "+short(s.clock().Sub(since)))
	default:
		if r.End != nil {
			said = append(said, "took "+short(r.End.Sub(r.Start)))
		}
		if r.Status != 0 && r.Status != 200 {
			said = append(said, fmt.Sprintf("status %d", r.Status))
		}
	}
	const worth = 100 * time.Millisecond // saying
	if r.Waited >= worth && r.State != dashboard.Waiting && r.State != dashboard.Retrying {
		said = append(said, "waited "+short(r.Waited))
	}
	if r.State != dashboard.Running && r.Verdict != "" && r.Verdict != "ok" {
		said = append(said, strings.TrimSpace(r.Code+" "+r.Verdict))
	}
	switch {
	case r.Tries > 1 && r.State == dashboard.Running:
		said = append(said, fmt.Sprintf("try %d", r.Tries))
	case r.Tries > 1:
		said = append(said, fmt.Sprintf("%d tries", r.Tries))
	}
	return strings.Join(said, ", ")
}

// requestLines shows all that is known of a request.
func (s *screen) requestLines(r *dashboard.Request) []line {
	all := []line{s.rule(text("Request "+r.ID, strong), text(place(r), stateLook(r)))}
	field := func(name, value string) {
		if value == "" {
			return
		}
		for i, part := range wrap(value, s.width-16) {
			if i > 0 {
				name = ""
			}
			all = append(all, text(" "+column(name, 13), dim).add(part, plain))
		}
	}
	zone := s.now.Location()
	field("whose", who(r))
	field("tool", r.Tool)
	field("session", r.Session)
	field("lane", r.Lane)
	field("class", r.Class)
	field("arrived", r.Start.In(zone).Format("15:04:05.000")+", "+short(s.clock().Sub(r.Start))+" ago")
	waited := "not at all"
	if r.Waited >= time.Millisecond {
		waited = short(r.Waited) + " for slots, in all"
	}
	if r.Place > 0 {
		waited += fmt.Sprintf("; %s in its line", ordinal(r.Place))
	}
	if r.Estimate > 0 {
		waited += ", about " + rough(r.Estimate) + " to go"
	}
	field("waited", waited)
	field("answer", s.answer(r))
	all = append(all, nil, s.rule(text("Attempts", strong).add(fmt.Sprintf(": %d", r.Tries), plain), nil))
	if len(r.Attempts) == 0 {
		return append(all, text("  none yet: it waits", dim))
	}
	all = append(all, text(fmt.Sprintf("   #  %-12s  %-8s %10s  %-14s %-8s %s", "start", "took", "in flight", "verdict", "code", "provider's id"), dim))
	for i, a := range r.Attempts {
		all = append(all, s.attemptRow(i+1, a))
	}
	if more := r.Tries - len(r.Attempts); more > 0 {
		all = append(all, text(fmt.Sprintf("      and %d more", more), dim))
	}
	return all
}

// answer says what a request's client was given.
func (s *screen) answer(r *dashboard.Request) string {
	var said []string
	if r.Status != 0 {
		said = append(said, fmt.Sprintf("status %d", r.Status))
	}
	if r.FirstByte > 0 {
		said = append(said, "first byte after "+short(r.FirstByte))
	}
	if r.Bytes > 0 {
		said = append(said, size(r.Bytes))
	}
	if r.End != nil {
		said = append(said, "ended "+r.End.In(s.now.Location()).Format("15:04:05.000"))
	}
	if r.Outcome != "" {
		said = append(said, r.Outcome)
	}
	return fallback(strings.Join(said, ", "), "none yet")
}

// attemptRow says what became of one attempt.
func (s *screen) attemptRow(n int, a dashboard.Attempt) line {
	took, verdict, as := "runs", a.Verdict, plain
	if a.End != nil {
		took = short(a.End.Sub(a.Start))
	}
	switch {
	case verdict == "ok":
		verdict, as = "✓ ok", good
	case verdict != "":
		verdict, as = "✗ "+verdict, bad
	case a.End == nil:
		verdict, as = "▶ not yet", runs
	}
	return text(fmt.Sprintf(" %3d  %-12s  %s %10d  ", n, a.Start.In(s.now.Location()).Format("15:04:05.000"), column(took, 8), a.InFlight), plain).
		add(column(verdict, 14)+" ", as).add(column(a.Code, 8)+" ", plain).add(a.ProviderID, plain)
}
