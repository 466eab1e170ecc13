// Package daemon wires weir's parts into the gateway that runs as a process: it
// opens the listener and the state directory, serves the proxy and weir's own
// endpoints, keeps what is learned, and goes down in good order.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/config"
	"github.com/weirhq/weir/internal/dashboard"
	"github.com/weirhq/weir/internal/journal"
	"github.com/weirhq/weir/internal/peer"
	"github.com/weirhq/weir/metrics"
	"github.com/weirhq/weir/proxy"
)

// DefaultListen is where the gateway listens when nobody says otherwise; the
// port is the code of the error that it makes disappear.
const DefaultListen = "127.0.0.1:1302"

// DefaultDrain is how long a gateway that goes down lets requests finish.
const DefaultDrain = 30 * time.Second

// saveEvery is how often what is learned is written, if anything was.
const saveEvery = 500 * time.Millisecond

// A Daemon is one gateway. Use [New], then [Daemon.Run] once.
type Daemon struct {
	cfg       Config
	log       *slog.Logger
	governor  *weir.Governor
	now       atomic.Pointer[settings]
	metrics   *metrics.Metrics
	base      *http.Transport
	store     *Store
	journal   *journal.Journal // nil: none is kept
	dashboard *dashboard.Server
	listener  *gate
	taken     string // what has the port that was asked for; empty: nothing
	server    *http.Server
	cancel    context.CancelCauseFunc
	started   time.Time
	draining  atomic.Bool
	unsaved   atomic.Bool // what was learned last could not be written
	serving   serving
	open      connections
	runs      *runs
	peers     peer.Finder
	lookups   allowance // of peers

	asked      chan struct{} // closed when somebody has asked the gateway to end
	end        func()        // closes it; may be called more than once
	successors chan string   // a program that shall take over
}

// New opens everything that a gateway needs. A [*ConfigError] says that a
// setting is wrong; other errors that something cannot be had at run time.
func New(cfg Config) (*Daemon, error) {
	d := &Daemon{cfg: cfg, started: time.Now()}
	first, err := d.settle()
	if err != nil {
		return nil, err
	}
	if d.store, err = openStore(d.cfg); err != nil {
		return nil, err
	}
	if err := d.listen(); err != nil {
		d.store.Close()
		return nil, err
	}
	d.runs = newRuns(d.store.Secret())
	d.asked, d.successors = make(chan struct{}), make(chan string, 1)
	d.end = sync.OnceFunc(func() { close(d.asked) })
	if err := d.wire(first); err != nil {
		d.listener.Close()
		d.store.Close()
		return nil, err
	}
	// From here on others find it; who comes before Run waits in the system's line.
	if err := d.announce(); err != nil {
		d.log.Warn("the instance cannot be announced", "error", err)
	}
	return d, nil
}

// settle checks the settings, and opens the log.
func (d *Daemon) settle() (*settings, error) {
	cfg := &d.cfg
	if cfg.Log == nil {
		cfg.Log = os.Stderr
	}
	if cfg.State == "" {
		dir, err := DefaultStateDir()
		if err != nil {
			return nil, err
		}
		cfg.State = dir
	}
	s, err := settle(cfg)
	if err != nil {
		return nil, err
	}
	var handler slog.Handler = slog.NewTextHandler(cfg.Log, nil)
	if cfg.LogFormat == "json" {
		handler = slog.NewJSONHandler(cfg.Log, nil)
	}
	d.log = slog.New(handler)
	d.warn(*cfg)
	return s, nil
}

