package provider_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/provider"
)

func classify(t testing.TB, name string, status int, body string) provider.Verdict {
	t.Helper()
	return profile(t, name).Classify(provider.Answer{Status: status, Body: []byte(body), Now: now})
}

func TestSuccessIsNeverTakenForAnError(t *testing.T) {
	bodies := map[string]string{
		"nothing":                       ``,
		"the end mark":                  `[DONE]`,
		"a page":                        `<html>error</html>`,
		"a completion about errors":     `{"id":"x","choices":[{"message":{"content":"{\"error\":{\"code\":\"1302\"}} [1302][x]"}}]}`,
		"an error that is null":         `{"error":null,"choices":[]}`,
		"an error that is empty":        `{"error":{ },"choices":[]}`,
		"an error that is false":        `{"error":false,"id":"x"}`,
		"code 200 and success":          `{"code":200,"msg":"Operation successful","data":{},"success":true}`,
		"code 200 alone":                `{"code":200,"msg":"ok"}`,
		"code 0":                        `{"code":0,"msg":"ok"}`,
		"a code beside success":         `{"code":1,"msg":"fine","success":true}`,
		"an empty code":                 `{"code":"","message":"","output":{"text":"x"}}`,
		"a code without a message":      `{"code":7}`,
		"a code beside content":         `{"code":7,"message":"m","choices":[{}]}`,
		"MiniMax's good base_resp":      `{"choices":[],"base_resp":{"status_code":0,"status_msg":"success"}}`,
		"an Anthropic delta":            `{"type":"content_block_delta","delta":{"type":"text_delta","text":"error"}}`,
		"an Anthropic message":          `{"type":"message","content":[{"type":"text","text":"\"type\":\"error\""}]}`,
		"a Responses event":             `{"type":"response.created","response":{"error":null,"status":"in_progress"}}`,
		"a Responses answer":            `{"object":"response","error":null,"status":"completed","output":[]}`,
		"a chunk of Gemini in an array": `[{"candidates":[{"content":{}}]}`,
		"the tail of a cut object":      `"error":{"code":"1302"}}`,
		"a chunk that is cut":           `{"choices":[{"delta":{"content":"\"error\":{`,
		"a list of models":              `{"object":"list","data":[{"id":"glm-5"}]}`,
	}
	for what, body := range bodies {
		for _, name := range provider.Names() {
			t.Run(what+" as "+name, func(t *testing.T) {
				if v := classify(t, name, 200, body); v != (provider.Verdict{Kind: provider.OK}) {
					t.Errorf("got %+v", v)
				}
			})
		}
	}
	t.Run("a finish reason that is no error", func(t *testing.T) {
		for _, reason := range []string{"stop", "tool_calls", "length", "nobody-knows"} {
			v := profile(t, "zai").Classify(provider.Answer{Status: 200, Body: []byte(`{"choices":[]}`), FinishReason: reason})
			if v.Kind != provider.OK {
				t.Errorf("%s: %v", reason, v.Kind)
			}
		}
	})
}

func TestClassifyOfSuccessAllocatesNothing(t *testing.T) {
	p := profile(t, "zai-coding")
	for _, body := range []string{successBody, successEvent, `{"code":200,"success":true,"data":{}}`, `{"base_resp":{"status_code":0},"choices":[]}`} {
		a := provider.Answer{Status: 200, Body: []byte(body), Now: now}
		if n := testing.AllocsPerRun(100, func() {
			if p.Classify(a).Kind != provider.OK {
				t.Error("not OK")
			}
		}); n != 0 {
			t.Errorf("%v allocations for %s", n, body)
		}
	}
}

const (
	successEvent = `{"id":"2026","created":1777552926,"object":"chat.completion.chunk","model":"glm-5.1","choices":[{"index":0,"delta":{"role":"assistant","content":"11"}}]}`
	successBody  = `{"id":"2026","object":"chat.completion","created":1777552926,"model":"glm-5.1","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"a rather \"short\" answer"}}],"usage":{"prompt_tokens":10,"completion_tokens":7}}`
)

