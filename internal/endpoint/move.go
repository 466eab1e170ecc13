package endpoint

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
)

// A lever is how a setting is moved.
type lever struct {
	kind    kind
	name    string  // of what is set: a variable, a provider
	index   int     // of an entry among several
	inline  *string // the user's own configuration of that kind, into which it goes; a pointer, so that nothing prints it
	version bool    // the tool adds no "/v1" of its own to an Anthropic base URL
	free    bool    // nothing of the tool says that its calls belong to the built-in vendor
	keys    string  // names of variables that are set and may hold a key, for a new provider
	fixed   string  // why it cannot be moved; a sentence's end
	room    string  // why it cannot be moved without a room; a sentence's end
}

// kind is the way of a lever.
type kind uint8

const (
	byVariable kind = iota // an environment variable
	byOpenCode             // a provider in OpenCode's inline configuration
	byClaude               // a variable in Claude Code's settings, and in the environment
	byCodex                // a provider of Codex, by -c
	byCodexKey             // a top-level key of Codex, by -c
	byFlag                 // a flag with a value
	byCrush                // a provider in a copy of Crush's own file
	byCline                // a provider in a copy of Cline's own file
	byQwen                 // a model's entry in settings that stand above Qwen Code's own
)

// held says why a setting cannot be moved, if it cannot.
func (l lever) held(g Gateway) string {
	if l.fixed == "" && g.Room == "" {
		return l.room
	}
	return l.fixed
}

// A move is a setting and where it goes.
type move struct {
	Setting
	to     string // base URL at the gateway
	target string // profile; empty: it stays with the one that the gateway's path names
	fresh  bool   // to a provider that the tool did not have, without the built-in one's login
}

// sentence tells of a move.
func (m move) sentence() string {
	from := "not set"
	if m.URL != "" {
		from = Bare(m.URL)
	}
	target := m.target
	if target == "" {
		target = "this run's gateway"
	}
	return fmt.Sprintf("%s (%s) → %s", m.Name, from, target)
}

// plan says what moves, and where.
func plan(settings []Setting, g Gateway, upstream string) []move {
	strangers := map[string]bool{}
	for _, s := range settings {
		if s.Profile == "" && s.URL != "" && s.lever.held(g) == "" && !s.leadsTo(g) {
			strangers[host(s.URL)] = true
		}
	}
	var moves []move
	for _, s := range settings {
		switch {
		case s.lever.held(g) != "":
		case s.leadsTo(g):
			moves = append(moves, move{Setting: s, to: g.again(s.URL)})
		case upstream != "" && s.lever.free:
			moves = append(moves, move{Setting: s, to: g.Base(upstream, short(s)), target: upstream, fresh: true})
		case upstream != "" && s.Profile == "" && (s.URL == "" || len(strangers) == 1):
			moves = append(moves, move{Setting: s, to: g.Base(upstream, short(s)), target: upstream})
		case s.Profile != "":
			moves = append(moves, move{Setting: s, to: g.Base(s.Profile, s.Path), target: s.Profile})
		}
	}
	return moves
}

// short returns the path of the gateway's short form of a setting's dialect.
func short(s Setting) string {
	switch {
	case s.Dialect == provider.Anthropic && s.lever.version:
		return "/anthropic/v1"
	case s.Dialect == provider.Anthropic:
		return "/anthropic"
	default:
		return "/v1"
	}
}

// leadsTo tells whether a setting leads to a weir, or to this very gateway.
func (s Setting) leadsTo(g Gateway) bool {
	if s.Gateway || s.URL == "" {
		return s.Gateway
	}
	u, err := url.Parse(s.URL)
	if err != nil || !IsLoopback(u.Hostname()) {
		return false
	}
	own, err := url.Parse(g.Address)
	return err == nil && own.Port() != "" && own.Port() == u.Port() && IsLoopback(own.Hostname())
}

// again returns a URL that leads to a weir for this run: the same path without the
// element of an older run.
func (g Gateway) again(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return g.Base("", "")
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	if strings.HasPrefix(path, "/~") {
		_, rest, ok := strings.Cut(path[1:], "/")
		path = ""
		if ok {
			path = "/" + rest
		}
	}
	return g.Base("", path)
}

// stuck says why nothing moves.
func stuck(t *tools.Tool, settings []Setting, g Gateway, upstream string) error {
	var fixed, foreign []string
	for _, s := range settings {
		switch {
		case s.lever.held(g) != "":
			fixed = append(fixed, fmt.Sprintf("%s %s", s.Name, s.lever.held(g)))
		case s.URL != "":
			foreign = append(foreign, fmt.Sprintf("%s at %s", s.Name, Bare(s.URL)))
		}
	}
	text := name(t) + ": "
	switch {
	case len(fixed) > 0:
		text += strings.Join(fixed, "; ")
	case len(foreign) > 1 && upstream != "":
		text += fmt.Sprintf("several of its base URLs are none that weir knows (%s), and --upstream can stand for one only: its keys must not go to another's provider", strings.Join(foreign, ", "))
	case len(foreign) > 0:
		text += fmt.Sprintf("none of its base URLs is one that weir knows (%s): name the provider with --upstream NAME", strings.Join(foreign, ", "))
	case upstream == "":
		text += "no base URL is set (" + unsetNames(settings) + "): name the provider with --upstream NAME"
	default:
		text += "it has no provider that could be moved: set one up in it first"
	}
	return &StuckError{Text: text}
}

// unsetNames lists what is not set.
func unsetNames(settings []Setting) string {
	var names []string
	for _, s := range settings {
		names = append(names, s.Name)
	}
	if len(names) == 0 {
		return "no provider"
	}
	return strings.Join(names, ", ")
}
