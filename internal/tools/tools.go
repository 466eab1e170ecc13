// Package tools is what weir knows of coding tools, as data: how each is recognised,
// whose call a request of it is and how urgent, how long it can be kept waiting, and
// how it is pointed at a gateway.
//
// The package is pure and its functions are safe for concurrent use.
package tools

import (
	"path/filepath"
	"strings"
)

// A Tool is one coding tool. Values come from the package's table and must not be
// changed.
type Tool struct {
	Name     string    // as users write it: "opencode"
	Title    string    // as people call it: "OpenCode"
	Programs []string  // base names of its executables
	Point    Point     // how it is pointed at a gateway
	Marks    Marks     // how its requests are recognised
	Hold     Hold      // how long they can be kept waiting
	Counts   KeepAlive // what it takes for a sign of life
	Failure  Failure   // how it is best told of trouble in a stream
}

// Configured tells whether the tool has configuration of its own that says where its
// calls go. Others are libraries, or read nothing but the environment.
func (t *Tool) Configured() bool { return len(t.Point.Files) > 0 }

// ByName returns the tool of that name.
func ByName(name string) (*Tool, bool) {
	for _, t := range All() {
		if t.Name == name {
			return t, true
		}
	}
	return nil, false
}

// ByProgram returns the tool that an executable belongs to, by the base name of its
// path, without regard to an ending such as .exe.
func ByProgram(path string) (*Tool, bool) {
	base := strings.TrimSuffix(strings.ToLower(filepath.Base(path)), ".exe")
	for _, t := range All() {
		for _, p := range t.Programs {
			if p == base {
				return t, true
			}
		}
	}
	return nil, false
}
