package explain_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/explain"
	"github.com/weirhq/weir/provider"
)

// now is about when most samples were captured.
var now = time.Date(2026, 8, 25, 0, 0, 0, 0, time.UTC)

func profiles(t testing.TB, names ...string) []*provider.Profile {
	t.Helper()
	if len(names) == 0 {
		names = provider.Names()
	}
	var all []*provider.Profile
	for _, name := range names {
		p, ok := provider.Lookup(name)
		if !ok {
			t.Fatalf("no profile %q", name)
		}
		all = append(all, p)
	}
	return all
}

const samplesDir = "../../provider/testdata/error-samples/"

// A sample is a captured answer and what the samples' index says of it.
type sample struct {
	file    string
	profile string
	status  int
	want    provider.Kind
}

// samples are those of the index. 28 is a line of a tool's log and no answer, so it is
// explained by the code in it.
var samples = []sample{
	{"01-zai-1302-openai-old.json", "zai-coding", 429, provider.Concurrency},
	{"02-zai-1302-anthropic-early.json", "zai-coding", 429, provider.Concurrency},
	{"03-zai-1302-anthropic.json", "zai-coding", 429, provider.Concurrency},
	{"04-zai-1302-anthropic-cn.json", "bigmodel-coding", 429, provider.Concurrency},
	{"05-zai-1302-in-stream.sse", "zai-coding", 200, provider.Concurrency},
	{"07-zai-1302-body-retry-after.json", "zai", 429, provider.Concurrency},
	{"08-zai-1305-openai.json", "zai", 429, provider.Overload},
	{"09-zai-1305-anthropic-529.json", "zai-coding", 529, provider.Overload},
	{"10-zai-1308-openai.json", "zai-coding", 429, provider.Quota},
	{"11-zai-1308-openai-cn.json", "bigmodel-coding", 429, provider.Quota},
	{"13-zai-1308-code-in-type.json", "zai-coding", 429, provider.Quota},
	{"14-zai-1310-openai.json", "zai-coding", 429, provider.Quota},
	{"15-zai-1310-openai-cn.json", "bigmodel", 429, provider.Quota},
	{"16-zai-1313-openai.json", "zai-coding", 429, provider.Flagged},
	{"18-zai-1113-openai.json", "zai", 429, provider.Plan},
	{"19-zai-1210-anthropic-cn.json", "bigmodel-coding", 400, provider.Invalid},
	{"20-zai-1210-openai.json", "zai", 400, provider.Invalid},
	{"21-zai-1234-openai-cn.json", "bigmodel", 500, provider.Server},
	{"22-zai-api-error-200.json", "zai", 200, provider.Server},
	{"23-zai-wrapped-404.json", "zai-coding", 200, provider.Invalid},
	{"24-zai-merged-frames.sse", "zai-coding", 200, provider.OK},
	{"25-zai-finish-network-error.sse", "zai-coding", 200, provider.Overload},
	{"26-zai-1001-openai.json", "zai", 401, provider.Auth},
	{"27-zai-start-plan-3010.json", "zai", 429, provider.Concurrency},
	{"28-zcode-retry-event.json", "zai", 429, provider.Concurrency},
	{"29-zai-quota-endpoint.json", "zai", 200, provider.OK},
	{"30-anthropic-429-subscription.json", "anthropic", 429, provider.Quota},
	{"31-anthropic-overloaded-in-stream.sse", "anthropic", 200, provider.Overload},
	{"32-kimi-concurrency.json", "moonshot", 429, provider.Concurrency},
	{"33-kimi-five-hour.json", "moonshot", 403, provider.Quota},
	{"35-minimax-overload-529.json", "minimax", 529, provider.Overload},
	{"37-gemini-resource-exhausted.json", "gemini", 429, provider.Frequency},
	{"38-ollama-cloud-slot.json", "ollama", 503, provider.Concurrency},
	{"39-omniroute-local-503.json", "generic", 503, provider.Server},
	{"40-openai-spend-limit.json", "openai", 429, provider.Quota},
}

