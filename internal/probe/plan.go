package probe

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/evidence"
)

const (
	sure     = 0.99 // share of belief that a limit must have to be the answer
	settled  = 40   // attempts after which a level need not be free of refusals
	closedBy = 5    // attempts that show that a level is refused, if nearly all are
	restedBy = 15   // attempts at rest that show that a level is borne, if at most one in so many is refused
	chance   = 0.2  // what more refusals than below must have as a probability, to be taken for the same
)

// A Trial is one start of which the level is known: so many streams were open when the
// provider decided about it, itself included.
type Trial struct {
	Level   int
	Refused bool
}

// A Round is what one round has shown.
type Round struct {
	Trials []Trial
	// Burst is how many streams were started in one moment, Taken how many of them were
	// accepted. Where those are fewer, it is not known at which level each of the others
	// was refused; what was accepted is among the Trials.
	Burst, Taken int
	// Slow says that it rested long before each start: no slot counted on, and no pause
	// after a refusal still held.
	Slow bool
}

// A Plan says which level to try next, and when enough is known. It is pure; all that
// is random comes from the source that it is made with. Use [NewPlan].
type Plan struct {
	most, bound int
	random      *rand.Rand
	fresh       []int // levels that no round was aimed at, in random order
	belief      *belief
	curve       evidence.Curve
	rounds      []Round
	slow        evidence.Curve // of the slow rounds
	accepted    int            // starts
	withdrawn   int            // refusals that slow rounds have shown to be for no level
}

// NewPlan returns a plan for the levels 1 to most and at most so many rounds.
func NewPlan(most, rounds int, random *rand.Rand) *Plan {
	p := &Plan{most: most, bound: rounds, random: random, belief: newBelief(most), fresh: random.Perm(most)}
	for i := range p.fresh {
		p.fresh[i]++
	}
	return p
}

// Add takes in a round.
func (p *Plan) Add(r Round) {
	p.rounds = append(p.rounds, r)
	p.weigh(r)
	if r.Slow {
		p.withdraw()
	}
}

// weigh adds a round to what is counted and believed.
func (p *Plan) weigh(r Round) {
	for _, t := range r.Trials {
		p.curve.Add(t.Level, t.Refused)
		p.belief.saw(t.Level, t.Refused)
		if r.Slow {
			p.slow.Add(t.Level, t.Refused)
		}
		if !t.Refused {
			p.accepted++
		}
	}
	if r.Taken < r.Burst {
		p.belief.sawBurst(r.Burst, r.Taken)
	}
}

// withdraw takes back what quick rounds were refused at levels, and in bursts no larger,
// at which slow rounds are not: those refusals were for slots that still counted.
func (p *Plan) withdraw() {
	borne := 0
	for _, l := range p.slow {
		if l.Attempts() >= restedBy && restedBy*l.Refused <= l.Attempts() {
			borne = max(borne, l.Level)
		}
	}
	before, found := p.withdrawn, false
	for i, r := range p.rounds {
		if r.Slow {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(r.Trials), func(t Trial) bool { return t.Refused && t.Level <= borne })
		p.withdrawn += len(r.Trials) - len(kept)
		r.Trials = kept
		if r.Taken < r.Burst && r.Taken < borne {
			p.withdrawn += r.Burst - r.Taken
			r.Burst = r.Taken
			found = true
		}
		p.rounds[i] = r
	}
	if p.withdrawn == before && !found {
		return
	}
	p.belief, p.curve, p.slow, p.accepted = newBelief(p.most), nil, nil, 0
	for _, r := range p.rounds {
		p.weigh(r)
	}
}

