package scenario

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

const (
	maxDepth  = 16   // brackets in brackets, dashes on one line
	maxKeys   = 1000 // of one mapping
	maxErrors = 20   // told at once
)

// A reader takes values out of a YAML tree and collects what is wrong. Its methods
// return the zero value for what is wrong.
type reader struct {
	file   string
	errors []*Error
}

// fields are the keys that a mapping may have, each with what reads its value.
type fields []field

type field struct {
	key  string
	read func(ast.Node)
}

// document returns the root of the only document, nil if there is none to read.
func (r *reader) document(data []byte) ast.Node {
	if len(data) > maxFile {
		r.failAt(1, 1, "the file is larger than 64 KiB", "make it smaller")
		return nil
	}
	if max(bytes.Count(data, []byte("\n")), bytes.Count(data, []byte("\r"))) > maxLines {
		r.failAt(maxLines+1, 1, fmt.Sprintf("the file has more than %d lines", maxLines), "make it shorter")
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
		r.failAt(line, column, "this is no YAML: "+strings.ReplaceAll(what, "\n", " "), "mend it here or just before")
		return nil
	}
	var root ast.Node
	for _, d := range file.Docs {
		if root != nil && d.Body != nil {
			r.fail(d.Body, "a file is one document, and here begins a second", "put it into a file of its own")
			return nil
		}
		if d.Body != nil {
			root = d.Body
		}
	}
	if root != nil {
		return root
	}
	r.failAt(1, 1, "the file is empty", "describe a provider and its load; docs/scenarios.md has an example")
	return nil
}

// plain looks through the tokens for what a scenario has no use for, most of which
// could make a small file large or deep.
func (r *reader) plain(tokens token.Tokens) bool {
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
			r.failAt(t.Position.Line, t.Position.Column, what, "write the values out, as docs/scenarios.md shows")
			return false
		}
	}
	return true
}

func (r *reader) failInvalid(data []byte) {
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
	r.failAt(line, column, "this is no UTF-8", "save the file as UTF-8")
}

// fine tells whether nothing is wrong so far; what is compared may then be believed.
func (r *reader) fine() bool { return len(r.errors) == 0 }

func (r *reader) failAt(line, column int, what, do string) {
	if len(r.errors) < maxErrors {
		r.errors = append(r.errors, &Error{File: r.file, Line: line, Column: column, What: what, Do: do})
	}
}

func (r *reader) fail(n ast.Node, what, do string) {
	p := position(n)
	r.failAt(p.Line, p.Column, what, do)
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

func keyOf(v *ast.MappingValueNode) string {
	if s, ok := v.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return v.Key.GetToken().Value
}

// mapping reads a mapping that has only the known keys, and returns its values; nil
// if it is none.
func (r *reader) mapping(n ast.Node, what string, known fields) map[string]ast.Node {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		r.fail(n, fmt.Sprintf("%s is %s", what, describe(n)), "give keys and values: "+known.list())
		return nil
	}
	if !r.few(m, what) {
		return nil
	}
	values := map[string]ast.Node{}
	for _, v := range m.Values {
		key := keyOf(v)
		i := slices.IndexFunc(known, func(f field) bool { return f.key == key })
		switch {
		case i < 0:
			r.fail(v, fmt.Sprintf("%s has no key %q", what, short(key)), known.suggest(key))
		case r.twice(m, v):
		case r.valued(v, key):
			values[key] = v.Value
			known[i].read(v.Value)
		default:
			values[key] = v.Value
		}
	}
	return values
}

// few tells whether the mapping has no more keys than anybody writes, and complains
// if it has.
func (r *reader) few(m *ast.MappingNode, what string) bool {
	if len(m.Values) <= maxKeys {
		return true
	}
	r.fail(m.Values[maxKeys], fmt.Sprintf("%s has %d keys", what, len(m.Values)), fmt.Sprintf("give at most %d", maxKeys))
	return false
}

// twice tells whether the key came before in the mapping, and complains if so.
func (r *reader) twice(m *ast.MappingNode, v *ast.MappingValueNode) bool {
	for _, other := range m.Values {
		if other == v {
			return false
		}
		if keyOf(other) == keyOf(v) {
			r.fail(v, fmt.Sprintf("%s is given twice", short(keyOf(v))), fmt.Sprintf("keep this or that of line %d", position(other).Line))
			return true
		}
	}
	return false
}

// valued tells whether the key has a value, and complains if not.
func (r *reader) valued(v *ast.MappingValueNode, key string) bool {
	if _, null := v.Value.(*ast.NullNode); v.Value == nil || null {
		r.fail(v, key+" has no value", "give one, or leave the key out")
		return false
	}
	return true
}

