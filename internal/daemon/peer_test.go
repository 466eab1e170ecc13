package daemon

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/peer"
	"github.com/weirhq/weir/internal/simulate"
)

func TestLookupsTakeAShareOfTheTime(t *testing.T) {
	var a allowance
	now := time.Unix(1e9, 0)
	n := 0
	for range 1000 { // in one moment
		if a.start(now) {
			a.spend(time.Millisecond)
			n++
		}
	}
	if n != 200 {
		t.Errorf("%d look-ups of a millisecond at once, want 200", n)
	}
	for range 10_000 { // in ten seconds
		now = now.Add(time.Millisecond)
		if a.start(now) {
			a.spend(time.Millisecond)
			n++
		}
	}
	if n < 390 || n > 410 {
		t.Errorf("%d look-ups in ten seconds more, want 200 more", n)
	}
}

func TestStateSaysWhoseProcessCalls(t *testing.T) {
	_, url := upstream(t, simulate.Config{})
	g := start(t, Config{Upstreams: []string{url}})
	g.call("glm-5")
	_, _, body := g.get("/weir/api/state")
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if told := strings.Contains(body, dir) || strings.Contains(body, `in ~`); told != peer.Supported {
		t.Errorf("state names the caller: %v\n%s", told, body)
	}
}
