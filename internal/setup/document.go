package setup

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"

	"github.com/weirhq/weir/internal/jsonc"
)

// A BrokenError is a file that its own tool could not read either.
type BrokenError struct {
	File         string
	Line, Column int
	Reason       string
}

// Error implements error.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s; the file is left as it is: mend it, then try again", e.File, e.Line, e.Column, e.Reason)
}

// A document is a JSON file with comments and trailing commas. What is not set
// stays byte for byte.
type document struct {
	file    string
	text    []byte // as parsed, without the mark
	mark    bool   // it begins with a byte order mark
	fresh   bool   // there was nothing in it
	newline string // as the file ends its lines
	unit    string // of indentation
	root    hujson.Value
	changed bool
}

func parseDocument(file string, data []byte) (*document, error) {
	d := &document{file: file, newline: "\n", unit: "  "}
	d.text, d.mark = bytes.CutPrefix(data, []byte(jsonc.ByteOrderMark))
	if bytes.Contains(d.text, []byte("\r\n")) {
		d.newline = "\r\n"
	}
	if len(bytes.TrimSpace(d.text)) == 0 {
		d.fresh = true
		d.text = []byte("{}" + d.newline)
	}
	if n := utf8Fault(d.text); n >= 0 {
		return nil, d.errorAt(n, "the text is not UTF-8")
	}
	var err error
	if d.root, err = jsonc.Parse(d.text); err != nil {
		var broken *jsonc.Error
		if errors.As(err, &broken) {
			err = d.broken(broken)
		}
		return nil, err
	}
	if _, ok := d.root.Value.(*hujson.Object); !ok {
		return nil, d.errorAt(d.root.StartOffset, "an object in braces should stand here")
	}
	d.unit = d.indentation()
	return d, nil
}

// broken says where a file is broken.
func (d *document) broken(e *jsonc.Error) error {
	return &BrokenError{File: d.file, Line: e.Line, Column: e.Column, Reason: e.Reason}
}

func (d *document) errorAt(offset int, reason string) error {
	return d.broken(jsonc.ErrorAt(d.text, offset, reason))
}

