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
	"github.com/weirhq/weir/pool"
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
running, five queued, and the limit of the busiest model, with a word if that is paused
or closed. It is empty, and the exit status 0, when no gateway runs or it does not answer
within half a second.`,
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
			patience := 10 * time.Second
			if line {
				patience = 500 * time.Millisecond // a prompt waits for it
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), patience)
			defer cancel()
			s, err := gatewayState(ctx, dir)
			if line && (errors.Is(err, daemon.ErrNoGateway) || ctx.Err() != nil) {
				return nil
			}
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

// gatewayState asks the gateway of a state directory.
func gatewayState(ctx context.Context, dir string) (*daemon.State, error) {
	i, err := daemon.Find(ctx, dir)
	if err != nil {
		return nil, err
	}
	return i.State(ctx)
}

func printStatus(out io.Writer, s *daemon.State) error {
	var b strings.Builder
	fmt.Fprintf(&b, "http://%s/weir/ (process %d, %s): %d running, %d queued\n", s.Listen, s.PID, s.Version, s.InFlight, s.Queued)
	for _, note := range s.Notes {
		fmt.Fprintf(&b, "  ! %s\n", note)
	}
	for _, who := range callers(s) {
		fmt.Fprintf(&b, "  %s\n", who)
	}
	for _, account := range s.Accounts {
		for _, l := range account.Lanes {
			fmt.Fprintf(&b, "  %s: %d running, %d queued, %d to be retried; %s\n", l.Lane, l.InFlight, l.Queued, l.Retrying, l.Why)
		}
		if binds(account) {
			fmt.Fprintf(&b, "  %s, all models together: %d running of at most %d; %s\n", account.Account, account.InFlight, account.Limit, account.Why)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// statusLine says in a few characters what runs and waits, and the limit of the model
// that has most of it.
func statusLine(s *daemon.State) string {
	text := fmt.Sprintf("▶%d ⧗%d", s.InFlight, s.Queued)
	busiest, limit, state := -1, 0, ""
	for _, account := range s.Accounts {
		for _, l := range account.Lanes {
			if busy := l.InFlight + l.Queued; busy > busiest {
				busiest, limit, state = busy, min(l.Limit, account.Limit), laneState(account, l)
			}
		}
	}
	if limit > 0 {
		text += fmt.Sprintf(" limit %d", limit)
	}
	return text + state
}

// laneState is a word for why nothing starts in a lane; empty: it may.
func laneState(account pool.Snapshot, l pool.LaneSnapshot) string {
	switch {
	case account.Flagged != nil:
		return " flagged"
	case l.Closed != nil:
		return " quota"
	case l.Held != nil, l.Paused != nil:
		return " paused"
	}
	return ""
}

// binds tells whether it is the account's limit that keeps calls waiting, or would.
func binds(account pool.Snapshot) bool {
	if account.Fixed > 0 || account.InFlight >= account.Limit && len(account.Lanes) > 1 && account.Queued > 0 {
		return true
	}
	for _, l := range account.Lanes {
		if account.Limit < l.Limit {
			return true
		}
	}
	return false
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
