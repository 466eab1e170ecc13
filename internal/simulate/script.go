package simulate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// A Script is the content of a script file.
type Script struct {
	Rules []Rule `json:"rules"`
}

// A Rule says what happens to the calls that Match fits. Of several rules the
// first one counts. A rule with a Fault that refuses (Status, Code or
// FirstEventError) takes no slot and is not subject to limit, rate or outage;
// every other rule is, and a refused call does not use it up.
type Rule struct {
	Name   string  `json:"name"`   // shown in the log
	Match  Match   `json:"match"`  // the zero Match fits every call
	Times  int     `json:"times"`  // how often the rule fits; 0 means without end
	Answer *Answer `json:"answer"` // nil: the ordinary answer
	Fault  *Fault  `json:"fault"`  // nil: none
}

// A Match fits a call if all that is set in it holds.
type Match struct {
	Path        string   `json:"path"`         // part of the path
	Model       string   `json:"model"`        // part of the model's name
	Contains    []string `json:"contains"`     // texts that must all occur in the body, as they are or as JSON escapes them
	Lacks       []string `json:"lacks"`        // texts of which none may occur
	Stream      *bool    `json:"stream"`       // whether a stream is asked for
	ToolResults *bool    `json:"tool_results"` // whether the conversation carries results of tools
}

// An Answer is a scripted answer. The zero Answer is the ordinary one.
type Answer struct {
	Text       *string    `json:"text"`        // nil: the ordinary text, or none if there are tool calls
	Reasoning  string     `json:"reasoning"`   // comes before the text
	ToolCalls  []ToolCall `json:"tool_calls"`  // come after the text
	FirstEvent Range      `json:"first_event"` // the zero Range: as configured
	Duration   Range      `json:"duration"`    // total time, see Config.Answer
	Events     int        `json:"events"`      // pieces of text and reasoning; 0: one for about 50 ms, 10 to 50
}

// A ToolCall is one call of a tool. Arguments is a JSON object, or a JSON string
// that is sent as it is (for arguments that are no JSON); nothing means {}.
type ToolCall struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// A Fault is what goes wrong with a call.
type Fault struct {
	// Status, Code: the call is refused with this HTTP status and business code.
	// Either may be left out: the status is then the code's usual one (429 for an
	// unknown code), the code the status.
	Status int    `json:"status"`
	Code   string `json:"code"`
	// Headers go with whatever answer there is.
	Headers map[string]string `json:"headers"`
	// Body replaces the refusal's: a JSON string is sent as the text in it,
	// anything else as the JSON that it is.
	Body json.RawMessage `json:"body"`
	// FirstEventError refuses under HTTP 200: in a stream as its first event, else
	// as the body. A JSON string is a business code, an object the event's data.
	FirstEventError json.RawMessage `json:"first_event_error"`
	// CutAfter ends the answer after so many events (for an answer that is no
	// stream: 0 after its head, else in the middle of its body); nil with Cut set:
	// before the head.
	CutAfter *int `json:"cut_after"`
	// Cut is how: "reset" (TCP RST, the default), "close" (the connection ends in
	// the middle of the answer) or "eof" (the answer seems to end well).
	Cut string `json:"cut"`
	// Stall is a pause without a byte, StallAfter the number of events before it
	// (nil: 1).
	Stall      Range `json:"stall"`
	StallAfter *int  `json:"stall_after"`
	// FinishReason replaces the reason for which the answer ends. Without an Answer
	// the answer is empty, as Z.AI's with "network_error" is.
	FinishReason string `json:"finish_reason"`
	// Merged runs two events of the stream into one line, the first cut short, as
	// Z.AI does now and then.
	Merged bool `json:"merged"`
	// Hang sends nothing, not even a head, until the client goes.
	Hang bool `json:"hang"`
}

// refuses tells whether the fault comes at the door.
func (f *Fault) refuses() bool {
	return f != nil && (f.Status != 0 || f.Code != "" || f.FirstEventError != nil)
}

