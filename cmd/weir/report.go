package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/daemon"
	"github.com/weirhq/weir/internal/report"
	"github.com/weirhq/weir/provider"
)

// newReport returns "weir report": evidence of the journal.
func newReport() *cobra.Command {
	var o reportOptions
	command := &cobra.Command{
		Use:   "report",
		Short: "Make evidence of refusals for a support ticket",
		Long: `Say on one page what the journal carries of one model: the share of refused attempts
by level in flight with intervals, what was under way around the three worst moments,
refusals by code with the provider's request ids and times in UTC and UTC+8, what was
already done, and how it was measured. It says no more than was counted: with too few
attempts it says how many more it takes. It has no prompt, answer, key or header.

The report is written to standard output, or with -o into a file whose ending says the
format: one HTML page that needs no other file and has no script, Markdown to paste, or
JSON. The gateway may run meanwhile, and nothing is sent to the provider.`,
		Example: `  weir report -o report.html
  weir report --since 7d --plan "GLM Coding Max" -o report.html
  weir report --since 2h --lane glm-5.2 --format md`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := command.Flags()
	f.StringVar(&o.since, "since", "", "from when: a duration back (`2h`, 30d) or a moment (2026-03-01T12:00:00Z); default: all")
	f.StringVar(&o.lane, "lane", "", "`LANE` that it is about: provider/account/model, or a part that no other has (default: the one with most refusals)")
	f.StringVar(&o.plan, "plan", "", "your plan with the provider, in your `WORDS`, for the report's head")
	f.StringVar(&o.format, "format", "", "`FORMAT`: html, md or json (default: by the ending of -o, else html)")
	f.StringVarP(&o.output, "output", "o", "", "`FILE` to write to (default: standard output)")
	f.StringVar(&o.state, "state", "", "state `DIRECTORY` of the gateway (default $XDG_STATE_HOME/weir)")
	return command
}

type reportOptions struct{ since, lane, plan, format, output, state string }

func (o *reportOptions) run(cmd *cobra.Command) error {
	now := time.Now()
	since, err := parseSince(o.since, now)
	if err != nil {
		return usageError{err}
	}
	format, err := o.formatOf()
	if err != nil {
		return usageError{err}
	}
	file, err := defaultConfig()
	if err != nil {
		return err
	}
	_, profiles := allProviders(file)
	rows, err := readJournal(o.state)
	if err != nil {
		return err
	}
	defer rows.Close()
	r, err := report.Collect(cmd.Context(), rows, report.Options{
		Since: since, Lane: o.lane, Plan: o.plan, Now: now, Zone: time.Local, Weir: version(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Upstream: o.upstream(cmd.Context()), Profile: func(name string) *provider.Profile { return profiles[name] },
	})
	if err != nil {
		return o.explained(err)
	}
	var text bytes.Buffer
	if err := r.Write(&text, format); err != nil {
		return err
	}
	if o.output == "" || o.output == "-" {
		_, err := text.WriteTo(cmd.OutOrStdout())
		return unlessSeenEnough(err)
	}
	if err := os.WriteFile(o.output, text.Bytes(), 0o600); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s %s\n", o.output, r.Headline(), r.Summary)
	return unlessSeenEnough(err)
}

// formatOf is the format that is asked for.
func (o *reportOptions) formatOf() (string, error) {
	if o.format != "" {
		if !report.IsFormat(o.format) {
			return "", fmt.Errorf("--format %q: want html, md or json", o.format)
		}
		return o.format, nil
	}
	switch ending := strings.ToLower(filepath.Ext(o.output)); ending {
	case ".md", ".json":
		return ending[1:], nil
	case ".markdown":
		return "md", nil
	}
	return "html", nil
}

// explained says what a user can do about an error of [report.Collect].
func (o *reportOptions) explained(err error) error {
	var lane *report.LaneError
	switch {
	case errors.As(err, &lane):
		return usageError{fmt.Errorf("--lane: %w", err)}
	case errors.Is(err, report.ErrNothing) && o.since != "":
		return fmt.Errorf("nothing to report: %w (--since %s)", err, o.since)
	case errors.Is(err, report.ErrNothing):
		return errors.New("nothing to report: the journal has no request yet; it gets one with each that goes through the gateway")
	}
	return fmt.Errorf("the journal cannot be read: %w", err)
}

// upstream is where the gateway that runs now sends to; empty: none runs.
func (o *reportOptions) upstream(ctx context.Context) string {
	dir, err := stateDir(o.state)
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	i, err := daemon.Find(ctx, dir)
	if err != nil {
		return ""
	}
	s, err := i.State(ctx)
	if err != nil {
		return ""
	}
	return s.Upstream
}
