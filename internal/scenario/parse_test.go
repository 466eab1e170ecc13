package scenario

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/yamlfile"
)

func uniform(a, b time.Duration) Dist { return Dist{Kind: Uniform, Min: a, Max: b} }

var calls = Dist{Kind: LogNormal, Mean: 12 * s, Sigma: 0.8, Min: 2 * s, Max: 90 * s}

func TestReadFile(t *testing.T) {
	const ms, m, h = time.Millisecond, time.Minute, time.Hour
	want := &Scenario{
		Name: "drift with an outsider", Length: 8 * h,
		Provider: Provider{
			Limit:        Limit{Schedule: []Step{{0, 4}, {30 * m, 2}}},
			AccountLimit: 6,
			RefuseAbove:  []float64{0.3, 0.8},
			Noise:        0.005,
			Lag:          uniform(300*ms, s),
			AbortLag:     constant(2 * s),
			Starts:       Starts{Rate: 0.33, Burst: 1, Code: "1302"},
			Penalty:      constant(30 * s),
			RetryAfter:   Hint{For: uniform(14*s, 41*s), Share: 1},
			Outages:      []Outage{{From: 2 * h, For: constant(3 * m), Code: "1305"}},
			Outsiders:    []Outsider{{Slots: 2, On: 30 * s, Off: 90 * s}},
			HoldsAbove:   constant(45 * s),
			RefusalTakes: uniform(50*ms, 300*ms),
			FirstEvent:   uniform(s, 3*s),
		},
		Load: []Load{
			{Workers: 16, Model: "glm-5", Class: "interactive", Answer: calls, Think: constant(0), Abort: 0.02},
			{Bursts: &Bursts{Every: constant(5 * m), Min: 1, Max: 6}, Model: "glm-5-air", Class: "background", Answer: calls, From: h, To: 6 * h},
			{Tasks: 64, Workers: 16, Repeat: 1, Model: "glm-5", Class: "interactive", Answer: uniform(500*ms, 1500*ms)},
		},
	}
	got, err := ReadFile("testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestReadFileThatIsNotThere(t *testing.T) {
	if _, err := ReadFile(filepath.Join(t.TempDir(), "none.yaml")); !os.IsNotExist(err) && !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("error %v", err)
	}
}

// Each form of each value that the format page names.
func TestForms(t *testing.T) {
	const m, h = time.Minute, time.Hour
	walk := Limit{Walk: &Walk{Every: uniform(10*m, h), Max: 8}}
	tests := []struct {
		provider string
		want     Provider
	}{
		{`{}`, Provider{}},
		{`{limit: 3}`, Provider{Limit: slots(3)}},
		{`{limit: 0}`, Provider{Limit: slots(0)}},
		{`{limit: {walk: {every: 10m..60m, max: 8}}}`, Provider{Limit: walk}},
		{`{limit: {glm-5: 3, glm-4.5-air: 4}}`, Provider{Models: map[string]Limit{"glm-5": slots(3), "glm-4.5-air": slots(4)}}},
		{`{limit: {glm-5: {walk: {every: 10m..60m, max: 8}}, x: [{at: 1h, slots: 1}]}}`,
			Provider{Models: map[string]Limit{"glm-5": walk, "x": {Schedule: []Step{{h, 1}}}}}},
		{`{starts: {per_window: 20, window: 1m}}`, Provider{Starts: Starts{PerWindow: 20, Window: m}}},
		{`{starts: {rate: 1, code: 1303}}`, Provider{Starts: Starts{Rate: 1, Burst: 1, Code: "1303"}}},
		{`{outages: {every: 40m, for: 1m..5m}}`, Provider{Outages: []Outage{{Every: constant(40 * m), For: uniform(m, 5*m)}}}},
		{`{outages: [{every: {mean: 30m}, from: 1h, for: 20s, code: overloaded_error}]}`,
			Provider{Outages: []Outage{{From: h, Every: Dist{Kind: Exponential, Mean: 30 * m}, For: constant(20 * s), Code: "overloaded_error"}}}},
		{`{retry_after: {for: 14s..41s, share: 0.5, advisory: true}}`, Provider{RetryAfter: Hint{For: uniform(14*s, 41*s), Share: 0.5, Advisory: true}}},
		{`{retry_after: {for: 20s}}`, Provider{RetryAfter: Hint{For: constant(20 * s), Share: 1}}},
		{`{retry_after: {mean: 20s}}`, Provider{RetryAfter: Hint{For: Dist{Kind: Exponential, Mean: 20 * s}, Share: 1}}},
		{`{lag: {median: 1s, sigma: 0.5}}`, Provider{Lag: Dist{Kind: LogNormal, Mean: s, Sigma: 0.5}}},
		{`{lag: 0, abort_lag: 0s}`, Provider{Lag: constant(0), AbortLag: constant(0)}},
		{`{lag: 1s..1s}`, Provider{Lag: constant(s)}},
		{`{refuse_above: [0, 1, 0.5]}`, Provider{RefuseAbove: []float64{0, 1, 0.5}}},
	}
	for _, tt := range tests {
		got, err := Parse("f.yaml", []byte("provider: "+tt.provider+"\nload: [{workers: 1}]\n"))
		if err != nil {
			t.Errorf("%s: %v", tt.provider, err)
		} else if !reflect.DeepEqual(got.Provider, tt.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tt.provider, got.Provider, tt.want)
		}
	}
}

