package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/daemon"
	"github.com/weirhq/weir/internal/top"
)

var _ top.Gateway = (*daemon.Instance)(nil)

// newTop returns "weir top": what the gateway does, live.
func newTop() *cobra.Command {
	var dir string
	var ascii bool
	command := &cobra.Command{
		Use:   "top",
		Short: "Show live what the gateway does, in the terminal",
		Long: `Show live what the gateway does: what runs, waits and is to be retried, the limit of
each model and why, a staircase of the last minutes, sessions, requests with their
attempts, and which levels in flight were accepted and refused. ? shows the keys.

It can hold and resume a model, fix its limit and cancel a waiting request, and asks
before it does. It needs a terminal, 80x24 or so, and works over ssh and in tmux;
NO_COLOR is respected. When the gateway is lost it says so and waits for the next one.
For scripts and pipes there is "weir status".`,
		Example: `  weir top
  weir top --ascii`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := stateDir(dir)
			if err != nil {
				return err
			}
			out, _ := cmd.OutOrStdout().(*os.File) // nil is no terminal
			err = top.Run(cmd.Context(), top.Options{
				Connect: func(ctx context.Context) (top.Gateway, error) { return findTop(ctx, dir) },
				In:      os.Stdin, Out: out, Env: os.Environ(), ASCII: ascii,
			})
			switch {
			case errors.Is(err, top.ErrNoTerminal):
				return usageError{fmt.Errorf("%w; \"weir status\" says it once, and \"weir status --json\" says all", err)}
			case errors.Is(err, daemon.ErrNoGateway):
				return fmt.Errorf("%w: weir run -- TOOL and weir serve start one", err)
			}
			return err
		},
	}
	f := command.Flags()
	f.StringVar(&dir, "state", "", "state `DIRECTORY` of the gateway (default $XDG_STATE_HOME/weir)")
	f.BoolVar(&ascii, "ascii", false, "show no characters but ASCII, as without a UTF-8 locale")
	return command
}

// findTop finds the gateway; without one the result is nil, and no pointer that is.
func findTop(ctx context.Context, dir string) (top.Gateway, error) {
	i, err := daemon.Find(ctx, dir)
	if err != nil {
		return nil, err
	}
	return i, nil
}
