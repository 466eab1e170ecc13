package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/child"
	"github.com/weirhq/weir/internal/config"
	"github.com/weirhq/weir/internal/daemon"
	"github.com/weirhq/weir/internal/endpoint"
	"github.com/weirhq/weir/internal/tools"
)

// newRun returns "weir run": a tool through the gateway, for one run.
func newRun() *cobra.Command {
	var o runOptions
	command := &cobra.Command{
		Use:   "run [--upstream NAME] -- TOOL [ARGUMENT]...",
		Short: "Run a coding tool through the gateway, without touching its configuration",
		Long: `Run a coding tool, or any program that reads a base URL from its environment, with
its calls going through the gateway. The tool keeps its provider, keys and models;
only base URLs that weir knows are moved, for this run alone. If no gateway runs, one
is started in the background, for all terminals together; it ends by itself when
nobody has needed it for ten minutes, or with "weir stop".

--upstream NAME says where the calls of a program belong whose base URL is not set, or
is none that weir knows.

Terminal, signals and exit status are the tool's own. When it has ended, one line on
standard error says how its calls went.`,
		Example: `  weir run -- opencode
  weir run -- claude -p "explain this repository"
  weir run --upstream zai-coding -- python agent.py`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("weir run needs a tool to run: weir run -- opencode")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0], args[1:]) },
	}
	f := command.Flags()
	f.SetInterspersed(false) // what follows the tool is the tool's
	f.StringVar(&o.upstream, "upstream", "", "`NAME` of the provider for base URLs that weir does not know or that are not set")
	f.StringVar(&o.state, "state", "", "state `DIRECTORY` of the gateway (default $XDG_STATE_HOME/weir)")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no line at the end")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "say which base URLs are moved")
	return command
}

type runOptions struct {
	upstream       string
	state          string
	quiet, verbose bool
}

// A statusError ends weir with another program's status. Its text, if any, has been
// said.
type statusError struct{ status int }

func (e statusError) Error() string { return fmt.Sprintf("exit status %d", e.status) }

func (o *runOptions) run(cmd *cobra.Command, name string, args []string) error {
	say := func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), "weir: "+text) }
	path, err := child.Look(name)
	if err != nil {
		return missing(err, say)
	}
	file, err := defaultConfig()
	if err != nil {
		return err
	}
	l, err := o.plan(cmd.Context(), file, name, args)
	var stuck *endpoint.StuckError
	if errors.As(err, &stuck) {
		say(err.Error())
		return statusError{2}
	}
	if err != nil {
		return err
	}
	starter, err := o.starter(file, say)
	if err != nil {
		return err
	}
	dir, _ := os.Getwd() // only shown
	attendance, err := attend(cmd.Context(), starter, daemon.RunInfo{Title: daemon.Title(l.title(name), dir), Tool: l.toolName(), PID: os.Getpid()})
	if err != nil {
		return err
	}
	status, err := o.runThrough(attendance, starter, path, l, say)
	stats := leave(cmd.Context(), attendance)
	if err != nil {
		return missing(err, say)
	}
	if !o.quiet {
		say(summary(stats))
	}
	if status != 0 {
		return statusError{status}
	}
	return nil
}

// runThrough runs the tool with its base URLs at the gateway.
func (o *runOptions) runThrough(a *daemon.Attendance, s daemon.Starter, path string, l launch, say func(string)) (int, error) {
	g := endpoint.Gateway{Address: a.Address(), Run: a.ID()}
	if l.needsRoom {
		room, err := os.MkdirTemp(s.Dir, "run-*")
		if err != nil {
			return 0, fmt.Errorf("no place for the tool's own settings: %w", err)
		}
		defer os.RemoveAll(room)
		g.Room = room
	}
	moved, err := endpoint.Move(l.tool, l.settings, l.args, g, o.upstream)
	if err != nil {
		return 0, err
	}
	if err := writeAll(moved.Files); err != nil {
		return 0, err
	}
	o.sayMoved(moved, say)
	return child.Run(child.Program{Path: path, Args: moved.Args, Env: environment(os.Environ(), moved.Env)})
}

// sayMoved says what is moved, where the user has named the provider in short.
func (o *runOptions) sayMoved(l endpoint.Launch, say func(string)) {
	switch {
	case o.verbose || o.upstream != "" && len(l.Env) == 0:
		for _, sentence := range l.Moved {
			say(sentence)
		}
	case o.upstream != "":
		var names []string
		for _, e := range l.Env {
			name, _, _ := strings.Cut(e, "=")
			names = append(names, name)
		}
		say(strings.Join(names, ", ") + " → " + o.upstream)
	}
}

// A launch is a tool and where its calls go now.
type launch struct {
	tool      *tools.Tool // nil: a program like any other
	settings  []endpoint.Setting
	args      []string
	needsRoom bool
}