// needs complains about each of the keys that is not there.
func (r *reader) needs(n ast.Node, what string, values map[string]ast.Node, keys ...string) {
	for _, key := range keys {
		if values != nil && values[key] == nil {
			r.fail(n, fmt.Sprintf("%s has no %s", what, key), "add "+key)
		}
	}
}

// only complains about each of the others that is there beside the key.
func (r *reader) only(values map[string]ast.Node, key string, others ...string) {
	for _, other := range others {
		if n := values[other]; n != nil {
			r.fail(n, fmt.Sprintf("%s does not go with %s", other, key), "leave one of them out")
		}
	}
}

func (r *reader) list(n ast.Node, what string, most int) []ast.Node {
	l, ok := n.(*ast.SequenceNode)
	if !ok {
		r.fail(n, fmt.Sprintf("%s is %s", what, describe(n)), "give a list: [..., ...], or a line with a dash for each entry")
		return nil
	}
	if len(l.Values) > most {
		r.fail(l.Values[most], fmt.Sprintf("%s has %d entries", what, len(l.Values)), fmt.Sprintf("give at most %d", most))
		return nil
	}
	return l.Values
}

// text reads a name.
func (r *reader) text(n ast.Node, what string) string {
	s, ok := n.(*ast.StringNode)
	if !ok {
		r.fail(n, fmt.Sprintf("%s is %s", what, describe(n)), "give text, in quotes if it looks like something else")
		return ""
	}
	if !r.name(n, what, s.Value) {
		return ""
	}
	return s.Value
}

func (r *reader) oneOf(n ast.Node, what string, choices ...string) string {
	s, _ := n.(*ast.StringNode)
	if s == nil || !slices.Contains(choices, s.Value) {
		r.fail(n, fmt.Sprintf("%s is %s", what, describe(n)), "give one of "+strings.Join(choices, ", "))
		return ""
	}
	return s.Value
}

func (r *reader) flag(n ast.Node, what string) bool {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		r.fail(n, fmt.Sprintf("%s is %s", what, describe(n)), "give true or false")
		return false
	}
	return b.Value
}

func (r *reader) number(n ast.Node, what string, least, most float64) float64 {
	var x float64
	err := strconv.ErrSyntax
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		x, err = strconv.ParseFloat(n.GetToken().Value, 64)
	}
	if err != nil || !(x >= least && x <= most) {
		r.fail(n, fmt.Sprintf("%s is %s", what, describe(n)), fmt.Sprintf("give a number from %s to %s", decimal(least), decimal(most)))
		return 0
	}
	return x
}

func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

func (r *reader) count(n ast.Node, what string, least, most int) int {
	var x int
	err := strconv.ErrSyntax
	if _, ok := n.(*ast.IntegerNode); ok {
		x, err = strconv.Atoi(n.GetToken().Value)
	}
	if err != nil || x < least || x > most {
		r.fail(n, fmt.Sprintf("%s is %s", what, describe(n)), fmt.Sprintf("give a whole number from %d to %d", least, most))
		return 0
	}
	return x
}

// countRange reads a number, or a range of numbers.
func (r *reader) countRange(n ast.Node, what string, least, most int) (low, high int) {
	if s, ok := n.(*ast.StringNode); ok {
		from, to, isRange := strings.Cut(s.Value, "..")
		a, errA := strconv.Atoi(strings.TrimSpace(from))
		b, errB := strconv.Atoi(strings.TrimSpace(to))
		if isRange && errA == nil && errB == nil && least <= a && a <= b && b <= most {
			return a, b
		}
		r.fail(n, fmt.Sprintf("%s is %s", what, describe(n)), fmt.Sprintf("give a whole number or a range such as 1..6, from %d to %d, the lower first", least, most))
		return 0, 0
	}
	low = r.count(n, what, least, most)
	return low, low
}

// duration reads one duration, at least so long.
func (r *reader) duration(n ast.Node, what string, least time.Duration) time.Duration {
	d, ok := parseDuration(scalar(n))
	if !ok {
		r.fail(n, fmt.Sprintf("%s is %s", what, describe(n)), "give a duration with a unit: 300ms, 30s, 10m, 1h30m")
		return 0
	}
	if d < least || d > maxDuration {
		r.fail(n, fmt.Sprintf("%s is %v", what, d), fmt.Sprintf("give a duration from %s to %s", brief(least), brief(maxDuration)))
		return 0
	}
	return d
}

