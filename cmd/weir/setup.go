package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/endpoint"
	"github.com/weirhq/weir/internal/setup"
	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
)

// newSetup returns "weir setup": a tool's own configuration, changed for good.
func newSetup() *cobra.Command { return newSetupOf(thisService) }

// newSetupOf takes the machine's service, for the tests.
func newSetupOf(service func() (*setup.Service, error)) *cobra.Command {
	o := setupOptions{service: service}
	command := &cobra.Command{
		Use:   "setup TOOL",
		Short: "Point a tool at the gateway for good",
		Long: `Show what in a tool's own configuration file would have to change so that its calls
go through the gateway, with the tool's own provider, keys and models. --write makes
the change, with a backup; --undo brings the file back byte for byte.

The tool then needs a gateway that runs: "weir service install" sees to it.`,
		Example: `  weir setup opencode
  weir setup claude --write
  weir setup claude --undo
  weir setup --list`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("one tool at a time, but got %q as well", args[1])}
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return toolNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	f := command.Flags()
	f.BoolVar(&o.write, "write", false, "make the change")
	f.BoolVar(&o.undo, "undo", false, "bring the file back as it was")
	f.BoolVar(&o.list, "list", false, "show the tools that are installed, and what each points at")
	f.BoolVar(&o.yes, "yes", false, "go on where setup would refuse: no service is installed, or the file was changed since")
	f.StringVar(&o.gateway, "gateway", "http://127.0.0.1:1302", "`URL` of the gateway")
	f.StringVar(&o.upstream, "upstream", "", "`NAME` of the provider that a base URL belongs to which is unknown or not set")
	f.StringVar(&o.file, "file", "", "the tool's configuration `FILE`, if it is another one than usual")
	return command
}

type setupOptions struct {
	service                 func() (*setup.Service, error)
	write, undo, list, yes  bool
	gateway, upstream, file string
}

func (o *setupOptions) run(cmd *cobra.Command, args []string) error {
	if o.list {
		if len(args) > 0 || o.write || o.undo {
			return usageError{errors.New("--list shows all tools and changes nothing: leave the rest away")}
		}
		return o.printList(cmd)
	}
	if len(args) == 0 {
		return usageError{fmt.Errorf("say which tool: %s, or --list", strings.Join(toolNames(), ", "))}
	}
	tool, ok := tools.ByName(args[0])
	if !ok {
		return usageError{fmt.Errorf("%q is no tool that weir knows: it knows %s; for any other, set its base URL to %s/v1 (OpenAI) or %s/anthropic",
			args[0], strings.Join(toolNames(), ", "), o.gateway, o.gateway)}
	}
	if o.write && o.undo {
		return usageError{errors.New("--write and --undo are opposites: choose one")}
	}
	order, err := o.order(tool)
	if err != nil {
		return usageError{err}
	}
	if !setup.CanChange(tool) {
		return o.advise(cmd, order)
	}
	file, also, err := o.place(tool)
	if err != nil {
		return err
	}
	if o.undo {
		return o.bringBack(cmd, tool, file)
	}
	before, err := setup.Read(file)
	if err != nil {
		return asUsage(err)
	}
	change, err := order.Change(file, before)
	if err != nil {
		return asUsage(err)
	}
	if len(also) > 0 {
		change.Notes = append(change.Notes, fmt.Sprintf("%s names providers too: --file changes that one", strings.Join(also, ", ")))
	}
	return o.show(cmd, tool, change)
}

// order is what the tool's file shall say.
func (o *setupOptions) order(tool *tools.Tool) (*setup.Order, error) {
	u, err := url.Parse(o.gateway)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("--gateway: want the address of a gateway such as http://127.0.0.1:1302, without a path")
	}
	order := &setup.Order{
		Tool:    tool,
		Gateway: endpoint.Gateway{Address: u.Scheme + "://" + u.Host},
		Known:   setupKnown(),
		Getenv:  os.Getenv,
	}
	if o.upstream != "" {
		p, ok := provider.Lookup(o.upstream)
		if !ok {
			return nil, fmt.Errorf("--upstream %q is no provider that weir knows: %s", o.upstream, strings.Join(provider.Names(), ", "))
		}
		order.Upstream = p
	}
	if tool.Name == "opencode" {
		order.LoggedIn, _ = endpoint.OpenCodeLogins(thisSite()) // a broken file is OpenCode's affair
	}
	return order, nil
}

// setupKnown knows the base URLs of the shipped profiles.
func setupKnown() endpoint.Known {
	profiles := map[string]*provider.Profile{}
	for _, name := range provider.Names() {
		profiles[name], _ = provider.Lookup(name)
	}
	return endpoint.KnownBy(provider.Names(), profiles)
}

