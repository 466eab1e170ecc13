// Package peer tells which process of this machine is at the other end of a TCP
// connection, where the system lets one user see it: on Linux, for processes of
// the same user. Elsewhere nothing is found, and nothing fails for it.
package peer

import (
	"net/netip"
	"sync"
)

// A Process is one that has a connection.
type Process struct {
	PID     int
	Program string // base name of the executable; of an interpreter, of its script: "opencode"
	Dir     string // working directory, empty if it cannot be had
}

// A Connection is a live TCP connection of a process.
type Connection struct {
	Process Process
	Remote  netip.AddrPort
}

// A Finder looks processes up and remembers those that it found, because a tool
// opens more than one connection. It is safe for concurrent use, and the zero
// Finder is ready.
type Finder struct {
	mu     sync.Mutex
	recent []int // process ids, the last found first
}

// maxRecent bounds the memory; each costs a look at its files.
const maxRecent = 32

// Find tells whose connection it is that a server sees between the client's
// address remote and its own address local. It is false where that cannot be
// known: on another system, for another user's process, for an address that is not
// of this machine's loopback.
func (f *Finder) Find(remote, local netip.AddrPort) (Process, bool) {
	remote, local = unmap(remote), unmap(local)
	if !remote.Addr().IsLoopback() || !local.Addr().IsLoopback() {
		return Process{}, false
	}
	return f.find(remote, local)
}

// Connections lists the established TCP connections of this user's processes to
// the addresses that to accepts. It is empty on systems where they cannot be seen.
func (f *Finder) Connections(to func(netip.AddrPort) bool) ([]Connection, error) {
	return connections(to)
}

// known returns the processes that were found lately, the last one first.
func (f *Finder) known() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]int(nil), f.recent...)
}

// remember puts a process first among those found lately.
func (f *Finder) remember(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kept := []int{pid}
	for _, p := range f.recent {
		if p != pid && len(kept) < maxRecent {
			kept = append(kept, p)
		}
	}
	f.recent = kept
}

// unmap gives an IPv4 address its own form: a listener for both versions sees
// 127.0.0.1 as ::ffff:127.0.0.1.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
