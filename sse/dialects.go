package sse

import (
	"encoding/json"
	"strings"
)

// choice is a choice of a chat chunk, or of a legacy text completion.
type choice struct {
	Delta        json.RawMessage `json:"delta"`
	Message      json.RawMessage `json:"message"` // a whole answer in one chunk
	Text         json.RawMessage `json:"text"`
	FinishReason json.RawMessage `json:"finish_reason"`
}

// delta is what a choice says: its parts that a user or a tool gets to see.
type delta struct {
	Content          json.RawMessage `json:"content"`
	ReasoningContent json.RawMessage `json:"reasoning_content"`
	Reasoning        json.RawMessage `json:"reasoning"`
	ReasoningDetails json.RawMessage `json:"reasoning_details"`
	ToolCalls        json.RawMessage `json:"tool_calls"`
	FunctionCall     json.RawMessage `json:"function_call"`
	Refusal          json.RawMessage `json:"refusal"`
	Audio            json.RawMessage `json:"audio"`
	Images           json.RawMessage `json:"images"`
}

// readChoices reads the choices of a chat chunk. With more than one choice the
// first reason counts for all.
func readChoices(raw json.RawMessage) (Sign, string) {
	if !filled(raw) {
		return Good, "" // usage or filter results only
	}
	var choices []choice
	if json.Unmarshal(raw, &choices) != nil {
		return Content, ""
	}
	s, why := Good, ""
	for _, c := range choices {
		if why == "" {
			why = reason(c.FinishReason)
		}
		if says(c.Delta) || says(c.Message) || spoken(c.Text) {
			s = Content
		}
	}
	if s == Good && why != "" {
		s = Ended
	}
	return s, why
}

// says tells whether raw, a delta or a message of a chat chunk, has content.
func says(raw json.RawMessage) bool {
	var d delta
	if !filled(raw) {
		return false
	}
	if json.Unmarshal(raw, &d) != nil {
		return true // not an object
	}
	for _, part := range []json.RawMessage{
		d.Content, d.ReasoningContent, d.Reasoning, d.ReasoningDetails,
		d.ToolCalls, d.FunctionCall, d.Refusal, d.Audio, d.Images,
	} {
		if spoken(part) {
			return true
		}
	}
	return false
}

// readAnthropic reads an event of the Messages stream.
func (o *object) readAnthropic(kind string) (Sign, string) {
	switch kind {
	case "message": // a whole answer in one event
		if spoken(o.Content) {
			return Content, reason(o.StopReason)
		}
		return Ended, reason(o.StopReason)
	case "message_stop":
		return Ended, ""
	case "message_start":
		var m struct {
			Content json.RawMessage `json:"content"`
		}
		if json.Unmarshal(o.Message, &m) == nil && spoken(m.Content) {
			return Content, ""
		}
	case "message_delta":
		var d struct {
			StopReason json.RawMessage `json:"stop_reason"`
		}
		if json.Unmarshal(o.Delta, &d) == nil {
			if why := reason(d.StopReason); why != "" {
				return Ended, why
			}
		}
	case "content_block_start":
		if blockSpeaks(o.ContentBlock) {
			return Content, ""
		}
	case "content_block_delta":
		if blockSpeaks(o.Delta) {
			return Content, ""
		}
	}
	return Good, ""
}

// blockSpeaks tells whether raw, a content block as it starts or a delta of
// one, has content. A tool call has, even before its arguments.
func blockSpeaks(raw json.RawMessage) bool {
	var b struct {
		Type        json.RawMessage `json:"type"`
		Text        json.RawMessage `json:"text"`
		Thinking    json.RawMessage `json:"thinking"`
		Signature   json.RawMessage `json:"signature"`
		PartialJSON json.RawMessage `json:"partial_json"`
	}
	if !filled(raw) {
		return false
	}
	if json.Unmarshal(raw, &b) != nil {
		return true // not an object
	}
	switch text(b.Type) {
	case "text", "text_delta", "thinking", "thinking_delta", "signature_delta", "input_json_delta", "":
		return spoken(b.Text) || spoken(b.Thinking) || spoken(b.Signature) || spoken(b.PartialJSON)
	}
	return true
}

// readResponses reads an event of the Responses stream.
func (o *object) readResponses(kind string) (Sign, string) {
	var r struct {
		Error      json.RawMessage `json:"error"`
		Output     json.RawMessage `json:"output"`
		Incomplete struct {
			Reason json.RawMessage `json:"reason"`
		} `json:"incomplete_details"`
	}
	// What does not fit is left out; the rest is still filled in.
	_ = json.Unmarshal(o.Response, &r)
	switch {
	case kind == "response.failed", present(r.Error):
		return MaybeError, ""
	case isEnd([]byte(kind)):
		if outputSpeaks(r.Output) {
			return Content, reason(r.Incomplete.Reason)
		}
		return Ended, reason(r.Incomplete.Reason)
	case strings.HasSuffix(kind, ".delta") && spoken(o.Delta),
		kind == "response.output_item.added" && itemSpeaks(o.Item),
		kind == "response.output_item.done" && itemSpeaks(o.Item),
		spoken(o.Part),
		strings.HasSuffix(kind, ".done") && (spoken(o.Text) || spoken(o.Arguments)):
		return Content, ""
	}
	return Good, ""
}

// outputSpeaks tells whether raw, the output of a response, has content.
func outputSpeaks(raw json.RawMessage) bool {
	var items []json.RawMessage
	if !filled(raw) {
		return false
	}
	if json.Unmarshal(raw, &items) != nil {
		return true // not an array
	}
	for _, item := range items {
		if itemSpeaks(item) {
			return true
		}
	}
	return false
}

// itemSpeaks tells whether raw, an output item, has content. A tool call has,
// even before its arguments; encrypted reasoning alone has not, since it comes
// with the announcement of an item.
func itemSpeaks(raw json.RawMessage) bool {
	var item struct {
		Type    json.RawMessage `json:"type"`
		Content json.RawMessage `json:"content"`
		Summary json.RawMessage `json:"summary"`
	}
	if !filled(raw) {
		return false
	}
	if json.Unmarshal(raw, &item) != nil {
		return true // not an object
	}
	switch text(item.Type) {
	case "message", "reasoning":
		return spoken(item.Content) || spoken(item.Summary)
	}
	return true
}