func TestClassifyWhatNoRuleKnows(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   provider.Kind
		rule   string
	}{
		{"a bare 429 does not say", 429, ``, provider.Throttled, "*/429"},
		{"nor does one that restates itself", 429, `{"error":{"code":"429","message":"slow"}}`, provider.Throttled, "*/429"},
		{"nor in words", 429, `{"error":{"code":"rate_limit_exceeded","type":"rate_limit_error","message":"m"}}`, provider.Throttled, "*/429"},
		{"nor in other words", 429, `{"error":{"code":"too_many_requests"}}`, provider.Throttled, "*/429"},
		{"nor in a page", 429, `<html>Too Many Requests</html>`, provider.Throttled, "*/429"},
		{"a body under 200 may restate a 429", 200, `{"type":"error","error":{"type":"rate_limit_error","message":"m"}}`, provider.Throttled, "*/429"},
		{"an unknown code is not retried because of its 429", 429, `{"error":{"code":"9999","message":"m"}}`, provider.Unknown, ""},
		{"nor because of its text", 429, `{"error":{"code":"9999","message":"Rate limit reached for requests"}}`, provider.Unknown, ""},
		{"nor because of its type", 429, `{"type":"error","error":{"type":"rate_limit_error","code":"9999","message":"[9999][m]"}}`, provider.Unknown, ""},
		{"nor because of its 500", 500, `{"error":{"code":"9999","message":"m"}}`, provider.Unknown, ""},
		{"nor under 200", 200, `{"error":{"code":"9999","message":"concurrency"}}`, provider.Unknown, ""},
		{"nor flat", 200, `{"code":9999,"msg":"m"}`, provider.Unknown, ""},
		{"503 says enough", 503, `{"error":{"code":"9999"}}`, provider.Overload, "*/503"},
		{"529 says enough", 529, `{"error":{"code":"9999"}}`, provider.Overload, "*/529"},
		{"502 says enough", 502, `{"error":{"code":"9999"}}`, provider.Server, "*/502"},
		{"400 says enough", 400, `{"error":{"code":"9999"}}`, provider.Invalid, "*/400"},
		{"401 says enough", 401, `{"error":{"code":"9999"}}`, provider.Auth, "*/401"},
		{"an error under 200 that says nothing", 200, `{"error":{"message":"m"}}`, provider.Unknown, ""},
		{"a failure under 200 that says nothing", 200, `{"success":false}`, provider.Unknown, ""},
		{"a status without a rule", 418, ``, provider.Unknown, ""},
		{"a server's status without a rule", 501, `{"error":"m"}`, provider.Unknown, ""},
		{"a plain 500", 500, `oops`, provider.Server, "*/500"},
		{"a plain 422", 422, ``, provider.Invalid, "*/400"},
		{"a known code decides against its text", 400, `{"error":{"code":"1210","message":"Rate limit reached for requests"}}`, provider.Invalid, "zai/1210"},
		{"and against its status", 503, `{"error":{"code":"1313","message":"The service may be temporarily overloaded"}}`, provider.Flagged, "zai/1313"},
		{"the digits of a code inside an id are no code", 500, `{"error":{"message":"Network error, error id: 20260606130224aa, please try again later"}}`, provider.Server, "zai/text-1234"},
		{"a code in a body that is cut", 429, `{"error":{"code":"1308","message":"Usage li`, provider.Quota, "zai/1308"},
		{"a long wait is a spent allowance", 429, `{"retry_after":"3600"}`, provider.Quota, "*/429"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if v := classify(t, "zai-coding", tt.status, tt.body); v.Kind != tt.want || v.Rule != tt.rule {
				t.Errorf("got %v by %q, want %v by %q", v.Kind, v.Rule, tt.want, tt.rule)
			}
		})
	}
}

