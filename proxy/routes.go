package proxy

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/provider"
)

// Routes knows where a path leads. It is immutable and safe for concurrent use.
// Use [NewRoutes].
type Routes struct {
	primary  *provider.Profile
	profiles map[string]*provider.Profile // with the users' addresses
	names    []string                     // of all, for messages
	named    []string                     // the profiles that the user has named, in order
}

// NewRoutes reads what users write for --upstream: a profile's name, a URL (the
// default profile's rules at that address) or NAME=URL (the profile's paths at that
// address; profiles of one vendor share it). The first is the default. None at all
// means the default profile at its own address. Beside the shipped profiles there are
// those of the user's own.
func NewRoutes(upstreams []string, own ...*provider.Profile) (*Routes, error) {
	r := &Routes{profiles: map[string]*provider.Profile{}, names: provider.Names()}
	for _, name := range r.names {
		r.profiles[name], _ = provider.Lookup(name)
	}
	for _, p := range own {
		r.profiles[p.Name] = p
		r.names = append(r.names, p.Name)
	}
	var errs []error
	explicit := map[string]bool{}
	for _, arg := range upstreams {
		name, err := r.add(arg, explicit)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r.named = append(r.named, name)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	r.primary = r.profiles[provider.DefaultName]
	if len(r.named) > 0 {
		r.primary = r.profiles[r.named[0]]
	}
	if len(r.primary.Bases) == 0 {
		return nil, fmt.Errorf("upstream %s has no address of its own: write %s=URL", r.primary.Name, r.primary.Name)
	}
	return r, nil
}

func (r *Routes) add(arg string, explicit map[string]bool) (string, error) {
	name, address := arg, ""
	if before, after, ok := strings.Cut(arg, "="); ok && !strings.Contains(before, "://") {
		name, address = before, after
	} else if strings.Contains(arg, "://") {
		name, address = provider.DefaultName, arg
	}
	p := r.profiles[name]
	if p == nil {
		return "", fmt.Errorf("upstream %q: no provider has that name; known are %s, or write a URL", arg, strings.Join(r.names, ", "))
	}
	if address == "" {
		if name != arg {
			return "", fmt.Errorf("upstream %q: the URL is missing", arg)
		}
		return name, nil
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return "", fmt.Errorf("upstream %q: %w", arg, err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", fmt.Errorf("upstream %q: not an http or https URL", arg)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("upstream %q: a URL here has only scheme, host and path", arg)
	}
	if explicit[name] {
		return "", fmt.Errorf("upstream %q: %s has an address already; NAME=URL gives one to another provider", arg, name)
	}
	explicit[name] = true
	r.profiles[name] = at(p, u)
	for other, q := range r.profiles {
		if q.Vendor == p.Vendor && !explicit[other] {
			r.profiles[other] = at(q, u)
		}
	}
	return name, nil
}

// at returns the profile moved to another address: scheme and host are replaced,
// a path of the address comes before the profile's own. A profile without bases
// takes the address as its base.
func at(p *provider.Profile, u *url.URL) *provider.Profile {
	moved := *p
	prefix := strings.TrimSuffix(u.EscapedPath(), "/")
	host := u.Scheme + "://" + u.Host
	moved.Bases = map[provider.Dialect]string{}
	if len(p.Bases) == 0 {
		if prefix == "" {
			prefix = "/v1"
		}
		moved.Bases[provider.OpenAI] = host + prefix
		moved.Bases[provider.Responses] = host + prefix
		moved.Bases[provider.Anthropic] = host + strings.TrimSuffix(prefix, "/v1")
		return &moved
	}
	for d, base := range p.Bases {
		moved.Bases[d] = host + prefix + pathOf(base)
	}
	return &moved
}

// A Target is where a request goes.
type Target struct {
	Profile *provider.Profile
	Dialect provider.Dialect
	URL     string // without query
	Free    bool   // takes no slot
	Hello   bool   // a client's greeting, or its look whether a base URL is there, which is answered here
}

// A RouteError is a path that leads nowhere. Its text says what to do.
type RouteError struct {
	Dialect provider.Dialect // of the path, for the shape of the answer
	Text    string
}

// Error implements error.
func (e *RouteError) Error() string { return e.Text }

// Find tells where a request with this method and escaped path goes; the header
// tells a request of an Anthropic client for a path that both have.
func (r *Routes) Find(method, path string, header http.Header) (Target, error) {
	p, rest := r.primary, path
	d := weir.DialectOf(path)
	if dotted(path) {
		return Target{}, &RouteError{d, "the path has . or .. in it: write it out"}
	}
	if strings.HasPrefix(path, "/@") {
		name, after, _ := strings.Cut(path[2:], "/")
		if p = r.profiles[name]; p == nil {
			return Target{}, &RouteError{d, fmt.Sprintf("no provider is called %q; known are %s", name, strings.Join(r.names, ", "))}
		}
		if len(p.Bases) == 0 {
			return Target{}, &RouteError{d, fmt.Sprintf("weir does not know the address of %q: start it with --upstream %s=URL", name, name)}
		}
		rest = "/" + after
	}
	if method == http.MethodHead && (strings.HasSuffix(rest, "/api/hello") || r.isBase(p, rest)) {
		return Target{Profile: p, Dialect: provider.Anthropic, Free: true, Hello: true}, nil
	}
	if t, ok, err := short(p, rest, header); ok || err != nil {
		return t.finish(method, rest), err
	}
	if t, ok := r.full(p, rest); ok {
		return t.finish(method, rest), nil
	}
	return Target{}, &RouteError{d, fmt.Sprintf("provider %s has no path %q: keep its own path (such as %s/chat/completions), or use /v1/… , /anthropic/… or /@NAME/…", p.Name, clip(rest), pathOf(p.Bases[provider.OpenAI]))}
}

// isBase tells whether a path is that of a base URL, without an endpoint.
func (r *Routes) isBase(p *provider.Profile, path string) bool {
	path = strings.TrimSuffix(path, "/")
	if path == "" || path == "/v1" || path == "/anthropic" || path == "/anthropic/v1" {
		return true
	}
	for _, q := range r.family(p) {
		for _, base := range q.Bases {
			if path == pathOf(base) {
				return true
			}
		}
	}
	return false
}

func (t Target) finish(method, path string) Target {
	t.Free = weir.FreeOfSlot(method, path)
	return t
}

// short resolves /v1/… and /anthropic/….
func short(p *provider.Profile, path string, header http.Header) (Target, bool, error) {
	d, rest := provider.OpenAI, ""
	switch {
	case path == "/v1/messages" || strings.HasPrefix(path, "/v1/messages/"):
		d, rest = provider.Anthropic, path
	case path == "/v1/responses" || strings.HasPrefix(path, "/v1/responses/"):
		d, rest = provider.Responses, path[len("/v1"):]
	case strings.HasPrefix(path, "/v1/"):
		rest = path[len("/v1"):]
		if header.Get("Anthropic-Version") != "" && p.Bases[provider.Anthropic] != "" {
			d, rest = provider.Anthropic, path
		}
	case strings.HasPrefix(path, "/anthropic/"):
		d, rest = provider.Anthropic, path[len("/anthropic"):]
	default:
		return Target{}, false, nil
	}
	base := p.Bases[d]
	if base == "" {
		return Target{}, false, &RouteError{d, fmt.Sprintf("provider %s has no address for the %s dialect", p.Name, d)}
	}
	return Target{Profile: p, Dialect: d, URL: base + rest}, true, nil
}

// full resolves a path that a provider of the vendor has itself. The path names
// the profile; where several have it, the asked one comes first.
func (r *Routes) full(p *provider.Profile, path string) (Target, bool) {
	best, length := Target{}, -1
	for _, q := range r.family(p) {
		for d, base := range q.Bases {
			prefix := pathOf(base)
			if prefix == "" && (d != provider.OpenAI || !endpoint(path)) || len(prefix) < length || !strings.HasPrefix(path, prefix+"/") {
				continue
			}
			if len(prefix) > length || q == p && best.Profile != p || best.Profile == q && d == weir.DialectOf(path) {
				best, length = Target{Profile: q, Dialect: d, URL: hostOf(base) + path}, len(prefix)
			}
		}
	}
	if length >= 0 {
		return best, true
	}
	for _, q := range r.family(p) {
		for _, prefix := range q.Paths {
			if strings.HasPrefix(path, prefix) {
				return Target{Profile: q, Dialect: weir.DialectOf(path), URL: hostOf(q.AnyBase()) + path}, true
			}
		}
	}
	return Target{}, false
}

// endpoint tells that a path is one of the OpenAI dialect without a prefix, as
// providers have it whose base is a bare host.
func endpoint(path string) bool {
	switch path {
	case "/chat/completions", "/completions", "/embeddings", "/models":
		return true
	}
	return strings.HasPrefix(path, "/models/")
}

// family returns the profiles of one vendor, the asked one first.
func (r *Routes) family(p *provider.Profile) []*provider.Profile {
	all := []*provider.Profile{p}
	for _, name := range r.names {
		if q := r.profiles[name]; q != p && q.Vendor == p.Vendor && len(q.Bases) > 0 {
			all = append(all, q)
		}
	}
	return all
}

// Without returns routes without the profiles that a function names, whatever path leads
// there.
func (r *Routes) Without(closed func(*provider.Profile) bool) *Routes {
	open := *r
	open.profiles = map[string]*provider.Profile{}
	open.names = nil
	for _, name := range r.names {
		if p := r.profiles[name]; !closed(p) {
			open.profiles[name] = p
			open.names = append(open.names, name)
		}
	}
	return &open
}

// Profiles returns all profiles by name, with the addresses that the user gave them.
func (r *Routes) Profiles() map[string]*provider.Profile { return maps.Clone(r.profiles) }

// Named returns the names of the profiles that the user asked for, in order.
func (r *Routes) Named() []string { return slices.Clone(r.named) }

// Default returns the profile of requests that name none.
func (r *Routes) Default() *provider.Profile { return r.primary }

// hostOf returns scheme and host of a base, pathOf what follows.
func hostOf(base string) string { return base[:len(base)-len(pathOf(base))] }

func pathOf(base string) string {
	_, rest, ok := strings.Cut(base, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return ""
}

// dotted tells that a path has a segment that a server may resolve, so that the
// path would not lead where it says.
func dotted(path string) bool {
	if !strings.Contains(path, ".") && !strings.Contains(path, "%2") {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		switch strings.ReplaceAll(strings.ReplaceAll(segment, "%2e", "."), "%2E", ".") {
		case ".", "..":
			return true
		}
	}
	return false
}

// clip makes a text from outside fit to be shown: bounded, and without what a terminal
// would take for an order.
func clip(text string) string {
	const most = 80
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return printable(text)
}

// printable leaves out what must not be where a name is shown: control characters, and
// those that turn or hide text.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
}

// Hosts returns the hosts that requests may go to, for display.
func (r *Routes) Hosts() []string {
	var hosts []string
	for _, base := range r.primary.Bases {
		if h := hostOf(base); !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	slices.Sort(hosts)
	return hosts
}
