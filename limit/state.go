package limit

import (
	"fmt"
	"time"
)

// Version is the version of [State]. A state of another version is not read.
const Version = 1

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
}

// Counted is a [Level] as it is kept.
type Counted struct {
	Accepted uint64    `json:"accepted"`
	Refused  uint64    `json:"refused"`
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
	return s
}

// Restore returns a learner that goes on from a state. Bounds win over what
// was learned under others. A state of another version, or one that no learner
// could have written, is an error.
func Restore(cfg Config, s State) (*Learner, error) {
	if s.Version != Version {
		return nil, fmt.Errorf("limit: state has version %d, want %d", s.Version, Version)
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
	return l, nil
}

// A LevelCount is one point of the level curve.
type LevelCount struct {
	Level    int    `json:"level"` // attempts in flight, the counted one included
	Accepted uint64 `json:"accepted"`
	Refused  uint64 `json:"refused"`
}

// Curve returns the accepted and refused starts by level, lowest first.
func (l *Learner) Curve() []LevelCount {
	curve := make([]LevelCount, 0, len(l.levels))
	for n, lv := range l.levels {
		if lv.Accepted+lv.Refused == 0 {
			continue
		}
		curve = append(curve, LevelCount{Level: n, Accepted: lv.Accepted, Refused: lv.Refused})
	}
	return curve
}
