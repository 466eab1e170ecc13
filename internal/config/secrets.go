package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/weirhq/weir/internal/yamlfile"
)

// secret reads what no message may repeat.
func (r *reader) secret(n ast.Node, what string) string {
	s := yamlfile.Scalar(n)
	if len(s) < 8 || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' }) {
		r.Fail(n, what+" is none", "give 8 characters or more without spaces; ${NAME} takes it from the environment")
		return ""
	}
	return s
}

func (r *reader) keys(n ast.Node) {
	r.config.Keys = map[string]string{}
	if _, ok := n.(*ast.MappingNode); !ok {
		r.Fail(n, "keys has no names", `give a key for each provider: {zai: "${ZAI_API_KEY}"}; key alone is for the first upstream`)
		return
	}
	r.Entries(n, "keys", r.hasKey, func(name string, n ast.Node) {
		r.config.Keys[name] = r.secret(n, "the key of "+name)
	})
}

// hasKey is isProvider for a name that may be a key which stands in the wrong place: it is
// repeated only if it looks like a name.
func (r *reader) hasKey(n ast.Node, name string) bool {
	if slices.Contains(r.names, name) || yamlfile.Nearest(name, r.names) != "" {
		return r.isProvider(n, name)
	}
	r.Fail(n, "a name in keys is no provider's", yamlfile.Suggest("", r.names))
	return false
}

func (r *reader) tokens(n ast.Node) {
	const least = 16
	l, ok := n.(*ast.SequenceNode)
	if !ok {
		r.Fail(n, "tokens is no list", `give a list: ["${TEAM_TOKEN}"]`)
		return
	}
	for i, n := range l.Values {
		what := fmt.Sprintf("token %d", i+1)
		s := r.secret(n, what)
		if s != "" && len(s) < least {
			r.Fail(n, fmt.Sprintf("%s has only %d characters", what, len(s)), fmt.Sprintf("give at least %d, such as openssl rand -hex 16 makes", least))
			continue
		}
		r.config.Tokens = append(r.config.Tokens, s)
	}
}
