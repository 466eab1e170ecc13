// Package jsonc reads JSON with comments and trailing commas as people write it into
// configuration files, and says where one is broken without a word of what is in it:
// it may hold keys.
package jsonc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// ByteOrderMark may stand before a text; [Parse] wants it without.
const ByteOrderMark = "\ufeff"

// maxBrackets bounds how deep the parser can go: it calls itself for each level, and
// a program whose stack is full dies.
const maxBrackets = 50_000

// An Error is what is wrong with a text, and where. Lines and columns count from one,
// columns in characters, as editors do.
type Error struct {
	Line, Column int
	Reason       string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Reason) }

// Parse reads one value. What is wrong is an [*Error].
func Parse(text []byte) (hujson.Value, error) {
	if n := tooMany(text); n >= 0 {
		return hujson.Value{}, ErrorAt(text, n, "more brackets than a configuration file has")
	}
	v, err := hujson.Parse(text)
	if err == nil {
		return v, nil
	}
	// The parser's own words may quote the text: only its position is used. The message
	// begins "hujson: line 3, column 14: ".
	e := &Error{Line: 1, Column: 1, Reason: "the JSON is broken here"}
	_, _ = fmt.Sscanf(err.Error(), "hujson: line %d, column %d:", &e.Line, &e.Column)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		e.Reason = "the JSON ends too early"
	}
	e.Column = characters(text, e.Line, e.Column)
	return hujson.Value{}, e
}

// ErrorAt returns the error at a byte of the text.
func ErrorAt(text []byte, offset int, reason string) *Error {
	line := 1 + bytes.Count(text[:offset], []byte("\n"))
	column := offset - bytes.LastIndexByte(text[:offset], '\n')
	return &Error{Line: line, Column: characters(text, line, column), Reason: reason}
}

// tooMany returns where a text has more opening brackets than are read, or -1.
func tooMany(text []byte) int {
	count := 0
	for i, c := range text {
		if c == '{' || c == '[' {
			if count++; count > maxBrackets {
				return i
			}
		}
	}
	return -1
}

// characters turns a column in bytes into one in characters.
func characters(text []byte, line, column int) int {
	rest := text
	for ; line > 1; line-- {
		_, rest, _ = bytes.Cut(rest, []byte("\n"))
	}
	return 1 + utf8.RuneCount(rest[:min(column-1, len(rest))])
}
