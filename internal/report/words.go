package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
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
		for _, refused := range l.minutes[e.Level] {
			v.Minutes++
			if refused {
				v.Bad++
			}
		}
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

// done says what was already done about refusals.
func (s *survey) done(l *lane) []string {
	said := []string{s.capped(l)}
	if why := s.believed(l); why != "" {
		said = append(said, why)
	}
	if l.retries > 0 {
		text := fmt.Sprintf("Repeated: weir made %s by itself, with the request's place kept.", count(l.retries, "further attempt"))
		if l.refusing > 0 {
			text += fmt.Sprintf(" Of %s with a refusal, %s ended well all the same.", count(l.refusing, "request"), grouped(l.saved))
		}
		said = append(said, text)
	} else {
		said = append(said, "Repeated: nothing.")
	}
	if l.waiting > 0 {
		said = append(said, fmt.Sprintf("Waited: %s waited for a slot before or between attempts, %s on average and %s at most.",
			count(l.waiting, "request"), span(l.waited/time.Duration(l.waiting)), span(l.longest)))
	}
	if n, d, closed := s.shut(l.name); n+closed > 0 {
		text := fmt.Sprintf("Rested: after refusals weir started nothing for a while, %s, %s in all.", times(n), span(d))
		if n == 0 {
			text = "Rested:"
		}
		if closed > 0 {
			text += fmt.Sprintf(" It closed the lane or its account %s, for a spent quota or a flag.", times(closed))
		}
		said = append(said, text)
	}
	return said
}

// capped says which limit was kept.
func (s *survey) capped(l *lane) string {
	text := "Capped: weir bounds what is in flight at once; the limit "
	steps := changed(s.limitOf(l.name))
	if len(steps) < 2 {
		text += "did not change in this time, as it was fixed or known from before"
	} else {
		low, high := steps[0].N, steps[0].N
		for _, step := range steps {
			low, high = min(low, step.N), max(high, step.N)
		}
		text += fmt.Sprintf("(the lower one of the model's and the account's) moved %s between %d and %d, and is %d at the end",
			times(len(steps)-1), low, high, steps[len(steps)-1].N)
	}
	if n := s.byHand(l.name); n > 0 {
		text += fmt.Sprintf(". The user fixed, held or opened it by hand %s", times(n))
	}
	if l.most > 0 {
		text += fmt.Sprintf(". No attempt started with more than %d in flight", l.most)
	}
	return text + "."
}

// byHand counts what a person did to a lane or its account.
func (s *survey) byHand(name string) (n int) {
	for _, name := range []string{name, account(name)} {
		if c := s.limits[name]; c != nil {
			n += c.byHand
		}
	}
	return n
}

// believed is weir's own last conclusion of what it has met.
func (s *survey) believed(l *lane) string {
	c := s.limits[l.name]
	if other := s.limits[account(l.name)]; c == nil || other != nil && other.whyAt.After(c.whyAt) {
		c = other
	}
	if c == nil || c.why == "" {
		return ""
	}
	return fmt.Sprintf("Believed by weir while it worked, on less than this report asks for; last at %s: %s.", utc(c.whyAt), strings.TrimSuffix(cut(c.why, 600), "."))
}

// shut tells how often and how long a lane or its account rested or was closed.
func (s *survey) shut(name string) (pauses int, paused time.Duration, closed int) {
	for _, n := range []string{name, account(name)} {
		if c := s.limits[n]; c != nil {
			pauses, paused, closed = pauses+c.pauses, paused+c.paused, closed+c.closed
		}
	}
	return pauses, paused, closed
}

func (r *Report) endpointSentences(p *provider.Profile) []string {
	var text string
	switch {
	case p == nil:
		text = fmt.Sprintf("Endpoint: weir has no profile %q any more, so the address is not known here.", r.Provider)
	case p.OnCodingPlan():
		text = fmt.Sprintf("Endpoint: the profile %q sends to the coding plan's endpoint.", r.Provider)
	default:
		text = fmt.Sprintf("Endpoint: the profile %q sends to the general endpoint, not to a coding plan's.", r.Provider)
	}
	if r.Upstream != "" {
		text += fmt.Sprintf(" The gateway that runs now sends to %s.", r.Upstream)
	} else {
		text += " The journal does not keep addresses; one given at the gateway's start may have replaced the profile's."
	}
	return []string{text + ` "weir doctor --key" tells which endpoint the key belongs to.`}
}

