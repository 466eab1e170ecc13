package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/explain"
	"github.com/weirhq/weir/provider"
)

// newExplain returns "weir explain": what an error means.
func newExplain() *cobra.Command {
	var upstream string
	var asJSON bool
	command := &cobra.Command{
		Use:   "explain CODE|TEXT|FILE|-",
		Short: "Say what an error of a provider means, and what to do",
		Long: `Say what an error means, what weir does about it, and what you can do. It may be a
code (1302), an HTTP status (529), an error's type (rate_limit_error), the message that
a tool shows, a line of weir's log, or the whole of an answer; given as arguments, in a
file, or on standard input (-).

Nothing is sent anywhere, and nothing of the text is printed but codes and request ids.
--upstream NAME asks for one provider's meaning.`,
		Example: `  weir explain 1302
  weir explain --upstream minimax 1002
  weir explain 'AI_APICallError: [1113][Insufficient balance]'
  curl -i … | weir explain -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("weir explain needs something to explain: weir explain 1302")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			profiles, err := explaining(upstream)
			if err != nil {
				return err
			}
			text, err := toExplain(args, cmd.InOrStdin(), profiles)
			if err != nil {
				return err
			}
			e, err := explain.Explain(text, profiles, time.Now())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), e)
			}
			return printExplanation(cmd.OutOrStdout(), e)
		},
	}
	f := command.Flags()
	f.StringVar(&upstream, "upstream", "", "`NAME` of the provider whose error it is (default: all that know it)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

// explaining returns the providers that are asked.
func explaining(upstream string) ([]*provider.Profile, error) {
	file, err := defaultConfig()
	if err != nil {
		return nil, err
	}
	names, profiles := allProviders(file)
	if upstream != "" {
		p := profiles[upstream]
		if p == nil {
			return nil, usageError{fmt.Errorf("--upstream %q: no provider has that name; known are %s", upstream, strings.Join(names, ", "))}
		}
		return []*provider.Profile{p}, nil
	}
	var all []*provider.Profile
	for _, name := range names {
		all = append(all, profiles[name])
	}
	return all, nil
}

// toExplain returns the text that the arguments mean: a code that is known, standard
// input, a file, or themselves.
func toExplain(args []string, in io.Reader, profiles []*provider.Profile) ([]byte, error) {
	text := strings.Join(args, " ")
	if explain.IsCode(text, profiles) {
		return []byte(text), nil
	}
	if text == "-" {
		read, err := io.ReadAll(io.LimitReader(in, explain.MaxText))
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return read, nil
	}
	file, err := os.Open(text)
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, err
	case errors.As(err, &path): // no file of that name
		return []byte(text), nil
	case err != nil:
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, explain.MaxText))
}

func printExplanation(out io.Writer, e explain.Explanation) error {
	var b strings.Builder
	about := []string{"Read as " + string(e.Source)}
	if e.Status != 0 {
		about = append(about, fmt.Sprintf("status %d", e.Status))
	}
	if e.RequestID != "" {
		about = append(about, "request id "+e.RequestID)
	}
	b.WriteString(strings.Join(about, ", ") + ".\n")
	first := e.Meanings[0]
	fmt.Fprintf(&b, "\n%s\n  meaning:  %s\n", heading(first), first.Means)
	if !first.Reset.IsZero() {
		fmt.Fprintf(&b, "  resets:   %s\n", first.Reset.Local().Format("2006-01-02 15:04 MST"))
	}
	fmt.Fprintf(&b, "  weir:     %s\n  you:      %s\n", first.Weir, first.You)
	if others := e.Meanings[1:]; len(others) > 0 {
		b.WriteString("\nElsewhere (--upstream NAME says more):\n")
		for _, m := range others {
			fmt.Fprintf(&b, "  %s: %s\n", heading(m), m.Means)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// heading names a meaning: "concurrency, code 1302 (zai-coding, zai)".
func heading(m explain.Meaning) string {
	text := m.Verdict.String()
	if m.Code != "" {
		text += ", code " + m.Code
	}
	return text + " (" + strings.Join(m.Profiles, ", ") + ")"
}
