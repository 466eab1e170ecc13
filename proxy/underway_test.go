package proxy_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"net/http"
)

func TestOpenRequestsAreShownAndOneThatWaitsCanBeCancelled(t *testing.T) {
	for _, wait := range []time.Duration{time.Second, 45 * time.Second} { // before and after the first sign of life
		synctest.Test(t, func(t *testing.T) {
			u := &upstream{answer: func(_ int, r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}}
			g := newGateway(t, u)
			first := g.send(request("POST", chatPath, askStream))
			synctest.Wait()
			time.Sleep(time.Millisecond)
			second := g.send(request("POST", chatPath, askStream))
			time.Sleep(wait)
			synctest.Wait()
			open := g.Open()
			if len(open) != 2 || open[0].Ahead != -1 || len(open[0].Tries) != 1 || open[1].Ahead != 0 || open[1].Attempts != 0 || open[1].Lane != open[0].Lane || open[1].Session == "" {
				t.Fatalf("%+v", open)
			}
			if g.Cancel("nobody") || g.Cancel(open[0].ID) {
				t.Error("one that does not wait was cancelled")
			}
			if !g.Cancel(open[1].ID) {
				t.Fatal("the one that waits was not cancelled")
			}
			<-second.done
			status, body := second.have()
			if want := 400; status != want && wait < 30*time.Second || !strings.Contains(body, "cancelled by hand") {
				t.Errorf("%d %s", status, body)
			}
			if r := <-g.records; r.Outcome() != "cancelled" {
				t.Errorf("recorded as %s", r.Outcome())
			}
			if open = g.Open(); len(open) != 1 {
				t.Errorf("%d are open", len(open))
			}
			first.leave()
			<-first.done
			<-g.records
			g.idle(t)
			if open = g.Open(); len(open) != 0 {
				t.Errorf("%d are open", len(open))
			}
		})
	}
}
