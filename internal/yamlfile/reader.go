// Package yamlfile reads YAML strictly: each value by what it must be, unknown keys with
// a suggestion, and all that is wrong at once with its line and column. What could make
// a small file large or deep (anchors, tags, directives) is not read.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What a file may have at most.
const (
	// MaxFile is in bytes: the parser takes quadratic time on odd files.
	MaxFile   = 64 << 10
	MaxLines  = 4_000 // and more on blank lines
	maxDepth  = 16    // brackets in brackets, dashes on one line
	maxKeys   = 1000  // of one mapping
	MaxErrors = 20    // told at once
	// MaxDuration is the longest that is read.
	MaxDuration = 10 * 365 * 24 * time.Hour
)

// A Reader takes values out of a YAML tree and collects what is wrong. Its methods
// return the zero value for what is wrong. It is for one goroutine.
type Reader struct {
	File  string // what messages call the file
	Page  string // of the documentation that shows how such a file is written
	Empty string // what to do about an empty file; empty: it may be so

	errors []*Error
	hidden map[ast.Node]string // values from elsewhere, which may be secret, with what stands in the file
}

// Fields are the keys that a mapping may have, each with what reads its value; nil: the
// key is only suggested.
type Fields []Field

// A Field is one of them.
type Field = struct {
	Key  string
	Read func(ast.Node)
}

// Document returns the root of the only document, nil if there is none to read.
func (r *Reader) Document(data []byte) ast.Node {
	if len(data) > MaxFile {
		r.FailAt(1, 1, "the file is larger than 64 KiB", "make it smaller")
		return nil
	}
	if max(bytes.Count(data, []byte("\n")), bytes.Count(data, []byte("\r"))) > MaxLines {
		r.FailAt(MaxLines+1, 1, fmt.Sprintf("the file has more than %d lines", MaxLines), "make it shorter")
		return nil
	}
	if !utf8.Valid(data) {
		r.failInvalid(data)
		return nil
	}
	tokens := lexer.Tokenize(string(data))
	if !r.plain(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		line, column, what := 1, 1, err.Error()
		if syntax, ok := errors.AsType[*yaml.SyntaxError](err); ok {
			what = syntax.Message
			if syntax.Token != nil && syntax.Token.Position != nil {
				line, column = syntax.Token.Position.Line, syntax.Token.Position.Column
			}
		}
		do := "mend it here or just before"
		if bareReference(data, line) {
			do = "put quotes around ${NAME} between brackets"
		}
		r.FailAt(line, column, "this is no YAML: "+strings.ReplaceAll(what, "\n", " "), do)
		return nil
	}
	var root ast.Node
	for _, d := range file.Docs {
		if root != nil && d.Body != nil {
			r.Fail(d.Body, "a file is one document, and here begins a second", "put it into a file of its own")
			return nil
		}
		if d.Body != nil {
			root = d.Body
		}
	}
	if root != nil {
		return root
	}
	if r.Empty != "" {
		r.FailAt(1, 1, "the file is empty", r.Empty)
	}
	return nil
}

// plain looks through the tokens for what such a file has no use for, most of which
// could make a small file large or deep.
func (r *Reader) plain(tokens token.Tokens) bool {
	depth, dashes, line := 0, 0, 0
	for _, t := range tokens {
		what := ""
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			what = "anchors, aliases and merge keys are not read"
		case token.TagType:
			what = "tags are not read"
		case token.MappingKeyType:
			what = "keys after a question mark are not read"
		case token.DirectiveType:
			what = "directives are not read"
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType:
			if t.Position.Line != line {
				line, dashes = t.Position.Line, 0
			}
			dashes++
		}
		if depth > maxDepth || dashes > maxDepth {
			what = "this is nested too deeply"
		}
		if what != "" {
			r.FailAt(t.Position.Line, t.Position.Column, what, "write the values out, as "+r.Page+" shows")
			return false
		}
	}
	return true
}

func (r *Reader) failInvalid(data []byte) {
	before := data
	for rest := data; len(rest) > 0; {
		c, n := utf8.DecodeRune(rest)
		if c == utf8.RuneError && n == 1 {
			before = data[:len(data)-len(rest)]
			break
		}
		rest = rest[n:]
	}
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	r.FailAt(line, column, "this is no UTF-8", "save the file as UTF-8")
}

