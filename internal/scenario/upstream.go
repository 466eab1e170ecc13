package scenario

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Unlimited is the limit of a model that has none.
const Unlimited = math.MaxInt32

// What a provider does that is not described.
const (
	refusalCode = "1302"
	outageCode  = "1305"
	outageShare = 0.95 // of the starts that an outage refuses
)

// An Upstream is a described provider at work, for one account. It is a pure
// state machine; moments are durations since its beginning and must not
// decrease. It is not safe for concurrent use.
//
// A model's slots in use are its running and its lagging ones and those of
// outsiders; for the account those of all models are added up. A start is judged
// in this order: an outage, a time that is shut (penalty, enforced hint), noise,
// the limits, the hidden limit on starts. Only a start that passes all of them
// takes a token.
//
// What comes by itself (walks, outsiders, outages) is drawn from streams of its
// own, so that it is the same whatever calls are made.
type Upstream struct {
	p      Provider
	seed   uint64
	length time.Duration
	luck   *rand.Rand // what depends on calls

	now       time.Duration
	lanes     []*lane // of the models asked about, in that order
	outsiders []onOff
	outside   int // slots of the outsiders that are on
	outages   []outage

	shut    time.Duration // everything before is refused
	hinted  time.Duration // what refusals say until then; 0: nothing
	bucket  bucket
	window  int64 // number of the fixed window
	started int   // starts in it
}

// A lane is one model at the provider.
type lane struct {
	model   string
	course  limitCourse
	running int
	lagging moments // when each ends
	held    moments // when each begins to count
}

// A Ruling is what the provider answers to a start.
type Ruling struct {
	Accepted   bool
	After      time.Duration // until the first event, a hold included, or until the refusal is known
	Code       string        // of a refusal
	RetryAfter time.Duration // said on a refusal; 0: not said
	Cause      Cause         // what it was refused for; empty if accepted
	Held       bool          // accepted, but kept waiting above the limit
	Hold       time.Duration // how long it is kept; its answer ends so much later
	Slot       Slot          // of an accepted call, for End
}

// A Slot is an accepted call's place. The zero Slot is none.
type Slot struct {
	lane *lane
	from time.Duration // counts from then on
}

// NewUpstream returns a provider at its beginning. After the length nothing
// changes by itself any more; 0: it goes on for ever.
func NewUpstream(p Provider, seed uint64, length time.Duration) *Upstream {
	if length <= 0 {
		length = never
	}
	u := &Upstream{p: p, seed: seed, length: length, luck: stream(seed, streamLuck), bucket: newBucket(p.Starts)}
	for i, o := range p.Outsiders {
		u.outsiders = append(u.outsiders, newOnOff(o, stream(seed, streamOutsiders+uint64(i)), length))
	}
	for i, o := range p.Outages {
		u.outages = append(u.outages, newOutage(o, stream(seed, streamOutages+uint64(i)), length))
	}
	return u
}

// Start decides about a call for a model. answer is how long the call would
// take from start to end (the first event comes at most half of it later).
func (u *Upstream) Start(now time.Duration, model string, answer time.Duration) Ruling {
	l := u.settle(now, model)
	if o := u.outage(); o != nil && u.luck.Float64() < outageShare {
		return u.refuse(CauseOverload, o.code)
	}
	if u.now < u.shut {
		r := u.refuse(CauseWindow, refusalCode)
		r.RetryAfter = max(0, u.hinted-u.now)
		return r
	}
	if u.p.Noise > 0 && u.luck.Float64() < u.p.Noise {
		return u.refuse(CauseNoise, refusalCode)
	}
	var hold time.Duration
	if over := u.over(l); u.exceeds(over) {
		if u.p.HoldsAbove.Kind == Absent {
			return u.refuseLevel(l)
		}
		hold = u.p.HoldsAbove.Draw(u.luck)
	}
	if u.now < u.bucket.next() {
		return u.refuse(CausePace, u.startsCode())
	}
	if u.now < u.windowOpens() {
		return u.refuse(CauseWindow, u.startsCode())
	}
	u.bucket.take(u.now)
	u.started++

	r := Ruling{Accepted: true, Held: hold > 0, Hold: hold, Slot: Slot{lane: l, from: u.now + hold}}
	if hold > 0 {
		l.held.add(r.Slot.from)
	} else {
		l.running++
	}
	first := u.p.FirstEvent
	if first.Kind == Absent {
		first = Dist{Kind: Uniform, Min: 800 * time.Millisecond, Max: 3 * time.Second}
	}
	r.After = hold + min(first.Draw(u.luck), answer/2)
	return r
}

