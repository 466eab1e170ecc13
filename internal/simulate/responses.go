package simulate

// responses is the dialect of OpenAI's Responses API. Its streams have no end
// mark; response.completed (or .incomplete) is their last event.
type responses struct{}

var _ dialect = responses{}

func (responses) name() string { return "responses" }

func (responses) stream(a *answer) composition {
	var c composition
	sequence := 0
	put := func(to *[][]byte, name string, rest ...any) {
		*to = append(*to, event(name, append(ordered{"type", name, "sequence_number", sequence}, rest...)))
		sequence++
	}
	begun := responseBody(a, "in_progress", nil)
	put(&c.opening, "response.created", "response", begun)
	put(&c.opening, "response.in_progress", "response", begun)
	reasoning, text := a.pieces()
	items := responseItems(a)
	for i, item := range items {
		// about puts an event about this item into the content.
		about := func(name string, rest ...any) {
			put(&c.content, name, append([]any{"item_id", item.get("id"), "output_index", i}, rest...)...)
		}
		put(&c.content, "response.output_item.added", "output_index", i, "item", unfinished(item))
		switch item.get("type") {
		case "reasoning":
			about("response.reasoning_summary_part.added", "summary_index", 0, "part", summaryText(""))
			for _, s := range reasoning {
				about("response.reasoning_summary_text.delta", "summary_index", 0, "delta", s)
			}
			about("response.reasoning_summary_text.done", "summary_index", 0, "text", a.reasoning)
			about("response.reasoning_summary_part.done", "summary_index", 0, "part", summaryText(a.reasoning))
		case "message":
			about("response.content_part.added", "content_index", 0, "part", outputText(""))
			for _, s := range text {
				about("response.output_text.delta", "content_index", 0, "delta", s, "logprobs", []any{})
			}
			about("response.output_text.done", "content_index", 0, "text", a.text, "logprobs", []any{})
			about("response.content_part.done", "content_index", 0, "part", outputText(a.text))
		case "function_call":
			arguments := item.get("arguments").(string)
			for _, s := range split(arguments, argumentPieces) {
				about("response.function_call_arguments.delta", "delta", s)
			}
			about("response.function_call_arguments.done", "name", item.get("name"), "arguments", arguments)
		}
		put(&c.content, "response.output_item.done", "output_index", i, "item", item)
	}
	status := responseStatus(a)
	put(&c.closing, "response."+status, "response", responseBody(a, status, items))
	return c
}

func (responses) whole(a *answer) []byte {
	return encode(responseBody(a, responseStatus(a), responseItems(a)))
}

func (responses) errorBody(e businessError, code, id string, inStream bool) []byte {
	if !inStream {
		return openAIError(e, code, id, false)
	}
	return encode(ordered{"type", "error", "code", code, "message", e.text, "param", nil, "sequence_number", 0, "request_id", id})
}

func (responses) streamError(data []byte) []byte { return errorEvent(data, "") }

// responseItems returns the finished items of an answer.
func responseItems(a *answer) []ordered {
	var items []ordered
	tail := a.id[len(a.id)-16:]
	if a.reasoning != "" {
		items = append(items, ordered{"id", "rs_" + tail, "type", "reasoning", "summary", []any{summaryText(a.reasoning)}})
	}
	if a.text != "" {
		items = append(items, ordered{"id", "msg_" + tail, "type", "message", "status", "completed", "role", "assistant", "content", []any{outputText(a.text)}})
	}
	for _, t := range a.calls {
		items = append(items, ordered{"id", "fc_" + t.id[len("call_"):], "type", "function_call", "status", "completed", "call_id", t.id, "name", t.name, "arguments", t.arguments})
	}
	return items
}

// unfinished returns an item as it is when it has just been added.
func unfinished(item ordered) ordered {
	fresh := append(ordered(nil), item...)
	for i := 0; i+1 < len(fresh); i += 2 {
		switch fresh[i] {
		case "status":
			fresh[i+1] = "in_progress"
		case "content", "summary":
			fresh[i+1] = []any{}
		case "arguments":
			fresh[i+1] = ""
		}
	}
	return fresh
}

func outputText(s string) ordered {
	return ordered{"type", "output_text", "text", s, "annotations", []any{}, "logprobs", []any{}}
}

func summaryText(s string) ordered { return ordered{"type", "summary_text", "text", s} }

// responseBody returns the response object in a status: in_progress, completed
// or incomplete.
func responseBody(a *answer, status string, items []ordered) ordered {
	if items == nil {
		items = []ordered{} // an array even if empty
	}
	var details, usage any
	if status == "incomplete" {
		details = ordered{"reason", a.finish}
	}
	if status != "in_progress" {
		out := a.tokensOut()
		usage = ordered{
			"input_tokens", a.tokensIn, "input_tokens_details", ordered{"cached_tokens", 0},
			"output_tokens", out, "output_tokens_details", ordered{"reasoning_tokens", len(a.reasoning) / 4},
			"total_tokens", a.tokensIn + out,
		}
	}
	return ordered{
		"id", "resp_" + a.id, "object", "response", "created_at", a.created.Unix(), "status", status, "error", nil,
		"incomplete_details", details, "instructions", nil, "metadata", ordered{}, "model", a.model, "output", items,
		"parallel_tool_calls", true, "temperature", 1, "tool_choice", "auto", "tools", []any{}, "top_p", 1, "usage", usage,
	}
}

func responseStatus(a *answer) string {
	if a.finish != "" {
		return "incomplete"
	}
	return "completed"
}
