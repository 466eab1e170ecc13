package sse

import (
	"encoding/binary"
	"math/bits"
)

// scan is what a [Tail] knows of the JSON of the data line that it is in.
type scan struct {
	depth   int  // open brackets
	key     key  // the last string, if it may be a key that counts
	want    key  // the key whose value comes next
	ending  bool // an end mark was seen, but the JSON is not complete
	escaped bool // the string has an escape, so it is no mark
	glued   bool // "data:" was seen outside a string
}

// key is a member of an event's JSON that can carry an end mark.
type key uint8

const (
	noKey     key = iota
	typeKey       // "type" of the event
	errorKey      // "error" of the event
	finishKey     // "finish_reason" of a choice
)

// outside handles the bytes of JSON from i up to a string or the line's end.
func (t *Tail) outside(p []byte, i int) int {
	j := &t.json
	for ; i < len(p); i++ {
		switch c := p[i]; c {
		case '"':
			t.n, j.escaped = 0, false
			t.state = jsonString
			if j.glued && j.depth == 1 && t.endsWith(p, i, "data: {") {
				t.merged++
			}
			j.glued = false
			return i + 1
		case '{', '[':
			j.value(c)
			j.depth++
		case '}', ']':
			j.key, j.want = noKey, noKey
			if j.depth--; j.depth <= 0 {
				j.depth = 0
				t.ended = t.ended || j.ending || t.named
			}
		case ':':
			j.want, j.key = j.key, noKey
			if t.endsWith(p, i, "data") {
				// No JSON has that: a frame may have been merged into it.
				*j = scan{glued: true}
			}
		case ',':
			j.key, j.want = noKey, noKey
		case '\n', '\r':
			t.endLine(c)
			return i + 1
		default:
			if j.want != noKey {
				j.value(c)
			}
		}
	}
	return i
}

// value handles the first byte of a value that is not a string.
func (j *scan) value(c byte) {
	switch {
	case c == ' ' || c == '\t':
		return
	case c == 'n' || c == 'f': // null, false
	case j.want == errorKey || j.want == finishKey:
		j.ending = true
	}
	j.want = noKey
}

// inString handles the bytes of a JSON string from i up to its end, an escape
// or the line's end.
func (t *Tail) inString(p []byte, i int) int {
	start := i
	for {
		i = plain(p, i)
		if i == len(p) {
			t.carry(p[start:i])
			return i
		}
		switch c := p[i]; c {
		case '"':
			token := p[start:i]
			if t.n > 0 {
				t.carry(token)
				token = t.token[:t.n]
			}
			t.state = jsonOutside
			t.json.endString(token)
			if t.endsWith(p, i, "data: {") {
				t.state = jsonGlued
			}
			return i + 1
		case '\\':
			t.carry(p[start:i])
			t.state = jsonEscape
			return i + 1
		case '\n', '\r':
			t.endLine(c)
			return i + 1
		}
		i++ // a control character that JSON does not allow, but harmless
	}
}

// carry adds b to the token.
func (t *Tail) carry(b []byte) {
	t.n += copy(t.token[t.n:], b)
}

// endString handles the end of a JSON string: a key, or the value of one.
func (j *scan) endString(token []byte) {
	want := j.want
	j.key, j.want = noKey, noKey
	switch {
	case want == typeKey:
		j.ending = j.ending || !j.escaped && isEnd(token)
	case want != noKey:
		// An empty string names no reason and no error.
		if j.escaped || len(token) > 0 && string(token) != "null" {
			j.ending = true
		}
	case j.escaped:
	case j.depth == 1 && string(token) == "type":
		j.key = typeKey
	case j.depth == 1 && string(token) == "error":
		j.key = errorKey
	case j.depth == 3 && string(token) == "finish_reason":
		j.key = finishKey
	}
}

// afterGlue handles byte i, which follows a string that ends in data: {. In
// JSON a string is followed by punctuation; anything else is the first key of
// a frame that was merged into this one.
func (t *Tail) afterGlue(p []byte, i int) int {
	switch p[i] {
	case ',', ':', '}', ']', ' ', '\t', '\n', '\r':
		t.state = jsonOutside
		return i
	}
	t.merged++
	t.json = scan{depth: 1}
	t.n = 0
	t.state = jsonString
	return i
}

// endsWith says whether the bytes of the stream before p[i] end in s, which
// has at most gluedSize bytes.
func (t *Tail) endsWith(p []byte, i int, s string) bool {
	if i >= len(s) {
		return string(p[i-len(s):i]) == s
	}
	before := len(s) - i
	return string(t.last[gluedSize-before:]) == s[:before] && string(p[:i]) == s[before:]
}

// plain returns the index, from i on, of the first byte of p that is a quote,
// a backslash or a control character, or len(p). It looks at eight bytes at a
// time: a byte less than a bound borrows into its highest bit; the first byte
// that is flagged is right, and only that one is used.
func plain(p []byte, i int) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	for ; i+8 <= len(p); i += 8 {
		x := binary.LittleEndian.Uint64(p[i:])
		quote := x ^ '"'*ones
		slash := x ^ '\\'*ones
		found := ((x - ' '*ones) &^ x) | ((quote - ones) &^ quote) | ((slash - ones) &^ slash)
		if found &= highs; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(p); i++ {
		if c := p[i]; c < ' ' || c == '"' || c == '\\' {
			break
		}
	}
	return i
}
