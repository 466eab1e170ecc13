package top

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/weirhq/weir/internal/dashboard"
)

// A page is one of the views that there are.
type page int

const (
	nowPage page = iota
	requestsPage
	sessionsPage
	lanesPage
	pages // how many
)

func (p page) String() string { return [pages]string{"Now", "Requests", "Sessions", "Lanes"}[p] }

// A screen is all that is shown and how it is looked at. Only the program's own
// goroutine has it.
type screen struct {
	orders        chan<- order
	onlyASCII     bool
	width, height int

	gateway Gateway
	view    *dashboard.View // the last one; nil: none has come
	memory  *memory
	ledger  ledger
	now     time.Time // of this machine
	heard   time.Time // when the last view came
	lost    time.Time // zero: it is not
	why     string    // it is lost

	page     page
	lane     string // that is looked at
	zoom     int    // of lengths
	request  cursor
	session  cursor
	filter   filter
	opened   *dashboard.Request // nil: none
	scroll   int                // of the opened request, or of the help
	help     bool
	ask      *question
	notice   string
	noticeAt time.Time
}

var _ tea.Model = (*screen)(nil)

func newScreen(orders chan<- order) *screen {
	return &screen{orders: orders, memory: newMemory(), zoom: 1}
}

// Init implements [tea.Model].
func (s *screen) Init() tea.Cmd { return nil }

// Update implements [tea.Model].
func (s *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return s, s.press(msg)
	case tea.PasteMsg:
		if s.ask != nil {
			s.ask.paste(clean(msg.Content))
		}
	case foundMsg:
		s.gateway = msg.gateway
	case viewMsg:
		s.heard = msg.at
		s.see(msg.view)
	case lostMsg:
		s.gateway = nil
		if s.lost.IsZero() {
			s.lost = msg.at
		}
		s.why = clean(msg.err.Error())
	case tickMsg:
		s.now = msg.now
		if s.view != nil && s.lost.IsZero() {
			s.memory.hold(s.clock(), s.view.Lanes)
		}
		const readable = 8 * time.Second
		if msg.now.Sub(s.noticeAt) > readable {
			s.notice = ""
		}
	case doneMsg:
		s.say(msg.say)
	case panicMsg:
		panic(msg.value)
	}
	return s, nil
}

// View implements [tea.Model].
func (s *screen) View() tea.View {
	v := tea.NewView(draw(s.lines(), s.width, s.height, s.onlyASCII))
	v.AltScreen = true
	return v
}

// clock is what the gateway's clock shows, and once it is lost what it showed last. While
// nothing changes it sends nothing, and its numbers hold.
func (s *screen) clock() time.Time {
	if !s.lost.IsZero() {
		return s.view.At
	}
	return s.view.At.Add(max(0, s.now.Sub(s.heard)))
}

// say shows a sentence for a few seconds.
func (s *screen) say(text string) { s.notice, s.noticeAt = text, s.now }

// see takes a new view.
func (s *screen) see(v *dashboard.View) {
	s.view, s.lost, s.why = v, time.Time{}, ""
	s.memory.see(v)
	s.ledger.see(v)
	if s.opened != nil {
		if r := s.ledger.find(s.opened.ID); r != nil {
			kept := *r
			s.opened = &kept
		}
	}
	s.followLane()
}

// followLane keeps looking at a lane while it is there and does something, and else
// takes the busiest.
func (s *screen) followLane() {
	if len(s.view.Lanes) == 0 {
		s.lane = ""
		return
	}
	busiest := s.view.Lanes[0]
	l, known := s.current()
	isIdle := l.Running+l.Queued == 0
	if !known || isIdle && busiest.Running+busiest.Queued > 0 && s.page != lanesPage {
		s.lane = busiest.Lane
	}
}

