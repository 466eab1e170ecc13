package peer

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/prometheus/procfs"
)

// Supported tells whether this system shows whose connections are.
const Supported = true

const established = 1 // the state of a connection in the kernel's table

func (f *Finder) find(remote, local netip.AddrPort) (Process, bool) {
	inode, ok := inodeOf(remote, local)
	if !ok {
		return Process{}, false
	}
	target := "socket:[" + inode + "]"
	has := func(pid int) bool {
		found := false
		eachSocket(pid, func(socket []byte) bool {
			found = string(socket) == target
			return !found
		})
		return found
	}
	known := f.known()
	for _, pid := range known {
		if has(pid) {
			f.remember(pid)
			return describe(pid)
		}
	}
	pids, err := processes()
	if err != nil {
		return Process{}, false
	}
	for _, pid := range pids {
		if !slices.Contains(known, pid) && has(pid) {
			f.remember(pid)
			return describe(pid)
		}
	}
	return Process{}, false
}

// inodeOf returns the inode of this user's socket that is bound to own and
// connected to other.
func inodeOf(own, other netip.AddrPort) (string, bool) {
	if inode, uid, known := diagnose(own, other); known {
		return strconv.FormatUint(uint64(inode), 10), inode != 0 && uid == uint32(os.Getuid())
	}
	return inodeInTables(own, other)
}

// inodeInTables is inodeOf where only the text tables can be read.
func inodeInTables(own, other netip.AddrPort) (string, bool) {
	me := strconv.Itoa(os.Getuid())
	for _, table := range tables(own.Addr()) {
		data, err := os.ReadFile(table.file)
		if err != nil {
			continue // no such protocol on this machine
		}
		// The pair is searched as it is written there: a table may have thousands of
		// lines, and all but one are of no interest.
		pair := []byte(" " + table.write(own) + " " + table.write(other) + " ")
		at := bytes.Index(data, pair)
		if at < 0 {
			continue
		}
		line, _, _ := bytes.Cut(data[at+len(pair):], []byte("\n"))
		// What is left: state, queues, timer, retransmits, user, timeout, inode.
		if rest := bytes.Fields(line); len(rest) > 6 && string(rest[4]) == me && string(rest[6]) != "0" {
			return string(rest[6]), true
		}
	}
	return "", false
}

// A table is one of the kernel's lists of TCP sockets.
type table struct {
	file string
	wide bool // addresses of 16 bytes
}

// tables returns where a socket with such an address can be. A socket for IPv6 can
// be connected over IPv4.
func tables(a netip.Addr) []table {
	six := table{"/proc/net/tcp6", true}
	if a.Is4() {
		return []table{{"/proc/net/tcp", false}, six}
	}
	return []table{six}
}

// write returns an address as the table has it: each four bytes as one number in
// the machine's own order.
func (t table) write(a netip.AddrPort) string {
	raw := a.Addr().AsSlice()
	if t.wide {
		wide := a.Addr().As16()
		raw = wide[:]
	}
	var b strings.Builder
	for ; len(raw) >= 4; raw = raw[4:] {
		fmt.Fprintf(&b, "%08X", binary.NativeEndian.Uint32(raw))
	}
	fmt.Fprintf(&b, ":%04X", a.Port())
	return b.String()
}

// read is the reverse of write.
func (t table) read(s string) (netip.AddrPort, bool) {
	digits, port, ok := strings.Cut(s, ":")
	size := 8
	if t.wide {
		size = 32
	}
	if !ok || len(digits) != size {
		return netip.AddrPort{}, false
	}
	var raw []byte
	for ; digits != ""; digits = digits[8:] {
		n, err := strconv.ParseUint(digits[:8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, false
		}
		raw = binary.NativeEndian.AppendUint32(raw, uint32(n))
	}
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(p)), ok
}

// processes lists all processes, the youngest number first: a tool that connects has
// mostly just been started.
func processes() ([]int, error) {
	procs, err := procfs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	pids := make([]int, len(procs))
	for i, p := range procs {
		pids[i] = p.PID
	}
	slices.SortFunc(pids, func(a, b int) int { return cmp.Compare(b, a) })
	return pids, nil
}

// eachSocket calls visit for each socket that a process has open ("socket:[123]")
// until it says false. A process that is gone or not to be seen has none. It is
// the costly part of a search, so it does without what the os package adds to each
// call.
func eachSocket(pid int, visit func(socket []byte) bool) {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	fd, err := syscall.Open(dir, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer func() { _ = syscall.Close(fd) }()
	var entries [4096]byte
	var names []string
	var target [64]byte // "socket:[…]" fits; what is longer is a file
	for {
		n, err := syscall.ReadDirent(fd, entries[:])
		if err != nil || n <= 0 {
			return
		}
		_, _, names = syscall.ParseDirent(entries[:n], -1, names[:0])
		for _, name := range names {
			n, err := syscall.Readlink(dir+"/"+name, target[:])
			if err == nil && bytes.HasPrefix(target[:n], []byte("socket:[")) && !visit(target[:n]) {
				return
			}
		}
	}
}

// describe reads what there is to know of a process; false if it has just ended.
func describe(pid int) (Process, bool) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return Process{}, false
	}
	exe, _ := p.Executable()
	args, _ := p.CmdLine()
	name := programName(exe, args)
	if name == "" {
		name, _ = p.Comm()
	}
	dir, _ := p.Cwd()
	return Process{PID: pid, Program: name, Dir: strings.TrimSuffix(dir, " (deleted)")}, true
}

func connections(to func(netip.AddrPort) bool) ([]Connection, error) {
	remotes := map[string]netip.AddrPort{} // by socket
	for _, t := range []table{{"/proc/net/tcp", false}, {"/proc/net/tcp6", true}} {
		if err := t.collect(to, remotes); err != nil {
			return nil, err
		}
	}
	if len(remotes) == 0 {
		return nil, nil
	}
	pids, err := processes()
	if err != nil {
		return nil, err
	}
	var all []Connection
	for _, pid := range pids {
		var mine []netip.AddrPort
		eachSocket(pid, func(socket []byte) bool {
			if remote, ok := remotes[string(socket)]; ok {
				mine = append(mine, remote)
				delete(remotes, string(socket)) // a child may have inherited it; it counts once
			}
			return len(remotes) > 0
		})
		if len(mine) == 0 {
			continue
		}
		if p, ok := describe(pid); ok {
			for _, remote := range mine {
				all = append(all, Connection{Process: p, Remote: remote})
			}
		}
	}
	slices.SortFunc(all, func(a, b Connection) int {
		return cmp.Or(cmp.Compare(a.Process.PID, b.Process.PID), a.Remote.Compare(b.Remote))
	})
	return all, nil
}

// collect adds this user's established connections to an address that is asked
// for.
func (t table) collect(to func(netip.AddrPort) bool, remotes map[string]netip.AddrPort) error {
	data, err := os.ReadFile(t.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no such protocol on this machine
	}
	if err != nil {
		return fmt.Errorf("read the connections: %w", err)
	}
	me := strconv.Itoa(os.Getuid())
	for line := range strings.Lines(string(data)) {
		// sl, local, remote, state, queues, timer, retransmits, user, timeout, inode
		f := strings.Fields(line)
		if len(f) < 10 || f[7] != me || f[9] == "0" {
			continue
		}
		if state, err := strconv.ParseUint(f[3], 16, 8); err != nil || state != established {
			continue
		}
		if remote, ok := t.read(f[2]); ok && to(remote) {
			remotes["socket:["+f[9]+"]"] = remote
		}
	}
	return nil
}