// brief is a duration without parts that are 0.
func brief(d time.Duration) string {
	s := d.String()
	if d >= time.Minute {
		s = strings.TrimSuffix(s, "0s")
	}
	if d >= time.Hour {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func parseDuration(s string) (time.Duration, bool) {
	d, err := time.ParseDuration(strings.TrimSpace(s))
	return d, err == nil
}

// scalar returns the text of a plain value, empty for others.
func scalar(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value
	}
	return ""
}

// dist reads a distribution in any of its forms, whose mean is at least so long.
func (r *reader) dist(n ast.Node, what string, least time.Duration) Dist {
	d := r.form(n, what)
	if mean := d.Average(); d.Kind != Absent && mean < least {
		r.fail(n, fmt.Sprintf("%s is %s on average", what, brief(mean)), fmt.Sprintf("give at least %s", brief(least)))
		return Dist{}
	}
	return d
}

func (r *reader) form(n ast.Node, what string) Dist {
	const forms = "give a duration 300ms, a range 1s..3s, {median: 12s, sigma: 0.8, min: 2s, max: 90s} or {mean: 20s}"
	if m, ok := n.(*ast.MappingNode); ok {
		return r.longForm(m, what)
	}
	text := scalar(n)
	from, to, isRange := strings.Cut(text, "..")
	if !isRange {
		to = from
	}
	a, okA := parseDuration(from)
	b, okB := parseDuration(to)
	switch {
	case !okA || !okB:
		r.fail(n, fmt.Sprintf("%s is %s", what, describe(n)), forms)
	case a < 0 || b > maxDuration:
		r.fail(n, fmt.Sprintf("%s is %s", what, short(text)), fmt.Sprintf("give durations from 0s to %s", brief(maxDuration)))
	case a > b:
		r.fail(n, fmt.Sprintf("%s is %s", what, short(text)), "put the shorter end first")
	case a == b:
		return Dist{Kind: Constant, Mean: a}
	default:
		return Dist{Kind: Uniform, Min: a, Max: b}
	}
	return Dist{}
}

func (r *reader) longForm(m *ast.MappingNode, what string) Dist {
	if slices.ContainsFunc(m.Values, func(v *ast.MappingValueNode) bool { return keyOf(v) == "mean" }) {
		d := Dist{Kind: Exponential}
		r.mapping(m, what, fields{{"mean", func(n ast.Node) { d.Mean = r.duration(n, "mean", 0) }}})
		return d
	}
	d := Dist{Kind: LogNormal}
	wrong := len(r.errors)
	k := r.mapping(m, what, fields{
		{"median", func(n ast.Node) { d.Mean = r.duration(n, "median", time.Microsecond) }},
		{"sigma", func(n ast.Node) { d.Sigma = r.number(n, "sigma", 0.01, 5) }},
		{"min", func(n ast.Node) { d.Min = r.duration(n, "min", 0) }},
		{"max", func(n ast.Node) { d.Max = r.duration(n, "max", time.Microsecond) }},
		{"mean", nil}, // to be suggested
	})
	r.needs(m, what, k, "median", "sigma")
	if len(r.errors) > wrong {
		return Dist{}
	}
	if d.Mean < d.Min || d.Max > 0 && d.Mean > d.Max {
		r.fail(k["median"], fmt.Sprintf("the median of %s is not between min and max", what), "move one of them")
		return Dist{}
	}
	return d
}

// describe says what a value is, for messages.
func describe(n ast.Node) string {
	switch n := n.(type) {
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.LiteralNode:
		return "a block of text"
	case *ast.StringNode:
		return strconv.Quote(short(n.Value))
	case *ast.NullNode:
		return "nothing"
	}
	return short(n.GetToken().Value)
}

// short cuts a text to what a message has room for.
func short(s string) string {
	const most = 40
	if utf8.RuneCountInString(s) > most {
		return string([]rune(s)[:most]) + "…"
	}
	return s
}

func (f fields) list() string {
	var keys []string
	for _, k := range f {
		keys = append(keys, k.key)
	}
	return strings.Join(keys, ", ")
}

// suggest returns what to do about an unknown key.
func (f fields) suggest(key string) string {
	best, least := "", 3
	if len(key) <= 40 {
		for _, k := range f {
			if d := distance(key, k.key); d < least && 3*d <= len(k.key) {
				best, least = k.key, d
			}
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	if len(f) == 1 {
		return fmt.Sprintf("the only one is %s", f[0].key)
	}
	return "those it has are " + f.list()
}

// distance returns how many letters must be put in, taken out, changed or swapped
// with their neighbour to make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, row[j]+1, last[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
