package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/chart"
	"github.com/weirhq/weir/internal/child"
	"github.com/weirhq/weir/internal/daemon"
	"github.com/weirhq/weir/internal/probe"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/proxy"
)

// newProbe returns "weir probe": how many streams at a time a provider bears.
func newProbe() *cobra.Command {
	var o probeOptions
	command := &cobra.Command{
		Use:   "probe --model MODEL",
		Short: "Measure how many requests at a time a provider bears",
		Long: `Measure with real calls how many streams at a time a provider bears for a model:
rounds of streams that truly overlap, at levels in random order, until the counts
tell. The calls go straight to the provider, with the key in ZAI_API_KEY (--key-env
names another variable), and count as use of the account. So it says first what they
may cost, and asks; --yes answers. An account that the provider has flagged is not
measured, nor one that the gateway uses at the moment.

It ends with a sentence, the counts and their 95 % intervals; -o draws them. The
gateway starts from what was found. Ctrl-C ends it and keeps what was measured.
docs/probe.md tells how it measures.`,
		Example: `  weir probe --model glm-4.7
  weir probe --upstream zai-coding --model glm-5 --max-level 4 -o levels.svg
  weir probe --upstream http://127.0.0.1:1303 --model glm-5 --yes
  weir probe --upstream openrouter --key-env OPENROUTER_API_KEY --model z-ai/glm-4.7 --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := command.Flags()
	f.StringVar(&o.upstream, "upstream", "", "`PRESET`, URL or PRESET=URL of the provider (default: that of the configuration, or "+provider.DefaultName+")")
	f.StringVar(&o.model, "model", "", "`MODEL` that is asked")
	f.StringVar(&o.keyEnv, "key-env", "ZAI_API_KEY", "the key is in the variable `NAME`")
	f.IntVar(&o.most, "max-level", probe.DefaultMost, "highest `LEVEL` that is tried")
	f.IntVar(&o.rounds, "rounds", probe.DefaultRounds, "bound of the `ROUNDS`")
	f.Uint64Var(&o.seed, "seed", 0, "make the order of levels and questions repeatable (0: it is not)")
	f.StringVarP(&o.output, "output", "o", "", "draw the result to `FILE.svg`")
	f.StringVar(&o.state, "state", "", "state `DIRECTORY` of the gateway (default $XDG_STATE_HOME/weir)")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.BoolVar(&o.yes, "yes", false, "agree to the calls and what they cost")
	return command
}

// probeOptions are the flags of "weir probe".
type probeOptions struct {
	upstream, model, keyEnv, output, state string
	most, rounds                           int
	seed                                   uint64
	json, yes                              bool
}

// settle checks the flags and finds where the calls go.
func (o *probeOptions) settle() (probe.Config, error) {
	var cfg probe.Config
	const mostLevel, mostRounds = 64, 1000
	switch {
	case o.model == "":
		return cfg, usageError{errors.New("--model is missing: name the model that is asked, such as --model glm-4.7")}
	case o.most < 1 || o.most > mostLevel:
		return cfg, usageError{fmt.Errorf("--max-level %d: want 1 to %d", o.most, mostLevel)}
	case o.rounds < 1 || o.rounds > mostRounds:
		return cfg, usageError{fmt.Errorf("--rounds %d: want 1 to %d", o.rounds, mostRounds)}
	}
	file, err := defaultConfig()
	if err != nil {
		return cfg, err
	}
	upstreams := file.Upstreams
	if o.upstream != "" {
		upstreams = []string{o.upstream}
	}
	routes, err := proxy.NewRoutes(upstreams, file.Providers...)
	if err != nil {
		return cfg, usageError{fmt.Errorf("--upstream: %w", err)}
	}
	p := routes.Default()
	base := p.Bases[provider.OpenAI]
	if base == "" {
		return cfg, usageError{fmt.Errorf("--upstream: %s has no address for chat completions", p.Name)}
	}
	cfg = probe.Config{URL: base + "/chat/completions", Profile: p, Model: o.model, Most: o.most, Rounds: o.rounds, Seed: o.seed}
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64()
	}
	if o.state, err = stateDir(o.state); err != nil {
		return cfg, err
	}
	cfg.Key, err = o.key(p, base)
	return cfg, err
}

// key takes the key from the environment; only a provider on this machine may go without.
func (o *probeOptions) key(p *provider.Profile, base string) (string, error) {
	key := strings.TrimSpace(os.Getenv(o.keyEnv))
	if key == "" && !isLoopback(base) {
		// What follows --key-env may be the key itself: it is not repeated.
		return "", usageError{errors.New("the variable with the key is not set: export ZAI_API_KEY, or name the one that has it with --key-env NAME")}
	}
	if vendor, foreign := provider.ForeignKey(p, key); foreign && !isLoopback(base) {
		return "", usageError{fmt.Errorf("the key has the form of one of %s, so it is not sent to %s: name the right variable with --key-env NAME", vendor, p.Name)}
	}
	return key, nil
}

func isLoopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func (o *probeOptions) run(cmd *cobra.Command) error {
	cfg, err := o.settle()
	if err != nil {
		return err
	}
	account, err := o.lookOut(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	if err := o.agree(cmd, cfg); err != nil {
		return err
	}
	// A reader that goes away must not cost what was measured.
	signal.Ignore(syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGPIPE)
	base := weir.NewBase()
	defer base.CloseIdleConnections()
	cfg.Transport = base
	show := newProgressLine(cmd.ErrOrStderr())
	cfg.Progress = show.show

	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	result := probe.Run(ctx, cfg)
	stop()
	show.clear()
	report := probeReport{Upstream: cfg.Profile.Name, URL: cfg.URL, Model: o.model, Result: result}
	teachErr := report.teach(cmd.Context(), o.state, weir.Call{Profile: cfg.Profile, Account: account, Model: o.model})
	if err := errors.Join(report.write(cmd.OutOrStdout(), o.json, columnsOf(cmd.OutOrStdout())), report.draw(o.output)); err != nil {
		return errors.Join(err, teachErr)
	}
	switch {
	case teachErr != nil:
		return fmt.Errorf("the result could not be kept for the gateway: %w", teachErr)
	case result.Stopped != "":
		if result.Hint != "" {
			return fmt.Errorf("stopped early: %s. %s", result.Stopped, result.Hint)
		}
		return fmt.Errorf("stopped early: %s", result.Stopped)
	}
	return nil
}

// lookOut refuses where a measurement would do harm, or would be spoilt. It returns the
// account's fingerprint.
func (o *probeOptions) lookOut(ctx context.Context, cfg probe.Config) (account string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	l, err := daemon.LookOut(ctx, o.state, cfg.Profile.Name, cfg.Key)
	switch {
	case err != nil:
		return "", fmt.Errorf("whether the account may be measured cannot be told, so nothing was sent: %w", err)
	case l.Flagged:
		return "", fmt.Errorf("the provider has flagged the account %s, and each further request makes it worse: nothing was sent. Ask the provider to restore access, and only then open it with `weir resume`", l.Account)
	case l.Busy > 0:
		return "", fmt.Errorf("%d requests of this account run or wait in the gateway, which would spoil the measurement: nothing was sent. Try again when it is idle (`weir status`)", l.Busy)
	case l.Address != "" && sameHost(l.Address, cfg.URL):
		return "", usageError{errors.New("--upstream is the gateway itself, which hides what is to be measured: name the provider")}
	}
	_, account, _ = strings.Cut(l.Account, "/")
	return account, nil
}

func sameHost(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	return errX == nil && errY == nil && x.Port() == y.Port() && (x.Hostname() == y.Hostname() || isLoopback(a) && isLoopback(b))
}

// agree says what it will cost and waits for a yes.
func (o *probeOptions) agree(cmd *cobra.Command, cfg probe.Config) error {
	fmt.Fprintf(cmd.ErrOrStderr(), `To measure how many requests at a time %s bears for %s, real calls are sent to
  %s
past the gateway: %s.
The first number is for a limit of 1, the last one is a bound.
They count as use of the account, against its plan or balance, and many overlapping
calls may look like unfair use to the provider. It stops at once if the provider says so.
It takes longer if the provider asks for rests. Do not use the account meanwhile.
`, cfg.Profile.Name, o.model, cfg.URL, probe.Estimate(o.most, o.rounds))
	switch {
	case o.yes:
		return nil
	case !canAnswer(cmd):
		return usageError{errors.New("nobody is there to agree, so nothing was sent: --yes agrees to these calls, --max-level and --rounds make them fewer")}
	}
	fmt.Fprint(cmd.ErrOrStderr(), "Send them? [y/N] ")
	line, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return errors.New("not agreed to: nothing was sent")
	}
	return nil
}

// canAnswer tells whether somebody could type an answer.
func canAnswer(cmd *cobra.Command) bool {
	f, ok := cmd.InOrStdin().(*os.File)
	return !ok || child.Columns(f) > 0
}

// A probeReport is what is printed at the end.
type probeReport struct {
	Upstream string `json:"upstream"`
	URL      string `json:"url"`
	Model    string `json:"model"`
	probe.Result
	Learned int `json:"learned"` // level that the gateway starts from now; 0: nothing was changed
}

// teach puts the result where the learner starts from, and closes an account that was
// found to be flagged.
func (r *probeReport) teach(ctx context.Context, dir string, c weir.Call) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if r.Kind == provider.Flagged {
		return daemon.Flag(ctx, dir, c.Profile.Name+"/"+c.Account, r.Code, r.Hint)
	}
	m := weir.Measurement{Lane: c.Lane(), Stable: r.Answer.Low}
	if !r.Answer.Certain {
		m.Stable, m.AtLeast = r.Levels.Verdict().Stable, true
	}
	if r.Answer.Open {
		m.AtLeast = true
	}
	if m.Stable < 1 {
		return nil
	}
	for _, l := range r.Levels {
		m.Levels = append(m.Levels, limit.LevelCount{Level: l.Level, Accepted: uint64(l.Accepted), Refused: uint64(l.Refused)})
	}
	if err := daemon.Measured(ctx, dir, m); err != nil {
		return err
	}
	r.Learned = m.Stable
	return nil
}

// draw draws the result to a file, if one is named.
func (r *probeReport) draw(file string) error {
	if file == "" {
		return nil
	}
	picture := chart.Levels(r.Levels, chart.Options{Title: "Refused by requests in flight: " + r.Model, Desc: r.Answer.Text, Standalone: true})
	if err := os.WriteFile(file, []byte(picture), 0o644); err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	return nil
}

// write prints the result.
func (r *probeReport) write(out io.Writer, asJSON bool, width int) error {
	if asJSON {
		return printJSON(out, r)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n", r.Answer.Text, probe.Table(r.Levels, width))
	fmt.Fprintf(&b, "%d calls in %v", r.Calls, r.Took.Round(time.Second))
	if r.Dropped > 0 {
		fmt.Fprintf(&b, "; %d starts count for nothing", r.Dropped)
	}
	b.WriteString("\n")
	if r.Learned > 0 {
		fmt.Fprintf(&b, "the gateway goes on from %d\n", r.Learned)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// columnsOf returns how wide what is written may be.
func columnsOf(out io.Writer) int {
	const usual = 80
	if f, ok := out.(*os.File); ok {
		if n := child.Columns(f); n > 0 {
			return n
		}
	}
	return usual
}

// A progressLine is kept up to date on a terminal; elsewhere a line is written now and then.
type progressLine struct {
	out      io.Writer
	terminal bool
	last     time.Time
	shown    int // characters
}

func newProgressLine(out io.Writer) *progressLine {
	f, ok := out.(*os.File)
	return &progressLine{out: out, terminal: ok && child.Columns(f) > 0}
}

func (l *progressLine) show(p probe.Progress) {
	if !l.terminal {
		const every = 15 * time.Second
		if now := time.Now(); now.Sub(l.last) >= every {
			l.last = now
			fmt.Fprintln(l.out, p.Line(100))
		}
		return
	}
	text := p.Line(columnsOf(l.out) - 1) // the terminal may have been resized
	fmt.Fprintf(l.out, "\r%-*s", l.shown, text)
	l.shown = len(text)
}

// clear takes the line away.
func (l *progressLine) clear() {
	if l.terminal {
		fmt.Fprintf(l.out, "\r%*s\r", min(l.shown, columnsOf(l.out)-1), "")
	}
}
