package main

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestStateSum(t *testing.T) {
	tests := []struct {
		name, text string
		want       float64
	}{
		{"nothing there", `{}`, 0},
		{"lanes are added up", `{"lanes":[{"queued":2},{"queued":3}]}`, 5},
		{"classes are added up", `{"lanes":[{"queued":{"interactive":2,"background":1}}]}`, 3},
		{"a total counts instead of its parts", `{"pools":[{"queued":5,"lanes":[{"queued":2},{"queued":3}]}]}`, 5},
		{"two views of the same count once", `{"pools":[{"queued":5}],"lanes":[{"queued":2},{"queued":3}]}`, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s state
			if err := json.Unmarshal([]byte(tt.text), &s.tree); err != nil {
				t.Fatal(err)
			}
			if got := s.sum("queued"); got != tt.want {
				t.Errorf("sum = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestMetric(t *testing.T) {
	tests := []struct {
		name, text string
		want       float64
		fails      bool
	}{
		{"nothing there", "# HELP wait_sum Waits.\nother_sum 3\n", 0, false},
		{"one without labels", "wait_sum 1.5\n", 1.5, false},
		{"lanes are added up", "wait_sum{lane=\"a b\"} 1.5\nwait_sum{lane=\"c\"} 2e-1\n", 1.7, false},
		{"a longer name is another", "wait_sum_total 4\nwait_sum 1\n", 1, false},
		{"no number", "wait_sum x\n", 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := metric(tt.text, "wait_sum")
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("metric = %v, %v; want %v, failure %t", got, err, tt.want, tt.fails)
			}
		})
	}
}

func TestHandover(t *testing.T) {
	ended := call{Account: "a", Outcome: "answered", Arrived: 1e6, Freed: 5e6}
	tests := []struct {
		name  string
		calls []call
		want  float64
		ok    bool
	}{
		{"nobody has come yet", []call{ended}, 0, false},
		{"the next has come", []call{ended, {Account: "a", Outcome: "open", Arrived: 7e6}}, 2, true},
		{"another account's call does not count", []call{ended, {Account: "b", Outcome: "open", Arrived: 7e6}}, 0, false},
		{"one that was there before does not count", []call{ended, {Account: "a", Outcome: "open", Arrived: 2e6}}, 0, false},
		{"the last end counts", []call{ended, {Account: "a", Outcome: "answered", Arrived: 6e6, Freed: 8e6}, {Account: "a", Outcome: "open", Arrived: 9e6}}, 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := handover(tt.calls, "a")
			if got != tt.want || ok != tt.ok {
				t.Errorf("handover = %v, %t; want %v, %t", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestJudgeCountsRefusalsAndOvertakings(t *testing.T) {
	const ms = 1_000_000
	var o outcome
	o.judge([]call{
		{ID: "0", Arrived: 10 * ms, Outcome: "refused"},
		{ID: "1", Arrived: 40 * ms, Outcome: "answered"},
		{ID: "0", Arrived: 90 * ms, Outcome: "answered"}, // kept its place: its first arrival counts
		{ID: "2", Arrived: 20 * ms, Outcome: "answered"},
	}, []int64{0, 10 * ms, 20 * ms})
	if o.refusals != 1 || o.overtakings != 1 {
		t.Errorf("%d refusals and %d overtakings, want 1 and 1", o.refusals, o.overtakings)
	}
}

func TestReportIsOneLineOfJSON(t *testing.T) {
	r := report{Scenario: "s0", About: "a test", Rows: []row{
		compare("cpu", "µs", []float64{10, 20, 30}, []float64{11, 21, 60}).atMost(1.4),
		only("next", "ms", 1.5).below(1),
		compare("nothing", "", nil, nil),
	}}
	var b strings.Builder
	if err := r.write(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	var got struct {
		Rows []struct {
			Bare, Weir, Ratio *float64
			Met               *bool
		}
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &got); err != nil {
		t.Fatal(err)
	}
	first, second, third := got.Rows[0], got.Rows[1], got.Rows[2]
	if *first.Bare != 20 || *first.Weir != 21 || math.Abs(*first.Ratio-1.1) > 1e-9 || !*first.Met {
		t.Errorf("first row: %s", lines[len(lines)-1])
	}
	if second.Bare != nil || second.Ratio != nil || *second.Met {
		t.Errorf("second row: %s", lines[len(lines)-1])
	}
	if third.Weir != nil || third.Met != nil {
		t.Errorf("third row: %s", lines[len(lines)-1])
	}
}

func TestChoose(t *testing.T) {
	if all, err := choose("all"); err != nil || len(all) != len(scenarios()) {
		t.Errorf("all: %d scenarios, %v", len(all), err)
	}
	if two, err := choose("s5,s1"); err != nil || len(two) != 2 || two[0].name != "s5" {
		t.Errorf("two: %v, %v", two, err)
	}
	if _, err := choose("s1,s9"); err == nil {
		t.Error("an unknown scenario was taken")
	}
}
