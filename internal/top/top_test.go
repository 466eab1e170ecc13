package top

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"go.uber.org/goleak"

	"github.com/weirhq/weir/internal/dashboard"
	"github.com/weirhq/weir/internal/evidence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the screens anew")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(s float64) time.Time { return noon.Add(time.Duration(s * float64(time.Second))) }

func ago(s float64) *time.Time {
	t := at(-s)
	return &t
}

func level(n, accepted, refused int) dashboard.Level {
	l := evidence.Level{Level: n, Accepted: accepted, Refused: refused}
	low, high := l.Interval()
	return dashboard.Level{Level: l, Low: low, High: high}
}

const (
	glm5  = "zai-coding/4f1c2ab09d31/glm-5"
	flash = "zai-coding/4f1c2ab09d31/glm-4.7-flash"
)

// busy is a view of a busy gateway at noon and so many seconds.
func busy(s float64) *dashboard.View {
	now := at(s)
	request := func(id, state, tool string, from float64) dashboard.Request {
		return dashboard.Request{
			ID: id, State: state, Lane: glm5, Model: "glm-5", Session: "ses_" + tool, Who: tool + " in ~/shop", Tool: tool, Class: "interactive",
			Start: now.Add(-time.Duration(from * float64(time.Second))),
		}
	}
	running := request("r-7", dashboard.Running, "opencode", 14)
	running.Waited, running.InFlight, running.Tries = 2*time.Second, 2, 1
	running.Attempts = []dashboard.Attempt{{Start: now.Add(-12 * time.Second), InFlight: 2}}
	again := request("r-8", dashboard.Running, "claude", 9)
	again.Waited, again.InFlight, again.Tries = 8*time.Second, 3, 2
	again.Attempts = []dashboard.Attempt{
		{Start: now.Add(-6 * time.Second), End: new(now.Add(-5800 * time.Millisecond)), InFlight: 4, Verdict: "concurrency", Code: "1302", ProviderID: "2026030112000"},
		{Start: now.Add(-time.Second), InFlight: 3},
	}
	retrying := request("r-9", dashboard.Retrying, "codex", 30)
	retrying.Waited, retrying.Place, retrying.Estimate, retrying.Tries, retrying.Verdict, retrying.Code = 29*time.Second, 1, 3*time.Second, 1, "concurrency", "1302"
	retrying.Attempts = []dashboard.Attempt{{Start: now.Add(-4 * time.Second), End: new(now.Add(-3900 * time.Millisecond)), InFlight: 4, Verdict: "concurrency", Code: "1302"}}
	waiting := request("r-10", dashboard.Waiting, "opencode", 4)
	waiting.Waited, waiting.Place, waiting.Estimate, waiting.Class = 4*time.Second, 2, 22*time.Second, "subagent"
	well := request("r-6", dashboard.Done, "opencode", 40)
	well.End, well.Waited, well.Tries, well.Status, well.Outcome, well.Verdict, well.Bytes, well.FirstByte = ago(20-s), time.Second, 1, 200, "ok", "ok", 12_345, 1800*time.Millisecond
	badly := request("r-5", dashboard.Done, "qwen", 70)
	badly.End, badly.Tries, badly.Status, badly.Outcome, badly.Verdict, badly.Code = ago(69-s), 1, 402, "quota", "quota", "1308"
	return &dashboard.View{
		At: now, Version: "0.1.0", Listen: "127.0.0.1:1302", Upstream: "zai-coding (https://api.z.ai)", PID: 4711, Started: at(-3 * 3600),
		Running: 2, Queued: 2, Retrying: 1, Words: "All is well: 2 of 3 running, the next one starts in 3 s.",
		Lanes: []dashboard.Lane{
			{
				Lane: glm5, Provider: "zai-coding", Account: "zai-coding/4f1c2ab09d31", Model: "glm-5", Running: 2, Queued: 2, Retrying: 1,
				ByClass: [3]int{1, 1, 0}, Limit: 3, State: dashboard.LaneOpen, Words: "3 is stable; next try at 4 in 6 min",
				Why:   "3 is stable: 412 of 412 accepted; 4 was refused 6 of 9, next try in 6 min. Slots are counted 0.4 s after the answer ended.",
				Curve: []dashboard.Level{level(1, 200, 0), level(2, 18, 1), level(3, 412, 0), level(4, 3, 6)}, Verdict: "3 workers are stable: 0 of 412 refused; 4 are not: 6 of 9 refused",
			},
			{Lane: flash, Provider: "zai-coding", Account: "zai-coding/4f1c2ab09d31", Model: "glm-4.7-flash", Limit: 1, Fixed: 1, State: dashboard.LaneHeld, Words: "held by hand"},
		},
		Sessions: []dashboard.Session{
			{Session: "ses_opencode", Who: "opencode in ~/shop", Account: "zai-coding/4f1c2ab09d31", Running: 1, Queued: 1, Requests: 41, Overlap: 3, Waited: 38 * time.Second, Share: 0.61, Last: now},
			{Session: "ses_claude", Who: "claude in ~/shop", Account: "zai-coding/4f1c2ab09d31", Running: 1, Requests: 12, Overlap: 1, Waited: 9 * time.Second, Share: 0.3, Last: now},
			{Session: "ses_codex", Who: "codex in ~/shop", Account: "zai-coding/4f1c2ab09d31", Queued: 1, Requests: 2, Overlap: 1, Waited: 29 * time.Second, Share: 0.09, Last: now},
		},
		MoreSessions: 9_950,
		Active:       []dashboard.Request{running, again},
		Waiting:      []dashboard.Request{retrying, waiting},
		Done:         []dashboard.Request{well, badly},
	}
}

