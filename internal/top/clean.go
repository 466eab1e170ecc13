package top

import (
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"github.com/weirhq/weir/internal/dashboard"
)

// longest is how much of a text is kept, in bytes. What is longer is no name and no
// sentence.
const longest = 2000

// largest is the largest count that is believed.
const largest = 1_000_000_000

// cleanView makes all text of a view harmless, in place, and counts such as can be. It
// goes through every field there is, so that one which is added later is not forgotten.
func cleanView(v *dashboard.View) { cleanValue(reflect.ValueOf(v).Elem()) }

func cleanValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(clean(v.String()))
	case reflect.Int:
		v.SetInt(max(0, min(v.Int(), largest)))
	case reflect.Pointer:
		if !v.IsNil() {
			cleanValue(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			cleanValue(v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			cleanValue(v.Field(i))
		}
	}
}

// clean returns a text that is one line and does nothing to a terminal: no control or
// format characters, and none of which terminals disagree how wide they are.
func clean(s string) string {
	if isPlain(s) {
		return s
	}
	if len(s) > longest {
		s = s[:longest-len("…")] + "…"
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '?'
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsMark(r):
			return -1 // an accent of the letter before it
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s)
	if isSettled(s) {
		return s
	}
	return ascii(s)
}

// isSettled tells that the two ways in which terminals count columns, by characters as
// people see them and by code points, agree on a text, and on what stands beside it.
func isSettled(s string) bool {
	among := "x" + s + "x" // its ends may join with what is there
	return ansi.StringWidth(among) == ansi.StringWidthWc(among)
}

// isPlain tells that a text is short and of printable ASCII, as most are.
func isPlain(s string) bool {
	if len(s) > longest {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// asASCII are the signs that weir itself shows, for terminals that have no others.
var asASCII = map[rune]string{
	'▶': ">", '⧗': ":", '↻': "^", '✓': "+", '✗': "x", '×': "x", '▸': ">", '→': ">", '·': ".", '…': "~", '–': "-",
	'█': "#", '▒': "%", '░': ".", '─': "-", '━': "=", '│': "|", '└': "+", '├': "|", '┤': "|", '●': "o", '◆': "O", '■': "o",
	'▁': "_", '▂': "_", '▃': ".", '▄': ".", '▅': "o", '▆': "o", '▇': "O", '↑': "^", '↓': "v", '←': "<", '±': "+",
}

// ascii returns a text of the same width in ASCII alone.
func ascii(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch sign, known := asASCII[r]; {
		case r <= '~':
			b.WriteRune(r)
		case known:
			b.WriteString(sign)
		default:
			b.WriteString(strings.Repeat("?", ansi.StringWidth(string(r))))
		}
	}
	return b.String()
}
