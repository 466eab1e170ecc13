package sse_test

import (
	"testing"

	"github.com/weirhq/weir/sse"
)

type reading struct {
	name        string
	event, data string
	want        sse.Sign
	reason      string
}

func read(t *testing.T, d sse.Dialect, tests []reading) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, reason := d.Read(sse.Event{Name: []byte(tt.event), Data: []byte(tt.data)})
			if got != tt.want || reason != tt.reason {
				t.Errorf("got %v %q, want %v %q", got, reason, tt.want, tt.reason)
			}
		})
	}
}

func TestReadOpenAI(t *testing.T) {
	delta := func(d string) string { return `{"choices":[{"index":0,"delta":` + d + `,"finish_reason":null}]}` }
	read(t, sse.OpenAI, []reading{
		{"no data", "", "", sse.Nothing, ""},
		{"an empty object", "", "{ }", sse.Nothing, ""},
		{"a ping", "", `{"type":"ping"}`, sse.Nothing, ""},
		{"a keep-alive that is a word", "", `keep-alive`, sse.Nothing, ""},
		{"a role", "", delta(`{"role":"assistant","content":""}`), sse.Good, ""},
		{"a role with null content", "", delta(`{"role":"assistant","content":null,"tool_calls":null,"function_call":null}`), sse.Good, ""},
		{"an empty delta", "", delta(`{}`), sse.Good, ""},
		{"usage only", "", `{"choices":[],"usage":{"total_tokens":3}}`, sse.Good, ""},
		{"usage without choices", "", `{"id":"x","usage":{"total_tokens":3}}`, sse.Good, ""},
		{"a chunk without choices", "", `{"id":"x","object":"chat.completion.chunk"}`, sse.Good, ""},
		{"text", "", delta(`{"content":"a"}`), sse.Content, ""},
		{"a blank is text", "", delta(`{"content":" "}`), sse.Content, ""},
		{"text with odd spacing", "", "\t{ \"choices\" : [ { \"delta\" : { \"content\" : \"a\" } } ] } ", sse.Content, ""},
		{"text in parts", "", delta(`{"content":[{"type":"text","text":"a"}]}`), sse.Content, ""},
		{"empty text in parts", "", delta(`{"content":[{"type":"text","text":""}]}`), sse.Good, ""},
		{"reasoning_content", "", delta(`{"content":"","reasoning_content":"a"}`), sse.Content, ""},
		{"reasoning", "", delta(`{"reasoning":"a"}`), sse.Content, ""},
		{"reasoning_details", "", delta(`{"reasoning_details":[{"type":"reasoning.encrypted","data":"a"}]}`), sse.Content, ""},
		{"tool calls", "", delta(`{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}`), sse.Content, ""},
		{"no tool calls", "", delta(`{"tool_calls":[]}`), sse.Good, ""},
		{"a function call", "", delta(`{"function_call":{"name":"f"}}`), sse.Content, ""},
		{"a refusal", "", delta(`{"refusal":"no"}`), sse.Content, ""},
		{"legacy text", "", `{"choices":[{"text":"a","finish_reason":null}]}`, sse.Content, ""},
		{"legacy text that is empty", "", `{"choices":[{"text":"","finish_reason":null}]}`, sse.Good, ""},
		{"a whole message", "", `{"choices":[{"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}`, sse.Content, "stop"},
		{"text and a reason", "", `{"choices":[{"delta":{"content":"a"},"finish_reason":"length"}]}`, sse.Content, "length"},
		{"a reason", "", `{"choices":[{"delta":{"content":""},"finish_reason":"stop"}],"usage":{}}`, sse.Ended, "stop"},
		{"network_error", "", `{"choices":[{"finish_reason":"network_error","delta":{"role":"assistant","content":""}}]}`, sse.Ended, "network_error"},
		{"abort", "", `{"choices":[{"finish_reason":"abort","delta":{}}]}`, sse.Ended, "abort"},
		{"sensitive", "", `{"choices":[{"finish_reason":"sensitive"}]}`, sse.Ended, "sensitive"},
		{"an empty reason is none", "", `{"choices":[{"delta":{"role":"assistant"},"finish_reason":""}]}`, sse.Good, ""},
		{"the string null is none", "", `{"choices":[{"delta":{"role":"assistant"},"finish_reason":"null"}]}`, sse.Good, ""},
		{"[DONE]", "", "[DONE]", sse.Ended, ""},
		{"an error", "", `{"error":{"code":"1302","message":"m"}}`, sse.MaybeError, ""},
		{"an error that is a string", "", `{"error":"no slot"}`, sse.MaybeError, ""},
		{"an error that is null beside text", "", `{"error":null,"choices":[{"delta":{"content":"a"}}]}`, sse.Content, ""},
		{"an error beside choices", "", `{"error":{"code":502},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}`, sse.MaybeError, "error"},
		{"an error event", "error", `{"code":"1302"}`, sse.MaybeError, ""},
		{"an error event without JSON", "error", `busy`, sse.MaybeError, ""},
		{"an error event without data", "error", ``, sse.MaybeError, ""},
		{"an error by type", "", `{"type":"error","error":{"type":"overloaded_error"}}`, sse.MaybeError, ""},
		{"an error in an array", "", `[{"error":{"code":429}}]`, sse.MaybeError, ""},
		{"a flat error", "", `{"code":3010,"msg":"busy"}`, sse.MaybeError, ""},
		{"a wrapped error", "", `{"code":500,"msg":"404 NOT_FOUND","success":false}`, sse.MaybeError, ""},
		{"MiniMax's error", "", `{"choices":null,"base_resp":{"status_code":1002,"status_msg":"rate limit"}}`, sse.MaybeError, ""},
		{"MiniMax's error with empty choices", "", `{"choices":[],"base_resp":{"status_code":1002}}`, sse.MaybeError, ""},
		{"MiniMax's success", "", `{"choices":[{"delta":{"role":"assistant"}}],"base_resp":{"status_code":0}}`, sse.Good, ""},
		{"no JSON", "", `hello`, sse.Content, ""},
		{"a cut frame", "", `{"choices":[{"del`, sse.Content, ""},
		{"a JSON string", "", `"a"`, sse.Content, ""},
		{"an object of no dialect", "", `{"candidates":[{"content":{}}]}`, sse.Content, ""},
		{"choices of an unusual type", "", `{"choices":{"a":1}}`, sse.Content, ""},
		{"a delta of an unusual type", "", delta(`"a"`), sse.Content, ""},
		{"members of unusual types", "", `{"id":7,"type":3,"object":[],"usage":"x","choices":[{"index":"0","delta":{"role":1,"content":""},"finish_reason":5}]}`, sse.Ended, "5"},
		{"an Anthropic start", "message_start", `{"type":"message_start","message":{"content":[]}}`, sse.Good, ""},
		{"an Anthropic delta", "", `{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}`, sse.Content, ""},
		{"a Responses failure", "", `{"type":"response.failed","response":{}}`, sse.MaybeError, ""},
	})
	if s, _ := sse.OpenAI.Read(sse.Event{Comment: true}); s != sse.Nothing {
		t.Errorf("a comment: %v", s)
	}
}

