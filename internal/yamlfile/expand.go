package yamlfile

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// reference is ${NAME}, and $${ which stands for ${ itself.
var reference = regexp.MustCompile(`\$\$\{|\$\{([^}]*)\}?`)

// bare is a reference between brackets without quotes, whose braces YAML takes for its
// own.
var bare = regexp.MustCompile(`(^|[^$])[\[{][^"']*\$\{`)

// bareReference tells whether a line, counted from 1, has one.
func bareReference(data []byte, line int) bool {
	lines := bytes.Split(data, []byte("\n"))
	return line >= 1 && line <= len(lines) && bare.Match(lines[line-1])
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Expand puts the values of variables in place of ${NAME}, in all values below n; keys
// stay as they are. A variable that is not set is a mistake. What comes from a variable
// may be secret: no message repeats it.
func (r *Reader) Expand(n ast.Node, lookup func(name string) (string, bool)) {
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			v.Value = r.expanded(v.Value, lookup)
		}
	case *ast.SequenceNode:
		for i := range n.Values {
			n.Values[i] = r.expanded(n.Values[i], lookup)
		}
	}
}

// expanded returns a value with its variables replaced.
func (r *Reader) expanded(n ast.Node, lookup func(string) (string, bool)) ast.Node {
	var text string
	switch s := n.(type) {
	case *ast.StringNode:
		text = s.Value
	case *ast.LiteralNode:
		text = s.Value.Value
	default:
		if n != nil {
			r.Expand(n, lookup)
		}
		return n
	}
	if !strings.Contains(text, "${") {
		return n
	}
	wrong := r.Wrong()
	full := reference.ReplaceAllStringFunc(text, func(ref string) string { return r.value(n, ref, lookup) })
	if r.Wrong() > wrong {
		return n
	}
	return r.replace(n, full, reference.FindString(text) == strings.TrimSpace(text))
}

// value returns what a reference stands for.
func (r *Reader) value(n ast.Node, ref string, lookup func(string) (string, bool)) string {
	if ref == "$${" {
		return "${"
	}
	name, ok := strings.CutSuffix(ref[2:], "}")
	if !ok || !variable.MatchString(name) {
		r.Fail(n, Short(ref)+" names no variable", "write ${NAME}, or $${ for the two characters themselves")
		return ""
	}
	value, ok := lookup(name)
	if !ok {
		r.Fail(n, "the variable "+name+" is not set", "set it in the environment of weir, or write the value here")
		return ""
	}
	return value
}

// replace returns a node with another text. A variable alone may be a number, with
// quotes around it too, which the braces need in places.
func (r *Reader) replace(n ast.Node, text string, alone bool) ast.Node {
	fresh := ast.Node(nil)
	if alone {
		if f, err := parser.ParseBytes([]byte(text), 0); err == nil && len(f.Docs) == 1 {
			switch v := f.Docs[0].Body.(type) {
			case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
				fresh = v
			}
		}
	}
	tk := *n.GetToken()
	if fresh == nil {
		fresh = &ast.StringNode{BaseNode: &ast.BaseNode{}, Token: &tk, Value: text}
	} else {
		*fresh.GetToken().Position = *tk.Position
	}
	if r.hidden == nil {
		r.hidden = map[ast.Node]string{}
	}
	r.hidden[fresh] = Short(strings.TrimSpace(tk.Value))
	return fresh
}

// Variables returns the names of the variables that a text refers to, in order.
func Variables(text string) []string {
	var names []string
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		if variable.MatchString(m[1]) {
			names = append(names, m[1])
		}
	}
	return names
}
