package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runLab runs "weir lab" and returns the exit status and what it printed.
func runLab(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), append([]string{"lab"}, args...), &out, &errs)
	return status, out.String(), errs.String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const shortScenario = "{name: short, hours: 0.2, provider: {limit: 2}, load: [{workers: 4, answer: 5s}]}\n"

func TestLabListsScenarios(t *testing.T) {
	status, out, errs := runLab(t)
	if status != 0 || errs != "" || !strings.Contains(out, "hard-3  ") || !strings.Contains(out, "a hard limit of 3\n") {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
}

func TestLabPrintsATable(t *testing.T) {
	status, out, errs := runLab(t, write(t, "short.yaml", shortScenario), "batch-cold", "--seeds", "1")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if status != 0 || errs != "" || len(lines) != 3 || !strings.HasPrefix(lines[0], "SCENARIO") || !strings.HasPrefix(lines[2], "batch-cold ") {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
}

func TestLabPrintsJSON(t *testing.T) {
	file := write(t, "short.yaml", shortScenario)
	status, out, errs := runLab(t, file, "--seeds", "2", "--seed", "3", "--json", "--learner", "fixed")
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); status != 0 || err != nil || strings.Count(out, "\n") != 1 {
		t.Fatalf("status %d, error %v, %s%s", status, err, out, errs)
	}
	if got["scenario"] != "short" || got["seeds"] != 2.0 || got["goodput"] != 0.5 || got["learner"] != "fixed" {
		t.Errorf("%s", out)
	}
	if _, again, _ := runLab(t, file, "--seeds", "2", "--seed", "3", "--json", "--learner", "fixed"); again != out {
		t.Errorf("first %s, then %s", out, again)
	}
}

func TestLabPlots(t *testing.T) {
	picture := filepath.Join(t.TempDir(), "short.svg")
	status, _, errs := runLab(t, write(t, "short.yaml", shortScenario), "--seeds", "1", "--plot", picture)
	data, err := os.ReadFile(picture)
	if status != 0 || err != nil || !bytes.Contains(data, []byte("short (seed 1)")) || !bytes.Contains(data, []byte("</svg>")) {
		t.Errorf("status %d, %s, error %v, %d bytes", status, errs, err, len(data))
	}
}

func TestLabMistakes(t *testing.T) {
	good := write(t, "good.yaml", shortScenario)
	bad := write(t, "bad.yaml", "provider:\n  limit: 3\n  lagg: 1s\nload: [{workers: 1}]\n")
	tests := []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{bad}, 2, bad + ":3:3: "},
		{[]string{"hard-33"}, 2, `"hard-33"`},
		{[]string{t.TempDir()}, 2, "is a directory"},
		{[]string{"low", "--seeds", "0"}, 2, "--seeds 0"},
		{[]string{"low", "--seeds", "99999999"}, 2, "99999999"},
		{[]string{"low", "--seed", "0"}, 2, "--seed 0"},
		{[]string{"low", "--learner", "vegas"}, 2, `"vegas"`},
		{[]string{"low", "--eager", "0.5"}, 2, "--eager 0.5"},
		{[]string{"low", "--eager", "NaN"}, 2, "--eager NaN"},
		{[]string{"low", "--seed", "x"}, 2, "--seed"},
		{[]string{"low", good, "--plot", "x.svg"}, 2, "one scenario, but there are 2"},
		{[]string{good, "--plot", "x.png"}, 2, ".svg"},
		{[]string{good, "--plot", filepath.Join(t.TempDir(), "no", "x.svg"), "--seeds", "1"}, 1, "--plot"},
	}
	for _, tt := range tests {
		status, out, errs := runLab(t, tt.args...)
		if status != tt.status || !strings.Contains(errs, tt.want) || out != "" {
			t.Errorf("%v: status %d, want %d and %q: %s%s", tt.args, status, tt.status, tt.want, out, errs)
		}
	}
}

func TestLabEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	if status := run(ctx, []string{"lab", "all", "--seeds", "1000"}, &out, &errs); status != 1 || out.Len() > 0 {
		t.Errorf("status %d: %s%s", status, out.String(), errs.String())
	}
}
