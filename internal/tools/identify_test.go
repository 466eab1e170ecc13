package tools_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
)

// identify recognises a request with these headers, name and value by turns.
func identify(body string, headers ...string) tools.Caller {
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return look(h, []byte(body))
}

const (
	openCode = "opencode/1.18.33 ai-sdk/provider-utils/4.0.23 runtime/bun/1.3.14"
	claude   = "claude-cli/2.1.328 (external, cli)"
	codex    = "codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm (codex_exec; 0.169.0)"
	crush    = "Charm-Crush/devel (https://charm.land/crush)"
	someTool = `"tools":[{"type":"function","function":{"name":"read"}}]`
)

func TestIdentify(t *testing.T) {
	const (
		interactive = admission.Interactive
		subagent    = admission.Subagent
		background  = admission.Background
	)
	chat := func(system, more string) string {
		return fmt.Sprintf(`{"model":"glm-5","messages":[{"role":"system","content":%q},{"role":"user","content":"hello"}]%s,"stream":true}`, system, more)
	}
	messages := func(system, more string) string {
		return fmt.Sprintf(`{"model":"glm-5","messages":[{"role":"user","content":"hello"}],"system":[{"type":"text","text":%q}]%s}`, system, more)
	}
	turn := func(agent, kind string) string {
		text, err := json.Marshal(map[string]any{"agent_name": agent, "request_kind": kind, "turn_id": "t"})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	tests := []struct {
		name    string
		headers []string
		body    string
		tool    string
		session string
		class   admission.Class
	}{
		{"OpenCode", []string{"User-Agent", openCode, "X-Session-Id", "ses_1"}, chat("You are OpenCode", ","+someTool), "opencode", "ses_1", interactive},
		{"OpenCode's sub-agent", []string{"User-Agent", openCode, "X-Session-Id", "ses_2", "X-Parent-Session-Id", "ses_1"}, chat("You search", ","+someTool), "opencode", "ses_1", subagent},
		{"OpenCode's title", []string{"User-Agent", openCode, "X-Session-Id", "ses_1"}, chat("You are a title generator. You", ""), "opencode", "ses_1", background},
		{"OpenCode's title, Messages", []string{"User-Agent", openCode, "X-Session-Affinity", "ses_1"}, messages("You are a title generator. You", ""), "opencode", "ses_1", background},
		{"a user who speaks of title generators", []string{"User-Agent", openCode, "X-Session-Id", "ses_1"}, `{"messages":[{"role":"user","content":"You are a title generator"}]}`, "opencode", "ses_1", interactive},
		{"a system text of titles, with tools", []string{"User-Agent", openCode}, chat("You are a title generator. You", ","+someTool), "opencode", "", interactive},
		{"Claude Code", []string{"User-Agent", claude, "X-Claude-Code-Session-Id", "u-1"}, messages("cc_entrypoint=cli;", ","+someTool), "claude", "u-1", interactive},
		{"Claude Code, by its metadata", []string{"User-Agent", claude}, messages("", `,"metadata":{"user_id":"{\"session_id\":\"u-2\"}"}`), "claude", "u-2", interactive},
		{"Claude Code's sub-agent, by its header", []string{"User-Agent", claude, "X-Claude-Code-Session-Id", "u-1", "X-Claude-Code-Agent-Id", "a1"}, messages("", ","+someTool), "claude", "u-1", subagent},
		{"Claude Code's sub-agent, by its text", []string{"User-Agent", claude, "X-Claude-Code-Session-Id", "u-1"}, messages("cc_entrypoint=cli; cc_is_subagent=true;", ","+someTool), "claude", "u-1", subagent},
		{"Claude Code's title", []string{"User-Agent", claude, "X-Claude-Code-Session-Id", "u-1"}, messages("", `,"tools":[],"output_config":{"format":{"type":"json_schema","schema":{"properties":{"title":{}}}}}`), "claude", "u-1", background},
		{"Claude Code, asked for a structured answer", []string{"User-Agent", claude}, messages("", `,"output_config":{"format":{"type":"json_schema","schema":{"title":"Answer","properties":{"sum":{"title":"Sum"}}}}}`), "claude", "", interactive},
		{"a stranger's title", nil, `{"response_format":{"type":"json_schema","json_schema":{"schema":{"properties":{"title":{}}}}}}`, "other", "", background},
		{"a stranger's schema that has a title", nil, `{"response_format":{"type":"json_schema","json_schema":{"schema":{"title":"Invoice","properties":{"total":{"title":"Total"}}}}}}`, "other", "", interactive},
		{"a stranger's book", nil, `{"response_format":{"type":"json_schema","json_schema":{"schema":{"properties":{"title":{},"author":{}}}}}}`, "other", "", interactive},
		{"a schema that is none", nil, `{"response_format":["title"],"output_config":{"format":"title"}}`, "other", "", interactive},
		{"members that come twice: the last counts", []string{"User-Agent", crush}, `{"tools":[],"max_tokens":40,` + someTool + `}`, "crush", "", interactive},
		{"tools that are null", []string{"User-Agent", crush}, `{"tools":null,"max_tokens":40}`, "crush", "", background},
		{"tokens that are no whole number", []string{"User-Agent", crush}, `{"max_tokens":40.5}`, "crush", "", interactive},
		{"tokens beyond measure", []string{"User-Agent", crush}, `{"max_tokens":1000000000000000000000001}`, "crush", "", interactive},
		{"a session that is no text", []string{"User-Agent", claude}, `{"metadata":{"user_id":"{\"session_id\":{\"a\":1}}"}}`, "claude", "", interactive},
		{"metadata that is no object", []string{"User-Agent", claude}, `{"metadata":"session"}`, "claude", "", interactive},
		{"Claude Code's look at the quota", []string{"User-Agent", claude}, messages("", `,"max_tokens":1`), "claude", "", background},
		{"Codex", []string{"User-Agent", codex, "Session-Id", "s-4", "X-Codex-Turn-Metadata", turn("/root", "turn")}, `{"model":"glm-5","instructions":"x",` + someTool + `}`, "codex", "s-4", interactive},
		{"Codex' sub-agent", []string{"User-Agent", codex, "Session-Id", "s-4", "X-Codex-Turn-Metadata", turn("/root/search", "turn")}, `{}`, "codex", "s-4", subagent},
		{"Codex, for which the person waits", []string{"User-Agent", codex, "X-Codex-Turn-Metadata", turn("/root", "compaction")}, `{"prompt_cache_key":"s-5"}`, "codex", "s-5", interactive},
		{"Codex' own affairs", []string{"User-Agent", codex, "X-Codex-Turn-Metadata", turn("/root", "memory")}, `{}`, "codex", "", background},
		{"Codex with broken metadata", []string{"User-Agent", codex, "X-Codex-Turn-Metadata", "{"}, `{}`, "codex", "", interactive},
		{"Qwen Code", []string{"User-Agent", "QwenCode/0.24.4 (linux; x64)"}, chat("You are Qwen Code", ","+someTool), "qwen", "", interactive},
		{"Qwen Code's memory", []string{"User-Agent", "QwenCode/0.24.4 (linux; x64)"}, chat("You are the managed memory extraction subagent", ","+someTool), "qwen", "", background},
		{"Crush", []string{"User-Agent", crush, "X-Session-Id", "58a7"}, chat("You are Crush", ","+someTool), "crush", "58a7", interactive},
		{"Crush's title", []string{"User-Agent", crush, "X-Session-Id", "58a7"}, chat("You", `,"max_tokens":40`), "crush", "58a7", background},
		{"an SDK's short question", []string{"User-Agent", "OpenAI/JS 7.55.0"}, chat("You", `,"max_tokens":40`), "openai-sdk", "", interactive},
		{"the Python SDK", []string{"User-Agent", "AsyncAnthropic/Python 0.90.0"}, messages("", ""), "anthropic-sdk", "", interactive},
		{"the AI SDK", []string{"User-Agent", "ai-sdk-openai-compatible/3.0.92 ai-sdk-provider-utils/5.0.81 node.js/v20.20.2"}, chat("", ""), "ai-sdk", "", interactive},
		{"Cline, which cannot be told", []string{"User-Agent", "ai-sdk/openai-compatible/1.0 runtime/bun/1.3"}, chat("", ""), "ai-sdk", "", interactive},
		{"curl", []string{"User-Agent", "curl/8.5.0"}, chat("", ""), "curl", "", interactive},
		{"nobody", nil, "", "other", "", interactive},
		{"a stranger with marks of others", []string{"User-Agent", "mine/1", "X-Session-Id", "m-1", "X-Parent-Session-Id", "m-0"}, chat("", ""), "other", "m-0", subagent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := identify(tt.body, tt.headers...)
			if got.Tool.Name != tt.tool || got.Session != tt.session || got.Class != tt.class {
				t.Errorf("got %s, session %q, %s; want %s, %q, %s", got.Tool.Name, got.Session, got.Class, tt.tool, tt.session, tt.class)
			}
		})
	}
}