func TestReadAnthropic(t *testing.T) {
	start := func(b string) string {
		return `{"type":"content_block_start","index":0,"content_block":` + b + `}`
	}
	delta := func(d string) string { return `{"type":"content_block_delta","index":0,"delta":` + d + `}` }
	read(t, sse.Anthropic, []reading{
		{"message_start", "message_start", `{"type":"message_start","message":{"id":"m","content":[],"stop_reason":null}}`, sse.Good, ""},
		{"message_start without a name", "", `{"type":"message_start","message":{"content":[]}}`, sse.Good, ""},
		{"message_start without a type", "message_start", `{"message":{"content":[]}}`, sse.Good, ""},
		{"message_start with text", "", `{"type":"message_start","message":{"content":[{"type":"text","text":"a"}]}}`, sse.Content, ""},
		{"ping", "ping", `{"type": "ping"}`, sse.Nothing, ""},
		{"ping without data", "ping", ``, sse.Nothing, ""},
		{"ping with an empty object", "ping", `{}`, sse.Nothing, ""},
		{"a text block", "", start(`{"type":"text","text":""}`), sse.Good, ""},
		{"a text block with text", "", start(`{"type":"text","text":"a"}`), sse.Content, ""},
		{"a thinking block", "", start(`{"type":"thinking","thinking":"","signature":""}`), sse.Good, ""},
		{"a tool call", "", start(`{"type":"tool_use","id":"t","name":"f","input":{}}`), sse.Content, ""},
		{"redacted thinking", "", start(`{"type":"redacted_thinking","data":"a"}`), sse.Content, ""},
		{"text", "content_block_delta", delta(`{"type":"text_delta","text":"a"}`), sse.Content, ""},
		{"empty text", "", delta(`{"type":"text_delta","text":""}`), sse.Good, ""},
		{"thinking", "", delta(`{"type":"thinking_delta","thinking":"a"}`), sse.Content, ""},
		{"a signature", "", delta(`{"type":"signature_delta","signature":"a"}`), sse.Content, ""},
		{"tool input", "", delta(`{"type":"input_json_delta","partial_json":"{"}`), sse.Content, ""},
		{"empty tool input", "", delta(`{"type":"input_json_delta","partial_json":""}`), sse.Good, ""},
		{"a new kind of delta", "", delta(`{"type":"citations_delta","citation":{}}`), sse.Content, ""},
		{"the end of a block", "", `{"type":"content_block_stop","index":0}`, sse.Good, ""},
		{"a stop reason", "", `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{}}`, sse.Ended, "end_turn"},
		{"no stop reason", "", `{"type":"message_delta","delta":{"stop_reason":null}}`, sse.Good, ""},
		{"message_stop", "message_stop", `{"type":"message_stop"}`, sse.Ended, ""},
		{"message_stop with an empty object", "message_stop", `{}`, sse.Ended, ""},
		{"message_stop without data", "message_stop", ``, sse.Ended, ""},
		{"a whole message", "", `{"type":"message","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn"}`, sse.Content, "end_turn"},
		{"an error", "error", `{"type":"error","error":{"type":"overloaded_error"}}`, sse.MaybeError, ""},
		{"an error without a name", "", `{"type":"error","error":{"type":"overloaded_error"}}`, sse.MaybeError, ""},
		{"an error under ping", "ping", `{"error":{"code":"1305"}}`, sse.MaybeError, ""},
		{"a new kind of event", "future", `{"type":"future"}`, sse.Good, ""},
		{"a chat chunk", "", `{"choices":[{"delta":{"content":"a"}}]}`, sse.Content, ""},
		{"a delta of an unusual type", "", delta(`"a"`), sse.Content, ""},
	})
}