func TestClassifyOtherProvidersShapes(t *testing.T) {
	tests := []struct {
		name, profile string
		status        int
		body          string
		want          provider.Kind
	}{
		{"OpenAI's type decides whatever the code", "openai", 429, `{"error":{"type":"insufficient_quota","code":"some_new_word"}}`, provider.Quota},
		{"OpenAI's Responses event", "openai", 200, `{"type":"error","code":"rate_limit_exceeded","message":"m","sequence_number":1}`, provider.Frequency},
		{"OpenAI's failed response", "openai", 200, `{"type":"response.failed","response":{"id":"x","error":{"code":"server_is_overloaded","message":"m"}}}`, provider.Overload},
		{"OpenAI's failed response as JSON", "openai", 200, `{"object":"response","status":"failed","error":{"code":"server_error","message":"m"}}`, provider.Server},
		{"DeepSeek's misleading code", "deepseek", 402, `{"error":{"message":"Insufficient Balance","type":"unknown_error","code":"invalid_request_error"}}`, provider.Quota},
		{"MiniMax under 200", "minimax", 200, `{"choices":null,"base_resp":{"status_code":1002,"status_msg":"rate limit"}}`, provider.Frequency},
		{"Anthropic's spend limit in details", "anthropic", 429, `{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}`, provider.Quota},
		{"OpenRouter in the middle of a stream", "openrouter", 200, `{"id":"x","error":{"code":502,"message":"m"},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}`, provider.Server},
		{"OpenRouter's budget in flight", "openrouter", 402, `{"error":{"code":402,"message":"m","metadata":{"limit_source":"openrouter_in_flight_budget"}}}`, provider.Concurrency},
		{"Gemini in an array", "gemini", 429, `[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"quotaId":"GenerateRequestsPerDayPerProject"}]}}]`, provider.Quota},
		{"Gemini nested in a message", "gemini", 429, `{"error":{"message":"{\n \"error\": {\"code\": 429, \"message\": \"Please retry in 59.4s.\", \"status\": \"RESOURCE_EXHAUSTED\"}}","code":429,"status":"Too Many Requests"}}`, provider.Frequency},
		{"Gemini overloaded", "gemini", 503, `{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}`, provider.Overload},
		{"vLLM", "generic", 400, `{"object":"error","message":"m","type":"BadRequestError","param":null,"code":400}`, provider.Invalid},
		{"llama.cpp while loading", "generic", 503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, provider.Overload},
		{"a limit per minute is no quota", "generic", 429, `{"error":{"message":"You exceeded your current quota of 60 requests per minute"}}`, provider.Frequency},
		{"an overload in words", "generic", 500, `{"error":{"type":"overloaded_error","message":"m"}}`, provider.Overload},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if v := classify(t, tt.profile, tt.status, tt.body); v.Kind != tt.want {
				t.Errorf("got %v by %q, want %v", v.Kind, v.Rule, tt.want)
			}
		})
	}
	t.Run("Anthropic's refusal with a short wait is no spent subscription", func(t *testing.T) {
		a := provider.Answer{
			Status: 429,
			Header: http.Header{"Retry-After": {"20"}},
			Body:   []byte(`{"error":{"type":"rate_limit_error","message":"This request would exceed your account's rate limit."}}`),
		}
		if v := profile(t, "anthropic").Classify(a); v.Kind != provider.Frequency {
			t.Errorf("got %v", v.Kind)
		}
	})
}

func TestHintsSayWhatToDo(t *testing.T) {
	for code, word := range map[string]string{"1113": "endpoint", "1313": "restore access", "1309": "Renew", "1311": "model"} {
		v := classify(t, "zai", 429, fmt.Sprintf(`{"error":{"code":%q,"message":"their words"}}`, code))
		if !strings.Contains(v.Hint, word) || strings.Contains(v.Hint, "their") {
			t.Errorf("%s: %q", code, v.Hint)
		}
	}
}

func TestVerdictsCarryNothingUnsafe(t *testing.T) {
	long := strings.Repeat("1", 500)
	for _, body := range []string{
		`{"error":{"code":"evil\ncode","message":"m"},"request_id":"a b"}`,
		`{"error":{"code":"` + long + `","message":"m"},"request_id":"` + long + `"}`,
		`{"error":{"code":"<script>","message":"m"},"request_id":"\u0000"}`,
		`{"error":{"code":"...","message":"m"},"request_id":"..."}`,
	} {
		v := profile(t, "zai").Classify(provider.Answer{
			Status: 429, Body: []byte(body), Header: http.Header{"X-Request-Id": {"spaces in it"}},
		})
		if v.Code != "" || v.RequestID != "" {
			t.Errorf("%.60s: code %q, id %q", body, v.Code, v.RequestID)
		}
	}
	t.Run("an id of the headers stands in", func(t *testing.T) {
		v := profile(t, "zai").Classify(provider.Answer{Status: 500, Header: http.Header{"X-Request-Id": {"req_1"}}})
		if v.RequestID != "req_1" {
			t.Errorf("got %q", v.RequestID)
		}
	})
}

