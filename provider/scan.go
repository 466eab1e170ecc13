package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// Errors of ScanObject.
var (
	// ErrNotObject says that the scanned bytes do not begin with a JSON object.
	ErrNotObject = errors.New("not a JSON object")
	// ErrCutShort says that the bytes end before the object does.
	ErrCutShort = errors.New("JSON object cut short")
	// ErrMalformed says that the object breaks JSON's grammar at its top level.
	ErrMalformed = errors.New("malformed JSON object")
)

// ScanObject calls visit for each member of the JSON object that b begins with,
// in order and with duplicates, until visit returns false. The key comes without
// its quotes, the value as it stands; both are parts of b and still escaped.
//
// It looks at the top level only and skips what lies below without checking it,
// strings at the speed of [bytes.IndexByte], and it allocates nothing. Bytes after
// the object are ignored. What visit saw before an error was there: an object that
// is cut short still shows its whole members. The error is nil when visit ended
// the scan.
func ScanObject(b []byte, visit func(key, value []byte) bool) error {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return ErrNotObject
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return nil
	}
	for {
		if i >= len(b) {
			return ErrCutShort
		}
		if b[i] != '"' {
			return ErrMalformed
		}
		end := skipString(b, i)
		if end < 0 {
			return ErrCutShort
		}
		key := b[i+1 : end-1]
		if i = skipSpace(b, end); i >= len(b) {
			return ErrCutShort
		}
		if b[i] != ':' {
			return ErrMalformed
		}
		i = skipSpace(b, i+1)
		end = skipValue(b, i)
		if end < 0 {
			return ErrCutShort
		}
		if end == i {
			return ErrMalformed
		}
		value := b[i:end]
		if i = skipSpace(b, end); i >= len(b) && !closed(value) {
			return ErrCutShort // a number or word may go on
		}
		if !visit(key, value) {
			return nil
		}
		switch {
		case i >= len(b):
			return ErrCutShort
		case b[i] == '}':
			return nil
		case b[i] != ',':
			return ErrMalformed
		}
		i = skipSpace(b, i+1)
	}
}

// closed reports whether a value shows its own end, as strings, arrays and
// objects do.
func closed(value []byte) bool {
	switch value[len(value)-1] {
	case '"', ']', '}':
		return true
	}
	return false
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string that starts at b[i], or -1.
func skipString(b []byte, i int) int {
	from := i + 1
	for {
		n := bytes.IndexByte(b[from:], '"')
		if n < 0 {
			return -1
		}
		quote := from + n
		// The quote ends the string unless an odd number of backslashes stands
		// before it. None of them lies before from: there is a quote.
		slashes := 0
		for quote-slashes > from && b[quote-slashes-1] == '\\' {
			slashes++
		}
		from = quote + 1
		if slashes%2 == 0 {
			return from
		}
	}
}

// skipValue returns the index after the value that starts at b[i], i if there is
// none, or -1 if it does not end.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		return skipNested(b, i)
	}
	for i < len(b) {
		switch b[i] {
		case ',', '}', ']', ' ', '\n', '\t', '\r', ':', '"', '{', '[':
			return i
		}
		i++
	}
	return i
}

// skipNested returns the index after the object or array that starts at b[i], or
// -1. It counts brackets without telling their kinds apart.
func skipNested(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = skipString(b, i); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}

// RequestFields returns what weir needs of a request body: the model that it
// names and whether it asks for a stream. Of a repeated key the last one counts,
// as with encoding/json; a model that is no string counts as none. A body that is
// not a whole JSON object gives "" and false. Safe for concurrent use.
func RequestFields(body []byte) (model string, stream bool) {
	return ScanRequest(body, func(_, _ []byte) {})
}

// ScanRequest is [RequestFields] that shows each member to visit on the way, so that a
// body is looked at only once. What visit sees of a body that turns out not to be a
// whole object was there all the same.
func ScanRequest(body []byte, visit func(key, value []byte)) (model string, stream bool) {
	var name, wants []byte
	err := ScanObject(body, func(key, value []byte) bool {
		switch {
		case isKey(key, "model"):
			name = value
		case isKey(key, "stream"):
			wants = value
		default:
			visit(key, value)
		}
		return true
	})
	if err != nil {
		return "", false
	}
	return unquote(name), string(wants) == "true"
}

// isKey reports whether a raw key spells name, escaped or not.
func isKey(key []byte, name string) bool {
	if bytes.IndexByte(key, '\\') < 0 {
		return string(key) == name
	}
	if len(key) > 6*len(name) { // longer than the name with all of it as \u00XX
		return false
	}
	quoted := make([]byte, 0, 64)
	quoted = append(append(append(quoted, '"'), key...), '"')
	return unquote(quoted) == name
}

// unquote returns the text of a raw JSON string, "" if raw is none.
func unquote(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	inner := raw[1 : len(raw)-1]
	if plain(inner) {
		return string(inner)
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// plain reports whether a string's inside stands for itself.
func plain(inner []byte) bool {
	for _, c := range inner {
		if c < ' ' || c == '\\' || c == '"' {
			return false
		}
	}
	return utf8.Valid(inner)
}
