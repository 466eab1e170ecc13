package endpoint_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/endpoint"
)

const (
	auth       = "/home/u/.local/share/opencode/auth.json"
	openCode   = "/home/u/.config/opencode/opencode.json"
	claude     = "/home/u/.claude/settings.json"
	codex      = "/home/u/.codex/config.toml"
	qwen       = "/home/u/.qwen/settings.json"
	crush      = "/home/u/.config/crush/crush.json"
	cline      = "/home/u/.cline/data/settings/providers.json"
	codingAuth = `{"zai-coding-plan":{"type":"api","key":"SECRET"}}`
)

var roomy = endpoint.Gateway{Address: "http://127.0.0.1:4000", Run: "~run", Room: "/room"}

func TestAnyProgram(t *testing.T) {
	try(t, "", []row{
		{name: "known", world: world{env: []string{"OPENAI_BASE_URL=https://api.z.ai/api/coding/paas/v4/"}, args: []string{"-x"}},
			env: []string{"OPENAI_BASE_URL=http://127.0.0.1:4000/~run/@zai-coding/api/coding/paas/v4"}, args: []string{"-x"},
			moved: []string{"OPENAI_BASE_URL (https://api.z.ai/api/coding/paas/v4/) → zai-coding"}},
		{name: "nothing set", fails: "no base URL is set (OPENAI_BASE_URL, OPENAI_API_BASE, ANTHROPIC_BASE_URL): name the provider with --upstream NAME", stuck: true},
		{name: "unknown", world: world{env: []string{"OPENAI_BASE_URL=https://u:SECRET@llm.corp.example/v1?k=SECRET"}},
			fails: "none of its base URLs is one that weir knows (OPENAI_BASE_URL at https://llm.corp.example/v1): name the provider with --upstream NAME", stuck: true},
		{name: "unset, upstream", upstream: "zai-coding",
			env: []string{
				"OPENAI_BASE_URL=http://127.0.0.1:4000/~run/@zai-coding/v1",
				"OPENAI_API_BASE=http://127.0.0.1:4000/~run/@zai-coding/v1",
				"ANTHROPIC_BASE_URL=http://127.0.0.1:4000/~run/@zai-coding/anthropic",
			},
			moved: []string{"OPENAI_BASE_URL (not set) → zai-coding", "OPENAI_API_BASE", "ANTHROPIC_BASE_URL"}},
		{name: "another vendor stays, upstream takes the rest", upstream: "zai",
			world: world{env: []string{"ANTHROPIC_BASE_URL=https://api.anthropic.com", "OPENAI_BASE_URL=http://llm.corp.example/v1"}},
			env: []string{
				"OPENAI_BASE_URL=http://127.0.0.1:4000/~run/@zai/v1",
				"OPENAI_API_BASE=http://127.0.0.1:4000/~run/@zai/v1",
				"ANTHROPIC_BASE_URL=http://127.0.0.1:4000/~run/@anthropic",
			},
			moved: []string{"(http://llm.corp.example/v1) → zai", "(not set) → zai", "→ anthropic"}},
		{name: "two strangers", upstream: "zai",
			world: world{env: []string{"OPENAI_BASE_URL=http://a.example/v1", "ANTHROPIC_BASE_URL=http://b.example", "OPENAI_API_BASE=http://a.example/v1"}},
			fails: "several of its base URLs are none that weir knows", stuck: true},
		{name: "at a weir with an old run", world: world{env: []string{"OPENAI_BASE_URL=http://localhost:1302/~old/@zai/v1", "ANTHROPIC_BASE_URL=http://127.0.0.1:1302/api/anthropic"}},
			env: []string{
				"OPENAI_BASE_URL=http://127.0.0.1:4000/~run/@zai/v1",
				"ANTHROPIC_BASE_URL=http://127.0.0.1:4000/~run/api/anthropic",
			},
			moved: []string{"→ this run's gateway", "→ this run's gateway"}},
		{name: "at this very gateway", world: world{env: []string{"OPENAI_BASE_URL=http://127.0.0.1:4000/v1"}}, upstream: "zai",
			env: []string{
				"OPENAI_BASE_URL=http://127.0.0.1:4000/~run/v1",
				"OPENAI_API_BASE=http://127.0.0.1:4000/~run/@zai/v1",
				"ANTHROPIC_BASE_URL=http://127.0.0.1:4000/~run/@zai/anthropic",
			},
			moved: []string{"→ this run's gateway", "→ zai", "→ zai"}},
	})
}

