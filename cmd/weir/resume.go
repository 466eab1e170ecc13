package main

import (
	"fmt"
	"time"

	"context"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/daemon"
)

// newResume returns "weir resume": it opens what weir has closed.
func newResume() *cobra.Command {
	var dir string
	command := &cobra.Command{
		Use:   "resume [LANE]",
		Short: "Open a lane or account that weir has closed",
		Long: `Open what weir has closed because a quota is spent or the provider has flagged
the account: everything, or the lane (provider/account/model) or the account
(provider/account) of that name, as /weir/api/state shows it. Without a gateway
that runs, it is done in what the last one has kept.`,
		Example: `  weir resume
  weir resume zai-coding/4f1c2ab09d31/glm-5`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("weir resume takes at most one lane, but got %d", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := stateDir(dir)
			if err != nil {
				return err
			}
			lane := ""
			if len(args) == 1 {
				lane = args[0]
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
			defer cancel()
			n, err := daemon.Resume(ctx, dir, lane)
			if err != nil {
				return err
			}
			switch {
			case n == 0 && lane != "":
				return fmt.Errorf("nothing that is closed is called %q; /weir/api/state shows the names, and without one everything is opened", lane)
			case n == 0:
				fmt.Fprintln(cmd.OutOrStdout(), "nothing was closed")
			default:
				fmt.Fprintf(cmd.OutOrStdout(), "opened %d\n", n)
			}
			return nil
		},
	}
	command.Flags().StringVar(&dir, "state", "", "state `DIRECTORY` of the gateway (default $XDG_STATE_HOME/weir)")
	return command
}