func (l launch) title(name string) string {
	if l.tool != nil {
		return l.tool.Name
	}
	return filepath.Base(name)
}

func (l launch) toolName() string {
	if l.tool == nil {
		return ""
	}
	return l.tool.Name
}

// plan finds out where the tool's calls go, and whether they can be moved, before
// anything is started.
func (o *runOptions) plan(ctx context.Context, file *config.Config, name string, args []string) (launch, error) {
	names, profiles := allProviders(file)
	if o.upstream != "" && profiles[o.upstream] == nil {
		return launch{}, usageError{fmt.Errorf("--upstream %q: no provider has that name; known are %s", o.upstream, strings.Join(names, ", "))}
	}
	l := launch{args: args}
	l.tool, _ = tools.ByProgram(name)
	var err error
	l.settings, err = endpoint.Find(ctx, thisSite(), l.tool, args, endpoint.KnownBy(names, profiles))
	if err != nil {
		return launch{}, err
	}
	// As if there were a gateway already: what cannot be moved needs none.
	trial := endpoint.Gateway{Address: "http://" + daemon.DefaultListen, Run: "~", Room: os.TempDir()}
	moved, err := endpoint.Move(l.tool, l.settings, args, trial, o.upstream)
	l.needsRoom = len(moved.Files) > 0
	return l, err
}

// starter finds or starts the gateway.
func (o *runOptions) starter(file *config.Config, say func(string)) (daemon.Starter, error) {
	dir, err := stateDirOf(file, o.state)
	if err != nil {
		return daemon.Starter{}, err
	}
	program, err := os.Executable()
	if err != nil {
		return daemon.Starter{}, fmt.Errorf("weir does not find itself: %w", err)
	}
	// What the file names the user means weir to have.
	env := daemon.CleanEnv(os.Environ(), func(name string) bool { return slices.Contains(file.Variables, name) })
	return daemon.Starter{Dir: dir, Program: program, Env: env, Say: say}, nil
}

// attend joins the gateway. One that goes down is waited for, which takes at most as
// long as it lets its calls finish.
func attend(ctx context.Context, s daemon.Starter, info daemon.RunInfo) (*daemon.Attendance, error) {
	ctx, cancel := context.WithTimeout(ctx, daemon.DefaultDrain+15*time.Second)
	defer cancel()
	return daemon.Attend(ctx, s, version(), info)
}

// leave ends the run. The person waits for the prompt, so not for long.
func leave(ctx context.Context, a *daemon.Attendance) daemon.RunStats {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return a.Leave(ctx)
}

// missing says why a program did not run, as shells do.
func missing(err error, say func(string)) error {
	var not *child.NotFoundError
	if !errors.As(err, &not) {
		return err
	}
	say(err.Error())
	return statusError{not.Status}
}

// writeAll writes the files that a tool reads in place of its own.
func writeAll(files []endpoint.File) error {
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(f.Path, f.Content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// environment returns the variables of the tool: the caller's, the moved ones, and
// loopback exempt from proxies.
func environment(env, moved []string) []string {
	set := map[string]bool{"NO_PROXY": true, "no_proxy": true}
	for _, e := range moved {
		name, _, _ := strings.Cut(e, "=")
		set[name] = true
	}
	exempt := map[string]string{}
	var all []string
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		if !set[name] {
			all = append(all, e)
		} else {
			exempt[name] = value
		}
	}
	upper, lower := exempt["NO_PROXY"], exempt["no_proxy"]
	if upper == "" {
		upper = lower
	} else if lower == "" {
		lower = upper
	}
	return append(append(all, moved...), "NO_PROXY="+withLoopback(upper), "no_proxy="+withLoopback(lower))
}

// withLoopback adds this machine to a list of hosts that take no proxy.
func withLoopback(hosts string) string {
	for _, host := range []string{"127.0.0.1", "localhost"} {
		if !slices.Contains(strings.Split(hosts, ","), host) {
			hosts = strings.TrimPrefix(hosts+","+host, ",")
		}
	}
	return hosts
}

// summary says how a run's calls went.
func summary(s daemon.RunStats) string {
	if s.Calls == 0 {
		return "no calls"
	}
	text := fmt.Sprintf("%s, %d failed, %s absorbed, waited %s in all", count(s.Calls, "call"), s.Failed, count(s.Absorbed, "refusal"), brief(s.Waited))
	if s.Limit > 0 {
		how := "fixed"
		if s.Learned {
			how = "learned"
		}
		text += fmt.Sprintf(", limit %d (%s)", s.Limit, how)
	}
	return text
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// brief writes a duration as people say it: "38 s", "2 min 5 s".
func brief(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	default:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
}