func TestOpenCode(t *testing.T) {
	const variable = "OPENCODE_CONFIG_CONTENT="
	const coding = `"zai-coding-plan":{"options":{"baseURL":"http://127.0.0.1:4000/~run/@zai-coding/api/coding/paas/v4"}}`
	try(t, "opencode", []row{
		{name: "built in, logged in", world: world{files: map[string]string{auth: codingAuth}, args: []string{"run", "hi"}},
			env: []string{variable + `{"provider":{` + coding + `}}`}, args: []string{"run", "hi"},
			moved: []string{"provider zai-coding-plan (https://api.z.ai/api/coding/paas/v4) → zai-coding"}},
		{name: "built in, key in the environment", world: world{env: []string{"ANTHROPIC_API_KEY=SECRET"}},
			env:   []string{variable + `{"provider":{"anthropic":{"options":{"baseURL":"http://127.0.0.1:4000/~run/@anthropic/v1"}}}}`},
			moved: []string{"provider anthropic"}},
		{name: "no key, no provider", fails: "no provider", stuck: true},
		{name: "the user's own inline configuration stays", world: world{files: map[string]string{auth: codingAuth},
			env: []string{`OPENCODE_CONFIG_CONTENT={"share":"disabled", /* mine */ "big":12345678901234567890,"provider":{"zai-coding-plan":{"options":{"timeout":5}}},}`}},
			env:   []string{variable + `{"big":12345678901234567890,"provider":{"zai-coding-plan":{"options":{"baseURL":"http://127.0.0.1:4000/~run/@zai-coding/api/coding/paas/v4","timeout":5}}},"share":"disabled"}`},
			moved: []string{"zai-coding-plan"}},
		{name: "a project's file wins, one outside the repository does not count", world: world{files: map[string]string{
			openCode:                          `{"provider":{"mine":{"options":{"baseURL":"https://llm.corp.example"}}}}`,
			"/home/u/opencode.json":           `{"provider":{"outside":{"options":{"baseURL":"https://api.z.ai/api/paas/v4"}}}}`,
			"/home/u/shop/opencode.jsonc":     "{ // ours\n\"provider\":{\"mine\":{\"options\":{\"baseURL\":\"https://api.z.ai/api/paas/v4\",},},},}",
			"/home/u/shop/api/.opencode/x.md": "",
		}},
			env:   []string{variable + `{"provider":{"mine":{"options":{"baseURL":"http://127.0.0.1:4000/~run/@zai/api/paas/v4"}}}}`},
			moved: []string{"provider mine"}},
		{name: "substitution", world: world{env: []string{"BASE=https://api.z.ai"}, files: map[string]string{
			openCode:                        `{"provider":{"a":{"npm":"@ai-sdk/anthropic","options":{"baseURL":"{env:BASE}/api/anthropic/v1"}},"b":{"options":{"baseURL":"{file:base}"}}}}`,
			"/home/u/.config/opencode/base": "https://api.deepseek.com\n",
		}},
			env:   []string{variable + `{"provider":{"a":{"options":{"baseURL":"http://127.0.0.1:4000/~run/@zai-coding/api/anthropic/v1"}},"b":{"options":{"baseURL":"http://127.0.0.1:4000/~run/@deepseek"}}}}`},
			moved: []string{"provider a", "provider b"}},
		{name: "what stays open is asked", world: world{asked: `{"provider":{"b":{"options":{"baseURL":"https://api.deepseek.com"}}}}`, files: map[string]string{
			openCode: `{"provider":{"b":{"options":{"baseURL":"{file:gone}"}}}}`,
		}},
			env:   []string{variable + `{"provider":{"b":{"options":{"baseURL":"http://127.0.0.1:4000/~run/@deepseek"}}}}`},
			moved: []string{"provider b"}},
		{name: "unknown", world: world{files: map[string]string{openCode: `{"provider":{"foo":{"options":{"baseURL":"https://llm.corp.example/v1"}}}}`}},
			fails: "opencode: none of its base URLs is one that weir knows (provider foo at https://llm.corp.example/v1): name the provider with --upstream NAME", stuck: true},
		{name: "unknown, upstream", upstream: "zai", world: world{files: map[string]string{
			openCode: `{"provider":{"foo":{"npm":"@ai-sdk/anthropic","options":{"baseURL":"https://llm.corp.example/v1"}}}}`, auth: codingAuth}},
			env:   []string{variable + `{"provider":{"foo":{"options":{"baseURL":"http://127.0.0.1:4000/~run/@zai/anthropic/v1"}},` + coding + `}}`},
			moved: []string{"→ zai-coding", "provider foo (https://llm.corp.example/v1) → zai"}},
		{name: "set up before", world: world{files: map[string]string{openCode: `{"provider":{"zai-coding-plan":{"options":{"baseURL":"http://127.0.0.1:1302/api/coding/paas/v4"}}}}`}},
			env:   []string{variable + `{"provider":{"zai-coding-plan":{"options":{"baseURL":"http://127.0.0.1:4000/~run/api/coding/paas/v4"}}}}`},
			moved: []string{"zai-coding-plan"}},
		{name: "a ChatGPT login stays", upstream: "zai", world: world{files: map[string]string{auth: `{"openai":{"type":"oauth","access":"SECRET"}}`}},
			fails: "provider openai is logged in with ChatGPT", stuck: true},
		{name: "broken file", world: world{files: map[string]string{openCode: "{\n  \"provider\": {\"SECRET\" 1}\n}"}},
			fails: "opencode: " + openCode + ":2:25: this is no valid JSON"},
		{name: "broken inline", world: world{env: []string{"OPENCODE_CONFIG_CONTENT={"}},
			fails: "opencode: environment OPENCODE_CONFIG_CONTENT:1:2: this is no valid JSON"},
	})
}

