package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const glm = "zai-coding/abc/glm-5"

// gateway is one that a test makes up.
type gateway struct {
	*Server
	snapshot weir.Snapshot
	open     []Request
}

func newGateway(t *testing.T) *gateway {
	g := &gateway{snapshot: weir.Snapshot{Accounts: []pool.Snapshot{{
		Account: "zai-coding/abc", Limit: 5, Lanes: []pool.LaneSnapshot{{
			Lane: glm, Model: "glm-5", Limit: 3, InFlight: 3, Queued: 2, Brief: "3 is stable; next try at 4 in 6 min", Why: "3 is stable: 40 of 40 accepted",
			ByClass: map[admission.Class]int{admission.Background: 2}, Curve: []limit.LevelCount{{Level: 1, Accepted: 412}, {Level: 2, Accepted: 77, Refused: 41}},
		}},
		Sessions: []pool.SessionSnapshot{
			{Session: pool.Session{Name: "idle", Requests: 9, Held: 3 * time.Second}},
			{Session: pool.Session{Name: "busy", Running: 3, Requests: 4, Held: time.Second}, Caller: "opencode in ~/shop"},
		},
	}}, InFlight: 3, Queued: 2}}
	g.Server = New(Config{
		About:    func() View { return View{Version: "v1", Started: noon} },
		Snapshot: func() weir.Snapshot { return g.snapshot },
		LimitOf:  func(string) int { return 3 },
		Open:     func() []Request { return g.open },
		Zone:     time.UTC, Token: "page-token",
	})
	t.Cleanup(g.Close)
	return g
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (g *gateway) get(path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	if !g.Serve(w, httptest.NewRequest(http.MethodGet, path, nil)) {
		w.Code = http.StatusNotFound
	}
	return w
}

// wire is a response that is read while it is written.
type wire struct {
	header http.Header
	mu     sync.Mutex // guards the field below
	text   strings.Builder
}

func (w *wire) Header() http.Header { return w.header }
func (w *wire) WriteHeader(int)     {}
func (w *wire) Flush()              {}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *wire) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (w *wire) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Reset()
}

func TestAViewSaysWhatGoesOn(t *testing.T) {
	g := newGateway(t)
	end := noon.Add(4 * time.Second)
	for range 5 {
		g.Ended(Request{Lane: glm, Outcome: "ok", End: &end, Attempts: []Attempt{{Start: noon.Add(time.Second)}}})
	}
	g.open = []Request{
		{ID: "runs", State: Running, Lane: glm}, {ID: "second", State: Waiting, Lane: glm, Place: 2}, {ID: "first", State: Waiting, Lane: glm, Place: 1},
	}
	v := g.View()
	if v.Version != "v1" || v.Running != 3 || v.Queued != 2 || v.Words != "glm-5: 3 is stable; next try at 4 in 6 min" {
		t.Errorf("%+v", v)
	}
	l := v.Lanes[0]
	if l.State != LaneOpen || l.Limit != 3 || l.ByClass != [3]int{0, 0, 2} || l.Account != "zai-coding/abc" || !strings.HasPrefix(l.Verdict, "1 worker is stable: 0 of 412 refused; 2 workers: 41 of 118 refused") || l.Curve[1].Low < 0.26 || l.Curve[1].High > 0.44 {
		t.Errorf("%+v", l)
	}
	if s := v.Sessions; s[0].Who != "opencode in ~/shop" || s[0].Share != 0.25 || s[1].Share != 0.75 {
		t.Errorf("%+v", s)
	}
	if len(v.Active) != 1 || len(v.Waiting) != 2 || v.Waiting[0].ID != "first" || v.Waiting[0].Estimate != time.Second || v.Waiting[1].Estimate != 2*time.Second {
		t.Errorf("running %+v, waiting %+v", v.Active, v.Waiting)
	}
	if len(v.Done) != 5 {
		t.Errorf("%d done", len(v.Done))
	}
}

