package setup

import (
	"net/url"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
)

// plans returns what is changed for each tool whose file is JSON.
func plans() map[string]func(*mover) error { return planTable }

var planTable = map[string]func(*mover) error{
	"opencode": planOpenCode,
	"claude":   planClaude,
	"qwen":     planQwen,
	"crush":    planCrush,
}

// builtIn returns the providers of those names that the tool knows without its
// file.
func (m *mover) builtIn(names ...string) []tools.Builtin {
	var all []tools.Builtin
	for _, b := range m.Tool.Point.Builtin {
		if slices.Contains(names, b.Name) {
			all = append(all, b)
		}
	}
	return all
}

// inUse tells whether the user has a key for a built-in provider, or has named it.
func (m *mover) inUse(b tools.Builtin, named []string) bool {
	return slices.Contains(named, b.Name) || slices.Contains(m.LoggedIn, b.Name) ||
		slices.ContainsFunc(b.Keys, func(variable string) bool { return m.Getenv(variable) != "" })
}

// planOpenCode moves OpenCode's GLM providers, and those of the user's own. It lists
// a provider that its file names even if there is no key for it, so the second
// vendor's are written only for those who use them.
func planOpenCode(m *mover) error {
	if m.doc.fresh {
		// The tool would add this member by itself, and the file would no longer be
		// the one that was written.
		if _, err := m.doc.set("https://opencode.ai/config.json", "$schema"); err != nil {
			return err
		}
	}
	named := m.doc.names("provider")
	all := m.builtIn("zai-coding-plan", "zai")
	for _, b := range m.builtIn("zhipuai-coding-plan", "zhipuai") {
		if m.inUse(b, named) {
			all = append(all, b)
		}
	}
	if err := m.providers(all, "provider", "options", "baseURL"); err != nil {
		return err
	}
	return m.upstreamUnfit()
}

func planCrush(m *mover) error {
	if err := m.providers(m.builtIn("zai"), "providers", "base_url"); err != nil {
		return err
	}
	return m.upstreamUnfit()
}

// providers moves the base URLs of a file that has an object with an entry for each
// provider: those of the tool's own, and the others that a profile knows.
func (m *mover) providers(own []tools.Builtin, section string, rest ...any) error {
	path := func(id string) []any { return append([]any{section, id}, rest...) }
	for _, id := range m.doc.names(section) {
		base := m.doc.stringAt(path(id)...)
		if base == "" {
			continue // the tool's own, or a provider without an address
		}
		known, err := m.move("provider "+id, base, path(id)...)
		if err != nil {
			return err
		}
		if !known {
			m.note("provider %s stays at %s, which no profile of weir has", id, redact(base))
		}
	}
	for _, b := range own {
		if v := m.doc.at(path(b.Name)...); v != nil && m.doc.stringAt(path(b.Name)...) != "" {
			continue
		}
		target, profile, ok := m.target(b.Base)
		if !ok {
			continue
		}
		if err := m.put("provider "+b.Name, b.Base, target, profile, path(b.Name)...); err != nil {
			return err
		}
	}
	return nil
}

// upstreamUnfit says that a tool with several providers takes no --upstream: which
// of them should go there cannot be told.
func (m *mover) upstreamUnfit() error {
	if m.Upstream == nil {
		return nil
	}
	return refuse("%s has providers of its own by name: leave --upstream away and give each the base URL that you want", m.Tool.Title)
}

// planClaude moves the one base URL of Claude Code. What its settings say wins over
// the environment.
func planClaude(m *mover) error {
	for _, name := range m.Tool.Point.Elsewhere {
		if tools.On(m.doc.stringAt("env", name)) || tools.On(m.Getenv(name)) {
			return refuse("%s is set: %s then speaks to a cloud's own API, which weir cannot serve; nothing is changed", name, m.Tool.Title)
		}
	}
	variable := m.Tool.Point.Variables[0].Name
	base := m.doc.stringAt("env", variable)
	if base == "" {
		base = m.Getenv(variable)
	}
	from := base
	if base == "" {
		base = m.Tool.Point.Builtin[0].Base
	}
	return m.only(variable, from, base, provider.Anthropic, "env", variable)
}