// Next returns the level of the next round; 0: enough is known, or the bound is reached.
func (p *Plan) Next() int {
	if len(p.rounds) >= p.bound || p.Done() {
		return 0
	}
	shares := p.belief.shares()
	if p.Slow() {
		return likeliest(shares) + 1
	}
	// Each level once, in random order, but for those about which a round would say
	// nothing new.
	for len(p.fresh) > 0 {
		level := p.fresh[0]
		p.fresh = p.fresh[1:]
		if atLeast(shares, level) < sure && atLeast(shares, level-1) > 1-sure {
			return level
		}
	}
	// Then around the border, in random order again: the level that seems to be borne,
	// and the one above it.
	best := likeliest(shares)
	below, above := max(1, best), min(best+1, p.most)
	switch needBelow, needAbove := best > 0 && !p.holds(best), best < p.most && !p.isClosed(best+1); {
	case needAbove && !needBelow:
		return above
	case needBelow && !needAbove:
		return below
	case p.random.IntN(3) == 0:
		return above
	}
	return below
}

// Done tells that more rounds would not change what is said.
func (p *Plan) Done() bool { return p.isCounted() && !p.isMixed() }

// Slow tells that the next round has to rest long before each start: all is counted, but
// the level that seems to be refused was accepted at times. That may be a provider which
// is not strict, or slots that count on after their end, which a rest tells apart.
func (p *Plan) Slow() bool { return p.isCounted() && p.isMixed() }

// isCounted tells that one limit is believed in and that the counts carry it.
func (p *Plan) isCounted() bool {
	shares := p.belief.shares()
	best := likeliest(shares)
	if shares[best] < sure {
		return false
	}
	if one := p.level(1); best == 0 && (p.accepted == 0 || 4*one.Accepted > one.Attempts()) {
		return false // if nothing is accepted, it is not for what is in flight; if much is, there is a limit
	}
	return (best == 0 || p.holds(best)) && (best == p.most || p.isClosed(best+1))
}

// isMixed tells that the level above the likeliest limit was accepted at times, and that
// no slow rounds have shown that it is refused at rest as well.
func (p *Plan) isMixed() bool {
	best := likeliest(p.belief.shares())
	if best == p.most || p.level(best+1).Accepted == 0 {
		return false
	}
	slow := levelOf(p.slow, best+1)
	return slow.Attempts() < closedBy || 3*slow.Refused < slow.Attempts()
}

// holds tells that enough was counted to say that a level is borne: its interval is
// narrow enough, or it is refused now and then as the levels below are.
func (p *Plan) holds(level int) bool {
	l := p.level(level)
	if l.Stable() || l.Attempts() < settled {
		return l.Stable()
	}
	var below evidence.Level
	for _, other := range p.curve {
		if other.Level < level {
			below.Accepted, below.Refused = below.Accepted+other.Accepted, below.Refused+other.Refused
		}
	}
	return 4*l.Refused < l.Attempts() && excess(l, below) > chance
}

// excess returns the probability that of the refusals of both levels as many as there
// were, or more, fall on the first, if both refuse alike (Fisher's exact test, one-sided).
func excess(l, other evidence.Level) float64 {
	n, m, refused := l.Attempts(), other.Attempts(), l.Refused+other.Refused
	p := 0.0
	for k := l.Refused; k <= min(n, refused); k++ {
		if refused-k <= m {
			p += math.Exp(logChoose(n, k) + logChoose(m, refused-k) - logChoose(n+m, refused))
		}
	}
	return p
}

func logChoose(n, k int) float64 {
	f := func(x int) float64 {
		l, _ := math.Lgamma(float64(x + 1))
		return l
	}
	return f(n) - f(k) - f(n-k)
}

// isClosed tells that enough was counted to say that a level is not borne.
func (p *Plan) isClosed(level int) bool {
	l := p.level(level)
	few := l.Attempts() >= closedBy && 4*l.Accepted <= l.Attempts()
	return l.Failing() && (few || l.Attempts() >= settled/2)
}

func (p *Plan) level(n int) evidence.Level { return levelOf(p.curve, n) }

func levelOf(c evidence.Curve, n int) evidence.Level {
	for _, l := range c {
		if l.Level == n {
			return l
		}
	}
	return evidence.Level{Level: n}
}

// Curve returns what was counted.
func (p *Plan) Curve() evidence.Curve { return slices.Clone(p.curve) }

// Rounds returns how many rounds there were.
func (p *Plan) Rounds() int { return len(p.rounds) }

// Withdrawn returns how many refusals were counted at first and are not any more.
func (p *Plan) Withdrawn() int { return p.withdrawn }

