package child

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
)

// Run runs a program until it ends and returns its exit status. An error says that it
// could not be started. Ctrl-C reaches the program by the console that both share.
func Run(p Program) (status int, err error) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	defer signal.Stop(signals)
	c := exec.Command(p.Path, p.Args...)
	c.Env, c.Stdin, c.Stdout, c.Stderr = p.Env, os.Stdin, os.Stdout, os.Stderr
	err = c.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit):
		return exit.ExitCode(), nil
	}
	return StatusCannotRun, &NotFoundError{p.Path, StatusCannotRun, err}
}
