package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/daemon"
	"github.com/weirhq/weir/internal/simulate"
)

// The demo's case.
const (
	demoCalls   = 16
	demoSlots   = 3
	demoRetries = 2 // what the SDKs do by themselves
)

// newDemo returns "weir demo": the before and the after.
func newDemo() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show what weir does, in half a minute and without a key",
		Long: fmt.Sprintf(`Send %d overlapping calls to a simulated provider with %d slots: first directly,
with the two retries that SDKs make, then through weir. Nothing leaves this
machine, and no key is needed.`, demoCalls, demoSlots),
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return demo(ctx, cmd.OutOrStdout())
		},
	}
}

func demo(ctx context.Context, out io.Writer) error {
	fmt.Fprintf(out, "A provider with %d slots, and %d calls at once.\n\n", demoSlots, demoCalls)
	direct, err := demoRun(ctx, out, "directly", false)
	if err != nil {
		return err
	}
	through, err := demoRun(ctx, out, "through weir", true)
	if err != nil {
		return err
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tfinished\tlost\trefusals seen by the tool\trefusals at the provider\ttime")
	for _, r := range []demoResult{direct, through} {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%.1f s\n", r.name, r.finished, demoCalls-r.finished, r.seen, r.refused, r.took.Seconds())
	}
	return w.Flush()
}

type demoResult struct {
	name                    string
	finished, seen, refused int
	took                    time.Duration
}

// demoRun makes the calls against a provider of their own.
func demoRun(ctx context.Context, out io.Writer, name string, governed bool) (r demoResult, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var servers sync.WaitGroup
	defer servers.Wait()
	defer cancel()
	provider, err := simulate.New(simulate.Config{Limit: demoSlots, Answer: simulate.Between(1200*time.Millisecond, 2*time.Second), FirstEvent: simulate.Between(200*time.Millisecond, 400*time.Millisecond)})
	if err != nil {
		return r, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return r, err
	}
	servers.Go(func() { err = errors.Join(err, provider.Serve(ctx, listener)) })
	address := "http://" + listener.Addr().String()
	if governed {
		gateway, stop, err := demoGateway(ctx, address, &servers)
		if err != nil {
			return r, err
		}
		defer stop()
		address = gateway
		fmt.Fprintf(out, "\nNow through weir; to watch it meanwhile: %s/weir/\n", gateway)
	}
	var calls demoCounts
	start := time.Now()
	var workers sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: demoCalls}}
	defer client.CloseIdleConnections()
	for range demoCalls {
		workers.Go(func() { calls.make(ctx, client, address) })
	}
	done := make(chan struct{})
	go func() { workers.Wait(); close(done) }()
	calls.show(out, name, start, done)
	return demoResult{name: name, finished: int(calls.finished.Load()), seen: int(calls.seen.Load()), refused: provider.Stats().Refused, took: time.Since(start)}, ctx.Err()
}

// demoGateway runs a whole gateway in front of an address.
func demoGateway(ctx context.Context, upstream string, servers *sync.WaitGroup) (address string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "weir-demo-")
	if err != nil {
		return "", nil, err
	}
	d, err := daemon.New(daemon.Config{Listen: "127.0.0.1:0", Upstreams: []string{upstream}, State: dir, Log: io.Discard, Drain: time.Second, Version: version()})
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	servers.Go(func() {
		defer close(over)
		_ = d.Run(ctx)
	})
	return "http://" + d.Addr(), func() {
		cancel()
		<-over
		_ = os.RemoveAll(dir)
	}, nil
}

// demoCounts is what the tool sees.
type demoCounts struct{ running, waiting, finished, lost, seen atomic.Int64 }

// make makes one call as a tool with an SDK does: two retries, then it fails.
func (c *demoCounts) make(ctx context.Context, client *http.Client, address string) {
	const body = `{"model":"glm-5","stream":true,"messages":[{"role":"user","content":"Why does a weir not stop the river?"}]}`
	c.running.Add(1)
	defer c.running.Add(-1)
	for attempt := range demoRetries + 1 {
		if attempt > 0 {
			c.waiting.Add(1)
			wait := time.Duration(float64(500*time.Millisecond<<(attempt-1)) * (0.75 + rand.Float64()/4))
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
			c.waiting.Add(-1)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/api/coding/paas/v4/chat/completions", strings.NewReader(body))
		if err != nil {
			break
		}
		req.Header.Set("Authorization", "Bearer demo")
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			break
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK && err == nil && strings.Contains(string(answer), "[DONE]") {
			c.finished.Add(1)
			return
		}
		c.seen.Add(1)
	}
	c.lost.Add(1)
}

// show keeps one line up to date until the calls are done: on a terminal it is
// written over, elsewhere it is written once a second.
func (c *demoCounts) show(out io.Writer, name string, start time.Time, done <-chan struct{}) {
	every, end := time.Second, "\n"
	if f, ok := out.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			every, end = 100*time.Millisecond, ""
		}
	}
	line := func() {
		text := fmt.Sprintf("%-12s  %4.1f s  open %2d  finished %2d  lost %2d  refusals seen %2d", name, time.Since(start).Seconds(), c.running.Load(), c.finished.Load(), c.lost.Load(), c.seen.Load())
		if end == "" {
			text = "\r" + text
		}
		fmt.Fprint(out, text+end)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			line()
		case <-done:
			line()
			if end == "" {
				fmt.Fprintln(out)
			}
			return
		}
	}
}
