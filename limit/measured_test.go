package limit

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMeasuredIsWhereItGoesOn(t *testing.T) {
	now := time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC)
	l := New(Config{Max: 8})
	l.Measured(now, 3, []LevelCount{{Level: 3, Accepted: 40}, {Level: 4, Accepted: 1, Refused: 6}, {Level: -1, Refused: 9}})
	if l.Stable() != 3 || l.Limit() != 3 {
		t.Errorf("it starts from %d, with %d at a time", l.Stable(), l.Limit())
	}
	if why := l.Explain(now); !strings.Contains(why, "3 is stable: 40 of 40 accepted; 4 was refused 6 of 7") {
		t.Errorf("it says %q", why)
	}
}

// What a state is measured to, a learner has that is restored from it.
func TestMeasuredStateIsOneThatIsRestored(t *testing.T) {
	now := time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 30).Draw(t, "max")
		stable := rapid.IntRange(1, 40).Draw(t, "stable")
		counts := rapid.SliceOf(rapid.Custom(func(t *rapid.T) LevelCount {
			return LevelCount{Level: rapid.IntRange(-1, 50).Draw(t, "level"), Accepted: rapid.Uint64Range(0, 100).Draw(t, "accepted"), Refused: rapid.Uint64Range(0, 100).Draw(t, "refused")}
		})).Draw(t, "counts")
		var s State
		if rapid.Bool().Draw(t, "old") {
			s = New(Config{}).State()
		}
		s, err := s.Measured(now, stable, counts)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back State
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		l, err := Restore(Config{Max: most}, back)
		if err != nil {
			t.Fatal(err)
		}
		if l.Stable() != min(stable, most) {
			t.Fatalf("stable is %d, measured %d, at most %d", l.Stable(), stable, most)
		}
	})
}
