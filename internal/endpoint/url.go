package endpoint

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/weirhq/weir/provider"
)

// DefaultPort is where weir listens unless it is told otherwise.
const DefaultPort = "1302"

// KnownBy is the [Known] of some profiles. Where several share a base URL, the first
// in order has it.
func KnownBy(order []string, profiles map[string]*provider.Profile) Known {
	return func(text string) (profile, path string, ok bool) {
		u, err := url.Parse(text)
		if err != nil {
			return "", "", false
		}
		best := 0
		for _, name := range order {
			p := profiles[name]
			if p == nil {
				continue
			}
			for _, base := range p.Bases {
				b, err := url.Parse(base)
				if err != nil || b.Scheme != u.Scheme || b.Host != u.Host || !below(u.Path, b.Path) {
					continue
				}
				if len(b.Path)+1 > best {
					best, profile, ok = len(b.Path)+1, name, true
				}
			}
		}
		return profile, strings.TrimSuffix(u.Path, "/"), ok
	}
}

// below tells whether a path is a base or goes on from it by a version, which some
// tools' settings have and others add.
func below(path, base string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(path, "/"), base)
	return ok && (rest == "" || rest == "/v1")
}

// isGateway tells whether a URL looks like a weir's.
func isGateway(u *url.URL) bool {
	return IsLoopback(u.Hostname()) &&
		(u.Port() == DefaultPort || strings.HasPrefix(u.Path, "/~") || strings.HasPrefix(u.Path, "/@"))
}

// IsLoopback tells whether a host, without port, is this machine by its loopback
// name or address.
func IsLoopback(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

func host(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

// Bare returns a URL without what may be secret in it: user, query, fragment.
func Bare(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "a text that is no URL"
	}
	u.User, u.RawQuery, u.Fragment, u.ForceQuery = nil, "", "", false
	return u.String()
}
