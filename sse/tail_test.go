package sse_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/sse"
)

// watch writes the pieces one after the other and returns what a Tail saw.
func watch(pieces ...string) (complete bool, merged int) {
	var tail sse.Tail
	for _, p := range pieces {
		tail.Write([]byte(p))
	}
	return tail.Complete(), tail.Merged()
}

// quote returns s as a JSON string.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// says is a chat chunk that says text.
func says(text string) string {
	return `{"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":` + quote(text) + `},"finish_reason":null}]}`
}

func TestTailKnowsTheEnd(t *testing.T) {
	tests := []struct {
		name, stream string
		complete     bool
	}{
		{"nothing", "", false},
		{"chunks only", "data: " + says("a") + "\n\ndata: " + says("b") + "\n\n", false},
		{"[DONE]", "data: [DONE]\n\n", true},
		{"[DONE] without a blank and without a line end", "data:[DONE]", true},
		{"[DONE] after a byte order mark", "\xef\xbb\xbfdata: [DONE]", true},
		{"half a [DONE]", "data: [DON", false},
		{"a broken [DONE]", "data: [DOME]\n\n", false},
		{"[DONE] in text", "data: " + says("data: [DONE]\n\ndata: [DONE]") + "\n\n", false},
		{"[DONE] in a comment", ": data: [DONE]\n\n", false},
		{"a finish reason", `data: {"choices":[{"finish_reason":"stop","delta":{}}]}` + "\n\n", true},
		{"a finish reason with blanks around it", `data: {"choices": [ {"finish_reason" : "stop"} ] }`, true},
		{"a finish reason whose chunk is cut", `data: {"choices":[{"finish_reason":"stop","delta":{}}]`, false},
		{"a null finish reason", `data: {"choices":[{"finish_reason": null}]}` + "\n\n", false},
		{"an empty finish reason", `data: {"choices":[{"finish_reason":""}]}` + "\n\n", false},
		{"a finish reason null as a string", `data: {"choices":[{"finish_reason":"null"}]}` + "\n\n", false},
		{"a finish reason in text", "data: " + says(`"finish_reason":"stop"`) + "\n\n", false},
		{"a finish reason as the whole text", "data: " + says(`finish_reason`) + "\n\n", false},
		{"a finish reason in another place", `data: {"x":{"finish_reason":"stop"}}` + "\n\n", false},
		{"message_stop by name and type", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", true},
		{"message_stop by type", "data: {\"type\": \"message_stop\"}\n\n", true},
		{"message_stop by name, with CRLF", "event: message_stop\r\ndata: {}\r\n\r\n", true},
		{"message_stop by name only", "event:message_stop\n\n", true},
		{"message_stop before its data", "event: message_stop\n", false},
		{"message_stop cut in its data", "event: message_stop\ndata: {\"type\":\"mess", false},
		{"message_stop in text", `data: {"type":"content_block_delta","delta":{"type":"text_delta","text":` + quote("\nevent: message_stop\n\"type\":\"message_stop\"") + "}}\n\n", false},
		{"message_stop as the whole text", `data: {"type":"content_block_delta","delta":{"text":"message_stop"}}` + "\n\n", false},
		{"message_stop as the type of something inside", `data: {"type":"x","delta":{"type":"message_stop"}}` + "\n\n", false},
		{"message_delta with a stop reason", "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n", false},
		{"response.completed", "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{}}\n\n", true},
		{"response.incomplete by type, not first", `data: {"sequence_number":9,"type":"response.incomplete"}` + "\n\n", true},
		{"response.failed", `data: {"type":"response.failed"}` + "\n\n", true},
		{"response.created", "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"error\":null}}\n\n", false},
		{"response.output_text.delta", `data: {"type":"response.output_text.delta","delta":"response.completed"}` + "\n\n", false},
		{"an error event whose data is no JSON", "event: error\ndata: oh [no\n\n", true},
		{"a bare error", `data: {"error":{"code":"1302"}}` + "\n\n", true},
		{"an error that is a string", `data: {"error":"no slot"}` + "\n\n", true},
		{"an error that is null, false or empty", `data: {"error":null}` + "\n\n" + `data: {"error":false}` + "\n\n" + `data: {"error":""}` + "\n\n", false},
		{"an error in another place", `data: {"x":{"error":{"code":1}}}` + "\n\n", false},
		{"an error by type", `data: {"type":"error","error":{"type":"overloaded_error"}}` + "\n\n", true},
		{"a key with an escape is no mark", `data: {"typ\u0065":"error"}` + "\n\n", false},
		{"a mark after a broken line", "data: {\"a\":\"b\n\ndata: [DONE]\n\n", true},
		{"a mark that is a line inside a broken string", "data: {\"a\":\"b\nevent: message_stop\n\n", true},
		{"a name that only starts like a mark", "event: message_stopped\ndata: {}\n\nevent: response.completed.and.more\ndata: {}\n\n", false},
		{"a field that only ends like one", "xdata: [DONE]\n\n", false},
		{"lone CRs end lines", "data: x\revent: message_stop\rdata: {}\r\r", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, _ := watch(tt.stream); got != tt.complete {
				t.Errorf("at once: %v, want %v", got, tt.complete)
			}
			if got, _ := watch(bytewise(tt.stream)...); got != tt.complete {
				t.Errorf("byte by byte: %v, want %v", got, tt.complete)
			}
		})
	}
}

