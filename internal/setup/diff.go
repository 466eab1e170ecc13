package setup

import (
	"regexp"
	"strings"
	"sync"

	udiff "github.com/aymanbagabas/go-udiff"
	"github.com/tailscale/hujson"

	"github.com/weirhq/weir/internal/jsonc"
)

// hidden stands for what is not shown.
const hidden = "•••"

// Diff returns a change as a unified diff. Secrets in it are hidden, in comments
// too.
func Diff(c *Change) string {
	from := c.File
	if c.Before == nil {
		from = "/dev/null"
	}
	return udiff.Unified(from, c.File, Mask(c.Before), Mask(c.After))
}

// Mask returns the text of a file with its secrets hidden.
func Mask(data []byte) string {
	text := string(data)
	if root, err := jsonc.Parse([]byte(strings.TrimPrefix(text, jsonc.ByteOrderMark))); err == nil {
		maskValue(&root, false)
		text = string(root.Pack())
	}
	// What the tree does not reach: comments, and files that are no JSON.
	text = secretMember().ReplaceAllStringFunc(text, func(found string) string {
		parts := secretMember().FindStringSubmatch(found)
		return parts[1] + maskString(parts[2], true) + parts[3]
	})
	return secretWord().ReplaceAllString(text, hidden)
}

var (
	secretName   = lazily(`(?i)(keys?$|api_?-?key|token|secret|passw|credential|authorization|cookie|bearer)`)
	secretMember = lazily(`(?i)((?:[\w-]*(?:api_?-?key|token|secret|passw|credential|authorization|cookie)[\w-]*)["']?\s*[:=]\s*["'])([^"'\n]+)(["'])`)
	secretWord   = lazily(`\b(sk-[A-Za-z0-9_-]{8,}|[0-9a-f]{32}\.[A-Za-z0-9]{8,}|gh[pousr]_[A-Za-z0-9]{16,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+)`)
	opaqueText   = lazily(`^[A-Za-z0-9_+=.-]{24,}$`)
	userInfo     = lazily(`://[^/@\s]+@`)
	queryPart    = lazily(`(\?[^\s"]*)`)
)

// maskValue hides the strings below a value: all of them if its name is one of a
// secret, else those that look like one.
func maskValue(v *hujson.Value, secret bool) {
	switch x := v.Value.(type) {
	case *hujson.Object:
		for i := range x.Members {
			name := x.Members[i].Name.Value.(hujson.Literal).String()
			maskValue(&x.Members[i].Value, secret || secretName().MatchString(name) || strings.EqualFold(name, "headers"))
		}
	case *hujson.Array:
		for i := range x.Elements {
			maskValue(&x.Elements[i], secret)
		}
	case hujson.Literal:
		if x.Kind() != '"' {
			return
		}
		s := x.String()
		if masked := maskString(s, secret); masked != s {
			v.Value = hujson.String(masked)
		}
	}
}

func maskString(s string, secret bool) string {
	switch {
	case s == "", strings.HasPrefix(s, "{env:"), strings.HasPrefix(s, "{file:"), strings.HasPrefix(s, "$") && !strings.ContainsAny(s, " ."):
		return s // where a secret is, not what
	case secret:
		return hidden
	case strings.Contains(s, "://"):
		return queryPart().ReplaceAllString(userInfo().ReplaceAllString(s, "://"+hidden+"@"), "?"+hidden)
	case opaqueText().MatchString(s) && strings.ContainsAny(s, "0123456789") && strings.ToLower(s) != strings.ToUpper(s):
		return hidden
	}
	return s
}

// lazily compiles an expression when it is first needed: most starts of weir need none.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
