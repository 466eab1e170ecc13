//go:build unix

package main

import "syscall"

// raiseFileLimit raises the soft limit of open files to the hard one, for this
// process and for those that it starts: the Go runtime raises it by itself, but
// takes that back for children unless a program has set it.
func raiseFileLimit() error {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return err
	}
	lim.Cur = lim.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim)
}

// openFiles returns how many files a process may have open.
func openFiles() int {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return 1024
	}
	return int(min(uint64(lim.Cur), 1<<30))
}