func TestClassifyLooksAtNoMoreThan64KiB(t *testing.T) {
	body := `{"pad":"` + strings.Repeat("x", 64<<10) + `","error":{"code":"1302"}}`
	if v := classify(t, "zai", 200, body); v.Kind != provider.OK {
		t.Errorf("got %v", v.Kind)
	}
}

func TestClassifyConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, s := range samples {
				if v := profile(t, s.profile).Classify(s.answer(t)); v.Kind != s.want {
					t.Errorf("%s: %v", s.file, v.Kind)
				}
			}
		})
	}
	wg.Wait()
}

func TestTheZeroProfileKnowsWhatHoldsForAll(t *testing.T) {
	var p provider.Profile
	if v := p.Classify(provider.Answer{Status: 503}); v.Kind != provider.Overload {
		t.Errorf("got %v", v.Kind)
	}
}

var safePattern = regexp.MustCompile(`^[0-9A-Za-z._:-]*$`)

func FuzzClassify(f *testing.F) {
	for _, s := range samples {
		a := s.answer(f)
		f.Add(s.profile, a.Status, a.Body, s.finish, a.Header.Get("Retry-After"))
	}
	f.Add("gemini", 429, []byte(`[{"error":{"message":"{\"error\":{\"message\":\"{}\"}}","details":[{"retryDelay":"59s"}]}}]`), "", "")
	f.Add("dashscope", 429, []byte(`{"code":"Throttling.AllocationQuota","message":"reset at 08-18 10:07:00 UTC"}`), "", "1")
	f.Fuzz(func(t *testing.T, name string, status int, body []byte, finish, after string) {
		p, ok := provider.Lookup(name)
		if !ok {
			p = new(provider.Profile)
		}
		a := provider.Answer{Status: status, Header: http.Header{"Retry-After": {after}}, Body: body, FinishReason: finish, Now: now}
		before := string(body)
		v := p.Classify(a)
		switch {
		case string(body) != before:
			t.Error("changed the body")
		case !safePattern.MatchString(v.Code) || len(v.Code) > 64, !safePattern.MatchString(v.RequestID) || len(v.RequestID) > 128:
			t.Errorf("unsafe: %q, %q", v.Code, v.RequestID)
		case v.Wait < 0 || v.Wait > 31*24*time.Hour:
			t.Errorf("wait of %v", v.Wait)
		case !v.Reset.IsZero() && (!v.Reset.After(now) || v.Reset.Sub(now) > 32*24*time.Hour || v.Kind != provider.Quota):
			t.Errorf("%v resets at %v", v.Kind, v.Reset)
		case status >= 400 && v.Kind == provider.OK:
			t.Error("an error status is OK")
		case v.Kind == provider.Transport || (v.Rule == "") != (v.Kind == provider.OK || v.Kind == provider.Unknown):
			t.Errorf("%v by rule %q", v.Kind, v.Rule)
		case v != p.Classify(a):
			t.Error("a second look differs")
		}
	})
}

func BenchmarkClassifySuccessBody(b *testing.B) {
	benchmarkClassify(b, provider.Answer{Status: 200, Body: []byte(successBody), Now: now})
}

func BenchmarkClassifySuccessEvent(b *testing.B) {
	benchmarkClassify(b, provider.Answer{Status: 200, Body: []byte(successEvent), Now: now})
}

func BenchmarkClassify1302(b *testing.B) {
	benchmarkClassify(b, samples[2].answer(b))
}

func benchmarkClassify(b *testing.B, a provider.Answer) {
	p := profile(b, "zai-coding")
	b.SetBytes(int64(len(a.Body)))
	b.ReportAllocs()
	for b.Loop() {
		p.Classify(a)
	}
}