// shown is a screen of a size that has seen five minutes of a busy gateway.
func shown(width, height int) *screen {
	s := newScreen(make(chan order, 1))
	s.Update(tea.WindowSizeMsg{Width: width, Height: height})
	for i := -300; i <= 0; i++ {
		v := busy(float64(i))
		v.Done, v.Active, v.Waiting = nil, nil, nil
		l := &v.Lanes[0]
		l.Running, l.Queued = 1+(i+400)/60%3, (i+300)/30
		if i > -150 && i < -120 {
			l.Limit, l.Running = 4, 4
			refused := dashboard.Request{ID: fmt.Sprint("old", i), Lane: glm5, Attempts: []dashboard.Attempt{{Start: at(float64(i)), End: new(at(float64(i))), Verdict: "concurrency"}}}
			if i%7 == 0 {
				v.Active = []dashboard.Request{refused}
			}
		}
		if i == 0 {
			v = busy(0)
		}
		cleanView(v)
		s.Update(tickMsg{v.At})
		s.Update(viewMsg{v, v.At})
	}
	return s
}

// key is a key as the terminal sends it.
func key(name string) tea.KeyPressMsg {
	special := map[string]rune{
		"enter": tea.KeyEnter, "esc": tea.KeyEscape, "up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight,
		"tab": tea.KeyTab, "backspace": tea.KeyBackspace, "pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp, "home": tea.KeyHome, "end": tea.KeyEnd,
	}
	if code, ok := special[name]; ok {
		return tea.KeyPressMsg{Code: code}
	}
	if letter, ok := strings.CutPrefix(name, "ctrl+"); ok {
		return tea.KeyPressMsg{Code: rune(letter[0]), Mod: tea.ModCtrl}
	}
	if name == "space" {
		return tea.KeyPressMsg{Code: ' ', Text: " "}
	}
	return tea.KeyPressMsg{Code: []rune(name)[0], Text: name}
}

// press presses keys, one after the other.
func (s *screen) pressAll(keys ...string) {
	for _, k := range keys {
		s.Update(key(k))
	}
}

// content is what a screen shows, without its colours.
func (s *screen) content() string {
	all := strings.Split(ansi.Strip(s.View().Content), "\n")
	for i := range all {
		all[i] = strings.TrimRight(all[i], " ")
	}
	return strings.Join(all, "\n")
}

func TestScreens(t *testing.T) {
	tests := []struct {
		name          string
		width, height int
		keys          string
		with          func(*screen)
	}{
		{"now-80x24", 80, 24, "", nil},
		{"now-120x40", 120, 40, "", nil},
		{"now-50x12", 50, 12, "", nil},
		{"now-ascii-80x24", 80, 24, "", func(s *screen) { s.onlyASCII = true }},
		{"small-20x10", 20, 10, "", nil},
		{"small-5x2", 5, 2, "", nil},
		{"requests-80x24", 80, 24, "2", nil},
		{"request-80x24", 80, 24, "2 down enter", nil},
		{"sessions-80x24", 80, 24, "3", nil},
		{"lanes-80x24", 80, 24, "4", nil},
		{"lanes-120x40", 120, 40, "4", nil},
		{"help-80x24", 80, 24, "?", nil},
		{"filter-80x24", 80, 24, "/ c l a u", nil},
		{"pause-80x24", 80, 24, "p", nil},
		{"notes-80x24", 80, 24, "", func(s *screen) { s.view.Notes = []string{"the journal cannot be written: the log says why"} }},
		{"lost-80x24", 80, 24, "", func(s *screen) { s.Update(lostMsg{errEnded, at(3)}) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := shown(tt.width, tt.height)
			s.pressAll(strings.Fields(tt.keys)...)
			if tt.with != nil {
				tt.with(s)
			}
			got := s.content() + "\n"
			file := filepath.Join("testdata", tt.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the screen shows\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// Whoever sees no colours sees all the same.
func TestLooksAreOnlyLooks(t *testing.T) {
	s := shown(80, 24)
	if s.View().Content == s.content() {
		t.Error("there are no colours at all")
	}
	v := busy(0)
	cleanView(v)
	for _, r := range slices.Concat(v.Active, v.Waiting, v.Done) {
		if p := place(&r); !strings.ContainsAny(p, "▶⧗↻✓✗") || !strings.Contains(p, " ") {
			t.Errorf("%s is shown as %q, without a sign or a word", r.State, p)
		}
	}
}

func TestTheFirstScreenTellsIt(t *testing.T) {
	got := shown(80, 24).content()
	for _, want := range []string{
		"2 running", "2 queued", "1 of them to be retried", "limit 3", "3 is stable; next try at 4 in 6 min",
		"last 5 min", "refusals", "opencode in ~/shop", "↻ retry next", "~3 s to go", "⧗ 2nd", "PAUSED BY HAND", "? help", "q quit",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
