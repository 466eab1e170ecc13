package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/lab"
	"github.com/weirhq/weir/internal/scenario"
	"github.com/weirhq/weir/limit"
)

// newLab returns "weir lab": scenarios played in virtual time.
func newLab() *cobra.Command {
	var o labOptions
	command := &cobra.Command{
		Use:   "lab [FILE | NAME | all]...",
		Short: "Play scenarios in virtual time and measure the learner",
		Long: `Play scenarios in virtual time, with the very code that the gateway runs, and
measure it against an oracle that is told what the provider does: hours of load
take a fraction of a second, and the same seeds give the same figures.

An argument is a scenario file, the name of a scenario that comes with weir, or
"all" for all of these; without arguments their names are listed. What a file may
say is told in docs/scenarios.md, what the figures mean in docs/lab.md.

The baselines of --learner are what else could be done: one call at a time (fixed),
halving and adding one (aimd), a vendor's own rules (vendor), and one that follows
the time to the first event (gradient).`,
		Example: `  weir lab
  weir lab hard-3 --seeds 20
  weir lab drift.yaml --plot drift.svg
  weir lab all --seeds 20 --json`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	f := command.Flags()
	f.IntVar(&o.seeds, "seeds", lab.DefaultSeeds, "how many `SEEDS` each scenario is played under")
	f.Uint64Var(&o.first, "seed", 1, "the first `SEED`")
	f.StringVar(&o.learner, "learner", string(lab.Weir), "`LEARNER`: weir, or a baseline: fixed, aimd, vendor, gradient")
	f.Float64Var(&o.eager, "eager", limit.DefaultEager, "`SHARE` of calls that weir's learner may risk to find a rise, 0.0025 to 0.04")
	f.BoolVar(&o.json, "json", false, "print one JSON object a scenario instead of a table")
	f.StringVar(&o.plot, "plot", "", "draw the first seed's course to `FILE.svg` (one scenario)")
	return command
}

// labOptions are the flags of "weir lab".
type labOptions struct {
	seeds         int
	first         uint64
	learner, plot string
	eager         float64
	json          bool
}

// settle turns the flags into options.
func (o *labOptions) settle() (lab.Options, error) {
	all := lab.Options{Seeds: o.seeds, First: o.first, Learner: lab.Learner(o.learner), Trace: o.plot != "", Limit: limit.Config{Eager: o.eager}}
	if o.seeds < 1 {
		return all, fmt.Errorf("--seeds %d: want 1 or more", o.seeds)
	}
	if o.first < 1 {
		return all, errors.New("--seed 0: want 1 or more")
	}
	if !(o.eager >= limit.MinEager && o.eager <= limit.MaxEager) {
		return all, fmt.Errorf("--eager %v: want %v to %v", o.eager, limit.MinEager, limit.MaxEager)
	}
	if err := all.Check(); err != nil {
		return all, err
	}
	return all, nil
}

// A labEntry is one scenario of the command line.
type labEntry struct {
	name     string
	scenario *scenario.Scenario
}

// labEntries reads the scenarios that the arguments name.
func labEntries(args []string) ([]labEntry, error) {
	var all []labEntry
	for _, arg := range args {
		names := []string{arg}
		if arg == "all" {
			names = lab.Names()
		}
		for _, name := range names {
			sc, err := labScenario(name)
			if err != nil {
				return nil, err
			}
			all = append(all, labEntry{name, sc})
		}
	}
	return all, nil
}

// labScenario reads a file or, if there is none of that name, a scenario that
// comes with weir.
func labScenario(name string) (*scenario.Scenario, error) {
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() {
		return scenario.ReadFile(name)
	}
	sc, embedded := lab.Scenario(name)
	switch {
	case embedded == nil:
		return sc, nil
	case err == nil:
		return nil, fmt.Errorf("%s is a directory: name a scenario file in it", name)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is neither a file %q nor a scenario of that name; weir lab lists those that there are", name)
	}
	return nil, err
}

func (o *labOptions) run(cmd *cobra.Command, args []string) error {
	options, err := o.settle()
	if err != nil {
		return usageError{err}
	}
	if len(args) == 0 {
		return listScenarios(cmd.OutOrStdout())
	}
	entries, err := labEntries(args)
	if err != nil {
		return usageError{err}
	}
	if o.plot != "" && len(entries) != 1 {
		return usageError{fmt.Errorf("--plot draws one scenario, but there are %d", len(entries))}
	}
	if o.plot != "" && !strings.HasSuffix(o.plot, ".svg") {
		return usageError{fmt.Errorf("--plot %s: want a name that ends in .svg", o.plot)}
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return o.play(ctx, cmd.OutOrStdout(), entries, options)
}

// play plays the scenarios one after the other. JSON comes line by line as they
// are done, the table at the end, since its columns are as wide as their widest.
func (o *labOptions) play(ctx context.Context, out io.Writer, entries []labEntry, options lab.Options) error {
	var rows []lab.Row
	for _, e := range entries {
		r, err := lab.Run(ctx, e.scenario, options)
		if err != nil {
			err = fmt.Errorf("%s: %w", e.name, err)
			if len(rows) > 0 { // what is done was paid for
				err = errors.Join(err, lab.Table(out, rows))
			}
			return err
		}
		if o.plot != "" {
			if err := drawTo(o.plot, e.scenario.Name, r.Trace); err != nil {
				return err
			}
		}
		if !o.json {
			rows = append(rows, lab.Row{Name: e.name, Result: r})
			continue
		}
		if err := json.NewEncoder(out).Encode(r); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	}
	if o.json {
		return nil
	}
	return lab.Table(out, rows)
}

// listScenarios prints the scenarios that come with weir.
func listScenarios(out io.Writer) error {
	var rows [][2]string
	width := 0
	for _, name := range lab.Names() {
		sc, err := lab.Scenario(name)
		if err != nil {
			return err
		}
		rows = append(rows, [2]string{name, sc.Name})
		width = max(width, len(name))
	}
	for _, r := range rows {
		if _, err := fmt.Fprintf(out, "%-*s  %s\n", width, r[0], r[1]); err != nil {
			return err
		}
	}
	return nil
}

// drawTo writes the picture of a course to a file.
func drawTo(path, title string, t *lab.Trace) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("--plot: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return lab.Draw(f, title, t)
}
