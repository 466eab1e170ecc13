package main

import (
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/daemon"
	"github.com/weirhq/weir/pool"
)

func TestStatusNamesWhoCalls(t *testing.T) {
	session := func(name, caller string, running, queued int) pool.SessionSnapshot {
		return pool.SessionSnapshot{Session: pool.Session{Name: name, Running: running, Queued: queued}, Caller: caller}
	}
	s := &daemon.State{Listen: "127.0.0.1:1302", PID: 7, Version: "v1", Runs: []string{"claude in ~", "opencode in ~/shop"}, Snapshot: weir.Snapshot{
		InFlight: 3, Queued: 6,
		Accounts: []pool.Snapshot{{Sessions: []pool.SessionSnapshot{
			session("ses_1", "opencode in ~/shop", 1, 5), session("ses_2", "opencode in ~/shop", 1, 0),
			session("curl 127.0.0.1", "", 1, 1), session("idle", "", 0, 0),
		}, Lanes: []pool.LaneSnapshot{{Lane: "zai/1/glm-5", InFlight: 3, Queued: 6, Why: "3 is stable"}}}},
	}}
	var out strings.Builder
	if err := printStatus(&out, s); err != nil {
		t.Fatal(err)
	}
	want := `http://127.0.0.1:1302/weir/ (process 7, v1): 3 running, 6 queued
  claude in ~ (0 running, 0 queued)
  curl 127.0.0.1 (1 running, 1 queued)
  opencode in ~/shop (2 running, 5 queued)
  zai/1/glm-5: 3 running, 6 queued, 0 to be retried; 3 is stable
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestStatusSaysWhatIsNotKept(t *testing.T) {
	var out strings.Builder
	if err := printStatus(&out, &daemon.State{Notes: []string{"the journal lacks 3 rows"}}); err != nil {
		t.Fatal(err)
	}
	if want := "\n  ! the journal lacks 3 rows\n"; !strings.Contains(out.String(), want) {
		t.Errorf("%q has no %q", out.String(), want)
	}
}

func TestStatusNamesAnAccountThatBinds(t *testing.T) {
	account := pool.Snapshot{Account: "zai/1", Limit: 1, Fixed: 1, InFlight: 1, Why: "1 is fixed by hand", Lanes: []pool.LaneSnapshot{{Lane: "zai/1/glm-5", Limit: 3, Why: "3 is stable"}}}
	var out strings.Builder
	if err := printStatus(&out, &daemon.State{Snapshot: weir.Snapshot{Accounts: []pool.Snapshot{account}}}); err != nil {
		t.Fatal(err)
	}
	if want := "  zai/1, all models together: 1 running of at most 1; 1 is fixed by hand\n"; !strings.Contains(out.String(), want) {
		t.Errorf("got %s, want in it %s", out.String(), want)
	}
}

func TestStatusLine(t *testing.T) {
	s := &daemon.State{Snapshot: weir.Snapshot{InFlight: 2, Queued: 5, Accounts: []pool.Snapshot{
		{Limit: 9, Lanes: []pool.LaneSnapshot{{Limit: 1, InFlight: 1}, {Limit: 3, InFlight: 1, Queued: 5}}}, {Limit: 1, Lanes: []pool.LaneSnapshot{{Limit: 7}}},
	}}}
	if got := statusLine(s); got != "▶2 ⧗5 limit 3" {
		t.Errorf("%q", got)
	}
	s.Accounts[0].Lanes[1].Held = &pool.HoldSnapshot{}
	if got := statusLine(s); got != "▶2 ⧗5 limit 3 paused" {
		t.Errorf("%q", got)
	}
	if got := statusLine(&daemon.State{}); got != "▶0 ⧗0" {
		t.Errorf("%q", got)
	}
	if status, out, errs := execute(t, "status", "--line", "--state", t.TempDir()); status != 0 || out+errs != "" {
		t.Errorf("without a gateway: status %d, %q", status, out+errs)
	}
}

func TestStopAndStatusWithoutAGateway(t *testing.T) {
	dir := t.TempDir()
	if status, out, _ := execute(t, "stop", "--state", dir); status != 0 || out != "no gateway runs\n" {
		t.Errorf("stop: status %d, %q", status, out)
	}
	if status, _, errs := execute(t, "status", "--state", dir); status != 1 || !strings.Contains(errs, "no gateway runs") {
		t.Errorf("status: status %d, %q", status, errs)
	}
}
