package provider_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/provider"
)

// now is about when most samples were captured: their reset times lie ahead.
var now = time.Date(2026, 8, 25, 0, 0, 0, 0, time.UTC)

func profile(t testing.TB, name string) *provider.Profile {
	t.Helper()
	p, ok := provider.Lookup(name)
	if !ok {
		t.Fatalf("no profile %q", name)
	}
	return p
}

// A fact is one entry of the collection of known provider errors, in the words of
// its collectors; empty fields stand for any.
type fact struct {
	Provider string `json:"provider"`
	Status   int    `json:"http_status"`
	Code     string `json:"code"`
	Type     string `json:"type"`
	Pattern  string `json:"message_pattern"`
	Class    string `json:"class"`
}

// verdict translates the collectors' class into the verdict that weir gives. Where
// the two differ, it says so here.
func (f fact) verdict() provider.Kind {
	switch {
	case f.Provider == "zai" && strings.Contains("1113 1309 1311 1314 1315", f.Code) && f.Code != "",
		f.Provider == "zai" && strings.Contains(f.Pattern, "no resource package"):
		return provider.Plan // does not come back by itself
	case f.Code == "1313" || strings.Contains(f.Pattern, "fair usage"):
		return provider.Flagged
	case (f.Provider == "zai" || f.Provider == "*") && f.Status == 429 && f.Code+f.Type+f.Pattern == "":
		return provider.Throttled // does not say
	case f.Type == "finish_reason:network_error", f.Type == "finish_reason:abort":
		return provider.Overload
	case f.Code == "chat_admission_busy":
		return provider.Server // a local gateway's refusal says nothing about the provider's slots
	}
	var k provider.Kind
	if err := k.UnmarshalText([]byte(f.Class)); err != nil {
		panic(err)
	}
	return k
}

// answers builds answers as the entry describes them: for an entry of any status
// under several, for a pattern with a text for each of its alternatives.
func (f fact) answers(t *testing.T) []provider.Answer {
	if reason, ok := strings.CutPrefix(f.Type, "finish_reason:"); ok {
		return []provider.Answer{{Status: f.Status, FinishReason: reason, Now: now}}
	}
	statuses := []int{f.Status}
	if f.Status == 0 {
		statuses = []int{200, 400, 429, 500}
	}
	texts := []string{""}
	if f.Pattern != "" {
		texts = examples(t, f.Pattern)
	}
	var answers []provider.Answer
	for _, status := range statuses {
		for _, text := range texts {
			inner := map[string]string{"message": "\u2026 " + text + " \u2026"}
			if f.Code != "" {
				inner["code"] = f.Code
			}
			if f.Type != "" {
				inner["type"] = f.Type
			}
			var body any = map[string]any{"error": inner}
			if f.Provider == "minimax" && f.Code != "" {
				body = map[string]any{"base_resp": map[string]string{"status_code": f.Code, "status_msg": text}}
			}
			if strings.Contains(f.Pattern, "NOT_FOUND") {
				body = map[string]any{"code": 500, "msg": text, "success": false}
			}
			raw, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			if f.Code+f.Type+f.Pattern == "" {
				raw = nil // without a readable body
			}
			answers = append(answers, provider.Answer{Status: status, Body: raw, Now: now})
		}
	}
	return answers
}

func TestClassifyEveryKnownFact(t *testing.T) {
	raw, err := os.ReadFile("testdata/provider-errors.json")
	if err != nil {
		t.Fatal(err)
	}
	var facts []fact
	if err := json.Unmarshal(raw, &facts); err != nil {
		t.Fatal(err)
	}
	if len(facts) < 200 {
		t.Fatalf("only %d facts", len(facts))
	}
	profiles := map[string][]string{
		"zai":      {"zai", "zai-coding", "bigmodel", "bigmodel-coding"},
		"llamacpp": {"generic"}, "vllm": {"generic"}, "wandb-coreweave": {"generic"},
		"omniroute": {"generic", "zai-coding", "openai"}, "*": {"generic"},
	}
	for i, f := range facts {
		names := profiles[f.Provider]
		if names == nil {
			names = []string{f.Provider}
		}
		for _, name := range names {
			for _, a := range f.answers(t) {
				t.Run(fmt.Sprintf("entry %d as %s under %d", i, name, a.Status), func(t *testing.T) {
					v := profile(t, name).Classify(a)
					if v.Kind != f.verdict() {
						t.Errorf("%+v\nanswer %s\ngot %v by rule %q, want %v", f, a.Body, v.Kind, v.Rule, f.verdict())
					}
					if v.Rule == "" {
						t.Error("no rule named")
					}
				})
			}
		}
	}
}

