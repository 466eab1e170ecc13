package top

import (
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/dashboard"
)

// names are texts as a tool or a stranger may choose them.
func names() *rapid.Generator[string] {
	return rapid.OneOf(rapid.SampledFrom([]string{
		"", "ses_1", "\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "\x9b2J", "two\nlines\r", "\t\t", "日本語のセッション", "👨‍👩‍👧‍👦🇩🇪👍🏽", "🏿", "🇩", "e\u0301\u0302\u0303", "\u202egnp.exe", "\u200b\ufeff", "\xff\xfe",
		strings.Repeat("long", 1000), "<b>&amp;", "각", "กำ", "नमस्ते", "a\x00b", "\u2028x", "﷽",
	}), rapid.String())
}

func moments() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			return time.Time{}
		case 1:
			return noon.Add(time.Duration(rapid.Int64().Draw(t, "far")))
		}
		return at(float64(rapid.IntRange(-1200, 1200).Draw(t, "s")))
	})
}

func anyRequest(t *rapid.T) dashboard.Request {
	text := func() string { return names().Draw(t, "text") }
	r := dashboard.Request{
		ID: text(), Lane: rapid.SampledFrom([]string{"a", "b", "\x1b[A"}).Draw(t, "lane"), Model: text(), Session: text(), Who: text(), Tool: text(), Class: text(),
		State: rapid.SampledFrom([]string{dashboard.Waiting, dashboard.Retrying, dashboard.Running, dashboard.Done, "\x1b"}).Draw(t, "state"),
		Start: moments().Draw(t, "start"), Waited: time.Duration(rapid.Int64().Draw(t, "waited")), Place: rapid.Int().Draw(t, "place"),
		Estimate: time.Duration(rapid.Int64().Draw(t, "estimate")), Tries: rapid.Int().Draw(t, "tries"), Status: rapid.Int().Draw(t, "status"),
		Verdict: rapid.SampledFrom([]string{"", "ok", "concurrency", "\x1b[5m"}).Draw(t, "verdict"), Code: text(), Outcome: text(), Bytes: rapid.Int64().Draw(t, "bytes"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "attempts") {
		a := dashboard.Attempt{Start: moments().Draw(t, "start"), InFlight: rapid.Int().Draw(t, "in flight"), Verdict: rapid.SampledFrom([]string{"", "ok", "concurrency", "\x1b[5m"}).Draw(t, "verdict"), Code: text(), ProviderID: text()}
		if rapid.Bool().Draw(t, "ended") {
			a.End = new(moments().Draw(t, "end"))
			r.End = a.End
		}
		r.Attempts = append(r.Attempts, a)
	}
	return r
}

func anyView(t *rapid.T) *dashboard.View {
	text := func() string { return names().Draw(t, "text") }
	number := rapid.OneOf(rapid.IntRange(-1, 40), rapid.Int())
	v := &dashboard.View{
		At: moments().Draw(t, "at"), Started: moments().Draw(t, "started"), Version: text(), Listen: text(), Upstream: text(), Words: text(), Draining: rapid.Bool().Draw(t, "draining"),
		Running: number.Draw(t, "running"), Queued: number.Draw(t, "queued"), Retrying: number.Draw(t, "retrying"),
		MoreLanes: number.Draw(t, "more"), MoreSessions: rapid.IntRange(0, 10_000).Draw(t, "more"),
	}
	for range rapid.IntRange(0, 5).Draw(t, "lanes") {
		l := dashboard.Lane{
			Lane: rapid.SampledFrom([]string{"a", "b", "\x1b[A"}).Draw(t, "lane"), Model: text(), Account: text(), State: rapid.SampledFrom([]string{dashboard.LaneOpen, dashboard.LaneClosed, "\x1b"}).Draw(t, "state"),
			Running: number.Draw(t, "running"), Queued: number.Draw(t, "queued"), Retrying: number.Draw(t, "retrying"), Limit: number.Draw(t, "limit"), Fixed: number.Draw(t, "fixed"),
			Until: new(moments().Draw(t, "until")), Words: text(), Why: text(), Verdict: text(),
		}
		for n := range rapid.IntRange(0, 30).Draw(t, "levels") {
			l.Curve = append(l.Curve, level(n+1, rapid.IntRange(0, 100).Draw(t, "accepted"), rapid.IntRange(0, 100).Draw(t, "refused")))
		}
		v.Lanes = append(v.Lanes, l)
	}
	for range rapid.IntRange(0, 20).Draw(t, "sessions") {
		v.Sessions = append(v.Sessions, dashboard.Session{Session: text(), Who: text(), Running: number.Draw(t, "running"), Waited: time.Duration(rapid.Int64().Draw(t, "waited")), Share: rapid.Float64().Draw(t, "share")})
	}
	for _, list := range []*[]dashboard.Request{&v.Waiting, &v.Active, &v.Done} {
		for range rapid.IntRange(0, 4).Draw(t, "requests") {
			*list = append(*list, anyRequest(t))
		}
	}
	return v
}

// checkFrame fails unless a frame fits, and holds nothing but text and looks.
func checkFrame(t interface{ Fatalf(string, ...any) }, s *screen) {
	content := s.View().Content
	rows := strings.Split(content, "\n")
	if content != "" && len(rows) > s.height {
		t.Fatalf("%d rows in %d", len(rows), s.height)
	}
	for _, row := range rows {
		bare := ansi.Strip(row)
		if w := ansi.StringWidth(bare); w > max(0, s.width) || w != ansi.StringWidthWc(bare) {
			t.Fatalf("%d columns (or %d) in %d: %q", w, ansi.StringWidthWc(bare), s.width, bare)
		}
		for _, r := range bare {
			if unicode.IsControl(r) || !unicode.IsPrint(r) || s.onlyASCII && r > '~' {
				t.Fatalf("%q is on the screen: %q", r, bare)
			}
		}
		for rest := row; ; {
			i := strings.IndexByte(rest, 0x1b)
			if i < 0 {
				break
			}
			end := strings.IndexByte(rest[i:], 'm')
			if end < 0 || strings.Trim(rest[i+2:i+end], "0123456789;") != "" || rest[i+1] != '[' {
				t.Fatalf("a sequence that is no look: %q", row)
			}
			rest = rest[i+end:]
		}
	}
}

// Whatever a gateway tells, whatever size the terminal has, and whatever keys are
// pressed: each screen fits, and nothing raw reaches the terminal.
func TestAnyScreenFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		orders := make(chan order, 1)
		s := newScreen(orders)
		s.onlyASCII = rapid.Bool().Draw(t, "ascii")
		t.Repeat(map[string]func(*rapid.T){
			"view": func(t *rapid.T) {
				v := anyView(t)
				cleanView(v)
				s.Update(viewMsg{v, moments().Draw(t, "heard")})
			},
			"size": func(t *rapid.T) {
				s.Update(tea.WindowSizeMsg{Width: rapid.IntRange(0, 250).Draw(t, "width"), Height: rapid.IntRange(0, 80).Draw(t, "height")})
			},
			"key": func(t *rapid.T) {
				s.Update(key(rapid.SampledFrom([]string{
					"1", "2", "3", "4", "tab", "up", "down", "left", "right", "enter", "esc", "pgdown", "pgup", "home", "end", "/", "?", "s", "l", "v", "+", "-", "p", "f", "c", "y", "n", "a", "7", "backspace", "日", "space",
				}).Draw(t, "key")))
			},
			"paste": func(t *rapid.T) { s.Update(tea.PasteMsg{Content: names().Draw(t, "pasted")}) },
			"time":  func(t *rapid.T) { s.Update(tickMsg{moments().Draw(t, "now")}) },
			"lost":  func(t *rapid.T) { s.Update(lostMsg{errEnded, noon}) },
			"found": func(t *rapid.T) { s.Update(foundMsg{&fake{}}) },
			"order": func(t *rapid.T) {
				select {
				case o := <-orders:
					s.Update(doneMsg{o.said})
				default:
				}
			},
			"": func(t *rapid.T) { checkFrame(t, s) },
		})
	})
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"plain", "\x1b[31m", "日本\x07", "👨‍👩‍👧", "\xff", "กำ"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		for _, r := range got {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q of %q became %q", r, s, got)
			}
		}
		if !isSettled(got) {
			t.Fatalf("terminals disagree how wide %q is", got)
		}
		if clean(got) != got {
			t.Fatalf("%q is cleaned twice to %q", got, clean(got))
		}
		if a := ascii(got); ansi.StringWidth(a) != ansi.StringWidth(got) {
			t.Fatalf("%q is not as wide as %q", a, got)
		}
	})
}

// Ten thousand sessions are no more work to draw than those that fit.
func TestManySessions(t *testing.T) {
	v := busy(0)
	for i := range 10_000 {
		one := v.Sessions[0]
		one.Session = strings.Repeat("x", i%20)
		v.Sessions = append(v.Sessions, one)
	}
	cleanView(v)
	s := shown(80, 24)
	s.Update(viewMsg{v, noon})
	s.pressAll("3", "end")
	checkFrame(t, s)
	if got := s.content(); !strings.Contains(got, "of 19953 sessions") {
		t.Errorf("it does not say how many there are:\n%s", got)
	}
}
