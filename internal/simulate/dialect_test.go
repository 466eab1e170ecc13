package simulate

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// instant makes answers and refusals take no time.
func instant(rules ...Rule) Config {
	return Config{FirstEvent: Exactly(0), Answer: Exactly(0), Refusal: Exactly(0), Rules: rules}
}

func text(s string) *string { return &s }

// eventNames returns what happens in a stream: event types, or for chat what is
// in each chunk's delta.
func eventNames(t *testing.T, stream string) []string {
	t.Helper()
	var names []string
	for frame := range strings.SplitSeq(strings.TrimSuffix(stream, "\n\n"), "\n\n") {
		name, payload := "", frame
		if strings.HasPrefix(frame, "event: ") {
			name, payload, _ = strings.Cut(strings.TrimPrefix(frame, "event: "), "\n")
		}
		payload, ok := strings.CutPrefix(payload, "data: ")
		if !ok {
			t.Fatalf("no data in %q", frame)
		}
		if payload == "[DONE]" {
			names = append(names, "[DONE]")
			continue
		}
		var v struct {
			Type    string `json:"type"`
			Choices []struct {
				Finish string         `json:"finish_reason"`
				Delta  map[string]any `json:"delta"`
			} `json:"choices"`
			Usage map[string]any `json:"usage"`
		}
		if err := json.Unmarshal([]byte(payload), &v); err != nil {
			t.Fatalf("%v in %q", err, payload)
		}
		if name != "" && v.Type != "" && v.Type != name {
			t.Errorf("event %q holds type %q", name, v.Type)
		}
		for _, c := range v.Choices {
			var keys []string
			for k := range c.Delta {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			name = strings.Join(keys, "+")
			if c.Finish != "" {
				name += "!" + c.Finish
			}
			if v.Usage != nil {
				name += "$"
			}
		}
		names = append(names, name)
	}
	return slices.Compact(names)
}

func TestStreamsHaveTheirDialectsShape(t *testing.T) {
	talk := Rule{Match: Match{Model: "talk"}, Answer: &Answer{Text: text("Hello, <world>."), Reasoning: "Hm.", Events: 4}}
	tool := Rule{Match: Match{Model: "tool"}, Answer: &Answer{ToolCalls: []ToolCall{{Name: "task", Arguments: json.RawMessage(`{"prompt":"one two three"}`)}}}}
	tests := []struct{ path, model, want string }{
		{chatPath, "talk", "content+role reasoning_content content content+role!stop$ [DONE]"},
		{chatPath, "tool", "content+role tool_calls content+role!tool_calls$ [DONE]"},
		{messagesPath, "talk", "message_start ping content_block_start content_block_delta content_block_stop content_block_start content_block_delta content_block_stop message_delta message_stop"},
		{messagesPath, "tool", "message_start ping content_block_start content_block_delta content_block_stop message_delta message_stop"},
		{responsesPath, "talk", "response.created response.in_progress " +
			"response.output_item.added response.reasoning_summary_part.added response.reasoning_summary_text.delta response.reasoning_summary_text.done response.reasoning_summary_part.done response.output_item.done " +
			"response.output_item.added response.content_part.added response.output_text.delta response.output_text.done response.content_part.done response.output_item.done response.completed"},
		{responsesPath, "tool", "response.created response.in_progress " +
			"response.output_item.added response.function_call_arguments.delta response.function_call_arguments.done response.output_item.done response.completed"},
	}
	for _, tt := range tests {
		t.Run(tt.model+" at "+tt.path, func(t *testing.T) {
			inBubble(t, instant(talk, tool), func(t *testing.T, b *bubble) {
				_, body, _ := b.call(tt.path, "", `{"model":"`+tt.model+`","stream":true}`)
				if got := strings.Join(eventNames(t, body), " "); got != tt.want {
					t.Errorf("events are\n%s\nwant\n%s", got, tt.want)
				}
			})
		})
	}
}

func TestRefusalsHaveTheirDialectsShape(t *testing.T) {
	const id = `\d{14}[0-9a-f]{16}`
	const chatBody = `{"error":{"code":"1302","message":"Rate limit reached for requests"}}`
	const messagesBody = `{"type":"error","error":{"type":"rate_limit_error","code":"1302","message":"\[1302\]\[Rate limit reached for requests\]\[` + id + `\]"},"request_id":"` + id + `"}`
	const responsesEvent = `{"type":"error","code":"1302","message":"Rate limit reached for requests","param":null,"sequence_number":0,"request_id":"` + id + `"}`
	tests := []struct {
		name, path, body string
		inStream         bool
		status           int
		want             string
	}{
		{"chat", chatPath, streaming, false, 429, chatBody},
		{"messages", messagesPath, streaming, false, 429, messagesBody},
		{"responses", responsesPath, streaming, false, 429, chatBody},
		{"chat in a 200 body", chatPath, plain, true, 200, chatBody},
		{"messages in a 200 body", messagesPath, plain, true, 200, messagesBody},
		{"responses in a 200 body", responsesPath, plain, true, 200, chatBody},
		{"chat in a stream", chatPath, streaming, true, 200, "event: error\ndata: " + strings.TrimSuffix(chatBody, "}") + `,"request_id":"` + id + "\"}\n\ndata: \\[DONE\\]\n\n"},
		{"messages in a stream", messagesPath, streaming, true, 200, "event: error\ndata: " + messagesBody + "\n\n"},
		{"responses in a stream", responsesPath, streaming, true, 200, "event: error\ndata: " + responsesEvent + "\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := instant()
			c.InStream, c.Schedule, c.RetryAfter = tt.inStream, []Level{{}}, Exactly(1500*time.Millisecond)
			inBubble(t, c, func(t *testing.T, b *bubble) {
				res := b.post(t.Context(), tt.path, "", tt.body)
				body := readAll(t, res)
				if res.StatusCode != tt.status || !regexp.MustCompile("^"+tt.want+"$").MatchString(body) || res.Header.Get("Retry-After") != "2" {
					t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
				}
			})
		})
	}
}

