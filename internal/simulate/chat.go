package simulate

// chat is the dialect of OpenAI's chat completions as Z.AI speaks it: the usage
// stands in the last chunk beside finish_reason, whose delta repeats the role.
type chat struct{}

var _ dialect = chat{}

func (chat) name() string { return "chat" }

type chatUsage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

type chatFunction struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

type chatToolCall struct {
	Index    *int         `json:"index,omitempty"` // in streams only
	ID       string       `json:"id,omitempty"`
	Type     string       `json:"type,omitempty"`
	Function chatFunction `json:"function"`
}

type chatMessage struct {
	Role      string         `json:"role,omitempty"`
	Content   *string        `json:"content,omitempty"`
	Reasoning string         `json:"reasoning_content,omitempty"`
	ToolCalls []chatToolCall `json:"tool_calls,omitempty"`
}

type chatChoice struct {
	Index   int          `json:"index"`
	Finish  string       `json:"finish_reason,omitempty"`
	Delta   *chatMessage `json:"delta,omitempty"`
	Message *chatMessage `json:"message,omitempty"`
}

type chatCompletion struct {
	ID        string        `json:"id"`
	RequestID string        `json:"request_id,omitempty"`
	Object    string        `json:"object"`
	Created   int64         `json:"created"`
	Model     string        `json:"model"`
	Choices   [1]chatChoice `json:"choices"`
	Usage     *chatUsage    `json:"usage,omitempty"`
}

func (chat) stream(a *answer) composition {
	chunk := func(c chatChoice, u *chatUsage) []byte {
		return data(chatCompletion{ID: a.id, Object: "chat.completion.chunk", Created: a.created.Unix(), Model: a.model, Choices: [1]chatChoice{c}, Usage: u})
	}
	delta := func(m chatMessage) []byte { return chunk(chatChoice{Delta: &m}, nil) }
	var c composition
	if a.empty() {
		c.closing = [][]byte{chunk(chatChoice{Finish: chatFinish(a), Delta: &chatMessage{Role: "assistant", Content: new(string)}}, usageOfChat(a)), []byte("data: [DONE]\n\n")}
		return c
	}
	c.opening = [][]byte{delta(chatMessage{Role: "assistant", Content: new(string)})}
	reasoning, text := a.pieces()
	for _, s := range reasoning {
		c.content = append(c.content, delta(chatMessage{Reasoning: s}))
	}
	for _, s := range text {
		c.content = append(c.content, delta(chatMessage{Content: &s}))
	}
	for i, t := range a.calls {
		c.content = append(c.content, delta(chatMessage{ToolCalls: []chatToolCall{{Index: &i, ID: t.id, Type: "function", Function: chatFunction{Name: t.name}}}}))
		for _, s := range split(t.arguments, argumentPieces) {
			c.content = append(c.content, delta(chatMessage{ToolCalls: []chatToolCall{{Index: &i, Function: chatFunction{Arguments: s}}}}))
		}
	}
	c.closing = [][]byte{
		chunk(chatChoice{Finish: chatFinish(a), Delta: &chatMessage{Role: "assistant", Content: new(string)}}, usageOfChat(a)),
		[]byte("data: [DONE]\n\n"),
	}
	return c
}

func (chat) whole(a *answer) []byte {
	m := &chatMessage{Role: "assistant", Content: &a.text, Reasoning: a.reasoning}
	for _, t := range a.calls {
		m.ToolCalls = append(m.ToolCalls, chatToolCall{ID: t.id, Type: "function", Function: chatFunction{t.name, t.arguments}})
	}
	return encode(chatCompletion{
		ID: a.id, RequestID: a.id, Object: "chat.completion", Created: a.created.Unix(), Model: a.model,
		Choices: [1]chatChoice{{Finish: chatFinish(a), Message: m}}, Usage: usageOfChat(a),
	})
}

func (chat) errorBody(e businessError, code, id string, inStream bool) []byte {
	return openAIError(e, code, id, inStream)
}

func (chat) streamError(data []byte) []byte { return errorEvent(data, "data: [DONE]\n\n") }

// openAIError returns an error of the paths that speak OpenAI's dialects. In a
// stream it carries the request's id, as a body it does not.
func openAIError(e businessError, code, id string, inStream bool) []byte {
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
		RequestID string `json:"request_id,omitempty"`
	}
	body.Error.Code, body.Error.Message = code, e.text
	if inStream {
		body.RequestID = id
	}
	return encode(body)
}

func usageOfChat(a *answer) *chatUsage {
	out := a.tokensOut()
	return &chatUsage{a.tokensIn, out, a.tokensIn + out}
}

func chatFinish(a *answer) string {
	switch {
	case a.finish != "":
		return a.finish
	case len(a.calls) > 0:
		return "tool_calls"
	}
	return "stop"
}

// argumentPieces is the number of pieces in which a tool call's arguments come.
const argumentPieces = 4

// empty tells whether nothing at all is said.
func (a *answer) empty() bool { return a.text == "" && a.reasoning == "" && len(a.calls) == 0 }