func TestOpenCodeIsAskedOnlyIfNeeded(t *testing.T) {
	var asks []string
	w := world{asks: &asks, files: map[string]string{auth: codingAuth}}
	w.found(t, "opencode")
	if len(asks) != 0 {
		t.Errorf("asked %q though the files say all", asks)
	}
	w.files[auth] = `{"https://llm.corp.example":{"type":"wellknown","key":"A","token":"SECRET"}}`
	w.found(t, "opencode")
	if !slices.Equal(asks, []string{"opencode debug config"}) {
		t.Errorf("asked %q, want its configuration once", asks)
	}
}

func TestClaude(t *testing.T) {
	const moved = "http://127.0.0.1:4000/~run/@zai-coding/api/anthropic"
	settings := func(url string) string { return `{"env":{"ANTHROPIC_BASE_URL":"` + url + `"}}` }
	zai := map[string]string{claude: settings("https://api.z.ai/api/anthropic")}
	try(t, "claude", []row{
		{name: "settings win over the environment", world: world{files: zai, env: []string{"ANTHROPIC_BASE_URL=https://api.anthropic.com"}, args: []string{"-p", "hi"}},
			env: []string{"ANTHROPIC_BASE_URL=" + moved}, args: []string{"--settings", settings(moved), "-p", "hi"},
			moved: []string{"ANTHROPIC_BASE_URL (https://api.z.ai/api/anthropic) → zai-coding"}},
		{name: "the project's local settings win", world: world{files: map[string]string{
			claude:                                   settings("https://llm.corp.example"),
			"/home/u/shop/api/.claude/settings.json": settings("https://llm.corp.example"),
			"/home/u/shop/api/.claude/settings.local.json": settings("https://api.z.ai/api/anthropic"),
		}},
			env: []string{"ANTHROPIC_BASE_URL=" + moved}, args: []string{"--settings", settings(moved)}, moved: []string{"→ zai-coding"}},
		{name: "logged in at Anthropic", upstream: "zai",
			env: []string{"ANTHROPIC_BASE_URL=http://127.0.0.1:4000/~run/@anthropic"}, args: []string{"--settings", settings("http://127.0.0.1:4000/~run/@anthropic")},
			moved: []string{"(https://api.anthropic.com) → anthropic"}},
		{name: "Anthropic's key goes nowhere else", upstream: "zai", world: world{env: []string{"ANTHROPIC_API_KEY=sk-ant-SECRET"}},
			env: []string{"ANTHROPIC_BASE_URL=http://127.0.0.1:4000/~run/@anthropic"}, args: []string{"--settings", settings("http://127.0.0.1:4000/~run/@anthropic")},
			moved: []string{"→ anthropic"}},
		{name: "a token of another's, upstream", upstream: "zai", world: world{files: map[string]string{claude: `{"env":{"ANTHROPIC_AUTH_TOKEN":"SECRET"}}`}},
			env: []string{"ANTHROPIC_BASE_URL=http://127.0.0.1:4000/~run/@zai/anthropic"}, args: []string{"--settings", settings("http://127.0.0.1:4000/~run/@zai/anthropic")},
			moved: []string{"→ zai"}},
		{name: "the user's own --settings stay", world: world{files: zai, args: []string{`--settings={"model":"glm-5","env":{"FOO":"1"}}`, "-p", "hi"}},
			env: []string{"ANTHROPIC_BASE_URL=" + moved}, args: []string{"--settings", `{"env":{"ANTHROPIC_BASE_URL":"` + moved + `","FOO":"1"},"model":"glm-5"}`, "-p", "hi"},
			moved: []string{"→ zai-coding"}},
		{name: "the user's own --settings file", world: world{files: map[string]string{"/home/u/shop/api/s.json": `{"env":{"ANTHROPIC_BASE_URL":"https://api.z.ai/api/anthropic"},"model":"x"}`}, args: []string{"--settings", "s.json"}},
			env: []string{"ANTHROPIC_BASE_URL=" + moved}, args: []string{"--settings", `{"env":{"ANTHROPIC_BASE_URL":"` + moved + `"},"model":"x"}`},
			moved: []string{"→ zai-coding"}},
		{name: "--settings of no file", world: world{files: zai, args: []string{"--settings", "gone.json"}},
			fails: "the file of its argument --settings cannot be read", stuck: true},
		{name: "unknown", world: world{env: []string{"ANTHROPIC_BASE_URL=https://llm.corp.example"}},
			fails: "claude: none of its base URLs is one that weir knows (ANTHROPIC_BASE_URL at https://llm.corp.example)", stuck: true},
		{name: "unknown, upstream", upstream: "zai", world: world{env: []string{"ANTHROPIC_BASE_URL=https://llm.corp.example"}},
			env: []string{"ANTHROPIC_BASE_URL=http://127.0.0.1:4000/~run/@zai/anthropic"}, args: []string{"--settings", settings("http://127.0.0.1:4000/~run/@zai/anthropic")},
			moved: []string{"→ zai"}},
		{name: "another cloud", upstream: "zai", world: world{env: []string{"CLAUDE_CODE_USE_BEDROCK=1"}},
			fails: "CLAUDE_CODE_USE_BEDROCK sends its calls to a cloud", stuck: true},
		{name: "managed", world: world{files: map[string]string{"/etc/claude-code/managed-settings.json": settings("https://api.z.ai/api/anthropic")}},
			fails: "is set by /etc/claude-code/managed-settings.json", stuck: true},
		{name: "own directory", world: world{env: []string{"CLAUDE_CONFIG_DIR=/cfg"}, files: map[string]string{"/cfg/settings.json": settings("https://api.z.ai/api/anthropic")}},
			env: []string{"ANTHROPIC_BASE_URL=" + moved}, args: []string{"--settings", settings(moved)}, moved: []string{"→ zai-coding"}},
		{name: "broken file", world: world{files: map[string]string{claude: "{\n\"env\": SECRET\n}"}},
			fails: claude + ":2:8: this is no valid JSON"},
	})
}

