package sse_test

import (
	"strings"
	"testing"

	"github.com/weirhq/weir/sse"
)

// chunk is a chat chunk of Z.AI's form, 250 bytes long with its blank line.
var chunk = func() []byte {
	head := `data: {"id":"20260430204055297b97348c8e426c","created":1777552855,"object":"chat.completion.chunk","model":"glm-5.1","choices":[{"index":0,"delta":{"role":"assistant","content":"`
	foot := `"},"finish_reason":null}]}` + "\n\n"
	return []byte(head + strings.Repeat("x", 250-len(head)-len(foot)) + foot)
}()

func BenchmarkTail(b *testing.B) {
	benches := []struct {
		name  string
		piece []byte
	}{
		{"250-byte chat chunk", chunk},
		{"Anthropic delta", []byte("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a word or two\"}}\n\n")},
		{"64 KiB of text in one delta", []byte(`data: {"choices":[{"delta":{"content":"` + strings.Repeat("abcdefg ", 8192) + `"}}]}` + "\n\n")},
	}
	for _, bb := range benches {
		b.Run(bb.name, func(b *testing.B) {
			var tail sse.Tail
			b.SetBytes(int64(len(bb.piece)))
			b.ReportAllocs()
			for b.Loop() {
				tail.Write(bb.piece)
			}
		})
	}
}

func BenchmarkFramer(b *testing.B) {
	var f sse.Framer
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		f.Write(chunk)
		if _, ok := f.Next(); !ok {
			b.Fatal("no event")
		}
	}
}

func BenchmarkRead(b *testing.B) {
	ev := sse.Event{Data: chunk[len("data: ") : len(chunk)-2]}
	b.ReportAllocs()
	for b.Loop() {
		sse.OpenAI.Read(ev)
	}
}