// current returns the lane that is looked at.
func (s *screen) current() (dashboard.Lane, bool) {
	if s.view != nil {
		for _, l := range s.view.Lanes {
			if l.Lane == s.lane {
				return l, true
			}
		}
	}
	return dashboard.Lane{}, false
}

// stepLane looks at another lane, so many further down.
func (s *screen) stepLane(by int) {
	if s.view == nil || len(s.view.Lanes) == 0 {
		return
	}
	n := len(s.view.Lanes)
	for i, l := range s.view.Lanes {
		if l.Lane == s.lane {
			s.lane = s.view.Lanes[max(0, min(n-1, i+by))].Lane
			return
		}
	}
}

// requests returns the requests that are shown, and where the cursor is among them.
func (s *screen) requests() (all []*dashboard.Request, at int) {
	all = s.ledger.shown(s.filter)
	return all, s.request.in(len(all), func(i int) string { return all[i].ID })
}

// picked returns the request at the cursor, or the opened one; nil: there is none.
func (s *screen) pickedRequest() *dashboard.Request {
	if s.opened != nil {
		return s.opened
	}
	if s.page != nowPage && s.page != requestsPage {
		return nil
	}
	all, at := s.requests()
	if len(all) == 0 {
		return nil
	}
	return all[at]
}

// sessions returns the sessions that are shown, and where the cursor is among them.
func (s *screen) sessions() (all []dashboard.Session, at int) {
	if s.view == nil {
		return nil, 0
	}
	all = s.view.Sessions
	return all, s.session.in(len(all), func(i int) string { return all[i].Session })
}

// laneName is how a lane is called: by its model, and where several accounts have that,
// with the beginning of the account's fingerprint.
func (s *screen) laneName(lane string) string {
	name, account, alike := "", "", 0
	for _, l := range s.view.Lanes {
		if l.Lane == lane {
			name, account = l.Model, l.Account
		}
	}
	if name == "" {
		return lane
	}
	for _, l := range s.view.Lanes {
		if l.Model == name {
			alike++
		}
	}
	if alike == 1 {
		return name
	}
	provider, fingerprint, _ := strings.Cut(account, "/")
	return name + " · " + cut(fingerprint, 6) + " " + provider
}

// give sends an order to the gateway.
func (s *screen) give(said string, o order) {
	o.said, o.gateway = said, s.gateway
	if s.gateway == nil {
		s.say("not done: the gateway is not there")
		return
	}
	select {
	case s.orders <- o:
	default:
		s.say("not done: one thing after the other")
	}
}

// lines returns the whole screen.
func (s *screen) lines() []line {
	if s.width <= 0 || s.height <= 0 {
		return nil
	}
	if s.width < leastWidth || s.height < leastHeight {
		return s.tiny()
	}
	all := s.head()
	foot := s.foot()
	room := s.height - len(all) - 1
	var body []line
	switch {
	case s.help:
		body = s.scrolled(helpLines(s.width), room)
	case s.view == nil:
		body = []line{nil, text("  waiting for the gateway's first word …", dim)}
	case s.opened != nil:
		body = s.scrolled(s.requestLines(s.opened), room)
	case s.page == requestsPage:
		body = s.requestList(room)
	case s.page == sessionsPage:
		body = s.sessionList(room)
	case s.page == lanesPage:
		body = s.lanesBody(room)
	default:
		body = s.nowBody(room)
	}
	all = append(all, body[:min(len(body), room)]...)
	for len(all) < s.height-1 {
		all = append(all, nil)
	}
	return append(all, foot)
}

// scrolled returns the part of a long text that is looked at.
func (s *screen) scrolled(all []line, room int) []line {
	s.scroll = max(0, min(s.scroll, len(all)-room))
	if s.scroll+room < len(all) && room > 1 {
		part := append([]line(nil), all[s.scroll:s.scroll+room-1]...)
		return append(part, text(fmt.Sprintf("  … %d more lines, ↓", len(all)-s.scroll-room+1), dim))
	}
	return all[s.scroll:]
}
