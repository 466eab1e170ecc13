package weir

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/retry"
)

// Event is one step of a request or of a lane.
type Event = pool.Event

// An Observer sees every step. Observe is called outside of all locks, possibly
// by several goroutines at once, and must not block.
type Observer interface{ Observe(Event) }

// Bounds of what may wait when [Config] does not say.
const (
	DefaultMaxQueue = 10_000
	DefaultMaxBytes = 1 << 30
)

// lookAgain is how long a timer may be trusted: a machine that slept must not
// sleep on.
const lookAgain = 30 * time.Second

// Config sets up a [Governor]. The zero Config learns each lane's limit and
// keeps nothing.
type Config struct {
	// Limit bounds the limit of each lane and account. Max = 0 means the
	// profile's; Min = Max fixes it.
	Limit limit.Config
	// LimitOf bounds the limit of single lanes, by provider and model; false: Limit does.
	// Nil: it does for all.
	LimitOf func(provider, model string) (limit.Config, bool)
	// Profiles are those of the user's own, which calls may name beside the shipped ones.
	Profiles []*provider.Profile
	// Retry says how requests are repeated for faults of their own.
	Retry retry.Policy
	// MaxQueue bounds the waiting requests, MaxBytes the bytes of request bodies
	// held; one account may take half of each. Zero: the defaults.
	MaxQueue int
	MaxBytes int64
	// Observer sees every step; nil: nobody.
	Observer Observer
	// Secret keys the fingerprints of credentials; nil: a random one.
	Secret []byte
	// State is what an earlier governor knew; nil: nothing.
	State *State
	// Seed makes the jitter repeatable; zero: random.
	Seed uint64
}

// State is what a governor knows that outlives a restart, as a value that can
// be written as JSON.
type State struct {
	Version  int                   `json:"version"`
	Accounts map[string]pool.State `json:"accounts"` // by provider/fingerprint
}

// StateVersion is the version of [State].
const StateVersion = 1

// maxAccounts bounds the accounts that are remembered; beyond, idle ones go. With
// the hundred lanes of each that is a hundred thousand lanes of less than 8 KiB;
// maxLanes of them, those used last, are kept beyond a restart.
const (
	maxAccounts = 1000
	maxLanes    = 10_000
)

// A Governor lets calls run as their accounts and lanes bear it; the others wait
// in a fair queue. It starts no goroutine of its own but short timers, and must be
// closed. Its methods may be called concurrently. Use [New].
type Governor struct {
	cfg     Config
	clock   *clock
	queued  atomic.Int64 // waiting requests of all accounts
	bytes   atomic.Int64 // of bodies held
	buffers buffers      // for bodies
	ids     *rand.ChaCha8
	idsMu   sync.Mutex

	mu       sync.Mutex // guards the fields below
	accounts map[string]*account
	closed   bool

	drained atomic.Bool
	timers  sync.WaitGroup // timer callbacks under way
}

// account is one pool behind its lock.
type account struct {
	g    *Governor
	name string

	mu      sync.Mutex // guards the fields below
	pool    *pool.Pool
	timer   *time.Timer
	wake    time.Time
	queued  int
	bytes   int64
	sleeps  uint64
	alive   int // requests in it
	used    time.Time
	changed bool // since the last State
	callers callers
	done    bool // the governor is closed
}

// callers says for people whose each session is.
type callers map[string]string

// note remembers whose a session is.
func (c *callers) note(session, who string) {
	const most = 1000 // as many as a pool remembers sessions
	switch {
	case who == "" || (*c)[session] == who:
		return
	case *c == nil || len(*c) >= most: // those that go on say it again
		*c = callers{}
	}
	(*c)[session] = who
}

