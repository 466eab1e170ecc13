package sse_test

import (
	"encoding/json"
	"regexp"
	"testing"
	"time"

	"github.com/weirhq/weir/sse"
)

func TestKeepAlive(t *testing.T) {
	tests := []struct {
		name  string
		d     sse.Dialect
		ahead int
		want  string
	}{
		{"chat, in the queue", sse.OpenAI, 3, ": weir: queued, 3 ahead\n\n"},
		{"chat, the next", sse.OpenAI, 0, ": weir: queued, 0 ahead\n\n"},
		{"chat, running", sse.OpenAI, -1, ": weir: waiting for the provider\n\n"},
		{"Anthropic", sse.Anthropic, 3, "event: ping\ndata: {\"type\": \"ping\"}\n\n"},
		{"Responses", sse.Responses, -1, "event: keepalive\ndata: {\"type\":\"keepalive\",\"sequence_number\":0}\n\n"},
		{"an unknown dialect", "", 1, ": weir: queued, 1 ahead\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.d.KeepAlive(tt.ahead)
			if string(got) != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for _, ev := range frame(string(got)) {
				if s, _ := tt.d.Read(sse.Event{Name: []byte(ev.Name), Data: []byte(ev.Data), Comment: ev.Comment}); s != sse.Nothing {
					t.Errorf("it reads as %v", s)
				}
			}
		})
	}
}

var (
	busy  = sse.Failure{Status: 429, Code: "max-wait", Message: "weir: no free slot within 220s.", RetryAfter: 6500 * time.Millisecond, Retryable: true}
	spent = sse.Failure{Status: 402, Code: "1308", Message: `weir: the quota is spent until 16:35 ("5 h" <plan>)`}
	gone  = sse.Failure{Status: 503, Message: "weir: Service Unavailable: 503, rate limit, try again later (request 20260500a)"}
)

func TestErrorEvent(t *testing.T) {
	tests := []struct {
		name string
		d    sse.Dialect
		f    sse.Failure
		want string
	}{
		{"chat, to be retried", sse.OpenAI, busy,
			`data: {"error":{"message":"Too Many Requests: weir: no free slot within 220s. Please try again in 7s.","type":"rate_limit_error","code":429}}` + "\n\n"},
		{"chat, final", sse.OpenAI, spent,
			`data: {"error":{"message":"weir: the quota is spent until 16:35 (\"5 h\" <plan>)","type":"insufficient_quota","code":"1308"}}` + "\n\n"},
		{"chat, final, with words to avoid", sse.OpenAI, gone,
			`data: {"error":{"message":"weir: …: … …, … (request …","type":"invalid_request_error","code":"request_failed"}}` + "\n\n"},
		{"Anthropic, to be retried", sse.Anthropic, busy,
			"event: error\n" + `data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded: weir: no free slot within 220s. Please try again in 7s."}}` + "\n\n"},
		{"Anthropic, final", sse.Anthropic, spent,
			"event: error\n" + `data: {"type":"error","error":{"type":"billing_error","message":"weir: the quota is spent until 16:35 (\"5 h\" <plan>)"}}` + "\n\n"},
		{"Anthropic, final, with words to avoid", sse.Anthropic, gone,
			"event: error\n" + `data: {"type":"error","error":{"type":"invalid_request_error","message":"weir: …: … …, … (request …"}}` + "\n\n"},
		{"Responses, to be retried", sse.Responses, busy,
			"event: response.failed\n" + `data: {"type":"response.failed","sequence_number":0,"response":{"id":"resp_weir","object":"response","status":"failed","error":{"code":"rate_limit_exceeded","message":"Too Many Requests: weir: no free slot within 220s. Please try again in 7s."},"output":[]}}` + "\n\n"},
		{"Responses, final", sse.Responses, spent,
			"event: response.failed\n" + `data: {"type":"response.failed","sequence_number":0,"response":{"id":"resp_weir","object":"response","status":"failed","error":{"code":"invalid_prompt","message":"weir: the quota is spent until 16:35 (\"5 h\" <plan>)"},"output":[]}}` + "\n\n"},
		{"no message and no time", sse.OpenAI, sse.Failure{Retryable: true},
			`data: {"error":{"message":"Too Many Requests. Please try again in 5s.","type":"rate_limit_error","code":429}}` + "\n\n"},
	}
	// What OpenCode takes for passing.
	again := regexp.MustCompile(`(?i)429|500|502|503|504|524|rate limit|rate_limit|too many requests|overloaded|` +
		`server error|service unavailable|econn|try again later|try again in`)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := string(tt.d.ErrorEvent(tt.f))
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if again.MatchString(got) != tt.f.Retryable {
				t.Errorf("OpenCode tries again: %v", !tt.f.Retryable)
			}
			events := frame(got)
			if len(events) != 1 || !json.Valid([]byte(events[0].Data)) {
				t.Fatalf("events: %+v", events)
			}
			if s, _ := tt.d.Read(sse.Event{Name: []byte(events[0].Name), Data: []byte(events[0].Data)}); s != sse.MaybeError {
				t.Errorf("it reads as %v", s)
			}
			if complete, _ := watch(got); !complete {
				t.Error("it is no end mark")
			}
		})
	}
}

