package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/scenario"
)

// embedded returns one of the laboratory's scenarios.
func embedded(t *testing.T, name string) *scenario.Scenario {
	t.Helper()
	sc, err := Scenario(name)
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

func parse(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	sc, err := scenario.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

// play runs a scenario and returns the result.
func play(t *testing.T, sc *scenario.Scenario, o Options) Result {
	t.Helper()
	r, err := Run(t.Context(), sc, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func line(t *testing.T, r Result) string {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheSameSeedsGiveTheSameResult(t *testing.T) {
	for _, name := range []string{"mixed", "account-5", "batch-lag-learned", "bursty-drift", "bucket"} {
		sc := embedded(t, name)
		sc.Length = min(sc.Length, time.Hour)
		for _, learner := range Learners() {
			first := line(t, play(t, sc, Options{Seeds: 3, First: 5, Learner: learner, Parallel: 1}))
			again := line(t, play(t, sc, Options{Seeds: 3, First: 5, Learner: learner, Parallel: 4}))
			if first != again {
				t.Errorf("%s, %s: first\n%s\nthen\n%s", name, learner, first, again)
			}
		}
	}
}

func TestSeedsDiffer(t *testing.T) {
	sc := embedded(t, "drift-quick-8")
	sc.Length = time.Hour
	if a, b := play(t, sc, Options{Seeds: 1, First: 1}), play(t, sc, Options{Seeds: 1, First: 2}); a.Attempts == b.Attempts && *a.Goodput == *b.Goodput {
		t.Errorf("two seeds, one result: %s", line(t, a))
	}
}

func TestAnOracleIsAsGoodAsItself(t *testing.T) {
	for _, name := range Names() {
		sc := embedded(t, name)
		sc.Length = min(sc.Length, time.Hour)
		var runs []*run
		for range 2 {
			w := newWorld(sc, 7, func(up *scenario.Upstream) gateway { return newOracle(up) })
			w.play(t.Context())
			runs = append(runs, w.run)
		}
		r := summarize(sc, Options{Seeds: 1, Learner: Fixed}, runs)
		if r.Goodput != nil && *r.Goodput != 1 || r.MakespanRatio != nil && *r.MakespanRatio != 1 || r.Goodput == nil && r.MakespanRatio == nil {
			t.Errorf("%s: %s", name, line(t, r))
		}
		if noisy := sc.Provider.Noise > 0; r.Refusals > 0 != noisy || r.Overloaded > 0 {
			t.Errorf("%s: an oracle was refused: %s", name, line(t, r))
		}
	}
}

// Three calls of 10 s, two workers: one at a time they take 30 s, two at a time
// 20 s.
func TestABatchComputedByHand(t *testing.T) {
	sc := parse(t, "{hours: 1, provider: {limit: 2}, load: [{tasks: 3, workers: 2, answer: 10s}]}")
	r := play(t, sc, Options{Seeds: 2, Learner: Fixed})
	if *r.MakespanRatio != 1.5 || *r.MakespanWorst != 1.5 || r.Attempts != 6 || r.Refused != 0 {
		t.Errorf("%s", line(t, r))
	}
	if r.Goodput != nil {
		t.Error("a batch has no goodput: the same work is done in another time")
	}
	if *r.WaitP50S != 10 || *r.WaitP95S != 10 { // 0, 10 and, for the first worker's second, 10
		t.Errorf("waits %v, %v", *r.WaitP50S, *r.WaitP95S)
	}
}

// Only the last batch is measured: in the first, the limit is met.
func TestOnlyTheLastBatchIsMeasured(t *testing.T) {
	const once = "{hours: 1, provider: {limit: 1}, load: [{tasks: 4, workers: 4, answer: 10s, repeat: %d}]}"
	first := play(t, parse(t, fmt.Sprintf(once, 1)), Options{Seeds: 1, Learner: Vendor})
	second := play(t, parse(t, fmt.Sprintf(once, 2)), Options{Seeds: 1, Learner: Vendor})
	if first.Refusals < 3 || second.Refusals >= first.Refusals || second.Attempts != 4+int(second.Refusals) {
		t.Errorf("%v refusals in the first, then %v of %d", first.Refusals, second.Refusals, second.Attempts)
	}
}

// Two workers, a limit of two: in a minute two calls run all the time, with one at
// a time one does. The last ones are cut at the end.
func TestGoodputComputedByHand(t *testing.T) {
	sc := parse(t, "{hours: 0.0125, provider: {limit: 2}, load: [{workers: 2, answer: 10s, think: 0s}]}")
	r := play(t, sc, Options{Seeds: 1, Learner: Fixed})
	if *r.Goodput != 0.5 || *r.WorstGoodput != 0.5 || *r.FindS != 45 || *r.LimitAtEnd != 1 {
		t.Errorf("%s", line(t, r))
	}
}

func TestHeldTimeIsNoWork(t *testing.T) {
	sc := parse(t, "{hours: 0.0125, provider: {limit: 1, holds_above: 20s}, load: [{workers: 2, answer: 10s, think: 0s}]}")
	w := newWorld(sc, 1, func(*scenario.Upstream) gateway {
		return newBaseline(stream(1, 1), func() limiter { return &aimd{window: 2} })
	})
	w.play(t.Context())
	// The first worker runs to 20 s, is held to 40 s, since the other's slot counts
	// from 20 s on, and then runs. The other is held to 20 s, runs twice, and is held
	// again.
	if want := 45 * time.Second; w.run.work != want {
		t.Errorf("work %v, want %v", w.run.work, want)
	}
	if w.run.peak != 2 {
		t.Errorf("at most %d in flight", w.run.peak)
	}
}

func TestFirstAndFollow(t *testing.T) {
	const s = time.Second
	r := run{
		length: 100 * s,
		truth:  Course{{At: 0, Slots: 4}, {At: 20 * s, Slots: 2}, {At: 40 * s, Slots: 3}, {At: 50 * s, Slots: 5}, {At: 80 * s, Slots: 6}},
		level:  Course{{At: 0, Slots: 1}, {At: 10 * s, Slots: 3}, {At: 23 * s, Slots: 2}, {At: 55 * s, Slots: 4}, {At: 56 * s, Slots: 5}},
	}
	if got := r.find(); got != 20 { // not at 4; but it is above 2 when the limit falls to it
		t.Errorf("found at %v", got)
	}
	drops, rises := r.follow()
	if fmt.Sprint(drops) != "[3]" || fmt.Sprint(rises) != "[10 6 20]" { // to 3: superseded; to 6: never
		t.Errorf("drops %v, rises %v", drops, rises)
	}
	never := run{length: 9 * s, truth: Course{{Slots: 4}}, level: Course{{Slots: 1}}}
	if got := never.find(); got != 9 {
		t.Errorf("found at %v", got)
	}
}

func TestWhatDoesNotApplyIsAbsent(t *testing.T) {
	tests := []struct{ file, absent string }{
		{"{hours: 0.1, provider: {starts: {rate: 1}}, load: [{workers: 16}]}", "find_s drop_s rise_s makespan_ratio"},
		{"{hours: 0.1, provider: {}, load: [{workers: 4}]}", "find_s cause_right"},
		{"{hours: 0.1, provider: {limit: 9}, load: [{workers: 4}]}", "find_s"}, // never met
		{"{hours: 0.1, provider: {limit: 2}, load: [{tasks: 2, workers: 1, answer: 1s}]}", "goodput worst_goodput drop_s rise_s"},
	}
	for _, tt := range tests {
		got := line(t, play(t, parse(t, tt.file), Options{Seeds: 1}))
		for _, key := range strings.Fields(tt.absent) {
			if strings.Contains(got, `"`+key+`"`) {
				t.Errorf("%s: %s in %s", tt.file, key, got)
			}
		}
	}
}

func TestBaselinesNameNoCause(t *testing.T) {
	sc := embedded(t, "hard-3")
	sc.Length = 10 * time.Minute
	if r := play(t, sc, Options{Seeds: 1, Learner: AIMD}); r.Cause != "" || r.CauseNamed != nil {
		t.Errorf("%s", line(t, r))
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if _, err := Run(ctx, embedded(t, "hard-3"), Options{}); !errors.Is(err, enough) {
		t.Errorf("error %v", err)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{Seeds: -1}, {Seeds: maxSeeds + 1}, {Learner: "vegas"}} {
		if err := o.Check(); err == nil {
			t.Errorf("%+v passes", o)
		}
		if _, err := Run(t.Context(), embedded(t, "low"), o); err == nil {
			t.Errorf("%+v runs", o)
		}
	}
	if _, err := Run(t.Context(), &scenario.Scenario{Name: "empty", Length: time.Hour}, Options{}); err == nil {
		t.Error("a scenario without load runs")
	}
}

func TestNames(t *testing.T) {
	for _, name := range Names() {
		embedded(t, name)
	}
	for _, name := range []string{"no-such", "", "../scenarios/hard-1", `..\hard-1`} {
		if _, err := Scenario(name); !errors.Is(err, ErrNoScenario) {
			t.Errorf("%q: error %v", name, err)
		}
	}
}

// A gateway of another sort is told of each step in order, once.
type audited struct {
	gateway
	t     *rapid.T
	state map[*call]string
	count map[string]int
}

func (a *audited) step(c *call, to string, from ...string) {
	for _, f := range from {
		if a.state[c] == f {
			a.state[c] = to
			a.count[to]++
			return
		}
	}
	a.t.Fatalf("a call that is %q becomes %q", a.state[c], to)
}

func (a *audited) arrive(now time.Duration, c *call) bool {
	a.step(c, "waits", "")
	return a.gateway.arrive(now, c)
}

func (a *audited) accepted(now time.Duration, c *call) {
	a.step(c, "accepted", "runs")
	a.gateway.accepted(now, c)
}

func (a *audited) ended(now time.Duration, c *call, aborted bool) {
	a.step(c, "ended", "accepted")
	a.gateway.ended(now, c, aborted)
}

func (a *audited) refused(now time.Duration, c *call) bool {
	a.step(c, "refused", "runs")
	again := a.gateway.refused(now, c)
	if again {
		a.state[c] = "waits"
	}
	return again
}

func (a *audited) poll(now time.Duration, grant, turn func(*call)) time.Duration {
	return a.gateway.poll(now, func(c *call) {
		a.step(c, "runs", "waits")
		grant(c)
	}, func(c *call) {
		a.step(c, "turned", "waits")
		turn(c)
	})
}

// Each attempt is accepted or refused, and each call ends once: with any provider,
// load and gateway.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := anyScenario(t)
		seed := rapid.Uint64Range(1, 1000).Draw(t, "seed")
		learners := append(Learners(), "oracle")
		learner := learners[rapid.IntRange(0, len(learners)-1).Draw(t, "learner")]
		a := &audited{t: t, state: map[*call]string{}, count: map[string]int{}}
		w := newWorld(sc, seed, func(up *scenario.Upstream) gateway {
			if a.gateway = newOracle(up); learner != "oracle" {
				a.gateway = newGateway(Options{Learner: learner}, seed)
			}
			return a
		})
		w.play(context.Background())
		if w.now > sc.Length {
			t.Fatalf("it went on until %v", w.now)
		}
		left := map[string]int{}
		for _, state := range a.state {
			left[state]++
		}
		if w.run.calls != len(a.state) || w.run.calls != a.count["ended"]+w.run.lost+left["waits"]+left["runs"]+left["accepted"] {
			t.Fatalf("%d calls: %d ended, %d lost, left %v", w.run.calls, a.count["ended"], w.run.lost, left)
		}
		undecided := 0
		for _, e := range w.events {
			if e.kind == firstEvent || e.kind == refusalKnown {
				undecided++
			}
		}
		if runs := a.count["runs"]; runs != a.count["accepted"]+a.count["refused"]+undecided || undecided != left["runs"] {
			t.Fatalf("%d attempts: %v, %d undecided", runs, a.count, undecided)
		}
		if len(sc.Load) == 1 && sc.Load[0].Tasks == 0 && w.run.attempts != a.count["runs"] {
			t.Fatalf("%d of %d attempts are measured", w.run.attempts, a.count["runs"])
		}
	})
}

// anyScenario returns a scenario of some minutes.
func anyScenario(t *rapid.T) *scenario.Scenario {
	pick := func(label string, of ...string) string { return of[rapid.IntRange(0, len(of)-1).Draw(t, label)] }
	provider := strings.Join([]string{
		pick("limit", "limit: 1", "limit: 3", "limit: {walk: {every: 10s..60s, max: 5}}", "limit: {glm-5: 2, glm-4.5-air: 1}", "account_limit: 2"),
		pick("lag", "lag: 0s", "lag: 0s..2s"), pick("noise", "noise: 0", "noise: 0.3"),
		pick("starts", "abort_lag: 1s", "starts: {rate: 0.5, burst: 2}", "starts: {per_window: 5, window: 20s}"),
		pick("more", "penalty: 0s", "penalty: 5s", "retry_after: 3s", "outages: [{from: 20s, for: 30s}]", "outsiders: [{slots: 1, on: 10s, off: 10s}]", "holds_above: 10s"),
	}, ", ")
	answer := pick("answer", "1s", "1ms..20s")
	first := pick("load", "workers: 5, think: 100ms", "agents: 2", "bursts: {every: 7s, calls: 1..4}", "tasks: 9, workers: 4, repeat: 2")
	second := pick("second", "", ", {workers: 2, model: glm-4.5-air, class: background, answer: 3s, from: 10s, to: 1m}")
	text := fmt.Sprintf("{hours: 0.05, provider: {%s}, load: [{%s, answer: %s, abort: 0.2}%s]}", provider, first, answer, second)
	sc, err := scenario.Parse("any.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return sc
}
