package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/provider"
)

// A view is a report as people read it, whatever it is written in.
type view struct {
	*Report
	Headline    string // the verdict, as a sentence
	Period      string
	Facts       []fact
	LevelRows   []levelRow
	MomentViews []momentView
	CodeViews   []codeView
	OtherRows   []string
	Footer      string
}

type fact struct {
	Name   string
	Values []string
}

type levelRow struct{ Level, Attempts, Accepted, Refused, Share, Interval, Minutes, Bad, Known, Class string }

type momentView struct {
	Moment
	Title string
}

type codeView struct {
	Title, Text string
	Rows        []exampleRow
}

type exampleRow struct{ UTC, East, ID, InFlight string }

func (r *Report) view() view {
	v := view{
		Report:   r,
		Headline: r.Headline(),
		Period:   fmt.Sprintf("%s to %s (%s), %s", utc(r.From), utc(r.To), span(r.To.Sub(r.From)), count(r.Requests, "request")),
		Facts:    r.facts(),
		Footer:   fmt.Sprintf("Made by weir %s (%s) on %s from its journal. It has no text of what was asked or answered, no key and no header.", r.Weir, r.System, utc(r.Made)),
	}
	for _, l := range r.Levels {
		v.LevelRows = append(v.LevelRows, l.row())
	}
	for i, m := range r.Moments {
		v.MomentViews = append(v.MomentViews, momentView{Moment: m, Title: fmt.Sprintf("%d. %s UTC: %s", i+1, m.Begin.UTC().Format(stamp), count(m.Refused, "refusal"))})
	}
	for _, c := range r.Codes {
		v.CodeViews = append(v.CodeViews, c.view())
	}
	v.OtherRows = r.otherRows()
	return v
}

// Headline is the verdict as a sentence.
func (r *Report) Headline() string {
	if r.Verdict.Text == "" {
		return ""
	}
	return strings.ToUpper(r.Verdict.Text[:1]) + r.Verdict.Text[1:] + "."
}

// facts are the report's head.
func (r *Report) facts() []fact {
	plan := r.Plan
	if plan == "" {
		plan = "not said (--plan says it)"
	}
	facts := []fact{
		{"Endpoint", r.addresses()},
		{"Model", []string{r.Model}},
		{"Account", []string{r.Account + " (a fingerprint of the key, made by weir; it means nothing elsewhere)"}},
		{"Plan, as the user says", []string{plan}},
		{"Time zone of the user", []string{fmt.Sprintf("%s (UTC%s): %s to %s", r.Zone.Name, r.Zone.Offset, r.local(r.From), r.local(r.To))}},
		{"The provider's, UTC+8", []string{fmt.Sprintf("%s to %s", r.From.In(provider.Zone()).Format(stamp), r.To.In(provider.Zone()).Format(stamp))}},
		{"Tools", []string{r.tools()}},
		{"Gateway", []string{fmt.Sprintf("weir %s on %s", r.Weir, r.System)}},
		{"Attempts", []string{r.Counts.sentence()}},
		{"Requests ended", []string{r.ends()}},
	}
	return facts
}

func (r *Report) local(t time.Time) string {
	zone := r.Zone.location
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format(stamp)
}

func (r *Report) addresses() []string {
	var all []string
	for _, e := range r.Endpoints {
		base := e.Base
		if base == "" {
			base = "address not known"
		}
		dialect := e.Dialect
		if dialect == "" {
			dialect = "unknown"
		}
		all = append(all, fmt.Sprintf("%s (%s, %s, by the profile)", base, dialect, count(e.Requests, "request")))
	}
	if r.Upstream != "" {
		all = append(all, "the gateway that runs now: "+r.Upstream)
	}
	return all
}

func (r *Report) tools() string {
	var all []string
	for _, t := range r.Tools {
		name := t.Name
		if name == "" {
			name = "unknown"
		}
		all = append(all, fmt.Sprintf("%s (%s)", name, count(t.N, "request")))
	}
	text := strings.Join(all, ", ")
	if r.Sessions > 0 {
		text += "; " + count(r.Sessions, "session")
	}
	return text + "; their versions are not in the journal"
}

