// Package top is the live view of a gateway in a terminal: what runs and waits, the
// staircase of the last minutes, sessions, requests and the level curve. It shows what a
// [Gateway] tells and knows nothing else of it.
package top

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"

	"github.com/weirhq/weir/internal/dashboard"
)

// A Gateway is what is watched, and what takes orders.
type Gateway interface {
	// Watch yields views until ctx ends or the connection is lost, which an error
	// tells. Whoever takes a view may change it.
	Watch(ctx context.Context) iter.Seq2[*dashboard.View, error]
	// Hold lets nothing start in a lane until it is resumed.
	Hold(ctx context.Context, lane string) error
	// Resume opens a lane that is held or closed, and returns how many it opened.
	Resume(ctx context.Context, lane string) (int, error)
	// Fix sets a lane's limit; 0 lets it be learned again.
	Fix(ctx context.Context, lane string, limit int) error
	// Cancel ends a request that waits.
	Cancel(ctx context.Context, id string) error
}

// Options say what is shown, and where.
type Options struct {
	// Connect finds the gateway: at first, and again whenever it was lost.
	Connect func(context.Context) (Gateway, error)
	In, Out *os.File
	Env     []string // as os.Environ returns it: TERM, NO_COLOR, the locale
	ASCII   bool     // show no other characters; a locale without UTF-8 implies it
}

// ErrNoTerminal says that there is nothing that the view could be shown in.
var ErrNoTerminal = errors.New("the live view needs a terminal")

// Run shows the gateway until the user has enough, ctx ends, or the terminal is closed;
// that is no error. The error is [ErrNoTerminal], or that of Connect if there is no gateway
// to begin with; one that is lost later is waited for. The terminal is left as it was.
func Run(ctx context.Context, o Options) error {
	if err := checkTerminal(o); err != nil {
		return err
	}
	first, err := o.Connect(ctx)
	if err != nil {
		return err
	}
	// SIGHUP: the terminal is closed. SIGQUIT: else a dump in the middle of the screen.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer stop()
	onlyASCII := o.ASCII || !isUTF8(o.Env)
	return show(ctx, first, o.Connect, onlyASCII, tea.WithoutSignalHandler(), tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithEnvironment(o.Env))
}

// show runs the program, and beside it what feeds it, until it ends. When ctx ends the
// program is asked to quit as by a key: one whose context ends closes its input while it
// still reads from it.
func show(ctx context.Context, first Gateway, connect func(context.Context) (Gateway, error), onlyASCII bool, with ...tea.ProgramOption) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	orders := make(chan order, 1)
	s := newScreen(orders)
	s.onlyASCII = onlyASCII
	p := tea.NewProgram(s, append(with, tea.WithContext(inner))...)
	var feeding sync.WaitGroup
	f := &feed{connect: connect, send: p.Send}
	for _, task := range []func(){
		func() { f.watch(inner, first) },
		func() { f.obey(inner, orders) },
		func() { f.tick(inner) },
		func() { leave(ctx, inner, p.Quit, cancel) },
	} {
		feeding.Go(func() {
			defer f.rescue()
			task()
		})
	}
	_, err := p.Run()
	cancel()
	feeding.Wait()
	switch {
	case errors.Is(err, tea.ErrProgramPanic):
		return fmt.Errorf("the live view has a bug: %w", err)
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("the terminal: %w", err)
	}
	return nil
}

// leave asks the program to quit when ctx ends, and kills it if it does not in time; inner
// ends with the program.
func leave(ctx, inner context.Context, quit, kill func()) {
	const grace = 2 * time.Second
	select {
	case <-inner.Done():
		return
	case <-ctx.Done():
	}
	timer := time.AfterFunc(grace, kill)
	defer timer.Stop()
	quit()
	<-inner.Done()
}

// checkTerminal tells why a view cannot be shown.
func checkTerminal(o Options) error {
	switch {
	case o.In == nil || !term.IsTerminal(o.In.Fd()):
		return fmt.Errorf("%w, and standard input is none", ErrNoTerminal)
	case o.Out == nil || !term.IsTerminal(o.Out.Fd()):
		return fmt.Errorf("%w, and standard output is none", ErrNoTerminal)
	case variable(o.Env, "TERM") == "dumb":
		return fmt.Errorf("%w that can move its cursor, and TERM is dumb", ErrNoTerminal)
	}
	return nil
}

// isUTF8 tells whether a terminal shows more than ASCII, as far as the locale says. One
// that is not set says nothing.
func isUTF8(env []string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(variable(env, name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return true
}

// variable returns the value of an environment variable, empty without it.
func variable(env []string, name string) string {
	value := ""
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v // the last one holds
		}
	}
	return value
}

// What the program is told from outside.
type (
	foundMsg struct{ gateway Gateway }
	viewMsg  struct {
		view *dashboard.View
		at   time.Time
	}
	lostMsg struct {
		err error
		at  time.Time
	}
	tickMsg  struct{ now time.Time }
	doneMsg  struct{ say string }
	panicMsg struct{ value any }
)