func TestLoads(t *testing.T) {
	usual := Load{Model: "glm-5", Class: "interactive", Answer: calls}
	with := func(change func(*Load)) Load { l := usual; change(&l); return l }
	tests := []struct {
		load string
		want Load
	}{
		{`{workers: 3}`, with(func(l *Load) { l.Workers = 3 })},
		{`{workers: 1, think: {mean: 20s}, class: subagent}`, with(func(l *Load) {
			l.Workers, l.Think, l.Class = 1, Dist{Kind: Exponential, Mean: 20 * s}, "subagent"
		})},
		{`{agents: 2, from: 1h}`, with(func(l *Load) { l.Agents, l.From = 2, time.Hour })},
		{`{bursts: {every: 1m, calls: 5}}`, with(func(l *Load) { l.Bursts = &Bursts{Every: constant(60 * s), Min: 5, Max: 5} })},
		{`{tasks: 64, workers: 16, repeat: 5}`, with(func(l *Load) { l.Tasks, l.Workers, l.Repeat = 64, 16, 5 })},
	}
	for _, tt := range tests {
		got, err := Parse("dir/some file.yaml", []byte("provider: {}\nload: ["+tt.load+"]"))
		if err != nil {
			t.Errorf("%s: %v", tt.load, err)
		} else if !reflect.DeepEqual(got.Load, []Load{tt.want}) || got.Name != "some file" || got.Length != 8*time.Hour {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tt.load, got, tt.want)
		}
	}
}

