package top

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"

	"github.com/weirhq/weir/internal/dashboard"
	"github.com/weirhq/weir/pool"
)

// press does what a key is for.
func (s *screen) press(msg tea.KeyPressMsg) tea.Cmd {
	key := msg.String()
	switch key {
	case "ctrl+c":
		return tea.Quit
	case "ctrl+z":
		return tea.Suspend
	}
	if s.ask != nil {
		if asked := s.ask; asked.press(key, msg.Text) && s.ask == asked {
			s.ask = nil
		} // else an answer has led to another question
		return nil
	}
	switch key {
	case "q":
		return tea.Quit
	case "?", "f1":
		s.help, s.scroll = !s.help, 0
		return nil
	case "esc", "backspace":
		s.back()
		return nil
	}
	if s.move(key) || s.turn(key) || s.view == nil || s.help {
		return nil
	}
	s.act(key)
	return nil
}

// back closes what was opened last: the help, a request, the filter, the page.
func (s *screen) back() {
	switch {
	case s.help:
		s.help, s.scroll = false, 0
	case s.opened != nil:
		s.opened, s.scroll = nil, 0
	case !s.filter.isEmpty():
		s.filter = filter{}
	default:
		s.page = nowPage
	}
}

// turn goes to another page, and tells whether the key was for that.
func (s *screen) turn(key string) bool {
	var to page
	switch key {
	case "1", "2", "3", "4":
		to = page(key[0] - '1')
	case "tab":
		to = (s.page + 1) % pages
	case "shift+tab":
		to = (s.page + pages - 1) % pages
	default:
		return false
	}
	s.page, s.opened, s.help, s.scroll = to, nil, false, 0
	return true
}

// move moves the cursor or the text, and tells whether the key was for that.
func (s *screen) move(key string) bool {
	leap := max(1, s.height/2)
	by := 0
	switch key {
	case "down", "j":
		by = 1
	case "up", "k":
		by = -1
	case "pgdown", "ctrl+d", "space":
		by = leap
	case "pgup", "ctrl+u":
		by = -leap
	case "home", "g":
		by = -1 << 20
	case "end", "G":
		by = 1 << 20
	case "right":
		s.stepLane(1)
		return true
	case "left":
		s.stepLane(-1)
		return true
	default:
		return false
	}
	switch {
	case s.help || s.opened != nil:
		s.scroll += by // bounded where it is drawn
		s.scroll = max(0, s.scroll)
	case s.page == sessionsPage:
		all, _ := s.sessions()
		s.session.move(by, len(all), func(i int) string { return all[i].Session })
	case s.page == lanesPage:
		s.stepLane(by)
	default:
		all, _ := s.requests()
		s.request.move(by, len(all), func(i int) string { return all[i].ID })
	}
	return true
}

// act does what the other keys are for.
func (s *screen) act(key string) {
	switch key {
	case "enter":
		s.open()
	case "/":
		s.askFilter()
	case "s", "l", "v":
		s.narrow(key)
	case "+", "=":
		s.zoom = max(0, s.zoom-1)
	case "-":
		s.zoom = min(len(lengths)-1, s.zoom+1)
	case "p":
		s.askHold()
	case "f":
		s.askLimit()
	case "c":
		s.askCancel()
	}
}

// open opens the request at the cursor, or the requests of the session or lane there.
func (s *screen) open() {
	switch s.page {
	case sessionsPage:
		if all, at := s.sessions(); len(all) > 0 {
			s.filter, s.page, s.request = filter{session: all[at].Session}, requestsPage, cursor{}
		}
	case lanesPage:
		if s.lane != "" {
			s.filter, s.page, s.request = filter{lane: s.lane}, requestsPage, cursor{}
		}
	default:
		if r := s.pickedRequest(); r != nil {
			kept := *r
			s.opened, s.scroll = &kept, 0
		}
	}
}

// narrow shows only the requests that have the session, lane or verdict of the one at
// the cursor; the same key again shows all.
func (s *screen) narrow(key string) {
	r := s.pickedRequest()
	if r == nil {
		return
	}
	part, value := &s.filter.session, r.Session
	switch key {
	case "l":
		part, value = &s.filter.lane, r.Lane
	case "v":
		part, value = &s.filter.verdict, r.Verdict
	}
	switch {
	case *part != "":
		*part = ""
	case value == "":
		s.say("this request has none yet")
		return
	default:
		*part = value
	}
	s.opened, s.request = nil, cursor{id: r.ID}
	if s.page == nowPage {
		s.page = requestsPage
	}
}

