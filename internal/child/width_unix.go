//go:build unix

package child

import (
	"os"

	"golang.org/x/sys/unix"
)

// Columns returns how many characters a line of the terminal has that a file is; 0: it is
// no terminal, or it does not say.
func Columns(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}
