package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/journal"
)

// write returns a report in a format.
func write(t *testing.T, r *Report, format string) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// story is two hours in which level 2 bears all and level 3 little.
func story() rows {
	var all rows
	for i := range 200 {
		at := noon().Add(time.Duration(i) * 30 * time.Second)
		switch {
		case i%20 == 0:
			all = append(all, tried(glm, at, 3, "concurrency", "ok"))
		case i == 50:
			all = append(all, tried(glm, at, 2, "overload", "ok"))
		default:
			all = append(all, tried(glm, at, 2, "ok"))
		}
	}
	// A wave: five at once.
	for i := range 5 {
		all = append(all, tried(glm, noon().Add(2*time.Hour+time.Duration(i)*time.Second), 4, "concurrency", "ok"))
	}
	all = append(all,
		journal.Change{At: noon().Add(time.Hour), Kind: "limit-changed", Lane: glm, Limit: 2, Level: 3, Reason: "refused-again", Why: "2 is stable: 80 of 80 accepted"},
		journal.Change{At: noon().Add(time.Hour), Kind: "paused", Lane: glm, Verdict: "concurrency", Until: noon().Add(time.Hour + 4*time.Second)},
		tried("zai-coding/f00d/glm-4.6", noon().Add(3*time.Hour), 1, "ok"),
	)
	return all
}

func TestCollectCounts(t *testing.T) {
	r := collect(t, story(), Options{})
	if r.Lane != glm || r.Provider != "zai-coding" || r.Account != "f00d" || r.Model != "glm-5.2" {
		t.Errorf("about %q: %q, %q, %q", r.Lane, r.Provider, r.Account, r.Model)
	}
	if want := (Counts{Accepted: 205, Refused: 15, Other: 1}); r.Counts != want || r.Requests != 205 {
		t.Errorf("%d requests, %+v, want %+v", r.Requests, r.Counts, want)
	}
	if !r.From.Equal(noon()) || !r.To.Equal(noon().Add(2*time.Hour+14*time.Second+100*time.Millisecond)) {
		t.Errorf("from %v to %v", r.From, r.To)
	}
	var levels []string
	for _, l := range r.Levels {
		levels = append(levels, fmt.Sprintf("%d: %d/%d %s %d", l.Level.Level, l.Accepted, l.Refused, l.Known, l.Bad))
	}
	if want := []string{"2: 190/0 stable 0", "3: 10/10 failing 10", "4: 5/5 failing 1"}; !slices.Equal(levels, want) {
		t.Errorf("levels %q, want %q", levels, want)
	}
	if v := r.Verdict; v.Stable != 2 || v.Failing != 3 || !v.Certain {
		t.Errorf("verdict %+v", v)
	}
	if len(r.Codes) != 2 || r.Codes[0].Code != "1302" || !r.Codes[0].Refusal || r.Codes[0].N != 15 || len(r.Codes[0].Examples) != 15 || r.Codes[1].Refusal || r.Codes[1].Verdict != "overload" {
		t.Errorf("codes %+v", r.Codes)
	}
	if len(r.Others) != 1 || r.Others[0].Requests != 1 {
		t.Errorf("others %+v", r.Others)
	}
}

func TestTheWorstMomentComesFirst(t *testing.T) {
	r := collect(t, story(), Options{})
	if len(r.Moments) != 3 {
		t.Fatalf("%d moments", len(r.Moments))
	}
	m := r.Moments[0]
	if m.Refused != 5 || !m.Begin.Equal(noon().Add(2*time.Hour)) || m.Most != 5 {
		t.Errorf("%d refused from %v, at most %d", m.Refused, m.Begin, m.Most)
	}
	if got := m.Course.Limit; len(got) != 1 || got[0].N != 2 {
		t.Errorf("the limit is %v", got)
	}
	if last := m.Course.To; last.After(r.To.Add(edge)) {
		t.Errorf("the picture goes on to %v, where nothing is known", last)
	}
}