func TestIdentifyBoundsWhatIsShown(t *testing.T) {
	got := identify("{}", "User-Agent", openCode, "X-Session-Id", strings.Repeat("x", 1000))
	if len(got.Session) != 64 {
		t.Errorf("a session of %d bytes", len(got.Session))
	}
	// C1 controls, directions of text, what is no UTF-8, and a character cut in two.
	odd := "a\u009b31m\u202eb\xff" + strings.Repeat("c", 50) + "éé"
	if got := identify("{}", "User-Agent", openCode, "X-Session-Id", odd); got.Session != "a31mb"+strings.Repeat("c", 50)+"é" {
		t.Errorf("session %q", got.Session)
	}
	if got := identify(`{"prompt_cache_key":"a\u0007\nb"}`); got.Session != "ab" {
		t.Errorf("session %q", got.Session)
	}
	if got := identify("{}", "X-Stainless-Timeout", "600"); got.Patience != 600*time.Second {
		t.Errorf("patience %v", got.Patience)
	}
}

// The table must say of each entry what it is for; a reader checks the rest against
// the measurements.
func TestTableIsWhole(t *testing.T) {
	names := map[string]bool{}
	for _, tool := range append(tools.All(), tools.Any) {
		if tool.Name == "" || tool.Title == "" || names[tool.Name] {
			t.Errorf("%q has no name of its own", tool.Name)
		}
		names[tool.Name] = true
		h := tool.Hold
		if h.Silent > 0 && h.Stream <= h.Silent || h.Silent < 0 || h.Plain < 0 {
			t.Errorf("%s: hold %+v is longer in silence than in all", tool.Name, h)
		}
		if tool != tools.Any && tool.Marks.Evidence == "" {
			t.Errorf("%s does not say where its marks come from", tool.Name)
		}
		if back, ok := tools.ByName(tool.Name); tool != tools.Any && (!ok || back != tool) {
			t.Errorf("%s is not found by its name", tool.Name)
		}
	}
}

