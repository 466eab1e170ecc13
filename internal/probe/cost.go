package probe

import (
	"fmt"
	"time"
)

// A Cost is what a probe will take, in the account's use and in time.
type Cost struct {
	LeastCalls, MostCalls   int
	LeastTokens, MostTokens int
	Least, Most             time.Duration
}

const (
	promptTokens = 40 // of a question with what is around it
	usualRounds  = 45
	callTime     = 8 * time.Second // of a long answer, from a real provider
)

// Estimate says beforehand what a probe of so many levels and rounds takes: the least
// if the provider bears one stream at a time, the most if it bears them all. The most
// calls are a bound.
func Estimate(most, rounds int) Cost {
	usual := min(usualRounds, rounds)
	c := Cost{
		LeastCalls: usual, MostCalls: rounds * most,
		Least: time.Duration(usual) * 2 * time.Second, Most: time.Duration(rounds) * (callTime + 2*time.Second + slowRest),
	}
	c.LeastTokens = c.LeastCalls * (promptTokens + shortAnswer)
	c.MostTokens = c.MostCalls * (promptTokens + longAnswer)
	return c
}

// String says it in one sentence.
func (c Cost) String() string {
	return fmt.Sprintf("%d to %d calls, %s to %s tokens, %d to %d minutes",
		c.LeastCalls, c.MostCalls, thousands(c.LeastTokens), thousands(c.MostTokens), minutes(c.Least), minutes(c.Most))
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

func minutes(d time.Duration) int { return int((d + time.Minute - 1) / time.Minute) }