// Wrong returns how many mistakes were found so far.
func (r *Reader) Wrong() int { return len(r.errors) }

// Fine tells whether nothing is wrong so far; what is compared may then be believed.
func (r *Reader) Fine() bool { return len(r.errors) == 0 }

// FailAt notes that something is wrong at a place, and what to do about it.
func (r *Reader) FailAt(line, column int, what, do string) {
	if len(r.errors) < MaxErrors {
		r.errors = append(r.errors, &Error{File: r.File, Line: line, Column: column, What: what, Do: do})
	}
}

// Fail is FailAt for a value.
func (r *Reader) Fail(n ast.Node, what, do string) {
	p := position(n)
	r.FailAt(p.Line, p.Column, what, do)
}

// Place returns file:line:column of a value.
func (r *Reader) Place(n ast.Node) string {
	p := position(n)
	return fmt.Sprintf("%s:%d:%d", r.File, p.Line, p.Column)
}

// position returns where a node begins; a block mapping says where its first colon is.
func position(n ast.Node) *token.Position {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return position(n.Values[0])
		}
	case *ast.MappingValueNode:
		return position(n.Key)
	}
	return n.GetToken().Position
}

// Key returns the text of a key.
func Key(v *ast.MappingValueNode) string {
	if s, ok := v.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return v.Key.GetToken().Value
}

// Mapping reads a mapping that has only the known keys, and returns its values; nil
// if it is none.
func (r *Reader) Mapping(n ast.Node, what string, known Fields) map[string]ast.Node {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		r.Fail(n, fmt.Sprintf("%s is %s", what, r.Describe(n)), "give keys and values: "+known.list())
		return nil
	}
	if !r.few(m, what) {
		return nil
	}
	values := map[string]ast.Node{}
	for _, v := range m.Values {
		key := Key(v)
		i := slices.IndexFunc(known, func(f Field) bool { return f.Key == key })
		switch {
		case i < 0:
			r.Fail(v, fmt.Sprintf("%s has no key %q", what, Short(key)), known.suggest(key))
		case r.twice(m, v):
		case r.valued(v, key):
			values[key] = v.Value
			known[i].Read(v.Value)
		default:
			values[key] = v.Value
		}
	}
	return values
}

// Entries reads a mapping with keys of the user's own, each once; wanted complains about
// those that may not be. False: it is no mapping, or has too many keys.
func (r *Reader) Entries(n ast.Node, what string, wanted func(key ast.Node, name string) bool, read func(name string, value ast.Node)) bool {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		r.Fail(n, fmt.Sprintf("%s is %s", what, r.Describe(n)), "give names and values")
		return false
	}
	if !r.few(m, what) {
		return false
	}
	for _, v := range m.Values {
		name := Key(v)
		if r.twice(m, v) || !wanted(v.Key, name) || !r.valued(v, name) {
			continue
		}
		read(name, v.Value)
	}
	return true
}

// few tells whether the mapping has no more keys than anybody writes, and complains
// if it has.
func (r *Reader) few(m *ast.MappingNode, what string) bool {
	if len(m.Values) <= maxKeys {
		return true
	}
	r.Fail(m.Values[maxKeys], fmt.Sprintf("%s has %d keys", what, len(m.Values)), fmt.Sprintf("give at most %d", maxKeys))
	return false
}

// twice tells whether the key came before in the mapping, and complains if so.
func (r *Reader) twice(m *ast.MappingNode, v *ast.MappingValueNode) bool {
	for _, other := range m.Values {
		if other == v {
			return false
		}
		if Key(other) == Key(v) {
			r.Fail(v, fmt.Sprintf("%s is given twice", Short(Key(v))), fmt.Sprintf("keep this or that of line %d", position(other).Line))
			return true
		}
	}
	return false
}

// valued tells whether the key has a value, and complains if not.
func (r *Reader) valued(v *ast.MappingValueNode, key string) bool {
	if _, null := v.Value.(*ast.NullNode); v.Value == nil || null {
		r.Fail(v, key+" has no value", "give one, or leave the key out")
		return false
	}
	return true
}