// Left guesses how many more rounds it takes.
func (p *Plan) Left() int {
	shares := p.belief.shares()
	best := likeliest(shares)
	n := max(len(p.fresh)/3, usualRounds-10-4*len(p.rounds)) // nothing can be told at first
	if best > 0 && !p.holds(best) {
		n += max(1, p.level(best).Missing())
	}
	if best < p.most && !p.isClosed(best+1) {
		n += max(1, closedBy-p.level(best+1).Attempts())
	}
	if p.Slow() {
		n = max(n, closedBy)
	}
	return min(n, p.bound-len(p.rounds))
}

// An Answer is where the limit lies.
type Answer struct {
	Low     int  `json:"low"`               // the limit is at least this
	High    int  `json:"high"`              // and at most this; with Open more is possible
	Open    bool `json:"open,omitempty"`    // the highest level tried was borne
	Certain bool `json:"certain"`           // enough was counted to be sure of it
	Refused bool `json:"refused,omitempty"` // nothing at all was accepted
	// Text is the sentence for people, with the counts.
	Text string `json:"text"`
}

// Answer says what is known now.
func (p *Plan) Answer() Answer {
	v := p.curve.Verdict()
	if len(p.curve) == 0 {
		return Answer{High: p.most, Open: true, Text: v.Text}
	}
	shares := p.belief.shares()
	a := Answer{Certain: p.Done(), Refused: p.accepted == 0}
	a.Low, a.High = hull(shares)
	a.Open = a.High == p.most && !p.isClosed(p.most)
	if a.Certain && a.Low == a.High {
		a.Text = p.sentence(a)
		return a
	}
	a.Certain = false
	if a.Refused {
		one := p.level(1)
		a.Text = fmt.Sprintf("nothing was accepted, not even with 1 worker: %d of %d refused", one.Refused, one.Attempts())
		return a
	}
	counts := strings.NewReplacer("not certain where it ends: ", "", "not certain: ", "").Replace(v.Text) // it is said already
	a.Text = fmt.Sprintf("not certain: the limit is %s; %s", a.span(), counts)
	return a
}

// sentence is the answer that is certain, with the counts of the levels next to it.
func (p *Plan) sentence(a Answer) string {
	borne, next := p.level(a.Low), p.level(a.Low+1)
	switch {
	case a.Low == 0:
		return fmt.Sprintf("not even 1 worker is stable: %d of %d refused", next.Refused, next.Attempts())
	case a.Open:
		return fmt.Sprintf("%s stable: %d of %d refused; more were not tried", evidence.WorkersAre(a.Low), borne.Refused, borne.Attempts())
	}
	text := fmt.Sprintf("%s stable: %d of %d refused; %s: %d of %d", evidence.WorkersAre(a.Low), borne.Refused, borne.Attempts(), evidence.Workers(a.Low+1), next.Refused, next.Attempts())
	if !borne.Stable() {
		text += " (some are refused whatever is in flight)"
	}
	return text
}

func (a Answer) span() string {
	switch {
	case a.Open && a.Low == a.High:
		return fmt.Sprintf("%d or more", a.Low)
	case a.Low == a.High:
		return fmt.Sprintf("probably %d", a.Low)
	case a.Open:
		return fmt.Sprintf("at least %d", a.Low)
	}
	return fmt.Sprintf("between %d and %d", a.Low, a.High)
}

// hull returns the shortest run of limits that has nearly all of the belief.
func hull(shares []float64) (low, high int) {
	low, high = 0, len(shares)-1
	out := 0.0
	for low < high {
		least := min(shares[low], shares[high])
		if out+least > 1-sure {
			break
		}
		out += least
		if shares[low] <= shares[high] {
			low++
		} else {
			high--
		}
	}
	return low, high
}

func atLeast(shares []float64, limit int) float64 {
	sum := 0.0
	for _, s := range shares[min(max(limit, 0), len(shares)):] {
		sum += s
	}
	return sum
}

func likeliest(shares []float64) int {
	best := 0
	for i, s := range shares {
		if s > shares[best] {
			best = i
		}
	}
	return best
}
