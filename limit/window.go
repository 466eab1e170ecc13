package limit

import "time"

// A Sample is one start as evidence: how full the lane was, and how soon it
// came after the last start and the last four releases. From these a later
// learner can tell a level from a pace and from a slot that is counted on after
// its answer has ended.
type Sample struct {
	At           time.Time
	Level        int              // attempts in flight, itself included
	Probe        bool             // it was one above the stable level
	SinceStart   time.Duration    // since the start before it; the longest duration if there was none
	SinceRelease [4]time.Duration // since the last releases, newest first; likewise
	Accepted     bool             // the verdict, once there is one
}

const windowSize = 64

// window keeps the last decided starts.
type window struct {
	samples [windowSize]Sample
	n       int // how many were ever added
}

func (w *window) add(s Sample, accepted bool) {
	s.Accepted = accepted
	w.samples[w.n%windowSize] = s
	w.n++
}

// Samples returns the last decided starts, at most 64, in the order of their
// verdicts.
func (l *Learner) Samples() []Sample {
	w := &l.window
	out := make([]Sample, 0, min(w.n, windowSize))
	for i := max(0, w.n-windowSize); i < w.n; i++ {
		out = append(out, w.samples[i%windowSize])
	}
	return out
}
