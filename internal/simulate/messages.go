package simulate

import "encoding/json"

// messages is the dialect of Anthropic's Messages API.
type messages struct{}

var _ dialect = messages{}

func (messages) name() string { return "messages" }

type messagesUsage struct {
	Input  int `json:"input_tokens"`
	Output int `json:"output_tokens"`
}

type message struct {
	ID           string        `json:"id"`
	Type         string        `json:"type"`
	Role         string        `json:"role"`
	Model        string        `json:"model"`
	Content      []any         `json:"content"`
	StopReason   *string       `json:"stop_reason"`
	StopSequence *string       `json:"stop_sequence"`
	Usage        messagesUsage `json:"usage"`
}

type textBlock struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type thinkingBlock struct {
	Type      string `json:"type"`
	Thinking  string `json:"thinking"`
	Signature string `json:"signature"`
}

type toolUseBlock struct {
	Type  string          `json:"type"`
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
}

// signature stands for what proves a thinking block's origin.
const signature = "c2ltdWxhdGVk"

func (messages) stream(a *answer) composition {
	var c composition
	start := message{ID: a.id, Type: "message", Role: "assistant", Model: a.model, Content: []any{}, Usage: messagesUsage{Input: a.tokensIn}}
	c.opening = [][]byte{
		event("message_start", struct {
			Type    string  `json:"type"`
			Message message `json:"message"`
		}{"message_start", start}),
		event("ping", ordered{"type", "ping"}),
	}
	index := 0
	block := func(start any, deltas ...ordered) {
		add := func(name string, rest ...any) {
			c.content = append(c.content, event(name, append(ordered{"type", name, "index", index}, rest...)))
		}
		add("content_block_start", "content_block", start)
		for _, d := range deltas {
			add("content_block_delta", "delta", d)
		}
		add("content_block_stop")
		index++
	}
	reasoning, text := a.pieces()
	if len(reasoning) > 0 {
		var deltas []ordered
		for _, s := range reasoning {
			deltas = append(deltas, ordered{"type", "thinking_delta", "thinking", s})
		}
		block(thinkingBlock{Type: "thinking"}, append(deltas, ordered{"type", "signature_delta", "signature", signature})...)
	}
	if len(text) > 0 {
		var deltas []ordered
		for _, s := range text {
			deltas = append(deltas, ordered{"type", "text_delta", "text", s})
		}
		block(textBlock{Type: "text"}, deltas...)
	}
	for _, t := range a.calls {
		var deltas []ordered
		for _, s := range split(t.arguments, argumentPieces) {
			deltas = append(deltas, ordered{"type", "input_json_delta", "partial_json", s})
		}
		block(toolUseBlock{"tool_use", t.id, t.name, json.RawMessage("{}")}, deltas...)
	}
	c.closing = [][]byte{
		event("message_delta", ordered{
			"type", "message_delta",
			"delta", ordered{"stop_reason", messagesStop(a), "stop_sequence", nil},
			"usage", messagesUsage{a.tokensIn, a.tokensOut()},
		}),
		event("message_stop", ordered{"type", "message_stop"}),
	}
	return c
}

func (messages) whole(a *answer) []byte {
	stop := messagesStop(a)
	m := message{ID: a.id, Type: "message", Role: "assistant", Model: a.model, Content: []any{}, StopReason: &stop, Usage: messagesUsage{a.tokensIn, a.tokensOut()}}
	if a.reasoning != "" {
		m.Content = append(m.Content, thinkingBlock{"thinking", a.reasoning, signature})
	}
	if a.text != "" {
		m.Content = append(m.Content, textBlock{"text", a.text})
	}
	for _, t := range a.calls {
		input := json.RawMessage(t.arguments)
		if !json.Valid(input) {
			input = encode(t.arguments) // a body must be JSON, whatever the script says
		}
		m.Content = append(m.Content, toolUseBlock{"tool_use", t.id, t.name, input})
	}
	return encode(m)
}

func (messages) errorBody(e businessError, code, id string, _ bool) []byte {
	var body struct {
		Type  string `json:"type"`
		Error struct {
			Type    string `json:"type"`
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
		RequestID string `json:"request_id"`
	}
	body.Type, body.Error.Type, body.Error.Code, body.RequestID = "error", e.kind, code, id
	body.Error.Message = "[" + code + "][" + e.text + "][" + id + "]"
	return encode(body)
}

func (messages) streamError(data []byte) []byte { return errorEvent(data, "") }

func messagesStop(a *answer) string {
	switch {
	case a.finish != "":
		return a.finish
	case len(a.calls) > 0:
		return "tool_use"
	}
	return "end_turn"
}
