package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/internal/peer"
)

// checkConnections looks for processes that talk to a provider past weir: they take
// slots of the account that weir cannot see.
func checkConnections(ctx context.Context, m *Machine) Result {
	if m.Connections == nil {
		return Result{Status: Skipped, Saw: "this system does not show whose connections are"}
	}
	of := map[netip.AddrPort]string{} // provider's address to its host
	var hosts, unknown []string
	for _, s := range m.found.sites {
		addrs, err := s.resolve(ctx, m)
		if err != nil || len(addrs) == 0 {
			unknown = append(unknown, s.url.Hostname())
			continue
		}
		hosts = append(hosts, s.url.Hostname())
		n, _ := strconv.ParseUint(port(s.url), 10, 16)
		for _, a := range addrs {
			of[netip.AddrPortFrom(a, uint16(n))] = s.url.Hostname()
		}
	}
	if len(of) == 0 {
		return Result{Status: Skipped, Saw: "the addresses of " + and(unknown) + " are not known, so no connection can be told to lead there"}
	}
	all, err := m.Connections(func(a netip.AddrPort) bool { _, ok := of[a]; return ok })
	if err != nil {
		return Result{Status: Skipped, Saw: "the connections cannot be listed: " + err.Error()}
	}
	lines := direct(all, of, m.Own)
	if len(lines) > 0 {
		return Result{
			Status: Warn, Saw: strings.Join(lines, "; "),
			Means: "their requests count at the provider, and weir cannot see them: 1302 comes back without a reason to be seen",
			Do:    "point them at weir (`weir setup`), or end them",
		}
	}
	r := Result{Status: OK, Saw: "no process of yours but weir is connected to " + and(hosts)}
	if len(unknown) > 0 {
		r.Saw += " (not looked for: " + and(unknown) + ")"
	}
	return r
}

// direct tells the connections of processes that are not weir's own, one line for
// each process and host.
func direct(all []peer.Connection, of map[netip.AddrPort]string, own func(peer.Process) bool) []string {
	type key struct {
		process peer.Process
		host    string
	}
	var order []key
	count := map[key]int{}
	for _, c := range all {
		if own(c.Process) {
			continue
		}
		k := key{c.Process, of[c.Remote]}
		if !slices.Contains(order, k) {
			order = append(order, k)
		}
		count[k]++
	}
	var lines []string
	for _, k := range order {
		where := ""
		if k.process.Dir != "" {
			where = " in " + k.process.Dir
		}
		lines = append(lines, fmt.Sprintf("%s%s (process %d): %d %s to %s", k.process.Program, where, k.process.PID,
			count[k], verb(count[k], "connection", "connections"), k.host))
	}
	return lines
}
