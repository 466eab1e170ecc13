package dashboard

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/internal/evidence"
	"github.com/weirhq/weir/pool"
)

// look makes a view of a snapshot and the requests that have not ended.
func look(v View, snap weir.Snapshot, open []Request, times map[string]mean, zone *time.Location, now time.Time) View {
	v.At, v.Draining = now, v.Draining || snap.Draining
	v.Lanes, v.Sessions, v.Waiting, v.Active, v.Done = []Lane{}, []Session{}, []Request{}, []Request{}, []Request{}
	v.Running, v.Queued = snap.InFlight, snap.Queued
	for _, a := range snap.Accounts {
		v.Retrying += a.Retrying
		for _, l := range a.Lanes {
			v.Lanes = append(v.Lanes, lane(a, l, zone, now))
		}
		v.Sessions = append(v.Sessions, sessions(a)...)
	}
	// By what changes slowly, so that nobody aims at a row that has gone elsewhere.
	slices.SortStableFunc(v.Lanes, func(a, b Lane) int { return cmp.Compare(b.attempts, a.attempts) })
	v.Lanes, v.MoreLanes = first(v.Lanes, MostLanes)
	slices.SortStableFunc(v.Sessions, func(a, b Session) int {
		return cmp.Or(cmp.Compare(b.active(now), a.active(now)), cmp.Compare(b.Share, a.Share))
	})
	v.Sessions, v.MoreSessions = first(v.Sessions, MostSessions)
	v.requests(open, times, now)
	v.Words = v.words()
	return v
}

// first returns the first of many, and how many more there are.
func first[T any](all []T, most int) ([]T, int) {
	if len(all) <= most {
		return all, 0
	}
	return all[:most:most], len(all) - most
}

func lane(a pool.Snapshot, s pool.LaneSnapshot, zone *time.Location, now time.Time) Lane {
	provider, _, _ := strings.Cut(a.Account, "/")
	l := Lane{
		Lane: s.Lane, Provider: provider, Account: a.Account, Model: s.Model,
		Running: s.InFlight, Queued: s.Queued, Retrying: s.Retrying,
		Limit: min(s.Limit, a.Limit), Fixed: s.Fixed, Why: s.Why, Curve: []Level{},
	}
	if l.Fixed == 0 && a.Limit < s.Limit {
		l.Fixed, l.AccountFixed = a.Fixed, a.Fixed > 0
	}
	for _, n := range s.Verdicts {
		l.attempts += n
	}
	for class, n := range s.ByClass {
		if class >= admission.Interactive && class <= admission.Background {
			l.ByClass[class] = n
		}
	}
	var curve evidence.Curve
	for _, c := range s.Curve {
		level := evidence.Level{Level: c.Level, Accepted: int(c.Accepted + c.Late), Refused: int(c.Refused)}
		if level.Attempts() == 0 {
			continue
		}
		low, high := level.Interval()
		l.Curve = append(l.Curve, Level{Level: level, Low: low, High: high})
		curve = append(curve, level)
	}
	l.AccountHeld = s.Held != nil && s.Held.Whole
	l.Verdict = curve.Verdict().Text
	l.judge(a, s, zone, now)
	return l
}

// sessions are those of an account, with their shares.
func sessions(a pool.Snapshot) []Session {
	var whole time.Duration
	for _, s := range a.Sessions {
		whole += s.Held
	}
	all := make([]Session, 0, len(a.Sessions))
	for _, s := range a.Sessions {
		share := 0.0
		if whole > 0 {
			share = float64(s.Held) / float64(whole)
		}
		all = append(all, Session{
			Session: s.Name, Who: s.Caller, Account: a.Account, Running: s.Running, Queued: s.Queued,
			Requests: s.Requests, Overlap: s.Overlap, Waited: s.Waited, Share: share, Last: s.Last,
		})
	}
	return all
}

// requests puts the open ones into the view.
func (v *View) requests(open []Request, times map[string]mean, now time.Time) {
	lanes := map[string]*Lane{}
	for i := range v.Lanes {
		lanes[v.Lanes[i].Lane] = &v.Lanes[i]
	}
	var waiting, active []*Request // many, of which few are shown
	for i := range open {
		if open[i].Place == 0 {
			active = append(active, &open[i])
		} else {
			waiting = append(waiting, &open[i])
		}
	}
	slices.SortStableFunc(waiting, func(a, b *Request) int { return cmp.Compare(a.Place, b.Place) })
	waiting, v.MoreWaiting = first(waiting, MostWaiting)
	for _, r := range waiting {
		r.Estimate = estimate(*r, lanes[r.Lane], times[r.Lane], now)
		v.Waiting = append(v.Waiting, *r)
	}
	active, v.MoreActive = first(active, MostRunning)
	for _, r := range active {
		v.Active = append(v.Active, *r)
	}
}

// estimate is when a request will start, roughly: as many slots as the limit allows come
// free in the time for which one is held. 0: it cannot be said.
func estimate(r Request, l *Lane, m mean, now time.Time) time.Duration {
	const enough = 3                                                                         // slots that have been seen
	if l == nil || m.n < enough || l.Limit < 1 || r.Class == admission.Background.String() { // which stands back for others
		return 0
	}
	wait := m.of * time.Duration(r.Place) / time.Duration(l.Limit)
	switch l.State {
	case LaneHeld, LaneClosed, LaneFlagged:
		return 0
	case LanePaused:
		if l.Until != nil {
			wait += max(0, l.Until.Sub(now))
		}
	}
	return wait.Round(100 * time.Millisecond)
}