// End tells that an accepted call has ended, by a hang-up or not. A call that was
// still held had no slot, so nothing lags.
func (u *Upstream) End(now time.Duration, s Slot, aborted bool) {
	if s.lane == nil {
		return
	}
	u.settle(now, s.lane.model)
	if s.from > u.now {
		s.lane.held.remove(s.from)
		return
	}
	if s.lane.running == 0 {
		panic("scenario: a call ended twice")
	}
	s.lane.running--
	lag := u.p.Lag
	if aborted && u.p.AbortLag.Kind != Absent {
		lag = u.p.AbortLag
	}
	if d := lag.Draw(u.luck); d > 0 {
		s.lane.lagging.add(u.now + d)
	}
}

// Limit returns how many calls of the model may be in flight now if no other model
// has any: its limit and the account's, outsiders taken off, never below 0. Without
// a limit it is Unlimited.
func (u *Upstream) Limit(now time.Duration, model string) int {
	l := u.settle(now, model)
	return u.p.lower(l.course.slots, u.outside)
}

// InUse returns the model's slots in use now, lagging ones and outsiders included.
func (u *Upstream) InUse(now time.Duration, model string) int {
	l := u.settle(now, model)
	return l.running + len(l.lagging) + u.outside
}

// Free tells whether a start for the model would be accepted now, and not be held,
// noise and the 5 % of an outage aside: what an oracle knows. A start that a soft
// limit may refuse is not free. If not, it returns the next moment at which that may
// have changed by itself (before it only an End can change it), 0 if only an End can
// change it.
func (u *Upstream) Free(now time.Duration, model string) (ok bool, next time.Duration) {
	l := u.settle(now, model)
	// Every obstacle must go, so the last to go counts; each says the earliest.
	next = max(u.shut, u.bucket.next(), u.windowOpens())
	for i := range u.outages {
		if o := &u.outages[i]; o.from <= u.now {
			next = max(next, o.to)
		}
	}
	if u.refusalShare(u.over(l)) > 0 {
		room := u.roomChanges(l)
		if room == never {
			return false, 0
		}
		next = max(next, room)
	}
	if next > u.now {
		return false, next
	}
	return true, 0
}

// Steps returns the course of what Limit says, from 0 to until: its value at 0 and
// each change. It is the same whatever calls are made.
func (u *Upstream) Steps(model string, until time.Duration) []Step {
	fresh := NewUpstream(u.p, u.seed, u.length)
	l := fresh.settle(0, model)
	steps := []Step{{Slots: fresh.Limit(0, model)}}
	for {
		next := l.course.next
		for i := range fresh.outsiders {
			next = min(next, fresh.outsiders[i].next)
		}
		if next == never || next > until {
			return steps
		}
		if slots := fresh.Limit(next, model); slots != steps[len(steps)-1].Slots {
			steps = append(steps, Step{At: next, Slots: slots})
		}
	}
}

// settle brings everything to now and returns the model's lane.
func (u *Upstream) settle(now time.Duration, model string) *lane {
	u.now = max(u.now, now)
	if n := len(u.outsiders); n > 0 {
		u.outside = 0
		for i := range u.outsiders {
			u.outside += u.outsiders[i].slotsAt(u.now)
		}
	}
	for i := range u.outages {
		u.outages[i].advance(u.now)
	}
	if w := u.p.Starts.Window; w > 0 {
		if n := int64(u.now / w); n != u.window {
			u.window, u.started = n, 0
		}
	}
	var found *lane
	for _, l := range u.lanes {
		l.settle(u.now)
		if l.model == model {
			found = l
		}
	}
	if found == nil {
		found = u.newLane(model)
		found.settle(u.now)
		u.lanes = append(u.lanes, found)
	}
	return found
}

func (u *Upstream) newLane(model string) *lane {
	name := fnv.New64a()
	name.Write([]byte(model)) // never fails
	return &lane{model: model, course: newLimitCourse(u.p.limitOf(model), stream(u.seed, streamWalks+name.Sum64()), u.length)}
}

func (l *lane) settle(now time.Duration) {
	l.course.advance(now)
	l.lagging.drop(now)
	l.running += l.held.drop(now)
}

// over returns by how many slots one more call would exceed the model's limit or
// the account's, whichever it exceeds more; 0 or less: it does not.
func (u *Upstream) over(l *lane) int {
	model, account := u.excess(l, true, u.outside)
	return max(model, account)
}

// excess is over for the model and for the account, with or without lagging slots,
// and with so many outside.
func (u *Upstream) excess(l *lane, lagging bool, outside int) (model, account int) {
	model, account = l.used(lagging)+outside+1-l.course.slots, -1
	if u.p.AccountLimit > 0 {
		account = outside + 1 - u.p.AccountLimit
		for _, other := range u.lanes {
			account += other.used(lagging)
		}
	}
	return model, account
}

func (l *lane) used(lagging bool) int {
	if lagging {
		return l.running + len(l.lagging)
	}
	return l.running
}

// refusalShare returns how likely a start so far above the limit is refused.
func (u *Upstream) refusalShare(over int) float64 {
	switch {
	case over <= 0:
		return 0
	case over <= len(u.p.RefuseAbove):
		return u.p.RefuseAbove[over-1]
	}
	return 1
}

