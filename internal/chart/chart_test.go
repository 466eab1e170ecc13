package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/evidence"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }

// wellFormed fails unless a picture is XML without anything that a strict content
// policy refuses.
func wellFormed(t interface{ Fatalf(string, ...any) }, svg string, standalone bool) {
	dec := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if start.Name.Local == "script" || start.Name.Local == "style" && !standalone {
			t.Fatalf("<%s> in a picture", start.Name.Local)
		}
		for _, a := range start.Attr {
			if a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on") {
				t.Fatalf("attribute %s in a picture", a.Name.Local)
			}
			if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
				t.Fatalf("%s=%q", a.Name.Local, a.Value)
			}
		}
	}
}

func TestStaircaseHasRealSteps(t *testing.T) {
	svg := Staircase(evidence.Course{
		From: at(0), To: at(100),
		InFlight: []evidence.Step{{At: at(-5), N: 1}, {At: at(50), N: 2}},
		Queued:   []evidence.Step{{At: at(50), N: 4}},
		Limit:    []evidence.Step{{At: at(-50), N: 2}},
		Refused:  []time.Time{at(25), at(26)},
	}, Options{Title: "x", Width: leftRoom + rightRoom + 100})
	wellFormed(t, svg, false)
	for _, want := range []string{
		"H94V",                      // level until the moment, then straight up
		`class="limit"`,             // a line of its own
		`M69 264V276M70 264V276`,    // two refusals
		`data-left="44"`,            // for a cross-hair
		`data-from="1772366400000"`, // the same
		">2 refusals<",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in %s", want, svg)
		}
	}
}

func TestWhatIsKnownOfAMadeUpProviderIsDrawn(t *testing.T) {
	svg := Staircase(evidence.Course{
		From: at(0), To: at(3600), InFlight: []evidence.Step{{At: at(0), N: 1}}, Limit: []evidence.Step{{At: at(0), N: 1}}, Truth: []evidence.Step{{At: at(0), N: 3}},
	}, Options{Title: "x", Elapsed: true})
	wellFormed(t, svg, false)
	for _, want := range []string{">true limit<", ">learned level<", ">10 min<", `class="truth"`} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in %s", want, svg)
		}
	}
	if strings.Contains(svg, "queued") {
		t.Error("a queue that nobody knows of is drawn")
	}
}

func TestPicturesAreWellFormed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := func(name string) []evidence.Step {
			var all []evidence.Step
			moment := at(rapid.IntRange(-1000, 1000).Draw(t, name))
			for range rapid.IntRange(0, 50).Draw(t, name) {
				moment = moment.Add(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, name)))
				all = append(all, evidence.Step{At: moment, N: rapid.IntRange(0, 3000).Draw(t, name)})
			}
			return all
		}
		o := Options{
			Title: rapid.String().Draw(t, "title"), Standalone: rapid.Bool().Draw(t, "standalone"),
			Width: rapid.IntRange(200, 2000).Draw(t, "width"), Zone: time.FixedZone("x", rapid.IntRange(-12, 14).Draw(t, "zone")*3600),
		}
		c := evidence.Course{From: at(0), To: at(rapid.IntRange(0, 90*86400).Draw(t, "length")), InFlight: steps("running"), Queued: steps("queued"), Limit: steps("limit")}
		for _, s := range steps("refused") {
			c.Refused = append(c.Refused, s.At)
		}
		wellFormed(t, Staircase(c, o), o.Standalone)
		var curve evidence.Curve
		for n := range rapid.IntRange(0, 40).Draw(t, "levels") {
			curve = append(curve, evidence.Level{Level: n + 1, Accepted: rapid.IntRange(0, 500).Draw(t, "accepted"), Refused: rapid.IntRange(0, 500).Draw(t, "refused")})
		}
		wellFormed(t, Levels(curve, o), o.Standalone)
	})
}

func TestNamesAreEscaped(t *testing.T) {
	svg := Levels(nil, Options{Title: `<script>"&'`, Standalone: true})
	wellFormed(t, svg, true)
	if !strings.Contains(svg, "&lt;script&gt;") {
		t.Error(svg)
	}
}

func TestTimesAreThoseOfTheClock(t *testing.T) {
	india := time.FixedZone("IST", 5*3600+1800)
	if got := whole(noon.Add(-7*time.Minute), 30*time.Minute, india); !got.Equal(noon) {
		t.Errorf("%v", got)
	}
	if got := whole(noon, time.Hour, time.UTC); !got.Equal(noon) {
		t.Errorf("%v", got)
	}
	for length, want := range map[time.Duration]time.Duration{
		5 * time.Minute: time.Minute, time.Hour: 10 * time.Minute, 24 * time.Hour: 3 * time.Hour, 30 * 24 * time.Hour: 7 * 24 * time.Hour,
	} {
		if got := timeStep(length, 8); got != want {
			t.Errorf("%v has ticks each %v, want %v", length, got, want)
		}
	}
}

func TestTicksStandAtWholeNumbers(t *testing.T) {
	for top, want := range map[int]int{0: 1, 8: 1, 10: 1, 11: 2, 24: 5, 154: 20, 1000: 100} {
		if got := wholeStep(top, 10); got != want {
			t.Errorf("up to %d each %d, want %d", top, got, want)
		}
	}
}

func TestManyStepsAreReducedToWhatIsSeen(t *testing.T) {
	var steps []evidence.Step
	for i := range 100_000 {
		steps = append(steps, evidence.Step{At: noon.Add(time.Duration(i) * time.Millisecond), N: i % 7})
	}
	p := panel{axis: timeAxis{from: noon, to: noon.Add(100 * time.Second), left: 0, right: 100}, bottom: 70, most: 7}
	all := p.reduced(steps)
	if len(all) > 202 {
		t.Errorf("%d steps are left", len(all))
	}
	if got := evidence.Most(all, noon, noon.Add(time.Hour)); got != 6 {
		t.Errorf("the highest is %d", got)
	}
}

func BenchmarkStaircase(b *testing.B) {
	c := evidence.Course{From: noon, To: noon.Add(24 * time.Hour)}
	for i := range 20_000 {
		c.InFlight = append(c.InFlight, evidence.Step{At: noon.Add(time.Duration(i) * 4 * time.Second), N: i % 5})
		c.Queued = append(c.Queued, evidence.Step{At: noon.Add(time.Duration(i) * 4 * time.Second), N: i % 11})
	}
	b.ReportAllocs()
	for b.Loop() {
		Staircase(c, Options{})
	}
}