// only moves the base URL of a tool that has one. from is what is set, base what
// holds.
func (m *mover) only(name, from, base string, d provider.Dialect, path ...any) error {
	target, profile, ok := m.target(base)
	up := m.Upstream
	switch {
	case !ok && up == nil:
		return refuse("%s is at %s, which no profile of weir has: say whose it is with --upstream NAME", m.Tool.Title, redact(base))
	case up == nil || ok && profile == "": // to its own provider, or at the gateway already
		return m.put(name, from, target, profile, path...)
	case ok && from != "" && !serves(up, base):
		m.note("%s keeps its provider, %s: --upstream is for what is unknown or not set", name, profile)
		return m.put(name, from, target, profile, path...)
	}
	target, err := m.upstreamBase(d)
	if err != nil {
		return err
	}
	return m.put(name, from, target, up.Name, path...)
}

// serves tells whether a base URL is one of a profile's: vendors give several
// profiles the same.
func serves(p *provider.Profile, base string) bool {
	base = strings.TrimSuffix(base, "/")
	for _, b := range p.Bases {
		if base == b || base == b+"/v1" {
			return true
		}
	}
	return false
}

// upstreamBase returns where the chosen provider's base of a dialect is at the
// gateway.
func (o *Order) upstreamBase(d provider.Dialect) (string, error) {
	base := o.Upstream.Bases[d]
	u, err := url.Parse(base)
	if base == "" || err != nil {
		return "", refuse("the provider %s does not speak what %s does (%s)", o.Upstream.Name, o.Tool.Title, d)
	}
	return o.Gateway.Base(o.Upstream.Name, strings.TrimSuffix(u.Path, "/")), nil
}

// planQwen moves each base URL that Qwen Code's settings have. The environment wins
// over them.
func planQwen(m *mover) error {
	named := false
	move := func(name string, path ...any) error {
		base := m.doc.stringAt(path...)
		if base == "" {
			return nil
		}
		named = true
		known, err := m.move(name, base, path...)
		if err == nil && !known && m.Upstream == nil {
			m.note("%s stays at %s, which no profile of weir has", name, redact(base))
		}
		return err
	}
	if err := move("security.auth.baseUrl", "security", "auth", "baseUrl"); err != nil {
		return err
	}
	for _, variable := range []string{"OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"} {
		if err := move(variable, "env", variable); err != nil {
			return err
		}
	}
	for _, kind := range m.doc.names("modelProviders") {
		for i := range m.doc.length("modelProviders", kind) {
			name := "model " + m.doc.stringAt("modelProviders", kind, i, "id")
			if err := move(name, "modelProviders", kind, i, "baseUrl"); err != nil {
				return err
			}
		}
	}
	if base := m.Getenv("OPENAI_BASE_URL"); base != "" {
		if target, profile, ok := m.target(base); ok && profile != "" {
			m.note("OPENAI_BASE_URL is set in your environment and wins over the file: change it there to %s", target)
		} else if !ok {
			m.note("OPENAI_BASE_URL is set in your environment and wins over the file: %s", redact(base))
		}
	}
	switch {
	case m.seen > 0:
		return nil
	case m.Upstream != nil:
		target, err := m.upstreamBase(provider.OpenAI)
		if err != nil {
			return err
		}
		path := []any{"security", "auth", "baseUrl"}
		return m.put("security.auth.baseUrl", m.doc.stringAt(path...), target, m.Upstream.Name, path...)
	case named:
		return refuse("%s is at an address that no profile of weir has: say whose it is with --upstream NAME", m.Tool.Title)
	default:
		return refuse("%s has no base URL in its settings: say where it shall go with --upstream NAME", m.Tool.Title)
	}
}
