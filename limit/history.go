package limit

import (
	"math"
	"time"
)

const (
	forgets   = 2 * time.Hour // half-life of what refusals were taken for
	keptTurns = 12
	keptHours = 24
	maxPoints = 96 // points of the curve by hour
	turnsFor  = 4 * time.Hour
)

// history is what the learner has met: how many refusals it took for what, how
// the limit moved, and the level curve by hour. It decides nothing; it is for
// people, and to name the cause.
type history struct {
	tally   [7]float64 // by cause, forgetting
	cuts    float64
	tallyAt time.Time
	turns   [keptTurns]turn // the last falls of the limit
	fallen  int
	spell   time.Duration // how long a refused probe shuts the lane, on average
	spells  int
	curve   []HourCount // oldest hour first
}

// A turn is a fall of the limit.
type turn struct {
	at       time.Time
	top, low int // the levels that it fell from and to
}

// An HourCount is one point of the level curve of one hour.
type HourCount struct {
	Hour     int32  `json:"hour"`  // hours since the Unix epoch
	Level    int32  `json:"level"` // attempts in flight, the counted one included
	Accepted uint32 `json:"accepted"`
	Refused  uint32 `json:"refused"`
}

// causes are those that a learner books refusals on.
var causes = [...]Cause{ByLevel, ByLag, ByPace, ByWindow, Outsider, ByNoise}

func index(c Cause) int {
	switch c {
	case ByLevel:
		return 1
	case ByLag:
		return 2
	case ByPace:
		return 3
	case ByWindow:
		return 4
	case Outsider:
		return 5
	case ByNoise:
		return 6
	}
	return 0
}

// charge books one refusal on a cause; cut says that the limit fell for it.
func (h *history) charge(now time.Time, c Cause, cut bool) {
	h.chargeMany(now, c, 1)
	if cut {
		h.cuts++
	}
}

func (h *history) chargeMany(now time.Time, c Cause, n int) {
	if !h.tallyAt.IsZero() {
		keep := math.Exp2(-max(0, float64(now.Sub(h.tallyAt))) / float64(forgets)) // a clock that was set back forgets nothing
		for i := range h.tally {
			h.tally[i] *= keep
		}
		h.cuts *= keep
	}
	h.tallyAt = now
	h.tally[index(c)] += float64(n)
}

func (h *history) fell(now time.Time, from, to int) {
	h.turns[h.fallen%keptTurns] = turn{now, from, to}
	h.fallen++
}

// shut records how long a refused probe had shut the lane.
func (h *history) shut(took time.Duration) {
	h.spells++
	if h.spell == 0 {
		h.spell = took
	}
	h.spell += (took - h.spell) / 4
}

// count adds a decided start to the curve of its hour.
func (h *history) count(now time.Time, level int, good bool) {
	p := h.point(int32(now.Unix()/3600), int32(min(level, maxLevel)))
	if good {
		p.Accepted++
	} else {
		p.Refused++
	}
}

func (h *history) point(hour, level int32) *HourCount {
	for i := len(h.curve) - 1; i >= 0 && h.curve[i].Hour >= hour; i-- {
		if h.curve[i].Hour == hour && h.curve[i].Level == level {
			return &h.curve[i]
		}
	}
	drop := 0
	for drop < len(h.curve) && h.curve[drop].Hour <= hour-keptHours {
		drop++
	}
	if drop == 0 && len(h.curve) >= maxPoints {
		drop = 1
	}
	if h.curve == nil {
		h.curve = make([]HourCount, 0, maxPoints)
	}
	h.curve = append(h.curve[:0], h.curve[drop:]...)
	h.curve = append(h.curve, HourCount{Hour: hour, Level: level})
	return &h.curve[len(h.curve)-1]
}

// returns tells whether the limit falls again and again from the same level, or
// from two neighbours: it comes back there in between. A limit that moves by
// itself goes other ways.
func (h *history) returns(now time.Time) bool {
	var tops [keptTurns]int
	falls, low, high := 0, 1<<16, 0
	for i := max(0, h.fallen-keptTurns); i < h.fallen; i++ {
		if t := h.turns[i%keptTurns]; now.Sub(t.at) <= turnsFor {
			tops[falls] = t.top
			low, high = min(low, t.top), max(high, t.top)
			falls++
		}
	}
	most := 0
	for i := range falls {
		n := 0
		for j := range falls {
			if tops[j] == tops[i] {
				n++
			}
		}
		most = max(most, n)
	}
	return falls >= 3 && low == high || falls >= 4 && 3*most >= 2*falls || falls >= 8 && high-low <= 1
}

// span describes the falls of late: how many, between which levels, since when.
func (h *history) span(now time.Time) (falls, top, low int, since time.Time) {
	since = now
	for i := max(0, h.fallen-keptTurns); i < h.fallen; i++ {
		t := h.turns[i%keptTurns]
		if now.Sub(t.at) > turnsFor {
			continue
		}
		if falls++; falls == 1 {
			since, low = t.at, t.low
		}
		top, low = max(top, t.top), min(low, t.low)
	}
	return falls, top, low, since
}

// Cause names what the learner has met; [NoCause] is "cannot tell yet".
func (l *Learner) Cause(now time.Time) Cause {
	h := &l.history
	lag, pace := l.lag.val > 0 || l.abandoned.val > 0, l.pace.val > 0
	switch {
	case lag && (!pace || h.tally[index(ByLag)] >= h.tally[index(ByPace)]):
		return ByLag
	case pace:
		return ByPace
	case h.tally[index(ByWindow)] >= 4 && h.tally[index(ByWindow)] >= h.tally[index(ByLevel)]/2:
		return ByWindow
	case h.tally[index(ByNoise)] >= 2 && h.tally[index(ByNoise)] >= 4*h.cuts:
		return ByNoise
	case h.tally[index(ByNoise)] <= 0.7*h.cuts && h.returns(now):
		return Outsider
	case h.tally[index(ByLevel)] > 0:
		return ByLevel
	}
	return NoCause
}

// Met tells whether anything has been refused.
func (l *Learner) Met() bool { return !l.lastRefused.IsZero() || !l.above.IsZero() }

// Hours returns the accepted and refused starts of the last 24 hours by hour and
// level, the oldest hour first.
func (l *Learner) Hours() []HourCount { return append([]HourCount{}, l.history.curve...) }
