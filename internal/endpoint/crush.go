package endpoint

import (
	"maps"
	"path/filepath"
	"slices"

	"github.com/weirhq/weir/provider"
)

// crushVariable names the directory of Crush's own configuration, the weakest of
// its files.
const crushVariable = "CRUSH_GLOBAL_CONFIG"

// crush finds the base URLs of Crush's providers. A few of them move by a variable;
// for the others Crush gets a directory with a changed copy of its own file, which
// counts only where no stronger file names the URL.
func (f finder) crush() ([]Setting, error) {
	sources, err := f.sources()
	if err != nil {
		return nil, err
	}
	home := f.site.resolve(f.tool.Point.Home, "")
	own := filepath.Join(home, "crush.json")
	copied := document{}
	named := map[string]bool{}
	for _, src := range sources {
		if src.file == own {
			copied = src.document
		}
		for _, id := range src.object("providers").names() {
			named[id] = true
		}
	}
	text := copied.String()
	base := lever{kind: byCrush, inline: &text, room: "can be moved only by a change of " + own + ": make it with `weir setup crush`"}
	var settings []Setting
	for _, b := range f.tool.Point.Builtin {
		hasKey := slices.ContainsFunc(b.Keys, func(k string) bool { return f.site.env(k) != "" || f.site.env("CRUSH_"+k) != "" })
		if !named[b.Name] && !hasKey {
			continue
		}
		delete(named, b.Name)
		s := Setting{Name: "provider " + b.Name, URL: b.Base, Source: "built in", Dialect: b.Dialect, lever: base}
		s.lever.name = b.Name
		if b.Moves != "" {
			s.lever = lever{kind: byVariable, name: b.Moves}
			if u := f.site.env(b.Moves); u != "" {
				s.URL, s.Source = u, "environment "+b.Moves
			}
		}
		settings = append(settings, f.crushProvider(s, b.Name, sources, own, base))
	}
	for _, id := range slices.Sorted(maps.Keys(named)) {
		s := Setting{Name: "provider " + id, Dialect: provider.OpenAI}
		if s = f.crushProvider(s, id, sources, own, base); s.URL != "" || s.lever.kind == byVariable && s.lever.name != "" {
			settings = append(settings, s)
		}
	}
	return settings, nil
}

// crushProvider lays over a setting what the files say of it.
func (f finder) crushProvider(s Setting, id string, sources []source, own string, base lever) Setting {
	for _, src := range sources {
		if src.text("providers", id, "type") == "anthropic" {
			s.Dialect = provider.Anthropic
		}
		u := src.text("providers", id, "base_url")
		if u == "" {
			continue
		}
		s.URL, s.Source, s.lever = u, src.file, base
		s.lever.name = id
		if n := referred(u); n != "" {
			s.URL, s.lever = f.site.env(n), lever{kind: byVariable, name: n}
		} else if src.file != own {
			s.lever = lever{fixed: "has its base URL in " + src.file + ", above which nothing stands: move it there"}
		}
	}
	return s
}

// crush writes the changed copy of Crush's own file.
func (l *Launch) crush(g Gateway, doc document) {
	dir := filepath.Join(g.Room, "crush")
	l.setEnv(crushVariable, dir)
	l.Files = append(l.Files, File{Path: filepath.Join(dir, "crush.json"), Content: []byte(doc.String())})
}
