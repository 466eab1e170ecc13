package probe

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/provider"
)

const (
	longAnswer  = 320 // tokens of the streams that are held open
	shortAnswer = 48  // and of the start whose level is the one to be tried
	moreStarts  = 4   // starts at the level while the others are still open
	mostSpoiled = 5   // rounds in a row that may say nothing
	mostShut    = 6   // rounds in a row in which everything may be refused
)

// A gathering is the streams of a round.
type gathering struct {
	r    *runner
	all  []*stream
	said Round
	// wait is what a refusal asked for; refused, that there was one.
	wait    time.Duration
	refused bool
	bumped  int  // starts of the burst that were refused
	spoilt  bool // something happened that says nothing about levels
}

// round tries one level: all but one of its streams are started at once, the missing ones
// one by one, so that the number in flight that each of these meets is known. again:
// it said nothing, and has to be repeated.
func (r *runner) round(ctx context.Context, level int) (again bool, err error) {
	g := &gathering{r: r}
	open := 0
	if level > 1 {
		if open, err = g.burst(ctx, level-1); err != nil {
			return false, err
		}
	}
	if g.wait == 0 && !g.spoilt {
		for n := 0; open < level && n <= level+moreStarts && !g.refused; n++ {
			tokens := longAnswer
			if open == level-1 {
				tokens = shortAnswer
			}
			s := r.start(ctx, tokens)
			g.all = append(g.all, s)
			if err := g.decide(ctx, s); err != nil {
				return false, err
			}
			g.count(s, open+1)
			if !s.accepted() {
				break
			}
			g.forNothing(open + 1)
			if open++; open == level {
				if open, err = g.goOn(ctx, s, level); err != nil {
					return false, err
				}
			}
		}
	}
	if err := g.end(ctx); err != nil {
		return false, err
	}
	return g.conclude()
}

// burst starts n streams in one moment and returns how many of them are open when all
// are decided.
func (g *gathering) burst(ctx context.Context, n int) (int, error) {
	for range n {
		g.all = append(g.all, g.r.start(ctx, longAnswer))
	}
	taken, last := 0, time.Time{}
	for _, s := range g.all {
		if err := g.decide(ctx, s); err != nil {
			return 0, err
		}
		if s.head.After(last) {
			last = s.head
		}
		if s.accepted() {
			taken++
		} else if s.refused() {
			g.wait = max(g.wait, s.wait)
		}
	}
	open := 0
	for _, s := range g.all {
		if s.openAt(last, last) {
			open++
		}
	}
	switch {
	case g.spoilt:
	case open == taken:
		// They were open at one moment: whichever came first, there was one at each level.
		for level := 1; level <= taken; level++ {
			g.said.Trials = append(g.said.Trials, Trial{Level: level})
		}
		g.said.Burst, g.said.Taken, g.bumped = n, taken, n-taken
	default: // some ended too early
		g.r.dropped += n
	}
	return open, nil
}

// forNothing counts the refusals of the burst, when the start after it has shown that
// there was room: they were for no reason, or for slots that still counted. Which came
// when is not known, so each counts at any of the levels that it may have met.
func (g *gathering) forNothing(room int) {
	for ; g.bumped > 0; g.bumped-- {
		g.said.Trials = append(g.said.Trials, Trial{Level: 1 + g.r.stack.random.IntN(room), Refused: true})
		g.said.Burst = g.said.Taken
	}
}

// decide waits for the provider's decision about a stream.
func (g *gathering) decide(ctx context.Context, s *stream) error {
	select {
	case <-s.decided:
	case <-ctx.Done():
		return ctx.Err()
	}
	switch s.kind {
	case provider.OK, provider.Concurrency, provider.Frequency, provider.Throttled:
		return nil
	case provider.Quota, provider.Plan, provider.Flagged, provider.Auth, provider.Invalid:
		return stopped(says(s), s)
	}
	g.spoilt = true
	g.r.pacing.asked = max(g.r.pacing.asked, s.wait)
	return nil
}

// says is what the provider has answered, in weir's own words.
func says(s *stream) string {
	switch {
	case s.err != nil:
		return s.err.Error()
	case s.verdict.Code != "":
		return fmt.Sprintf("the provider answered %s (%s)", s.kind, s.verdict.Code)
	}
	return fmt.Sprintf("the provider answered %s", s.kind)
}

