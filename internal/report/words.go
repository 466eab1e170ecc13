package report

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/evidence"
	"github.com/weirhq/weir/provider"
)

// report puts what was counted of a lane into a report, but for the worst moments.
func (s *survey) report(l *lane, o Options) *Report {
	r := &Report{
		Made: o.Now.UTC(), Weir: o.Weir, System: o.System, Zone: zoneOf(o.Zone, l.to),
		Lane: tidy(l.name), Plan: tidy(o.Plan), From: l.from.UTC(), To: l.to.UTC(), Upstream: tidy(o.Upstream),
		Tools: counted(l.tools), Sessions: len(l.sessions), Requests: l.requests, Outcomes: counted(l.outcomes), Counts: l.counts,
		Verdict: l.curve.Verdict(), Levels: l.levels(), Others: s.others(l),
	}
	r.Provider, r.Account, r.Model = parts(r.Lane)
	p := o.Profile(r.Provider)
	r.Endpoints = endpoints(l, p)
	r.Codes = codesOf(l, p, o.Now)
	r.Summary = r.summary()
	r.Done = append(s.done(l), r.endpointSentences(p)...)
	r.Method = method()
	r.Doubts = s.doubts(l, r)
	r.More = r.more()
	return r
}

func zoneOf(zone *time.Location, at time.Time) Zone {
	name, _ := at.In(zone).Zone()
	return Zone{Name: name, Offset: at.In(zone).Format("-07:00"), location: zone}
}

// counted lists what was counted by name, the most first.
func counted(m map[string]int) []Count {
	all := []Count{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, Count{Name: tidy(name), N: m[name]})
	}
	slices.SortStableFunc(all, func(a, b Count) int { return b.N - a.N })
	return all
}

func endpoints(l *lane, p *provider.Profile) []Endpoint {
	all := []Endpoint{}
	for _, d := range counted(l.dialects) {
		e := Endpoint{Dialect: d.Name, Requests: d.N}
		if p != nil {
			e.Base, e.CodingPlan = p.Bases[provider.Dialect(d.Name)], p.OnCodingPlan()
		}
		all = append(all, e)
	}
	return all
}

func (l *lane) levels() []Level {
	all := []Level{}
	for _, e := range l.curve {
		v := Level{Level: e, Missing: e.Missing()}
		v.Low, v.High = e.Interval()
		switch {
		case e.Stable():
			v.Known = "stable"
		case e.Failing():
			v.Known = "failing"
		}
		for _, n := range l.minutes[e.Level] {
			v.Minutes++
			if n.refused > 0 {
				v.Bad++
			}
		}
		v.halves = l.minutes[e.Level].halves(e.Level)
		all = append(all, v)
	}
	return all
}

// summary is what was counted, in one sentence.
func (r *Report) summary() string {
	judged := r.Counts.Accepted + r.Counts.Refused
	if judged == 0 {
		return "No attempt was accepted, and none was refused as too many, so nothing can be said of the level."
	}
	text := fmt.Sprintf("In all %s of %s attempts were refused as too many (%s).",
		grouped(r.Counts.Refused), grouped(judged), percent(float64(r.Counts.Refused)/float64(judged)))
	for _, l := range r.narrow() {
		text += " " + l.narrowness()
	}
	return text
}

func method() []string {
	return []string{
		"Counted by weir, a gateway on the user's machine, from its journal; only what went through it. Other programs that use the same account are not seen, and count at the provider all the same.",
		"The level of an attempt is how many were in flight in this lane (one provider, key and model) when it started, itself included. In flight is from the start to the end of the answer.",
		"Refused are answers that mean too many at once, or do not say which limit was met (as 1302 and a plain 429). Answers that mean starts too fast, overload, a spent quota, a fault or a wrong request say nothing of the level; they are listed, and not counted in it. Repeats count as attempts of their own.",
		fmt.Sprintf("Intervals are Wilson's, 95 %%. A level is called stable when its whole interval lies below %s refused, which takes 35 attempts without a refusal, and failing when it lies above. Intervals take attempts as independent; refusals that come in one wave are less so.", percent(evidence.Bearable)),
	}
}

// The small words.

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return grouped(n) + " " + thing + "s"
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return grouped(n) + " times"
}

// grouped writes a number, a long one with spaces that no line is broken at.
func grouped(n int) string {
	s := fmt.Sprint(n)
	if len(s) < 5 {
		return s
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u00a0" + s[i:]
	}
	return s
}

// percent writes a share so that nothing that was seen becomes zero, or all.
func percent(share float64) string {
	p := 100 * share
	switch {
	case p == 0 || p == 100:
		return fmt.Sprintf("%.0f\u00a0%%", p)
	case p < 0.1:
		return "below 0.1\u00a0%"
	case p > 99.9:
		return "above 99.9\u00a0%"
	case p < 10 || p > 90:
		return fmt.Sprintf("%.1f\u00a0%%", p)
	}
	return fmt.Sprintf("%.0f\u00a0%%", p)
}

// span writes a duration as people say it.
func span(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.1f days", d.Hours()/24)
}

const stamp = "2006-01-02 15:04:05"

func utc(t time.Time) string { return t.UTC().Format(stamp) + " UTC" }

func (m *Moment) sentence() string {
	return fmt.Sprintf("%s within a minute from %s, which is %s UTC+8. At most %d were in flight at once in that minute.",
		count(m.Refused, "refusal"), utc(m.Begin), m.Begin.In(provider.Zone()).Format(stamp), m.Most)
}
