package top

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/weirhq/weir/internal/dashboard"
)

// A fake is a gateway that shows what it is told to, and notes its orders.
type fake struct {
	views  chan *dashboard.View // closed: it goes away
	refuse error

	mu     sync.Mutex
	orders []string
}

var _ Gateway = (*fake)(nil)

func (f *fake) Watch(ctx context.Context) iter.Seq2[*dashboard.View, error] {
	return func(yield func(*dashboard.View, error) bool) {
		for {
			select {
			case <-ctx.Done():
				return
			case v, ok := <-f.views:
				if !ok {
					yield(nil, errors.New("it has ended"))
					return
				}
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

func (f *fake) note(text string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.orders = append(f.orders, fmt.Sprintf(text, args...))
	return f.refuse
}

func (f *fake) Hold(_ context.Context, lane string) error { return f.note("hold %s", lane) }
func (f *fake) Resume(_ context.Context, lane string) (int, error) {
	return 1, f.note("resume %s", lane)
}
func (f *fake) Fix(_ context.Context, lane string, n int) error { return f.note("fix %s %d", lane, n) }
func (f *fake) Cancel(_ context.Context, id string) error       { return f.note("cancel %s", id) }

// A stage is a program in a terminal of 80 columns and 24 lines, in virtual time.
type stage struct {
	t       *testing.T
	gateway *fake
	keys    *io.PipeWriter
	out     *output
	ended   chan error
	cancel  context.CancelFunc
}

// output is what a terminal is sent.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// take returns what has come since the last time.
func (o *output) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.text.Reset()
	return o.text.String()
}

func onStage(t *testing.T, connect func(context.Context) (Gateway, error), play func(*stage)) {
	synctest.Test(t, func(t *testing.T) {
		in, keys := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		x := &stage{t: t, gateway: &fake{views: make(chan *dashboard.View)}, keys: keys, out: &output{}, ended: make(chan error, 1), cancel: cancel}
		go func() {
			x.ended <- show(ctx, x.gateway, connect, false, tea.WithInput(in), tea.WithOutput(x.out), tea.WithWindowSize(80, 24),
				tea.WithEnvironment([]string{"TERM=xterm", "TTY_FORCE=1"}), tea.WithoutSignalHandler())
		}()
		x.settle()
		play(x)
		cancel()
		keys.Close()
		select {
		case <-x.ended:
		case <-time.After(time.Minute):
			t.Error("the program does not end")
		}
		in.Close()
		synctest.Wait()
	})
}

// settle lets the program do and draw what it has to.
func (x *stage) settle() {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

// view lets the gateway show something.
func (x *stage) view(v *dashboard.View) {
	x.gateway.views <- v
	x.settle()
}

// types sends keys as a terminal does.
func (x *stage) types(keys string) {
	if _, err := io.WriteString(x.keys, keys); err != nil {
		x.t.Error(err)
	}
	x.settle()
}

// does fails unless a piece of text was sent to the terminal since the last time.
func (x *stage) shows(want ...string) {
	x.t.Helper()
	sent := x.out.take()
	for _, w := range want {
		if !strings.Contains(ansi.Strip(sent), w) {
			x.t.Errorf("no %q in %q", w, sent)
		}
	}
}

func never(context.Context) (Gateway, error) { return nil, errors.New("no gateway runs") }

func TestProgram(t *testing.T) {
	onStage(t, never, func(x *stage) {
		x.view(busy(0))
		sent := x.out.take()
		for _, want := range []string{"\x1b[?1049h", "2 running", "codex in ~/shop"} {
			if !strings.Contains(sent, want) {
				t.Errorf("no %q in %q", want, sent)
			}
		}
		x.types("2")
		x.shows("[2 Requests]")
		x.types("j\r")
		x.shows(" r-8", "2026030112000")
		x.types("q")
		if err := <-x.ended; err != nil {
			t.Error(err)
		}
		x.ended <- nil
		if sent := x.out.take(); !strings.Contains(sent, "\x1b[?1049l") || !strings.Contains(sent, "\x1b[?25h") {
			t.Errorf("the terminal is left with %q", sent)
		}
	})
}

// What does not change is not drawn again, and the screen is never cleared: it does not
// flicker.
func TestNothingNewIsNotDrawn(t *testing.T) {
	onStage(t, never, func(x *stage) {
		x.view(busy(0))
		first := x.out.take()
		x.view(busy(0))
		if again := x.out.take(); len(again) > len(first)/20 {
			t.Errorf("the same view sends %d bytes: %q", len(again), again)
		}
		x.view(busy(1))
		if next := x.out.take(); len(next) > len(first)/3 || strings.Contains(next, "\x1b[2J") {
			t.Errorf("the next view sends %d bytes of %d: %q", len(next), len(first), next)
		}
	})
}

func TestNamesDoNothingToTheTerminal(t *testing.T) {
	onStage(t, never, func(x *stage) {
		v := busy(0)
		evil := "\x1b[2J\x1b]0;evil\x07\x9b31m\u202eevil\nline"
		v.Active[0].Who, v.Lanes[0].Model, v.Words, v.Sessions[0].Who = evil, evil, evil, evil
		x.view(v)
		x.types("3")
		sent := x.out.take()
		for _, bad := range []string{"\x1b[2J\x1b]0;evil", "\x1b]0;evil", "\x9b", "\u202e", "\x07"} {
			if strings.Contains(sent, bad) {
				t.Errorf("%q reaches the terminal", bad)
			}
		}
		if !strings.Contains(sent, "?[2J?]0;evil?") {
			t.Errorf("the name is not shown: %q", sent)
		}
	})
}

func TestLostAndFoundAgain(t *testing.T) {
	next := &fake{views: make(chan *dashboard.View)}
	tries := 0
	connect := func(context.Context) (Gateway, error) {
		if tries++; tries < 3 {
			return nil, errors.New("no gateway runs")
		}
		return next, nil
	}
	onStage(t, connect, func(x *stage) {
		next.views = make(chan *dashboard.View)
		x.view(busy(0))
		close(x.gateway.views)
		x.settle()
		x.shows("NOT CONNECTED", "it has ended")
		time.Sleep(5 * time.Second)
		v := busy(5)
		v.Words = "This is the next one."
		x.gateway = next
		x.view(v)
		x.shows("This is the next one.")
		if tries != 3 {
			t.Errorf("%d tries to find it", tries)
		}
	})
}

func TestOrders(t *testing.T) {
	const right = "\x1b[C"
	tests := []struct {
		name       string
		keys       []string
		does, says string
	}{
		{"pause, and yes", []string{"p", "y"}, "hold " + glm5, "glm-5 is paused"},
		{"pause, and no", []string{"p", "n"}, "", ""},
		{"resume what is held", []string{right, "p", "y"}, "resume " + flash, "glm-4.7-flash is open again"},
		{"fix", []string{"f", "4", "\r", "y"}, "fix " + glm5 + " 4", "fixed at 4"},
		{"fix, but no number", []string{"f", "\r"}, "", "not done"},
		{"fix, and no", []string{"f", "4", "\r", "n"}, "", ""},
		{"learn again", []string{right, "f", "0", "\r", "y"}, "fix " + flash + " 0", "learned again"},
		{"letters are no limit", []string{"f", "a", "1", "b", "2", "\r", "y"}, "fix " + glm5 + " 12", "fixed at 12"},
		{"cancel what waits", []string{"j", "j", "c", "y"}, "cancel r-9", "is cancelled"},
		{"cancel what runs", []string{"c"}, "", "only a request that waits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onStage(t, never, func(x *stage) {
				x.view(busy(0))
				x.out.take()
				for _, k := range tt.keys {
					x.types(k)
				}
				if tt.says != "" {
					x.shows(tt.says)
				}
				want := []string{tt.does}
				if tt.does == "" {
					want = nil
				}
				if !slices.Equal(x.gateway.orders, want) {
					t.Errorf("orders %q, want %q", x.gateway.orders, want)
				}
			})
		})
	}
}

func TestAnOrderThatIsRefused(t *testing.T) {
	onStage(t, never, func(x *stage) {
		x.gateway.refuse = errors.New("the gateway answered 409: \x1b[2Jit runs")
		x.view(busy(0))
		x.out.take()
		x.types("py")
		x.shows("not done: the gateway answered 409: ?[2Jit runs")
	})
}

// A bug ends the program, and gives the terminal back.
func TestPanicsAreTold(t *testing.T) {
	bad := func(context.Context) (Gateway, error) { panic("a bug, made by hand") }
	onStage(t, bad, func(x *stage) {
		x.view(busy(0))
		close(x.gateway.views)
		err := <-x.ended
		if err == nil || !strings.Contains(err.Error(), "has a bug") {
			t.Errorf("it ends with %v", err)
		}
		x.ended <- nil
		if sent := x.out.take(); !strings.Contains(sent, "\x1b[?1049l") {
			t.Errorf("the terminal is left with %q", sent)
		}
	})
}

func TestWhatIsNoTerminal(t *testing.T) {
	err := Run(t.Context(), Options{Connect: never})
	if !errors.Is(err, ErrNoTerminal) {
		t.Errorf("%v", err)
	}
}
