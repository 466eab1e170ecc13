package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestAnswer(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	tests := []struct {
		name, text string
		status     int
		body       string
		fails      bool
	}{
		{"a body of known length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 …", 200, "abc", false},
		{"a refusal", "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 2\r\n\r\n{}", 429, "{}", false},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", false},
		{"chunks", chunked + "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", 200, "abc0123456789", false},
		{"a stream cut in the middle", chunked + "3\r\nabc\r\n", 200, "abc", true},
		{"a chunk cut in the middle", chunked + "9\r\nabc", 200, "abc", true},
		{"a chunk of a size that is no number", chunked + "x\r\nabc\r\n", 200, "", true},
		{"a chunk longer than it says", chunked + "2\r\nabc\r\n", 200, "ab", true},
		{"no HTTP at all", "SSH-2.0-x\r\n\r\n", 0, "", true},
		{"a connection that says nothing", "", 0, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &conn{in: bufio.NewReader(strings.NewReader(tt.text))}
			var body strings.Builder
			status, err := c.answer(func(b []byte) { body.Write(b) })
			if status != tt.status || body.String() != tt.body || (err != nil) != tt.fails {
				t.Errorf("answer = %d %q, %v; want %d %q, failure %t", status, body.String(), err, tt.status, tt.body, tt.fails)
			}
		})
	}
}

func TestAudienceCountsEventsHoweverTheyAreCut(t *testing.T) {
	const stream = ": queued, 3 ahead\n\ndata: {\"a\":1}\n\n: still\n\ndata: {\"a\":2}\n\ndata: [DONE]\n\n"
	for cut := range len(stream) + 1 {
		var a audience
		a.piece([]byte(stream[:cut]))
		a.piece([]byte(stream[cut:]))
		if a.events != 3 {
			t.Errorf("cut at %d: %d events, want 3", cut, a.events)
		}
	}
}

func TestAudienceTellsHowOldAChunkIs(t *testing.T) {
	var a audience
	a.time(5_000_000, []byte(`data: {"content":""} data: {"content":"1000000"} data: {"content":"4500000"} data: {"content":"12`))
	if want := []float64{4, 0.5}; !slices.Equal(a.delays, want) {
		t.Errorf("delays %v, want %v", a.delays, want)
	}
}

func TestChatIsJSONOfTheSizeAskedFor(t *testing.T) {
	for _, size := range []int{2 << 10, 100 << 10, 1 << 20} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, stream %t", size, stream), func(t *testing.T) {
				text := chat(size, stream)
				var body struct {
					Model    string
					Messages []struct{ Role, Content string }
					Stream   bool
				}
				if err := json.Unmarshal([]byte(text), &body); err != nil {
					t.Fatal(err)
				}
				if body.Model == "" || len(body.Messages) < 2 || body.Stream != stream {
					t.Errorf("model %q, %d messages, stream %t", body.Model, len(body.Messages), body.Stream)
				}
				if len(text) > size+100 || len(text) < size-200 {
					t.Errorf("%d bytes, want about %d", len(text), size)
				}
			})
		}
	}
}

func TestRequestSaysItsLength(t *testing.T) {
	u := &url.URL{Scheme: "http", Host: "127.0.0.1:1302"}
	head, body, ok := strings.Cut(string(prompt{do: "do=json", headers: "X-Weir-Session: s\r\n"}.request(u)), "\r\n\r\n")
	if !ok {
		t.Fatal("no end of the head")
	}
	for _, want := range []string{
		"POST " + path + "?do=json HTTP/1.1\r\n", "\r\nHost: 127.0.0.1:1302\r\n", "\r\nX-Weir-Session: s",
		"\r\nAuthorization: Bearer bench-a\r\n", fmt.Sprintf("\r\nContent-Length: %d\r\n", len(body)),
	} {
		if !strings.Contains(head, want) {
			t.Errorf("no %q in the head\n%s", want, head)
		}
	}
}

func TestListening(t *testing.T) {
	tests := []struct{ name, said, want string }{
		{"nothing said yet", "", ""},
		{"the address alone", "weir listens on http://127.0.0.1:41302\nmore", "http://127.0.0.1:41302"},
		{"with a stop behind it", "listens on http://[::1]:1302, press", "http://[::1]:1302"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, _ := listening(tt.said); got != tt.want {
				t.Errorf("listening(%q) = %q, want %q", tt.said, got, tt.want)
			}
		})
	}
}
