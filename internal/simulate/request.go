package simulate

import (
	"bytes"
	"encoding/json"
)

// A request is what the simulator needs to know of a call's body.
type request struct {
	path   string
	body   []byte
	Model  string `json:"model"`
	Stream bool   `json:"stream"`
	// Conversation, by dialect.
	Messages json.RawMessage `json:"messages"`
	Input    json.RawMessage `json:"input"`
}

// readRequest reads a body. The second result is the business code that says
// what is wrong with it, or empty.
func readRequest(path string, body []byte) (*request, string) {
	q := &request{path: path, body: body}
	if err := json.Unmarshal(body, q); err != nil {
		return q, "1210"
	}
	if q.Model == "" {
		return q, "1213"
	}
	return q, ""
}

// toolResults tells whether the conversation carries results of tools: messages
// of the role "tool" (chat), blocks "tool_result" (Messages) or items
// "function_call_output" (Responses).
func (q *request) toolResults() bool {
	for _, raw := range [...]json.RawMessage{q.Messages, q.Input} {
		var turns []struct {
			Role    string          `json:"role"`
			Type    string          `json:"type"`
			Content json.RawMessage `json:"content"`
		}
		if json.Unmarshal(raw, &turns) != nil {
			continue
		}
		for _, turn := range turns {
			if turn.Role == "tool" || turn.Type == "function_call_output" || holdsToolResult(turn.Content) {
				return true
			}
		}
	}
	return false
}

func holdsToolResult(content json.RawMessage) bool {
	if !bytes.HasPrefix(content, []byte("[")) {
		return false
	}
	var blocks []struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(content, &blocks) != nil {
		return false
	}
	for _, b := range blocks {
		if b.Type == "tool_result" {
			return true
		}
	}
	return false
}