func TestCodex(t *testing.T) {
	const table = "model_provider = \"z\"\n[model_providers.z]\nname = \"z\"\nbase_url = \"https://api.z.ai/api/v1\"\n[model_providers.other]\nbase_url = \"https://llm.corp.example\"\n"
	try(t, "codex", []row{
		{name: "own provider", world: world{files: map[string]string{codex: table}, args: []string{"exec", "hi"}},
			args: []string{"-c", `model_providers.z.base_url="http://127.0.0.1:4000/~run/@zai-coding/api/v1"`, "exec", "hi"}, moved: []string{"provider z (https://api.z.ai/api/v1) → zai-coding"}},
		{name: "an API key of OpenAI stays there", upstream: "zai", world: world{files: map[string]string{"/home/u/.codex/auth.json": `{"OPENAI_API_KEY":"SECRET"}`}},
			args: []string{"-c", `openai_base_url="http://127.0.0.1:4000/~run/@openai/v1"`}, moved: []string{"provider openai (https://api.openai.com/v1) → openai"}},
		{name: "a ChatGPT login is unknown", world: world{files: map[string]string{"/home/u/.codex/auth.json": `{"OPENAI_API_KEY":null,"tokens":{"access_token":"SECRET"}}`}},
			fails: "codex: none of its base URLs is one that weir knows (provider openai (ChatGPT login) at https://chatgpt.com/backend-api/codex)", stuck: true},
		{name: "a ChatGPT login goes to nobody else", upstream: "zai-coding", world: world{env: []string{"ZAI_API_KEY=SECRET", "OPENAI_API_KEY=SECRET"},
			files: map[string]string{"/home/u/.codex/auth.json": `{"tokens":{"access_token":"SECRET"}}`}},
			args:  []string{"-c", "model_provider=weir", "-c", `model_providers.weir={name="weir",base_url="http://127.0.0.1:4000/~run/@zai-coding/v1",wire_api="responses",env_key="ZAI_API_KEY"}`},
			moved: []string{"→ zai-coding"}},
		{name: "nothing set, upstream", upstream: "zai-coding", world: world{env: []string{"OPENAI_API_KEY=SECRET"}},
			args:  []string{"-c", "model_provider=weir", "-c", `model_providers.weir={name="weir",base_url="http://127.0.0.1:4000/~run/@zai-coding/v1",wire_api="responses",env_key="OPENAI_API_KEY"}`},
			moved: []string{"→ zai-coding"}},
		{name: "no key either", upstream: "zai-coding",
			args:  []string{"-c", "model_provider=weir", "-c", `model_providers.weir={name="weir",base_url="http://127.0.0.1:4000/~run/@zai-coding/v1",wire_api="responses"}`},
			moved: []string{"→ zai-coding"}},
		{name: "a provider by argument", world: world{args: []string{"-c", `model_providers.q.base_url="https://api.z.ai/api/v1"`, "-c", "model_provider=q", "exec"}},
			args: []string{"-c", `model_providers.q.base_url="http://127.0.0.1:4000/~run/@zai-coding/api/v1"`,
				"-c", `model_providers.q.base_url="https://api.z.ai/api/v1"`, "-c", "model_provider=q", "exec"},
			moved: []string{"provider q"}},
		{name: "unknown", world: world{files: map[string]string{codex: "model_provider=\"c\"\n[model_providers.c]\nbase_url=\"https://llm.corp.example/v1\"\n"}},
			fails: "(provider c at https://llm.corp.example/v1): name the provider with --upstream NAME", stuck: true},
		{name: "unknown, upstream", upstream: "zai", world: world{files: map[string]string{codex: "model_provider=\"c\"\n[model_providers.c]\nbase_url=\"https://llm.corp.example/v1\"\n"}},
			args: []string{"-c", `model_providers.c.base_url="http://127.0.0.1:4000/~run/@zai/v1"`}, moved: []string{"→ zai"}},
		{name: "a profile's provider without a URL", world: world{args: []string{"-p", "aws"}, files: map[string]string{codex: "[profiles.aws]\nmodel_provider=\"amazon-bedrock\"\n"}},
			fails: "provider amazon-bedrock has no base URL in config.toml", stuck: true},
		{name: "broken file", world: world{files: map[string]string{codex: "a = 1\nb = = \"SECRET\"\n"}},
			fails: codex + ":2:5: this is no valid TOML"},
	})
}

