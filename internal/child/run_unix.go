//go:build unix

package child

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Run runs a program until it ends and returns the exit status that a shell would
// have seen: its own, or 128 and the number of the signal that it died of. An error
// says that it could not be started; the status is then one of a shell's.
//
// The program is in this process's group, so what the terminal sends reaches both.
// This process stays for the end: it is deaf to Ctrl-C and its like, passes on what
// others send to it alone, and stops when the program has stopped, so that the shell
// takes the terminal back only then.
func Run(p Program) (status int, err error) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP,
		syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGCONT)
	defer signal.Stop(signals)
	process, err := start(p)
	if err != nil {
		return StatusCannotRun, &NotFoundError{p.Path, StatusCannotRun, errors.Unwrap(err)}
	}
	pid := process.Pid
	_ = process.Release() // it is waited for below, for its stops as well
	changes := make(chan syscall.WaitStatus)
	go watch(pid, changes)
	stopped := time.NewTimer(0)
	stopped.Stop()
	defer stopped.Stop()
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGCONT {
				stopped.Stop()
			}
			pass(pid, s)
		case <-stopped.C:
			// By SIGSTOP, since Go's runtime ignores the terminal's own stop once it has been
			// asked for. Woken, it is told by SIGCONT, which it passes on.
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
		case change, open := <-changes:
			switch {
			case !open:
				return 1, errors.New("the program's end was lost")
			case change.Exited():
				return change.ExitStatus(), nil
			case change.Signaled():
				return statusSignal + int(change.Signal()), nil
			case change.Stopped():
				stopped.Reset(settle)
			case change.Continued():
				stopped.Stop()
			}
		}
	}
}

// start starts a program; one that is no binary and does not say what reads it is a
// shell's script, as for execvp and each shell.
func start(p Program) (*os.Process, error) {
	attr := &os.ProcAttr{Env: p.Env, Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}}
	process, err := os.StartProcess(p.Path, append([]string{filepath.Base(p.Path)}, p.Args...), attr)
	if errors.Is(err, syscall.ENOEXEC) {
		return os.StartProcess("/bin/sh", append([]string{"sh", p.Path}, p.Args...), attr)
	}
	return process, err
}

// settle is how long a stop must last to be followed. When both have been stopped and
// woken together, the child's stop may be heard of only then.
const settle = 10 * time.Millisecond

// watch reports each change of a child until it has ended.
func watch(pid int, changes chan<- syscall.WaitStatus) {
	defer close(changes)
	for {
		var s syscall.WaitStatus
		switch _, err := syscall.Wait4(pid, &s, syscall.WUNTRACED|unix.WCONTINUED, nil); {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return
		}
		changes <- s
		if s.Exited() || s.Signaled() {
			return
		}
	}
}

// pass sends a signal on to the child, unless the terminal has sent it to both.
func pass(pid int, s os.Signal) {
	n, ok := s.(syscall.Signal)
	if !ok {
		return
	}
	switch n {
	case syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP:
		if inForeground() {
			return
		}
	}
	_ = syscall.Kill(pid, n) // it may have ended
}

// inForeground tells whether this process's group is the one that its terminal sends
// signals to.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false // there is none
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == syscall.Getpgrp()
}
