package proxy_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Whether weir says in its own words that it gives up, or passes the provider's error
// on: the client comes back, and has its place.
func TestACallThatWasSentAwayKeepsItsPlace(t *testing.T) {
	tests := []struct {
		name   string
		answer func() (*http.Response, error) // to each attempt
		first  bool                           // its repeat goes before who came in between
	}{
		{"refused for concurrency", always(429, `{"error":{"code":"1302","message":"x"}}`), true},
		{"the provider's own 502", always(502, `{}`), true},
		{"the provider's own 503", always(503, `{}`), true},
		{"the provider's own 529", always(529, `{}`), true},
		{"no connection", func() (*http.Response, error) { return nil, errors.New("refused") }, true},
		{"a request that is wrong", always(400, `{"error":{"code":"1210","message":"x"}}`), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad, slow := true, after(10*time.Second, chatStream)
				g := newGateway(t, &upstream{answer: func(n int, r *http.Request) (*http.Response, error) {
					if bad {
						return tt.answer()
					}
					return slow.answer(n, r)
				}})
				as := inSession(g, "User-Agent", openCodeAgent, "X-Session-Id")
				mine := strings.Replace(ask("mine"), `"stream":true`, `"stream":false`, 1)
				<-as("ses_1", mine).done
				bad = false
				time.Sleep(70 * time.Second) // what the provider's errors have closed is open again
				running, between := as("ses_0", ask("running")), as("ses_2", ask("between"))
				back := as("ses_1", mine)
				<-running.done
				<-between.done
				<-back.done
				if first := back.ended().Before(between.ended()); first != tt.first {
					t.Errorf("it goes first: %v", first)
				}
				g.idle(t)
			})
		})
	}
}

func always(status int, body string) func() (*http.Response, error) {
	return func() (*http.Response, error) { return answer(status, "application/json", body), nil }
}