func TestQwen(t *testing.T) {
	const moved = "OPENAI_BASE_URL=http://127.0.0.1:4000/~run/@zai/api/paas/v4"
	const base = "https://api.z.ai/api/paas/v4"
	try(t, "qwen", []row{
		{name: "environment", world: world{env: []string{"OPENAI_BASE_URL=" + base}, files: map[string]string{"/home/u/shop/api/.env": "OPENAI_BASE_URL=https://llm.corp.example"}, args: []string{"-p", "hi"}},
			env: []string{moved}, args: []string{"-p", "hi"}, moved: []string{"→ zai"}},
		{name: "nearest .env", world: world{files: map[string]string{"/home/u/shop/.qwen/.env": "# mine\nexport OPENAI_BASE_URL='" + base + "'\n", "/home/u/.qwen/.env": "OPENAI_BASE_URL=https://llm.corp.example"}},
			env: []string{moved}, moved: []string{"→ zai"}},
		{name: "settings", world: world{files: map[string]string{qwen: `{"security":{"auth":{"selectedType":"openai","baseUrl":"` + base + `"}}}`}},
			env: []string{moved}, moved: []string{"→ zai"}},
		{name: "env of the settings wins over their base URL", world: world{files: map[string]string{qwen: `{"env":{"OPENAI_BASE_URL":"` + base + `"},"security":{"auth":{"baseUrl":"https://llm.corp.example"}}}`}},
			env: []string{moved}, moved: []string{"→ zai"}},
		{name: "flag", world: world{args: []string{"-p", "hi", "--openai-base-url=" + base, "--", "--openai-base-url=x"}},
			args: []string{"--openai-base-url", "http://127.0.0.1:4000/~run/@zai/api/paas/v4", "-p", "hi", "--", "--openai-base-url=x"}, moved: []string{"→ zai"}},
		{name: "Anthropic's API", world: world{args: []string{"--auth-type", "anthropic"}, env: []string{"ANTHROPIC_BASE_URL=https://api.z.ai/api/anthropic"}},
			env: []string{"ANTHROPIC_BASE_URL=http://127.0.0.1:4000/~run/@zai-coding/api/anthropic"}, args: []string{"--auth-type", "anthropic"}, moved: []string{"→ zai-coding"}},
		{name: "a model's own URL by a variable", world: world{env: []string{"B=" + base}, files: map[string]string{qwen: `{"model":{"name":"m"},"modelProviders":{"openai":[{"id":"m","baseUrl":"${B}"}]}}`}},
			env: []string{"B=http://127.0.0.1:4000/~run/@zai/api/paas/v4"}, moved: []string{"model m"}},
		{name: "a model's own URL", world: world{files: map[string]string{qwen: `{"model":{"name":"m"},"modelProviders":{"openai":[{"id":"m","baseUrl":"` + base + `"}]}}`}},
			fails: "model m has a base URL of its own in " + qwen, stuck: true},
		{name: "a model's own URL, with room", gateway: roomy, world: world{
			env: []string{"QWEN_CODE_SYSTEM_SETTINGS_PATH=/sys.json"},
			files: map[string]string{"/sys.json": `{"a":1}`,
				qwen: `{"model":{"name":"m"},"modelProviders":{"openai":[{"id":"n","baseUrl":"https://llm.corp.example"},{"id":"m","baseUrl":"` + base + `","envKey":"K"}]}}`}},
			env: []string{"QWEN_CODE_SYSTEM_SETTINGS_PATH=/room/qwen-settings.json"}, moved: []string{"model m"},
			files: []string{"/room/qwen-settings.json", `{"a":1,"modelProviders":{"openai":[{"baseUrl":"https://llm.corp.example","id":"n"},{"baseUrl":"http://127.0.0.1:4000/~run/@zai/api/paas/v4","envKey":"K","id":"m"}]}}`}},
		{name: "login", upstream: "zai", world: world{files: map[string]string{qwen: `{"security":{"auth":{"selectedType":"qwen-oauth"}}}`}},
			fails: "login at Qwen has an endpoint of its own", stuck: true},
		{name: "unset", fails: "qwen: no base URL is set (OPENAI_BASE_URL): name the provider with --upstream NAME", stuck: true},
		{name: "unset, upstream", upstream: "zai", env: []string{"OPENAI_BASE_URL=http://127.0.0.1:4000/~run/@zai/v1"}, moved: []string{"(not set) → zai"}},
		{name: "a file of brackets", world: world{files: map[string]string{qwen: strings.Repeat("[", 8<<20)}}, fails: qwen + ":1:50001: this is no valid JSON"},
		{name: "broken file", world: world{files: map[string]string{qwen: "[]"}}, fails: qwen + ":1:1: this is no JSON object"},
	})
}