// name is the code under which the fault is counted.
func (f *Fault) name() string {
	switch {
	case f.Hang:
		return "hang"
	case f.Cut != "" || f.CutAfter != nil:
		return "cut"
	case f.FinishReason != "":
		return f.FinishReason
	case f.Merged:
		return "merged"
	case f.Stall.set:
		return "stall"
	}
	return "headers"
}

// A problem is a mistake in a rule: where (as rules[1].fault.cut) and what.
type problem struct{ path, text string }

// problems returns what is wrong with a rule that can be read.
func (r *Rule) problems(path string) []problem {
	var found []problem
	add := func(at, format string, args ...any) {
		found = append(found, problem{path + at, fmt.Sprintf(format, args...)})
	}
	if r.Times < 0 {
		add(".times", "%d: want 0 (without end) or more", r.Times)
	}
	if a := r.Answer; a != nil {
		if a.Events < 0 {
			add(".answer.events", "%d: want 0 (as the duration is) or more", a.Events)
		}
		for i, t := range a.ToolCalls {
			at := fmt.Sprintf(".answer.tool_calls[%d]", i)
			if t.Name == "" {
				add(at+".name", "a tool call needs a name")
			}
			if s := bytes.TrimSpace(t.Arguments); len(s) > 0 && s[0] != '{' && s[0] != '"' {
				add(at+".arguments", "want an object or a string")
			}
		}
	}
	if f := r.Fault; f != nil {
		if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
			add(".fault.status", "%d: want 200 to 599", f.Status)
		}
		switch f.Cut {
		case "", "reset", "close", "eof":
		default:
			add(".fault.cut", "%q: want reset, close or eof", f.Cut)
		}
		if f.CutAfter != nil && *f.CutAfter < 0 {
			add(".fault.cut_after", "%d: want 0 or more", *f.CutAfter)
		}
		if f.StallAfter != nil && *f.StallAfter < 0 {
			add(".fault.stall_after", "%d: want 0 or more", *f.StallAfter)
		}
		if s := bytes.TrimSpace(f.FirstEventError); len(s) > 0 && s[0] != '{' && s[0] != '"' {
			add(".fault.first_event_error", "want a code as a string, or an object")
		}
		if f.Body != nil && f.Status == 0 && f.Code == "" {
			add(".fault.body", "a body needs a status or a code beside it")
		}
	}
	return found
}

// A rule is a Rule made ready to match. left is guarded by the provider's lock.
type rule struct {
	Rule
	contains, lacks [][2][]byte // each text as it is and as JSON escapes it
	left            int         // -1: without end
}

func compile(rules []Rule) []*rule {
	compiled := make([]*rule, len(rules))
	for i, r := range rules {
		c := &rule{Rule: r, left: r.Times, contains: needles(r.Match.Contains), lacks: needles(r.Match.Lacks)}
		if r.Times == 0 {
			c.left = -1
		}
		compiled[i] = c
	}
	return compiled
}

func needles(texts []string) [][2][]byte {
	var found [][2][]byte
	for _, t := range texts {
		quoted := encode(t)
		found = append(found, [2][]byte{[]byte(t), quoted[1 : len(quoted)-1]})
	}
	return found
}

// fits tells whether the rule's match fits a call, its count aside.
func (r *rule) fits(q *request) bool {
	m := &r.Match
	if !strings.Contains(q.path, m.Path) || !strings.Contains(q.Model, m.Model) {
		return false
	}
	if m.Stream != nil && *m.Stream != q.Stream {
		return false
	}
	if m.ToolResults != nil && *m.ToolResults != q.toolResults() {
		return false
	}
	for _, n := range r.contains {
		if !bytes.Contains(q.body, n[0]) && !bytes.Contains(q.body, n[1]) {
			return false
		}
	}
	for _, n := range r.lacks {
		if bytes.Contains(q.body, n[0]) || bytes.Contains(q.body, n[1]) {
			return false
		}
	}
	return true
}
