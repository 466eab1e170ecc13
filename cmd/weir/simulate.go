package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/daemon"
	"github.com/weirhq/weir/internal/scenario"
	"github.com/weirhq/weir/internal/simulate"
)

// newSimulateCommand returns "weir simulate": a provider on a loopback port.
func newSimulateCommand() *cobra.Command {
	var o simulateOptions
	command := &cobra.Command{
		Use:   "simulate [FILE]",
		Short: "Run a provider to try things on",
		Long: `Run a provider on a loopback port that speaks the three dialects (OpenAI chat,
Anthropic Messages, OpenAI Responses) at Z.AI's paths and at the usual ones, and
refuses what is beyond its limit as Z.AI does. It thinks nothing and costs nothing.

One line of JSON for each request goes to --log; it holds no prompt and no key.
GET /simulate/stats has the counts, /simulate/log the last 10,000 lines,
/healthz says that it is there.

A scenario FILE (docs/scenarios.md) describes the provider instead of flags, and
plays in real time what "weir lab" plays in virtual time. An answer takes as long as
the file's load says, or as the request's header X-Simulate-Answer.

Durations are written as 200ms, 1.5s or 2m; where a range is allowed, a value is
drawn from it for each call: 1s..3s.`,
		Example: `  weir simulate --limit 1
  weir simulate --limit 4 --lag 300ms --answer 500ms..1500ms
  weir simulate --schedule 0s=4,30s=2,60s=4 --outage 90s..120s
  weir simulate --limit 1 --script answers.json --log simulate.log
  weir simulate drift.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("%d files: want one scenario", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	f := command.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:1303", "loopback `ADDRESS` to listen on; port 0 takes a free one")
	f.IntVar(&o.limit, "limit", 3, "slots of an account, over all models")
	f.StringVar(&o.schedule, "schedule", "", "limits in the course of time: `0s=4,30s=2`")
	f.Var(rangeFlag{&o.config.Lag}, "lag", "how long a slot counts on after its answer ended (range)")
	f.Var(rangeFlag{&o.config.AbortLag}, "abort-lag", "how long a slot counts on after its client went away (range)")
	f.Float64Var(&o.config.Rate, "rate", 0, "starts a second of an account, burst 1 (0: any number)")
	f.Var(rangeFlag{&o.config.FirstEvent}, "first-event", "time to the first event of a stream (range, default 200ms)")
	f.Var(rangeFlag{&o.config.Answer}, "answer", "time to the end of an answer (range, default 1s)")
	f.Var(rangeFlag{&o.config.Refusal}, "refusal", "how long a refusal takes (range, default 50ms)")
	f.Var(rangeFlag{&o.config.RetryAfter}, "retry-after", "what refusals say in Retry-After (range, default: no such header)")
	f.BoolVar(&o.config.InStream, "in-stream", false, "refuse under HTTP 200: in the stream, or as a JSON body")
	f.StringArrayVar(&o.outages, "outage", nil, "refuse everything with 1305 in this time: `10s..25s` (repeatable)")
	f.StringVar(&o.script, "script", "", "scripted answers and faults, a JSON `FILE`")
	f.Uint64Var(&o.config.Seed, "seed", 0, "make random choices repeatable (0: they are not)")
	f.StringVar(&o.log, "log", "-", "`FILE` that the log is appended to; - is standard output")
	return command
}

// simulateOptions are the flags of "weir simulate".
type simulateOptions struct {
	listen, schedule, script, log string
	limit                         int
	outages                       []string
	config                        simulate.Config
}

// settle turns the flags that are texts into the provider's configuration.
func (o *simulateOptions) settle() error {
	if o.limit < 1 {
		return fmt.Errorf("--limit %d: want 1 or more", o.limit)
	}
	o.config.Limit = o.limit
	if !(o.config.Rate >= 0) {
		return fmt.Errorf("--rate %v: want 0 (off) or more starts a second", o.config.Rate)
	}
	if err := daemon.CheckListen(o.listen); err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if o.schedule != "" {
		levels, err := simulate.ParseSchedule(o.schedule)
		if err != nil {
			return fmt.Errorf("--schedule: %w", err)
		}
		o.config.Schedule = levels
	}
	for _, s := range o.outages {
		w, err := simulate.ParseWindow(s)
		if err != nil {
			return fmt.Errorf("--outage: %w", err)
		}
		o.config.Outages = append(o.config.Outages, w)
	}
	return nil
}

// describe reads the scenario that is played, if one is named. It and flags that
// describe the provider exclude each other.
func (o *simulateOptions) describe(changed func(flag string) bool, args []string) error {
	if len(args) == 0 {
		return nil
	}
	for _, name := range [...]string{"limit", "schedule", "lag", "abort-lag", "rate", "first-event", "answer", "refusal", "retry-after", "outage"} {
		if changed(name) {
			return fmt.Errorf("--%s and %s both describe the provider: leave one of them out", name, args[0])
		}
	}
	var err error
	o.config.Scenario, err = scenario.ReadFile(args[0])
	return err
}

func (o *simulateOptions) run(cmd *cobra.Command, args []string) (err error) {
	if err := o.settle(); err != nil {
		return usageError{err}
	}
	if err := o.describe(cmd.Flags().Changed, args); err != nil {
		return usageError{err}
	}
	if o.script != "" {
		script, err := simulate.LoadScript(o.script)
		if err != nil {
			return usageError{fmt.Errorf("--script: %w", err)}
		}
		o.config.Rules = script.Rules
	}
	o.config.Log = cmd.OutOrStdout()
	if o.log != "-" {
		file, openErr := os.OpenFile(o.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if openErr != nil {
			return fmt.Errorf("--log: %w", openErr)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		o.config.Log = file
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	provider, err := simulate.New(o.config)
	if err != nil {
		listener.Close()
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "simulated provider on http://%s (counts: /simulate/stats)\n", listener.Addr())
	err = provider.Serve(ctx, listener)
	summarize(cmd.ErrOrStderr(), provider.Stats())
	return err
}

// summarize prints the line that ends a run.
func summarize(w io.Writer, s simulate.Stats) {
	fmt.Fprintf(w, "%d requests in %v: %d ok, %d refused, %d aborted, %d faults, %d invalid; at most %d in flight\n",
		s.Requests, time.Since(s.Since).Round(time.Second), s.OK, s.Refused, s.Aborted, s.Faults, s.Invalid, s.MaxInFlight)
}

// rangeFlag makes a simulate.Range a flag.
type rangeFlag struct{ *simulate.Range }

// Set reads a duration or a range of durations.
func (f rangeFlag) Set(s string) error { return f.UnmarshalText([]byte(s)) }

// String returns the range as it was given.
func (f rangeFlag) String() string {
	if f.Range == nil {
		return ""
	}
	return f.Range.String()
}

// Type is what help calls the flag's value.
func (rangeFlag) Type() string { return "DURATION" }
