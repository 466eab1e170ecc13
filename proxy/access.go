package proxy

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/provider"
)

// An Access says who may call, and which keys weir adds itself. The zero Access adds
// none and lets in whoever reaches it. It is immutable and safe for concurrent use. Use
// [NewAccess].
type Access struct {
	keys   map[string]string // by the profile's name
	tokens [][sha256.Size]byte
}

// NewAccess returns an access with keys by profile, and the tokens that let callers in.
func NewAccess(keys map[string]string, tokens []string) *Access {
	a := &Access{keys: keys}
	for _, t := range tokens {
		a.tokens = append(a.tokens, sha256.Sum256([]byte(t)))
	}
	return a
}

// TokenHeader carries a token where a key cannot.
const TokenHeader = "X-Weir-Token"

// Bears tells whether a request has a token, as a header of its own or in place of a
// key.
func (a *Access) Bears(r *http.Request) bool {
	return a.isToken(r.Header.Get(TokenHeader)) || a.inPlaceOfKey(r)
}

func (a *Access) inPlaceOfKey(r *http.Request) bool {
	for credential := range weir.Credentials(r) {
		if a.isToken(credential) {
			return true
		}
	}
	return false
}

func (a *Access) isToken(s string) bool {
	if s == "" || len(a.tokens) == 0 {
		return false
	}
	sum, found := sha256.Sum256([]byte(s)), 0
	for i := range a.tokens {
		found |= subtle.ConstantTimeCompare(sum[:], a.tokens[i][:])
	}
	return found == 1
}

// A denial says why a caller may not call.
type denial struct {
	status     int
	name, text string
}

// admit tells with which key a request goes to a provider, empty for its own, or why it
// may not.
func (a *Access) admit(r *http.Request, to string, trusted bool) (key string, d *denial) {
	key = a.keys[to]
	switch {
	case key != "" && !trusted && !a.Bears(r):
		return "", &denial{http.StatusUnauthorized, "token-required", "this gateway adds the key itself, so callers must show that they may: with one of its tokens in place of a key, in X-Weir-Token, or under weir run"}
	case key != "":
		return key, nil
	case len(a.tokens) > 0 && !IsLocal(r) && !trusted && !a.isToken(r.Header.Get(TokenHeader)):
		return "", &denial{http.StatusUnauthorized, "token-required", "callers from other machines need one of this gateway's tokens, in X-Weir-Token"}
	case a.inPlaceOfKey(r):
		return "", &denial{http.StatusForbidden, "no-key", "this gateway has no key of " + to + ": send your own, and the token in X-Weir-Token"}
	}
	return "", nil
}

// IsLocal tells whether a request comes from this machine: over loopback, or from the
// very address that it has come to.
func IsLocal(r *http.Request) bool {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	from := a.Addr().Unmap()
	return from.IsLoopback() || from == ownAddress(r)
}

// ownAddress is that of this machine which a request has come to; the zero address if it
// is not known.
func ownAddress(r *http.Request) netip.Addr {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return netip.Addr{}
	}
	a, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// setKey gives a request the gateway's key in place of what its caller has sent.
func setKey(r *http.Request, p *provider.Profile, d provider.Dialect, key string) {
	for _, name := range [...]string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key"} {
		delete(r.Header, name)
	}
	if query := r.URL.Query(); query.Has("key") {
		query.Del("key")
		r.URL.RawQuery = query.Encode()
	}
	h := p.KeyHeader(d)
	r.Header.Set(h.Header, h.Prefix+key)
}
