package lab

import (
	"fmt"
	"testing"
	"time"
)

// steps runs a limiter through a story: + a success and - a refusal of a start now,
// o one of a start under the first epoch; it returns the limit after each.
func steps(rule limiter, story string) string {
	var all []int
	first := rule.epoch()
	for _, what := range story {
		c := &call{epoch: rule.epoch(), level: rule.limit()}
		switch what {
		case '+':
			rule.accepted(c, 2*time.Second)
			rule.ended(c, true)
		case '-':
			rule.refused(c)
		case 'o':
			c.epoch = first
			rule.refused(c)
		case 'i':
			rule.idle(10*time.Minute, 4*time.Minute)
		}
		all = append(all, rule.limit())
	}
	return fmt.Sprint(all)
}

func TestLimiters(t *testing.T) {
	tests := []struct {
		name  string
		rule  limiter
		story string
		want  string
	}{
		{"fixed", fixed{}, "++-+", "[1 1 1 1]"},
		{"aimd adds one a round", &aimd{window: 1}, "++++++", "[2 2 2 3 3 3]"},
		{"aimd halves once a wave", &aimd{window: 8}, "-o-", "[4 4 2]"},
		{"vendor adds one after four", newVendor(), "+++++++++", "[8 8 8 9 9 9 9 10 10]"},
		{"vendor falls to what was good", newVendor(), "++++-", "[8 8 8 9 8]"},
		{"vendor falls to three quarters", newVendor(), "-o--", "[6 6 4 3]"},
		{"vendor never falls below one", &vendor{cap: 1}, "--", "[1 1]"},
		{"vendor begins anew", newVendor(), "-i", "[6 8]"},
		{"vendor never exceeds twice its start", &vendor{cap: 16}, "++++", "[16 16 16 16]"},
		{"gradient adds while nothing grows", newGradient(), "+++-", "[1 2 3 3]"},
	}
	for _, tt := range tests {
		if got := steps(tt.rule, tt.story); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestGradientFallsWhenTimesGrow(t *testing.T) {
	g := newGradient()
	for range 100 {
		g.accepted(&call{level: g.limit()}, time.Second)
	}
	high := g.limit()
	for range 20 {
		g.accepted(&call{level: g.limit()}, 10*time.Second)
	}
	if g.limit() >= high {
		t.Errorf("from %d to %d", high, g.limit())
	}
	low := g.limit()
	g.accepted(&call{level: 0}, time.Second)
	if g.limit() != low {
		t.Error("a call of a half-empty window changes it")
	}
}

func TestFifo(t *testing.T) {
	var f fifo
	calls := make([]*call, 300)
	for i := range calls {
		calls[i] = &call{who: i}
		f.push(calls[i])
	}
	for i, c := range calls {
		if f.len() != 300-i || f.first() != c || f.pop() != c {
			t.Fatalf("not the %dth", i)
		}
		f.unpop(c)
		if f.pop() != c {
			t.Fatalf("what was put back is not the first: %d", i)
		}
	}
	f.unpop(calls[0])
	if f.len() != 1 || f.pop() != calls[0] {
		t.Error("an empty one takes nothing back")
	}
}

func TestAgendaIsInOrder(t *testing.T) {
	var a agenda
	for _, at := range []time.Duration{5, 3, 5, 1, 3, 9} {
		a.plan(event{at: at})
	}
	var got []string
	for a.next() != never {
		e := a.pop()
		got = append(got, fmt.Sprintf("%d/%d", e.at, e.seq))
	}
	if want := "[1/4 3/2 3/5 5/1 5/3 9/6]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}