func TestTheLimitBeforeItsFirstChange(t *testing.T) {
	for _, c := range []struct {
		change journal.Change
		want   int
	}{
		{journal.Change{Reason: "probe-accepted", Limit: 3, Level: 3}, 2},
		{journal.Change{Reason: "probe-accepted", Limit: 1, Level: 1}, 1},
		{journal.Change{Reason: "level-failing", Limit: 2, Level: 4}, 4},
		{journal.Change{Reason: "pace-found", Limit: 2, Level: 4}, 2},
	} {
		if got := before(c.change); got != c.want {
			t.Errorf("before %+v it was %d, want %d", c.change, got, c.want)
		}
	}
}

func TestTheLimitIsTheLowerOne(t *testing.T) {
	s := survey{limits: map[string]*limits{}}
	for i, c := range []journal.Change{
		{Lane: glm, Limit: 2, Reason: "probe-accepted"}, {Lane: "zai-coding/f00d", Limit: 2, Reason: "probe-accepted"}, {Lane: glm, Limit: 3, Reason: "probe-accepted"},
		{Lane: "zai-coding/f00d", Limit: 3, Reason: "probe-accepted"}, {Lane: glm, Limit: 4, Reason: "probe-accepted"}, {Lane: "zai-coding/f00d", Limit: 1, Reason: "refused-again", Level: 3},
	} {
		c.Kind, c.At = "limit-changed", noon().Add(time.Duration(i)*time.Second)
		s.add(c)
	}
	var got []int
	for _, step := range s.limitOf(glm) {
		got = append(got, step.N)
	}
	if want := []int{1, 2, 3, 1}; !slices.Equal(got, want) {
		t.Errorf("the limit went %v, want %v", got, want)
	}
}

// Every way in which a report could claim more than it has.
func TestItClaimsNoMoreThanTheCounts(t *testing.T) {
	few := rows{tried(glm, noon(), 1, "ok"), tried(glm, noon().Add(time.Minute), 1, "ok")}
	wave := slices.Clone(few)
	for i := range 40 {
		wave = append(wave, tried(glm, noon().Add(time.Hour+time.Duration(i)*10*time.Millisecond), 2, "concurrency"))
	}
	var minute rows
	for i := range 45 {
		minute = append(minute, tried(glm, noon().Add(time.Duration(i)*time.Second), 1, "ok"))
	}
	var moved rows
	for i := range 80 {
		verdict := "ok"
		if i >= 40 && i%2 == 0 {
			verdict = "concurrency"
		}
		moved = append(moved, tried(glm, noon().Add(time.Duration(i)*time.Minute), 2, verdict))
	}
	many := tried(glm, noon(), 1, "concurrency", "ok")
	many.Tries = 40
	unknown := tried(glm, noon(), 0, "ok")
	undecided := tried(glm, noon(), 1, "")
	for name, tt := range map[string]struct {
		rows rows
		says []string
	}{
		"few":       {few, []string{"about 33 more attempts would tell", "0 of 2 attempts were refused", "0 of 2 refused", "None: nothing was refused"}},
		"a wave":    {wave, []string{"The 40 refusals at level 2 fell into 1 minute."}},
		"a minute":  {minute, []string{"The 45 attempts at level 1 fell into 1 minute. They may have one cause"}},
		"a change":  {moved, []string{"of the earlier half of the attempts at level 2 0 of 40 were refused, of the later half 20 of 40"}},
		"many":      {rows{many}, []string{"38 attempts of requests with very many are known by number only"}},
		"no level":  {rows{unknown}, []string{"Nothing was measured", "Of 1 attempt the level is not known"}},
		"no answer": {rows{undecided}, []string{"nothing can be said of the level", "1 left undecided"}},
		"a refusal": {rows{tried(glm, noon(), 1, "quota")}, []string{"No attempt was accepted, and none was refused as too many", "not counted as refused"}},
		"lost rows": {append(rows{journal.Change{At: noon(), Kind: journal.KindLost, Count: 7}}, few...), []string{"The journal lacks 7 rows"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := collect(t, tt.rows, Options{})
			for _, format := range []string{"html", "md"} {
				text := write(t, r, format)
				for _, say := range tt.says {
					if !strings.Contains(text, say) {
						t.Errorf("%s does not say %q:\n%s", format, say, text)
					}
				}
			}
		})
	}
}

