package lab

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/internal/scenario"
	"github.com/weirhq/weir/limit"
)

// A Result is what came of a scenario over its seeds. Shares are 0 to 1, times are
// in seconds. What does not apply is nil, and absent in JSON.
type Result struct {
	Scenario string  `json:"scenario"`
	Seeds    int     `json:"seeds"`
	Learner  Learner `json:"learner"`

	// Goodput is the time that accepted calls ran, as a share of what they ran with
	// the oracle, over all seeds together; it may exceed 1 where more than the limit
	// is accepted at times. Not for batches alone.
	Goodput      *float64 `json:"goodput,omitempty"`
	WorstGoodput *float64 `json:"worst_goodput,omitempty"` // of one seed

	// Refused is the share of all attempts that were refused, but for overload,
	// which no learner can avoid: that is Overloaded.
	Refused       float64 `json:"refused"`
	Overloaded    float64 `json:"overloaded"`
	Attempts      int     `json:"attempts"`       // of all seeds
	Refusals      float64 `json:"refusals"`       // mean of a seed, but for overload
	RefusalsWorst int     `json:"refusals_worst"` // of one seed

	// MakespanRatio is how long the batches took, as a share of what they took with
	// the oracle; the mean over seeds.
	MakespanRatio *float64 `json:"makespan_ratio,omitempty"`
	MakespanWorst *float64 `json:"makespan_worst,omitempty"` // of one seed

	// FindS is the median time to the first moment at which the level is no longer
	// below the true limit; a run in which that never comes counts with its length.
	// Absent if the load or the limit on starts keeps even the oracle below the limit.
	FindS *float64 `json:"find_s,omitempty"`
	// DropS and RiseS are the median times from a step of the true limit until the
	// level is no longer above, or below, it; a step that is superseded before
	// counts with its length.
	DropS *float64 `json:"drop_s,omitempty"`
	RiseS *float64 `json:"rise_s,omitempty"`

	// Cause is what the learner named in most seeds; CauseNamed the share of seeds in
	// which it named one, CauseRight the share of those in which it was a true one.
	Cause      string   `json:"cause,omitempty"`
	CauseNamed *float64 `json:"cause_named,omitempty"`
	CauseRight *float64 `json:"cause_right,omitempty"`

	// WaitP50S and WaitP95S are how long calls waited from their arrival to the
	// attempt that was accepted.
	WaitP50S *float64        `json:"wait_p50_s,omitempty"`
	WaitP95S *float64        `json:"wait_p95_s,omitempty"`
	Waits    map[string]Wait `json:"waits,omitempty"` // by class

	LimitAtEnd *float64 `json:"limit_at_end,omitempty"` // median of the stable level at the end

	Trace *Trace `json:"-"` // of the first seed, if asked for
}

// A Wait is how long the calls of one class waited, in seconds.
type Wait struct {
	Calls int     `json:"calls"`
	P50S  float64 `json:"p50_s"`
	P95S  float64 `json:"p95_s"`
}

// summarize adds up the runs: the learner's at 2i, the oracle's at 2i+1.
func summarize(sc *scenario.Scenario, o Options, runs []*run) Result {
	r := Result{Scenario: sc.Name, Seeds: o.Seeds, Learner: o.Learner}
	var refused, overloaded int
	var work, oracleWork time.Duration
	var finds, drops, rises, ratios, ends []float64
	worst, findable := math.Inf(1), learnable(sc)
	waits := map[admission.Class][]time.Duration{}
	for i := 0; i < len(runs); i += 2 {
		own, oracle := runs[i], runs[i+1]
		r.Attempts += own.attempts
		refused += own.refused
		overloaded += own.overloaded
		r.RefusalsWorst = max(r.RefusalsWorst, own.refused)
		work += own.work
		oracleWork += oracle.work
		if oracle.work > 0 {
			worst = min(worst, float64(own.work)/float64(oracle.work))
		}
		if oracle.makespan > 0 {
			ratios = append(ratios, float64(own.makespan)/float64(oracle.makespan))
		}
		for class, w := range own.waits {
			waits[class] = append(waits[class], w...)
		}
		if least := slices.MinFunc(own.truth, func(a, b scenario.Step) int { return a.Slots - b.Slots }); oracle.peak < least.Slots {
			findable = false
		}
		finds = append(finds, own.find())
		d, u := own.follow()
		drops, rises = append(drops, d...), append(rises, u...)
		ends = append(ends, float64(own.limitAtEnd))
	}
	r.Refused = round(float64(refused)/float64(max(1, r.Attempts)), shares)
	r.Overloaded = round(float64(overloaded)/float64(max(1, r.Attempts)), shares)
	r.Refusals = round(float64(refused)/float64(o.Seeds), shares)
	if batches(sc) < len(sc.Load) && oracleWork > 0 {
		r.Goodput, r.WorstGoodput = value(float64(work)/float64(oracleWork), shares), value(worst, shares)
	}
	if len(ratios) > 0 {
		mean := 0.0
		for _, x := range ratios {
			mean += x / float64(len(ratios))
		}
		r.MakespanRatio, r.MakespanWorst = value(mean, shares), value(slices.Max(ratios), shares)
	}
	if findable {
		r.FindS, r.DropS, r.RiseS = median(finds), median(drops), median(rises)
	}
	r.LimitAtEnd = median(ends)
	r.causes(sc, o, runs)
	r.addWaits(waits)
	r.Trace = runs[0].trace
	if t := r.Trace; t != nil {
		t.Seed, t.Length, t.Truth, t.Level = o.First, runs[0].length, runs[0].truth, runs[0].level
	}
	return r
}

