package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/setup"
)

// newService returns "weir service": the gateway, started by the system.
func newService() *cobra.Command { return newServiceOf(thisService) }

// newServiceOf takes the machine's part, for the tests.
func newServiceOf(find func() (*setup.Service, error)) *cobra.Command {
	command := &cobra.Command{
		Use:   "service",
		Short: "Let the system start the gateway when you log in",
		Long: `Let the system start "weir serve" when you log in, and again if it dies: as a
systemd user unit on Linux, as a launchd agent on macOS. It needs no rights beyond
your own and is there for you alone. It goes by the configuration
file, as "weir serve" does without flags.`,
		Example: `  weir service install
  weir service status
  weir service remove`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	printOnly := false
	install := &cobra.Command{
		Use:     "install",
		Short:   "Install the service and start it",
		Example: "  weir service install\n  weir service install --print",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := find()
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if printOnly {
				_, err := fmt.Fprint(out, s.Text())
				return err
			}
			notes, err := s.Install(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "The service is installed and started: %s\n", s.File())
			for _, note := range notes {
				fmt.Fprintln(out, "  "+note)
			}
			return nil
		},
	}
	install.Flags().BoolVar(&printOnly, "print", false, "print what would be installed, and install nothing")
	remove := &cobra.Command{
		Use:     "remove",
		Short:   "End the service and remove it",
		Example: "  weir service remove",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := find()
			if err != nil {
				return err
			}
			ok, err := s.Remove(cmd.Context())
			if err != nil {
				return err
			}
			if !ok {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "No service is installed; there is nothing to remove.")
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "The service has ended and is removed. Tools that `weir setup` pointed at it need another gateway, or --undo.")
			return err
		},
	}
	status := &cobra.Command{
		Use:     "status",
		Short:   "Say whether the service is installed and runs",
		Example: "  weir service status",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := find()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), s.Status(cmd.Context()))
			return err
		},
	}
	command.AddCommand(install, remove, status)
	return command
}

// thisService is the service of the user who calls, on this machine.
func thisService() (*setup.Service, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("weir does not know where it is itself: %w", err)
	}
	if real, err := filepath.EvalSymlinks(program); err == nil && runtime.GOOS != "darwin" {
		// A link is kept where a package manager moves what it leads to; on Linux the
		// system names the file itself anyway.
		program = real
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, fmt.Errorf("there is no home directory for a service: %w", err)
	}
	return &setup.Service{
		System: runtime.GOOS, Program: program, Args: []string{"serve"}, Home: home, UID: os.Getuid(), Getenv: os.Getenv,
		Run: func(ctx context.Context, program string, args ...string) ([]byte, error) {
			ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
			defer cancel()
			c := exec.CommandContext(ctx, program, args...)
			c.WaitDelay = time.Second
			return c.CombinedOutput()
		},
	}, nil
}