func (r *Report) ends() string {
	var all []string
	for _, o := range r.Outcomes {
		name := o.Name
		if name == "" {
			name = "unknown"
		}
		all = append(all, fmt.Sprintf("%s %s%s", grouped(o.N), name, ending(o.Name)))
	}
	return strings.Join(all, ", ")
}

// ending says what the journal's name of an outcome means, where it does not say it itself.
func ending(outcome string) string {
	switch outcome {
	case "left":
		return " (the client went away)"
	case "cut":
		return " (the answer broke off)"
	case "max-wait", "overload":
		return " (told to come back)"
	case "draining":
		return " (weir was going down)"
	case "4xx", "5xx":
		return " (the provider's error, passed on)"
	}
	return ""
}

func (c Counts) sentence() string {
	text := fmt.Sprintf("%s: %s accepted, %s refused as too many, %s ended otherwise", grouped(c.All()), grouped(c.Accepted), grouped(c.Refused), grouped(c.Other))
	if c.Undecided > 0 {
		text += fmt.Sprintf(", %s left undecided", grouped(c.Undecided))
	}
	if c.Unrecorded > 0 {
		text += fmt.Sprintf(", %s known by number only", grouped(c.Unrecorded))
	}
	return text
}

func (l Level) row() levelRow {
	row := levelRow{
		Level: strconv.Itoa(l.Level.Level), Attempts: grouped(l.Attempts()), Accepted: grouped(l.Accepted), Refused: grouped(l.Refused),
		Share: percent(float64(l.Refused) / float64(l.Attempts())), Interval: interval(l.Low, l.High), Minutes: grouped(l.Minutes), Bad: grouped(l.Bad),
	}
	switch {
	case l.Known == "stable":
		row.Known, row.Class = "stable", "good"
	case l.Known == "failing":
		row.Known, row.Class = "failing", "bad"
	case l.Missing > 0:
		row.Known = fmt.Sprintf("not known: about %s more would tell", grouped(l.Missing))
	default:
		row.Known = "not known: at the border, more would not tell"
	}
	return row
}

func interval(low, high float64) string {
	return fmt.Sprintf("%.1f to %.1f\u00a0%%", 100*low, 100*high)
}

func (c Code) view() codeView {
	name := "without a code"
	if c.Code != "" {
		name = "code " + c.Code
	}
	kind := "not counted as refused"
	if c.Refusal {
		kind = "refused"
	}
	v := codeView{Title: fmt.Sprintf("%s, %s: %s (%s)", c.Verdict, name, count(c.N, "attempt"), kind), Text: c.Means}
	switch {
	case c.WithID == 0:
		v.Text += " The provider gave no request ids."
	case len(c.Examples) < c.WithID:
		v.Text += fmt.Sprintf(" %d of the %s with a request id, spread over the period:", len(c.Examples), grouped(c.WithID))
	case c.WithID < c.N:
		v.Text += fmt.Sprintf(" %s had a request id:", grouped(c.WithID))
	}
	v.Text = strings.TrimSpace(v.Text)
	for _, e := range c.Examples {
		row := exampleRow{UTC: e.At.UTC().Format(stamp), East: e.At.In(provider.Zone()).Format(stamp), ID: e.ID}
		if e.InFlight > 0 {
			row.InFlight = strconv.Itoa(e.InFlight)
		}
		v.Rows = append(v.Rows, row)
	}
	return v
}

func (r *Report) otherRows() []string {
	const most = 20
	var all []string
	for _, l := range r.Others[:min(len(r.Others), most)] {
		all = append(all, fmt.Sprintf("%s: %s, %s, %s refused as too many", l.Name, count(l.Requests, "request"), count(l.Attempts, "attempt"), grouped(l.Refused)))
	}
	if more := len(r.Others) - most; more > 0 {
		all = append(all, fmt.Sprintf("and %s", count(more, "other")))
	}
	return all
}