// examples returns a text for each alternative of a pattern.
func examples(t *testing.T, pattern string) []string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	whole := regexp.MustCompile(pattern)
	var texts []string
	for _, text := range expand(re) {
		if !whole.MatchString(text) {
			t.Fatalf("made %q of %q, which does not match", text, pattern)
		}
		texts = append(texts, text)
	}
	return texts
}

// expand returns shortest texts for re, all alternatives of it.
func expand(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{string(re.Rune)}
	case syntax.OpCharClass:
		if re.Rune[0] <= '5' && '5' <= re.Rune[1] {
			return []string{"5"}
		}
		return []string{string(re.Rune[0])}
	case syntax.OpCapture, syntax.OpPlus:
		return expand(re.Sub[0])
	case syntax.OpRepeat:
		return []string{strings.Repeat(expand(re.Sub[0])[0], re.Min)}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []string{"x"}
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			all = append(all, expand(sub)...)
		}
		return all
	case syntax.OpConcat:
		all := []string{""}
		for _, sub := range re.Sub {
			var longer []string
			for _, head := range all {
				for _, tail := range expand(sub) {
					longer = append(longer, head+tail)
				}
			}
			all = longer
		}
		return all
	}
	return []string{""} // star, quest, boundaries
}

// A sample is a captured answer and what it means.
type sample struct {
	file, profile string
	status        int
	finish        string
	want          provider.Kind
	code, id      string // as published
}