func TestRequestIDsBeginWithTheClockOfUTC8(t *testing.T) {
	inBubble(t, instant(), func(t *testing.T, b *bubble) {
		_, body, _ := b.call(messagesPath, "", plain)
		// A bubble begins at midnight of 2000-01-01 UTC.
		if !strings.HasPrefix(body, `{"id":"20000101080000`) {
			t.Errorf("body is %s", body)
		}
	})
}

func TestOtherPaths(t *testing.T) {
	tests := []struct {
		name, method, path string
		status             int
		want               string
	}{
		{"models", "GET", "/api/coding/paas/v4/models", 200, `{"object":"list","data":[{"id":"glm-5","object":"model"`},
		{"models of Anthropic", "GET", "/api/anthropic/v1/models", 200, `{"data":[{"type":"model","id":"glm-5"`},
		{"count_tokens", "POST", "/api/anthropic/v1/messages/count_tokens", 200, `{"input_tokens":1}`},
		{"hello", "HEAD", "/api/anthropic/api/hello", 200, ""},
		{"messages without /v1", "POST", "/api/anthropic/messages", 200, `{"code":500,"msg":"404 NOT_FOUND","success":false}`},
		{"a call by GET", "GET", chatPath, 200, `{"code":500,"msg":"404 NOT_FOUND","success":false}`},
		{"an unknown path elsewhere", "GET", "/v1/nothing", 404, `{"error":{"code":"404"`},
		{"health", "GET", "/healthz", 200, `{"status":"ok"}`},
		{"statistics", "GET", "/simulate/stats", 200, `"requests":0`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, Config{Schedule: []Level{{}}}, func(t *testing.T, b *bubble) { // no slot for anybody
				r, err := http.NewRequestWithContext(t.Context(), tt.method, "http://sim"+tt.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				res, err := b.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				if body := readAll(t, res); res.StatusCode != tt.status || !strings.Contains(body, tt.want) || b.since() != 0 {
					t.Errorf("%d after %v: %s", res.StatusCode, b.since(), body)
				}
			})
		})
	}
}

func TestInvalidCallsTakeNoSlot(t *testing.T) {
	for body, code := range map[string]string{"no json": "1210", `{"messages":[]}`: "1213", "": "1210"} {
		inBubble(t, instant(), func(t *testing.T, b *bubble) {
			status, got, _ := b.call(chatPath, "", body)
			if s := b.p.Stats(); status != 400 || !strings.Contains(got, code) || s.Invalid != 1 || s.MaxInFlight != 0 {
				t.Errorf("%q: %d %s, %+v", body, status, got, s)
			}
		})
	}
}

func TestSplitLosesNothing(t *testing.T) {
	for _, s := range []string{"", "a", "zwölf Boxkämpfer", ordinaryText} {
		for n := range 60 {
			pieces := split(s, n+1)
			if strings.Join(pieces, "") != s || len(pieces) > n+1 || slices.Contains(pieces, "") {
				t.Errorf("split(%q, %d) = %q", s, n+1, pieces)
			}
		}
	}
}
