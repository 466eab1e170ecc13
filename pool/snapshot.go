package pool

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/provider"
)

// A Snapshot is the whole state of an account, as people and programs see it.
type Snapshot struct {
	Account  string            `json:"account"` // provider/fingerprint
	Limit    int               `json:"limit"`
	Why      string            `json:"why"`
	Brief    string            `json:"brief"` // the same in a few words
	Cause    limit.Cause       `json:"cause"` // what its refusals are taken for
	InFlight int               `json:"in_flight"`
	Queued   int               `json:"queued"`   // requests that wait, those to be retried included
	Retrying int               `json:"retrying"` // of them: were admitted before
	Flagged  *Closure          `json:"flagged,omitempty"`
	Fixed    int               `json:"fixed,omitempty"` // limit that a person has fixed; 0: none
	Lanes    []LaneSnapshot    `json:"lanes"`
	Sessions []SessionSnapshot `json:"sessions"`
}

// A SessionSnapshot is what a session does, and whose it is.
type SessionSnapshot struct {
	Session
	Caller string `json:"caller,omitempty"` // for people: "opencode in ~/shop"; the pool does not know it
}

// A LaneSnapshot is the state of one lane.
type LaneSnapshot struct {
	Lane     string                   `json:"lane"` // provider/fingerprint/model
	Model    string                   `json:"model"`
	Limit    int                      `json:"limit"`
	Probing  bool                     `json:"probing"`
	Why      string                   `json:"why"`
	Brief    string                   `json:"brief"` // the same in a few words
	Cause    limit.Cause              `json:"cause"` // what its refusals are taken for
	InFlight int                      `json:"in_flight"`
	Queued   int                      `json:"queued"`
	Retrying int                      `json:"retrying"`
	ByClass  map[admission.Class]int  `json:"queued_by_class"`
	Paused   *PauseSnapshot           `json:"paused,omitempty"`
	Closed   *Closure                 `json:"closed,omitempty"`
	Pace     time.Duration            `json:"pace_ns"`          // space between starts
	Lag      time.Duration            `json:"lag_ns"`           // a slot counts on so long after its answer has ended
	AbortLag time.Duration            `json:"abandoned_lag_ns"` // and after its client has gone away
	Hours    []limit.HourCount        `json:"level_curve_by_hour"`
	Evidence limit.Evidence           `json:"evidence"` // what the sentence counts
	Verdicts map[provider.Kind]uint64 `json:"verdicts"`
	Curve    []limit.LevelCount       `json:"level_curve"`
	Overload bool                     `json:"overloaded"`
	Held     *HoldSnapshot            `json:"held,omitempty"`  // by a person; nil: it is not
	Fixed    int                      `json:"fixed,omitempty"` // limit that a person has fixed; 0: none
}

// A PauseSnapshot says until when nothing starts in a lane, and why.
type PauseSnapshot struct {
	Until time.Time `json:"until"`
	Why   string    `json:"why"`
}

