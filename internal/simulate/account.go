package simulate

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/weirhq/weir/internal/scenario"
)

// An account is one credential at the provider: the slots it takes there, and what
// is counted of its calls. The provider's lock guards it.
type account struct {
	upstream *scenario.Upstream
	tally    tally
}

// accountLocked returns the named account, which it makes if need be. p.mu must be
// held.
func (p *Provider) accountLocked(name string) *account {
	a := p.accounts[name]
	if a == nil {
		a = &account{
			upstream: scenario.NewUpstream(p.config.described(), p.config.Seed, 0),
			tally:    tally{codes: make(map[string]int)},
		}
		p.accounts[name] = a
	}
	return a
}

// Account returns the name under which the statistics and the log show the
// calls made with a credential: eight hexadecimal digits of its hash, or
// "none" for the empty one.
func Account(credential string) string {
	if credential == "" {
		return "none"
	}
	sum := sha256.Sum256([]byte("weir simulate\x00" + credential))
	return hex.EncodeToString(sum[:4])
}

// credential finds the key of a call in any of the places where tools put it.
func credential(r *http.Request) string {
	if scheme, key, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	} else if scheme != "" {
		return scheme
	}
	for _, name := range [...]string{"X-Api-Key", "Api-Key", "X-Goog-Api-Key"} {
		if key := r.Header.Get(name); key != "" {
			return key
		}
	}
	if r.URL.RawQuery == "" {
		return ""
	}
	return r.URL.Query().Get("key")
}