var samples = []sample{
	{"01-zai-1302-openai-old.json", "zai-coding", 429, "", provider.Concurrency, "1302", ""},
	{"02-zai-1302-anthropic-early.json", "zai-coding", 429, "", provider.Concurrency, "1302", "20260212064144579f5b8f457f4e06"},
	{"03-zai-1302-anthropic.json", "zai-coding", 429, "", provider.Concurrency, "1302", "20260709103839995b57652bce48d3"},
	{"04-zai-1302-anthropic-cn.json", "bigmodel-coding", 429, "", provider.Concurrency, "1302", "2026070215041393f47df126784504"},
	{"05-zai-1302-in-stream.sse", "zai-coding", 200, "", provider.Concurrency, "1302", "2026012315301053eda1059a6e4f85"},
	{"07-zai-1302-body-retry-after.json", "zai", 429, "", provider.Concurrency, "1302", "20260624145731442e21731d414015"},
	{"08-zai-1305-openai.json", "zai", 429, "", provider.Overload, "1305", ""},
	{"09-zai-1305-anthropic-529.json", "zai-coding", 529, "", provider.Overload, "1305", "20260618114907e8635efcba4c4d98"},
	{"10-zai-1308-openai.json", "zai-coding", 429, "", provider.Quota, "1308", ""},
	{"11-zai-1308-openai-cn.json", "bigmodel-coding", 429, "", provider.Quota, "1308", ""},
	{"13-zai-1308-code-in-type.json", "zai-coding", 429, "", provider.Quota, "1308", "20251209155304a15e2cfd9ae44ae8"},
	{"14-zai-1310-openai.json", "zai-coding", 429, "", provider.Quota, "1310", ""},
	{"15-zai-1310-openai-cn.json", "bigmodel", 429, "", provider.Quota, "1310", ""},
	{"16-zai-1313-openai.json", "zai-coding", 429, "", provider.Flagged, "1313", ""},
	{"18-zai-1113-openai.json", "zai", 429, "", provider.Plan, "1113", ""},
	{"19-zai-1210-anthropic-cn.json", "bigmodel-coding", 400, "", provider.Invalid, "1210", "20260702150415ea18e2bfea554ca3"},
	{"20-zai-1210-openai.json", "zai", 400, "", provider.Invalid, "1210", ""},
	{"21-zai-1234-openai-cn.json", "bigmodel", 500, "", provider.Server, "1234", "202606101326108f72c6d20f7b40d9"},
	{"22-zai-api-error-200.json", "zai", 200, "", provider.Server, "", "20260605180401a5d2482ebda148a5"},
	{"23-zai-wrapped-404.json", "zai-coding", 200, "", provider.Invalid, "500", ""},
	{"24-zai-merged-frames.sse", "zai-coding", 200, "", provider.OK, "", ""},
	{"25-zai-finish-network-error.sse", "zai-coding", 200, "network_error", provider.Overload, "", ""},
	{"26-zai-1001-openai.json", "zai", 401, "", provider.Auth, "1001", ""},
	{"27-zai-start-plan-3010.json", "zai", 429, "", provider.Concurrency, "3010", ""},
	{"28-zcode-retry-event.json", "zai", 200, "", provider.OK, "", ""}, // a log line: no error mark of an answer
	{"29-zai-quota-endpoint.json", "zai", 200, "", provider.OK, "", ""},
	{"30-anthropic-429-subscription.json", "anthropic", 429, "", provider.Quota, "", "req_011CSompHfim5z5GkMVCzq8P"},
	{"31-anthropic-overloaded-in-stream.sse", "anthropic", 200, "", provider.Overload, "", "req_011Ce3HwQb6vtbs9LQVmh4oe"},
	{"32-kimi-concurrency.json", "moonshot", 429, "", provider.Concurrency, "", ""},
	{"33-kimi-five-hour.json", "moonshot", 403, "", provider.Quota, "", ""},
	{"35-minimax-overload-529.json", "minimax", 529, "", provider.Overload, "", "06cb511dd91128863d7ca1fbdedade75"},
	{"37-gemini-resource-exhausted.json", "gemini", 429, "", provider.Frequency, "RESOURCE_EXHAUSTED", ""},
	{"38-ollama-cloud-slot.json", "ollama", 503, "", provider.Concurrency, "", ""},
	{"39-omniroute-local-503.json", "generic", 503, "", provider.Server, "chat_admission_busy", ""},
	{"40-openai-spend-limit.json", "openai", 429, "", provider.Quota, "project_spend_limit_exceeded", ""},
}

func (s sample) answer(t testing.TB) provider.Answer {
	t.Helper()
	body, err := os.ReadFile("testdata/error-samples/" + s.file)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	lines, err := os.ReadFile("testdata/error-samples/" + s.file[:strings.LastIndexByte(s.file, '.')] + ".headers.txt")
	if err == nil {
		for line := range strings.Lines(string(lines)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			h.Set(name, value)
		}
	}
	return provider.Answer{Status: s.status, Header: h, Body: body, FinishReason: s.finish, Now: now}
}

func TestClassifyEverySample(t *testing.T) {
	files, err := os.ReadDir("testdata/error-samples")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, s := range samples {
		known[s.file] = true
	}
	for _, f := range files {
		if !known[f.Name()] && !strings.HasSuffix(f.Name(), ".headers.txt") {
			t.Errorf("%s is not tested", f.Name())
		}
	}
	for _, s := range samples {
		for _, contentType := range []string{"", "application/json", "text/event-stream;charset=UTF-8", "text/html"} {
			t.Run(s.file+" as "+contentType, func(t *testing.T) {
				a := s.answer(t)
				if contentType != "" {
					a.Header.Set("Content-Type", contentType)
				}
				v := profile(t, s.profile).Classify(a)
				if v.Kind != s.want || v.Code != s.code || v.RequestID != s.id {
					t.Errorf("got %v, code %q, id %q (rule %q), want %v, %q, %q", v.Kind, v.Code, v.RequestID, v.Rule, s.want, s.code, s.id)
				}
				if v.NotFound != strings.Contains(s.file, "wrapped-404") {
					t.Errorf("NotFound = %v", v.NotFound)
				}
			})
		}
	}
}

