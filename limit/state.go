package limit

import (
	"fmt"
	"slices"
	"time"
)

// Version is the version of [State]. A state of an older one is
// read, of a newer one not.
const Version = 2

// maxLevel is the highest level that a state may speak of: far above what any
// provider bears, low enough that a damaged state costs no memory.
const maxLevel = 1 << 16

// State is what a learner knows that outlives a restart: a small value that
// can be written as JSON. What is momentary (doubts, gates, the window of
// samples) is not part of it.
type State struct {
	Version int             `json:"version"`
	Stable  int             `json:"stable"`
	Tokens  float64         `json:"tokens"`
	Wait    time.Duration   `json:"wait"` // nanoseconds
	Next    time.Time       `json:"next"`
	Careful bool            `json:"careful"`
	Levels  map[int]Counted `json:"levels"`

	Lag       Gap         `json:"lag,omitzero"`
	Abandoned Gap         `json:"abandoned,omitzero"`
	Pace      Gap         `json:"pace,omitzero"`
	Quiet     time.Time   `json:"quiet,omitzero"` // no probe before, whatever is learned
	Above     time.Time   `json:"above,omitzero"` // when the level above was refused last
	Hours     []HourCount `json:"hours,omitempty"`
	History   Tally       `json:"history,omitzero"`
}

// A Gap is a learned length of time as it is kept; durations in nanoseconds.
type Gap struct {
	Value   time.Duration `json:"value,omitempty"`
	Low     time.Duration `json:"low,omitempty"`
	High    time.Duration `json:"high,omitempty"`
	Settled bool          `json:"settled,omitempty"`
	Proved  bool          `json:"proved,omitempty"` // High was seen to hold
	Blamed  bool          `json:"blamed,omitempty"` // something was refused below it
	Pause   int           `json:"pause,omitempty"`  // starts between looks below
	Refused uint64        `json:"refused,omitempty"`

	Explained int `json:"explained,omitempty"` // refusals, when it was found
	Of        int `json:"of,omitempty"`
}

// A Tally is what refusals were taken for, as it is kept.
type Tally struct {
	At     time.Time         `json:"at,omitzero"`
	Causes map[Cause]float64 `json:"causes,omitempty"`
	Cuts   float64           `json:"cuts,omitempty"`
	Falls  []Fall            `json:"falls,omitempty"`
	Spell  time.Duration     `json:"spell,omitempty"` // how long a refused probe shuts the lane, nanoseconds
	Spells int               `json:"spells,omitempty"`
}

// A Fall is a fall of the limit from Top to Low.
type Fall struct {
	At  time.Time `json:"at"`
	Top int       `json:"top"`
	Low int       `json:"low"`
}

// Counted is a [Level] as it is kept.
type Counted struct {
	Accepted uint64    `json:"accepted"`
	Refused  uint64    `json:"refused"`
	Late     uint64    `json:"late,omitempty"`
	Score    float64   `json:"score"`
	Last     time.Time `json:"last"`
}

// State returns what is worth keeping.
func (l *Learner) State() State {
	s := State{Version: Version, Stable: l.stable, Tokens: l.tokens, Wait: l.wait, Next: l.next, Careful: l.careful, Levels: make(map[int]Counted, len(l.levels))}
	for n, lv := range l.levels {
		if lv != (Level{}) {
			s.Levels[n] = Counted(lv)
		}
	}
	s.Lag, s.Abandoned, s.Pace, s.Above = l.lag.keep(), l.abandoned.keep(), l.pace.keep(), l.above
	s.Quiet = l.quiet
	s.Hours, s.History = slices.Clone(l.history.curve), l.history.keep()
	return s
}

