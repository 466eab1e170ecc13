package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

var (
	metricName = regexp.MustCompile(`\bweir_[a-z_]+\b`)
	matcher    = regexp.MustCompile(`\b(lane|verdict|outcome|reason)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	grouping   = regexp.MustCompile(`\bby \(([^)]*)\)`)
)

// The dashboard and the alert rules ask for what there is.
func TestDeployedQueriesNameWhatThereIs(t *testing.T) {
	m := New(func() weir.Snapshot {
		return weir.Snapshot{Accounts: []pool.Snapshot{{Account: "zai/1", Lanes: []pool.LaneSnapshot{{Lane: "zai/1/glm-5"}}}}}
	})
	m.Request(Request{Outcome: "ok"})
	m.Journal(func() (written, lost int64) { return 2, 1 })
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range families {
		known[f.GetName()] = true
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			known[f.GetName()+suffix] = f.GetType().String() == "HISTOGRAM"
		}
	}
	verdicts := []string{}
	for k := provider.Unknown; k <= provider.Transport; k++ {
		verdicts = append(verdicts, k.String())
	}
	used := map[string]bool{}
	for _, q := range append(dashboardQueries(t), alertQueries(t)...) {
		for _, name := range metricName.FindAllString(q, -1) {
			if used[name] = true; !known[name] {
				t.Errorf("there is no metric %s: %s", name, q)
			}
		}
		for _, match := range matcher.FindAllStringSubmatch(q, -1) {
			if match[1] != "verdict" {
				continue
			}
			for value := range strings.SplitSeq(match[3], "|") {
				if !slices.Contains(verdicts, value) {
					t.Errorf("there is no verdict %s: %s", value, q)
				}
			}
		}
		for _, group := range grouping.FindAllStringSubmatch(q, -1) {
			for label := range strings.SplitSeq(group[1], ",") {
				if !slices.Contains([]string{"lane", "verdict", "outcome", "reason", "le", "instance"}, strings.TrimSpace(label)) {
					t.Errorf("there is no label %q: %s", label, q)
				}
			}
		}
		if strings.Count(q, "(") != strings.Count(q, ")") || strings.Count(q, "{") != strings.Count(q, "}") || strings.Count(q, "[") != strings.Count(q, "]") {
			t.Errorf("unbalanced: %s", q)
		}
	}
	for name := range known {
		if !strings.HasPrefix(name, "weir_") || strings.HasSuffix(name, "_bucket") || strings.HasSuffix(name, "_sum") || strings.HasSuffix(name, "_count") {
			continue
		}
		if !used[name] && !used[name+"_bucket"] {
			t.Errorf("nobody looks at %s", name)
		}
	}
}

func dashboardQueries(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../deploy/grafana/weir.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ H, W, X, Y int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	var queries []string
	ids := map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d, %s, is twice there, asks nothing, or is too wide", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			queries = append(queries, target.Expr)
		}
	}
	return queries
}

func alertQueries(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../deploy/grafana/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(data, &file, yaml.Strict()); err != nil || len(file.Groups) == 0 {
		t.Fatalf("%d groups, %v", len(file.Groups), err)
	}
	var queries []string
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || r.Expr == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("rule %+v says too little", r)
			}
			queries = append(queries, r.Expr)
		}
	}
	return queries
}
