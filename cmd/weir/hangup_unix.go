//go:build unix

package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// hangups hands on each SIGHUP, by which the configuration is read again. The one that
// comes because the terminal has been closed ends the gateway instead.
func hangups(end func()) (again <-chan os.Signal, stop func()) {
	signals, handed, done := make(chan os.Signal, 1), make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	had := hasTerminal()
	var handing sync.WaitGroup
	handing.Go(func() {
		for {
			select {
			case <-done:
				return
			case s := <-signals:
				if had && !hasTerminal() {
					end()
					continue
				}
				select {
				case handed <- s:
				default: // one is waiting already
				}
			}
		}
	})
	return handed, func() {
		signal.Stop(signals)
		close(done)
		handing.Wait()
	}
}

// hasTerminal tells whether the process has a terminal that it belongs to.
func hasTerminal() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	return tty.Close() == nil
}
