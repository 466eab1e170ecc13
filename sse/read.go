package sse

import (
	"bytes"
	"encoding/json"
	"strings"
)

// A Sign is what one event of a prelude says about the answer.
type Sign uint8

const (
	// Nothing: a comment, a ping, a keep-alive, an event without data.
	Nothing Sign = iota
	// Good: an event that comes before content and shows that the provider has
	// accepted, such as a role delta, message_start or response.created.
	Good
	// Content: the first text, reasoning or tool call that is not empty, or
	// anything that no dialect explains. It must be passed on.
	Content
	// Ended: the stream has come to its end without content in this event.
	Ended
	// MaybeError: the event carries an error. What it means is for package
	// provider to say.
	MaybeError
)

// String returns the name of the constant.
func (s Sign) String() string {
	switch s {
	case Nothing:
		return "Nothing"
	case Good:
		return "Good"
	case Content:
		return "Content"
	case Ended:
		return "Ended"
	case MaybeError:
		return "MaybeError"
	}
	return "Sign(?)"
}

// Read tells what ev says, and the finish or stop reason that it names, if any
// (also beside Content and MaybeError). An empty reason, and the string
// "null", count as none: some providers write them into every chunk.
//
// Events are read by their shape, since providers mix the dialects: Z.AI sends
// "event: error" in chat streams. d decides only about events that no dialect
// knows: the typed streams may grow new kinds, so there these are Good; in a
// chat stream they are Content. Data that is not a JSON object is Content, so
// that a broken or merged frame passes on instead of being held.
//
// Read allocates and may be called concurrently. It keeps no slice of ev.
func (d Dialect) Read(ev Event) (s Sign, finishReason string) {
	data := bytes.TrimSpace(ev.Data)
	name := string(ev.Name)
	switch {
	case ev.Comment:
		return Nothing, ""
	case name == "error":
		return MaybeError, ""
	case string(data) == "[DONE]":
		return Ended, ""
	case len(data) == 0 && isEnd(ev.Name):
		return Ended, ""
	case len(data) == 0:
		return Nothing, ""
	}
	var o object
	if data[0] != '{' || json.Unmarshal(data, &o) != nil {
		return readOther(name, data), ""
	}
	if !filled(data) && !isKind(name) {
		return Nothing, ""
	}
	return d.readObject(name, &o)
}

// object holds the top-level members of an event's data that mean something
// in one of the dialects. All are raw, so that a member of an unusual type
// spoils only itself. Absent and null are alike.
type object struct {
	Type  json.RawMessage `json:"type"`
	Error json.RawMessage `json:"error"`

	// Chat chunks.
	Choices json.RawMessage `json:"choices"`
	Object  json.RawMessage `json:"object"`
	Usage   json.RawMessage `json:"usage"`

	// Anthropic events.
	Message      json.RawMessage `json:"message"`
	ContentBlock json.RawMessage `json:"content_block"`
	Content      json.RawMessage `json:"content"`
	StopReason   json.RawMessage `json:"stop_reason"`

	// Anthropic and Responses events.
	Delta json.RawMessage `json:"delta"`

	// Responses events.
	Response  json.RawMessage `json:"response"`
	Item      json.RawMessage `json:"item"`
	Part      json.RawMessage `json:"part"`
	Text      json.RawMessage `json:"text"`
	Arguments json.RawMessage `json:"arguments"`

	// Errors without an envelope.
	Code      json.RawMessage `json:"code"`
	ErrorCode json.RawMessage `json:"error_code"`
	Msg       json.RawMessage `json:"msg"`
	Success   json.RawMessage `json:"success"`
	BaseResp  json.RawMessage `json:"base_resp"`
}

// readOther reads data that is not a JSON object.
func readOther(name string, data []byte) Sign {
	if isIdle(name) || isIdle(string(data)) {
		return Nothing
	}
	var list []object
	if data[0] == '[' && json.Unmarshal(data, &list) == nil && len(list) > 0 && list[0].failed() {
		return MaybeError // Gemini wraps its errors in an array
	}
	return Content
}

