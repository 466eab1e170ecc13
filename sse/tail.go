package sse

import "bytes"

// A Tail watches the bytes of an answer as they pass: has the stream come to
// its end, so that its connection may be closed cleanly, and how many frames
// were merged into others. It takes any pieces, down to single bytes, keeps
// less than a hundred bytes, allocates nothing and never fails.
//
// Write it the stream from its first byte on (what was held back as prelude,
// too) or from the start of an event. It knows the marks of all dialects and
// takes them from any, since providers mix them. A mark counts as the value of
// an event line that has its data or its blank line, as a whole data line, or
// as a member in its own place of the JSON of one data line; never inside a
// JSON string, and not before that JSON is complete: a stream that was cut in
// its last event has not ended.
//
// The zero Tail is ready to use. It must not be used concurrently.
type Tail struct {
	ended  bool // an end mark was seen
	merged int

	state state
	field field
	named bool // the event's name is an end mark
	json  scan // of the current data line

	n     int             // bytes of a token that began in an earlier Write
	token [tokenSize]byte // its first bytes
	last  [gluedSize]byte // the last bytes before this Write
}

const (
	// tokenSize is one more than the longest field name, mark or key, so that
	// a token which fills it is none of them.
	tokenSize = len("response.incomplete") + 1
	// gluedSize is the length of the start of a merged frame.
	gluedSize = len("data: {")
)

type state uint8

const (
	lineStart   state = iota
	lineFeed          // a CR ended the line, an LF may follow
	fieldName         // in the name of a field
	fieldValue        // after the colon of a field
	valueStart        // after the blank that may follow the colon
	eventName         // in the value of an event line
	doneMark          // in what may become "[DONE]"
	jsonOutside       // in a data line, outside a JSON string
	jsonString        // in a JSON string
	jsonEscape        // after a backslash in a JSON string
	jsonGlued         // after a string that ends as a merged frame starts
	skip              // in a line that does not matter
)

type field uint8

const (
	otherField field = iota
	dataField
	eventField
)

// Complete says whether an end mark was seen: "[DONE]", a finish reason that
// names one, message_stop, response.completed, response.incomplete,
// response.failed, response.cancelled or an error event. As for
// [Dialect.Read], a finish reason that is empty or "null" names none.
func (t *Tail) Complete() bool { return t.ended }

// Merged returns how many frames began inside the data line of another one, as
// Z.AI sometimes sends them: the text data: {" in a data line, where it cannot
// be the text of a JSON string.
func (t *Tail) Merged() int { return t.merged }

// Write looks at the next bytes of the stream. It keeps no reference to p.
//
// Nearly all lines come whole and carry no mark, which a search for a few
// bytes can tell. Only the others are read byte by byte.
func (t *Tail) Write(p []byte) {
	for i := 0; i < len(p); {
		switch t.state {
		case lineStart:
			if n := t.wholeLine(p[i:]); n > 0 {
				i += n
				continue
			}
			i = t.startLine(p, i)
		case jsonString:
			i = t.inString(p, i)
		case jsonOutside:
			i = t.outside(p, i)
		case jsonEscape:
			t.json.escaped = true
			t.state = jsonString
			if p[i] != '\n' && p[i] != '\r' {
				i++
			}
		case jsonGlued:
			i = t.afterGlue(p, i)
		default:
			i = t.inLine(p, i)
		}
	}
	if len(p) >= gluedSize {
		copy(t.last[:], p[len(p)-gluedSize:])
	} else {
		n := copy(t.last[:], t.last[len(p):])
		copy(t.last[n:], p)
	}
}

// wholeLine handles the line at the start of p and returns its length with its
// end. It returns 0 if the line goes on beyond p or needs a closer look.
func (t *Tail) wholeLine(p []byte) int {
	n := bytes.IndexByte(p, '\n')
	if n < 0 {
		return 0
	}
	line := p[:n]
	if i := bytes.IndexByte(line, '\r'); i >= 0 {
		if i != n-1 {
			return 0 // a lone CR ends a line, too
		}
		line = line[:i]
	}
	switch {
	case len(line) == 0:
		t.endEvent()
	case line[0] == ':':
	case bytes.HasPrefix(line, []byte("data:")):
		if mayMatter(line[len("data:"):]) {
			return 0
		}
		t.ended = t.ended || t.named
	case bytes.HasPrefix(line, []byte("event:")):
		t.named = isEnd(trimBlank(line[len("event:"):]))
	default:
		return 0
	}
	return n + 1
}