// count counts a start, at the overlap that it truly met by the clock: others whose
// acceptance was known before it was sent and that had not ended when it was decided.
func (g *gathering) count(s *stream, level int) {
	met := 1
	for _, other := range g.all {
		if other != s && other.openAt(s.sent, s.head) {
			met++
		}
	}
	switch {
	case s.accepted():
		g.said.Trials = append(g.said.Trials, Trial{Level: met})
	case s.refused():
		g.wait, g.refused = max(g.wait, s.wait), true
		if met < level {
			g.r.dropped++ // one had just ended, and may have counted on
			return
		}
		g.said.Trials = append(g.said.Trials, Trial{Level: level, Refused: true})
	}
}

// goOn makes more starts at the level while the others are still open, each a rest after
// the end of the one before.
func (g *gathering) goOn(ctx context.Context, s *stream, level int) (open int, err error) {
	for range moreStarts {
		select {
		case <-s.ended:
		case <-ctx.Done():
			return level, ctx.Err()
		}
		now := time.Now()
		if g.open(now) < level-1 || level == 1 {
			return level, nil
		}
		if err := sleep(ctx, g.r.pacing.between()); err != nil {
			return level, err
		}
		if g.open(time.Now()) < level-1 {
			return level, nil
		}
		s = g.r.start(ctx, shortAnswer)
		g.all = append(g.all, s)
		if err := g.decide(ctx, s); err != nil {
			return level, err
		}
		if g.count(s, level); !s.accepted() {
			return level, nil
		}
	}
	return level, nil
}

// open returns how many streams are open.
func (g *gathering) open(now time.Time) int {
	n := 0
	for _, s := range g.all {
		if s.openAt(now, now) {
			n++
		}
	}
	return n
}

// end waits until all streams have ended.
func (g *gathering) end(ctx context.Context) error {
	for _, s := range g.all {
		select {
		case <-s.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	g.r.lastEnd = time.Now()
	return nil
}

// conclude hands the round to the plan, unless it says nothing.
func (g *gathering) conclude() (again bool, err error) {
	r, p := g.r, &g.r.pacing
	if g.spoilt {
		r.dropped += len(g.said.Trials)
		p.refused = true
		p.pause = min(2*p.pause, mostPause)
		if r.spoiled++; r.spoiled >= mostSpoiled {
			return false, stopped(fmt.Sprintf("%d rounds in a row failed: %s", r.spoiled, says(g.worst())), g.worst())
		}
		return true, nil
	}
	r.spoiled, p.asked = 0, 0
	r.dropped += g.bumped // no start after the burst has told what its refusals meant
	refused := slices.ContainsFunc(g.all, (*stream).refused)
	taken := slices.ContainsFunc(g.all, (*stream).accepted)
	before := p.refused
	p.refused, p.asked = refused, g.wait
	if refused && !taken {
		return r.closed(g, before)
	}
	if r.shut > 0 {
		p.pause = min(p.pause*5/4, mostPause) // what opened it again is a little more than needed
	}
	r.shut = 0
	if r.doubtful(g) {
		return true, nil
	}
	g.said.Slow = p.slow
	r.plan.Add(g.said)
	return false, nil
}

// closed deals with a round in which everything was refused. If something has been
// accepted before, the lane is probably shut for a while after a refusal, and the round
// counts for nothing.
func (r *runner) closed(g *gathering, afterRefusal bool) (again bool, err error) {
	r.shut++
	r.pacing.pause = min(2*r.pacing.pause, mostPause)
	never := r.plan.accepted == 0
	switch again = true; {
	case !never && afterRefusal:
		r.dropped += len(g.all)
	case r.doubtful(g):
	default:
		g.said.Slow = r.pacing.slow
		r.plan.Add(g.said)
		again = false
	}
	if r.shut < mostShut {
		return again, nil
	}
	why := fmt.Sprintf("everything was refused in %d rounds in a row", r.shut)
	if never {
		why = fmt.Sprintf("nothing was accepted in %d rounds: something else uses this account, or it is closed", r.shut)
	}
	return false, stopped(why, g.worst())
}

// doubtful tells that a refusal came where there was room before. The first ones are
// taken for slots that still count, since their answers ended just before: the round
// counts for nothing, and the rests become longer.
func (r *runner) doubtful(g *gathering) bool {
	p := &r.pacing
	doubt := p.doubts < mostDoubts && slices.ContainsFunc(g.said.Trials, func(t Trial) bool {
		l := r.plan.level(t.Level)
		return t.Refused && l.Accepted > 0 && l.Accepted >= l.Refused
	})
	if doubt {
		p.doubts++
		p.usual *= 2
		r.dropped += len(g.said.Trials)
	}
	return doubt
}

// worst is a stream that was not accepted.
func (g *gathering) worst() *stream {
	worst := g.all[0]
	for _, s := range g.all {
		if !s.accepted() && (worst.accepted() || !s.refused()) {
			worst = s
		}
	}
	return worst
}
