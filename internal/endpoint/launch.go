package endpoint

import (
	"strings"

	"github.com/weirhq/weir/internal/tools"
)

// apply adds the moves to a launch. What several share, as one inline
// configuration, is written once.
func (l *Launch) apply(t *tools.Tool, moves []move, g Gateway) {
	var openCode, claude, crush, cline, qwen document
	for _, m := range moves {
		switch m.lever.kind {
		case byVariable:
			l.setEnv(m.lever.name, m.to)
		case byOpenCode:
			openCode = m.lever.document(openCode)
			openCode.set(m.to, "provider", m.lever.name, "options", "baseURL")
		case byClaude:
			claude = m.lever.document(claude)
			claude.set(m.to, "env", m.lever.name)
			l.setEnv(m.lever.name, m.to)
		case byCodex, byCodexKey:
			l.codex(m)
		case byFlag:
			l.Args = without(l.Args, m.lever.name)
			l.prepend(m.lever.name, m.to)
		case byCrush:
			crush = m.lever.document(crush)
			crush.set(m.to, "providers", m.lever.name, "base_url")
		case byCline:
			cline = m.lever.document(cline)
			cline.set(m.to, "providers", m.lever.name, "settings", "baseUrl")
		case byQwen:
			qwen = m.lever.document(qwen)
			if entries, ok := qwen.object("modelProviders")[m.lever.name].([]any); ok {
				asDocument(entries[m.lever.index]).set(m.to, "baseUrl")
			}
		}
	}
	if openCode != nil {
		l.setEnv(openCodeInline, openCode.String())
	}
	if claude != nil {
		l.Args = without(l.Args, claudeFlag)
		l.prepend(claudeFlag, claude.String())
	}
	if crush != nil {
		l.crush(g, crush)
	}
	if qwen != nil {
		l.qwen(g, qwen)
	}
	if cline != nil {
		l.cline(g, cline, t.Point.Settings)
	}
}

// setEnv sets a variable.
func (l *Launch) setEnv(name, value string) { l.Env = append(l.Env, name+"="+value) }

// prepend puts arguments before the user's own.
func (l *Launch) prepend(args ...string) { l.Args = append(args, l.Args...) }

// document returns the one that was begun, else the user's own, which [Find] found
// to be well formed.
func (l lever) document(begun document) document {
	if begun != nil {
		return begun
	}
	if l.inline == nil {
		return document{}
	}
	doc, err := parseJSON("", []byte(*l.inline))
	if err != nil {
		return document{}
	}
	return doc
}

// flagValue returns the value of a flag among the arguments, the last one's.
func flagValue(args []string, flags ...string) (value string, ok bool) {
	for i := 0; i < len(args) && args[i] != "--"; i++ {
		for _, flag := range flags {
			if args[i] == flag && i+1 < len(args) {
				value, ok = args[i+1], true
			} else if v, has := strings.CutPrefix(args[i], flag+"="); has {
				value, ok = v, true
			}
		}
	}
	return value, ok
}

// without returns the arguments without a flag and its value.
func without(args []string, flag string) []string {
	var kept []string
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--":
			return append(kept, args[i:]...)
		case args[i] == flag:
			i++
		case !strings.HasPrefix(args[i], flag+"="):
			kept = append(kept, args[i])
		}
	}
	return kept
}