func method() []string {
	return []string{
		"Counted by weir, a gateway on the user's machine, from its journal; only what went through it. Other programs that use the same account are not seen, and count at the provider all the same.",
		"The level of an attempt is how many were in flight in this lane (one provider, key and model) when it started, itself included. In flight is from the start to the end of the answer.",
		"Refused are answers that mean too many at once, or do not say which limit was met (as 1302 and a plain 429). Answers that mean starts too fast, overload, a spent quota, a fault or a wrong request say nothing of the level; they are listed, and not counted in it. Repeats count as attempts of their own.",
		fmt.Sprintf("Intervals are Wilson's, 95 %%. A level is called stable when its whole interval lies below %s refused, which takes 35 attempts without a refusal, and failing when it lies above. Intervals take attempts as independent; refusals that come in one wave are less so.", percent(evidence.Bearable)),
	}
}

// doubts says what makes the report less sure than its intervals say.
func (s *survey) doubts(l *lane, r *Report) []string {
	said := []string{}
	for _, v := range r.Levels {
		if v.narrow() {
			said = append(said, v.narrowness()+" They may have one cause, and the interval is too narrow then.")
		}
	}
	if n := s.beside(l); n > 0 {
		said = append(said, fmt.Sprintf("%s of other models went to the same account in this time. If the provider counts by account, more may have been in flight than the level says.", count(n, "request")))
	}
	if s.back > 0 {
		said = append(said, fmt.Sprintf("The clock was set back %s in this time. Counts are not touched by it; times may be wrong.", times(s.back)))
	}
	if s.lost > 0 {
		said = append(said, fmt.Sprintf("The journal lacks %s that could not be written.", count(int(s.lost), "row")))
	}
	if n := l.counts.Unrecorded; n > 0 {
		said = append(said, fmt.Sprintf("%s of requests with very many are known by number only, and in none of the counts above.", count(n, "attempt")))
	}
	if counted := countedIn(r.Levels); counted < l.counts.Accepted+l.counts.Refused {
		said = append(said, fmt.Sprintf("Of %s the level is not known; the curve lacks them.", count(l.counts.Accepted+l.counts.Refused-counted, "attempt")))
	}
	return said
}

// beside counts the requests of the account's other lanes while this one was in use.
func (s *survey) beside(l *lane) (n int) {
	for _, other := range s.lanes {
		if other != l && account(other.name) == account(l.name) && !other.from.After(l.to) && !other.to.Before(l.from) {
			n += other.requests
		}
	}
	return n
}

// narrowness says from how few minutes a level is known.
func (l Level) narrowness() string {
	if l.Known == "failing" {
		return fmt.Sprintf("The %s at level %d fell into %s.", count(l.Refused, "refusal"), l.Level.Level, count(l.Bad, "minute"))
	}
	return fmt.Sprintf("The %s at level %d fell into %s.", count(l.Attempts(), "attempt"), l.Level.Level, count(l.Minutes, "minute"))
}

// narrow returns those levels of the verdict that are known from few minutes only.
func (r *Report) narrow() []Level {
	return slices.DeleteFunc(slices.Clone(r.Levels), func(l Level) bool {
		return !l.narrow() || l.Level.Level != r.Verdict.Stable && l.Level.Level != r.Verdict.Failing
	})
}

// Sure tells that the verdict is certain, and not from few minutes only.
func (r *Report) Sure() bool { return r.Verdict.Certain && len(r.narrow()) == 0 }

func countedIn(levels []Level) (n int) {
	for _, l := range levels {
		n += l.Attempts()
	}
	return n
}

// more says what would make the verdict more sure.
func (r *Report) more() []string {
	if !r.Verdict.Certain {
		return []string{fmt.Sprintf(`Needed: %s. Ordinary work collects them; "weir serve --limit %d" lets so many run at once meanwhile.`,
			r.Verdict.Missing, r.Verdict.Stable+1)}
	}
	var said []string
	for _, l := range r.narrow() {
		said = append(said, fmt.Sprintf("Needed: attempts at level %d in further minutes.", l.Level.Level))
	}
	if len(said) == 0 {
		text := fmt.Sprintf("Nothing for the levels: the counts tell %d from %d.", r.Verdict.Stable, r.Verdict.Failing)
		if r.Verdict.Stable == 0 {
			text = "Nothing for the levels: the counts are enough to say that level 1 fails."
		}
		said = append(said, text+" They hold for this period; a change at the provider shows in a later report.")
	}
	return said
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

// grouped writes a number with spaces between thousands that no line is broken at.
func grouped(n int) string {
	s := fmt.Sprint(n)
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

// east is the zone of the provider's own clock and of the moments in its messages.
func east() *time.Location { return time.FixedZone("UTC+8", 8*60*60) }

func (m *Moment) sentence() string {
	return fmt.Sprintf("%s within a minute from %s, which is %s UTC+8. At most %d were in flight at once in that minute.",
		count(m.Refused, "refusal"), utc(m.Begin), m.Begin.In(east()).Format(stamp), m.Most)
}
