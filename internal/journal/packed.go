package journal

import (
	"encoding/json"
	"fmt"
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

// pack writes the attempts of a request as JSON; empty: there were none.
func pack(r Request) string {
	if len(r.Attempts) == 0 {
		return ""
	}
	all := make([]packed, len(r.Attempts))
	from := micros(r.Start)
	for i, a := range r.Attempts {
		all[i] = packed{Start: micros(a.Start) - from, InFlight: a.InFlight, Verdict: a.Verdict, Code: a.Code, ProviderID: a.ProviderID}
		if !a.End.IsZero() {
			end := micros(a.End) - from
			all[i].End = &end
		}
	}
	data, err := json.Marshal(all)
	if err != nil {
		return "" // numbers and strings can always be written
	}
	return string(data)
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
	for j := range len(s) {
		if s[j] == '\\' || s[j] < ' ' || s[j] >= utf8.RuneSelf {
			c.lost = true
		}
	}
	c.rest = c.rest[i+1:]
	return s
}
