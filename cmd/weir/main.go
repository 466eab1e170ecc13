// Command weir stands between coding agents and a rate-limited LLM provider and
// makes "too many requests in flight" disappear.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

// run executes one command line and returns the exit status: 0, 1 for a failure
// at run time, 2 for a wrong command line or setting; that of "weir run" is its
// tool's.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var status statusError
	if errors.As(err, &status) {
		return status.status
	}
	fmt.Fprintf(stderr, "weir: %v\n", err)
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(stderr, "Try: weir help")
		return 2
	}
	return 1
}

// usageError is a wrong command line or setting.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "weir",
		Short: "Let coding agents share a rate-limited LLM provider without errors",
		Long: `weir stands between coding agents and an LLM provider that allows only so many
requests at a time. It queues, finds the highest level that the provider bears,
waits as long as the provider asks and repeats what was refused, so that the
agents never see it.`,
		Example: `  weir run -- opencode
  weir serve
  weir demo
  weir simulate --limit 2`,
		Args:          noArguments,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(newRun(), newServe(), newStop(), newStatus(), newTop(), newSimulateCommand(), newDemo(), newResume(), newConfig(), newSetup(), newService(), newDoctor(findGateway), newExplain(), newProbe(), newLab(), newJournal(), newReport(), newVersion())
	addCompletion(root)
	return root
}

// addCompletion adds "weir completion". It is made here, when the output is known,
// so that a shell that it does not know is a wrong command line like any other.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Args = func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("there is no completion for %q: write bash, zsh, fish or powershell", args[0])}
			}
			return nil
		}
		c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		for _, shell := range c.Commands() {
			shell.Args = noArguments
		}
	}
}

// noArguments refuses arguments, among them the names of commands that there
// are not.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasParent() {
		return usageError{fmt.Errorf("%s takes no arguments, but got %q", cmd.CommandPath(), args[0])}
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += fmt.Sprintf("; did you mean %q?", near[0])
	}
	return usageError{errors.New(text)}
}

// printJSON prints a value for other programs.
func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