// badFiles are files with mistakes, and what is said about each.
var badFiles = []struct{ file, want string }{
	{"", "1:1: the file is empty; describe a provider and its load; docs/scenarios.md has an example"},
	{"# nothing\n", "1:1: the file is empty; describe a provider and its load; docs/scenarios.md has an example"},
	{"5", "1:1: a scenario is 5; give keys and values: name, hours, provider, load"},
	{"- a", "1:1: a scenario is a list; give keys and values: name, hours, provider, load"},
	{"a: b: c", "1:4: this is no YAML: mapping value is not allowed in this context; mend it here or just before"},
	{"provider: {limit: 3", "1:11: this is no YAML: could not find flow mapping end token '}'; mend it here or just before"},
	{"\tname: x", "1:5: this is no YAML: tab character cannot use as a map key directly; mend it here or just before"},
	{"name: x\nhours: \xff", "2:8: this is no UTF-8; save the file as UTF-8"},
	{"name: &x y", "1:7: anchors, aliases and merge keys are not read; write the values out, as docs/scenarios.md shows"},
	{"name: *x", "1:7: anchors, aliases and merge keys are not read; write the values out, as docs/scenarios.md shows"},
	{"<<: {a: b}", "1:1: anchors, aliases and merge keys are not read; write the values out, as docs/scenarios.md shows"},
	{"name: !!str y", "1:7: tags are not read; write the values out, as docs/scenarios.md shows"},
	{"? name\n: x", "1:1: keys after a question mark are not read; write the values out, as docs/scenarios.md shows"},
	{"%YAML 1.2\n---\nname: x", "1:1: directives are not read; write the values out, as docs/scenarios.md shows"},
	{"name: x\n---\nname: y", "3:1: a file is one document, and here begins a second; put it into a file of its own"},
	{"name: " + strings.Repeat("[", 17), "1:23: this is nested too deeply; write the values out, as docs/scenarios.md shows"},
	{strings.Repeat("- ", 17), "1:33: this is nested too deeply; write the values out, as docs/scenarios.md shows"},
	{strings.Repeat("\n", yamlfile.MaxLines+1), "4001:1: the file has more than 4000 lines; make it shorter"},
	{strings.Repeat("#", yamlfile.MaxFile+1), "1:1: the file is larger than 64 KiB; make it smaller"},

	{"name: x", "1:1: there is no provider; describe one under provider:, or write provider: {} for one that accepts everything\n" +
		"f.yaml:1:1: there is no load; give at least one under load:, such as - {workers: 16}"},
	{"provider: {}\nload: []", "2:7: load is empty; give at least one, such as - {workers: 16}"},
	{"provider: {}\nload: {workers: 1}", "2:7: load is a mapping; give a list: [..., ...], or a line with a dash for each entry"},
	{"provider: {}\nlaod: []", "1:1: there is no load; give at least one under load:, such as - {workers: 16}\n" +
		`f.yaml:2:1: a scenario has no key "laod"; did you mean "load"?`},
	{"name: 5\n" + rest, "1:7: name is 5; give text, in quotes if it looks like something else"},
	{"name: \"\"\n" + rest, "1:7: name needs a name of 1 to 200 bytes without control characters; write one"},
	{"name: |\n  a\n" + rest, "1:7: name is a block of text; give text, in quotes if it looks like something else"},
	{"name:\n" + rest, "1:1: name has no value; give one, or leave the key out"},
	{"hours: 8\nhours: 9\n" + rest, "2:1: hours is given twice; keep this or that of line 1"},
	{"hours: 0\n" + rest, "1:8: hours is 0; give a number from 0.001 to 10000"},
	{"hours: 10001\n" + rest, "1:8: hours is 10001; give a number from 0.001 to 10000"},
	{"hours: .inf\n" + rest, "1:8: hours is .inf; give a number from 0.001 to 10000"},
	{"hours: 8h\n" + rest, `1:8: hours is "8h"; give a number from 0.001 to 10000`},

	{provider("limits: 3"), `1:12: provider has no key "limits"; did you mean "limit"?`},
	{provider("quota: 3"), `1:12: provider has no key "quota"; those it has are limit, account_limit, refuse_above, noise, lag, abort_lag, starts, ` +
		`penalty, retry_after, outages, outsiders, holds_above, refusal_takes, first_event`},
	{provider("limit: many"), `1:19: limit is "many"; give a whole number, a schedule [{at: 0s, slots: 4}, …] or {walk: {every: 10m..60m, max: 8}}`},
	{provider("limit: -1"), "1:19: limit is -1; give a whole number from 0 to 10000"},
	{provider("limit: 2.5"), `1:19: limit is 2.5; give a whole number, a schedule [{at: 0s, slots: 4}, …] or {walk: {every: 10m..60m, max: 8}}`},
	{provider("limit: []"), "1:19: limit is empty; give at least one step, such as {at: 0s, slots: 4}"},
	{provider("limit: {" + strings.Repeat("m: 1, ", 1001) + "}"), "1:6020: limit has 1001 keys; give at most 1000"},
	{provider(strings.Repeat("x: 1, ", 1001)), "1:6012: provider has 1001 keys; give at most 1000"},
	{provider("limit: {}"), "1:19: limit is empty; give a number, a schedule, a walk, or one of them for each model; or leave limit out"},
	{provider("limit: [{at: 1h, slots: 2}, {at: 1h, slots: 3}]"), "1:45: the step at 1h0m0s comes after that at 1h0m0s; put them in the order of time, each moment once"},
	{provider("limit: [{at: 1h}]"), "1:20: a step of limit has no slots; add slots"},
	{provider("limit: [3]"), "1:20: a step of limit is 3; give keys and values: at, slots"},
	{provider("limit: {walk: {every: 10m}}"), "1:26: walk has no max; add max"},
	{provider("limit: {walk: {every: 10ms, max: 3}}"), "1:34: every is 10ms on average; give at least 1s"},
	{provider("limit: {walk: {every: 10m, max: 3}, glm-5: 4}"), `1:48: limit has no key "glm-5"; the only one is walk`},
	{provider("limit: {glm-5: {walk: {every: 10m, maxx: 3}}}"), "1:34: walk has no max; add max\n" +
		`f.yaml:1:47: walk has no key "maxx"; did you mean "max"?`},
	{provider("limit: {glm-5: 1, glm-5: 2}"), "1:30: glm-5 is given twice; keep this or that of line 1"},
	{provider("limit: {glm-4: 1, glm-4.5-air: 2}"), `2:8: limit names models, but not "glm-5"; give it a limit too; the models with one are: glm-4, glm-4.5-air`},
	{"provider: {limit: {glm-5: 1}}\nload: [{model: other, workers: 1}]", `2:16: limit names models, but not "other"; give it a limit too; the models with one are: glm-5`},
	{provider("account_limit: 0"), "1:27: account_limit is 0; give a whole number from 1 to 10000"},
	{provider("account_limit: 0x10"), "1:27: account_limit is 0x10; give a whole number from 1 to 10000"},
	{provider("refuse_above: 0.3"), "1:26: refuse_above is 0.3; give a list: [..., ...], or a line with a dash for each entry"},
	{provider("refuse_above: [0.3, 2]"), "1:32: a share of refuse_above is 2; give a number from 0 to 1"},
	{provider("noise: 5%"), `1:19: noise is "5%"; give a number from 0 to 1`},
	{provider("noise: 5"), "1:19: noise is 5; give a number from 0 to 1"},
	{provider("lag: 300"), "1:17: lag is 300; give a duration 300ms, a range 1s..3s, {median: 12s, sigma: 0.8, min: 2s, max: 90s} or {mean: 20s}"},
	{provider("lag: 5 min"), `1:17: lag is "5 min"; give a duration 300ms, a range 1s..3s, {median: 12s, sigma: 0.8, min: 2s, max: 90s} or {mean: 20s}`},
	{provider("lag: 3s..1s"), "1:17: lag is 3s..1s; put the shorter end first"},
	{provider("lag: -3s"), "1:17: lag is -3s; give durations from 0s to 87600h"},
	{provider("lag: 1s..90000h"), "1:17: lag is 1s..90000h; give durations from 0s to 87600h"},
	{provider("lag: {median: 12s}"), "1:17: lag has no sigma; add sigma"},
	{provider("lag: {median: 12s, sigma: 0.8, min: 13s}"), "1:26: the median of lag is not between min and max; move one of them"},
	{provider("lag: {mean: 1s, max: 2s}"), `1:28: lag has no key "max"; the only one is mean`},
	{provider("starts: {}"), "1:20: starts limits nothing; give rate (starts a second), or per_window and window"},
	{provider("starts: {burst: 3}"), "1:20: starts limits nothing; give rate (starts a second), or per_window and window"},
	{provider("starts: {rate: 0}"), "1:27: rate is 0; give a number from 0.00001 to 10000"},
	{provider("starts: {rate: 1, per_window: 20}"), "1:42: per_window does not go with rate; leave one of them out"},
	{provider("starts: {per_window: 20}"), "1:20: starts with per_window has no window; add window"},
	{provider(`starts: {rate: 1, code: "13 02"}`), `1:36: code is "13 02"; give an error code of at most 32 letters and digits, such as "1302"`},
	{provider("retry_after: {share: 0.5}"), "1:25: retry_after has no for; add for"},
	{provider("retry_after: {for: 1s, advisory: 1}"), "1:45: advisory is 1; give true or false"},
	{provider("outages: 5m"), `1:21: outages is "5m"; give a list: [..., ...], or a line with a dash for each entry`},
	{provider("outages: [{for: 5m}]"), "1:22: an outage without from or every; say when it begins: from: 2h, or every: 40m"},
	{provider("outages: [{from: 5m}]"), "1:22: an outage has no for; add for"},
	{provider("outsiders: [{slots: 0, on: 30s, off: 90s}]"), "1:32: slots is 0; give a whole number from 1 to 10000"},
	{provider("outsiders: [{slots: 1, on: 30s}]"), "1:24: an outsider has no off; add off"},
	{provider("outsiders: [{slots: 1, on: 30s, off: 1ms}]"), "1:49: off is 1ms; give a duration from 1s to 87600h"},
	{provider("holds_above: 0s"), "1:25: holds_above is 0s on average; give at least 1ms"},

	{load("workers: 16, thnik: 1s"), `2:22: load 1 has no key "thnik"; did you mean "think"?`},
	{load("clients: 16"), `2:8: load 1 makes no calls; give one of workers, bursts, agents, or tasks with workers` + "\n" +
		`f.yaml:2:9: load 1 has no key "clients"; those it has are model, class, answer, abort, from, to, workers, think, bursts, agents, tasks, repeat`},
	{load("model: glm-5"), "2:8: load 1 makes no calls; give one of workers, bursts, agents, or tasks with workers"},
	{load("workers: 10001"), "2:18: workers is 10001; give a whole number from 1 to 10000"},
	{load("workers: 1, class: interactiv"), `2:28: class is "interactiv"; give one of interactive, subagent, background`},
	{load("workers: 1, agents: 2"), "2:18: workers does not go with agents; leave one of them out"},
	{load("workers: 1, repeat: 2"), "2:29: repeat does not go with workers; leave one of them out"},
	{load("tasks: 64"), "2:8: load 1 with tasks has no workers; add workers"},
	{load("tasks: 64, workers: 2, think: 1s"), "2:39: think does not go with tasks; leave one of them out"},
	{load("workers: 1, answer: 0s"), "2:29: answer is 0s on average; give at least 1ms"},
	{load("workers: 1, from: 2h, to: 1h"), "2:35: load 1 ends at 1h0m0s and begins at 2h0m0s; set to after from, or leave it out: to the end"},
	{load("workers: 1, from: 8h"), "2:8: load 1 begins at 8h0m0s, when all is over; set an earlier from, or more hours"},
	{load("bursts: {every: 5m, calls: 6..1}"), `2:36: calls is "6..1"; give a whole number or a range such as 1..6, from 1 to 10000, the lower first`},
	{load("bursts: {every: 5m, calls: 0}"), "2:36: calls is 0; give a whole number from 1 to 10000"},
	{load("bursts: {every: 5m}"), "2:17: bursts has no calls; add calls"},

	{"hours: no\nprovider:\n  noise: 2\n  lag: x\nload:\n  - workers: 0\n", `1:8: hours is "no"; give a number from 0.001 to 10000` + "\n" +
		"f.yaml:3:10: noise is 2; give a number from 0 to 1\n" +
		`f.yaml:4:8: lag is "x"; give a duration 300ms, a range 1s..3s, {median: 12s, sigma: 0.8, min: 2s, max: 90s} or {mean: 20s}` + "\n" +
		"f.yaml:6:14: workers is 0; give a whole number from 1 to 10000"},
}

