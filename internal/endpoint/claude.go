package endpoint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
)

const (
	claudeFlag     = "--settings"
	claudeVariable = "ANTHROPIC_BASE_URL"
)

// claudeManaged are the files of the machine's owner; nothing stands above them.
var claudeManaged = []string{"/etc/claude-code/managed-settings.json", "/Library/Application Support/ClaudeCode/managed-settings.json"}

// claude finds Claude Code's base URL. Variables in its settings win over those of
// the environment, the project's over the user's, and --settings over both.
func (f finder) claude() ([]Setting, error) {
	s := Setting{Name: claudeVariable, Dialect: provider.Anthropic, lever: lever{kind: byClaude, name: claudeVariable}}
	effective := map[string]string{}
	take := func(env document, from string) {
		for _, n := range env.names() {
			effective[n] = env.text(n)
		}
		if u := env.text(claudeVariable); u != "" {
			s.URL, s.Source = u, from
		}
	}
	for _, n := range slices.Concat(f.tool.Point.Elsewhere, []string{claudeVariable}, f.tool.Point.Builtin[0].Keys) {
		if v := f.site.env(n); v != "" {
			take(document{n: v}, "environment "+n)
		}
	}
	sources, err := f.sources()
	if err != nil {
		return nil, err
	}
	for _, src := range sources {
		take(src.object("env"), src.file)
	}
	if value, ok := flagValue(f.args, claudeFlag); ok {
		doc, err := f.claudeSettings(value)
		if err != nil {
			return nil, err
		}
		text := doc.String()
		s.lever.inline = &text
		take(doc.object("env"), "argument "+claudeFlag)
	}
	for _, file := range claudeManaged {
		data, err := f.site.read(file)
		if err != nil || data == nil {
			continue // not ours to judge; Claude Code says it itself
		}
		doc, err := parse(file, data, tools.JSONC)
		if err != nil {
			return nil, err
		}
		if doc.text("env", claudeVariable) != "" {
			s.lever.fixed = "is set by " + file + ", above which nothing stands: ask who manages this machine"
		}
		take(doc.object("env"), file)
	}
	for _, n := range f.tool.Point.Elsewhere {
		if tools.On(effective[n]) {
			return []Setting{{Name: n, Source: n, Dialect: provider.Anthropic, lever: lever{fixed: fmt.Sprintf("sends its calls to a cloud that weir does not know: unset %s first", n)}}}, nil
		}
	}
	if s.URL == "" {
		s.URL, s.Source = f.tool.Point.Builtin[0].Base, "built in"
		s.lever.free = !isAnthropicKey(effective["ANTHROPIC_AUTH_TOKEN"]) && !isAnthropicKey(effective["ANTHROPIC_API_KEY"]) &&
			effective["ANTHROPIC_AUTH_TOKEN"]+effective["ANTHROPIC_API_KEY"] != ""
	}
	return []Setting{s}, nil
}

// isAnthropicKey tells whether a key is Anthropic's own, which no other vendor may
// see.
func isAnthropicKey(key string) bool { return strings.HasPrefix(key, "sk-ant-") }

// claudeSettings reads what the user gave with --settings: JSON or a file.
func (f finder) claudeSettings(value string) (document, error) {
	if strings.HasPrefix(strings.TrimSpace(value), "{") {
		doc, err := parseJSON(claudeFlag, []byte(value))
		if err != nil {
			return nil, &StuckError{Text: "the argument " + err.Error()}
		}
		return doc, nil
	}
	file := f.site.absolute(value)
	data, err := f.site.Read(file)
	if err != nil {
		return nil, &StuckError{Text: fmt.Sprintf("the file of its argument %s cannot be read: %v", claudeFlag, err)}
	}
	return parseJSON(file, data)
}
