package endpoint

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
)

const openCodeInline = "OPENCODE_CONFIG_CONTENT"

// openCode finds the base URLs of OpenCode's providers: those that its files name,
// and those that it has by itself and for which there is a key.
func (f finder) openCode() ([]Setting, error) {
	sources, err := f.sources()
	if err != nil {
		return nil, err
	}
	own := f.site.env(openCodeInline)
	doc, err := parseJSON("environment "+openCodeInline, []byte(own))
	if err != nil {
		return nil, err
	}
	sources = append(sources, source{doc, "environment " + openCodeInline})
	found := map[string]*Setting{}
	for _, b := range f.tool.Point.Builtin {
		found[b.Name] = &Setting{Name: "provider " + b.Name, URL: b.Base, Source: "built in", Dialect: b.Dialect}
	}
	logins, err := f.openCodeLogins()
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, b := range f.tool.Point.Builtin {
		if logins[b.Name] != "" || slices.ContainsFunc(b.Keys, func(k string) bool { return f.site.env(k) != "" }) {
			wanted[b.Name] = true
		}
	}
	unclear := logins.has("wellknown")
	for _, src := range sources {
		for _, id := range src.object("provider").names() {
			wanted[id] = true
			s := found[id]
			if s == nil {
				s = &Setting{Name: "provider " + id, Dialect: provider.OpenAI}
				found[id] = s
			}
			if npm := src.text("provider", id, "npm"); npm != "" {
				s.Dialect = openCodeDialect(npm)
			}
			if base := src.text("provider", id, "options", "baseURL"); base != "" {
				u, ok := f.substitute(base, src.file)
				s.URL, s.Source = u, src.file
				unclear = unclear || !ok
			}
		}
	}
	if unclear {
		f.askOpenCode(found, wanted)
	}
	var settings []Setting
	for _, id := range openCodeOrder(f.tool, wanted) {
		s := found[id]
		if s.URL == "" {
			continue // its endpoint is in its package; the file names only models or keys
		}
		s.lever = lever{kind: byOpenCode, name: id, inline: &own, version: true}
		if id == "openai" && logins[id] == "oauth" && s.Source == "built in" {
			s.URL, s.lever.fixed = "https://chatgpt.com/backend-api/codex", "is logged in with ChatGPT, whose endpoint weir does not serve: use an API key"
		}
		settings = append(settings, *s)
	}
	return settings, nil
}

// openCodeOrder returns the providers: the built-in ones in the table's order, then
// the user's own by name.
func openCodeOrder(t *tools.Tool, wanted map[string]bool) []string {
	var order, own []string
	for _, b := range t.Point.Builtin {
		if wanted[b.Name] {
			order = append(order, b.Name)
		}
	}
	for id := range wanted {
		if !slices.Contains(order, id) {
			own = append(own, id)
		}
	}
	slices.Sort(own)
	return append(order, own...)
}

// openCodeDialect returns what the package of a provider speaks.
func openCodeDialect(npm string) provider.Dialect {
	switch npm {
	case "@ai-sdk/anthropic":
		return provider.Anthropic
	case "@ai-sdk/openai":
		return provider.Responses
	default:
		return provider.OpenAI
	}
}

// OpenCodeLogins names the providers that OpenCode keeps credentials for at the site.
// The credentials themselves are not taken.
func OpenCodeLogins(site Site) ([]string, error) {
	kinds, err := finder{site: site}.openCodeLogins()
	return slices.Sorted(maps.Keys(kinds)), err
}

// logins are the kinds of the credentials that OpenCode keeps, by provider.
type logins map[string]string

func (l logins) has(kind string) bool {
	for _, k := range l {
		if k == kind {
			return true
		}
	}
	return false
}

// openCodeLogins reads for which providers OpenCode keeps credentials. Only their
// kind is taken, never a key.
func (f finder) openCodeLogins() (logins, error) {
	file := f.site.resolve("$XDG_DATA_HOME/opencode/auth.json|~/.local/share/opencode/auth.json", "")
	doc, err := f.document(file)
	if err != nil {
		return nil, err
	}
	kinds := logins{}
	for _, id := range doc.names() {
		kinds[id] = "key"
		if kind := doc.text(id, "type"); kind != "" {
			kinds[id] = kind
		}
	}
	return kinds, nil
}

var openCodeSubstitution = lazily(`\{(env|file):([^}]+)\}`)

// substitute puts in what a base URL takes from a variable or a file. It is false
// where that cannot be read.
func (f finder) substitute(text, file string) (string, bool) {
	ok := true
	text = openCodeSubstitution().ReplaceAllStringFunc(text, func(match string) string {
		parts := openCodeSubstitution().FindStringSubmatch(match)
		if parts[1] == "env" {
			return f.site.env(parts[2])
		}
		path := parts[2]
		if !filepath.IsAbs(path) && !strings.HasPrefix(path, "~") {
			path = filepath.Join(filepath.Dir(file), path)
		}
		data, err := f.site.Read(f.site.absolute(path))
		ok = ok && err == nil
		return strings.TrimSpace(string(data))
	})
	return text, ok
}

// openCodePatience is how long OpenCode may take to say what its configuration is.
const openCodePatience = 5 * time.Second

// askOpenCode lets OpenCode itself say what its files leave open. What it does not
// say stays as the files have it.
func (f finder) askOpenCode(found map[string]*Setting, wanted map[string]bool) {
	ctx, cancel := context.WithTimeout(f.ctx, openCodePatience)
	defer cancel()
	out, err := f.site.Ask(ctx, f.tool.Programs[0], "debug", "config")
	if err != nil {
		return
	}
	doc, err := parseJSON("", out)
	if err != nil {
		return
	}
	for _, id := range doc.object("provider").names() {
		base := doc.text("provider", id, "options", "baseURL")
		if base == "" {
			continue
		}
		if found[id] == nil {
			found[id] = &Setting{Name: "provider " + id, Dialect: openCodeDialect(doc.text("provider", id, "npm"))}
		}
		wanted[id] = true
		found[id].URL, found[id].Source = base, fmt.Sprintf("%s debug config", f.tool.Programs[0])
	}
}

// lazily compiles an expression when it is first needed: most starts of weir need none.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
