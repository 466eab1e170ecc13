package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// A Guard turns away what a browser may have been tricked into sending: a page
// of a stranger can make the user's browser call a local server, by its address
// or by a name that the stranger lets point there. The zero Guard lets loopback
// names and addresses in. It is safe for concurrent use.
type Guard struct {
	// Hosts are further names, without port, under which the server may be called.
	Hosts []string
}

// Check returns an error for a Host that is not a loopback name or address nor
// listed, and for an Origin of another site. The very address that the request has come
// to is no name that a stranger could have made up.
func (g *Guard) Check(r *http.Request) error {
	if !g.allowed(r.Host) && !isOwn(r) {
		return fmt.Errorf("the Host %q is not a loopback name: weir answers to 127.0.0.1, localhost and the names given with --allow-host", clip(r.Host))
	}
	if len(r.Header["Origin"]) == 0 {
		return nil
	}
	for _, origin := range r.Header["Origin"] {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !g.allowed(u.Host) {
			return errors.New("the request comes from a page of another site (Origin)")
		}
	}
	return nil
}

// isOwn tells whether the Host is the address that a request has come to.
func isOwn(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap() == ownAddress(r)
}

func (g *Guard) allowed(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Unmap().IsLoopback() {
		return true
	}
	return host != "" && slices.Contains(g.Hosts, host)
}
