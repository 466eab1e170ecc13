package scenario

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// familyCauses says of each family of the laboratory's files, by the beginning of
// their names, what a learner may rightly name there.
var familyCauses = map[string]string{
	"hard-": "level", "first-hour-": "level", "soft-": "level", "drift-": "level", "holding-": "level", "batch-": "level",
	"noise-": "noise", "lag-": "lag", "abort-lag": "lag", "batch-lag-": "lag",
	"outsiders-": "outsider", "account-5": "account", "account-own": "level",
	"pace-1s": "level pace", "pace-3s": "pace", "pace-5s": "pace", "bucket": "pace", "pace-level-": "level pace",
	"fixed-minute": "level pace window", "penalty-": "window",
	"hints-half-": "level", "hints-all-": "level window", "outage-": "overload",
	"bursty-l2-": "level", "bursty-l4-1": "", "bursty-l4-3": "level", "low": "", "bursty-drift": "level",
	"mixed": "level lag overload", "pair-lag": "level lag", "pair-noise": "level", "pair-hints": "level", "pair-outage": "level overload",
}

func TestCausesOfTheFamilies(t *testing.T) {
	files, err := filepath.Glob("../lab/scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		family := ""
		for f := range familyCauses {
			if strings.HasPrefix(name, f) && len(f) > len(family) {
				family = f
			}
		}
		if family == "" {
			t.Errorf("%s belongs to no family", name)
			continue
		}
		seen[family] = true
		s, err := ReadFile(file)
		if err != nil {
			t.Error(err)
		} else if got := causeNames(s.Causes()); got != familyCauses[family] {
			t.Errorf("%s: causes %q, want %q", name, got, familyCauses[family])
		}
	}
	if len(seen) != len(familyCauses) {
		t.Errorf("%d of %d families have files", len(seen), len(familyCauses))
	}
}

func causeNames(causes []Cause) string {
	var names []string
	for _, c := range causes {
		names = append(names, string(c))
	}
	return strings.Join(names, " ")
}

func TestCauses(t *testing.T) {
	const sixteen = "load: [{workers: 16}]"
	tests := []struct{ file, want string }{
		{"provider: {}\n" + sixteen, ""},
		{"provider: {noise: 0.004}\n" + sixteen, ""},
		{"provider: {noise: 0.004, limit: 3}\n" + sixteen, "level"},
		{"provider: {noise: 0.005, limit: 3}\n" + sixteen, "noise"},
		{"provider: {noise: 0.05, limit: 3, lag: 1s}\n" + sixteen, "lag"},
		{"provider: {noise: 0.05, limit: [{at: 0s, slots: 3}, {at: 1h, slots: 2}]}\n" + sixteen, "level"},
		{"provider: {limit: 16}\n" + sixteen, ""},
		{"provider: {limit: 3, lag: 0s}\n" + sixteen, "level"},
		{"provider: {account_limit: 3}\n" + sixteen, "level"}, // one model: it is that model's limit
		{"provider: {account_limit: 3}\nload: [{workers: 16}, {workers: 16, model: m}]", "account"},
		{"provider: {account_limit: 3, limit: 1}\nload: [{workers: 16}, {workers: 16, model: m}]", "level"},
		{"provider: {account_limit: 3, limit: {walk: {every: 1h, max: 3}}}\nload: [{workers: 16}, {workers: 16, model: m}]", "level account"},
		{"provider: {retry_after: {for: 1s, share: 0}, limit: 2}\n" + sixteen, "level"},
		{"provider: {starts: {rate: 1}}\n" + sixteen, "pace"},
		{"provider: {starts: {rate: 1}, lag: 1s, limit: 2}\n" + sixteen, "lag pace"},
	}
	for _, tt := range tests {
		s, err := Parse("f", []byte(tt.file))
		if err != nil {
			t.Error(err)
		} else if got := causeNames(s.Causes()); got != tt.want {
			t.Errorf("%s: causes %q, want %q", tt.file, got, tt.want)
		}
	}
	if s := (&Scenario{}); !slices.Equal(s.Causes(), nil) {
		t.Error("a scenario without load has causes")
	}
}