func TestStatesInWords(t *testing.T) {
	for want, change := range map[string]func(*pool.Snapshot, *pool.LaneSnapshot){
		"quota (1308): back at 16:35 your time": func(_ *pool.Snapshot, l *pool.LaneSnapshot) {
			l.Closed = &pool.Closure{Code: "1308", Until: noon.Add(4*time.Hour + 35*time.Minute)}
		},
		"quota (1308): back at Mon 2 Mar 12:00 your time": func(_ *pool.Snapshot, l *pool.LaneSnapshot) {
			l.Closed = &pool.Closure{Code: "1308", Until: noon.Add(24 * time.Hour)}
		},
		"quota: spent, until when is not known; one request may try at 12:10 your time": func(_ *pool.Snapshot, l *pool.LaneSnapshot) {
			l.Closed = &pool.Closure{Trial: noon.Add(10 * time.Minute)}
		},
		"paused 12 s: the provider asked, with concurrency": func(_ *pool.Snapshot, l *pool.LaneSnapshot) {
			l.Paused = &pool.PauseSnapshot{Until: noon.Add(11500 * time.Millisecond), Why: "the provider asked, with concurrency"}
		},
		"paused by hand: nothing starts until it is resumed": func(_ *pool.Snapshot, l *pool.LaneSnapshot) { l.Held = &pool.HoldSnapshot{} },
		"the provider minds how the account is used (1313): nothing is sent until 18:00, or until it is resumed": func(a *pool.Snapshot, _ *pool.LaneSnapshot) {
			a.Flagged = &pool.Closure{Code: "1313", Until: noon.Add(6 * time.Hour)}
		},
		"all models together: 2 is stable": func(a *pool.Snapshot, _ *pool.LaneSnapshot) { a.Limit, a.Brief = 2, "2 is stable" },
		"the provider is overloaded: one request at a time tries; 3 is stable; next try at 4 in 6 min": func(_ *pool.Snapshot, l *pool.LaneSnapshot) {
			l.Overload = true
		},
	} {
		g := newGateway(t)
		a := g.snapshot.Accounts[0]
		l := a.Lanes[0]
		change(&a, &l)
		if got := lane(a, l, time.UTC, noon); got.Words != want {
			t.Errorf("%q, want %q", got.Words, want)
		}
	}
}

func TestWhatWasDoneToTheWholeAccountIsToldApart(t *testing.T) {
	for _, whole := range []bool{false, true} {
		g := newGateway(t)
		a := &g.snapshot.Accounts[0]
		a.Lanes[0].Held = &pool.HoldSnapshot{Whole: whole}
		if whole {
			a.Limit, a.Fixed = 2, 2
		} else {
			a.Lanes[0].Fixed = 3
		}
		if l := g.View().Lanes[0]; l.AccountHeld != whole || l.AccountFixed != whole || l.Fixed != l.Limit {
			t.Errorf("%+v", l)
		}
	}
}

func TestTheBiggestViewIsBounded(t *testing.T) {
	g := newGateway(t)
	for i := range 10_000 {
		g.snapshot.Accounts[0].Sessions = append(g.snapshot.Accounts[0].Sessions, pool.SessionSnapshot{Session: pool.Session{Name: fmt.Sprintf("s%d", i)}})
		g.open = append(g.open, Request{ID: fmt.Sprint(i), Lane: glm, Place: i + 1}, Request{ID: fmt.Sprint("r", i), Lane: glm})
		g.Ended(Request{ID: fmt.Sprint("d", i)})
	}
	v := g.View()
	if len(v.Sessions) != MostSessions || v.MoreSessions != 10_002-MostSessions || len(v.Waiting) != MostWaiting || v.MoreWaiting != 10_000-MostWaiting ||
		len(v.Active) != MostRunning || v.MoreActive != 10_000-MostRunning || len(v.Done) != MostDone || v.Done[0].ID != "d9999" {
		t.Errorf("%d, %d, %d, %d", len(v.Sessions), len(v.Waiting), len(v.Active), len(v.Done))
	}
	if v.Sessions[0].Session != "busy" {
		t.Errorf("the busiest is %+v", v.Sessions[0])
	}
}

func TestThePageIsServedUnderAStrictPolicy(t *testing.T) {
	g := newGateway(t)
	page := g.get("/weir/")
	if page.Code != 200 || !strings.Contains(page.Body.String(), `content="page-token"`) {
		t.Errorf("%d %s", page.Code, page.Body)
	}
	policy := page.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %s", policy)
	}
	whole := page.Body.Len()
	for path, kind := range map[string]string{"/weir/page.js": "text/javascript", "/weir/page.css": "text/css", "/weir/chart.css": "text/css", "/weir/icon.svg": "image/svg+xml"} {
		w := g.get(path)
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
		if strings.Contains(w.Body.String(), "http://") && path != "/weir/icon.svg" || strings.Contains(w.Body.String(), "https://") {
			t.Errorf("%s names another host", path)
		}
		whole += w.Body.Len()
	}
	if whole > 100_000 {
		t.Errorf("the page is %d bytes", whole)
	}
	if w := g.get("/weir/nothing"); w.Code != 404 {
		t.Errorf("nothing: %d", w.Code)
	}
}

