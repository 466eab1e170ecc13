// Package scenario describes a provider and the load on it, and plays the
// provider: a pure state machine that is told of starts and ends and says what
// the provider answers. The laboratory drives it in virtual time, the simulated
// provider in real time, so that one file means the same in both.
package scenario

import "time"

// A Scenario is one description: a provider, the load on it, and how long.
type Scenario struct {
	Name     string
	Length   time.Duration // hours; batches may end it earlier
	Provider Provider
	Load     []Load // at least one
}

// A Provider says how a provider behaves. Shares are 0 to 1. The zero value of
// each field means that the provider does not do that, but for Limit (no limit),
// RefusalTakes (50..300 ms) and FirstEvent (0.8..3 s).
type Provider struct {
	Limit        Limit            // of each model that Models does not name
	Models       map[string]Limit // of single models
	AccountLimit int              // over all models together; 0: none
	RefuseAbove  []float64        // probability at limit+1, +2, …; beyond, and where absent: 1
	Noise        float64          // share of starts refused for no reason
	Lag          Dist             // a slot counts on after the end of an answer
	AbortLag     Dist             // and after a hang-up; absent in a file: as Lag
	Starts       Starts
	Penalty      Dist // after a refusal everything is refused for so long
	RetryAfter   Hint
	Outages      []Outage
	Outsiders    []Outsider
	HoldsAbove   Dist // instead of refusing above the limit, a call is kept so long, then answered
	RefusalTakes Dist
	FirstEvent   Dist // at most half of the answer
}

// A Limit is a number of slots as it changes: a schedule (one entry: constant),
// or a walk. The zero Limit is none.
type Limit struct {
	Schedule []Step // ascending; before the first its Slots hold too
	Walk     *Walk
}

// A Step is a limit from a moment on.
type Step struct {
	At    time.Duration
	Slots int
}

// A Walk steps by 1, 2 or 3 up or down, equally likely, clipped to 1..Max,
// from a random start.
type Walk struct {
	Every Dist
	Max   int
}

// Starts is a hidden limit on starts: a token bucket, or a number a window. A
// refused start takes no token.
type Starts struct {
	Rate      float64 // per second; 0: none
	Burst     int     // at least 1
	PerWindow int     // starts a fixed window; 0: none
	Window    time.Duration
	Code      string // default 1302
}

// A Hint is what refusals say about when to come again.
type Hint struct {
	For      Dist
	Share    float64 // of the refusals that say it; a file's default is 1
	Advisory bool    // an earlier start may pass; otherwise everything before is refused
}

// An Outage is a time in which 95 % of starts are refused: once From..From+For, or
// again and again, Every (time between the end of one and the start of the next)
// for For.
type Outage struct {
	From  time.Duration
	Every Dist // set: repeats
	For   Dist
	Code  string // default 1305
}

// An Outsider takes slots that nobody here sees, on and off; both means are
// exponential. It is off at first. Its slots count like any others; they may be all
// that there are.
type Outsider struct {
	Slots   int
	On, Off time.Duration
}

// A Load is a source of calls: workers that always have another call after a
// think time, bursts, an agent's waves, or a batch of tasks; exactly one of
// Workers alone, Bursts, Agents and Tasks.
type Load struct {
	Model    string // default glm-5
	Class    string // interactive (default), subagent, background
	Answer   Dist   // from start to end; default the log-normal of 12 s, 0.8, 2 s to 90 s
	Abort    float64
	From, To time.Duration // To 0: to the end

	Workers int
	Think   Dist

	Bursts *Bursts
	Agents int // agents that send waves of 1 (70 %) or 2 to maxWave calls; the next comes
	// after all have ended and 0.2 s plus a mean of 2 s, or (10 %) of 240 s

	Tasks  int // a batch, worked off by Workers
	Repeat int // batches one after another; only the last is measured
}

// maxWave is the most calls of an agent's wave.
const maxWave = 4

// Bursts are groups of calls at once.
type Bursts struct {
	Every    Dist
	Min, Max int // calls in one, evenly
}

// A Dist is a distribution of durations. The zero Dist is absent: it draws 0.
type Dist struct {
	Kind     DistKind
	Min, Max time.Duration // Uniform: both ends; LogNormal: drawn between them
	Mean     time.Duration // Constant: the value; Exponential: the mean; LogNormal: the median
	Sigma    float64
}

// A DistKind is a family of distributions.
type DistKind uint8

// The kinds. In a file: absent, 300ms, 1s..3s, {median: 12s, sigma: 0.8, min:
// 2s, max: 90s}, {mean: 20s}.
const (
	Absent DistKind = iota
	Constant
	Uniform
	LogNormal
	Exponential
)