// Restore returns a learner that goes on from a state. Bounds win over what
// was learned under others. A state of another version, or one that no learner
// could have written, is an error.
func Restore(cfg Config, s State) (*Learner, error) {
	if s.Version < 1 || s.Version > Version {
		return nil, fmt.Errorf("limit: state has version %d, want at most %d", s.Version, Version)
	}
	if s.Stable < 1 || s.Wait < 0 || s.Tokens != s.Tokens {
		return nil, fmt.Errorf("limit: state is damaged (stable %d, wait %s, tokens %g)", s.Stable, s.Wait, s.Tokens)
	}
	l := New(cfg)
	l.stable = min(max(s.Stable, l.cfg.Min), l.cfg.Max)
	l.tokens = min(max(s.Tokens, minTokens), maxTokens)
	l.wait = min(max(s.Wait, firstWait), maxWait)
	l.next, l.careful = s.Next, s.Careful
	for n, lv := range s.Levels {
		if n < 1 || n > maxLevel || lv.Score < 0 || lv.Score != lv.Score {
			return nil, fmt.Errorf("limit: state is damaged (level %d, score %g)", n, lv.Score)
		}
		*l.level(n) = Level(lv)
	}
	l.lag.restore(s.Lag)
	l.abandoned.restore(s.Abandoned)
	if s.Pace.Value > mostPace {
		l.pace.most = mostToldPace
	}
	l.pace.restore(s.Pace)
	l.above, l.quiet = s.Above, s.Quiet
	l.history.restore(s.Hours, s.History)
	return l, nil
}

func (g *gap) keep() Gap {
	return Gap{Value: g.val, Low: g.lo, High: g.hi, Settled: g.state == settled, Proved: g.proved, Blamed: g.blamed, Pause: g.pause, Refused: g.refused, Explained: g.explained, Of: g.of}
}

// restore brings a kept gap back; one that cannot be is none.
func (g *gap) restore(k Gap) {
	if k.Value <= 0 || k.Value > g.most || k.Low < 0 || k.Low > g.most || k.High < 0 || k.High > g.most {
		return
	}
	g.val, g.lo, g.hi, g.refused, g.strike = k.Value, k.Low, k.High, k.Refused, -1
	g.explained, g.of, g.proved, g.blamed = k.Explained, k.Of, k.Proved, k.Blamed
	g.pause = min(max(k.Pause, firstLook), maxLook)
	g.state = searching
	if k.Settled {
		g.state = settled
	}
}

func (h *history) keep() Tally {
	t := Tally{At: h.tallyAt, Cuts: h.cuts, Spell: h.spell, Spells: h.spells}
	for _, c := range causes {
		if n := h.tally[index(c)]; n > 0 {
			if t.Causes == nil {
				t.Causes = map[Cause]float64{}
			}
			t.Causes[c] = n
		}
	}
	for i := max(0, h.fallen-keptTurns); i < h.fallen; i++ {
		t.Falls = append(t.Falls, Fall{At: h.turns[i%keptTurns].at, Top: h.turns[i%keptTurns].top, Low: h.turns[i%keptTurns].low})
	}
	return t
}

func (h *history) restore(curve []HourCount, t Tally) {
	h.curve = slices.Clone(curve[max(0, len(curve)-maxPoints):])
	h.tallyAt, h.cuts, h.spell, h.spells = t.At, t.Cuts, t.Spell, t.Spells
	for _, c := range causes {
		h.tally[index(c)] = t.Causes[c]
	}
	for _, f := range t.Falls[max(0, len(t.Falls)-keptTurns):] {
		h.fell(f.At, f.Top, f.Low)
	}
}

// A LevelCount is one point of the level curve.
type LevelCount struct {
	Level    int    `json:"level"` // attempts in flight, the counted one included
	Accepted uint64 `json:"accepted"`
	Refused  uint64 `json:"refused"`
	Late     uint64 `json:"late,omitempty"` // accepted, but so late that the provider must have kept them waiting
}

// Curve returns the accepted and refused starts by level, lowest first.
func (l *Learner) Curve() []LevelCount {
	curve := make([]LevelCount, 0, len(l.levels))
	for n, lv := range l.levels {
		if lv.Accepted+lv.Refused+lv.Late == 0 {
			continue
		}
		curve = append(curve, LevelCount{Level: n, Accepted: lv.Accepted, Refused: lv.Refused, Late: lv.Late})
	}
	return curve
}