// utf8Fault returns where a text stops to be UTF-8, or -1.
func utf8Fault(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// bytes returns the document as it is now.
func (d *document) bytes() []byte {
	out := d.root.Pack()
	if d.mark {
		out = append([]byte(jsonc.ByteOrderMark), out...)
	}
	return out
}

// indentation returns what the first member of the root is indented with.
func (d *document) indentation() string {
	members := d.root.Value.(*hujson.Object).Members
	if len(members) == 0 {
		return d.unit
	}
	if line, ok := lastLine(members[0].Name.BeforeExtra); ok && line != "" {
		return line
	}
	return d.unit
}

// lastLine returns the white space at the end of an extra after its last line
// break, if it has one.
func lastLine(extra hujson.Extra) (string, bool) {
	i := bytes.LastIndexByte(extra, '\n')
	if i < 0 {
		return "", false
	}
	line := string(extra[i+1:])
	return line[len(strings.TrimRight(line, " \t")):], true
}

// member returns the member of that name. Of several the last one counts, as it
// does for those who read the file.
func member(v *hujson.Value, name string) *hujson.Value {
	o, ok := v.Value.(*hujson.Object)
	if !ok {
		return nil
	}
	for i := len(o.Members) - 1; i >= 0; i-- {
		if o.Members[i].Name.Value.(hujson.Literal).String() == name {
			return &o.Members[i].Value
		}
	}
	return nil
}

// at returns the value at a path of member names and element numbers, or nil.
func (d *document) at(path ...any) *hujson.Value {
	v := &d.root
	for _, step := range path {
		switch step := step.(type) {
		case string:
			v = member(v, step)
		case int:
			v = &v.Value.(*hujson.Array).Elements[step]
		}
		if v == nil {
			return nil
		}
	}
	return v
}

// stringAt returns the string at a path; empty if there is none.
func (d *document) stringAt(path ...any) string {
	v := d.at(path...)
	if v == nil || v.Value.Kind() != '"' {
		return ""
	}
	return v.Value.(hujson.Literal).String()
}

// names returns the names of an object's members in order, each once.
func (d *document) names(path ...any) []string {
	v := d.at(path...)
	if v == nil {
		return nil
	}
	o, ok := v.Value.(*hujson.Object)
	if !ok {
		return nil
	}
	var all []string
	seen := map[string]bool{}
	for _, m := range o.Members {
		name := m.Name.Value.(hujson.Literal).String()
		if !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	return all
}

// length returns the number of an array's elements.
func (d *document) length(path ...any) int {
	v := d.at(path...)
	if v == nil {
		return 0
	}
	a, ok := v.Value.(*hujson.Array)
	if !ok {
		return 0
	}
	return len(a.Elements)
}

// set writes a string at a path and makes the objects on the way that are missing.
// It tells whether that changes anything.
func (d *document) set(text string, path ...any) (bool, error) {
	v := &d.root
	indent := ""
	for i, step := range path {
		if index, ok := step.(int); ok {
			v = &v.Value.(*hujson.Array).Elements[index]
			continue
		}
		name := step.(string)
		o, ok := v.Value.(*hujson.Object)
		if !ok {
			return false, d.errorAt(v.StartOffset, fmt.Sprintf("%v should be an object in braces", path[i-1]))
		}
		next := member(v, name)
		if next == nil {
			d.changed = true
			return true, d.insert(o, indent, name, text, path[i+1:])
		}
		indent = d.indentOf(o, indent)
		v = next
	}
	if v.Value.Kind() == '"' && v.Value.(hujson.Literal).String() == text {
		return false, nil
	}
	if k := v.Value.Kind(); k == '{' || k == '[' {
		return false, d.errorAt(v.StartOffset, fmt.Sprintf("%v should be a string", path[len(path)-1]))
	}
	v.Value = hujson.String(text)
	d.changed = true
	return true, nil
}

// indentOf returns the indentation of an object's members, given that of the line
// which it begins on.
func (d *document) indentOf(o *hujson.Object, outer string) string {
	if len(o.Members) > 0 {
		for _, m := range o.Members {
			if line, ok := lastLine(m.Name.BeforeExtra); ok {
				return line
			}
		}
	}
	return outer + d.unit
}

// insert adds a member at the end of an object, in the object's own style. Comments
// that stand behind the last member stay there.
func (d *document) insert(o *hujson.Object, outer, name, text string, rest []any) error {
	inner := d.indentOf(o, outer)
	lines := d.manyLines(o)
	value, err := hujson.Parse([]byte(d.render(text, rest, inner, lines)))
	if err != nil {
		return fmt.Errorf("%s: a new member cannot be written: %w", d.file, err)
	}
	value.BeforeExtra = hujson.Extra(" ")
	if !lines && len(o.Members) > 0 && len(o.Members[0].Value.BeforeExtra) == 0 {
		value.BeforeExtra = nil // {"a":1}
	}
	head := bytes.TrimRight(o.AfterExtra, " \t\r\n")
	tail := o.AfterExtra[len(head):]
	m := hujson.ObjectMember{Name: hujson.Value{Value: hujson.String(name)}, Value: value}
	switch {
	case lines:
		m.Name.BeforeExtra = hujson.Extra(string(head) + d.newline + inner)
		if !bytes.Contains(tail, []byte("\n")) {
			tail = []byte(d.newline + outer)
		}
	case len(o.Members) > 0:
		space := " "
		if len(o.Members) > 1 {
			space = string(o.Members[1].Name.BeforeExtra)
			if strings.Trim(space, " ") != "" {
				space = " "
			}
		}
		m.Name.BeforeExtra = hujson.Extra(string(head) + space)
	default:
		m.Name.BeforeExtra = hujson.Extra(head)
	}
	if n := len(o.Members); n > 0 && o.Members[n-1].Value.AfterExtra != nil {
		m.Value.AfterExtra = hujson.Extra{} // the comma at the end stays
	}
	o.Members = append(o.Members, m)
	o.AfterExtra = hujson.Extra(tail)
	return nil
}

// manyLines tells whether an object's members stand on lines of their own.
func (d *document) manyLines(o *hujson.Object) bool {
	if bytes.Contains(o.AfterExtra, []byte("\n")) {
		return true
	}
	for _, m := range o.Members {
		if bytes.Contains(m.Name.BeforeExtra, []byte("\n")) {
			return true
		}
	}
	if len(o.Members) > 0 {
		return false
	}
	// An empty object: as the file does elsewhere.
	return d.fresh || bytes.Contains(bytes.TrimSpace(d.text), []byte("\n")) || len(bytes.TrimSpace(d.text)) == 2
}

// render writes the string inside new objects, one for each step.
func (d *document) render(text string, path []any, indent string, lines bool) string {
	if len(path) == 0 {
		return string(hujson.String(text))
	}
	name := string(hujson.String(path[0].(string)))
	if !lines {
		return fmt.Sprintf("{%s: %s}", name, d.render(text, path[1:], indent, lines))
	}
	inner := indent + d.unit
	return "{" + d.newline + inner + name + ": " + d.render(text, path[1:], inner, lines) + d.newline + indent + "}"
}