func TestCrush(t *testing.T) {
	try(t, "crush", []row{
		{name: "built in, by a variable", world: world{env: []string{"ANTHROPIC_API_KEY=SECRET"}, args: []string{"run"}},
			env: []string{"ANTHROPIC_API_ENDPOINT=http://127.0.0.1:4000/~run/@anthropic"}, args: []string{"run"}, moved: []string{"provider anthropic"}},
		{name: "own provider, by a variable", world: world{env: []string{"B=https://api.z.ai/api/paas/v4"}, files: map[string]string{crush: `{"providers":{"z":{"base_url":"$B"}}}`}},
			env: []string{"B=http://127.0.0.1:4000/~run/@zai/api/paas/v4"}, moved: []string{"provider z"}},
		{name: "without room", world: world{env: []string{"ZAI_API_KEY=SECRET"}},
			fails: "crush: provider zai can be moved only by a change of " + crush + ": make it with `weir setup crush`", stuck: true},
		{name: "with room", gateway: roomy, world: world{env: []string{"ZAI_API_KEY=SECRET"}, files: map[string]string{crush: `{"options":{"x":1},"providers":{"mine":{"type":"anthropic","base_url":"https://api.z.ai/api/anthropic","api_key":"K"}}}`}},
			env: []string{"CRUSH_GLOBAL_CONFIG=/room/crush"}, moved: []string{"provider zai (https://api.z.ai/api/coding/paas/v4) → zai-coding", "provider mine"},
			files: []string{"/room/crush/crush.json", `{"options":{"x":1},"providers":{"mine":{"api_key":"K","base_url":"http://127.0.0.1:4000/~run/@zai-coding/api/anthropic","type":"anthropic"},"zai":{"base_url":"http://127.0.0.1:4000/~run/@zai-coding/api/coding/paas/v4"}}}`}},
		{name: "a project's file", gateway: roomy, world: world{files: map[string]string{"/home/u/shop/crush.json": `{"providers":{"z":{"base_url":"https://api.z.ai/api/paas/v4"}}}`}},
			fails: "provider z has its base URL in /home/u/shop/crush.json", stuck: true},
		{name: "nothing", fails: "crush: no base URL is set (no provider)", stuck: true},
		{name: "broken file", world: world{files: map[string]string{crush: "{,}"}}, fails: crush + ":1:2: this is no valid JSON"},
	})
}

