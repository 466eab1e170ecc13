package limit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/limit"
)

// TestAHoldOutlivesWhateverIsLearned: it is the caller's word that nothing is probed,
// and no verdict takes it back.
func TestAHoldOutlivesWhateverIsLearned(t *testing.T) {
	const hold = 10 * time.Hour
	tests := []struct{ name, before, after string }{
		{"nothing happens", "?a ~1s +a", ""},
		{"a probe has no verdict for long", "?a ~1s +a ?b", "~25s /a ?c"},
		{"a probe that runs is accepted", "?a ~1s +a ?b", "~1s +b"},
		{"a probe that runs is refused", "?a ~1s +a ?b", "~1s -b"},
		{"the limit falls", "?a ~1s +a ?b ~1s +b ?c ~1s +c ~20s /c", "?d -d ~5s ?e -e ~1s /a /b ?f ~1s +f ?g ~1s +g"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &story{t: t, learner: limit.New(limit.Config{}), now: start, attempts: map[string]limit.Start{}}
			for step := range strings.FieldsSeq(tt.before) {
				s.play(step)
			}
			until := s.now.Add(hold)
			s.learner.Hold(until)
			for step := range strings.FieldsSeq(tt.after) {
				s.play(step)
			}
			for _, a := range s.attempts {
				s.learner.Ended(s.now, a, limit.Answered)
			}
			// An hour later each level is accepted again, and one more is asked for.
			s.now = s.now.Add(time.Hour)
			n := s.learner.Stable()
			for i := range n {
				s.learner.Accepted(s.now, s.learner.Start(s.now, i, limit.Permit{OK: true}))
				s.now = s.now.Add(time.Minute)
			}
			if p := s.learner.May(s.now, n); p.OK {
				t.Errorf("%s before the end of the hold it may start %+v (%d stable): %s", until.Sub(s.now), p, n, strings.Join(s.log, " "))
			}
			s.now = until
			if p := s.learner.May(s.now, n); !p.Probe {
				t.Errorf("at its end: %+v", p)
			}
		})
	}
}
