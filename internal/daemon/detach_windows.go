package daemon

import (
	"os/exec"
	"syscall"
)

// detach gives a command no console and a process group of its own.
func detach(c *exec.Cmd) {
	const detachedProcess = 0x00000008 // DETACHED_PROCESS
	c.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP | detachedProcess, HideWindow: true}
}