// Needs complains about each of the keys that is not there.
func (r *Reader) Needs(n ast.Node, what string, values map[string]ast.Node, keys ...string) {
	for _, key := range keys {
		if values != nil && values[key] == nil {
			r.Fail(n, fmt.Sprintf("%s has no %s", what, key), "add "+key)
		}
	}
}

// Only complains about each of the others that is there beside the key.
func (r *Reader) Only(values map[string]ast.Node, key string, others ...string) {
	for _, other := range others {
		if n := values[other]; n != nil {
			r.Fail(n, fmt.Sprintf("%s does not go with %s", other, key), "leave one of them out")
		}
	}
}

// List reads a list of at most so many entries.
func (r *Reader) List(n ast.Node, what string, most int) []ast.Node {
	l, ok := n.(*ast.SequenceNode)
	if !ok {
		r.Fail(n, fmt.Sprintf("%s is %s", what, r.Describe(n)), "give a list: [..., ...], or a line with a dash for each entry")
		return nil
	}
	if len(l.Values) > most {
		r.Fail(l.Values[most], fmt.Sprintf("%s has %d entries", what, len(l.Values)), fmt.Sprintf("give at most %d", most))
		return nil
	}
	return l.Values
}

// OneOf reads a word of a few.
func (r *Reader) OneOf(n ast.Node, what string, choices ...string) string {
	s, _ := n.(*ast.StringNode)
	if s == nil || !slices.Contains(choices, s.Value) {
		r.Fail(n, fmt.Sprintf("%s is %s", what, r.Describe(n)), "give one of "+strings.Join(choices, ", "))
		return ""
	}
	return s.Value
}

// Flag reads true or false.
func (r *Reader) Flag(n ast.Node, what string) bool {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		r.Fail(n, fmt.Sprintf("%s is %s", what, r.Describe(n)), "give true or false")
		return false
	}
	return b.Value
}

// Number reads a number between two others.
func (r *Reader) Number(n ast.Node, what string, least, most float64) float64 {
	var x float64
	err := strconv.ErrSyntax
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		x, err = strconv.ParseFloat(n.GetToken().Value, 64)
	}
	if err != nil || !(x >= least && x <= most) {
		r.Fail(n, fmt.Sprintf("%s is %s", what, r.Describe(n)), fmt.Sprintf("give a number from %s to %s", decimal(least), decimal(most)))
		return 0
	}
	return x
}

func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// Count reads a whole number between two others.
func (r *Reader) Count(n ast.Node, what string, least, most int) int {
	var x int
	err := strconv.ErrSyntax
	if _, ok := n.(*ast.IntegerNode); ok {
		x, err = strconv.Atoi(n.GetToken().Value)
	}
	if err != nil || x < least || x > most {
		r.Fail(n, fmt.Sprintf("%s is %s", what, r.Describe(n)), fmt.Sprintf("give a whole number from %d to %d", least, most))
		return 0
	}
	return x
}

// Duration reads one duration, at least so long.
func (r *Reader) Duration(n ast.Node, what string, least time.Duration) time.Duration {
	d, ok := ParseDuration(Scalar(n))
	if !ok {
		r.Fail(n, fmt.Sprintf("%s is %s", what, r.Describe(n)), "give a duration with a unit: 300ms, 30s, 10m, 1h30m")
		return 0
	}
	if d < least || d > MaxDuration {
		shown := d.String()
		if r.Hidden(n) {
			shown = r.Describe(n)
		}
		r.Fail(n, fmt.Sprintf("%s is %s", what, shown), fmt.Sprintf("give a duration from %s to %s", Brief(least), Brief(MaxDuration)))
		return 0
	}
	return d
}

// Brief is a duration without parts that are 0.
func Brief(d time.Duration) string {
	s := d.String()
	if rest, ok := strings.CutSuffix(s, "m0s"); ok {
		s = rest + "m"
	}
	if rest, ok := strings.CutSuffix(s, "h0m"); ok {
		s = rest + "h"
	}
	return s
}

// ParseDuration reads a duration with a unit.
func ParseDuration(s string) (time.Duration, bool) {
	d, err := time.ParseDuration(strings.TrimSpace(s))
	return d, err == nil
}

// Scalar returns the text of a plain value, empty for others.
func Scalar(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value
	}
	return ""
}