func (s sample) body(t testing.TB) string {
	t.Helper()
	body, err := os.ReadFile(samplesDir + s.file)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func (s sample) headers(t testing.TB) string {
	t.Helper()
	lines, err := os.ReadFile(samplesDir + s.file[:strings.LastIndexByte(s.file, '.')] + ".headers.txt")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(lines)
}

func TestEverySampleIsTested(t *testing.T) {
	files, err := os.ReadDir(samplesDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		known := slices.ContainsFunc(samples, func(s sample) bool { return s.file == f.Name() })
		if !known && !strings.HasSuffix(f.Name(), ".headers.txt") {
			t.Errorf("%s is not tested", f.Name())
		}
	}
}

func TestExplainEverySampleInEachForm(t *testing.T) {
	for _, s := range samples {
		body := s.body(t)
		answer := fmt.Sprintf("%d %s\r\n%s", s.status, http.StatusText(s.status), strings.ReplaceAll(s.headers(t), "\n", "\r\n"))
		forms := map[string]string{
			"body":          body,
			"answer":        "HTTP/1.1 " + answer + "\r\n" + body,
			"HTTP/2 answer": "HTTP/2 " + answer + "\r\n" + body,
			"curl -v":       "* Connected\n> POST / HTTP/2\n> \n< HTTP/2 " + strings.ReplaceAll(strings.TrimRight(answer, "\r\n"), "\r\n", "\r\n< ") + "\r\n< \r\n" + body,
		}
		if s.want != provider.OK && strings.HasSuffix(s.file, ".json") {
			forms["message"] = "Error: the model said: " + body + " (will not retry)"
		}
		for name, text := range forms {
			t.Run(s.file+" as "+name, func(t *testing.T) {
				e, err := explain.Explain([]byte(text), profiles(t, s.profile), now)
				if err != nil || e.Meanings[0].Verdict != s.want {
					t.Errorf("asked alone: %+v, %v; want %v", e, err, s.want)
				}
				e, err = explain.Explain([]byte(text), profiles(t), now)
				if err != nil {
					t.Fatalf("asked among all: %v", err)
				}
				found := false
				for _, m := range e.Meanings {
					if slices.Contains(m.Profiles, s.profile) {
						found = m.Verdict == s.want
					}
				}
				if !found {
					t.Errorf("asked among all: %+v; want %v for %s", e.Meanings, s.want, s.profile)
				}
			})
		}
	}
}

func TestExplain(t *testing.T) {
	tests := []struct {
		name, text string
		source     explain.Source
		want       provider.Kind
		code, id   string
	}{
		{"a number", "1302", explain.Code, provider.Concurrency, "1302", ""},
		{"a number in brackets", " [1113]\n", explain.Code, provider.Plan, "1113", ""},
		{"a number of another provider only", "2056", explain.Code, provider.Quota, "2056", ""},
		{"a number that two providers use", "1001", explain.Code, provider.Auth, "1001", ""},
		{"a status", "529", explain.Status, provider.Overload, "", ""},
		{"a status that does not say", "429", explain.Status, provider.Throttled, "", ""},
		{"a type", "overloaded_error", explain.Code, provider.Overload, "", ""},
		{"a type that restates a status", "rate_limit_error", explain.Code, provider.Throttled, "", ""},
		{"a code that is a word", "project_spend_limit_exceeded", explain.Code, provider.Quota, "project_spend_limit_exceeded", ""},
		{"a code with a dot", "Throttling.BurstRate", explain.Code, provider.Frequency, "Throttling.BurstRate", ""},
		{"a tool's error", "AI_APICallError: [1302][High concurrency usage of this API][20260101aa]", explain.Message, provider.Concurrency, "1302", "20260101aa"},
		{"a tool's error over lines", "\x1b[31mError\x1b[0m\n  at call (index.js:1308:5)\n  AI_APICallError: [1305][busy][20260101aa]\n", explain.Message, provider.Overload, "1305", "20260101aa"},
		{"a body in a message", `API Error: 429 {"type":"error","error":{"type":"1308","message":"m"},"request_id":"20260101aa"} retrying`, explain.Message, provider.Quota, "1308", "20260101aa"},
		{"a code in words", "error 1302, too many requests in flight", explain.Message, provider.Concurrency, "1302", ""},
		{"a code in Chinese words", "请求失败，错误码：1113", explain.Message, provider.Plan, "1113", ""},
		{"the words alone", "Rate limit reached for requests", explain.Message, provider.Concurrency, "", ""},
		{"a status in words", "Request failed with status code 503", explain.Message, provider.Overload, "", ""},
		{"a status and its text", "429 Too Many Requests", explain.Message, provider.Throttled, "", ""},
		{"a type in words", "stream ended: overloaded_error", explain.Message, provider.Overload, "", ""},
		{"an unknown code under 429", "HTTP/1.1 429 Too Many Requests\n\n{\"error\":{\"code\":\"1399\",\"message\":\"m\"}}", explain.Answer, provider.Unknown, "1399", ""},
		{"an unknown code in a body", `{"error":{"code":"1399","message":"m"}}`, explain.Body, provider.Unknown, "1399", ""},
		{"an error after content", "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"error\":{\"code\":\"1305\"}}\n\n", explain.Stream, provider.Overload, "1305", ""},
		{"a Responses stream", "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"1302\",\"message\":\"m\"}}}\n\n", explain.Stream, provider.Concurrency, "1302", ""},
		{"a refused line", `time=2026-11-27T00:00:00Z level=DEBUG msg=refused id=a lane=zai-coding/4f1c2ab09d31/glm-5 verdict=concurrency code=1302 provider_id=20260101aa level=2 attempt=1`, explain.LogLine, provider.Concurrency, "1302", "20260101aa"},
		{"a closed line as JSON", `{"time":"2026-11-27T00:00:00Z","level":"WARN","msg":"closed","lane":"zai-coding/4f1c2ab09d31/glm-5","verdict":"quota","code":"1310","until":"2026-11-28T00:00:00Z"}`, explain.LogLine, provider.Quota, "1310", ""},
		{"a request line without a code", `level=INFO msg=request id=a lane=zai-coding/4f1c2ab09d31/glm-5 verdicts=transport,ok status=200 outcome=ok`, explain.LogLine, provider.Transport, "", ""},
		{"another provider's line", `level=INFO msg=request id=a lane=minimax/4f1c2ab09d31/m verdicts=auth status=401 outcome=4xx code=1004`, explain.LogLine, provider.Auth, "1004", ""},
		{"a log with good lines before", "level=INFO msg=\"weir listens\"\nlevel=INFO msg=request lane=zai/a/glm-5 verdicts=ok status=200\nlevel=INFO msg=request lane=zai/a/glm-5 verdicts=quota status=402 code=1308\n", explain.LogLine, provider.Quota, "1308", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := explain.Explain([]byte(tt.text), profiles(t), now)
			if err != nil {
				t.Fatal(err)
			}
			m := e.Meanings[0]
			if e.Source != tt.source || m.Verdict != tt.want || m.Code != tt.code || e.RequestID != tt.id {
				t.Errorf("got %q: %v, code %q, id %q; want %q: %v, %q, %q", e.Source, m.Verdict, m.Code, e.RequestID, tt.source, tt.want, tt.code, tt.id)
			}
		})
	}
}

