package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/weirhq/weir/e2e/browser"
)

// How much goes on behind the page.
const (
	shownRunning  = 200
	shownSessions = 40
	shownAnswer   = "20s..60s"       // so about five requests end in a second
	shownRamp     = 25 * time.Second // until the first end
)

// page measures what a page costs that is open on a busy gateway: the gateway's CPU, that
// of the page's process in a browser, the first paint, and the bytes that it reads.
func page(ctx context.Context, b *bench) (report, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	target, stop, err := b.startShown(ctx)
	if err != nil {
		return report{}, err
	}
	defer stop()
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel(nil)
	for i := range shownRunning + b.shown {
		clients.Go(func() { askOn(ctx, cancel, target, i) })
	}
	if err := sleep(ctx, shownRamp); err != nil {
		return report{}, err
	}
	if err := isBusy(ctx, target, b.shown); err != nil {
		return report{}, err
	}
	alone, err := share(ctx, b.length, target.cpu)
	if err != nil {
		return report{}, err
	}
	f, err := b.visit(ctx, target)
	if err != nil {
		return report{}, err
	}
	if err := isBusy(ctx, target, b.shown); err != nil {
		return report{}, err
	}
	return report{Rows: []row{
		only("gateway's CPU without a page", "% of a core", alone),
		only("gateway's CPU with a page", "% of a core", f["gateway"]).below(5),
		only("CPU of the page's process", "% of a core", f["renderer"]).below(10),
		only("the same with the table of requests in sight", "% of a core", f["rows"]).below(10),
		only("first paint", "ms", f["paint"]).below(300),
		only("first view shown", "ms", f["shown"]),
		only("read until all is shown", "kB", f["kB"]).below(300),
		only("read a second from then on", "kB/s", f["kB/s"]),
	}, Notes: []string{fmt.Sprintf("%d running, %d waiting; paint and view: median of %d visits", shownRunning, b.shown, b.rounds)}}, nil
}

// startShown starts a simulated provider and a gateway before it.
func (b *bench) startShown(ctx context.Context) (*process, func(), error) {
	provider, err := b.start(ctx, "simulate", generatorCore, b.weir, "simulate", "--listen", "127.0.0.1:0",
		"--limit", strconv.Itoa(10*shownRunning), "--answer", shownAnswer, "--log", "/dev/null")
	if err != nil {
		return nil, nil, err
	}
	target, err := b.start(ctx, "weir", gatewayCore, b.weir, "serve", "--listen", "127.0.0.1:0", "--drain", "0s",
		"--upstream", provider.url.String(), "--limit", strconv.Itoa(shownRunning), "--state", b.dir+"/shown")
	if err != nil {
		provider.stop()
		return nil, nil, err
	}
	return target, func() { target.stop(); provider.stop() }, nil
}

// askOn sends calls, one after the other, until the context ends. The first error ends
// all through fail.
func askOn(ctx context.Context, fail context.CancelCauseFunc, target *process, i int) {
	c, err := dial(ctx, target.url)
	if err != nil {
		fail(err)
		return
	}
	defer c.Close()
	request := prompt{do: "do=json", headers: fmt.Sprintf("X-Weir-Session: session-%d\r\nX-Weir-Max-Wait: 1h\r\n", i%shownSessions)}.request(target.url)
	for ctx.Err() == nil {
		if err := c.expect(request, nil); err != nil {
			fail(err)
			return
		}
	}
}

// isBusy checks the premise: so many run, and about so many wait.
func isBusy(ctx context.Context, target *process, waiting int) error {
	text, err := ask(ctx, http.MethodGet, target.url.JoinPath("metrics").String())
	if err != nil {
		return err
	}
	running, err := metric(string(text), "weir_in_flight")
	if err != nil {
		return err
	}
	queued, err := metric(string(text), "weir_queued")
	if err != nil {
		return err
	}
	if running < 0.95*shownRunning || queued < 0.95*float64(waiting) {
		return fmt.Errorf("%v run and %v wait instead of %d and %d", running, queued, shownRunning, waiting)
	}
	return nil
}