// New returns a governor. An error says which part of the configuration or of
// the state is wrong; with a state that can be read in part the governor is usable
// and returned beside the error.
func New(cfg Config) (*Governor, error) {
	if cfg.Limit.Min < 0 || cfg.Limit.Max < 0 || cfg.Limit.Max > 0 && cfg.Limit.Max < cfg.Limit.Min {
		return nil, fmt.Errorf("weir: limit from %d to %d is none", cfg.Limit.Min, cfg.Limit.Max)
	}
	if cfg.MaxQueue < 0 || cfg.MaxBytes < 0 {
		return nil, fmt.Errorf("weir: bounds must not be negative (queue %d, bytes %d)", cfg.MaxQueue, cfg.MaxBytes)
	}
	if cfg.MaxQueue == 0 {
		cfg.MaxQueue = DefaultMaxQueue
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	var seed [32]byte
	if cfg.Seed == 0 {
		cryptorand.Read(seed[:])
		cfg.Seed = rand.Uint64()
	} else {
		for i := range 8 {
			seed[i] = byte(cfg.Seed >> (8 * i))
		}
	}
	if cfg.Secret == nil {
		cfg.Secret = make([]byte, 32)
		cryptorand.Read(cfg.Secret)
	}
	g := &Governor{cfg: cfg, clock: newClock(), accounts: map[string]*account{}, ids: rand.NewChaCha8(seed)}
	return g, g.restore(cfg.State)
}

func (g *Governor) restore(s *State) error {
	if s == nil {
		return nil
	}
	if s.Version != StateVersion {
		return fmt.Errorf("weir: state has version %d, want %d", s.Version, StateVersion)
	}
	var errs []error
	for name, kept := range s.Accounts {
		if len(g.accounts) >= maxAccounts {
			break
		}
		p, err := pool.Restore(g.poolConfig(name, g.limitMax(name)), kept)
		if err != nil {
			errs = append(errs, err)
		}
		g.accounts[name] = &account{g: g, name: name, pool: p, used: g.clock.now()}
	}
	return errors.Join(errs...)
}

// limitMax is the highest limit that is tried for an account of that name; zero
// if its provider is not known any more.
func (g *Governor) limitMax(account string) int {
	name, _, _ := strings.Cut(account, "/")
	for _, p := range g.cfg.Profiles {
		if p.Name == name {
			return p.LimitMax
		}
	}
	if p, ok := provider.Lookup(name); ok {
		return p.LimitMax
	}
	return 0
}

// poolConfig is the configuration of one account, whose provider's profile gives
// the highest limit.
func (g *Governor) poolConfig(name string, profileMax int) pool.Config {
	bounded := func(c limit.Config) limit.Config {
		if c.Max == 0 {
			c.Max = profileMax
		}
		if c.Eager == 0 {
			c.Eager = g.cfg.Limit.Eager
		}
		return c
	}
	lim := bounded(g.cfg.Limit)
	var laneOf func(string) (limit.Config, bool)
	if of := g.cfg.LimitOf; of != nil {
		vendor, _, _ := strings.Cut(name, "/")
		laneOf = func(lane string) (limit.Config, bool) {
			c, ok := of(vendor, lane)
			return bounded(c), ok
		}
	}
	seed := g.cfg.Seed
	for _, c := range []byte(name) {
		seed = seed*1099511628211 + uint64(c)
	}
	return pool.Config{Name: name, Lane: lim, LaneOf: laneOf, Account: lim, Retry: g.cfg.Retry, Rand: rand.New(rand.NewPCG(seed, g.cfg.Seed))}
}

// Bound changes what [Config.Limit], LimitOf and Profiles say. Running attempts are not
// cut; what was learned stays, as far as it lies within the bounds.
func (g *Governor) Bound(lim limit.Config, of func(provider, model string) (limit.Config, bool), profiles []*provider.Profile) {
	g.mu.Lock()
	g.cfg.Limit, g.cfg.LimitOf, g.cfg.Profiles = lim, of, profiles
	configs := map[*account]pool.Config{}
	for name, a := range g.accounts {
		configs[a] = g.poolConfig(name, g.limitMax(name))
	}
	g.mu.Unlock()
	for a, c := range configs {
		a.mu.Lock()
		now := a.now()
		a.pool.Bound(now, c)
		a.settle(now)
	}
}

// account returns the call's account, making room for it if there are too many.
func (g *Governor) account(c *Call) (*account, error) {
	a, err := g.accountOf(c.account(), func() int { return c.profile().LimitMax })
	if err != nil {
		return nil, &RefusedError{Reason: Draining, Lane: c.Lane()}
	}
	return a, nil
}

// named returns the account of that name, making room for it if there are too many.
func (g *Governor) named(name string) (*account, error) {
	return g.accountOf(name, func() int { return g.limitMax(name) })
}

// errClosed says that the governor is closed.
var errClosed = errors.New("weir: the governor is closed")

// accountOf returns the account of that name, with the highest limit that its provider's
// profile has. most is called with g.mu held.
func (g *Governor) accountOf(name string, most func() int) (*account, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, errClosed
	}
	if a := g.accounts[name]; a != nil {
		return a, nil
	}
	if len(g.accounts) >= maxAccounts {
		g.forgetIdleLocked()
	}
	a := &account{g: g, name: name, pool: pool.New(g.poolConfig(name, most()))}
	g.accounts[name] = a
	return a, nil
}

