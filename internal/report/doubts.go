package report

import (
	"fmt"
	"maps"
	"slices"

	"github.com/weirhq/weir/internal/evidence"
)

// doubts says what makes the report less sure than its intervals say.
func (s *survey) doubts(l *lane, r *Report) []string {
	said := []string{}
	for _, v := range r.Levels {
		if v.narrow() {
			said = append(said, v.narrowness()+" They may have one cause, and the interval is too narrow then.")
		}
	}
	for _, v := range r.Levels {
		if v.moved() {
			a, b := v.halves[0], v.halves[1]
			said = append(said, fmt.Sprintf("What is borne has changed: of the earlier half of the attempts at level %d %d of %d were refused, of the later half %d of %d. The curve is an average of both.",
				v.Level.Level, a.Refused, a.Attempts(), b.Refused, b.Attempts()))
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

// Sure tells that the verdict is certain, not from few minutes only, and held all the
// time.
func (r *Report) Sure() bool {
	return r.Verdict.Certain && len(r.narrow()) == 0 && !slices.ContainsFunc(r.Levels, Level.moved)
}

// halves parts a level's attempts into the earlier half and the later one, by whole
// minutes.
func (m minutes) halves(level int) (parts [2]evidence.Level) {
	parts[0].Level, parts[1].Level = level, level
	all, seen := 0, 0
	for _, n := range m {
		all += n.accepted + n.refused
	}
	for _, at := range slices.Sorted(maps.Keys(m)) {
		n, part := m[at], &parts[0]
		if 2*seen >= all {
			part = &parts[1]
		}
		part.Accepted += n.accepted
		part.Refused += n.refused
		seen += n.accepted + n.refused
	}
	return parts
}

// moved tells that the later attempts of a level went otherwise than the earlier ones:
// the intervals do not meet.
func (l Level) moved() bool {
	if l.halves[0].Attempts() == 0 || l.halves[1].Attempts() == 0 {
		return false
	}
	lowA, highA := l.halves[0].Interval()
	lowB, highB := l.halves[1].Interval()
	return lowA > highB || lowB > highA
}

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
	if slices.ContainsFunc(r.Levels, Level.moved) {
		said = append(said, "Needed: a report of a time in which it did not change; --since bounds it.")
	}
	for _, l := range r.narrow() {
		said = append(said, fmt.Sprintf("Needed: attempts at level %d in further minutes.", l.Level.Level))
	}
	if len(said) == 0 {
		text := fmt.Sprintf("Needed for the levels: nothing more; the counts tell %d from %d.", r.Verdict.Stable, r.Verdict.Failing)
		if r.Verdict.Stable == 0 {
			text = "Needed for the levels: nothing more; the counts are enough to say that level 1 fails."
		}
		said = append(said, text+" They hold for this period; a change at the provider shows in a later report.")
	}
	return said
}