func FuzzIdentify(f *testing.F) {
	f.Add(openCode, "ses_1", `{"model":"m","messages":[{"role":"system","content":"x"}],"tools":[]}`)
	f.Add(claude, "", `{"metadata":{"user_id":"{\"session_id\":\"u\"}"},"system":"cc_is_subagent=true"}`)
	f.Add(codex, `{"agent_name":"/root"}`, `{"prompt_cache_key":"k","max_tokens":1}`)
	f.Add("", "\xff", `{"messages":[`)
	f.Add("", "a\u009b31m\u202e", `{"response_format":{"json_schema":{"schema":{"properties":{"title":{}}}}}}`)
	f.Fuzz(func(t *testing.T, agent, header, body string) {
		got := identify(body, "User-Agent", agent, "X-Session-Id", header, "X-Codex-Turn-Metadata", header)
		if got.Tool == nil || len(got.Session) > 64 || strings.ContainsFunc(got.Session, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%+v", got)
		}
	})
}

// Whatever part of a body is large, looking at it costs no memory for that.
func TestIdentifyAllocatesNothingForABody(t *testing.T) {
	for _, shape := range []string{
		`{"messages":[{"role":"system","content":"%"}]}`,
		`{"messages":[{"content":"%","role":"user"}]}`,
		`{"system":[{"type":"text","text":"%"}]}`,
		`{"metadata":{"user_id":"%"}}`,
		`{"prompt_cache_key":"%"}`,
		`{"output_config":{"format":"%"}}`,
		`{"tools":["%"]}`,
	} {
		body := []byte(strings.Replace(shape, "%", strings.Repeat("x", 1<<20), 1))
		h := http.Header{"User-Agent": {claude}}
		// Two are of this test: the fields, which escape, and their visitor.
		if n := testing.AllocsPerRun(5, func() { look(h, body) }); n > 2 {
			t.Errorf("%s: %v allocations", shape, n)
		}
	}
}

// look does all that recognition does with a request.
func look(h http.Header, body []byte) tools.Caller {
	var f tools.Fields
	_ = provider.ScanObject(body, func(key, value []byte) bool {
		f.Collect(key, value)
		return true
	})
	return tools.Identify(h, &f)
}

func BenchmarkIdentify(b *testing.B) {
	for _, size := range []int{2 << 10, 50 << 10, 1 << 20} {
		body := fmt.Appendf(nil, `{"model":"glm-5","max_tokens":32000,"messages":[{"role":"system","content":"You are"},{"role":"user","content":%q}],%s,"stream":true}`, strings.Repeat("x", size), someTool)
		h := http.Header{"User-Agent": {openCode}, "X-Session-Id": {"ses_1"}}
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				look(h, body)
			}
		})
	}
}
