package journal

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// packed is an attempt as the file has it; moments are relative to the request's start.
type packed struct {
	Start      int64  `json:"s"`
	End        *int64 `json:"e,omitempty"`
	InFlight   int    `json:"n,omitempty"`
	Verdict    string `json:"v,omitempty"`
	Code       string `json:"c,omitempty"`
	ProviderID string `json:"i,omitempty"`
}

// pack writes the attempts of a request as the JSON of [packed]; empty: there were none.
// It is called for every request, so it does without reflection.
func pack(r Request) string {
	if len(r.Attempts) == 0 {
		return ""
	}
	out := make([]byte, 0, 64*len(r.Attempts))
	from := micros(r.Start)
	for i, a := range r.Attempts {
		out = append(out, ",{\"s\":"...)
		if i == 0 {
			out[0] = '['
		}
		out = strconv.AppendInt(out, micros(a.Start)-from, 10)
		if !a.End.IsZero() {
			out = strconv.AppendInt(append(out, `,"e":`...), micros(a.End)-from, 10)
		}
		if a.InFlight != 0 {
			out = strconv.AppendInt(append(out, `,"n":`...), int64(a.InFlight), 10)
		}
		out = appendText(out, `,"v":`, a.Verdict)
		out = appendText(out, `,"c":`, a.Code)
		out = append(appendText(out, `,"i":`, a.ProviderID), '}')
	}
	return string(append(out, ']'))
}

// appendText writes a member, unless it is empty.
func appendText(out []byte, name, text string) []byte {
	switch {
	case text == "":
		return out
	case isPlain(text):
		return append(append(append(append(out, name...), '"'), text...), '"')
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return out // a text can always be written
	}
	return append(append(out, name...), quoted...)
}

// isPlain tells a text that stands in JSON as it is.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// unpack is the reverse of pack.
func unpack(text string, start int64) ([]Attempt, error) {
	if text == "" {
		return nil, nil
	}
	if attempts, ok := unpackPlain(text, start); ok {
		return attempts, nil
	}
	return unpackJSON(text, start)
}

func unpackJSON(text string, start int64) ([]Attempt, error) {
	var all []packed
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("attempts: %w", err)
	}
	attempts := make([]Attempt, len(all))
	for i, p := range all {
		attempts[i] = Attempt{Start: moment(start + p.Start), InFlight: p.InFlight, Verdict: p.Verdict, Code: p.Code, ProviderID: p.ProviderID}
		if p.End != nil {
			attempts[i].End = moment(start + *p.End)
		}
	}
	return attempts, nil
}

// unpackPlain reads what pack writes, as long as its texts are plain ASCII without escapes,
// which they mostly are: what is read often is read fast. False: it is for a reader of all JSON.
func unpackPlain(text string, start int64) ([]Attempt, bool) {
	c := cursor{rest: text}
	c.must("[")
	attempts := []Attempt{c.attempt(start)}
	for c.took(",") {
		attempts = append(attempts, c.attempt(start))
	}
	c.must("]")
	return attempts, !c.lost && c.rest == ""
}

// A cursor goes through a text, and is lost when something else comes than it knows.
type cursor struct {
	rest string
	lost bool
}

func (c *cursor) attempt(start int64) (a Attempt) {
	c.must(`{"s":`)
	a.Start = moment(start + c.number())
	if c.took(`,"e":`) {
		a.End = moment(start + c.number())
	}
	if c.took(`,"n":`) {
		a.InFlight = int(c.number())
	}
	if c.took(`,"v":"`) {
		a.Verdict = c.text()
	}
	if c.took(`,"c":"`) {
		a.Code = c.text()
	}
	if c.took(`,"i":"`) {
		a.ProviderID = c.text()
	}
	c.must("}")
	return a
}

func (c *cursor) took(s string) bool {
	rest, ok := strings.CutPrefix(c.rest, s)
	c.rest = rest
	return ok && !c.lost
}

func (c *cursor) must(s string) {
	if !c.took(s) {
		c.lost = true
	}
}

// number reads a whole number of at most 18 digits.
func (c *cursor) number() (n int64) {
	negative := c.took("-")
	i := 0
	for ; i < len(c.rest) && i < 18 && c.rest[i] >= '0' && c.rest[i] <= '9'; i++ {
		n = 10*n + int64(c.rest[i]-'0')
	}
	if i == 0 || i > 1 && c.rest[0] == '0' {
		c.lost = true
	}
	c.rest = c.rest[i:]
	if negative {
		return -n
	}
	return n
}

// text reads up to a quote.
func (c *cursor) text() string {
	i := strings.IndexByte(c.rest, '"')
	if i < 0 {
		c.lost = true
		return ""
	}
	s := c.rest[:i]
	c.lost = c.lost || !isPlain(s)
	c.rest = c.rest[i+1:]
	return s
}
