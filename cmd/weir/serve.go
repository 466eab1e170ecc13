package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/config"
	"github.com/weirhq/weir/internal/daemon"
	"github.com/weirhq/weir/limit"
)

// newServe returns "weir serve": the gateway.
func newServe() *cobra.Command {
	var o serveOptions
	command := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `Run the gateway on a loopback address. Point a tool at it by putting the address
in place of the provider's: https://api.z.ai/api/coding/paas/v4 becomes
http://127.0.0.1:1302/api/coding/paas/v4. Keys stay in the tool.

--upstream names the provider: one that weir knows, a URL (Z.AI's rules at that
address), or NAME=URL. The first is the default; every known provider can be had
under /@NAME/ as well.

SIGTERM or Ctrl-C lets requests finish for --drain, a second one ends at once. The
configuration file is read again when it changes, and on SIGHUP; no request is
dropped for it.`,
		Example: `  weir serve
  weir serve --limit 2
  weir serve --upstream zai --upstream deepseek
  weir serve --upstream http://127.0.0.1:1303 --listen 127.0.0.1:0
  weir serve --upstream generic=http://127.0.0.1:8000/v1`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := command.Flags()
	f.StringVar(&o.file, "config", "", "configuration `FILE` (default $XDG_CONFIG_HOME/weir/weir.yaml, if it is there); flags win over it")
	f.StringVar(&o.flags.Listen, "listen", daemon.DefaultListen, "loopback `ADDRESS` to listen on; port 0 takes a free one")
	f.StringArrayVar(&o.flags.Upstreams, "upstream", nil, "`PRESET`, URL or PRESET=URL of a provider (repeatable; default zai-coding)")
	f.StringVar(&o.limit, "limit", "auto", "requests in flight: auto, or a fixed `NUMBER`")
	f.StringVar(&o.eager, "eager", "0.9%", "`SHARE` of calls that may be risked to find out that more are possible, 0.25% to 4%")
	f.StringVar(&o.flags.State, "state", "", "`DIRECTORY` of what is learned (default $XDG_STATE_HOME/weir)")
	f.StringVar(&o.flags.LogFormat, "log-format", "text", "`FORMAT` of the log on standard error: text or json")
	f.DurationVar(&o.flags.Drain, "drain", daemon.DefaultDrain, "how long requests may finish after SIGTERM")
	f.StringArrayVar(&o.flags.AllowHosts, "allow-host", nil, "further host `NAME` under which weir may be called (repeatable)")
	f.DurationVar(&o.flags.Stall, "stall", weir.DefaultStall, "silence after which an answer is given up for dead")
	f.DurationVar(&o.flags.Hold.Silent, "hold-silent", 0, "how long a client waits without a byte before keep-alives begin (default by tool; 40s for one that is not known)")
	f.DurationVar(&o.flags.Hold.Stream, "hold", 0, "how long a stream may wait in all (default by tool; 220s)")
	f.DurationVar(&o.flags.Hold.Plain, "hold-plain", 0, "how long any other request may wait in all (default by tool; 280s)")
	// How a run starts a gateway for itself and others; not for people.
	f.BoolVar(&o.flags.Background, "background", false, "serve for those who run tools, and end when nobody does")
	f.StringVar(&o.flags.Prefer, "prefer", "", "`ADDRESS` to try before --listen")
	f.DurationVar(&o.flags.Idle, "idle", daemon.DefaultIdle, "how long to stay when nobody runs a tool")
	f.BoolVar(&o.inherit, "inherit", false, "serve on the listener that is open as descriptor 3")
	for _, name := range []string{"background", "prefer", "idle", "inherit"} {
		_ = f.MarkHidden(name) // fails for a flag that there is not
	}
	return command
}

type serveOptions struct {
	file    string
	flags   daemon.Config
	limit   string
	eager   string
	inherit bool
}

func (o *serveOptions) run(cmd *cobra.Command) error {
	err := o.serve(cmd)
	if err != nil && o.flags.Background {
		sayReady(cmd.OutOrStdout(), daemon.Ready{Error: err.Error()}) // who waits for it may not be there any more
	}
	return err
}

// config reads the file, and lays the flags over it.
func (o *serveOptions) config(cmd *cobra.Command) (daemon.Config, error) {
	file, err := config.LoadDefault(o.file, os.LookupEnv)
	if err != nil {
		return daemon.Config{}, wrongConfig(err)
	}
	cfg := daemon.FromFile(file)
	if err := o.override(cmd.Flags().Changed, &cfg); err != nil {
		return daemon.Config{}, usageError{err}
	}
	cfg.Background, cfg.Prefer, cfg.Idle = o.flags.Background, o.flags.Prefer, o.flags.Idle
	cfg.Log, cfg.Version = cmd.ErrOrStderr(), version()
	return cfg, nil
}

// again returns what reads the configuration again. A file that is gone is no wish for
// the defaults: these have another provider, and a key meant for the user's own would
// go there.
func (o *serveOptions) again(cmd *cobra.Command, file string) func() (daemon.Config, error) {
	info, err := os.Stat(file)
	had := err == nil && info.Size() > 0
	return func() (daemon.Config, error) {
		switch info, err := os.Stat(file); {
		case err == nil && info.Size() == 0 && had:
			return daemon.Config{}, fmt.Errorf("%s is empty; write a comment into it if all shall have its default", file)
		case err == nil:
			had = info.Size() > 0
		case had:
			return daemon.Config{}, fmt.Errorf("%s is gone; what it said ends with this gateway: %w", file, err)
		}
		return o.config(cmd)
	}
}