// learnable tells whether there is a limit that a learner can find: not if none is
// described, nor if a limit on starts keeps the load below it.
func learnable(sc *scenario.Scenario) bool {
	p := &sc.Provider
	limited := p.Limit.Walk != nil || len(p.Limit.Schedule) > 0 || len(p.Models) > 0 || p.AccountLimit > 0
	paced := p.Starts.Rate > 0 || p.Starts.PerWindow > 0
	return limited && (!paced || slices.Contains(sc.Causes(), scenario.CauseLevel))
}

// batches returns how many of the loads are batches.
func batches(sc *scenario.Scenario) int {
	n := 0
	for _, l := range sc.Load {
		if l.Tasks > 0 {
			n++
		}
	}
	return n
}

// find returns when the level was first not below the true limit.
func (r *run) find() float64 {
	for i, s := range r.truth {
		until := r.length
		if i+1 < len(r.truth) {
			until = min(until, r.truth[i+1].At)
		}
		if at := r.level.first(s.At, until, func(n int) bool { return n >= s.Slots }); at < until {
			return at.Seconds()
		}
	}
	return r.length.Seconds()
}

// follow returns how long the level took to follow each fall and each rise.
func (r *run) follow() (drops, rises []float64) {
	for i := 1; i < len(r.truth) && r.truth[i].At < r.length; i++ {
		from, until, slots := r.truth[i].At, r.length, r.truth[i].Slots
		if i+1 < len(r.truth) {
			until = min(until, r.truth[i+1].At)
		}
		if slots < r.truth[i-1].Slots {
			at := r.level.first(from, until, func(n int) bool { return n <= slots })
			drops = append(drops, (at - from).Seconds())
		} else {
			at := r.level.first(from, until, func(n int) bool { return n >= slots })
			rises = append(rises, (at - from).Seconds())
		}
	}
	return drops, rises
}

// causes counts what the learner named, if it names anything.
func (r *Result) causes(sc *scenario.Scenario, o Options, runs []*run) {
	if o.Learner != Weir {
		return
	}
	truth := sc.Causes()
	seen := map[string]int{}
	named, right := 0, 0
	for i := 0; i < len(runs); i += 2 {
		c := runs[i].cause
		seen[c]++
		if c == string(limit.NoCause) {
			continue
		}
		named++
		if slices.Contains(truth, scenario.Cause(c)) {
			right++
		}
	}
	names := make([]string, 0, len(seen))
	for c := range seen {
		names = append(names, c)
	}
	r.Cause = slices.MaxFunc(names, func(a, b string) int {
		return cmp.Or(seen[a]-seen[b], cmp.Compare(b, a)) // of equals the first by name
	})
	r.CauseNamed = value(float64(named)/float64(o.Seeds), shares)
	if named > 0 {
		r.CauseRight = value(float64(right)/float64(named), shares)
	}
}

// addWaits adds what is known of the waits, over all classes and by class.
func (r *Result) addWaits(byClass map[admission.Class][]time.Duration) {
	var all []time.Duration
	for class := admission.Interactive; class <= admission.Background; class++ {
		w := byClass[class]
		if len(w) == 0 {
			continue
		}
		if r.Waits == nil {
			r.Waits = map[string]Wait{}
		}
		all = append(all, w...)
		slices.Sort(w)
		r.Waits[class.String()] = Wait{Calls: len(w), P50S: percentile(w, 50), P95S: percentile(w, 95)}
	}
	if len(all) > 0 {
		slices.Sort(all)
		r.WaitP50S, r.WaitP95S = value(percentile(all, 50), seconds), value(percentile(all, 95), seconds)
	}
}

// What figures are rounded to.
const (
	shares  = 1e5
	seconds = 1e3
)

func round(x, unit float64) float64 { return math.Round(x*unit) / unit }

func value(x, unit float64) *float64 {
	x = round(x, unit)
	return &x
}

// median returns the middle one, or the mean of the middle two; nil for none.
func median(all []float64) *float64 {
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	mid := len(all) / 2
	if len(all)%2 == 1 {
		return value(all[mid], seconds)
	}
	return value((all[mid-1]+all[mid])/2, seconds)
}

// percentile returns the smallest one, in seconds, that p percent do not exceed.
func percentile(sorted []time.Duration, p int) float64 {
	return round(sorted[max(0, (len(sorted)*p+99)/100-1)].Seconds(), seconds)
}
