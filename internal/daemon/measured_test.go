package daemon

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/simulate"
	"github.com/weirhq/weir/limit"
)

const testKey = "key-of-the-test"

func lookedOut(t *testing.T, dir string) Lookout {
	t.Helper()
	l, err := LookOut(context.Background(), dir, "zai-coding", testKey)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestWhatWasMeasuredIsGoneOnFrom(t *testing.T) {
	levels := []limit.LevelCount{{Level: 3, Accepted: 40}, {Level: 4, Refused: 6}}
	check := func(t *testing.T, s shown) {
		t.Helper()
		if len(s.Accounts) != 1 || s.Accounts[0].Limit != 3 || len(s.Accounts[0].Lanes) != 1 || s.Accounts[0].Lanes[0].Limit != 3 {
			t.Errorf("%+v", s)
		}
	}
	_, url := upstream(t, simulate.Config{})
	t.Run("in a gateway that runs", func(t *testing.T) {
		g := start(t, Config{Upstreams: []string{url}})
		l := lookedOut(t, g.dir)
		if l.Address == "" || l.Flagged || l.Busy != 0 {
			t.Errorf("%+v", l)
		}
		if err := Measured(context.Background(), g.dir, weir.Measurement{Lane: l.Account + "/glm-5", Stable: 3, Levels: levels}); err != nil {
			t.Fatal(err)
		}
		check(t, g.state())
		if status, _, body := g.call("glm-5"); status != http.StatusOK {
			t.Errorf("status %d: %s", status, body)
		}
		check(t, g.state()) // the call came to the very lane that was measured
	})
	t.Run("where none runs yet", func(t *testing.T) {
		dir := t.TempDir()
		l := lookedOut(t, dir)
		if err := Measured(context.Background(), dir, weir.Measurement{Lane: l.Account + "/glm-5", Stable: 3, Levels: levels}); err != nil {
			t.Fatal(err)
		}
		g := start(t, Config{Upstreams: []string{url}, State: dir})
		check(t, g.state())
		g.call("glm-5")
		check(t, g.state())
	})
	t.Run("not what makes no sense", func(t *testing.T) {
		g := start(t, Config{Upstreams: []string{url}})
		for _, dir := range []string{t.TempDir(), g.dir} {
			for _, m := range []weir.Measurement{{Lane: "a/b/c"}, {Lane: "glm-5", Stable: 3}, {Lane: "a/b/c", Stable: 1 << 30}} {
				if err := Measured(context.Background(), dir, m); err == nil {
					t.Errorf("%+v was taken", m)
				}
			}
			if err := Flag(context.Background(), dir, "glm-5", "1313", ""); err == nil {
				t.Error("an account without a provider was taken")
			}
		}
	})
}

func TestFlaggedByOthers(t *testing.T) {
	p, url := upstream(t, simulate.Config{})
	dir := t.TempDir()
	if err := Flag(context.Background(), dir, lookedOut(t, dir).Account, "1313", "ask the provider"); err != nil {
		t.Fatal(err)
	}
	// The vendor's other endpoints have the same account.
	if l, err := LookOut(context.Background(), dir, "zai", testKey); err != nil || !l.Flagged {
		t.Errorf("%+v, %v", l, err)
	}
	g := start(t, Config{Upstreams: []string{url}, State: dir})
	if status, _, body := g.call("glm-5"); status != http.StatusPaymentRequired || p.Stats().Requests != 0 {
		t.Errorf("status %d: %s", status, body)
	}
	if !lookedOut(t, dir).Flagged {
		t.Error("the gateway does not say it")
	}
	if n, err := Resume(context.Background(), dir, ""); n != 1 || err != nil {
		t.Errorf("opened %d, %v", n, err)
	}
	if err := Flag(context.Background(), dir, lookedOut(t, dir).Account, "1313", "ask the provider"); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := g.call("glm-5"); status != http.StatusPaymentRequired {
		t.Errorf("status %d", status)
	}
}

func TestLookOutSeesWhatIsUnderWay(t *testing.T) {
	p, err := simulate.New(simulate.Config{Answer: simulate.Exactly(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	g := start(t, Config{Upstreams: []string{server.URL}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		req := g.request(http.MethodPost, chatPath, `{"model":"glm-5","messages":[]}`).WithContext(ctx)
		req.Header.Set("Authorization", "Bearer "+testKey)
		send(req)
	}()
	g.until(soon, "the call is under way", func() bool { return lookedOut(t, g.dir).Busy == 1 })
	cancel()
	<-done
	if l, err := LookOut(context.Background(), g.dir, "zai-coding", "another"); err != nil || l.Busy != 0 || !strings.HasPrefix(l.Account, "zai-coding/") {
		t.Errorf("%+v, %v", l, err)
	}
}
