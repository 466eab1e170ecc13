package daemon

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/dashboard"
	"github.com/weirhq/weir/internal/simulate"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/proxy"
)

// pageToken reads the token from the page.
func pageToken(t *testing.T, g *gateway) string {
	t.Helper()
	_, _, page := g.get("/weir/")
	found := regexp.MustCompile(`name="weir-token" content="([0-9a-f]{32})"`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("no token in %s", page)
	}
	return found[1]
}

func TestThePagesTokenIsGoodForItsButtonsOnly(t *testing.T) {
	_, url := upstream(t, simulate.Config{})
	g := start(t, Config{Upstreams: []string{url}})
	token := pageToken(t, g)
	if token == g.store.Token() {
		t.Fatal("the page has the owner's token")
	}
	send(g.request(http.MethodPost, chatPath, `{"model":"glm"}`))
	lane := g.governor.Snapshot().Accounts[0].Lanes[0].Lane
	order := func(path, body string, change func(*http.Request)) int {
		req := g.request(http.MethodPost, path, body)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(tokenHeader, token)
		if change != nil {
			change(req)
		}
		status, _, _ := send(req)
		return status
	}
	of := func(more string) string { return fmt.Sprintf(`{"lane":%q%s}`, lane, more) }
	for _, c := range []struct {
		name, path, body string
		change           func(*http.Request)
		status           int
	}{
		{"pause", pausePath, of(""), nil, 200},
		{"resume", resumePath, of(""), nil, 200},
		{"fix", limitPath, of(`,"limit":2`), nil, 200},
		{"free", limitPath, of(`,"limit":0`), nil, 200},
		{"no such lane", pausePath, `{"lane":"no"}`, nil, 404},
		{"a limit too high", limitPath, of(`,"limit":1001`), nil, 400},
		{"a limit below nothing", limitPath, of(`,"limit":-1`), nil, 400},
		{"no such request", cancelPath, `{"id":"no"}`, nil, 404},
		{"an order for the owner", stopPath, `{}`, nil, 403},
		{"another one", replacePath, `{"program":"/bin/true"}`, nil, 403},
		{"no token", pausePath, of(""), func(r *http.Request) { r.Header.Del(tokenHeader) }, 403},
		{"no JSON", pausePath, of(""), func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415},
		{"another site", pausePath, of(""), func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403},
		{"a rebound name", pausePath, of(""), func(r *http.Request) { r.Host = "evil.example" }, 403},
		{"what is no object", pausePath, `[]`, nil, 400},
		{"a field too many", pausePath, of(`,"x":1`), nil, 400},
	} {
		if status := order(c.path, c.body, c.change); status != c.status {
			t.Errorf("%s: %d, want %d", c.name, status, c.status)
		}
	}
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-IP"} {
		req := g.request(http.MethodGet, "/weir/", "")
		req.Header.Set(name, "for=192.0.2.7")
		if status, _, body := send(req); status != 401 || strings.Contains(body, token) {
			t.Errorf("passed on for somebody elsewhere (%s): %d", name, status)
		}
	}
	for _, path := range []string{"/weir", "/weir/", "/weir/api/events", "/weir/api/requests", "/weir/api/history", "/weir/page.js"} {
		req := g.request(http.MethodGet, path, "")
		req.Host = "evil.example"
		if status, _, _ := send(req); status != 403 {
			t.Errorf("%s by a rebound name: %d", path, status)
		}
	}
}

func TestAWatcherSeesRequestsFromTheirArrivalToTheirEnd(t *testing.T) {
	provider, _ := upstream(t, simulate.Config{})
	answer := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-answer:
			provider.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	g := start(t, Config{Upstreams: []string{slow.URL}, Limit: limit.Config{Min: 1, Max: 1}})
	i, err := Find(t.Context(), g.dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		go send(g.request(http.MethodPost, chatPath, `{"model":"glm <b>","messages":[]}`))
	}
	seen, done := false, 0
	for v, err := range i.Watch(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if !seen && len(v.Active) == 1 && len(v.Waiting) == 2 {
			seen = true
			if r := v.Active[0]; r.State != dashboard.Running || len(r.Attempts) != 1 || r.Attempts[0].End != nil {
				t.Errorf("%+v", r)
			}
			for n, r := range v.Waiting {
				if r.State != dashboard.Waiting || r.Place != n+1 {
					t.Errorf("%+v", r)
				}
			}
			close(answer)
		}
		for _, r := range v.Done {
			if r.Model != "glm <b>" || r.Outcome != "ok" || r.Status != 200 || len(r.Attempts) != 1 || r.Attempts[0].Verdict != "ok" {
				t.Errorf("%+v", r)
			}
			done++
		}
		if done == 3 {
			break
		}
	}
	if !seen {
		t.Error("nothing was seen under way")
	}
}

func TestThePageShowsTheDayBeforeTheGatewayBegan(t *testing.T) {
	_, url := upstream(t, simulate.Config{})
	first := start(t, Config{Upstreams: []string{url}})
	send(first.request(http.MethodPost, chatPath, `{"model":"glm","messages":[]}`))
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	g := start(t, Config{Upstreams: []string{url}, State: first.dir})
	g.until(patience, "the history is read", func() bool {
		_, _, text := g.get("/weir/api/history?period=1h")
		return strings.Contains(text, `"running":1`)
	})
}

func TestADrainDoesNotWaitForThoseWhoWatch(t *testing.T) {
	g := start(t, Config{Drain: time.Hour})
	i, err := Find(t.Context(), g.dir)
	if err != nil {
		t.Fatal(err)
	}
	var last *dashboard.View
	for v, err := range i.Watch(t.Context()) {
		if err != nil {
			break
		}
		if last == nil {
			go g.stop()
		}
		last = v
	}
	if last == nil || !last.Draining {
		t.Errorf("the last view: %+v", last)
	}
	<-g.over
}

// What has been waited counts on while a request waits, the second time too.
func TestWhatWaitsSaysForHowLong(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	tried := weir.Attempt{Start: ago(50 * time.Second), End: ago(20 * time.Second)}
	for want, o := range map[time.Duration]proxy.Open{
		time.Minute:      {Start: ago(time.Minute)},
		30 * time.Second: {Start: ago(time.Minute), TraceInfo: weir.TraceInfo{Attempts: 1, Waited: 10 * time.Second}, Tries: []weir.Attempt{tried}},
		10 * time.Second: {Start: ago(time.Minute), TraceInfo: weir.TraceInfo{Attempts: 1, Waited: 10 * time.Second}, Tries: []weir.Attempt{{Start: ago(50 * time.Second)}}, Ahead: -1},
	} {
		if r := underway(o, now); r.Waited != want {
			t.Errorf("%s: %v, want %v", r.State, r.Waited, want)
		}
	}
}

func TestModelOf(t *testing.T) {
	for lane, want := range map[string]string{"zai/a/glm": "glm", "zai/a/org/glm": "org/glm", "zai/a": "zai/a", "": ""} {
		if got := modelOf(lane); got != want {
			t.Errorf("%q: %q", lane, got)
		}
	}
}
