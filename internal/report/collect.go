package report

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/weirhq/weir/internal/evidence"
	"github.com/weirhq/weir/internal/journal"
	"github.com/weirhq/weir/provider"
)

// ErrNothing is that of a journal without a request to a model in the time that was asked
// for.
var ErrNothing = errors.New("the journal has no request to a model in that time")

// A Source is where rows come from, the oldest first: a [journal.Reader].
type Source interface {
	Rows(ctx context.Context, since time.Time) iter.Seq2[journal.Row, error]
}

var _ Source = (*journal.Reader)(nil)

// Options say what a report is about, and what the journal does not know.
type Options struct {
	Since  time.Time      // zero: all that the journal has
	Lane   string         // its name, or a part of it that no other has; empty: the one with most refusals
	Plan   string         // as the person says; may be empty
	Now    time.Time      // when the report is made
	Zone   *time.Location // the person's; nil: UTC
	Weir   string         // the version
	System string         // "linux/amd64"
	// Upstream is where the gateway that runs now sends to; empty: none runs.
	Upstream string
	// Profile returns what is known of a provider, nil if nothing is. Nil: [provider.Lookup].
	Profile func(name string) *provider.Profile
}

// Collect reads a journal and says what it carries. It reads it once, and then again only
// around the worst moments; its memory grows with lanes, sessions and refusals, not with
// requests. The error is [ErrNothing], a [*LaneError], or the source's.
func Collect(ctx context.Context, rows Source, o Options) (*Report, error) {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Profile == nil {
		o.Profile = func(name string) *provider.Profile { p, _ := provider.Lookup(name); return p }
	}
	s := survey{lanes: map[string]*lane{}, limits: map[string]*limits{}}
	for row, err := range rows.Rows(ctx, o.Since) {
		if err != nil {
			return nil, err
		}
		s.add(row)
	}
	if len(s.lanes) == 0 {
		return nil, ErrNothing
	}
	chosen, err := s.choose(o.Lane)
	if err != nil {
		return nil, err
	}
	r := s.report(chosen, o)
	if r.Moments, err = s.moments(ctx, rows, chosen); err != nil {
		return nil, err
	}
	return r, nil
}

// A survey is what one reading of the journal has found.
type survey struct {
	lanes  map[string]*lane
	limits map[string]*limits // of lanes and accounts
	last   time.Time          // when the last request ended
	back   int                // how often the clock was set back
	lost   int64              // rows that the journal could not keep
}

func (s *survey) add(row journal.Row) {
	switch r := row.(type) {
	case journal.Request:
		if r.Lane == "" {
			return // it never came to one, and nothing was sent
		}
		// Requests are kept as they end, but for what several do at the same time.
		const jump = 5 * time.Second
		if r.End.Before(s.last.Add(-jump)) {
			s.back++
		}
		s.last = r.End
		l := s.lanes[r.Lane]
		if l == nil {
			l = newLane(r.Lane)
			s.lanes[r.Lane] = l
		}
		l.add(r)
	case journal.Change:
		if r.Kind == journal.KindLost {
			s.lost += r.Count
			return
		}
		l := s.limits[r.Lane]
		if l == nil {
			l = &limits{}
			s.limits[r.Lane] = l
		}
		l.add(r)
	}
}

// An attempt is one try, whichever way the journal has it.
type attempt struct {
	journal.Attempt
	end time.Time // the attempt's or, where that was not seen, the request's
}

// attempts yields the tries of a request. A row without a list of them has the last one.
func attempts(r journal.Request) iter.Seq[attempt] {
	return func(yield func(attempt) bool) {
		if len(r.Attempts) == 0 && r.Tries > 0 {
			yield(attempt{journal.Attempt{Start: r.Admitted, End: r.End, InFlight: r.InFlight, Verdict: r.Verdict, Code: r.Code, ProviderID: r.ProviderID}, r.End})
			return
		}
		for _, a := range r.Attempts {
			end := a.End
			if end.IsZero() {
				end = r.End
			}
			if !yield(attempt{a, end}) {
				return
			}
		}
	}
}

