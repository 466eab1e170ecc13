package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
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

// stateDir returns the state directory that is meant: the one given, that of the
// configuration file, or the default one.
func stateDir(given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	file, err := defaultConfig()
	if err != nil { // told by those who need the file
		file = &config.Config{}
	}
	return stateDirOf(file, "")
}

// stateDirOf is stateDir for a configuration file that has been read.
func stateDirOf(file *config.Config, given string) (string, error) {
	switch {
	case given != "":
		return filepath.Abs(given)
	case file.State != "":
		return file.State, nil
	}
	return daemon.DefaultStateDir()
}