func (g *Governor) forgetIdleLocked() {
	var oldest *account
	for _, a := range g.accounts {
		a.mu.Lock()
		idle := a.alive == 0 && !a.pool.IsByHand()
		used := a.used
		a.mu.Unlock()
		if idle && (oldest == nil || used.Before(oldest.used)) {
			oldest = a
		}
	}
	if oldest != nil {
		delete(g.accounts, oldest.name)
	}
}

// Fingerprint returns the short name under which a credential's account is
// shown. The credential cannot be had back from it.
func (g *Governor) Fingerprint(credential string) string {
	return fingerprint(g.cfg.Secret, credential)
}

// Acquire waits until the call may run and returns its slot. The slot must be
// given back: with Release, or with Refuse that returns false or an error. It
// returns a [*RefusedError] when weir will not let the call run, and the context's
// cause when that ends first.
func (g *Governor) Acquire(ctx context.Context, c *Call) (*Slot, error) {
	return g.acquire(ctx, c, func(*Slot) {})
}

// acquire is Acquire; before it waits it shows the slot that it waits for.
func (g *Governor) acquire(ctx context.Context, c *Call, waiting func(*Slot)) (*Slot, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	a, err := g.account(c)
	if err != nil {
		return nil, err
	}
	s := &Slot{account: a, call: c}
	a.mu.Lock()
	now := a.now()
	if g.drained.Load() {
		a.mu.Unlock()
		return nil, &RefusedError{Reason: Draining, Lane: c.Lane()}
	}
	full := int(g.queued.Load()) >= g.cfg.MaxQueue || a.queued >= (g.cfg.MaxQueue+1)/2
	r := pool.Request{ID: c.ID, Lane: c.lane(), Session: c.Session, Class: c.Class, Owner: s}
	if c.MaxWait > 0 {
		r.Deadline = now.Add(c.MaxWait)
	}
	since := c.Since
	if since.IsZero() {
		since = now
	}
	a.callers.note(c.Session, c.Caller)
	s.entry, err = a.pool.PushSince(now, since, r)
	if err != nil {
		a.settle(now)
		var turned *pool.Turned
		if errors.As(err, &turned) {
			err = refused(c, turned, 0, 0)
		}
		return nil, err
	}
	s.deadline = r.Deadline
	a.alive++
	events := a.pollLocked(now)
	granted := s.granted
	if full && !granted { // one that need not wait is welcome
		a.pool.Cancel(now, s.entry)
		s.overLocked()
		events = append(events, a.pollLocked(now)...)
		a.mu.Unlock()
		a.tell(events)
		return nil, &RefusedError{Reason: QueueFull, Lane: c.Lane(), Hint: "too many requests wait for this provider"}
	}
	a.mu.Unlock()
	a.tell(events)
	if granted { // the usual case: nobody waits
		return s, nil
	}
	waiting(s)
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// settle polls the pool, wakes those concerned, and unlocks a.mu, which must be
// held. Every change of the pool ends with it, or with pollLocked.
func (a *account) settle(now time.Time) {
	events := a.pollLocked(now)
	a.mu.Unlock()
	a.tell(events)
}

// pollLocked polls the pool and wakes those concerned. The events that it
// returns are to be told after unlock.
func (a *account) pollLocked(now time.Time) []Event {
	fx := a.pool.Poll(now)
	for _, e := range fx.Granted {
		e.Owner.(*Slot).grantLocked()
	}
	for _, e := range fx.Turned {
		e.Owner.(*Slot).turnLocked(e.Turned)
	}
	_, queued := a.pool.Counts()
	a.g.queued.Add(int64(queued - a.queued))
	a.queued = queued
	a.changed = true
	a.used = now
	a.rearmLocked(now, fx.Wake)
	return a.pool.Events()
}

func (a *account) tell(events []Event) {
	if o := a.g.cfg.Observer; o != nil {
		for _, ev := range events {
			o.Observe(ev)
		}
	}
}

// rearmLocked sets the timer for the next Poll.
func (a *account) rearmLocked(now, wake time.Time) {
	if wake.IsZero() || a.done {
		a.wake = time.Time{}
		if a.timer != nil && a.timer.Stop() {
			a.g.timers.Done()
		}
		a.timer = nil
		return
	}
	if a.timer != nil && a.wake.Equal(wake) {
		return
	}
	a.wake = wake
	if a.timer != nil && a.timer.Stop() {
		a.g.timers.Done()
	}
	a.g.timers.Add(1)
	var timer *time.Timer
	timer = time.AfterFunc(min(wake.Sub(now), lookAgain), func() {
		defer a.g.timers.Done()
		a.mu.Lock()
		if a.timer != timer { // replaced meanwhile
			a.mu.Unlock()
			return
		}
		a.timer = nil
		a.settle(a.now())
	})
	a.timer = timer
}

// now is the moment, after telling the pool if the machine has slept. a.mu must
// be held.
func (a *account) now() time.Time {
	now := a.g.clock.now()
	if n := a.g.clock.sleeps.Load(); n != a.sleeps {
		a.sleeps = n
		a.pool.Slept()
	}
	return now
}

// Drain lets nothing in any more. What waits and runs goes on.
func (g *Governor) Drain() { g.drained.Store(true) }

// TurnAway answers all that wait. It is for the end of a drain.
func (g *Governor) TurnAway() {
	g.Drain()
	for _, a := range g.all() {
		a.mu.Lock()
		now := a.now()
		a.pool.Drain(now)
		a.settle(now)
	}
}

// Close answers all that wait and stops the timers. Slots may be given back
// afterwards.
func (g *Governor) Close() {
	g.TurnAway()
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	for _, a := range g.all() {
		a.mu.Lock()
		a.done = true
		a.rearmLocked(time.Time{}, time.Time{})
		a.mu.Unlock()
	}
	g.timers.Wait()
}

// all returns the accounts there are.
func (g *Governor) all() []*account {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]*account, 0, len(g.accounts))
	for _, a := range g.accounts {
		all = append(all, a)
	}
	return all
}

// NewID returns a short random name for a request.
func (g *Governor) NewID() string {
	g.idsMu.Lock()
	n := g.ids.Uint64()
	g.idsMu.Unlock()
	const digits = "0123456789abcdefghijklmnopqrstuv"
	var id [12]byte
	for i := range id {
		id[i] = digits[n&31]
		n >>= 5
	}
	return string(id[:])
}