func TestRequestsAreFiltered(t *testing.T) {
	g := newGateway(t)
	g.open = []Request{{ID: "a", Lane: glm, Session: "s", Place: 1}, {ID: "b", Lane: "other", Session: "s"}}
	g.Ended(Request{ID: "c", Lane: glm, Session: "t", Verdict: "quota"})
	for query, want := range map[string]string{"": "abc", "?lane=" + glm: "ac", "?session=s": "ab", "?verdict=quota": "c", "?lane=x": ""} {
		var got struct{ Waiting, Running, Done []Request }
		if err := json.Unmarshal(g.get("/weir/api/requests"+query).Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		ids := ""
		for _, r := range slices.Concat(got.Waiting, got.Running, got.Done) {
			ids += r.ID
		}
		if ids != want {
			t.Errorf("%q: %s, want %s", query, ids, want)
		}
	}
	if w := g.get("/weir/api/requests?model=x"); w.Code != 400 {
		t.Errorf("an unknown filter: %d %s", w.Code, w.Body)
	}
}

func TestEventsComeWhenSomethingHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		g.Ended(Request{ID: "before"})
		ctx, leave := context.WithCancel(t.Context())
		w := &wire{header: http.Header{}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			g.Serve(w, httptest.NewRequest(http.MethodGet, "/weir/api/events", nil).WithContext(ctx))
		}()
		synctest.Wait()
		if n := strings.Count(w.String(), "event: view"); n != 1 || !strings.Contains(w.String(), `"before"`) {
			t.Errorf("%d views at first: %s", n, w)
		}
		time.Sleep(10500 * time.Millisecond)
		synctest.Wait()
		if n, beats := strings.Count(w.String(), "event: view"), strings.Count(w.String(), "event: beat"); n != 2 || beats != 1 {
			t.Errorf("%d views and %d beats while nothing happens", n, beats) // the second is the first without what had ended
		}
		w.reset()
		g.Ended(Request{ID: "after"})
		time.Sleep(time.Second)
		synctest.Wait()
		if text := w.String(); strings.Count(text, "event: view") != 1 || !strings.Contains(text, `"after"`) || strings.Contains(text, `"before"`) {
			t.Errorf("after: %s", text)
		}
		leave()
		<-done
	})
}

// deaf is a response that takes nothing until its deadline.
type deaf struct {
	wire
	deadline time.Time
}

func (d *deaf) SetWriteDeadline(t time.Time) error {
	d.deadline = t
	return nil
}

func (d *deaf) Write([]byte) (int, error) {
	if !d.deadline.IsZero() {
		time.Sleep(time.Until(d.deadline))
		return 0, os.ErrDeadlineExceeded
	}
	select {}
}

func TestOneWhoDoesNotReadIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		w := &deaf{wire: wire{header: http.Header{}}}
		g.Serve(w, httptest.NewRequest(http.MethodGet, "/weir/api/events", nil))
		if !w.deadline.IsZero() {
			t.Error("the deadline stays on the connection")
		}
	})
}

func TestAskingForTheHeadOfEventsEnds(t *testing.T) {
	g := newGateway(t)
	w := httptest.NewRecorder()
	if !g.Serve(w, httptest.NewRequest(http.MethodHead, "/weir/api/events", nil)) || w.Body.Len() > 0 || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
}

// A view may be older than what has ended: no request is in it twice.
func TestARequestThatHasEndedIsShownOnce(t *testing.T) {
	g := newGateway(t)
	g.open = []Request{{ID: "runs", State: Running, Lane: glm}, {ID: "ends", State: Running, Lane: glm}, {ID: "leaves", State: Waiting, Lane: glm, Place: 1}}
	g.View()
	g.Ended(Request{ID: "ends"})
	g.Ended(Request{ID: "leaves"})
	if v := g.View(); len(v.Active) != 1 || v.Active[0].ID != "runs" || len(v.Waiting) != 0 || len(v.Done) != 2 {
		t.Errorf("running %+v, waiting %+v, done %+v", v.Active, v.Waiting, v.Done)
	}
}