func TestTailCountsMergedFrames(t *testing.T) {
	whole := says("x")
	tests := []struct {
		name, stream string
		merged       int
		complete     bool
	}{
		{"none", "data: " + whole + "\n\n", 0, false},
		{"the text of one", "data: " + says(`say data: {"a":1} or so`) + "\n\n", 0, false},
		{"a text that ends like the start of one", "data: " + says("data: {") + "\n\n", 0, false},
		{"in a string", `data: {"object":"chat.cdata: ` + whole + "\n\n", 1, false},
		{"in a key", `data: {"choices":[{"delta":{"roledata: ` + whole + "\n\n", 1, false},
		{"between values", `data: {"choices":[{data: ` + whole + "\n\n", 1, false},
		{"in a number", `data: {"created":177data: ` + whole + "\n\n", 1, false},
		{"in a null", `data: {"choices":[{"finish_reason":nudata: ` + whole + "\n\n", 1, false},
		{"after an escape", `data: {"x":"a\\\ndata: ` + whole + "\n\n", 1, false},
		{"two of them", `data: {"object":"chat.cdata: {"object":"chadata: ` + whole + "\n\n", 2, false},
		{"the end in the second", `data: {"object":"chat.cdata: {"choices":[{"finish_reason":"stop"}]}` + "\n\n", 1, true},
		{"an end in the first, which is not complete", `data: {"choices":[{"finish_reason":"stop","objdata: ` + whole + "\n\n", 1, false},
		{"on two lines", `data: {"object":"chat.cdata: ` + whole + "\n\n" + `data: {"object":"chat.cdata: ` + whole + "\n\n", 2, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i := range len(tt.stream) {
				if complete, merged := watch(tt.stream[:i], tt.stream[i:]); merged != tt.merged || complete != tt.complete {
					t.Fatalf("cut at %d: merged %d, complete %v", i, merged, complete)
				}
			}
			if complete, merged := watch(bytewise(tt.stream)...); merged != tt.merged || complete != tt.complete {
				t.Errorf("byte by byte: merged %d, complete %v", merged, complete)
			}
		})
	}
}

// textOf generates answer texts in which marks and half marks are frequent.
func textOf() *rapid.Generator[string] {
	return rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{
		`"`, `\`, "\n", "\r\n", "data: ", "data:", "[DONE]", "{", "}", `{"`, `"finish_reason":"stop"`, "event: message_stop",
		`"type":"error"`, `"error":`, "response.completed", "message_stop", "error", "é", "o", " ", "a word",
	}), 0, 12), func(parts []string) string { return strings.Join(parts, "") })
}

