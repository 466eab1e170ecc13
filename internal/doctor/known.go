package doctor

import (
	"net/url"
	"strings"

	"github.com/weirhq/weir/internal/endpoint"
	"github.com/weirhq/weir/provider"
)

// Known tells which of the profiles has a base URL. Where several share it, the
// first in order has it.
func Known(order []string, profiles map[string]*provider.Profile) endpoint.Known {
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