func TestTheProviderOfALogLineIsAskedAlone(t *testing.T) {
	e, err := explain.Explain([]byte(`msg=refused lane=minimax/a/m verdict=server code=1001`), profiles(t), now)
	if err != nil || len(e.Meanings) != 1 || !slices.Equal(e.Meanings[0].Profiles, []string{"minimax"}) || e.Meanings[0].Verdict != provider.Server {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestWhatIsNoErrorIsNotExplained(t *testing.T) {
	for _, text := range []string{"", " \n", "hello", "9999", "sk-ant-api03-abcdef", "the weekly report", "{", "null", "[]", "level=INFO msg=request lane=zai/a/m verdicts=ok status=200", strings.Repeat("x", 2<<20)} {
		if e, err := explain.Explain([]byte(text), profiles(t), now); !errors.Is(err, explain.ErrNothing) {
			t.Errorf("%.40q: got %+v, %v", text, e, err)
		}
	}
}

func TestIsCode(t *testing.T) {
	for text, want := range map[string]bool{"1302": true, "429": true, "rate_limit_error": true, "9999": false, "error.json": false, "-": false, "": false, "some text": false} {
		if got := explain.IsCode(text, profiles(t)); got != want {
			t.Errorf("IsCode(%q) = %v", text, got)
		}
	}
}

func TestEachVerdictHasWords(t *testing.T) {
	for _, s := range samples {
		e, err := explain.Explain([]byte(s.body(t)), profiles(t, s.profile), now)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range e.Meanings {
			if m.Means == "" || m.Weir == "" || m.You == "" {
				t.Errorf("%s: %+v", s.file, m)
			}
		}
	}
}

// secret stands in texts where a key or a prompt may stand.
const secret = "sk-Zq7vXsecretsecretsecret"

func TestNothingOfTheTextIsSaid(t *testing.T) {
	for _, text := range []string{
		`{"error":{"code":"1302","message":"your prompt: ` + secret + `"},"prompt":"` + secret + `"}`,
		"HTTP/1.1 429 x\nAuthorization: Bearer " + secret + "\n\n" + `{"error":{"code":"1302","message":"` + secret + `"}}`,
		"AI_APICallError: [1302][" + secret + " high concurrency][20260101aa] key=" + secret,
		"msg=refused lane=zai/" + secret + "/glm verdict=concurrency code=1302",
	} {
		e, err := explain.Explain([]byte(text), profiles(t), now)
		said, _ := json.Marshal(e)
		if err != nil || strings.Contains(string(said), secret) {
			t.Errorf("%q: %s, %v", text, said, err)
		}
	}
}

func FuzzExplain(f *testing.F) {
	all := profiles(f, "zai-coding", "openai", "anthropic")
	for _, s := range samples {
		f.Add(s.body(f))
		f.Add(fmt.Sprintf("HTTP/1.1 %d\n%s\n%s", s.status, s.headers(f), s.body(f)))
	}
	f.Add("1302")
	f.Add("AI_APICallError: [1302][x][20260101aa]")
	f.Add("msg=refused lane=zai-coding/a/m verdict=concurrency code=1302")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := explain.Explain([]byte(text), all, now)
		if err != nil {
			if !errors.Is(err, explain.ErrNothing) || len(e.Meanings) > 0 {
				t.Errorf("%+v, %v", e, err)
			}
			return
		}
		if len(e.Meanings) == 0 || e.Source == "" || len(e.RequestID) > 128 {
			t.Errorf("%+v", e)
		}
		for _, m := range e.Meanings {
			if len(m.Profiles) == 0 || m.Means == "" || m.Weir == "" || m.You == "" || len(m.Code) > 64 {
				t.Errorf("%+v", m)
			}
		}
	})
}
