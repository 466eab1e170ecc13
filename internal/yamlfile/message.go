package yamlfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// Describe says what a value is, for messages. One that does not stand in the file
// itself is called by what does.
func (r *Reader) Describe(n ast.Node) string {
	if text, ok := r.hidden[n]; ok {
		return text
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.LiteralNode:
		return "a block of text"
	case *ast.StringNode:
		return strconv.Quote(Short(n.Value))
	case *ast.NullNode:
		return "nothing"
	}
	return Short(n.GetToken().Value)
}

// Hidden tells whether a value must not be repeated.
func (r *Reader) Hidden(n ast.Node) bool { _, ok := r.hidden[n]; return ok }

// Short cuts a text to what a message has room for.
func Short(s string) string {
	const most = 40
	if utf8.RuneCountInString(s) > most {
		return string([]rune(s)[:most]) + "…"
	}
	return s
}

func (f Fields) list() string { return strings.Join(f.keys(), ", ") }

func (f Fields) keys() []string {
	var keys []string
	for _, k := range f {
		keys = append(keys, k.Key)
	}
	return keys
}

// suggest returns what to do about an unknown key.
func (f Fields) suggest(key string) string {
	if best := Nearest(key, f.keys()); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	if len(f) == 1 {
		return fmt.Sprintf("the only one is %s", f[0].Key)
	}
	return "those it has are " + f.list()
}

// Suggest returns what to do about a name that is none of those that there are.
func Suggest(name string, names []string) string {
	if best := Nearest(name, names); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "those that there are: " + strings.Join(names, ", ")
}

// Nearest returns the word that somebody has misspelt, empty if none is near.
func Nearest(word string, words []string) string {
	best, least := "", 3
	if len(word) > 40 {
		return ""
	}
	for _, w := range words {
		if d := distance(word, w); d < least && 3*d <= len(w) {
			best, least = w, d
		}
	}
	return best
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

// An Error is one mistake in a file.
type Error struct {
	File         string
	Line, Column int    // from 1
	What         string // is wrong
	Do           string // what to do about it
}

// Error returns file:line:column: what; what to do.
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s; %s", e.File, e.Line, e.Column, e.What, e.Do)
}

// Err returns what was wrong, in the order of the file.
func (r *Reader) Err() error {
	slices.SortStableFunc(r.errors, func(a, b *Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	var all []error
	for _, e := range r.errors {
		all = append(all, e)
	}
	return errors.Join(all...)
}