func TestCline(t *testing.T) {
	own := `{"providers":{"openai-compatible":{"settings":{"apiKey":"K","baseUrl":"https://api.z.ai/api/coding/paas/v4"}},"cline":{"settings":{}}},"version":1}`
	try(t, "cline", []row{
		{name: "without room", world: world{files: map[string]string{cline: own}},
			fails: "cline: provider openai-compatible has its base URL in " + cline, stuck: true},
		{name: "with room", gateway: roomy, world: world{files: map[string]string{cline: own}, args: []string{"hi"}},
			env: []string{"CLINE_PROVIDER_SETTINGS_PATH=/room/cline-providers.json", "CLINE_SESSION_BACKEND_MODE=local"}, args: []string{"hi"},
			moved: []string{"provider openai-compatible"},
			files: []string{"/room/cline-providers.json", `{"providers":{"cline":{"settings":{}},"openai-compatible":{"settings":{"apiKey":"K","baseUrl":"http://127.0.0.1:4000/~run/@zai-coding/api/coding/paas/v4"}}},"version":1}`}},
		{name: "own directory", gateway: roomy, world: world{files: map[string]string{"/d/settings/providers.json": `{"providers":{"zai":{"settings":{}}}}`}, args: []string{"--data-dir", "/d"}},
			env:   []string{"CLINE_PROVIDER_SETTINGS_PATH=/room/cline-providers.json", "CLINE_SESSION_BACKEND_MODE=local", "CLINE_DATA_DIR=/d"},
			moved: []string{"provider zai (https://api.z.ai/api/paas/v4) → zai"},
			files: []string{"/room/cline-providers.json", `{"providers":{"zai":{"settings":{"baseUrl":"http://127.0.0.1:4000/~run/@zai/api/paas/v4"}}}}`}},
		{name: "unknown", gateway: roomy, world: world{files: map[string]string{cline: `{"providers":{"x":{"settings":{"baseUrl":"https://llm.corp.example"}}}}`}},
			fails: "name the provider with --upstream NAME", stuck: true},
		{name: "broken file", world: world{files: map[string]string{cline: "{\"a\":}"}}, fails: cline + ":1:6: this is no valid JSON"},
	})
}