func TestErrorBody(t *testing.T) {
	tests := []struct {
		name string
		d    sse.Dialect
		f    sse.Failure
		want string
	}{
		{"chat", sse.OpenAI, busy, `{"error":{"message":"weir: no free slot within 220s.","type":"rate_limit_error","code":"max-wait"}}`},
		{"chat, by status", sse.OpenAI, sse.Failure{Status: 502, Message: "m", Retryable: true}, `{"error":{"message":"m","type":"server_error","code":"server_error"}}`},
		{"chat, type given", sse.OpenAI, sse.Failure{Status: 403, Type: "foreign_key", Message: "m"}, `{"error":{"message":"m","type":"foreign_key","code":"invalid_request"}}`},
		{"Responses", sse.Responses, spent, `{"error":{"message":"weir: the quota is spent until 16:35 (\"5 h\" <plan>)","type":"insufficient_quota","code":"1308"}}`},
		{"Anthropic", sse.Anthropic, spent, `{"type":"error","error":{"type":"billing_error","message":"weir: the quota is spent until 16:35 (\"5 h\" <plan>)"}}`},
		{"Anthropic, full queue", sse.Anthropic, sse.Failure{Status: 503, Message: "m", Retryable: true}, `{"type":"error","error":{"type":"overloaded_error","message":"m"}}`},
		{"Anthropic, final", sse.Anthropic, gone, `{"type":"error","error":{"type":"overloaded_error","message":"weir: …: … …, … (request …"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(tt.d.ErrorBody(tt.f)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestErrorBodyTakesTypeAndCodeFromTheStatus(t *testing.T) {
	tests := []struct {
		status                  int
		openAI, code, anthropic string
	}{
		{0, "invalid_request_error", "invalid_request", "invalid_request_error"},
		{400, "invalid_request_error", "invalid_request", "invalid_request_error"},
		{401, "authentication_error", "invalid_api_key", "authentication_error"},
		{402, "insufficient_quota", "insufficient_quota", "billing_error"},
		{403, "permission_error", "invalid_request", "permission_error"},
		{404, "not_found_error", "invalid_request", "not_found_error"},
		{413, "invalid_request_error", "invalid_request", "request_too_large"},
		{429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error"},
		{500, "server_error", "server_error", "api_error"},
		{503, "server_error", "server_error", "overloaded_error"},
		{504, "server_error", "server_error", "api_error"},
		{529, "server_error", "server_error", "overloaded_error"},
	}
	for _, tt := range tests {
		f := sse.Failure{Status: tt.status}
		var got struct{ Error struct{ Type, Code string } }
		if err := json.Unmarshal(sse.OpenAI.ErrorBody(f), &got); err != nil || got.Error.Type != tt.openAI || got.Error.Code != tt.code {
			t.Errorf("OpenAI, %d: got %+v, %v", tt.status, got, err)
		}
		if err := json.Unmarshal(sse.Anthropic.ErrorBody(f), &got); err != nil || got.Error.Type != tt.anthropic {
			t.Errorf("Anthropic, %d: got %+v, %v", tt.status, got, err)
		}
	}
}
