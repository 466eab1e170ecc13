package endpoint

import (
	"path/filepath"

	"github.com/weirhq/weir/provider"
)

// clineLocal keeps Cline from handing its work to a background process that it
// shares with every other Cline of the user, with the first one's settings.
const clineLocal = "CLINE_SESSION_BACKEND_MODE=local"

// cline finds the base URLs of Cline's providers. Cline takes them from a file
// only, so it gets a changed copy of it.
func (f finder) cline() ([]Setting, error) {
	home := f.site.resolve(f.tool.Point.Home, "")
	if dir, ok := flagValue(f.args, "--data-dir"); ok {
		home = f.site.absolute(dir)
	} else if dir, ok := flagValue(f.args, "--config"); ok {
		home = filepath.Join(f.site.absolute(dir), "data")
	}
	file := f.site.resolve(f.tool.Point.Files[0].Path, home)
	doc, err := f.document(file)
	if err != nil {
		return nil, err
	}
	text := doc.String()
	var settings []Setting
	for _, id := range doc.object("providers").names() {
		s := Setting{Name: "provider " + id, URL: doc.text("providers", id, "settings", "baseUrl"), Source: file, Dialect: provider.OpenAI,
			lever: lever{kind: byCline, name: id, inline: &text, room: "has its base URL in " + file + " and takes it from nowhere else: change it there"}}
		if s.URL == "" {
			for _, b := range f.tool.Point.Builtin {
				if b.Name == id {
					s.URL, s.Source, s.Dialect = b.Base, "built in", b.Dialect
				}
			}
		}
		if id == "anthropic" {
			s.Dialect = provider.Anthropic
		}
		if s.URL != "" {
			settings = append(settings, s)
		}
	}
	return settings, nil
}

// cline writes the changed copy of Cline's file.
func (l *Launch) cline(g Gateway, doc document, variable string) {
	file := filepath.Join(g.Room, "cline-providers.json")
	l.Env = append(l.Env, variable+"="+file, clineLocal)
	// With the flag Cline reads that directory's file, whatever its variable says; the
	// variable that means the same leaves it the copy.
	if dir, ok := flagValue(l.Args, "--data-dir"); ok {
		l.Args = without(l.Args, "--data-dir")
		l.setEnv("CLINE_DATA_DIR", dir)
	}
	l.Files = append(l.Files, File{Path: file, Content: []byte(doc.String())})
}