// override lays the flags that were given over a configuration.
func (o *serveOptions) override(given func(flag string) bool, cfg *daemon.Config) error {
	f := &o.flags
	if given("limit") {
		fixed, err := parseLimit(o.limit)
		if err != nil {
			return err
		}
		fixed.Eager = cfg.Limit.Eager
		cfg.Limit = fixed
	}
	if given("eager") {
		var ok bool
		if cfg.Limit.Eager, ok = config.ParseEager(o.eager); !ok {
			return fmt.Errorf("--eager %q: want a share of calls from 0.25%% to 4%%", o.eager)
		}
	}
	for name, d := range map[string]struct{ from, to *time.Duration }{
		"stall": {&f.Stall, &cfg.Stall}, "hold-silent": {&f.Hold.Silent, &cfg.Hold.Silent},
		"hold": {&f.Hold.Stream, &cfg.Hold.Stream}, "hold-plain": {&f.Hold.Plain, &cfg.Hold.Plain},
	} {
		if !given(name) {
			continue
		}
		if *d.from <= 0 {
			return fmt.Errorf("--%s must be longer than nothing", name)
		}
		*d.to = *d.from
	}
	for name, s := range map[string]struct{ from, to *string }{
		"listen": {&f.Listen, &cfg.Listen}, "state": {&f.State, &cfg.State}, "log-format": {&f.LogFormat, &cfg.LogFormat},
	} {
		if given(name) {
			*s.to = *s.from
		}
	}
	if given("upstream") {
		cfg.Upstreams = f.Upstreams
	}
	if given("allow-host") {
		cfg.AllowHosts = f.AllowHosts
	}
	if given("drain") {
		if cfg.Drain = f.Drain; f.Drain == 0 { // asked for: no time at all, not the default
			cfg.Drain = time.Nanosecond
		}
	}
	return nil
}

// inherited is the listener that another gateway hands over; nil: there is none.
func (o *serveOptions) inherited() (net.Listener, error) {
	if !o.inherit {
		return nil, nil
	}
	const first = 3 // after the standard ones
	file := os.NewFile(first, "listener")
	if file == nil {
		return nil, usageError{errors.New("--inherit: no descriptor 3 is open")}
	}
	defer file.Close()
	l, err := net.FileListener(file)
	if err != nil {
		return nil, usageError{fmt.Errorf("--inherit: %w", err)}
	}
	return l, nil
}

// serve runs the gateway until a signal, or until it is told to end.
func (o *serveOptions) serve(cmd *cobra.Command) error {
	cfg, err := o.config(cmd)
	if err != nil {
		return err
	}
	if cfg.Listener, err = o.inherited(); err != nil {
		return err
	}
	if cfg.File = o.file; cfg.File == "" {
		cfg.File, _ = config.DefaultFile(os.LookupEnv) // without a home there is none
	}
	cfg.Again = o.again(cmd, cfg.File)
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second signal ends at once
	}()
	hangup, stopHangup := hangups(stop)
	defer stopHangup()
	cfg.Hangup = hangup
	err = daemon.Serve(ctx, cfg, func(d *daemon.Daemon) { o.ready(cmd, d) })
	var wrong *daemon.ConfigError
	if errors.As(err, &wrong) {
		return usageError{o.placed(cmd, wrong)}
	}
	return err
}

// placed says where a wrong setting comes from: a flag, or the file.
func (o *serveOptions) placed(cmd *cobra.Command, wrong *daemon.ConfigError) error {
	if !cmd.Flags().Changed(wrong.Field) {
		if file, err := config.LoadDefault(o.file, os.LookupEnv); err == nil && file.File != "" {
			return fmt.Errorf("%s: %w", file.Place(strings.ReplaceAll(wrong.Field, "-", "_")), wrong)
		}
	}
	return fmt.Errorf("--%w", wrong)
}

// ready says where the gateway listens.
func (o *serveOptions) ready(cmd *cobra.Command, d *daemon.Daemon) {
	out := cmd.OutOrStdout()
	if o.flags.Background {
		sayReady(out, daemon.Ready{Address: d.URL(), Taken: d.Taken()})
		return
	}
	fmt.Fprintf(out, "weir listens on http://%s (%s)\n", d.Addr(), d.Upstreams())
	fmt.Fprintf(out, "see what happens: http://%s/weir/   metrics: http://%s/metrics\n", d.Addr(), d.Addr())
	fmt.Fprintf(out, "point a tool at it: http://%s/v1 (OpenAI) or http://%s/anthropic (ANTHROPIC_BASE_URL); keys stay in the tool\n", d.Addr(), d.Addr())
	if d.Shared() {
		fmt.Fprintln(cmd.ErrOrStderr(), "weir: another weir uses the state directory: this one reads it, but keeps nothing that it learns, and no journal (--state names another)")
	}
}

// sayReady tells the process that has started this one in the background how it went,
// and lets go of the pipe.
func sayReady(out io.Writer, r daemon.Ready) {
	_ = json.NewEncoder(out).Encode(r) // it may have gone
	if f, ok := out.(*os.File); ok {
		f.Close()
	}
}

// parseLimit reads --limit: auto leaves it to be learned.
func parseLimit(s string) (limit.Config, error) {
	if s == "auto" {
		return limit.Config{}, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1<<16 {
		return limit.Config{}, fmt.Errorf("--limit %q: want auto or a whole number from 1 to 65536", s)
	}
	return limit.Config{Min: n, Max: n, Start: n}, nil
}