func TestCloseEndsTheStreamWithALastView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		w := &wire{header: http.Header{}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			g.Serve(w, httptest.NewRequest(http.MethodGet, "/weir/api/events", nil))
		}()
		synctest.Wait()
		w.reset()
		time.Sleep(maxAge)
		g.snapshot.Draining = true
		g.Close()
		<-done
		if !strings.Contains(w.String(), `"draining":true`) {
			t.Errorf("%s", w)
		}
	})
}

func TestPicturesComeWithTheirNumbers(t *testing.T) {
	g := newGateway(t)
	g.Observe(pool.Event{At: time.Now(), Kind: pool.Arrived, Lane: glm})
	for _, path := range []string{"/weir/api/history", "/weir/api/history?period=24h&width=600&lane=" + glm} {
		var got picture
		if err := json.Unmarshal(g.get(path).Body.Bytes(), &got); err != nil || len(got.Columns) == 0 || !strings.HasPrefix(got.SVG, "<svg") {
			t.Errorf("%s: %v %+v", path, err, got)
		}
		if (got.Lane == glm) != strings.HasPrefix(got.Curve, "<svg") {
			t.Errorf("%s: level curve %q", path, got.Curve)
		}
	}
	if w := g.get("/weir/api/history?period=1y"); w.Code != 400 {
		t.Errorf("%d", w.Code)
	}
}

func TestWatchHearsUntilTheEnd(t *testing.T) {
	g := newGateway(t)
	g.Ended(Request{ID: "one"})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.Serve(w, r) }))
	defer server.Close()
	client := server.Client()
	var got []*View
	err := Watch(t.Context(), client, server.URL, func(v *View) bool {
		got = append(got, v)
		return false
	})
	if err != nil || len(got) != 1 || got[0].Running != 3 || got[0].Done[0].ID != "one" {
		t.Errorf("%v, %+v", err, got)
	}
	err = Watch(t.Context(), client, server.URL, func(*View) bool { g.Close(); return true })
	if err == nil || err.Error() != "it has ended" {
		t.Errorf("%v", err)
	}
	if err = Watch(t.Context(), client, server.URL+"/nothing", nil); err == nil {
		t.Error("no error")
	}
	client.CloseIdleConnections()
}

// What a view costs with 200 running and 2000 waiting.
func BenchmarkView(b *testing.B) {
	g := &gateway{}
	for i := range 2000 {
		g.open = append(g.open, Request{ID: fmt.Sprint(i), Lane: glm, Place: i + 1})
	}
	s := New(Config{About: func() View { return View{} }, Snapshot: func() weir.Snapshot { return g.snapshot }, Open: func() []Request { return slices.Clone(g.open) }, Zone: time.UTC})
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		s.view = nil
		v := s.View()
		if _, err := json.Marshal(v); err != nil {
			b.Fatal(err)
		}
	}
}

// The picture of a day, from the memory of a busy gateway.
func BenchmarkPicture(b *testing.B) {
	s := New(Config{LimitOf: func(string) int { return 3 }, Snapshot: func() weir.Snapshot { return weir.Snapshot{} }, Open: func() []Request { return nil }, About: func() View { return View{} }})
	defer s.Close()
	start := time.Now().Add(-24 * time.Hour)
	for i := range 7000 {
		t := start.Add(time.Duration(i) * 12 * time.Second)
		for j, kind := range []pool.EventKind{pool.Arrived, pool.Admitted, pool.Released, pool.Done} {
			s.Observe(pool.Event{At: t.Add(time.Duration(j) * time.Second), Kind: kind, Lane: glm})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		s.Serve(w, httptest.NewRequest(http.MethodGet, "/weir/api/history?period=24h&lane="+glm, nil))
	}
}

func BenchmarkObserve(b *testing.B) {
	h := newHistory(func(string) int { return 3 })
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		t := at(float64(i) / 100)
		i++
		for _, kind := range []pool.EventKind{pool.Arrived, pool.Admitted, pool.Released, pool.Done} {
			h.observe(pool.Event{At: t, Kind: kind, Lane: glm})
		}
	}
}
