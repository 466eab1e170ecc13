package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/journal"
)

// newJournal returns "weir journal": what the gateway has kept of its requests.
func newJournal() *cobra.Command {
	command := &cobra.Command{
		Use:   "journal",
		Short: "What became of each request",
		Long: `The gateway keeps a journal of requests, attempts, limits and pauses in its state
directory (journal.db): no prompt, no answer, no key. It is kept for 30 days and at
most 150 MB; the configuration's retention changes that.`,
		Example: "  weir journal export --since 2h",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(newJournalExport())
	return command
}

func newJournalExport() *cobra.Command {
	var o exportOptions
	command := &cobra.Command{
		Use:   "export",
		Short: "Write the journal for other programs",
		Long: `Write the journal to standard output, the oldest first: one row for each request
with its attempts, and one for each change of a limit, pause and closing. The
gateway may run meanwhile.

jsonl is one JSON object a line, csv a table with a head. Moments are in UTC,
durations in milliseconds.`,
		Example: `  weir journal export --since 2h
  weir journal export --since 30d --format csv > weir.csv
  weir journal export --since 2026-03-01T12:00:00Z | jq 'select(.retries > 0)'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := command.Flags()
	f.StringVar(&o.since, "since", "", "from when: a duration back (`2h`, 30d) or a moment (2026-03-01T12:00:00Z); default: all")
	f.StringVar(&o.format, "format", "jsonl", "`FORMAT`: jsonl or csv")
	f.StringVar(&o.state, "state", "", "state `DIRECTORY` of the gateway (default $XDG_STATE_HOME/weir)")
	return command
}

type exportOptions struct{ since, format, state string }

func (o *exportOptions) run(cmd *cobra.Command) error {
	since, err := parseSince(o.since, time.Now())
	if err != nil {
		return usageError{err}
	}
	if !journal.IsFormat(o.format) {
		return usageError{fmt.Errorf("--format %q: want jsonl or csv", o.format)}
	}
	r, err := readJournal(o.state)
	if err != nil {
		return err
	}
	defer r.Close()
	out := bufio.NewWriter(cmd.OutOrStdout())
	return unlessSeenEnough(errors.Join(journal.Export(out, o.format, r.Rows(cmd.Context(), since)), out.Flush()))
}

// readJournal opens the journal of a gateway's state directory; empty: the default one.
func readJournal(state string) (*journal.Reader, error) {
	dir, err := stateDir(state)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, journal.File)
	r, err := journal.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no journal at %s: a gateway that runs with this state directory makes one (--state names another)", path)
	}
	if err != nil {
		return nil, fmt.Errorf("the journal cannot be read: %w", err)
	}
	return r, nil
}

// unlessSeenEnough drops the error of a reader that went away.
func unlessSeenEnough(err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}

// parseSince reads --since: a duration back from now, with d for days, or a moment.
// Empty: the zero time.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		const most = 36500
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n <= most {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("--since %q: want a duration back (2h, 30d) or a moment (2026-03-01T12:00:00Z)", s)
}