const rest = "provider: {}\nload: [{workers: 1}]\n"

func provider(keys string) string { return "provider: {" + keys + "}\nload: [{workers: 1}]\n" }

func load(keys string) string { return "provider: {}\nload: [{" + keys + "}]\n" }

func TestMistakes(t *testing.T) {
	for _, tt := range badFiles {
		name := tt.file[:min(len(tt.file), 60)]
		if _, err := Parse("f.yaml", []byte(tt.file)); err == nil {
			t.Errorf("%q is accepted", name)
		} else if got, want := err.Error(), "f.yaml:"+tt.want; got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", name, got, want)
		}
	}
}

func TestManyMistakesAreNotAllTold(t *testing.T) {
	_, err := Parse("f", []byte(provider(strings.Repeat("x: 1, ", 999))))
	if n := strings.Count(err.Error(), "\n") + 1; n != yamlfile.MaxErrors {
		t.Errorf("%d mistakes told", n)
	}
}

func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	for _, bad := range badFiles {
		if len(bad.file) < 1000 {
			f.Add([]byte(bad.file))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("f", data)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "f:") {
					t.Fatalf("a message without its place: %q", line)
				}
			}
			return
		}
		if len(s.Load) == 0 || s.Length <= 0 || s.Name == "" {
			t.Fatalf("accepted %+v", s)
		}
		s.Causes()
		u := NewUpstream(s.Provider, 1, time.Minute)
		for now := range 10 {
			r := u.Start(time.Duration(now)*s.Length/1000, s.Load[0].Model, time.Second)
			u.End(time.Duration(now)*s.Length/1000, r.Slot, false)
		}
	})
}

// The format's page has an example that is one, and names each key.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := strings.Split(string(page), "```yaml\n")[1:]
	for _, example := range examples {
		code, _, _ := strings.Cut(example, "```")
		if _, err := Parse("docs/scenarios.md", []byte(code)); err != nil {
			t.Error(err)
		}
	}
	if len(examples) == 0 {
		t.Error("no example")
	}
	for _, tt := range badFiles {
		_, keys, listed := strings.Cut(tt.want, "those it has are ")
		for key := range strings.SplitSeq(keys, ", ") {
			if listed && !strings.Contains(string(page), "`"+key+"`") {
				t.Errorf("the page does not name %s", key)
			}
		}
	}
}
