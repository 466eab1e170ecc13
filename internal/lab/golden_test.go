package lab

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

// small is a scenario whose figures a baseline must give for ever: a change of the
// provider, the load, the engine or the measures shows here.
const small = `
name: small
hours: 0.5
provider:
  limit: [{at: 0s, slots: 3}, {at: 10m, slots: 2}, {at: 20m, slots: 5}]
  lag: 200ms..500ms
  noise: 0.01
load:
  - {workers: 6, abort: 0.05, answer: 5s..20s}
  - {bursts: {every: 2m, calls: 1..3}, class: background, answer: 3s}
`

func TestGolden(t *testing.T) {
	tests := []struct {
		learner Learner
		want    string
	}{
		{Fixed, `{"scenario":"small","seeds":2,"learner":"fixed","goodput":0.30879,"worst_goodput":0.30874,"refused":0.00896,"overloaded":0,"attempts":335,"refusals":1.5,"refusals_worst":2,"find_s":1800,"drop_s":0,"rise_s":600,"wait_p50_s":68.044,"wait_p95_s":84.912,"waits":{"background":{"calls":57,"p50_s":73.888,"p95_s":88.459},"interactive":{"calls":275,"p50_s":66.273,"p95_s":82.616}},"limit_at_end":1}`},
		{AIMD, `{"scenario":"small","seeds":2,"learner":"aimd","goodput":0.63646,"worst_goodput":0.63064,"refused":0.25854,"overloaded":0,"attempts":878,"refusals":113.5,"refusals_worst":114,"find_s":36.077,"drop_s":0,"rise_s":77.446,"wait_p50_s":17.994,"wait_p95_s":74.421,"waits":{"background":{"calls":57,"p50_s":37.697,"p95_s":94.451},"interactive":{"calls":594,"p50_s":16.583,"p95_s":72.453}},"limit_at_end":2.5}`},
		{Vendor, `{"scenario":"small","seeds":2,"learner":"vendor","goodput":0.62244,"worst_goodput":0.61374,"refused":0.15047,"overloaded":0,"attempts":751,"refusals":56.5,"refusals_worst":58,"find_s":0,"drop_s":0,"rise_s":119.115,"wait_p50_s":16.992,"wait_p95_s":76.822,"waits":{"background":{"calls":57,"p50_s":43.797,"p95_s":90.27},"interactive":{"calls":581,"p50_s":16.078,"p95_s":73.174}},"limit_at_end":3}`},
		{Gradient, `{"scenario":"small","seeds":2,"learner":"gradient","goodput":0.91645,"worst_goodput":0.91395,"refused":0.61477,"overloaded":0,"attempts":2396,"refusals":736.5,"refusals_worst":744,"find_s":16.701,"drop_s":600,"rise_s":0,"wait_p50_s":1.643,"wait_p95_s":88.93,"waits":{"background":{"calls":56,"p50_s":23.722,"p95_s":330.742},"interactive":{"calls":867,"p50_s":1.599,"p95_s":47.727}},"limit_at_end":11}`},
	}
	for _, tt := range tests {
		if got := line(t, play(t, parse(t, small), Options{Seeds: 2, Learner: tt.learner})); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.learner, got, tt.want)
		}
	}
}

// The keys that other programs read.
func TestResultKeys(t *testing.T) {
	sc := embedded(t, "hard-2")
	sc.Length = 30 * time.Minute
	var got map[string]any
	if err := json.Unmarshal([]byte(line(t, play(t, sc, Options{Seeds: 2}))), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range strings.Fields("scenario seeds goodput refused attempts find_s cause cause_named cause_right worst_goodput wait_p50_s wait_p95_s limit_at_end refusals refusals_worst waits") {
		if _, ok := got[key]; !ok {
			t.Errorf("no %s in %v", key, got)
		}
	}
	if got["scenario"] != "a hard limit of 2" || got["seeds"] != 2.0 || got["limit_at_end"] != 2.0 || got["cause"] != "level" {
		t.Errorf("%v", got)
	}
}

func TestTable(t *testing.T) {
	num := func(x float64) *float64 { return &x }
	rows := []Row{
		{"one", Result{
			Refused: 0.00915, Refusals: 49.5, RefusalsWorst: 51, Goodput: num(0.99961), WorstGoodput: num(0.9512), FindS: num(5.204), DropS: num(61.2),
			RiseS: num(4000), LimitAtEnd: num(4.5), Cause: "level", CauseNamed: num(1), CauseRight: num(0.5), WaitP50S: num(0), WaitP95S: num(12.3456),
		}},
		{"a-batch", Result{Refusals: 2, RefusalsWorst: 2, Overloaded: 0.021, MakespanRatio: num(1.074), MakespanWorst: num(1.081), Cause: "none", CauseNamed: num(0)}},
	}
	want := strings.TrimLeft(`
SCENARIO  GOODPUT (WORST)   REFUSED  A RUN (WORST)  FIND  DROP   RISE   MAKESPAN (WORST)  LIMIT  CAUSE (NAMED, RIGHT)  WAIT P50, P95
one       100.0 % (95.1 %)  0.92 %   49.5 (51)      5.2s  1m01s  1h07m  -                 4.5    level (100 %, 50 %)   0s, 12.3s
a-batch   -                 0.00 %   2 (2)          -     -      -      1.07 (1.08)       -      none (0 %, -)         -, -
`, "\n")
	var got bytes.Buffer
	if err := Table(&got, rows); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestDraw(t *testing.T) {
	for _, name := range []string{"mixed", "batch-lag-learned", "account-5", "pace-3s"} {
		sc := embedded(t, name)
		sc.Length = min(sc.Length, time.Hour)
		r := play(t, sc, Options{Seeds: 1, Trace: true})
		if r.Trace == nil || r.Trace.Seed != 1 || len(r.Trace.Level) < 2 || len(r.Trace.InFlight) < 100 {
			t.Fatalf("%s: trace %+v", name, r.Trace)
		}
		var first, again bytes.Buffer
		if err := errors.Join(Draw(&first, "a <title> & more", r.Trace), Draw(&again, "a <title> & more", r.Trace)); err != nil {
			t.Fatal(err)
		}
		if first.String() != again.String() {
			t.Errorf("%s: two pictures of one course", name)
		}
		if first.Len() > 200_000 {
			t.Errorf("%s: %d bytes", name, first.Len())
		}
		text := texts(t, &first)
		for _, want := range []string{"a <title> & more (seed 1)", "true limit", "learned level", "in flight", " refusals"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q among %q", name, want, text)
			}
		}
		if !regexp.MustCompile(`\d+ (s|min|h)`).MatchString(text) {
			t.Errorf("%s: no times among %q", name, text)
		}
	}
}

// texts returns what is written in a picture.
func texts(t *testing.T, svg io.Reader) string {
	t.Helper()
	var all strings.Builder
	d := xml.NewDecoder(svg)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok {
			all.Write(text)
		}
	}
}

func TestDrawToAFullDisk(t *testing.T) {
	full := errors.New("full")
	r := play(t, parse(t, small), Options{Seeds: 1, Trace: true})
	if err := Draw(failing{full}, "x", r.Trace); !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
