package report

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirhq/weir/internal/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when the tests' stories begin.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// rows is a journal in memory. What ended before a moment is left out as the file does.
type rows []journal.Row

func (all rows) Rows(_ context.Context, since time.Time) iter.Seq2[journal.Row, error] {
	return func(yield func(journal.Row, error) bool) {
		var noted time.Time
		for _, row := range all {
			if r, ok := row.(journal.Request); ok && r.End.After(noted) {
				noted = r.End
			}
			if !noted.Before(since) && !yield(row, nil) {
				return
			}
		}
	}
}

// tried is a request with an attempt for each verdict, 100 ms each and the last 10 s, at a
// level.
func tried(lane string, at time.Time, level int, verdicts ...string) journal.Request {
	r := journal.Request{ID: "weirs-own", Lane: lane, Session: "a-session", Tool: "opencode", Dialect: "openai", Start: at, Admitted: at, Tries: len(verdicts), Status: 200, Outcome: "ok"}
	for i, v := range verdicts {
		took := 100 * time.Millisecond
		if i == len(verdicts)-1 {
			took = 10 * time.Second
		}
		a := journal.Attempt{Start: at, End: at.Add(took), InFlight: level, Verdict: v, ProviderID: fmt.Sprintf("id%d%06d", i, at.Unix()%1000000)}
		if v == "concurrency" {
			a.Code = "1302"
		}
		at = a.End
		r.Attempts = append(r.Attempts, a)
		r.InFlight, r.Verdict, r.Code, r.ProviderID, r.End = level, v, a.Code, a.ProviderID, a.End
	}
	return r
}

const glm = "zai-coding/f00d/glm-5.2"

// monthLong is how long a month of tests is.
const monthLong = 30 * 24 * time.Hour

// month is 30 days of a heavy user, n requests in order of their ends.
func month(n int, from time.Time) rows {
	rnd := rand.New(rand.NewPCG(1, 2))
	step := monthLong / time.Duration(n)
	all := make(rows, 0, n+n/100)
	for i := range n {
		at := from.Add(time.Duration(i) * step)
		lane := glm
		if i%7 == 0 {
			lane = "zai-coding/f00d/glm-4.6"
		}
		level := 1 + rnd.IntN(4)
		verdicts := []string{"ok"}
		if chance := rnd.IntN(100); level == 3 && chance < 30 || level == 4 && chance < 70 {
			verdicts = []string{"concurrency", "ok"}
		} else if chance == 99 {
			verdicts = []string{"overload", "ok"}
		}
		r := tried(lane, at, level, verdicts...)
		r.Session = fmt.Sprintf("session-%d", i%10_000)
		r.Waited = time.Duration(rnd.IntN(3000)) * time.Millisecond
		r.Start = at.Add(-r.Waited)
		all = append(all, r)
		if i%100 == 0 {
			all = append(all, journal.Change{At: at, Kind: "limit-changed", Lane: lane, Limit: 2 + i/100%2, Level: 3, Reason: "probe-accepted", Why: "2 is stable: 80 of 80 accepted"})
		}
	}
	slices.SortStableFunc(all, func(a, b journal.Row) int { return ended(a).Compare(ended(b)) })
	return all
}

func ended(row journal.Row) time.Time {
	switch r := row.(type) {
	case journal.Request:
		return r.End
	case journal.Change:
		return r.At
	}
	return time.Time{}
}

// collect makes a report of rows.
func collect(t *testing.T, all rows, o Options) *Report {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = noon().Add(30 * 24 * time.Hour)
	}
	r, err := Collect(t.Context(), all, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
