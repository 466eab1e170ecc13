package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/config"
	"github.com/weirhq/weir/internal/daemon"
)

// newStop returns "weir stop": the end of the gateway.
func newStop() *cobra.Command {
	var dir string
	var force bool
	command := &cobra.Command{
		Use:   "stop",
		Short: "End the gateway that runs in the background",
		Long: `End the gateway in good order: what is under way may finish, and the rest is told to
come back. While tools run through it, it stays, unless --force is given: they would
be cut off.`,
		Example: `  weir stop
  weir stop --force`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := stateDir(dir)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), daemon.DefaultDrain+10*time.Second)
			defer cancel()
			return stop(ctx, cmd.OutOrStdout(), dir, force)
		},
	}
	f := command.Flags()
	f.StringVar(&dir, "state", "", "state `DIRECTORY` of the gateway (default $XDG_STATE_HOME/weir)")
	f.BoolVar(&force, "force", false, "also while tools run through it")
	return command
}

func stop(ctx context.Context, out io.Writer, dir string, force bool) error {
	i, err := daemon.Find(ctx, dir)
	if errors.Is(err, daemon.ErrNoGateway) {
		fmt.Fprintln(out, "no gateway runs")
		return nil
	}
	if err != nil {
		return err
	}
	runs, err := i.Stop(ctx, force)
	if err != nil {
		return err
	}
	if len(runs) > 0 {
		return fmt.Errorf("the gateway stays, for %s through it: %s (--force ends it all the same)", count(len(runs), "tool")+" run", strings.Join(runs, ", "))
	}
	if err := i.Gone(ctx, dir); err != nil {
		return err
	}
	fmt.Fprintln(out, "the gateway has ended")
	return nil
}

// newStatus returns "weir status": what the gateway does, once.
func newStatus() *cobra.Command {
	var dir string
	var asJSON bool
	command := &cobra.Command{
		Use:   "status",
		Short: "Say what the gateway does now",
		Long: `Say where the gateway is, which tools run through it, and for each model what is
running, queued and retried, with the limit and why. The exit status is 1 if no
gateway runs. --json prints all that it knows of itself.`,
		Example: `  weir status
  weir status --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := stateDir(dir)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
			defer cancel()
			i, err := daemon.Find(ctx, dir)
			if err != nil {
				return err
			}
			s, err := i.State(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(s)
			}
			return printStatus(cmd.OutOrStdout(), s)
		},
	}
	f := command.Flags()
	f.StringVar(&dir, "state", "", "state `DIRECTORY` of the gateway (default $XDG_STATE_HOME/weir)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func printStatus(out io.Writer, s *daemon.State) error {
	var b strings.Builder
	fmt.Fprintf(&b, "http://%s (process %d, %s): %d running, %d queued\n", s.Listen, s.PID, s.Version, s.InFlight, s.Queued)
	for _, who := range callers(s) {
		fmt.Fprintf(&b, "  %s\n", who)
	}
	for _, account := range s.Accounts {
		for _, l := range account.Lanes {
			fmt.Fprintf(&b, "  %s: %d running, %d queued, %d to be retried; %s\n", l.Lane, l.InFlight, l.Queued, l.Retrying, l.Why)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// callers says who has something running or queued, and which tools run idly.
func callers(s *daemon.State) []string {
	type count struct{ running, queued int }
	counts := map[string]count{}
	for _, run := range s.Runs {
		counts[run] = count{}
	}
	for _, account := range s.Accounts {
		for _, session := range account.Sessions {
			who := session.Caller
			if who == "" {
				who = session.Name
			}
			if c, known := counts[who]; known || session.Running+session.Queued > 0 {
				counts[who] = count{c.running + session.Running, c.queued + session.Queued}
			}
		}
	}
	var all []string
	for _, who := range slices.Sorted(maps.Keys(counts)) {
		c := counts[who]
		all = append(all, fmt.Sprintf("%s (%d running, %d queued)", who, c.running, c.queued))
	}
	return all
}

// stateDir returns the state directory that is meant: the one given, that of the
// configuration file, or the default one.
func stateDir(given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	// What is wrong with the file is told by those who need it.
	if c, err := config.LoadDefault("", os.LookupEnv); err == nil && c.State != "" {
		return c.State, nil
	}
	return daemon.DefaultStateDir()
}