// mayMatter says whether v, the value of a data line, may hold an end mark or
// a merged frame. It may err on the side of true only.
func mayMatter(v []byte) bool {
	if len(v) > 1 && (v[0] == '[' || v[1] == '[') {
		return true // [DONE]
	}
	for from := 0; ; {
		i := bytes.IndexByte(v[from:], '{')
		if i < 0 {
			break
		}
		if bytes.HasSuffix(v[:from+i], []byte("data: ")) {
			return true // a merged frame
		}
		from += i + 1
	}
	// Each mark has one "o", and what follows it tells which mark it may be.
	for {
		i := bytes.IndexByte(v, 'o')
		if i < 0 || i+2 >= len(v) {
			return false
		}
		before, after := v[:i], v[i+1:]
		switch after[0] {
		case 'r':
			if after[1] == '"' && bytes.HasSuffix(before, []byte(`"err`)) {
				return true
			}
		case 'p':
			if after[1] == '"' && bytes.HasSuffix(before, []byte(`"message_st`)) {
				return true
			}
		case 'n':
			if after[1] == '"' && bytes.HasSuffix(before, []byte(`"finish_reas`)) &&
				!bytes.HasPrefix(after[2:], []byte(":null")) && !bytes.HasPrefix(after[2:], []byte(": null")) {
				return true
			}
			if after[1] == 's' && bytes.HasSuffix(before, []byte(`"resp`)) {
				kind, _, _ := bytes.Cut(v[i-len("resp"):], []byte{'"'})
				if isEnd(kind) {
					return true
				}
			}
		}
		v = after
	}
}

// startLine handles the first byte of a line.
func (t *Tail) startLine(p []byte, i int) int {
	switch p[i] {
	case '\n', '\r':
		t.endEvent()
		t.endLine(p[i])
		return i + 1
	case ':':
		t.state = skip
	default:
		t.n = 0
		t.state = fieldName
	}
	return i
}

// endLine handles the line end c.
func (t *Tail) endLine(c byte) {
	switch t.field {
	case eventField:
		t.named = t.state == eventName && isEnd(t.token[:t.n])
	case dataField:
		t.ended = t.ended || t.named
	}
	t.field = otherField
	t.state = lineStart
	if c == '\r' {
		t.state = lineFeed
	}
}

// endEvent handles a blank line.
func (t *Tail) endEvent() {
	t.ended = t.ended || t.named
	t.named = false
}

// inLine handles byte i of p in the states that are short or rare.
func (t *Tail) inLine(p []byte, i int) int {
	c := p[i]
	if t.state == lineFeed {
		t.state = lineStart
		if c == '\n' {
			i++
		}
		return i
	}
	if c == '\n' || c == '\r' {
		t.endLine(c)
		return i + 1
	}
	switch t.state {
	case fieldName:
		t.inName(c)
	case fieldValue, valueStart:
		if c == ' ' && t.state == fieldValue {
			t.state = valueStart
			break
		}
		t.startValue(c)
		return i
	case eventName:
		t.keep(c)
	case doneMark:
		const mark = "[DONE]"
		if c != mark[t.n] {
			t.json.depth = 1
			t.state = jsonOutside
			return i
		}
		if t.n++; t.n == len(mark) {
			t.ended = true
			t.state = skip
		}
	}
	return i + 1
}

// inName handles byte c of a field's name, or the colon after it.
func (t *Tail) inName(c byte) {
	if c != ':' {
		t.keep(c)
		return
	}
	t.state = skip
	switch string(t.token[:t.n]) {
	case "data", bom + "data":
		t.field, t.state = dataField, fieldValue
	case "event", bom + "event":
		t.field, t.state = eventField, fieldValue
	}
}

// startValue chooses the state for the value of a field that starts with c.
func (t *Tail) startValue(c byte) {
	t.n = 0
	t.json = scan{}
	switch {
	case t.field == eventField:
		t.state = eventName
	case c == '[':
		t.state = doneMark
	default:
		t.state = jsonOutside
	}
}

// keep adds c to the token.
func (t *Tail) keep(c byte) {
	if t.n < tokenSize {
		t.token[t.n] = c
		t.n++
	}
}

// isEnd says whether kind, the name or type of an event, marks the end of a
// stream.
func isEnd(kind []byte) bool {
	switch string(kind) {
	case "message_stop", "response.completed", "response.incomplete", "response.failed", "response.cancelled", "error":
		return true
	}
	return false
}