func TestReadResponses(t *testing.T) {
	read(t, sse.Responses, []reading{
		{"created", "response.created", `{"type":"response.created","response":{"status":"in_progress","error":null,"output":[]}}`, sse.Good, ""},
		{"created without a name", "", `{"type":"response.created","response":{}}`, sse.Good, ""},
		{"created without a type", "response.created", `{"response":{}}`, sse.Good, ""},
		{"in progress", "", `{"type":"response.in_progress","response":{}}`, sse.Good, ""},
		{"keepalive", "keepalive", `{"type":"keepalive","sequence_number":3}`, sse.Nothing, ""},
		{"a message begins", "", `{"type":"response.output_item.added","item":{"type":"message","content":[]}}`, sse.Good, ""},
		{"reasoning begins", "", `{"type":"response.output_item.added","item":{"type":"reasoning","summary":[],"encrypted_content":"a"}}`, sse.Good, ""},
		{"a tool call begins", "", `{"type":"response.output_item.added","item":{"type":"function_call","name":"f","arguments":""}}`, sse.Content, ""},
		{"a part begins", "", `{"type":"response.content_part.added","part":{"type":"output_text","text":""}}`, sse.Good, ""},
		{"text", "", `{"type":"response.output_text.delta","delta":"a"}`, sse.Content, ""},
		{"empty text", "", `{"type":"response.output_text.delta","delta":""}`, sse.Good, ""},
		{"reasoning", "", `{"type":"response.reasoning_summary_text.delta","delta":"a"}`, sse.Content, ""},
		{"arguments", "", `{"type":"response.function_call_arguments.delta","delta":"{"}`, sse.Content, ""},
		{"whole text", "", `{"type":"response.output_text.done","text":"a"}`, sse.Content, ""},
		{"completed", "", `{"type":"response.completed","response":{"output":[]}}`, sse.Ended, ""},
		{"completed with an answer", "", `{"type":"response.completed","response":{"output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}]}}`, sse.Content, ""},
		{"incomplete", "", `{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}`, sse.Ended, "max_output_tokens"},
		{"failed", "response.failed", `{"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded"}}}`, sse.MaybeError, ""},
		{"an error inside the response", "", `{"type":"response.completed","response":{"error":{"code":"x"}}}`, sse.MaybeError, ""},
		{"an error", "error", `{"type":"error","code":"x","message":"m"}`, sse.MaybeError, ""},
		{"a new kind of event", "", `{"type":"codex.rate_limits","limits":{}}`, sse.Good, ""},
		{"a response of an unusual type", "", `{"type":"response.completed","response":"x"}`, sse.Ended, ""},
		{"output of an unusual type", "", `{"type":"response.completed","response":{"output":"x","incomplete_details":7}}`, sse.Content, ""},
	})
}
