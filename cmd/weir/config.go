package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/config"
	"github.com/weirhq/weir/internal/daemon"
	"github.com/weirhq/weir/provider"
)

// newConfig returns "weir config": the configuration file.
func newConfig() *cobra.Command {
	command := &cobra.Command{
		Use:   "config",
		Short: "Check and show the configuration",
		Long: `Check a configuration file, show what is in force, or print the JSON Schema that
editors use. docs/configuration.md describes the file.`,
		Example: `  weir config check weir.yaml
  weir config show`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(newConfigCheck(), newConfigShow(), newConfigSchema())
	return command
}

func newConfigCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Say all that is wrong with a configuration file",
		Long: `Say all that is wrong with a configuration file, each with its line and column and what
to do. Without FILE the default one is looked at. The exit status is 2 if something is
wrong.`,
		Example: `  weir config check
  weir config check examples/team.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("weir config check takes one file, but got %d", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := config.DefaultFile(os.LookupEnv)
			if len(args) == 1 {
				file, err = args[0], nil
			}
			if err != nil {
				return err
			}
			c, err := config.Load(file, os.LookupEnv)
			if err == nil {
				err = unusable(c)
			}
			if err != nil {
				return wrongConfig(err)
			}
			for _, w := range c.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "weir: warning:", w)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is right\n", file)
			return err
		},
	}
}

// unusable says where a file that is right in itself says what a gateway would not take;
// nil: nowhere.
func unusable(c *config.Config) error {
	err := daemon.Check(c)
	var wrong *daemon.ConfigError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%s: %w", c.Place(strings.ReplaceAll(wrong.Field, "-", "_")), err)
	}
	return err
}

func newConfigShow() *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "show",
		Short: "Show the configuration that is in force",
		Long: `Show the configuration that "weir serve" would have: what the file says, and the
defaults for the rest. Secrets are masked.`,
		Example: `  weir config show
  weir config show --config examples/person.yaml`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.LoadDefault(file, os.LookupEnv)
			if err != nil {
				return wrongConfig(err)
			}
			text, err := c.Show(defaultOf)
			if err != nil {
				return err
			}
			from := "no file; these are the defaults"
			if c.File != "" {
				from = c.File
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "# %s\n%s", from, text)
			return err
		},
	}
	command.Flags().StringVar(&file, "config", "", "configuration `FILE` (default $XDG_CONFIG_HOME/weir/weir.yaml)")
	return command
}

// defaultOf returns what holds where a file does not say it; nil: nothing does.
func defaultOf(key string) any {
	switch key {
	case "listen":
		return daemon.DefaultListen
	case "upstream":
		return provider.DefaultName
	case "limit":
		return "auto"
	case "eager":
		return "0.9%"
	case "state":
		dir, err := daemon.DefaultStateDir()
		if err != nil {
			return nil
		}
		return dir
	case "log_format":
		return "text"
	case "drain":
		return daemon.DefaultDrain.String()
	case "stall":
		return weir.DefaultStall.String()
	case "hold":
		return "(by tool)"
	case "max_queue":
		return weir.DefaultMaxQueue
	case "max_bytes":
		return weir.DefaultMaxBytes
	case "quota_status":
		return 402
	}
	return nil
}

func newConfigSchema() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of configuration files",
		Long:    `Print the JSON Schema of configuration files, with which editors complete and check them.`,
		Example: `  weir config schema > ~/.config/weir/weir.schema.json`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(config.Schema())
			return err
		},
	}
}

// allProviders returns the providers that weir knows and those of the configuration
// file, by name and in order.
func allProviders(file *config.Config) (names []string, profiles map[string]*provider.Profile) {
	names, profiles = provider.Names(), map[string]*provider.Profile{}
	for _, name := range names {
		profiles[name], _ = provider.Lookup(name)
	}
	for _, p := range file.Providers {
		names, profiles[p.Name] = append(names, p.Name), p
	}
	return names, profiles
}

// defaultConfig reads the default configuration file, if there is one.
func defaultConfig() (*config.Config, error) {
	file, err := config.LoadDefault("", os.LookupEnv)
	if err != nil {
		return nil, wrongConfig(err)
	}
	return file, nil
}

// wrongConfig is the error of a configuration file: all that is wrong with it.
func wrongConfig(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return usageError{fmt.Errorf("the configuration file cannot be read: %w", err)}
	}
	return usageError{err}
}
