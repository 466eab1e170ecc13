package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/evidence"
)

// markdown writes the report to be pasted into a ticket. What comes from outside stands
// as text, whatever it looks like.
func (r *Report) markdown(w io.Writer) error {
	v := r.view()
	var b strings.Builder
	fmt.Fprintf(&b, "# Refusals of %s at %s\n\n%s\n\n**%s** %s\n\n", text(r.Model), text(r.Provider), text(v.Period), text(v.Headline), text(r.Summary))
	b.WriteString("| | |\n|---|---|\n")
	for _, f := range v.Facts {
		values := make([]string, len(f.Values))
		for i, value := range f.Values {
			values[i] = text(value)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", f.Name, strings.Join(values, "<br>"))
	}
	v.levels(&b)
	v.moments(&b)
	v.codes(&b)
	list(&b, "What was already done", r.Done)
	list(&b, "How it was measured, and what it lacks", r.Method, r.Doubts, r.More)
	if len(v.OtherRows) > 0 {
		list(&b, "Other models in the same journal", v.OtherRows)
	}
	fmt.Fprintf(&b, "\n---\n%s\n", text(v.Footer))
	_, err := io.WriteString(w, b.String())
	return err
}

func (v view) levels(b *strings.Builder) {
	b.WriteString("\n## By level in flight\n\n")
	if len(v.LevelRows) == 0 {
		b.WriteString("Nothing was counted.\n")
		return
	}
	b.WriteString("| level | attempts | accepted | refused | share refused | 95 % interval | minutes | with refusals | known |\n|--:|--:|--:|--:|--:|--:|--:|--:|---|\n")
	for _, l := range v.LevelRows {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", l.Level, l.Attempts, l.Accepted, l.Refused, l.Share, l.Interval, l.Minutes, l.Bad, l.Known)
	}
}

func (v view) moments(b *strings.Builder) {
	b.WriteString("\n## The worst moments\n")
	if len(v.MomentViews) == 0 {
		b.WriteString("\nNone: nothing was refused as too many.\n")
	}
	for _, m := range v.MomentViews {
		fmt.Fprintf(b, "\n### %s\n\n", text(m.Title))
		fmt.Fprintf(b, "%s\n\n", text(strings.TrimSpace(m.Text+" "+m.Doubt)))
		b.WriteString(plot(m.Course))
		fmt.Fprintf(b, "A column is %s; numbers are the highest in it, + is more than 9.\n", span(columnOf(m.Course)))
	}
}

func (v view) codes(b *strings.Builder) {
	b.WriteString("\n## Refusals and errors by code\n")
	if len(v.CodeViews) == 0 {
		b.WriteString("\nNone.\n")
	}
	for _, c := range v.CodeViews {
		fmt.Fprintf(b, "\n### %s\n", text(c.Title))
		if c.Text != "" {
			fmt.Fprintf(b, "\n%s\n", text(c.Text))
		}
		if len(c.Rows) == 0 {
			continue
		}
		b.WriteString("\n| sent, UTC | UTC+8 | the provider's request id | in flight |\n|---|---|---|--:|\n")
		for _, e := range c.Rows {
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", e.UTC, e.East, text(e.ID), e.InFlight)
		}
	}
}

func list(b *strings.Builder, title string, parts ...[]string) {
	fmt.Fprintf(b, "\n## %s\n\n", title)
	for _, lines := range parts {
		for _, line := range lines {
			fmt.Fprintf(b, "- %s\n", text(line))
		}
	}
}

// text keeps a text from being taken for Markdown or HTML: signs that mean something
// become entities, also a mention's and a link's.
func text(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case strings.ContainsRune("<>&|`*[]\\~@#", r):
			fmt.Fprintf(&b, "&#%d;", r)
		case r == '_':
			b.WriteString(`\_`)
		case r == '\n' || r == '\r':
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// columns is how wide a plot is.
const columns = 60

func columnOf(c evidence.Course) time.Duration { return c.To.Sub(c.From) / columns }

// plot draws a course in signs, for where there are no pictures.
func plot(c evidence.Course) string {
	width := columnOf(c)
	rows := []struct {
		name  string
		value func(from, to time.Time) int
	}{
		{"queued   ", func(from, to time.Time) int { return evidence.Most(c.Queued, from, to) }},
		{"in flight", func(from, to time.Time) int { return evidence.Most(c.InFlight, from, to) }},
		{"limit    ", func(from, to time.Time) int { return evidence.Most(c.Limit, from, to) }},
		{"refused  ", func(from, to time.Time) (n int) {
			for _, t := range c.Refused {
				if !t.Before(from) && t.Before(to) {
					n++
				}
			}
			return n
		}},
	}
	var b strings.Builder
	b.WriteString("```\n")
	const third = columns / 3
	fmt.Fprintf(&b, "%-9s ", "UTC")
	for i := range 3 {
		fmt.Fprintf(&b, "%-*s", third, "|"+c.From.Add(time.Duration(i*third)*width).UTC().Format("15:04:05"))
	}
	b.WriteByte('\n')
	for _, row := range rows {
		b.WriteString(row.name + " ")
		for i := range columns {
			from := c.From.Add(time.Duration(i) * width)
			b.WriteString(digit(row.value(from, from.Add(width))))
		}
		b.WriteByte('\n')
	}
	b.WriteString("```\n")
	return b.String()
}

func digit(n int) string {
	switch {
	case n == 0:
		return "."
	case n > 9:
		return "+"
	}
	return strconv.Itoa(n)
}