func TestNothingComesInThatIsNotMeantToShow(t *testing.T) {
	all := story()
	for i, row := range all {
		if r, ok := row.(journal.Request); ok {
			r.Session, r.ID = "sk-SECRET-session", "SECRET-id"
			all[i] = r
		}
	}
	r := collect(t, all, Options{})
	for format := range formats {
		if strings.Contains(write(t, r, format), "SECRET") {
			t.Errorf("%s has the name of a session or weir's own id", format)
		}
	}
}

func TestNamesFromOutsideStayText(t *testing.T) {
	const lane = "zai-coding/f00d/<script>alert(1)</script>|[x](http://e)`_*\n# big\u2028@you\x00"
	r := tried(lane, noon(), 1, "concurrency")
	r.Attempts[0].Code, r.Attempts[0].ProviderID = "<b>1</b>|", "<img src=x>|`"
	other := tried("zai-coding/f00d/<i>other</i>", noon(), 1, "ok")
	r.Tool, r.Outcome, r.Dialect = "<u>tool</u>", "<u>out</u>", "<u>dialect</u>"
	change := journal.Change{At: noon(), Kind: "limit-changed", Lane: lane, Limit: 2, Why: "<u>why</u>"}
	rep := collect(t, rows{r, other, change}, Options{Lane: lane, Plan: "<u>plan</u>\n\n# heading", Upstream: "<u>up</u>"})
	page, md := write(t, rep, "html"), write(t, rep, "md")
	for name, text := range map[string]string{"html": page, "md": md} {
		for _, bad := range []string{"<script", "<b>", "<img", "<i>", "<u>", "\x00", "\u2028"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s has %q", name, bad)
			}
		}
	}
	for _, bad := range []string{"\n# big", "\n# heading", "[x]", "`_"} {
		if strings.Contains(md, bad) {
			t.Errorf("Markdown has %q", bad)
		}
	}
	var back Report
	if err := json.Unmarshal([]byte(write(t, rep, "json")), &back); err != nil || len(back.Codes) != 1 {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestThePageNeedsNothingElse(t *testing.T) {
	text := write(t, collect(t, story(), Options{Plan: "Max"}), "html")
	if bad := regexp.MustCompile(`(?i)<script|<link|<img|<iframe|\ssrc=|\shref=|url\(|@import|\son[a-z]+=`).FindString(text); bad != "" {
		t.Errorf("the page has %q", bad)
	}
	if n := strings.Count(text, "<svg"); n != 4 {
		t.Errorf("%d pictures, want 4", n)
	}
}

func TestTheClockThatJumpsBack(t *testing.T) {
	all := story()
	// The same hours again, and worse.
	for i := range 30 {
		all = append(all, tried(glm, noon().Add(20*time.Minute+time.Duration(i)*time.Second), 3, "concurrency", "ok"))
	}
	r := collect(t, all, Options{})
	if r.Counts.Refused != 45 || r.Moments[0].Refused != 31 || r.Moments[0].Doubt == "" {
		t.Errorf("%d refused, the worst moment has %d, doubt %q", r.Counts.Refused, r.Moments[0].Refused, r.Moments[0].Doubt)
	}
	if !strings.Contains(strings.Join(r.Doubts, " "), "The clock was set back once") {
		t.Errorf("doubts: %q", r.Doubts)
	}
	for format := range formats {
		write(t, r, format)
	}
}

func TestAMonthWithManySessions(t *testing.T) {
	r := collect(t, month(20_000, noon()), Options{})
	if r.Sessions != 10_000*6/7+1 && r.Sessions < 8000 {
		t.Errorf("%d sessions", r.Sessions)
	}
	if !r.Verdict.Certain || r.Verdict.Stable != 2 || r.Verdict.Failing != 3 {
		t.Errorf("verdict %+v", r.Verdict)
	}
	if n := len(write(t, r, "html")); n > 300_000 {
		t.Errorf("the page has %d bytes", n)
	}
	for _, c := range r.Codes {
		if len(c.Examples) > maxExamples {
			t.Errorf("%s has %d examples", c.Code, len(c.Examples))
		}
	}
}

func TestTheTimesOfExamplesAreInBothZones(t *testing.T) {
	text := write(t, collect(t, rows{tried(glm, noon().Add(5*time.Hour), 1, "concurrency")}, Options{Zone: time.FixedZone("CET", 3600)}), "md")
	for _, say := range []string{"2026-03-01 17:00:00 | 2026-03-02 01:00:00", "CET (UTC+01:00): 2026-03-01 18:00:00"} {
		if !strings.Contains(text, say) {
			t.Errorf("it does not say %q:\n%s", say, text)
		}
	}
}

func TestLaneOfAName(t *testing.T) {
	all := rows{
		tried("zai-coding/f00d/glm-5", noon(), 1, "ok"), tried("zai-coding/f00d/glm-5.2", noon(), 1, "ok"), tried("zai-coding/beef/glm-4.6", noon(), 1, "ok"),
		tried("zai-coding/beef/glm-4.6", noon(), 1, "ok"), tried("", noon(), 1, "concurrency"),
	}
	for asked, want := range map[string]string{
		"": "zai-coding/beef/glm-4.6", "zai-coding/f00d/glm-5": "zai-coding/f00d/glm-5", "glm-5": "zai-coding/f00d/glm-5", "5.2": "zai-coding/f00d/glm-5.2", "beef": "zai-coding/beef/glm-4.6",
	} {
		if r := collect(t, all, Options{Lane: asked}); r.Lane != want {
			t.Errorf("%q is %q, want %q", asked, r.Lane, want)
		}
	}
	for asked, say := range map[string]string{"glm": "can mean", "zai": "write more", "gpt": "no lane of the journal has"} {
		_, err := Collect(t.Context(), all, Options{Lane: asked})
		var lane *LaneError
		if !errors.As(err, &lane) || len(lane.Lanes) != 3 || !strings.Contains(err.Error(), say) {
			t.Errorf("%q: %v", asked, err)
		}
	}
	if _, err := Collect(t.Context(), rows{journal.Change{Kind: "paused"}}, Options{}); !errors.Is(err, ErrNothing) {
		t.Errorf("without a request: %v", err)
	}
}

func TestExamplesAreSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 2000).Draw(t, "n")
		var c code
		for i := range n {
			c.add(attempt{Attempt: journal.Attempt{Start: noon().Add(time.Duration(i) * time.Second), ProviderID: fmt.Sprint(i)}})
		}
		got := c.examples(maxExamples)
		if len(got) != min(n, maxExamples) || got[0].ID != "0" || got[len(got)-1].ID != fmt.Sprint(n-1) {
			t.Fatalf("of %d: %d, from %s to %s", n, len(got), got[0].ID, got[len(got)-1].ID)
		}
		for i := 1; i < len(got); i++ {
			gap := got[i].At.Sub(got[i-1].At).Seconds()
			if gap < 1 || gap > 4*float64(n)/maxExamples+1 {
				t.Fatalf("of %d: %v s between %s and %s", n, gap, got[i-1].ID, got[i].ID)
			}
		}
	})
}

func TestWorstMinutesAreApartAndTheWorst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bins := rapid.MapOfN(rapid.Int64Range(0, 200), rapid.IntRange(1, 9), 1, 60).Draw(t, "bins")
		sum := func(at int64) (n int) {
			for i := at; i < at+6; i++ {
				n += bins[i]
			}
			return n
		}
		got := worst(bins)
		if len(got) == 0 || len(got) > maxMoments {
			t.Fatalf("%d moments", len(got))
		}
		for at := range int64(201) {
			if sum(at) > sum(got[0]) {
				t.Fatalf("%d has %d, and %d was chosen with %d", at, sum(at), got[0], sum(got[0]))
			}
		}
		for i, a := range got {
			for _, b := range got[:i] {
				if max(a-b, b-a) < 18 {
					t.Fatalf("%d and %d overlap", a, b)
				}
			}
		}
	})
}
