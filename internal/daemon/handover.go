package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// A Handover is the end of a gateway whose place another program takes: the listener
// stays open, so that nobody is turned away meanwhile.
type Handover struct {
	Program  string   // absolute path
	Listener *os.File // to be closed
}

// Error implements error.
func (h *Handover) Error() string { return "handed over to " + h.Program }

// Serve runs a gateway until the context ends, or it is asked to end. It tells ready
// when the gateway listens, once. If the program to which it hands over does not
// start, it goes on itself. See [New] for errors.
func Serve(ctx context.Context, cfg Config, ready func(*Daemon)) error {
	for {
		d, err := New(cfg)
		if err != nil {
			return err
		}
		if ready != nil {
			ready(d)
			ready = nil
		}
		err = d.Run(ctx)
		var h *Handover
		if !errors.As(err, &h) {
			return err
		}
		if cfg.Listener, err = h.finish(ctx, d.cfg.State); err == nil {
			return nil
		}
		d.log.Error("the other program did not take over: going on", "program", h.Program, "error", err)
		if cfg.Listener == nil {
			return err
		}
	}
}

// finish starts the successor. If that fails the listener comes back with the error.
func (h *Handover) finish(ctx context.Context, dir string) (net.Listener, error) {
	defer h.Listener.Close()
	_, err := launch(ctx, launchOrder{Program: h.Program, Dir: dir, Env: os.Environ(), Listener: h.Listener})
	if err == nil {
		return nil, nil
	}
	l, lost := net.FileListener(h.Listener)
	return l, errors.Join(err, lost)
}

// replace lets a newer weir take over as soon as nothing is under way.
func (d *Daemon) replace(w http.ResponseWriter, _ *http.Request, o replaceOrder) {
	switch {
	case runtime.GOOS == "windows":
		refuse(w, http.StatusNotImplemented, "a listener cannot be handed over on this system")
	case !d.cfg.Background:
		refuse(w, http.StatusConflict, "this gateway was started by hand or as a service: start it again there")
	case !filepath.IsAbs(o.Program):
		refuse(w, http.StatusBadRequest, "program must be an absolute path")
	default:
		select {
		case d.successors <- o.Program:
		default: // another one takes over already
		}
		reply(w, http.StatusAccepted, struct{}{})
	}
}

type replaceOrder struct {
	Program string `json:"program"`
}

// handOverEvery is how often a gateway that shall be replaced looks for a quiet
// moment.
const handOverEvery = 20 * time.Millisecond

// handOver lets go of everything but the listener, in a moment in which no call is
// under way; nil: this was none. Who comes meanwhile waits for the successor.
func (d *Daemon) handOver(program string) *Handover {
	if !d.isQuiet() {
		return nil
	}
	if err := d.listener.shut(); err != nil {
		return nil
	}
	if !d.isQuiet() { // one has come in between
		d.reopen()
		return nil
	}
	file, err := d.listener.File()
	if err != nil {
		d.log.Warn("the listener cannot be handed over", "error", err)
		d.reopen()
		return nil
	}
	d.log.Info("handing over", "program", program)
	d.runs.release()
	d.shutDown()
	return &Handover{Program: program, Listener: file}
}

func (d *Daemon) reopen() {
	if err := d.listener.reopen(); err != nil {
		d.log.Warn("the listener", "error", fmt.Errorf("opening it again: %w", err))
	}
}

// isQuiet tells that no call is under way, and that nothing would be lost that was done
// by hand.
func (d *Daemon) isQuiet() bool {
	n, _ := d.serving.now()
	return n == 0 && !d.governor.IsByHand()
}
