package scenario

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"github.com/weirhq/weir/internal/yamlfile"
)

// What a file may ask for at most.
const (
	maxHours   = 10_000
	maxCalls   = 10_000 // workers, slots, calls in a burst
	maxTasks   = 1_000_000
	maxEntries = 1_000 // of one list
	maxLoads   = 100
	maxAgents  = 1_000
	maxRepeat  = 1_000
	maxRate    = 10_000.0    // starts a second
	minRate    = 0.00001     // about one a day
	minChange  = time.Second // mean time between changes of a provider
)

// Load defaults.
const (
	defaultModel = "glm-5"
	defaultClass = "interactive"
	defaultHours = 8
)

// ReadFile reads a scenario file. Mistakes in it are as Parse tells them.
func ReadFile(path string) (*Scenario, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, yamlfile.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	return Parse(path, data)
}

// Parse reads a scenario of the form that docs/scenarios.md describes. file is what
// messages call it; a scenario without a name is called as the file is.
//
// Unknown keys, wrong types and values out of range are errors. The error holds all
// of them, each an [*Error], in the order of the file, one a line.
func Parse(file string, data []byte) (*Scenario, error) {
	r := &reader{yamlfile.Reader{File: file, Page: "docs/scenarios.md", Empty: "describe a provider and its load; docs/scenarios.md has an example"}}
	s := &Scenario{Length: defaultHours * time.Hour}
	if root := r.Document(bytes.TrimPrefix(data, []byte("\ufeff"))); root != nil {
		r.scenario(root, s)
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	if s.Name == "" {
		s.Name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	}
	return s, nil
}

func (r *reader) scenario(n ast.Node, s *Scenario) {
	var loads []ast.Node
	k := r.Mapping(n, "a scenario", fields{
		{"name", func(n ast.Node) { s.Name = r.text(n, "name") }},
		{"hours", func(n ast.Node) {
			s.Length = time.Duration(r.Number(n, "hours", 0.001, maxHours) * float64(time.Hour))
		}},
		{"provider", func(n ast.Node) { r.provider(n, &s.Provider) }},
		{"load", func(n ast.Node) {
			for i, n := range r.List(n, "load", maxLoads) {
				l := Load{}
				loads = append(loads, r.load(n, fmt.Sprintf("load %d", i+1), &l))
				s.Load = append(s.Load, l)
			}
		}},
	})
	if k == nil {
		return
	}
	if k["provider"] == nil {
		r.Fail(n, "there is no provider", "describe one under provider:, or write provider: {} for one that accepts everything")
	}
	if k["load"] == nil {
		r.Fail(n, "there is no load", "give at least one under load:, such as - {workers: 16}")
	} else if len(s.Load) == 0 && r.Fine() {
		r.Fail(k["load"], "load is empty", "give at least one, such as - {workers: 16}")
	}
	for i, l := range s.Load {
		if _, known := s.Provider.Models[l.Model]; s.Provider.Models != nil && !known && l.Model != "" {
			r.Fail(loads[i], fmt.Sprintf("limit names models, but not %q", l.Model),
				"give it a limit too; the models with one are: "+strings.Join(sortedKeys(s.Provider.Models), ", "))
		}
		if l.From >= s.Length && r.Fine() {
			r.Fail(loads[i], fmt.Sprintf("load %d begins at %v, when all is over", i+1, l.From), "set an earlier from, or more hours")
		}
	}
}

func (r *reader) provider(n ast.Node, p *Provider) {
	r.Mapping(n, "provider", fields{
		{"limit", func(n ast.Node) { r.limits(n, p) }},
		{"account_limit", func(n ast.Node) { p.AccountLimit = r.Count(n, "account_limit", 1, maxCalls) }},
		{"refuse_above", func(n ast.Node) {
			for _, n := range r.List(n, "refuse_above", maxEntries) {
				p.RefuseAbove = append(p.RefuseAbove, r.Number(n, "a share of refuse_above", 0, 1))
			}
		}},
		{"noise", func(n ast.Node) { p.Noise = r.Number(n, "noise", 0, 1) }},
		{"lag", func(n ast.Node) { p.Lag = r.dist(n, "lag", 0) }},
		{"abort_lag", func(n ast.Node) { p.AbortLag = r.dist(n, "abort_lag", 0) }},
		{"starts", func(n ast.Node) { r.starts(n, &p.Starts) }},
		{"penalty", func(n ast.Node) { p.Penalty = r.dist(n, "penalty", 0) }},
		{"retry_after", func(n ast.Node) { r.hint(n, &p.RetryAfter) }},
		{"outages", func(n ast.Node) {
			entries := []ast.Node{n}
			if _, single := n.(*ast.MappingNode); !single {
				entries = r.List(n, "outages", maxLoads)
			}
			for _, n := range entries {
				o := Outage{}
				r.outage(n, &o)
				p.Outages = append(p.Outages, o)
			}
		}},
		{"outsiders", func(n ast.Node) {
			for _, n := range r.List(n, "outsiders", maxLoads) {
				o := Outsider{}
				r.outsider(n, &o)
				p.Outsiders = append(p.Outsiders, o)
			}
		}},
		{"holds_above", func(n ast.Node) { p.HoldsAbove = r.dist(n, "holds_above", time.Millisecond) }},
		{"refusal_takes", func(n ast.Node) { p.RefusalTakes = r.dist(n, "refusal_takes", 0) }},
		{"first_event", func(n ast.Node) { p.FirstEvent = r.dist(n, "first_event", 0) }},
	})
}

// limits reads a limit, or one for each model.
func (r *reader) limits(n ast.Node, p *Provider) {
	m, ok := n.(*ast.MappingNode)
	if !ok || slices.ContainsFunc(m.Values, func(v *ast.MappingValueNode) bool { return yamlfile.Key(v) == "walk" }) {
		p.Limit = r.limit(n, "limit")
		return
	}
	if len(m.Values) == 0 {
		r.Fail(n, "limit is empty", "give a number, a schedule, a walk, or one of them for each model; or leave limit out")
		return
	}
	p.Models = map[string]Limit{}
	named := func(key ast.Node, name string) bool { return r.name(key, "a model", name) }
	if !r.Entries(n, "limit", named, func(name string, value ast.Node) {
		p.Models[name] = r.limit(value, fmt.Sprintf("the limit of %s", name))
	}) {
		p.Models = nil
	}
}

func (r *reader) limit(n ast.Node, what string) (l Limit) {
	switch n := n.(type) {
	case *ast.SequenceNode:
		for _, e := range r.List(n, what, maxEntries) {
			step := Step{}
			k := r.Mapping(e, "a step of "+what, fields{
				{"at", func(n ast.Node) { step.At = r.Duration(n, "at", 0) }},
				{"slots", func(n ast.Node) { step.Slots = r.Count(n, "slots", 0, maxCalls) }},
			})
			r.Needs(e, "a step of "+what, k, "at", "slots")
			if i := len(l.Schedule); i > 0 && k["at"] != nil && step.At <= l.Schedule[i-1].At && r.Fine() {
				r.Fail(k["at"], fmt.Sprintf("the step at %v comes after that at %v", step.At, l.Schedule[i-1].At), "put them in the order of time, each moment once")
			}
			l.Schedule = append(l.Schedule, step)
		}
		if len(l.Schedule) == 0 && r.Fine() {
			r.Fail(n, what+" is empty", "give at least one step, such as {at: 0s, slots: 4}")
		}
	case *ast.MappingNode:
		r.Mapping(n, what, fields{{"walk", func(n ast.Node) {
			l.Walk = &Walk{}
			k := r.Mapping(n, "walk", fields{
				{"every", func(n ast.Node) { l.Walk.Every = r.dist(n, "every", minChange) }},
				{"max", func(n ast.Node) { l.Walk.Max = r.Count(n, "max", 1, maxCalls) }},
			})
			r.Needs(n, "walk", k, "every", "max")
		}}})
	case *ast.IntegerNode:
		l.Schedule = []Step{{Slots: r.Count(n, what, 0, maxCalls)}}
	default:
		r.Fail(n, fmt.Sprintf("%s is %s", what, r.Describe(n)), "give a whole number, a schedule [{at: 0s, slots: 4}, …] or {walk: {every: 10m..60m, max: 8}}")
	}
	return l
}

func (r *reader) starts(n ast.Node, s *Starts) {
	k := r.Mapping(n, "starts", fields{
		{"rate", func(n ast.Node) { s.Rate = r.Number(n, "rate", minRate, maxRate) }},
		{"burst", func(n ast.Node) { s.Burst = r.Count(n, "burst", 1, maxCalls) }},
		{"per_window", func(n ast.Node) { s.PerWindow = r.Count(n, "per_window", 1, maxTasks) }},
		{"window", func(n ast.Node) { s.Window = r.Duration(n, "window", minChange) }},
		{"code", func(n ast.Node) { s.Code = r.code(n) }},
	})
	switch {
	case k == nil:
	case k["rate"] != nil:
		r.Only(k, "rate", "per_window", "window")
		s.Burst = max(1, s.Burst)
	case k["per_window"] != nil:
		r.Only(k, "per_window", "burst")
		r.Needs(n, "starts with per_window", k, "window")
	default:
		r.Fail(n, "starts limits nothing", "give rate (starts a second), or per_window and window")
	}
}

// hint reads a duration, or the long form of a hint.
func (r *reader) hint(n ast.Node, h *Hint) {
	h.Share = 1
	m, ok := n.(*ast.MappingNode)
	if !ok || slices.ContainsFunc(m.Values, func(v *ast.MappingValueNode) bool { return yamlfile.Key(v) == "mean" || yamlfile.Key(v) == "median" }) {
		h.For = r.dist(n, "retry_after", 0)
		return
	}
	k := r.Mapping(n, "retry_after", fields{
		{"for", func(n ast.Node) { h.For = r.dist(n, "for", 0) }},
		{"share", func(n ast.Node) { h.Share = r.Number(n, "share", 0, 1) }},
		{"advisory", func(n ast.Node) { h.Advisory = r.Flag(n, "advisory") }},
	})
	r.Needs(n, "retry_after", k, "for")
}

func (r *reader) outage(n ast.Node, o *Outage) {
	k := r.Mapping(n, "an outage", fields{
		{"from", func(n ast.Node) { o.From = r.Duration(n, "from", 0) }},
		{"every", func(n ast.Node) { o.Every = r.dist(n, "every", minChange) }},
		{"for", func(n ast.Node) { o.For = r.dist(n, "for", time.Millisecond) }},
		{"code", func(n ast.Node) { o.Code = r.code(n) }},
	})
	r.Needs(n, "an outage", k, "for")
	if k != nil && k["from"] == nil && k["every"] == nil {
		r.Fail(n, "an outage without from or every", "say when it begins: from: 2h, or every: 40m")
	}
}

func (r *reader) outsider(n ast.Node, o *Outsider) {
	k := r.Mapping(n, "an outsider", fields{
		{"slots", func(n ast.Node) { o.Slots = r.Count(n, "slots", 1, maxCalls) }},
		{"on", func(n ast.Node) { o.On = r.Duration(n, "on", minChange) }},
		{"off", func(n ast.Node) { o.Off = r.Duration(n, "off", minChange) }},
	})
	r.Needs(n, "an outsider", k, "slots", "on", "off")
}

// load reads a load and returns the node that names its model, the load's own if
// none does.
func (r *reader) load(n ast.Node, what string, l *Load) ast.Node {
	*l = Load{Model: defaultModel, Class: defaultClass,
		Answer: Dist{Kind: LogNormal, Mean: 12 * time.Second, Sigma: 0.8, Min: 2 * time.Second, Max: 90 * time.Second}}
	k := r.Mapping(n, what, fields{
		{"model", func(n ast.Node) { l.Model = r.text(n, "model") }},
		{"class", func(n ast.Node) { l.Class = r.OneOf(n, "class", "interactive", "subagent", "background") }},
		{"answer", func(n ast.Node) { l.Answer = r.dist(n, "answer", time.Millisecond) }},
		{"abort", func(n ast.Node) { l.Abort = r.Number(n, "abort", 0, 1) }},
		{"from", func(n ast.Node) { l.From = r.Duration(n, "from", 0) }},
		{"to", func(n ast.Node) { l.To = r.Duration(n, "to", time.Millisecond) }},
		{"workers", func(n ast.Node) { l.Workers = r.Count(n, "workers", 1, maxCalls) }},
		{"think", func(n ast.Node) { l.Think = r.dist(n, "think", 0) }},
		{"bursts", func(n ast.Node) { l.Bursts = r.bursts(n) }},
		{"agents", func(n ast.Node) { l.Agents = r.Count(n, "agents", 1, maxAgents) }},
		{"tasks", func(n ast.Node) { l.Tasks = r.Count(n, "tasks", 1, maxTasks) }},
		{"repeat", func(n ast.Node) { l.Repeat = r.Count(n, "repeat", 1, maxRepeat) }},
	})
	switch {
	case k == nil:
		return n
	case k["tasks"] != nil:
		r.Only(k, "tasks", "think", "bursts", "agents")
		r.Needs(n, what+" with tasks", k, "workers")
		l.Repeat = max(1, l.Repeat)
	case k["bursts"] != nil:
		r.Only(k, "bursts", "workers", "think", "agents", "repeat")
	case k["agents"] != nil:
		r.Only(k, "agents", "workers", "think", "repeat")
	case k["workers"] != nil:
		r.Only(k, "workers", "repeat")
	default:
		r.Fail(n, what+" makes no calls", "give one of workers, bursts, agents, or tasks with workers")
	}
	if k["to"] != nil && l.To <= l.From && r.Fine() {
		r.Fail(k["to"], fmt.Sprintf("%s ends at %v and begins at %v", what, l.To, l.From), "set to after from, or leave it out: to the end")
	}
	if k["model"] != nil {
		return k["model"]
	}
	return n
}

func (r *reader) bursts(n ast.Node) *Bursts {
	b := &Bursts{}
	k := r.Mapping(n, "bursts", fields{
		{"every", func(n ast.Node) { b.Every = r.dist(n, "every", 10*time.Millisecond) }},
		{"calls", func(n ast.Node) { b.Min, b.Max = r.countRange(n, "calls", 1, maxCalls) }},
	})
	r.Needs(n, "bursts", k, "every", "calls")
	return b
}

// code reads an error code: text, or digits without quotes.
func (r *reader) code(n ast.Node) string {
	var s string
	switch n := n.(type) {
	case *ast.StringNode:
		s = n.Value
	case *ast.IntegerNode:
		s = n.GetToken().Value
	}
	odd := func(c rune) bool {
		return c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_'
	}
	if s == "" || len(s) > 32 || strings.ContainsFunc(s, odd) {
		r.Fail(n, fmt.Sprintf("code is %s", r.Describe(n)), `give an error code of at most 32 letters and digits, such as "1302"`)
	}
	return s
}

// name tells whether s may be a name, and complains if not.
func (r *reader) name(n ast.Node, what, s string) bool {
	if s == "" || len(s) > 200 || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		r.Fail(n, what+" needs a name of 1 to 200 bytes without control characters", "write one")
		return false
	}
	return true
}

func sortedKeys(m map[string]Limit) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
