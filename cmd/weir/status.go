package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/daemon"
)

// newStatus returns "weir status": what the gateway does, once.
func newStatus() *cobra.Command {
	var dir string
	var asJSON, line bool
	command := &cobra.Command{
		Use:   "status",
		Short: "Say what the gateway does now",
		Long: `Say where the gateway is, which tools run through it, and for each model what is
running, queued and retried, with the limit and why. The exit status is 1 if no
gateway runs. --json prints all that it knows of itself.

--line prints one line for a prompt, tmux or a status line: "▶2 ⧗5 limit 3" is two
running, five queued, and the limit of the busiest model. It is empty, and the exit
status 0, when no gateway runs.`,
		Example: `  weir status
  weir status --json
  weir status --line`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON && line {
				return usageError{errors.New("--json and --line are two forms: choose one")}
			}
			dir, err := stateDir(dir)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
			defer cancel()
			i, err := daemon.Find(ctx, dir)
			if line && errors.Is(err, daemon.ErrNoGateway) {
				return nil
			}
			if err != nil {
				return err
			}
			s, err := i.State(ctx)
			if err != nil {
				return err
			}
			if line {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), statusLine(s))
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), s)
			}
			return printStatus(cmd.OutOrStdout(), s)
		},
	}
	f := command.Flags()
	f.StringVar(&dir, "state", "", "state `DIRECTORY` of the gateway (default $XDG_STATE_HOME/weir)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	f.BoolVar(&line, "line", false, "print one line, for a prompt")
	return command
}

func printStatus(out io.Writer, s *daemon.State) error {
	var b strings.Builder
	fmt.Fprintf(&b, "http://%s/weir/ (process %d, %s): %d running, %d queued\n", s.Listen, s.PID, s.Version, s.InFlight, s.Queued)
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

// statusLine says in a few characters what runs and waits, and the limit of the model
// that has most of it.
func statusLine(s *daemon.State) string {
	text := fmt.Sprintf("▶%d ⧗%d", s.InFlight, s.Queued)
	busiest, limit := -1, 0
	for _, account := range s.Accounts {
		for _, l := range account.Lanes {
			if busy := l.InFlight + l.Queued; busy > busiest {
				busiest, limit = busy, min(l.Limit, account.Limit)
			}
		}
	}
	if limit > 0 {
		text += fmt.Sprintf(" limit %d", limit)
	}
	return text
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