// TestTailAgreesWithAParser builds streams of events that encoding/json wrote,
// so that what each holds is known, and cuts them anywhere.
func TestTailAgreesWithAParser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			stream   strings.Builder
			complete bool
			merged   int
		)
		for range rapid.IntRange(0, 6).Draw(t, "events") {
			nl := rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(t, "line end")
			text := textOf().Draw(t, "text")
			data, name := says(text), ""
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0:
				data = fmt.Sprintf(`{"note":%s,"choices":[{"delta":{"content":%[1]s},"finish_reason":"stop"}]}`, quote(text))
				complete = true
			case 1:
				name = "content_block_delta"
				data = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":` + quote(text) + `}}`
			case 2:
				name, data = "message_stop", `{"type":"message_stop"}`
				complete = true
			case 3:
				data = `{"object":"chat.cdata: ` + data
				merged++
			case 4:
				data = `{"error":{"message":` + quote(text) + `}}`
				complete = true
			case 5:
				data = `{"type":"response.output_text.delta","item":{"error":` + quote(text) + `},"delta":` + quote(text) + `}`
			}
			if name != "" {
				stream.WriteString("event: " + name + nl)
			}
			stream.WriteString("data: " + data + nl + nl)
		}
		gotComplete, gotMerged := watch(cut(t, stream.String())...)
		if gotComplete != complete || gotMerged != merged {
			t.Fatalf("complete %v, merged %d; want %v, %d in %q", gotComplete, gotMerged, complete, merged, stream.String())
		}
	})
}

func TestTailIsNotFooledByACutEvent(t *testing.T) {
	ends := []string{
		"data: [DONE]",
		`data: {"choices":[{"index":0,"finish_reason":"stop","delta":{"content":""}}],"usage":{"total_tokens":1}}`,
		`data: {"type":"message_stop"}`,
		"event: message_stop\ndata: {\"type\":\"message_stop\"}",
		"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"x\",\"output\":[{\"type\":\"message\"}]}}",
		`data: {"error":{"code":"1302","message":"m"}}`,
	}
	for _, end := range ends {
		for i := range len(end) {
			if complete, _ := watch("data: "+says("x")+"\n\n", end[:i]); complete {
				t.Errorf("complete after %q", end[:i])
			}
		}
		if complete, _ := watch("data: "+says("x")+"\n\n", end); !complete {
			t.Errorf("not complete after %q", end)
		}
	}
}

func FuzzTail(f *testing.F) {
	for _, stream := range samples(f) {
		f.Add(stream, 3)
	}
	f.Add("event: message_stop\r\ndata: {}\r\n\r\n", 20)
	f.Add(`data: {"finish_reason":"x","a":[{data: {"type" : "error"}`+"\n\n", 40)
	f.Fuzz(func(t *testing.T, stream string, at int) {
		at = min(max(at, 0), len(stream))
		complete, merged := watch(bytewise(stream)...)
		for _, pieces := range [][]string{{stream}, {stream[:at], stream[at:]}} {
			if c, m := watch(pieces...); c != complete || m != merged {
				t.Fatalf("%q: complete %v, merged %d; byte by byte %v, %d", pieces, c, m, complete, merged)
			}
		}
	})
}

func TestTailAllocatesNothing(t *testing.T) {
	var tail sse.Tail
	long := []byte(`data: {"type":"response.output_text.delta` + strings.Repeat("o", 100) + `"}` + "\nevent: " + strings.Repeat("x", 100) + "\n\n")
	if n := testing.AllocsPerRun(100, func() {
		tail.Write(chunk)
		tail.Write(long)
		for i := range long {
			tail.Write(long[i : i+1])
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