// place is the tool's configuration file.
func (o *setupOptions) place(tool *tools.Tool) (file string, also []string, err error) {
	if o.file != "" {
		file, err = filepath.Abs(o.file)
		return file, nil, err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", nil, fmt.Errorf("there is no home directory: %w (--file names the tool's file)", err)
	}
	places := setup.Places(tool, home, os.Getenv)
	if written := setup.Written(places); o.undo && len(written) > 0 {
		return written[0], nil, nil
	}
	file, also = setup.Choose(places, setup.Read)
	return file, also, nil
}

// show prints a change, and makes it if that is asked for.
func (o *setupOptions) show(cmd *cobra.Command, tool *tools.Tool, c *setup.Change) error {
	out := cmd.OutOrStdout()
	if c.Nothing() {
		fmt.Fprintf(out, "%s is set up already: nothing to change in %s\n", tool.Title, c.File)
		printNotes(out, c.Notes)
		return nil
	}
	fmt.Fprint(out, setup.Diff(c))
	fmt.Fprintln(out)
	for _, line := range c.Moved {
		fmt.Fprintln(out, line)
	}
	printNotes(out, c.Notes)
	if !o.write {
		fmt.Fprintf(out, "\nNothing is changed yet: --write does it. %s then needs a gateway that runs at %s (weir service install, or weir serve).\n", tool.Title, o.gateway)
		return nil
	}
	s, err := o.service()
	installed := err == nil && s.Installed()
	if !installed && !o.yes {
		return usageError{fmt.Errorf("%s would fail whenever no gateway runs at %s, and none is installed as a service: call weir service install first, or --write --yes to see to it yourself; nothing is changed", tool.Title, o.gateway)}
	}
	backup, err := setup.Write(c, time.Now())
	if err != nil {
		return asUsage(err)
	}
	fmt.Fprintf(out, "\nWritten: %s", c.File)
	if backup != "" {
		fmt.Fprintf(out, " (as it was: %s)", backup)
	}
	fmt.Fprintf(out, "\nweir setup %s --undo brings it back.\n", tool.Name)
	if !installed {
		fmt.Fprintf(out, "%s works only while a gateway runs at %s: weir serve\n", tool.Title, o.gateway)
	}
	return nil
}

func printNotes(out io.Writer, notes []string) {
	for _, note := range notes {
		fmt.Fprintln(out, "note: "+note)
	}
}

// bringBack undoes what was written.
func (o *setupOptions) bringBack(cmd *cobra.Command, tool *tools.Tool, file string) error {
	out := cmd.OutOrStdout()
	c, ok, err := setup.Undo(file)
	var changed *setup.ChangedError
	switch {
	case err == nil && !ok:
		fmt.Fprintf(out, "Nothing to undo: weir has not changed %s\n", file)
		return nil
	case errors.As(err, &changed) && o.yes:
	case errors.As(err, &changed):
		fmt.Fprint(out, setup.Diff(c))
		return usageError{err}
	case err != nil:
		return asUsage(err)
	}
	if err := setup.Restore(c); err != nil {
		return asUsage(err)
	}
	if c.After == nil {
		fmt.Fprintf(out, "Removed: %s, which was not there before. %s is as it was.\n", file, tool.Title)
		return nil
	}
	fmt.Fprintf(out, "Restored: %s is as it was.\n", file)
	return nil
}

// advise prints what to add by hand.
func (o *setupOptions) advise(cmd *cobra.Command, order *setup.Order) error {
	if o.write || o.undo || o.file != "" {
		return usageError{fmt.Errorf("weir does not change %s's configuration: call weir setup %s alone, and it says what to add", order.Tool.Title, order.Tool.Name)}
	}
	settings, err := endpoint.Find(cmd.Context(), thisSite(), order.Tool, nil, order.Known)
	if err != nil {
		return err
	}
	text, err := order.Advice(settings)
	if err != nil {
		return asUsage(err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s then needs a gateway that runs at %s (weir service install, or weir serve).\n", text, order.Tool.Title, order.Gateway.Address)
	return err
}

// printList shows the tools, and where the calls of those that are installed go.
func (o *setupOptions) printList(cmd *cobra.Command) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
	site, known := thisSite(), setupKnown()
	for _, t := range tools.All() {
		if !t.Configured() {
			continue
		}
		path := programOf(t)
		if path == "" {
			fmt.Fprintf(w, "%s\tnot installed\n", t.Name)
			continue
		}
		settings, err := endpoint.Find(cmd.Context(), site, t, nil, known)
		name, where := t.Name, path
		for _, s := range settings {
			fmt.Fprintf(w, "%s\t%s\t%s\n", name, where, setup.Describe(s))
			name, where = "", ""
		}
		switch {
		case err != nil:
			fmt.Fprintf(w, "%s\t%s\t%v\n", name, where, err)
		case len(settings) == 0:
			fmt.Fprintf(w, "%s\t%s\tno base URL found\n", name, where)
		}
	}
	return w.Flush()
}

func toolNames() []string {
	var names []string
	for _, t := range tools.All() {
		if t.Configured() {
			names = append(names, t.Name)
		}
	}
	return names
}

// asUsage gives what the user can mend by another command line the exit status of
// one.
func asUsage(err error) error {
	var refused *setup.RefusedError
	var broken *setup.BrokenError
	var changed *setup.ChangedError
	if errors.As(err, &refused) || errors.As(err, &broken) || errors.As(err, &changed) {
		return usageError{err}
	}
	return err
}
