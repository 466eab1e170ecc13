package endpoint

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/weirhq/weir/provider"
)

// codexNew is the provider that a Codex gets for one run if it has none that can be
// moved.
const codexNew = "weir"

// codex finds the base URL of the provider that Codex uses, and those of the others
// that its file has.
func (f finder) codex() ([]Setting, error) {
	sources, err := f.sources()
	if err != nil {
		return nil, err
	}
	sources = append(sources, f.codexArguments())
	active, used := "openai", ""
	bases, from := map[string]string{}, map[string]string{}
	for _, src := range sources {
		if p := src.text("profile"); p != "" {
			used = p
		}
		if p := src.text("model_provider"); p != "" {
			active = p
		}
		if base := src.text("openai_base_url"); base != "" {
			bases["openai"], from["openai"] = base, src.file
		}
		providers := src.object("model_providers")
		for _, id := range providers.names() {
			if base := providers.text(id, "base_url"); base != "" {
				bases[id], from[id] = base, src.file
			}
		}
	}
	if p, ok := flagValue(f.args, "-p", "--profile"); ok {
		used = p
	}
	for _, src := range sources {
		if p := src.text("profiles", used, "model_provider"); p != "" {
			active = p
		}
	}
	var settings []Setting
	if active == "openai" || bases["openai"] != "" {
		s, err := f.codexOpenAI(bases["openai"], from["openai"])
		if err != nil {
			return nil, err
		}
		settings = append(settings, s)
	}
	for _, id := range slices.Sorted(maps.Keys(bases)) {
		if id != "openai" {
			settings = append(settings, Setting{Name: "provider " + id, URL: bases[id], Source: from[id], Dialect: provider.Responses,
				lever: lever{kind: byCodex, name: id}})
		}
	}
	if active != "openai" && bases[active] == "" {
		settings = append(settings, Setting{Name: "provider " + active, Dialect: provider.Responses,
			lever: lever{fixed: "has no base URL in config.toml that weir could move: give model_providers." + active + " a base_url"}})
	}
	return settings, nil
}

// codexArguments reads the configuration that the user gives by -c.
func (f finder) codexArguments() source {
	all := document{}
	for i := 0; i < len(f.args) && f.args[i] != "--"; i++ {
		value, ok := strings.CutPrefix(f.args[i], "--config=")
		if (f.args[i] == "-c" || f.args[i] == "--config") && i+1 < len(f.args) {
			value, ok = f.args[i+1], true
		}
		key, text, isPair := strings.Cut(value, "=")
		if !ok || !isPair {
			continue
		}
		parsed := document{}
		if toml.Unmarshal([]byte("v="+text), &parsed) != nil {
			parsed["v"] = text // as Codex does: what is no TOML is a string
		}
		all.set(parsed["v"], strings.Split(strings.TrimSpace(key), ".")...)
	}
	return source{all, "argument -c"}
}

// codexOpenAI returns the setting of the built-in provider.
func (f finder) codexOpenAI(base, from string) (Setting, error) {
	s := Setting{Name: "provider openai", URL: base, Source: from, Dialect: provider.Responses,
		lever: lever{kind: byCodexKey, name: "openai_base_url"}}
	if base != "" {
		return s, nil
	}
	file := filepath.Join(f.site.resolve(f.tool.Point.Home, ""), "auth.json")
	login, err := f.document(file)
	if err != nil {
		return s, err
	}
	s.URL, s.Source = f.tool.Point.Builtin[0].Base, "built in"
	switch {
	case f.site.env("CODEX_API_KEY") != "":
	case login.object("tokens") != nil && login.text("OPENAI_API_KEY") == "":
		s.URL = "https://chatgpt.com/backend-api/codex"
		s.Name = "provider openai (ChatGPT login)"
		s.lever = lever{kind: byCodex, name: codexNew, free: true, keys: f.keyNames()}
	case login.text("OPENAI_API_KEY") == "":
		s.lever.free, s.lever.keys = true, f.keyNames()
	}
	return s, nil
}

// keyNames returns the names of the variables that are set and look like keys.
func (f finder) keyNames() string {
	var names []string
	for _, e := range f.site.Env {
		if n, v, ok := strings.Cut(e, "="); ok && v != "" && strings.HasSuffix(n, "_API_KEY") {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " ")
}

// codex moves a provider, or adds one: the built-in one would not take a key from
// the environment, and its login is not for others.
func (l *Launch) codex(m move) {
	switch {
	case m.fresh:
	case m.lever.kind == byCodexKey:
		l.prepend("-c", m.lever.name+"="+strconv.Quote(m.to))
		return
	default:
		l.prepend("-c", fmt.Sprintf("model_providers.%s.base_url=%s", m.lever.name, strconv.Quote(m.to)))
		return
	}
	table := fmt.Sprintf("model_providers.%s={name=%q,base_url=%q,wire_api=\"responses\"", codexNew, codexNew, m.to)
	if key := keyFor(m.target, m.lever.keys); key != "" {
		table += fmt.Sprintf(",env_key=%q", key)
	}
	l.prepend("-c", "model_provider="+codexNew, "-c", table+"}")
}

// keyFor returns the variable with the key of a profile, of those that are set:
// ZAI_CODING_API_KEY or ZAI_API_KEY for zai-coding, else the one that programs of
// this dialect read.
func keyFor(profile, set string) string {
	names := strings.Fields(set)
	upper := strings.ToUpper(strings.ReplaceAll(profile, "-", "_"))
	vendor, _, _ := strings.Cut(upper, "_")
	wanted := []string{upper + "_API_KEY", vendor + "_API_KEY"}
	if vendor == "ZAI" || vendor == "BIGMODEL" {
		wanted = append(wanted, "Z_AI_API_KEY", "ZHIPU_API_KEY")
	}
	for _, n := range append(wanted, "OPENAI_API_KEY") {
		if slices.Contains(names, n) {
			return n
		}
	}
	return ""
}
