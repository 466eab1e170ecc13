// Package child runs a program in the place of this one: with its terminal, its
// signals and its job control, as if it had been started by the shell itself.
package child

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"syscall"
)

// A Program is what is run.
type Program struct {
	Path string   // of the executable
	Args []string // without the name of the program
	Env  []string // NAME=VALUE, all of it
}

// Statuses with which shells tell why a program did not run, and from which on they
// tell of the signal that it died of.
const (
	StatusCannotRun = 126
	StatusNotFound  = 127
	statusSignal    = 128
)

// A NotFoundError says that there is no program of a name, or that it cannot be run.
type NotFoundError struct {
	Name   string
	Status int // StatusNotFound or StatusCannotRun
	Err    error
}

// Error implements error.
func (e *NotFoundError) Error() string {
	if e.Status == StatusNotFound && strings.ContainsAny(e.Name, `/\`) {
		return e.Name + ": not found: there is no such file"
	}
	if e.Status == StatusNotFound {
		return e.Name + ": not found: no such program in PATH"
	}
	return fmt.Sprintf("%s: cannot be run: %v", e.Name, e.Err)
}

// Unwrap returns what the system said.
func (e *NotFoundError) Unwrap() error { return e.Err }

// Look finds a program as a shell does. The error is a [*NotFoundError].
func Look(name string) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EISDIR):
		return "", &NotFoundError{name, StatusCannotRun, err}
	case errors.Is(err, exec.ErrDot):
		return path, nil // as a shell with . in its PATH
	default:
		return "", &NotFoundError{name, StatusNotFound, err}
	}
}