func (d *Daemon) wire(first *settings) error {
	state, err := d.store.Load()
	if err != nil {
		d.log.Warn("what was learned earlier cannot be read and was set aside", "error", err)
	}
	d.journal = d.openJournal()
	d.metrics = metrics.New(func() weir.Snapshot { return d.governor.Snapshot() })
	if d.journal != nil {
		d.metrics.Journal(func() (written, lost int64) {
			s := d.journal.Stats()
			return s.Written, s.Lost
		})
	}
	d.dashboard = d.newDashboard()
	d.governor, err = weir.New(weir.Config{
		Limit: d.cfg.Limit, LimitOf: d.cfg.LimitOf, Profiles: d.cfg.Providers,
		MaxQueue: d.cfg.MaxQueue, MaxBytes: d.cfg.MaxBytes, Secret: d.store.Secret(), State: state,
		Observer: d.observers(),
	})
	if d.governor == nil {
		d.journal.Close()
		return err
	}
	if err != nil {
		d.log.Warn("part of what was learned earlier cannot be used", "error", err)
		d.setAside()
	}
	d.fillHistory()
	d.base = weir.NewBase()
	first.proxy = d.handler(first, nil)
	d.now.Store(first)
	var ctx context.Context
	ctx, d.cancel = context.WithCancelCause(context.Background())
	d.server = &http.Server{
		Handler:           d,
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       3 * time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withConnection,
		ConnState:         d.open.observe,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	return nil
}

// setAside keeps a state file of which not all could be read beside the one that
// goes on with the rest: a restart before anything new is learned must find that.
func (d *Daemon) setAside() {
	err := d.store.SetAside()
	if err == nil {
		state, _ := d.governor.State()
		err = d.store.Save(state)
	}
	if err != nil {
		d.log.Warn("the state file cannot be set aside", "error", err)
	}
}

// Addr returns the address that the gateway listens on.
func (d *Daemon) Addr() string { return d.listener.Addr().String() }

// URL returns the gateway's URL for programs of this machine.
func (d *Daemon) URL() string {
	host, port, err := net.SplitHostPort(d.Addr())
	if a, parseErr := netip.ParseAddr(host); err == nil && parseErr == nil && a.IsUnspecified() {
		return "http://" + net.JoinHostPort("127.0.0.1", port)
	}
	return "http://" + d.Addr()
}

// Upstreams names the provider of requests that name none, and its hosts.
func (d *Daemon) Upstreams() string {
	routes := d.now.Load().routes
	return routes.Default().Name + " at " + strings.Join(routes.Hosts(), ", ")
}

// Shared tells that another weir uses the state directory, so that this one keeps
// nothing of what it learns.
func (d *Daemon) Shared() bool { return d.store.ReadOnly() }

// Run serves until the context ends, or until it is asked to end, then lets what runs
// and waits finish for as long as the configuration says, and answers the rest. It
// returns nil after such an end, and a [*Handover] when another program takes over.
func (d *Daemon) Run(ctx context.Context) error {
	saved := make(chan struct{})
	stopSaving := make(chan struct{})
	go func() {
		defer close(saved)
		d.keep(stopSaving)
	}()
	served := make(chan error, 1)
	go func() { served <- d.server.Serve(d.listener) }()
	changed, unwatch := d.watch()
	handover, err := d.until(ctx, served, changed)
	unwatch()
	d.dashboard.Close()
	d.governor.Close()
	close(stopSaving)
	<-saved
	d.journal.Close()
	d.base.CloseIdleConnections()
	if handover != nil {
		return errors.Join(handover, d.store.Leave())
	}
	return errors.Join(err, d.store.Close())
}

// until waits for the end and brings it about. The handover is nil if nobody takes
// over.
func (d *Daemon) until(ctx context.Context, served <-chan error, changed <-chan struct{}) (*Handover, error) {
	idle := d.idle()
	defer idle.Stop()
	var successor string
	attempts := time.NewTicker(handOverEvery)
	attempts.Stop()
	defer attempts.Stop()
	for {
		select {
		case err := <-served:
			d.cancel(proxy.ErrDraining)
			d.runs.release()
			d.server.Close()
			return nil, fmt.Errorf("serving on %s: %w", d.Addr(), err)
		case <-changed:
			d.reload()
			continue
		case <-d.cfg.Hangup:
			d.reload()
			continue
		case successor = <-d.successors:
			attempts.Reset(handOverEvery)
			continue
		case <-attempts.C:
			h := d.handOver(successor)
			if h == nil {
				continue
			}
			<-served
			return h, nil
		case <-idle.C:
			if !d.isIdle(time.Now()) {
				continue
			}
			d.log.Info("nobody has needed the gateway", "for", d.cfg.Idle)
		case <-d.asked:
		case <-ctx.Done():
		}
		d.drain()
		<-served
		return nil, nil
	}
}

// watch tells of changes of the configuration file, until it is ended.
func (d *Daemon) watch() (changed <-chan struct{}, end func()) {
	if d.cfg.File == "" || d.cfg.Again == nil {
		return nil, func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	tell := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		err := config.Watch(ctx, d.cfg.File, func() {
			select {
			case tell <- struct{}{}:
			case <-ctx.Done():
			}
		})
		if err != nil {
			d.log.Debug("changes of the configuration file are not seen; SIGHUP lets it be read again", "error", err)
		}
	})
	return tell, func() {
		cancel()
		watching.Wait()
	}
}

func (d *Daemon) announce() error {
	return d.store.Announce(Instance{
		Address: d.URL(), PID: os.Getpid(), Version: d.cfg.Version, Started: d.started, Background: d.cfg.Background,
	})
}

// drain goes down in good order.
func (d *Daemon) drain() {
	d.draining.Store(true)
	d.runs.release()
	d.governor.Drain()
	s := d.governor.Snapshot()
	d.log.Info("going down", "in_flight", s.InFlight, "queued", s.Queued, "drain", d.cfg.Drain)
	d.shutDown()
}

// shutDown takes no more connections, lets requests finish for as long as the
// configuration says, and answers the rest.
func (d *Daemon) shutDown() {
	d.dashboard.Close()
	d.listener.Close()
	d.server.SetKeepAlivesEnabled(false) // and closes those where nothing is under way
	within := func(t time.Duration) bool {
		ctx, cancel := context.WithTimeout(context.Background(), t)
		defer cancel()
		return d.open.settle(ctx)
	}
	defer d.server.Close()
	if within(d.cfg.Drain) {
		return
	}
	d.governor.TurnAway()
	d.cancel(proxy.ErrDraining)
	const lastWords = 2 * time.Second
	within(lastWords)
}

// keep writes what is learned, soon after it is.
func (d *Daemon) keep(stop <-chan struct{}) {
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	save := func() {
		state, changed := d.governor.State()
		failing := d.unsaved.Load()
		if !changed && !failing {
			return
		}
		err := d.store.Save(state)
		if err != nil && !failing {
			d.log.Warn("what is learned cannot be kept; it is tried again", "error", err)
		}
		if err == nil && failing {
			d.log.Info("what is learned is kept again")
		}
		d.unsaved.Store(err != nil)
	}
	for {
		select {
		case <-ticker.C:
			save()
		case <-stop:
			save()
			return
		}
	}
}

// observers are those who hear of what happens.
func (d *Daemon) observers() observers {
	if !observed {
		return observers{&eventLog{d.log}}
	}
	return observers{d.metrics, &eventLog{d.log}, &eventJournal{d.journal}, d.dashboard}
}

// observers hands each event to all.
type observers []weir.Observer

func (o observers) Observe(ev weir.Event) {
	for _, each := range o {
		each.Observe(ev)
	}
}

var _ weir.Observer = observers(nil)