// variants are the disguises in which one and the same error comes.
var variants = map[string]func(code, body string) string{
	"with the code as a number": func(code, body string) string {
		return strings.Replace(body, `"`+code+`"`, code, 1)
	},
	"with the code only in the message": func(code, body string) string {
		return fmt.Sprintf(`{"type":"error","error":{"type":"rate_limit_error","message":"[%s][some text][20260702150413aa]"}}`, code)
	},
	"with the code in the type":          func(code, body string) string { return fmt.Sprintf(`{"error":{"type":%q,"message":"m"}}`, code) },
	"with the code as a numeric type":    func(code, body string) string { return fmt.Sprintf(`{"error":{"type":%s}}`, code) },
	"flat":                               func(code, body string) string { return fmt.Sprintf(`{"code":%s,"msg":"m"}`, code) },
	"flat with a string and a message":   func(code, body string) string { return fmt.Sprintf(`{"message":"m","code":%q}`, code) },
	"as error_code":                      func(code, body string) string { return fmt.Sprintf(`{"error_code":%q,"message":"m"}`, code) },
	"as error.error_code":                func(code, body string) string { return fmt.Sprintf(`{"error":{"error_code":%s}}`, code) },
	"as providerCode":                    func(code, body string) string { return fmt.Sprintf(`{"providerCode":%q}`, code) },
	"as error.providerCode":              func(code, body string) string { return fmt.Sprintf(`{"error":{"providerCode":%q}}`, code) },
	"in an array":                        func(code, body string) string { return "[" + body + "\n]" },
	"framed as an event":                 func(code, body string) string { return "event: error\ndata: " + body + "\n\ndata: [DONE]\n\n" },
	"framed without a blank":             func(code, body string) string { return "data:" + body + "\r\n\r\n" },
	"with white space around everything": func(code, body string) string { return "\r\n\t " + strings.ReplaceAll(body, `":`, `" : `) },
	"with a plain string for an error": func(code, body string) string {
		return fmt.Sprintf(`{"error":"[%s][Rate limit reached for requests][x]"}`, code)
	},
	"nested as JSON in a message": func(code, body string) string {
		quoted, _ := json.Marshal(body)
		return `{"error":{"code":429,"message":` + string(quoted) + `}}`
	},
	"behind a code that restates the status": func(code, body string) string {
		return fmt.Sprintf(`{"code":429,"error":{"code":"rate_limit_error","message":"[%s][m]"}}`, code)
	},
}

func TestClassifyEverySampleInEachDisguise(t *testing.T) {
	for _, s := range samples {
		if !strings.Contains(s.file, "-zai-") || len(s.code) != 4 {
			continue
		}
		body := strings.TrimSpace(string(s.answer(t).Body))
		if strings.HasSuffix(s.file, ".sse") {
			body = strings.TrimPrefix(strings.Split(body, "\n")[1], "data: ")
		}
		for name, disguise := range variants {
			for _, status := range []int{s.status, 200, 429, 502} {
				t.Run(fmt.Sprintf("%s %s under %d", s.file, name, status), func(t *testing.T) {
					disguised := disguise(s.code, body)
					v := profile(t, s.profile).Classify(provider.Answer{Status: status, Body: []byte(disguised), Now: now})
					if v.Kind != s.want || v.Code != s.code || !v.ByCode {
						t.Errorf("%s\ngot %v, code %q (rule %q), want %v", disguised, v.Kind, v.Code, v.Rule, s.want)
					}
				})
			}
		}
	}
}

func TestClassifySamplesWithoutTheirCode(t *testing.T) {
	code := regexp.MustCompile(`"code":"?\d+"?,|\[\d{4}\]|"type":"\d+",`)
	for _, s := range samples {
		if s.code == "" || strings.Contains("23 27 39 40", s.file[:2]) || s.want == provider.Invalid || s.want == provider.Auth {
			continue // the code is all they have
		}
		t.Run(s.file, func(t *testing.T) {
			a := s.answer(t)
			a.Body = code.ReplaceAll(a.Body, nil)
			if v := profile(t, s.profile).Classify(a); v.Kind != s.want {
				t.Errorf("%s\ngot %v (rule %q), want %v", a.Body, v.Kind, v.Rule, s.want)
			}
		})
	}
}
