package endpoint

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
)

// qwen finds Qwen Code's base URL: that of the model's own entry in the settings,
// else the flag's, else the environment's (into which it takes the first .env file
// that it finds, then "env" of its settings), else that of the settings.
func (f finder) qwen() ([]Setting, error) {
	sources, err := f.sources()
	if err != nil {
		return nil, err
	}
	env, err := f.qwenEnvironment(sources)
	if err != nil {
		return nil, err
	}
	last := func(keys ...string) (value, file string) {
		for _, src := range sources {
			if v := src.text(keys...); v != "" {
				value, file = v, src.file
			}
		}
		return value, file
	}
	kindOf, _ := last("security", "auth", "selectedType")
	if v, ok := flagValue(f.args, "--auth-type"); ok {
		kindOf = v
	}
	v := f.tool.Point.Variables[0]
	switch {
	case kindOf == "qwen-oauth", kindOf == "" && env["QWEN_OAUTH"].value != "":
		return []Setting{{Name: "login at Qwen", URL: "https://portal.qwen.ai/v1", Source: "built in", Dialect: provider.OpenAI,
			lever: lever{fixed: "has an endpoint of its own that weir does not serve: use a key, with --auth-type openai"}}}, nil
	case kindOf == "anthropic":
		v = tools.Variable{Name: "ANTHROPIC_BASE_URL", Dialect: provider.Anthropic}
	case kindOf == "gemini", kindOf == "vertex-ai":
		return []Setting{{Name: "login of the kind " + kindOf, Dialect: provider.OpenAI,
			lever: lever{fixed: "speaks an API that weir does not serve: use --auth-type openai"}}}, nil
	default:
		kindOf = "openai"
	}
	model, _ := last("model", "name")
	if model == "" {
		model = env["OPENAI_MODEL"].value
	}
	if m, ok := flagValue(f.args, "-m", "--model"); ok {
		model = m
	}
	for _, src := range slices.Backward(sources) {
		if settings, err := f.qwenModels(src, kindOf, model, v.Dialect, env); err != nil || settings != nil {
			return settings, err
		}
	}
	s := f.variable(v)
	if u, ok := flagValue(f.args, f.tool.Point.Flag); ok && kindOf == "openai" {
		s.URL, s.Source, s.lever = u, "argument "+f.tool.Point.Flag, lever{kind: byFlag, name: f.tool.Point.Flag}
		return []Setting{s}, nil
	}
	if e := env[v.Name]; e.value != "" {
		s.URL, s.Source = e.value, e.source
	} else if u, file := last("security", "auth", "baseUrl"); u != "" {
		s.URL, s.Source = u, file
	}
	return []Setting{s}, nil
}

// variableReference is a text that is all one variable: $NAME or ${NAME}.
var variableReference = lazily(`^\$(?:\{(\w+)\}|(\w+))$`)

// referred returns the variable that a text takes its value from.
func referred(text string) string {
	if m := variableReference().FindStringSubmatch(text); m != nil {
		return m[1] + m[2]
	}
	return ""
}

// qwenSystem is the file whose settings stand above all others.
const qwenSystem = "$QWEN_CODE_SYSTEM_SETTINGS_PATH|/etc/qwen-code/settings.json"

// qwenModels returns the base URLs of the models' own entries if the model in use
// has one: nothing but settings of the system overrides them, for which Qwen Code
// gets a file.
func (f finder) qwenModels(src source, kindOf, model string, d provider.Dialect, env map[string]variableValue) ([]Setting, error) {
	entries, _ := src.object("modelProviders")[kindOf].([]any)
	isUsed := func(entry any) bool {
		e := asDocument(entry)
		return e.text("id") == model && e.text("baseUrl") != ""
	}
	if !slices.ContainsFunc(entries, isUsed) {
		return nil, nil
	}
	system, err := f.document(f.site.resolve(qwenSystem, "/"))
	if err != nil {
		return nil, err
	}
	system["modelProviders"] = map[string]any(src.object("modelProviders"))
	text := system.String()
	var settings []Setting
	for i, entry := range entries {
		e := asDocument(entry)
		s := Setting{Name: "model " + e.text("id"), URL: e.text("baseUrl"), Source: src.file, Dialect: d}
		s.lever = lever{kind: byQwen, name: kindOf, index: i, inline: &text, room: "has a base URL of its own in " + src.file + ", which wins over all else: move it with `weir setup qwen`"}
		if n := referred(s.URL); n != "" {
			s.URL, s.lever = env[n].value, lever{kind: byVariable, name: n}
		}
		if s.URL != "" || s.lever.kind == byVariable {
			settings = append(settings, s)
		}
	}
	return settings, nil
}

// qwen writes the settings that stand above the user's.
func (l *Launch) qwen(g Gateway, doc document) {
	file := filepath.Join(g.Room, "qwen-settings.json")
	l.setEnv("QWEN_CODE_SYSTEM_SETTINGS_PATH", file)
	l.Files = append(l.Files, File{Path: file, Content: []byte(doc.String())})
}

// A variableValue is a variable's value and where it was set.
type variableValue struct{ value, source string }

// qwenEnvironment returns the variables as Qwen Code sees them. What a program
// before it has set, stays.
func (f finder) qwenEnvironment(sources []source) (map[string]variableValue, error) {
	env := map[string]variableValue{}
	for _, src := range sources {
		of := src.object("env")
		for _, n := range of.names() {
			env[n] = variableValue{of.text(n), src.file}
		}
	}
	for _, file := range f.qwenDotenv() {
		data, err := f.site.read(file)
		if err != nil {
			return nil, err
		}
		if data == nil {
			continue
		}
		doc := parseDotenv(data)
		for _, n := range doc.names() {
			env[n] = variableValue{doc.text(n), file}
		}
		break // the first one only
	}
	for _, e := range f.site.Env {
		if n, value, ok := strings.Cut(e, "="); ok {
			env[n] = variableValue{value, "environment " + n}
		}
	}
	return env, nil
}

// qwenDotenv returns the places of its .env file in the order in which it looks.
func (f finder) qwenDotenv() []string {
	own := f.site.resolve(f.tool.Point.Home, "")
	home := []string{filepath.Join(own, ".env"), filepath.Join(f.site.Home, ".env")}
	var files []string
	seen := false
	for dir := filepath.Clean(f.site.Dir); ; dir = filepath.Dir(dir) {
		if dir == filepath.Clean(f.site.Home) {
			files, seen = append(files, home...), true
		} else {
			files = append(files, filepath.Join(dir, ".qwen", ".env"), filepath.Join(dir, ".env"))
		}
		if filepath.Dir(dir) == dir {
			break
		}
	}
	if !seen {
		files = append(files, home...)
	}
	return files
}
