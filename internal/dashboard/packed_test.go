package dashboard

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhoCanUnpack(t *testing.T) {
	for accepted, want := range map[string]bool{
		"": false, "identity": false, "br": false, "gzip": true, "br, gzip": true, "GZIP;q=0.5": true, "gzip; q=1": true,
		"gzip;q=0": false, "gzip; q=0.000": false, "gzip;q=0, br": false, "xgzip": false,
	} {
		if got := unpacks([]string{accepted}); got != want {
			t.Errorf("%q: %v", accepted, got)
		}
	}
}

func TestAPackedStreamComesEventByEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		ctx, leave := context.WithCancel(t.Context())
		w := &wire{header: http.Header{}}
		r := httptest.NewRequest(http.MethodGet, eventsPath, nil).WithContext(ctx)
		r.Header.Set("Accept-Encoding", "gzip, deflate, br")
		done := make(chan struct{})
		go func() {
			defer close(done)
			g.Serve(w, r)
		}()
		whole := func() string {
			synctest.Wait()
			zip, err := gzip.NewReader(strings.NewReader(w.String()))
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(zip) // it has no end yet
			return string(text)
		}
		if text := whole(); !strings.HasPrefix(text, "event: view\n") || !strings.HasSuffix(text, "}\n\n") {
			t.Errorf("at first: %q", text)
		}
		time.Sleep(beatEvery + time.Second)
		if text := whole(); !strings.HasSuffix(text, "event: beat\ndata: {}\n\n") {
			t.Errorf("later: %q", text)
		}
		if w.header.Get("Content-Encoding") != "gzip" || w.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%v", w.header)
		}
		leave()
		<-done
	})
}

func TestAnswersArePackedForThoseWhoCanUnpackThem(t *testing.T) {
	g := newGateway(t)
	r := httptest.NewRequest(http.MethodGet, historyPath, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	g.Serve(w, r)
	zip, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	var got picture
	if err := json.NewDecoder(zip).Decode(&got); err != nil || got.Period != "5m" {
		t.Errorf("%+v, %v", got, err)
	}
	if w := g.get(historyPath); w.Header().Get("Content-Encoding") != "" {
		t.Errorf("packed for one who did not ask: %v", w.Header())
	}
}

func TestTheLastRequestsComeLatestFirst(t *testing.T) {
	g := newGateway(t)
	names := func(all []Request) string {
		var b strings.Builder
		for _, r := range all {
			b.WriteString(r.ID)
		}
		return b.String()
	}
	var n uint64
	for _, id := range strings.Split("abcdefg", "") {
		g.Ended(Request{ID: id})
	}
	all, n := g.since(n)
	if names(all) != "gfedcba" {
		t.Errorf("%s", names(all))
	}
	for range MostDone - 2 {
		g.Ended(Request{ID: "."})
	}
	g.Ended(Request{ID: "y"})
	g.Ended(Request{ID: "z"})
	if all, _ := g.since(n); len(all) != MostDone || !strings.HasPrefix(names(all), "zy...") || strings.Contains(names(all), "g") {
		t.Errorf("%d: %s", len(all), names(all))
	}
	if all, _ := g.since(n + MostDone - 1); names(all) != "z" {
		t.Errorf("%s", names(all))
	}
}
