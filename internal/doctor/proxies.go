package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/weirhq/weir/internal/endpoint"
)

// checkProxies looks for proxy variables under which calls to weir would not
// arrive, or would come back to it.
func checkProxies(_ context.Context, m *Machine) Result {
	var set, plain []string // variables that are set; those that concern http://
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		value := m.Env(name)
		if value == "" {
			continue
		}
		u, err := proxyURL(value)
		if err != nil {
			return Result{
				Status: Warn, Saw: name + " is set, but it is no URL",
				Means: "some tools stop at it, some go without a proxy",
				Do:    "write it as http://HOST:PORT, or unset it",
			}
		}
		if m.isGateway(u) {
			return Result{
				Status: Wrong, Saw: fmt.Sprintf("%s leads to weir itself (%s)", name, u.Host),
				Means: "weir is no forward proxy: what is sent to it so fails, and weir's own calls would come back to it",
				Do:    "unset " + name + "; weir is used by its base URL",
			}
		}
		set = append(set, fmt.Sprintf("%s=%s", name, u.Host))
		if !strings.HasPrefix(strings.ToUpper(name), "HTTPS") {
			plain = append(plain, name)
		}
	}
	if len(set) == 0 {
		return Result{Status: OK, Saw: "none is set"}
	}
	saw := strings.Join(set, ", ")
	exempt := m.Env("NO_PROXY")
	if exempt == "" {
		exempt = m.Env("no_proxy")
	}
	if len(plain) > 0 && !exempts(exempt, "127.0.0.1") {
		return Result{
			Status: Warn, Saw: saw + ", and NO_PROXY does not have 127.0.0.1",
			Means: "tools that do not make an exception by themselves send their calls for weir to the proxy, which cannot reach it",
			Do:    "export NO_PROXY=127.0.0.1,localhost (beside what it has)",
		}
	}
	return Result{Status: OK, Saw: saw, Means: "weir's own calls to the provider take it, and calls to weir do not"}
}

// proxyURL reads a proxy variable, with or without a scheme.
func proxyURL(value string) (*url.URL, error) {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err == nil && u.Hostname() == "" {
		err = fmt.Errorf("no host")
	}
	return u, err
}

// isGateway tells whether a URL leads to weir's port on this machine.
func (m *Machine) isGateway(u *url.URL) bool {
	if !endpoint.IsLoopback(u.Hostname()) {
		return false
	}
	if port(u) == endpoint.DefaultPort {
		return true
	}
	g, err := url.Parse(m.found.gateway)
	return err == nil && g.Host != "" && port(g) == port(u)
}

// exempts tells whether a NO_PROXY list has an address in it.
func exempts(list, address string) bool {
	a := netip.MustParseAddr(address)
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "*" || entry == address {
			return true
		}
		if p, err := netip.ParsePrefix(entry); err == nil && p.Contains(a) {
			return true
		}
	}
	return false
}