// share measures CPU for a while, in percent of a core.
func share(ctx context.Context, length time.Duration, cpu func() (time.Duration, error)) (float64, error) {
	before, err := cpu()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := sleep(ctx, length); err != nil {
		return 0, err
	}
	after, err := cpu()
	return 100 * float64(after-before) / float64(time.Since(began)), err
}

// visit opens the page a few times, and stays at the last.
func (b *bench) visit(ctx context.Context, target *process) (figures, error) {
	b.pin(ctx, allCores()) // as a user's browser has
	defer b.pin(ctx, generatorCore)
	r, err := startRelay(ctx, target.url)
	if err != nil {
		return nil, err
	}
	defer r.stop()
	tab, end, err := browser.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	if err := chromedp.Do(tab, browser.As(browser.Wide)); err != nil {
		return nil, err
	}
	var paints, shown []float64
	read := int64(0)
	for range b.rounds {
		if err := chromedp.Do(tab, chromedp.Navigate("about:blank")); err != nil {
			return nil, err
		}
		before := r.read.Load()
		err := chromedp.Do(tab, chromedp.Navigate(r.url), chromedp.WaitVisible(chromedp.CSS("#levels-svg svg")), chromedp.WaitVisible(chromedp.CSS("#stairs-svg svg")))
		if err != nil {
			return nil, fmt.Errorf("the page: %w", err)
		}
		read = r.read.Load() - before
		at, err := chromedp.Run(tab, chromedp.Evaluate[[]float64](`[performance.getEntriesByName('first-paint')[0].startTime, performance.now()]`))
		if err != nil {
			return nil, err
		}
		paints, shown = append(paints, at[0]), append(shown, at[1])
	}
	f := figures{"paint": median(paints), "shown": median(shown), "kB": float64(read) / 1e3}
	if err := b.stay(ctx, target, r, f); err != nil {
		return nil, err
	}
	top := f["renderer"]
	if err := chromedp.Do(tab, chromedp.ScrollIntoView(chromedp.CSS("#requests tbody tr:nth-child(15)"))); err != nil {
		return nil, err
	}
	err = b.stay(ctx, target, r, f)
	f["rows"], f["renderer"] = f["renderer"], top
	return f, err
}

// stay looks at the page for a while, and adds to the figures what that costs.
func (b *bench) stay(ctx context.Context, target *process, r *relay, f figures) error {
	if err := sleep(ctx, 2*time.Second); err != nil { // what was for the opening is over
		return err
	}
	drawn, err := renderers()
	if err != nil {
		return err
	}
	read, began := r.read.Load(), time.Now()
	if f["gateway"], err = share(ctx, b.length, target.cpu); err != nil {
		return err
	}
	f["kB/s"] = float64(r.read.Load()-read) / 1e3 / time.Since(began).Seconds()
	after, err := renderers()
	f["renderer"] = 100 * float64(after-drawn) / float64(time.Since(began))
	return err
}

// A relay stands between a browser and a gateway and counts what the browser reads.
type relay struct {
	url      string
	listener net.Listener
	to       string
	read     atomic.Int64
	busy     sync.WaitGroup
}

func startRelay(ctx context.Context, to *url.URL) (*relay, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{url: "http://" + l.Addr().String() + "/weir/", listener: l, to: to.Host}
	r.busy.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.busy.Go(func() { r.pass(ctx, c) })
		}
	})
	return r, nil
}

// stop waits for the connections, which the browser must have closed.
func (r *relay) stop() {
	r.listener.Close()
	r.busy.Wait()
}

func (r *relay) pass(ctx context.Context, c net.Conn) {
	defer c.Close()
	up, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.to)
	if err != nil {
		return
	}
	defer up.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(counter{c, &r.read}, up) // either end may go
		c.Close()
	})
	_, _ = io.Copy(up, c)
	up.Close()
	back.Wait()
}

// counter counts what is written.
type counter struct {
	io.Writer
	n *atomic.Int64
}

func (c counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n.Add(int64(n))
	return n, err
}
