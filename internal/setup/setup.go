// Package setup changes the configuration of coding tools for good, so that their
// calls go through a gateway with the tool's own provider, keys and models. The
// change itself is a function of the file's bytes: comments, order, spacing and all
// that is unknown stay as they are. Files are replaced in one step, with a backup
// that brings back every byte.
package setup

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/weirhq/weir/internal/endpoint"
	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
)

// An Order is what a tool's file shall say.
type Order struct {
	Tool    *tools.Tool
	Gateway endpoint.Gateway
	Known   endpoint.Known
	// Upstream is where a base URL goes that no profile knows or that is not set;
	// nil: nowhere. It is only for tools that have one base URL.
	Upstream *provider.Profile
	// Getenv reads the environment that the tool is started in, as os.Getenv.
	Getenv func(name string) string
	// LoggedIn names the tool's providers that the user has logged in to outside
	// the file.
	LoggedIn []string
}

// A Change is what becomes of a file.
type Change struct {
	File   string
	Before []byte // nil: there is no file yet
	After  []byte
	Moved  []string // a sentence for each base URL that moves
	Notes  []string // what the user should know beside; a sentence each
}

// Nothing tells that the file says already what it shall say.
func (c *Change) Nothing() bool { return c.Before != nil && string(c.Before) == string(c.After) }

// CanChange tells whether a tool's file is of a kind that is changed. For others
// [Advice] says what to add by hand.
func CanChange(t *tools.Tool) bool { return plans()[t.Name] != nil }

// A RefusedError says why a tool is left as it is. Its text says what to do, in one
// line.
type RefusedError struct{ Text string }

// Error implements error.
func (e *RefusedError) Error() string { return e.Text }

func refuse(format string, args ...any) error { return &RefusedError{fmt.Sprintf(format, args...)} }

// Change returns what becomes of a file with these bytes; nil: it does not exist.
// A broken file is a [*BrokenError]. A second change of the result changes nothing.
func (o *Order) Change(file string, before []byte) (*Change, error) {
	p := plans()[o.Tool.Name]
	if p == nil {
		return nil, refuse("%s has no JSON file that could be changed", o.Tool.Title)
	}
	d, err := parseDocument(file, before)
	if err != nil {
		return nil, err
	}
	c := &Change{File: file, Before: before}
	m := &mover{Order: o, doc: d, change: c}
	if err := p(m); err != nil {
		return nil, err
	}
	c.After = before
	if d.changed {
		c.After = d.bytes()
	}
	return c, nil
}

// A mover carries one change out.
type mover struct {
	*Order
	doc    *document
	change *Change
	seen   int // base URLs that are, or now go, through the gateway
}

// target returns where a base URL shall lead: the same path at the gateway. It is
// the URL itself if that leads there already; ok is false for one that no profile
// knows.
func (m *mover) target(base string) (target, profile string, ok bool) {
	if moved, ok := m.atGateway(base); ok {
		return moved, "", true
	}
	profile, path, ok := m.Known(base)
	if !ok {
		return "", "", false
	}
	return m.Gateway.Base(profile, path), profile, true
}

// atGateway tells whether a URL leads to a weir, and what it is at this one.
func (m *mover) atGateway(base string) (string, bool) {
	u, err := url.Parse(base)
	if err != nil {
		return "", false
	}
	g, err := url.Parse(m.Gateway.Address)
	if err != nil {
		return "", false
	}
	if u.Scheme == g.Scheme && u.Host == g.Host {
		return base, true
	}
	if !endpoint.IsLoopback(u.Hostname()) {
		return "", false
	}
	if !strings.HasPrefix(u.Path, "/@") { // any other program of this machine
		return "", false
	}
	u.Scheme, u.Host = g.Scheme, g.Host
	return u.String(), true
}

// move writes one base URL that stands in the file, if a profile knows it.
func (m *mover) move(name, base string, path ...any) (bool, error) {
	target, profile, ok := m.target(base)
	if !ok {
		return false, nil
	}
	return true, m.put(name, base, target, profile, path...)
}

// put writes one base URL, and says so. An empty base was not set.
func (m *mover) put(name, base, target, profile string, path ...any) error {
	m.seen++
	changed, err := m.doc.set(target, path...)
	if err != nil || !changed {
		return err
	}
	if base == "" {
		base = "not set"
	} else {
		base = redact(base)
	}
	to := target
	if profile != "" {
		to = profile + ", " + target
	}
	m.change.Moved = append(m.change.Moved, fmt.Sprintf("%s (%s) → %s", name, base, to))
	return nil
}

func (m *mover) note(format string, args ...any) {
	m.change.Notes = append(m.change.Notes, fmt.Sprintf(format, args...))
}

// redact takes a password and a query out of a URL.
func redact(base string) string {
	if strings.HasPrefix(base, "{") || strings.HasPrefix(base, "$") {
		return base // the name of a variable
	}
	u, err := url.Parse(base)
	if err != nil {
		return "a URL that cannot be read"
	}
	if u.User != nil {
		u.User = url.User("xxx")
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String()
}