// A question is asked in the last line, and has the keys until it is answered.
type question struct {
	text   string
	typed  string
	isText bool // else y or n
	digits bool // only those
	change func(typed string)
	answer func(typed string)
	cancel func()
}

// press takes a key, and tells whether the question is done with.
func (q *question) press(key, text string) (over bool) {
	switch {
	case key == "esc":
		if q.cancel != nil {
			q.cancel()
		}
		return true
	case !q.isText:
		if key == "y" || key == "Y" {
			q.answer("")
		}
		return true
	case key == "enter":
		q.answer(q.typed)
		return true
	case key == "backspace":
		runes := []rune(q.typed)
		q.set(string(runes[:max(0, len(runes)-1)]))
	case key == "ctrl+u":
		q.set("")
	default:
		q.paste(clean(text))
	}
	return false
}

// paste adds text to what is typed.
func (q *question) paste(text string) {
	if !q.isText || text == "" {
		return
	}
	if q.digits {
		text = strings.Map(func(r rune) rune {
			if !unicode.IsDigit(r) || r > '9' {
				return -1
			}
			return r
		}, text)
	}
	const most = 60
	if runes := []rune(q.typed + text); len(runes) <= most {
		q.set(string(runes))
	}
}

func (q *question) set(typed string) {
	q.typed = typed
	if q.change != nil {
		q.change(typed)
	}
}

// askFilter filters while one types.
func (s *screen) askFilter() {
	before := s.filter.words
	if s.page != requestsPage && s.page != nowPage {
		s.page = requestsPage
	}
	s.opened, s.request = nil, cursor{}
	set := func(typed string) { s.filter.words = typed }
	s.ask = &question{text: "show requests with: ", isText: true, typed: before, change: set, answer: set, cancel: func() { set(before) }}
}

// askHold asks whether to hold a lane, or to open it again.
func (s *screen) askHold() {
	l, ok := s.current()
	if !ok {
		return
	}
	name := s.laneName(l.Lane)
	ask, said := "pause "+name+", so that nothing starts until it is resumed?", name+" is paused"
	do := func(ctx context.Context, g Gateway) error { return g.Hold(ctx, l.Lane) }
	switch l.State {
	case dashboard.LaneHeld, dashboard.LaneClosed, dashboard.LaneFlagged:
		ask, said = "resume "+name+", which is "+l.State+"?", name+" is open again"
		do = func(ctx context.Context, g Gateway) error {
			n, err := g.Resume(ctx, l.Lane)
			if err == nil && n == 0 {
				return fmt.Errorf("%s was open already", name)
			}
			return err
		}
	}
	s.confirm(ask, said, do)
}

// confirm asks before an order is given.
func (s *screen) confirm(ask, said string, do func(context.Context, Gateway) error) {
	s.ask = &question{text: ask + " (y/n) ", answer: func(string) { s.give(said, order{do: do}) }}
}

// askLimit asks for a lane's limit, and whether that is meant.
func (s *screen) askLimit() {
	l, ok := s.current()
	if !ok {
		return
	}
	name := s.laneName(l.Lane)
	s.ask = &question{text: "limit of " + name + " (0: learned again): ", isText: true, digits: true}
	s.ask.answer = func(typed string) {
		const most = pool.MaxFixed
		n, err := strconv.Atoi(typed)
		if err != nil || n > most {
			s.say(fmt.Sprintf("not done: a limit is a number up to %d", most))
			return
		}
		do := func(ctx context.Context, g Gateway) error { return g.Fix(ctx, l.Lane, n) }
		if n == 0 {
			s.confirm("let the limit of "+name+" be learned again?", "the limit of "+name+" is learned again", do)
		} else {
			s.confirm(fmt.Sprintf("fix the limit of %s at %d?", name, n), fmt.Sprintf("the limit of %s is fixed at %d", name, n), do)
		}
	}
}

// askCancel asks whether to cancel the request at the cursor.
func (s *screen) askCancel() {
	r := s.pickedRequest()
	if r == nil {
		return
	}
	if r.State != dashboard.Waiting && r.State != dashboard.Retrying {
		s.say("only a request that waits can be cancelled here")
		return
	}
	id := r.ID
	s.confirm("cancel the "+place(r)+" request of "+who(r)+"?", "the request is cancelled", func(ctx context.Context, g Gateway) error { return g.Cancel(ctx, id) })
}