func TestFind(t *testing.T) {
	for _, c := range []struct {
		name, tool string
		world      world
		want       []string
	}{
		{"gateway", "claude", world{files: map[string]string{claude: `{"env":{"ANTHROPIC_BASE_URL":"http://127.0.0.1:1302/~x/api/anthropic"}}`}},
			[]string{"ANTHROPIC_BASE_URL=http://127.0.0.1:1302/~x/api/anthropic [" + claude + "] anthropic  gateway=true"}},
		{"built in", "claude", world{}, []string{"ANTHROPIC_BASE_URL=https://api.anthropic.com [built in] anthropic anthropic gateway=false"}},
		{"codex", "codex", world{env: []string{"CODEX_API_KEY=SECRET"}}, []string{"provider openai=https://api.openai.com/v1 [built in] responses openai/v1 gateway=false"}},
		{"any", "", world{env: []string{"OPENAI_BASE_URL=https://api.z.ai/api/paas/v4"}}, []string{
			"OPENAI_BASE_URL=https://api.z.ai/api/paas/v4 [environment OPENAI_BASE_URL] openai zai/api/paas/v4 gateway=false",
			"OPENAI_API_BASE= [] openai  gateway=false",
			"ANTHROPIC_BASE_URL= [] anthropic  gateway=false",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.world.found(t, c.tool); !slices.Equal(got, c.want) {
				t.Errorf("found %q\n want %q", got, c.want)
			}
		})
	}
}

func TestSettingsShowNoSecret(t *testing.T) {
	for _, c := range []struct {
		tool  string
		world world
	}{
		{"claude", world{args: []string{"--settings", `{"env":{"ANTHROPIC_AUTH_TOKEN":"SECRET"}}`}}},
		{"opencode", world{env: []string{`OPENCODE_CONFIG_CONTENT={"provider":{"zai":{"options":{"apiKey":"SECRET"}}}}`}, files: map[string]string{auth: codingAuth}}},
		{"cline", world{files: map[string]string{cline: `{"providers":{"zai":{"settings":{"apiKey":"SECRET"}}}}`}}},
		{"codex", world{env: []string{"OPENAI_API_KEY=SECRET"}}},
	} {
		settings, err := endpoint.Find(context.Background(), c.world.site(), tool(c.tool), c.world.args, known)
		if err != nil || len(settings) == 0 {
			t.Fatalf("%s: %v %v", c.tool, settings, err)
		}
		if text := fmt.Sprintf("%v %+v %#v", settings, settings, settings); strings.Contains(text, "SECRET") {
			t.Errorf("%s: a key can be printed: %s", c.tool, text)
		}
	}
}

func TestUnreadableFileIsNamed(t *testing.T) {
	site := world{}.site()
	site.Read = func(file string) ([]byte, error) {
		if file == claude {
			return nil, &fs.PathError{Op: "open", Path: file, Err: fs.ErrPermission}
		}
		return nil, fs.ErrNotExist
	}
	_, err := endpoint.Find(context.Background(), site, tool("claude"), nil, known)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), claude) {
		t.Errorf("error %v must name %s", err, claude)
	}
}

// Whatever is not moved stays with its vendor: no upstream's name ever stands in
// the place of a known one's.
func TestAKnownVendorIsKept(t *testing.T) {
	env := []string{"OPENAI_BASE_URL=https://api.openai.com/v1", "OPENAI_API_BASE=https://api.deepseek.com", "ANTHROPIC_BASE_URL=https://api.anthropic.com"}
	l, err := world{env: env}.move("", here, "zai-coding")
	if err != nil {
		t.Fatal(err)
	}
	for i, vendor := range []string{"openai", "deepseek", "anthropic"} {
		if !strings.Contains(l.Env[i], "/@"+vendor) {
			t.Errorf("%s must stay with %s", l.Env[i], vendor)
		}
	}
}
