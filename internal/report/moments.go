package report

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/evidence"
	"github.com/weirhq/weir/internal/journal"
)

// Refusals are counted in bins; a moment is a minute of them, with a minute before and
// one after to be seen.
const (
	bin        = 10 * time.Second
	around     = time.Minute
	maxMoments = 3
	// late is how long after a picture's end a row may come that belongs into it: a
	// request is kept when it ends.
	late = 30 * time.Minute
	// edge is what a picture shows before the lane's first request and after its last:
	// more would show nothing where nothing is known.
	edge = time.Second
)

func binOf(t time.Time) int64 { return t.Unix() / int64(bin/time.Second) }

// worst returns the first bins of the minutes with most refusals, the worst first. Their
// pictures do not overlap.
func worst(bins map[int64]int) []int64 {
	const width, apart = int64(around / bin), int64(3 * around / bin)
	keys := slices.Sorted(maps.Keys(bins))
	type minute struct {
		at int64
		n  int
	}
	var all []minute
	sum, end := 0, 0
	for i, at := range keys {
		for ; end < len(keys) && keys[end] < at+width; end++ {
			sum += bins[keys[end]]
		}
		all = append(all, minute{at, sum})
		sum -= bins[keys[i]]
	}
	slices.SortStableFunc(all, func(a, b minute) int { return cmp.Compare(b.n, a.n) })
	var chosen []int64
	for _, m := range all {
		if len(chosen) == maxMoments {
			break
		}
		if !slices.ContainsFunc(chosen, func(c int64) bool { return max(c-m.at, m.at-c) < apart }) {
			chosen = append(chosen, m.at)
		}
	}
	return chosen
}

// moments reads what was under way around the worst of a lane.
func (s *survey) moments(ctx context.Context, rows Source, l *lane) ([]Moment, error) {
	all := []Moment{}
	for _, at := range worst(l.bins) {
		begin := time.Unix(at*int64(bin/time.Second), 0).UTC()
		c, err := s.course(ctx, rows, l, later(begin.Add(-around), l.from.Add(-edge)), earlier(begin.Add(2*around), l.to.Add(edge)))
		if err != nil {
			return nil, err
		}
		m := momentOf(c, begin)
		if s.back > 0 {
			m.Doubt = "The clock was set back somewhere in the journal; times here may be wrong, and two times may lie over each other."
		}
		all = append(all, m)
	}
	slices.SortStableFunc(all, func(a, b Moment) int { return b.Refused - a.Refused })
	return all, nil
}

// momentOf counts what a course has in the minute from the first refusal since a moment.
func momentOf(c evidence.Course, since time.Time) Moment {
	m := Moment{Begin: since, Course: c}
	for _, t := range c.Refused {
		if t.Before(since) {
			continue
		}
		if m.Refused == 0 {
			m.Begin = t
		}
		if t.Before(m.Begin.Add(around)) {
			m.Refused++
		}
	}
	m.Most = evidence.Most(c.InFlight, m.Begin, m.Begin.Add(around))
	m.Text = m.sentence()
	return m
}

// course reads what was under way in a lane between two moments.
func (s *survey) course(ctx context.Context, rows Source, l *lane, from, to time.Time) (evidence.Course, error) {
	c := evidence.Course{From: from, To: to, Refused: []time.Time{}}
	var running, queued []evidence.Span
	// What ended before the picture was kept before it too, or at its very begin.
	for row, err := range rows.Rows(ctx, from.Add(-time.Second)) {
		if err != nil {
			return c, err
		}
		r, ok := row.(journal.Request)
		if ok && r.End.After(to.Add(late)) && s.back == 0 {
			break
		}
		if !ok || r.Lane != l.name || r.End.Before(from) || r.Start.After(to) {
			continue
		}
		since := r.Start
		for a := range attempts(r) {
			queued = append(queued, evidence.Span{From: since, To: a.Start})
			running = append(running, evidence.Span{From: a.Start, To: a.end})
			since = a.end
			if isRefusal(a.Verdict) && !a.Start.Before(from) && !a.Start.After(to) {
				c.Refused = append(c.Refused, a.Start)
			}
		}
		if r.Admitted.IsZero() {
			queued = append(queued, evidence.Span{From: since, To: r.End})
		}
	}
	slices.SortFunc(c.Refused, time.Time.Compare)
	c.InFlight = within(evidence.Overlap(running), from, to)
	c.Queued = within(evidence.Overlap(queued), from, to)
	c.Limit = within(s.limitOf(l.name), from, to)
	return c, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// within returns the steps between two moments, with what holds at the first.
func within(steps []evidence.Step, from, to time.Time) []evidence.Step {
	if len(steps) == 0 {
		return []evidence.Step{}
	}
	kept := []evidence.Step{{At: from, N: evidence.At(steps, from)}}
	for _, s := range steps {
		if s.At.After(from) && !s.At.After(to) {
			kept = append(kept, s)
		}
	}
	return kept
}
