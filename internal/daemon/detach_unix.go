//go:build unix

package daemon

import (
	"os/exec"
	"syscall"
)

// detach gives a command a session of its own, without the caller's terminal and its
// signals.
func detach(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
