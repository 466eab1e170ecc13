package child

import (
	"os"

	"golang.org/x/sys/windows"
)

// Columns returns how many characters a line of the terminal has that a file is; 0: it is
// no terminal, or it does not say.
func Columns(f *os.File) int {
	var info windows.ConsoleScreenBufferInfo
	if err := windows.GetConsoleScreenBufferInfo(windows.Handle(f.Fd()), &info); err != nil {
		return 0
	}
	return int(info.Window.Right-info.Window.Left) + 1
}
