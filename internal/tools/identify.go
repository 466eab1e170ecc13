package tools

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/provider"
)

// A Caller is whose call a request is, by what it says of itself.
type Caller struct {
	Tool     *Tool           // never nil: [Any] if no other
	Own      string          // a sub-agent's own session, if it has one beside that which sent it
	Session  string          // the root session, or that which sent the sub-agent, at most 64 bytes; empty: it names none
	Class    admission.Class // how urgent it is
	Patience time.Duration   // after which its client gives up, as it says; 0: it does not
}

// Identify says whose call it is, from a request's headers and the members of its body.
// It costs the same for a body of any size.
func Identify(h http.Header, f *Fields) Caller {
	c := Caller{Tool: byAgent(h.Get("User-Agent"))}
	m := &c.Tool.Marks
	c.Session = session(m, h, f)
	if m.Parent != "" {
		if parent := clip(h.Get(m.Parent)); parent != "" {
			c.Own, c.Session, c.Class = c.Session, parent, admission.Subagent
		}
	}
	if m.Agent != "" && h.Get(m.Agent) != "" || m.AgentText != "" && f.says(m.AgentText) {
		c.Class = admission.Subagent
	}
	if m.TurnHeader != "" {
		c.Class = turn(h.Get(m.TurnHeader))
	}
	if background(m, f) {
		c.Class = admission.Background
	}
	if s, err := strconv.Atoi(h.Get("X-Stainless-Timeout")); err == nil && s > 0 && s < 1<<20 {
		c.Patience = time.Duration(s) * time.Second
	}
	return c
}

// byAgent finds the tool that a User-Agent names.
func byAgent(agent string) *Tool {
	for _, t := range table {
		for _, begin := range t.Marks.Agents {
			if strings.HasPrefix(agent, begin) {
				return t
			}
		}
	}
	return Any
}

// session returns the name of a request's session.
func session(m *Marks, h http.Header, f *Fields) string {
	for _, name := range m.Session {
		if v := clip(h.Get(name)); v != "" {
			return v
		}
	}
	if m.Metadata {
		if v := f.sessionOfUser(); v != "" {
			return v
		}
	}
	return text(f.cacheKey)
}

// background tells whether nobody waits for a call.
func background(m *Marks, f *Fields) bool {
	if f.tools && !m.Tooled {
		return false
	}
	for _, mark := range m.Background {
		if f.says(mark) {
			return true
		}
	}
	return !f.tools && (m.Titles && f.title || m.Small > 0 && f.tokens > 0 && f.tokens <= m.Small)
}

// turn reads what Codex says of a turn.
func turn(header string) admission.Class {
	var t struct {
		Agent string `json:"agent_name"`
		Kind  string `json:"request_kind"`
	}
	if len(header) > 16<<10 || json.Unmarshal([]byte(header), &t) != nil {
		return admission.Interactive
	}
	switch {
	case t.Kind != "" && t.Kind != "turn" && !strings.Contains(t.Kind, "compact"): // for which the person waits
		return admission.Background
	case t.Agent != "" && t.Agent != "/root":
		return admission.Subagent
	}
	return admission.Interactive
}

// Fields are the members of a request's body by which it is recognised. The zero value
// is that of a body without any. It refers to the body, which must not be changed
// while it is used.
type Fields struct {
	tools    bool   // it offers some
	tokens   int    // the most that it asks for; 0: it does not say
	system   []byte // the system text, raw
	title    bool   // it asks for an object of a title alone
	metadata []byte
	cacheKey []byte
}

// Collect takes a member of a body, as [provider.ScanObject] gives it.
func (f *Fields) Collect(key, value []byte) {
	switch string(key) {
	case "tools":
		f.tools = len(bytes.Trim(value, "[] \t\r\n")) > 0 && value[0] == '['
	case "max_tokens", "max_completion_tokens", "max_output_tokens":
		f.tokens, _ = strconv.Atoi(string(value[:min(len(value), 12)])) // 0 for what is no number
	case "system", "instructions":
		f.system = value
	case "messages":
		if f.system == nil {
			f.system = firstSystem(value)
		}
	case "output_config":
		f.title = titleAlone(value, "format", "schema")
	case "response_format":
		f.title = titleAlone(value, "json_schema", "schema")
	case "metadata":
		f.metadata = value
	case "prompt_cache_key":
		f.cacheKey = value
	}
}

// titleAlone tells whether the schema under a path is that of an object whose only
// property is a title. Titles beside other properties, and those that name a schema or
// its parts, say nothing: any program that wants structured answers has them.
func titleAlone(value []byte, path ...string) bool {
	const most = 2 << 10 // such a schema is short
	if len(value) > most {
		return false
	}
	for _, name := range path {
		value = member(value, name)
	}
	title := false
	// The error is that of a value which is no object: it has no property then.
	_ = provider.ScanObject(member(value, "properties"), func(key, _ []byte) bool {
		title = string(key) == "title"
		return title // another one settles it
	})
	return title
}

// member returns the last member of that name of a JSON object; nil: it has none.
func member(object []byte, name string) []byte {
	var found []byte
	// The error is that of a value which is no object.
	_ = provider.ScanObject(object, func(key, value []byte) bool {
		if string(key) == name {
			found = value
		}
		return true
	})
	return found
}

// firstSystem returns the content of the first of a body's messages, if it is the
// system's.
func firstSystem(messages []byte) []byte {
	if len(messages) == 0 || messages[0] != '[' {
		return nil
	}
	var role, content []byte
	// The error is that of a message which is none: nothing is found then.
	_ = provider.ScanObject(bytes.TrimLeft(messages[1:], " \t\r\n"), func(key, value []byte) bool {
		switch string(key) {
		case "role":
			role = value
		case "content":
			content = value
		}
		return role == nil || content == nil
	})
	if string(role) == `"system"` || string(role) == `"developer"` {
		return content
	}
	return nil
}

// says tells whether the beginning of the system text has some words.
func (f *Fields) says(words string) bool {
	const most = 4 << 10
	return bytes.Contains(f.system[:min(len(f.system), most)], []byte(words))
}

// sessionOfUser reads metadata.user_id, in which Claude Code has a JSON object.
func (f *Fields) sessionOfUser() string {
	const most = 4 << 10
	if len(f.metadata) == 0 || len(f.metadata) > most {
		return ""
	}
	var m struct {
		User string `json:"user_id"`
	}
	var user struct {
		Session string `json:"session_id"`
	}
	if json.Unmarshal(f.metadata, &m) != nil || json.Unmarshal([]byte(m.User), &user) != nil {
		return ""
	}
	return clip(user.Session)
}

// text returns a short JSON string.
func text(raw []byte) string {
	const most = 512
	var s string
	if len(raw) == 0 || len(raw) > most || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return clip(s)
}

// clip bounds what comes from outside and is shown. Of its characters those that print
// stay: a terminal obeys others than those below space too, and some turn the text
// around.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}