func (u *Upstream) exceeds(over int) bool {
	share := u.refusalShare(over)
	return share >= 1 || share > 0 && u.luck.Float64() < share
}

// refuseLevel refuses for the limit, says a hint, and shuts what has to be shut.
func (u *Upstream) refuseLevel(l *lane) Ruling {
	r := u.refuse(u.levelCause(l), refusalCode)
	if d := u.p.Penalty.Draw(u.luck); d > 0 {
		u.shut = max(u.shut, u.now+d)
	}
	h := u.p.RetryAfter
	if h.For.Kind == Absent || h.Share < 1 && u.luck.Float64() >= h.Share {
		return r
	}
	r.RetryAfter = h.For.Draw(u.luck)
	if !h.Advisory {
		u.hinted = u.now + r.RetryAfter
		u.shut = max(u.shut, u.hinted)
	}
	return r
}

// levelCause tells what a refusal for the limit comes from: lagging slots if it
// would not have come without them, else outsiders likewise, else the account's
// limit if only that is exceeded, else the model's.
func (u *Upstream) levelCause(l *lane) Cause {
	if model, account := u.excess(l, false, u.outside); max(model, account) <= 0 {
		return CauseLag
	}
	if model, account := u.excess(l, true, 0); max(model, account) <= 0 {
		return CauseOutsider
	}
	if model, _ := u.excess(l, true, u.outside); model <= 0 {
		return CauseAccount
	}
	return CauseLevel
}

func (u *Upstream) refuse(c Cause, code string) Ruling {
	takes := u.p.RefusalTakes
	if takes.Kind == Absent {
		takes = Dist{Kind: Uniform, Min: 50 * time.Millisecond, Max: 300 * time.Millisecond}
	}
	return Ruling{Cause: c, Code: code, After: takes.Draw(u.luck)}
}

// outage returns an outage that goes on now, or nil.
func (u *Upstream) outage() *outage {
	for i := range u.outages {
		if u.outages[i].from <= u.now {
			return &u.outages[i]
		}
	}
	return nil
}

// windowOpens returns when the fixed window has room, 0 if it has.
func (u *Upstream) windowOpens() time.Duration {
	if s := u.p.Starts; s.PerWindow > 0 && s.Window > 0 && u.started >= s.PerWindow {
		return time.Duration(u.window+1) * s.Window
	}
	return 0
}

// roomChanges returns the next moment at which a slot that the lane lacks may be
// there by itself, never if there is none.
func (u *Upstream) roomChanges(l *lane) time.Duration {
	model, account := u.excess(l, true, u.outside)
	next := never
	for i := range u.outsiders {
		next = min(next, u.outsiders[i].next)
	}
	if model > 0 {
		next = min(next, l.course.next)
	}
	for _, other := range u.lanes {
		if len(other.lagging) > 0 && (other == l || account > 0) {
			next = min(next, other.lagging[0])
		}
	}
	return next
}

func (u *Upstream) startsCode() string {
	if u.p.Starts.Code != "" {
		return u.p.Starts.Code
	}
	return refusalCode
}

func (p *Provider) limitOf(model string) Limit {
	if l, ok := p.Models[model]; ok {
		return l
	}
	return p.Limit
}

// lower returns the lower of a model's limit and the account's, outsiders taken off.
func (p *Provider) lower(slots, outside int) int {
	if p.AccountLimit > 0 {
		slots = min(slots, p.AccountLimit)
	}
	if slots == Unlimited {
		return slots
	}
	return max(0, slots-outside)
}

// A bucket is a token bucket, kept as the moment at which it will be full again: a
// moment needs no rounding, a number of tokens would.
type bucket struct {
	gap  time.Duration // a token's
	slip time.Duration // how far full may lie ahead of a start
	full time.Duration
}

func newBucket(s Starts) bucket {
	if s.Rate <= 0 {
		return bucket{}
	}
	gap := time.Duration(float64(time.Second) / s.Rate)
	return bucket{gap: gap, slip: time.Duration(max(0, s.Burst-1)) * gap}
}

// next returns when there is a token.
func (b *bucket) next() time.Duration { return b.full - b.slip }

func (b *bucket) take(now time.Duration) { b.full = max(b.full, now) + b.gap }

// moments are ascending. They are few, and mostly added at the end.
type moments []time.Duration

func (m *moments) add(t time.Duration) {
	i := len(*m)
	for i > 0 && (*m)[i-1] > t {
		i--
	}
	*m = slices.Insert(*m, i, t)
}

// drop removes those up to now and returns how many they were.
func (m *moments) drop(now time.Duration) int {
	n := 0
	for n < len(*m) && (*m)[n] <= now {
		n++
	}
	if n > 0 {
		*m = slices.Delete(*m, 0, n)
	}
	return n
}

func (m *moments) remove(t time.Duration) {
	if i := slices.Index(*m, t); i >= 0 {
		*m = slices.Delete(*m, i, i+1)
	}
}
