package retry_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/retry"
)

var start = time.Date(2026, 9, 11, 12, 0, 0, 0, time.UTC)

// Each script is a story: a = a first attempt, r = a retry that is paid,
// x = a retry that is refused, . = a second passes.
func TestBudgetStories(t *testing.T) {
	const ten = "rrrrrrrrrr"
	tests := []struct{ name, script string }{
		{"ten retries are free, no more", ten + "x"},
		{"one comes back after ten seconds", ten + "..........rx"},
		{"not a second sooner", ten + ".........x.rx"},
		{"a long rest fills it up to ten", ten + "...................." + "rrx"},
		{"four first attempts pay for one", ten + "aaaxarx"},
		{"what traffic paid is used first", "aaaa" + "r" + ten + "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b retry.Budget
			now := start
			for i, step := range tt.script {
				switch step {
				case '.':
					now = now.Add(time.Second)
				case 'a':
					b.Attempt(now)
				default:
					if got := b.Take(now); got != (step == 'r') {
						t.Fatalf("step %d (%c): paid = %v", i, step, got)
					}
				}
			}
		})
	}
}

func TestTrafficPaysForNoMoreThanTenAhead(t *testing.T) {
	var b retry.Budget
	for range 1000 {
		b.Attempt(start)
	}
	paid := 0
	for paid < 1000 && b.Take(start) {
		paid++
	}
	if paid != 20 {
		t.Errorf("paid %d at once, want ten by traffic and ten free", paid)
	}
}

func TestAClockThatJumpsBackLocksNothing(t *testing.T) {
	var b retry.Budget
	for range 10 {
		b.Take(start)
	}
	earlier := start.Add(-24 * time.Hour)
	if next := b.Next(earlier); next.Sub(earlier) > 10*time.Second {
		t.Errorf("next in %v", next.Sub(earlier))
	}
}

// A ledger is the budget's rule by counting over its whole history. A retry is
// paid by traffic when four unspent first attempts are left of the last forty;
// else the free ones must stay, in each span of time up to now, within ten and one
// more for each ten seconds of it.
type ledger struct {
	history []bool // true: a first attempt; false: a retry that traffic paid
	free    []time.Time
}

func (l *ledger) credit() int {
	credit := 0
	for _, first := range l.history {
		switch {
		case !first:
			credit -= 4
		case credit < 40:
			credit++
		}
	}
	return credit
}

func (l *ledger) freeAt(now time.Time) bool {
	for i, from := range l.free {
		if count := len(l.free) - i + 1; count > 10+int(now.Sub(from)/(10*time.Second)) {
			return false
		}
	}
	return true
}

func (l *ledger) take(now time.Time) bool {
	switch {
	case l.credit() >= 4:
		l.history = append(l.history, false)
	case l.freeAt(now):
		l.free = append(l.free, now)
	default:
		return false
	}
	return true
}

func TestBudgetAgreesWithALedger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			budget retry.Budget
			book   ledger
			now    = start
			firsts int
			paid   int
		)
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"first", "retry", "retry", "rest"}).Draw(t, "step") {
			case "first":
				firsts++
				budget.Attempt(now)
				book.history = append(book.history, true)
			case "rest":
				now = now.Add(time.Duration(rapid.IntRange(0, 25_000).Draw(t, "ms")) * time.Millisecond)
			case "retry":
				next := budget.Next(now)
				got, want := budget.Take(now), book.take(now)
				if got != want || got != next.Equal(now) {
					t.Fatalf("paid = %v, want %v; next was in %v", got, want, next.Sub(now))
				}
				if got {
					paid++
				} else if early := next.Add(-1); book.freeAt(early) || !book.freeAt(next) {
					t.Fatalf("next in %v: %v before, %v then", next.Sub(now), book.freeAt(early), book.freeAt(next))
				}
			}
			// A fifth of all attempts, beside the allowance.
			if free := 10 + int(now.Sub(start)/(10*time.Second)); 5*(paid-free) > firsts+paid-free {
				t.Fatalf("%d retries beside %d first attempts in %v", paid, firsts, now.Sub(start))
			}
		}
	})
}
