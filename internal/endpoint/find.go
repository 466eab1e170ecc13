package endpoint

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/weirhq/weir/internal/tools"
)

// A finder looks where a tool's calls go.
type finder struct {
	ctx   context.Context
	site  Site
	tool  *tools.Tool
	args  []string
	known Known
}

// A source is a configuration that was read, and where it stands.
type source struct {
	document
	file string
}

// place says whose a setting is.
func (f finder) place(s *Setting) {
	if s.URL == "" {
		return
	}
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" {
		return
	}
	if isGateway(u) {
		s.Gateway = true
		return
	}
	if profile, path, ok := f.known(strings.TrimSuffix(s.URL, "/")); ok {
		s.Profile, s.Path = profile, path
	}
}

// sources reads the tool's files, the weakest first.
func (f finder) sources() ([]source, error) {
	home := ""
	if f.tool.Point.Home != "" {
		home = f.site.resolve(f.tool.Point.Home, "")
	}
	var found []source
	for _, file := range f.tool.Point.Files {
		for _, path := range f.paths(file, home) {
			data, err := f.site.read(path)
			if err != nil {
				return nil, err
			}
			if data == nil {
				continue
			}
			doc, err := parse(path, data, file.Format)
			if err != nil {
				return nil, err
			}
			found = append(found, source{doc, path})
		}
	}
	return found, nil
}

// document reads a JSON file, which is empty where there is none.
func (f finder) document(file string) (document, error) {
	data, err := f.site.read(file)
	if err != nil {
		return nil, err
	}
	return parseJSON(file, data)
}

// paths returns where a file may be, the weakest first.
func (f finder) paths(file tools.File, home string) []string {
	if rest, ok := strings.CutPrefix(file.Path, "./"); ok && file.Up {
		var all []string
		for _, dir := range f.site.upwards() {
			all = append(all, filepath.Join(dir, rest))
		}
		return all
	}
	if path := f.site.resolve(file.Path, home); path != "" {
		return []string{path}
	}
	return nil
}

// environment returns the settings of any program.
func (f finder) environment() []Setting {
	var settings []Setting
	for _, v := range tools.Environment() {
		settings = append(settings, f.variable(v))
	}
	return settings
}

// variable returns the setting of one variable of the environment.
func (f finder) variable(v tools.Variable) Setting {
	s := Setting{Name: v.Name, URL: f.site.env(v.Name), Dialect: v.Dialect, lever: lever{kind: byVariable, name: v.Name}}
	if s.URL != "" {
		s.Source = "environment " + v.Name
	}
	return s
}