// isRefusal tells that a verdict is that of too many attempts: the provider says so, or
// does not say what else it is. Others say nothing of how many are borne.
func isRefusal(verdict string) bool {
	return verdict == provider.Concurrency.String() || verdict == provider.Throttled.String()
}

// A lane is what was counted of one.
type lane struct {
	name     string
	from, to time.Time
	requests int
	counts   Counts
	curve    evidence.Curve
	minutes  map[int]minutes // by level
	bins     map[int64]int   // refusals by time, see moments.go
	codes    map[codeKey]*code

	sessions map[string]struct{}
	tools    map[string]int
	dialects map[string]int
	outcomes map[string]int

	most     int // attempts in flight at once
	retries  int
	refusing int // requests of which an attempt was refused
	saved    int // of them, those that ended well
	waiting  int // requests that waited for a slot
	waited   time.Duration
	longest  time.Duration
}

type codeKey struct{ verdict, code string }

// minutes has what became of a level's attempts by the minute in which they started, as
// a number since 1970.
type minutes map[int64]tally

type tally struct{ accepted, refused int }

func newLane(name string) *lane {
	return &lane{
		name: name, minutes: map[int]minutes{}, bins: map[int64]int{}, codes: map[codeKey]*code{},
		sessions: map[string]struct{}{}, tools: map[string]int{}, dialects: map[string]int{}, outcomes: map[string]int{},
	}
}

func (l *lane) add(r journal.Request) {
	if l.requests++; l.requests == 1 || r.Start.Before(l.from) {
		l.from = r.Start
	}
	if r.End.After(l.to) {
		l.to = r.End
	}
	if r.Session != "" {
		l.sessions[r.Session] = struct{}{}
	}
	l.tools[r.Tool]++
	l.dialects[r.Dialect]++
	l.outcomes[r.Outcome]++
	l.retries += max(0, r.Tries-1)
	// Less is the noise of a slot that was free.
	if r.Waited >= 100*time.Millisecond {
		l.waiting++
		l.waited += r.Waited
		l.longest = max(l.longest, r.Waited)
	}
	recorded, refused := 0, false
	for a := range attempts(r) {
		recorded++
		refused = l.attempt(a) || refused
	}
	l.counts.Unrecorded += max(0, r.Tries-recorded)
	if refused {
		l.refusing++
		if r.Outcome == "ok" {
			l.saved++
		}
	}
}

// attempt counts one, and tells whether it was refused.
func (l *lane) attempt(a attempt) (refused bool) {
	l.most = max(l.most, a.InFlight)
	switch {
	case a.Verdict == "":
		l.counts.Undecided++
		return false
	case a.Verdict == provider.OK.String():
		l.counts.Accepted++
		l.judged(a, false)
		return false
	case isRefusal(a.Verdict):
		l.counts.Refused++
		l.judged(a, true)
		refused = true
	default:
		l.counts.Other++
	}
	key := codeKey{a.Verdict, a.Code}
	c := l.codes[key]
	if c == nil {
		if len(l.codes) >= maxCodes {
			key.code = "" // a provider that makes up codes
		}
		if c = l.codes[key]; c == nil {
			c = &code{}
			l.codes[key] = c
		}
	}
	c.add(a)
	return refused
}

// judged counts an attempt at its level.
func (l *lane) judged(a attempt, refused bool) {
	l.curve.Add(a.InFlight, refused)
	at := a.Start.Unix() / 60
	m := l.minutes[a.InFlight]
	if m == nil {
		m = minutes{}
		l.minutes[a.InFlight] = m
	}
	n := m[at]
	if refused {
		n.refused++
	} else {
		n.accepted++
	}
	m[at] = n
	if refused && !a.Start.IsZero() {
		l.bins[binOf(a.Start)]++
	}
}
