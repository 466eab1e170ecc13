package probe

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/evidence"
)

// Whatever the rounds show, a plan ends, stays within its levels, and says nothing that
// the counts do not carry.
func TestPlanEndsAndClaimsOnlyWhatIsCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 12).Draw(t, "most")
		bound := rapid.IntRange(1, 80).Draw(t, "bound")
		share := rapid.Float64Range(0, 1).Draw(t, "share")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		p := NewPlan(most, bound, random)
		for {
			level := p.Next()
			if level == 0 {
				break
			}
			if level < 1 || level > most {
				t.Fatalf("level %d of %d", level, most)
			}
			var r Round
			for l := 1; l <= level; l++ {
				r.Trials = append(r.Trials, Trial{l, random.Float64() < share})
			}
			if random.IntN(4) == 0 && level > 1 {
				r = Round{Burst: level, Taken: random.IntN(level)}
			}
			r.Slow = p.Slow() && random.IntN(2) == 0
			p.Add(r)
		}
		a := p.Answer()
		if p.Rounds() > bound || a.Low < 0 || a.Low > a.High || a.High > most || a.Text == "" {
			t.Fatalf("%d rounds of %d: %+v", p.Rounds(), bound, a)
		}
		if !a.Certain {
			if !strings.HasPrefix(a.Text, "not certain") && !strings.HasPrefix(a.Text, "nothing") {
				t.Fatalf("%+v", a)
			}
			return
		}
		if a.Low > 0 && !p.holds(a.Low) || a.Low < most && !p.isClosed(a.Low+1) || p.isMixed() {
			t.Fatalf("%+v is not carried by %v", a, p.Curve())
		}
	})
}

// A level that seems to be refused but was accepted once is looked at again, with long
// rests: they tell slots that count on from a provider that is not strict.
func TestRestsTellWhatRefusalsWereFor(t *testing.T) {
	begin := func() *Plan {
		p := NewPlan(3, 90, rand.New(rand.NewPCG(1, 1)))
		for range 40 {
			p.Add(Round{Trials: []Trial{{1, false}}})
		}
		p.Add(Round{Trials: []Trial{{2, false}, {2, true}}})
		for range 9 {
			p.Add(Round{Trials: []Trial{{2, true}}})
		}
		p.Add(Round{Burst: 2, Taken: 1})
		if p.Done() || !p.Slow() || p.Next() != 2 {
			t.Fatalf("done %v, slow %v, next %d", p.Done(), p.Slow(), p.Next())
		}
		return p
	}
	p := begin()
	for range closedBy {
		p.Add(Round{Trials: []Trial{{2, true}}, Slow: true})
	}
	if a := p.Answer(); !a.Certain || a.Low != 1 || p.Withdrawn() != 0 {
		t.Errorf("refused at rest as well: %+v, %d withdrawn", a, p.Withdrawn())
	}
	p = begin()
	for range restedBy {
		p.Add(Round{Trials: []Trial{{2, false}}, Slow: true})
	}
	if l := p.level(2); l.Refused != 0 || p.Withdrawn() != 11 || p.Answer().Low < 2 {
		t.Errorf("accepted at rest: %v, %d withdrawn, %+v", l, p.Withdrawn(), p.Answer())
	}
}

// Levels come in random order at first.
func TestLevelsComeInRandomOrder(t *testing.T) {
	first := map[int]int{}
	for seed := range uint64(400) {
		first[NewPlan(8, 60, rand.New(rand.NewPCG(seed, 1))).Next()]++
	}
	for level := 1; level <= 8; level++ {
		if first[level] < 20 {
			t.Errorf("level %d came first %d times of 400", level, first[level])
		}
	}
}

func TestAnswerSaysTheCounts(t *testing.T) {
	for name, c := range map[string]struct {
		curve evidence.Curve
		want  string
	}{
		"as hoped": {evidence.Curve{{Level: 1, Accepted: 40}, {Level: 2, Accepted: 40}, {Level: 3, Accepted: 23, Refused: 17}}, "2 workers are stable: 0 of 40 refused; 3 workers: 17 of 40"},
		"one":      {evidence.Curve{{Level: 1, Accepted: 40}, {Level: 2, Refused: 5}}, "1 worker is stable: 0 of 40 refused; 2 workers: 5 of 5"},
		"none":     {evidence.Curve{{Level: 1, Refused: 6}}, "nothing was accepted, not even with 1 worker: 6 of 6 refused"},
		"all":      {evidence.Curve{{Level: 4, Accepted: 40}}, "4 workers are stable: 0 of 40 refused; more were not tried"},
		"early":    {evidence.Curve{{Level: 1, Accepted: 3}}, "not certain: the limit is at least 0; 1 worker: 0 of 3"},
		"nothing":  {nil, "nothing was measured"},
	} {
		p := NewPlan(4, 60, rand.New(rand.NewPCG(1, 1)))
		for _, l := range c.curve {
			for i := range l.Attempts() {
				p.Add(Round{Trials: []Trial{{l.Level, i < l.Refused}}, Slow: true})
			}
		}
		if a := p.Answer(); !strings.HasPrefix(a.Text, c.want) {
			t.Errorf("%s: %q", name, a.Text)
		}
	}
}

// On any terminal, also one of 20 columns, no line is longer than it.
func TestLinesFitTheTerminal(t *testing.T) {
	c := evidence.Curve{{Level: 1, Accepted: 40}, {Level: 2, Accepted: 38, Refused: 2}, {Level: 12, Refused: 5}, {Level: 13}}
	p := Progress{Share: 0.4, Left: 3 * time.Minute, Calls: 120, Text: "12 workers: 3 of 120 refused"}
	for width := range 120 {
		if line := p.Line(width); len(line) > width {
			t.Errorf("of %d: %q", width, line)
		}
		if width < 12 {
			continue
		}
		for line := range strings.SplitSeq(Table(c, width), "\n") {
			if len(line) > width {
				t.Errorf("of %d: %q", width, line)
			}
		}
	}
	if table := Table(c, 20); !strings.Contains(table, "2: 2 of 40") {
		t.Errorf("%q", table)
	}
}

func TestQuestionsVary(t *testing.T) {
	s := stack{random: rand.New(rand.NewPCG(1, 1))}
	seen := map[string]bool{}
	for range questions {
		seen[s.deal()] = true
	}
	if len(seen) != len(questions) {
		t.Errorf("%d of %d", len(seen), len(questions))
	}
}