// Snapshot describes the pool.
func (p *Pool) Snapshot(now time.Time) Snapshot {
	s := Snapshot{
		Account: p.cfg.Name, Limit: p.limit.Stable(), Why: p.why(now), Brief: p.brief(now, nil), Cause: p.cause(now),
		InFlight: p.inFlight, Retrying: p.retrying, Flagged: clone(p.flagged), Fixed: p.byHand.fixed[""],
		Lanes: []LaneSnapshot{}, Sessions: []SessionSnapshot{},
	}
	waiting, queuedBy := map[*lane][]*Entry{}, map[string]int{}
	for _, e := range p.waitingIn(nil) {
		waiting[e.lane] = append(waiting[e.lane], e)
		queuedBy[e.Session]++
		s.Queued++
	}
	for _, l := range p.lanes {
		s.Lanes = append(s.Lanes, p.snapshotLane(now, l, waiting[l]))
	}
	for name, c := range p.sessions {
		session := c.Session
		session.Queued = queuedBy[name]
		s.Sessions = append(s.Sessions, SessionSnapshot{Session: session})
	}
	slices.SortFunc(s.Lanes, func(a, b LaneSnapshot) int { return cmp.Compare(a.Lane, b.Lane) })
	slices.SortFunc(s.Sessions, func(a, b SessionSnapshot) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

func (p *Pool) snapshotLane(now time.Time, l *lane, waiting []*Entry) LaneSnapshot {
	ls := LaneSnapshot{
		Lane: l.fullName, Model: l.name, Limit: l.limit.Stable(), Probing: l.limit.Limit() > l.limit.Stable(), Why: p.laneWhy(now, l), Brief: p.brief(now, l), Cause: l.cause(now),
		InFlight: l.inFlight, Queued: len(waiting), ByClass: countByClass(waiting), Closed: clone(l.closed),
		Pace: l.limit.Pace(), Verdicts: map[provider.Kind]uint64{}, Curve: l.limit.Curve(), Overload: l.overload.active,
	}
	ls.Lag, ls.AbortLag = l.limit.Lag()
	ls.Held, ls.Fixed = p.heldSnapshot(l), p.byHand.fixed[l.name]
	ls.Hours, ls.Evidence = l.limit.Hours(), l.limit.Evidence()
	for _, e := range waiting {
		if e.attempted {
			ls.Retrying++
		}
	}
	for k, n := range l.verdicts {
		if n > 0 {
			ls.Verdicts[provider.Kind(k)] = n
		}
	}
	if pause := p.pauseOf(l); pause.Until.After(now) {
		who := "after"
		if pause.Asked {
			who = "the provider asked, with"
		}
		ls.Paused = &PauseSnapshot{Until: pause.Until, Why: fmt.Sprintf("%s %s", who, pause.Kind)}
	}
	return ls
}

// why says what is believed of the account's limit.
func (p *Pool) why(now time.Time) string {
	text := p.limit.Explain(now)
	if p.accountBound(now) {
		text += fmt.Sprintf("; it is the account that refuses, whatever a model has in flight: about %d refusals of late came above it, and %d above a model's own limit", int(math.Round(p.tells.value(now))), int(math.Round(p.ownTells(now))))
	}
	return text
}

// brief says in a few words what holds for a lane, or for the account if it is nil.
func (p *Pool) brief(now time.Time, l *lane) string {
	learner, key := p.limit, ""
	if l != nil {
		learner, key = l.limit, l.name
	}
	if p.byHand.fixed[key] > 0 {
		return p.fixedText(key, learner.Stable())
	}
	return learner.Brief(now)
}

// laneWhy says what is believed of the lane's limit, and what was done by hand.
func (p *Pool) laneWhy(now time.Time, l *lane) string {
	text := l.why(now)
	if p.byHand.fixed[l.name] > 0 {
		text = p.fixedText(l.name, l.limit.Stable())
	}
	if p.isHeld(l) {
		text = "paused by hand: nothing starts until it is resumed; " + text
	}
	return text
}

// why says what is believed of the lane's limit.
func (l *lane) why(now time.Time) string {
	text := l.limit.Explain(now)
	if l.overload.active {
		text += fmt.Sprintf("; the provider is overloaded: %d refusals in a row, one request at a time tries", l.overload.fails)
	}
	return text
}

// cause names what the account's refusals are taken for.
func (p *Pool) cause(now time.Time) limit.Cause {
	if p.accountBound(now) {
		return ByAccount
	}
	return p.limit.Cause(now)
}

func (l *lane) cause(now time.Time) limit.Cause {
	if n := l.verdicts[provider.Overload]; n >= 3 && n > l.verdicts[provider.Concurrency]+l.verdicts[provider.Throttled] {
		return ByOverload
	}
	return l.limit.Cause(now)
}

// Limit returns the stable level of a lane and of the account, without the cost
// of a snapshot; a lane that is not known has that of the account.
func (p *Pool) Limit(lane string) (own, account int) {
	account = p.limit.Stable()
	if l := p.lanes[lane]; l != nil {
		return l.limit.Stable(), account
	}
	return account, account
}

func clone(c *Closure) *Closure {
	if c == nil {
		return nil
	}
	copied := *c
	return &copied
}

// Counts returns the figures that metrics and bounds need, without the cost of
// a snapshot.
func (p *Pool) Counts() (inFlight, queued int) {
	return p.inFlight, p.queue.Len() + len(p.sleepers) + p.benches()
}

func (p *Pool) benches() int {
	n := 0
	for _, l := range p.lanes {
		if l.bench != nil {
			n++
		}
	}
	return n
}

// Version is the version of [State].
const Version = 1

// State is what a pool knows that outlives a restart.
type State struct {
	Version int                  `json:"version"`
	Limit   limit.State          `json:"limit"`
	Flagged *Closure             `json:"flagged,omitempty"`
	Lanes   map[string]LaneState `json:"lanes"`
}

// LaneState is what is kept of a lane.
type LaneState struct {
	Limit  limit.State `json:"limit"`
	Closed *Closure    `json:"closed,omitempty"`
}

// State returns what is worth keeping.
func (p *Pool) State() State {
	s := State{Version: Version, Limit: p.limit.State(), Flagged: clone(p.flagged), Lanes: make(map[string]LaneState, len(p.lanes))}
	for name, l := range p.lanes {
		s.Lanes[name] = LaneState{Limit: l.limit.State(), Closed: clone(l.closed)}
	}
	return s
}

// Restore returns a pool that goes on from a state. Lanes that cannot be read
// are left out, and reported in one error beside a usable pool; a state of another
// version gives a fresh pool and an error.
func Restore(cfg Config, s State) (*Pool, error) {
	p := New(cfg)
	if s.Version != Version {
		return p, fmt.Errorf("pool: state of %s has version %d, want %d", cfg.Name, s.Version, Version)
	}
	var first error
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	if l, err := limit.Restore(cfg.Account, s.Limit); err == nil {
		p.limit = l
	} else {
		keep(fmt.Errorf("pool: account %s: %w", cfg.Name, err))
	}
	p.flagged = clone(s.Flagged)
	for _, name := range slices.Sorted(maps.Keys(s.Lanes)) {
		if len(p.lanes) >= maxLanes {
			break
		}
		kept := s.Lanes[name]
		l := p.lane(time.Time{}, name)
		l.closed = clone(kept.Closed)
		restored, err := limit.Restore(cfg.bounds(name), kept.Limit)
		if err != nil {
			keep(fmt.Errorf("pool: lane %s: %w", l.fullName, err))
			continue
		}
		l.limit = restored
	}
	return p, first
}

// Resume lifts closures as [Pool.Resume] does; account is the pool's name.
func (s *State) Resume(account, name string) int {
	n := 0
	whole := name == "" || name == account
	if s.Flagged != nil && whole {
		s.Flagged = nil
		n++
	}
	for model, l := range s.Lanes {
		if l.Closed != nil && (whole || name == account+"/"+model) {
			l.Closed = nil
			s.Lanes[model] = l
			n++
		}
	}
	return n
}
