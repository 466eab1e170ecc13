//go:build unix

package daemon

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/simulate"
)

// Clients that come all the time must not notice that another gateway takes over.
func TestHandoverTurnsNobodyAway(t *testing.T) {
	provider, url := upstream(t, simulate.Config{Limit: 100})
	_ = provider
	logs, dir := &buffer{}, t.TempDir()
	cfg := Config{Listen: "127.0.0.1:0", State: dir, Upstreams: []string{url}, Background: true, Drain: 5 * time.Second, Log: logs, Version: "v1.0.0"}
	old, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { result <- old.Run(context.Background()) }()
	i, err := Find(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, url: i.Address, logs: logs}
	load := g.keepCalling()
	g.until(patience, "calls come", func() bool { return load.calls.Load() > 20 })
	if err := i.Replace(t.Context(), "/the/next/weir"); err != nil {
		t.Error(err)
	}
	var h *Handover
	if err := <-result; !errors.As(err, &h) || h.Program != "/the/next/weir" {
		t.Fatalf("Run = %v, want a handover", err)
	}
	defer h.Listener.Close()
	if cfg.Listener, err = net.FileListener(h.Listener); err != nil {
		t.Fatal(err)
	}
	next := start(t, cfg)
	if next.store.ReadOnly() || "http://"+next.Addr() != i.Address {
		t.Errorf("the next gateway is at %s (%s before), read-only %v", next.Addr(), i.Address, next.store.ReadOnly())
	}
	since := load.calls.Load()
	g.until(patience, "calls come to the next one", func() bool { return load.calls.Load() > since+20 })
	load.stop()
	if n := load.failed.Load(); n > 0 {
		t.Errorf("%d of %d calls failed", n, load.calls.Load())
	}
}

func TestHandoverWaitsForTheCallsUnderWay(t *testing.T) {
	g := start(t, Config{Background: true})
	g.serving.begin()
	if h := g.handOver("/the/next/weir"); h != nil {
		t.Fatal("handed over with a call under way")
	}
	g.serving.end(time.Now)
}

// A program that cannot take over leaves the old gateway where it is.
func TestServeGoesOnWithoutItsSuccessor(t *testing.T) {
	logs, dir := &buffer{}, t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan error, 1)
	ready := make(chan string, 1)
	go func() {
		cfg := Config{Listen: "127.0.0.1:0", State: dir, Background: true, Drain: time.Second, Log: logs, Version: "v1.0.0"}
		result <- Serve(ctx, cfg, func(d *Daemon) { ready <- d.Addr() })
	}()
	address := <-ready
	i, err := Find(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Replace(t.Context(), "/no/such/weir"); err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, url: "http://" + address, logs: logs}
	g.until(patience, "it goes on", func() bool {
		again, err := Find(t.Context(), dir)
		return err == nil && again.Token != i.Token && again.Address == i.Address
	})
	cancel()
	if err := <-result; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

func TestReplaceIsForBackgroundGatewaysOnly(t *testing.T) {
	g := start(t, Config{})
	i, err := Find(t.Context(), g.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Replace(t.Context(), "/the/next/weir"); err == nil {
		t.Error("a gateway that was started by hand lets itself be replaced")
	}
}