// readObject reads data that is a JSON object.
func (d Dialect) readObject(name string, o *object) (Sign, string) {
	kind := text(o.Type)
	if !isKind(kind) && isKind(name) {
		kind = name
	}
	if kind == "error" || o.failed() {
		_, why := readChoices(o.Choices)
		return MaybeError, why
	}
	switch {
	case isIdle(kind):
		return Nothing, ""
	case present(o.Choices):
		s, why := readChoices(o.Choices)
		if s != Content && o.flatError() {
			s = MaybeError
		}
		return s, why
	case strings.HasPrefix(kind, "response."):
		return o.readResponses(kind)
	case isKind(kind):
		return o.readAnthropic(kind)
	case o.flatError():
		return MaybeError, ""
	}
	object := text(o.Object)
	switch {
	case strings.HasPrefix(object, "chat.completion"), object == "text_completion", filled(o.Usage):
		return Good, "" // a chunk without choices
	case kind != "" && (d == Anthropic || d == Responses):
		return Good, ""
	}
	return Content, ""
}

// failed says whether the event has an error in the place where the dialects
// have it.
func (o *object) failed() bool {
	return present(o.Error) && string(o.Error) != `""`
}

// flatError says whether the object looks like an error without an envelope,
// as in {"code":3010,"msg":"…"} or MiniMax's base_resp.
func (o *object) flatError() bool {
	var base struct {
		Code json.RawMessage `json:"status_code"`
	}
	if present(o.BaseResp) && json.Unmarshal(o.BaseResp, &base) == nil && isFault(base.Code) {
		return true
	}
	return isFault(o.Code) || isFault(o.ErrorCode) || string(o.Success) == "false" ||
		(!present(o.Code) && filled(o.Msg))
}

// isFault says whether raw, the value of a code, stands for an error.
func isFault(raw json.RawMessage) bool {
	switch strings.Trim(string(raw), `"`) {
	case "0", "200", "success", "ok":
		return false
	}
	return filled(raw)
}

// isKind says whether kind belongs to a known family of typed events.
func isKind(kind string) bool {
	return kind == "error" || kind == "message" || isIdle(kind) || strings.HasPrefix(kind, "response.") ||
		strings.HasPrefix(kind, "message_") || strings.HasPrefix(kind, "content_block_")
}

// isIdle says whether kind is a name under which keep-alives are sent.
func isIdle(kind string) bool {
	switch strings.TrimPrefix(kind, "response.") {
	case "ping", "keepalive", "keep-alive", "keep_alive", "heartbeat":
		return true
	}
	return false
}

// present says whether raw is there and is more than null or false.
func present(raw json.RawMessage) bool {
	return len(raw) > 0 && string(raw) != "null" && string(raw) != "false"
}

// filled says whether raw is there and is not an empty value.
func filled(raw json.RawMessage) bool {
	if !present(raw) {
		return false
	}
	switch raw[0] {
	case '"':
		return len(raw) > len(`""`)
	case '[', '{':
		return len(bytes.TrimSpace(raw[1:len(raw)-1])) > 0
	}
	return true
}

// spoken says whether raw, the value of a delta or of content, carries
// something: a string that is not empty, or a part that has such a text, or a
// part of another kind.
func spoken(raw json.RawMessage) bool {
	if !filled(raw) {
		return false
	}
	switch raw[0] {
	case '[':
		var parts []json.RawMessage
		if json.Unmarshal(raw, &parts) != nil {
			return true
		}
		for _, part := range parts {
			if spoken(part) {
				return true
			}
		}
		return false
	case '{':
		var part struct {
			Text *json.RawMessage `json:"text"`
		}
		if json.Unmarshal(raw, &part) == nil && part.Text != nil {
			return spoken(*part.Text)
		}
	}
	return true
}

// text returns the string that raw holds, or "" if it holds none.
func text(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// reason returns the finish reason that raw holds, or "" if it names none.
func reason(raw json.RawMessage) string {
	if present(raw) && raw[0] != '"' {
		return string(raw)
	}
	if s := text(raw); s != "null" {
		return s
	}
	return ""
}
