package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

// scraped returns the lines of weir's own metrics.
func scraped(t *testing.T, m *Metrics) []string {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	var own []string
	for line := range strings.Lines(rec.Body.String()) {
		if strings.HasPrefix(line, "weir_") {
			own = append(own, strings.TrimSpace(line))
		}
	}
	return own
}

func wantLines(t *testing.T, m *Metrics, want ...string) {
	t.Helper()
	got := scraped(t, m)
	have := map[string]bool{}
	for _, line := range got {
		have[line] = true
	}
	for _, line := range want {
		if !have[line] {
			t.Errorf("no line %q in\n%s", line, strings.Join(got, "\n"))
		}
	}
}

func empty() weir.Snapshot { return weir.Snapshot{} }

func TestCountersAreThereFromTheFirstScrape(t *testing.T) {
	wantLines(t, New(empty),
		`weir_attempts_total{verdict="ok"} 0`, `weir_attempts_total{verdict="concurrency"} 0`, `weir_attempts_total{verdict="transport"} 0`,
		`weir_limit_changes_total{reason="probe-accepted"} 0`, `weir_limit_changes_total{reason="level-failing"} 0`,
		`weir_queue_wait_seconds_count 0`, `weir_merged_frames_total 0`, `weir_cut_answers_total 0`)
}

func TestEventsAreCounted(t *testing.T) {
	m := New(empty)
	for _, ev := range []weir.Event{
		{Kind: pool.Admitted, Attempt: 1, Waited: 300 * time.Millisecond},
		{Kind: pool.Refused, Verdict: provider.Concurrency},
		{Kind: pool.Released, Took: 50 * time.Millisecond},
		{Kind: pool.Admitted, Attempt: 2, Waited: 300 * time.Millisecond},
		{Kind: pool.Accepted, Verdict: provider.OK},
		{Kind: pool.LimitChanged, Reason: "probe-accepted"},
		{Kind: pool.Released, Took: 2 * time.Second},
		{Kind: pool.Paused}, {Kind: pool.Done}, {Kind: pool.Left},
	} {
		m.Observe(ev)
	}
	wantLines(t, m,
		`weir_attempts_total{verdict="ok"} 1`, `weir_attempts_total{verdict="concurrency"} 1`, `weir_limit_changes_total{reason="probe-accepted"} 1`,
		`weir_queue_wait_seconds_count 1`, `weir_queue_wait_seconds_bucket{le="0.25"} 0`, `weir_queue_wait_seconds_bucket{le="0.5"} 1`,
		`weir_attempt_duration_seconds_count 2`, `weir_attempt_duration_seconds_sum 2.05`,
		`weir_attempt_duration_seconds_bucket{le="0.1"} 1`, `weir_attempt_duration_seconds_bucket{le="2.5"} 2`)
}

func TestRequestsAreCounted(t *testing.T) {
	m := New(empty)
	for _, r := range []Request{
		{Outcome: "ok", FirstByte: 20 * time.Millisecond, Merged: 2},
		{Outcome: "ok", FirstByte: 2 * time.Minute},
		{Outcome: "cut", FirstByte: time.Second, Cut: true},
		{Outcome: "left", Cut: true},
		{Outcome: "max-wait"},
	} {
		m.Request(r)
	}
	wantLines(t, m,
		`weir_requests_total{outcome="ok"} 2`, `weir_requests_total{outcome="cut"} 1`, `weir_requests_total{outcome="left"} 1`, `weir_requests_total{outcome="max-wait"} 1`,
		`weir_time_to_first_byte_seconds_count 3`, `weir_time_to_first_byte_seconds_bucket{le="0.025"} 1`, `weir_time_to_first_byte_seconds_bucket{le="120"} 3`,
		`weir_merged_frames_total 2`, `weir_cut_answers_total 2`)
}

func TestLanesAreGauges(t *testing.T) {
	m := New(func() weir.Snapshot {
		return weir.Snapshot{Accounts: []pool.Snapshot{
			{Account: "zai/a", Limit: 5, Lanes: []pool.LaneSnapshot{
				{Lane: "zai/a/busy", Limit: 3, InFlight: 2, Queued: 7, Retrying: 1},
				{Lane: "zai/a/paused", Limit: 1, Paused: &pool.PauseSnapshot{}},
				{Lane: "zai/a/held", Limit: 1, Held: &pool.HoldSnapshot{}},
				{Lane: "zai/a/closed", Limit: 1, Closed: &pool.Closure{}},
			}},
			{Account: "zai/b", Limit: 1, Flagged: &pool.Closure{}, Lanes: []pool.LaneSnapshot{{Lane: "zai/b/x", Limit: 1}}},
		}}
	})
	wantLines(t, m,
		`weir_limit{lane="zai/a"} 5`, `weir_limit{lane="zai/a/busy"} 3`, `weir_in_flight{lane="zai/a/busy"} 2`, `weir_queued{lane="zai/a/busy"} 7`,
		`weir_retrying{lane="zai/a/busy"} 1`, `weir_paused{lane="zai/a/busy"} 0`, `weir_paused{lane="zai/a/paused"} 1`, `weir_paused{lane="zai/a/held"} 1`,
		`weir_paused{lane="zai/a/closed"} 1`, `weir_paused{lane="zai/b/x"} 1`)
}

func TestLabelsAreBounded(t *testing.T) {
	const accounts, each = 500, 3
	m := New(func() weir.Snapshot {
		var s weir.Snapshot
		for a := range accounts {
			account := pool.Snapshot{Account: fmt.Sprintf("zai/%d", a), Limit: 1}
			for l := range each {
				account.Lanes = append(account.Lanes, pool.LaneSnapshot{Lane: fmt.Sprintf("zai/%d/%d", a, l), Limit: 1, InFlight: 1, Queued: 2, Retrying: 1})
			}
			s.Accounts = append(s.Accounts, account)
		}
		return s
	})
	const rest = accounts*each - maxLanes
	wantLines(t, m, fmt.Sprintf(`weir_in_flight{lane="other"} %d`, rest), fmt.Sprintf(`weir_queued{lane="other"} %d`, 2*rest), fmt.Sprintf(`weir_retrying{lane="other"} %d`, rest))
	counts := map[string]int{}
	for _, line := range scraped(t, m) {
		name, _, labelled := strings.Cut(line, `{lane=`)
		if labelled {
			counts[name]++
		}
	}
	for name, want := range map[string]int{
		"weir_in_flight": maxLanes + 1, "weir_queued": maxLanes + 1, "weir_retrying": maxLanes + 1, "weir_paused": maxLanes, "weir_limit": 2 * maxLanes,
	} {
		if counts[name] != want {
			t.Errorf("%d lines of %s, want %d", counts[name], name, want)
		}
	}
}

func TestStrangeNamesDoNotBreakTheScrape(t *testing.T) {
	m := New(func() weir.Snapshot {
		return weir.Snapshot{Accounts: []pool.Snapshot{{Account: "zai/a", Lanes: []pool.LaneSnapshot{{Lane: "zai/a/a\"b\n\\c", InFlight: 1}, {Lane: "zai/a/\xff\xfe", InFlight: 1}}}}}
	})
	wantLines(t, m, `weir_in_flight{lane="zai/a/a\"b\n\\c"} 1`)
}
