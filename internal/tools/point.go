package tools

import (
	"strings"

	"github.com/weirhq/weir/provider"
)

// A Point says how a tool is pointed at a gateway: what carries its base URLs, the
// strongest first. Paths begin with "~/" (the user's directory), "$NAME/" (a
// directory that the variable names) or "./" (where the tool is started); in a path
// of the form A|B, B holds where A's variable is not set.
type Point struct {
	Variables []Variable // of the environment, each with a base URL
	Inline    string     // variable with a whole configuration, laid over the files
	Settings  string     // variable with the path of a file that it reads in place of its own
	Flag      string     // of the command line, with configuration laid over the files
	Home      string     // its own directory: "$CODEX_HOME|~/.codex"
	Files     []File     // configuration that may hold base URLs, the weakest first
	Builtin   []Builtin  // providers that it has without a file
	Elsewhere []string   // variables that, switched on, send its calls to an API that weir does not serve
	Evidence  string     // the version that was run and what moved it; empty: this was only read about
}

// A Variable of the environment holds a base URL.
type Variable struct {
	Name    string
	Dialect provider.Dialect
}

// A File is a configuration file of a tool.
type File struct {
	Path   string
	Format Format
	Keys   []string // paths to its base URLs; "*" stands for any member
	Up     bool     // looked for in each directory above too
}

// Format is the syntax of a file.
type Format string

// The formats. JSONC is JSON with comments and trailing commas.
const (
	JSONC Format = "jsonc"
	TOML  Format = "toml"
)

// A Builtin is a provider that a tool knows by itself.
type Builtin struct {
	Name    string // as the tool's configuration calls it
	Base    string // its base URL, as the tool has it
	Dialect provider.Dialect
	Keys    []string // variables that hold its key
	Moves   string   // a variable that moves it; empty: see the tool
}

// openCodeKeys are the base URLs in each of OpenCode's files.
var openCodeKeys = []string{"provider.*.options.baseURL"}

var openCodePoint = Point{
	Evidence: "1.18.33: the inline configuration moved built-in and own providers of all three dialects, beside an inline configuration of the user; naming a provider makes it show up even without a key",
	Inline:   "OPENCODE_CONFIG_CONTENT",
	Home:     "$XDG_CONFIG_HOME/opencode|~/.config/opencode",
	Files: []File{
		{Path: "config.json", Format: JSONC, Keys: openCodeKeys},
		{Path: "opencode.json", Format: JSONC, Keys: openCodeKeys},
		{Path: "opencode.jsonc", Format: JSONC, Keys: openCodeKeys},
		{Path: "$OPENCODE_CONFIG", Format: JSONC, Keys: openCodeKeys},
		{Path: "./opencode.json", Format: JSONC, Keys: openCodeKeys, Up: true},
		{Path: "./opencode.jsonc", Format: JSONC, Keys: openCodeKeys, Up: true},
		{Path: "~/.opencode/opencode.json", Format: JSONC, Keys: openCodeKeys},
		{Path: "~/.opencode/opencode.jsonc", Format: JSONC, Keys: openCodeKeys},
		{Path: "./.opencode/opencode.json", Format: JSONC, Keys: openCodeKeys, Up: true},
		{Path: "./.opencode/opencode.jsonc", Format: JSONC, Keys: openCodeKeys, Up: true},
		{Path: "$OPENCODE_CONFIG_DIR/opencode.json", Format: JSONC, Keys: openCodeKeys},
		{Path: "$OPENCODE_CONFIG_DIR/opencode.jsonc", Format: JSONC, Keys: openCodeKeys},
	},
	Builtin: []Builtin{
		{Name: "zai-coding-plan", Base: "https://api.z.ai/api/coding/paas/v4", Dialect: provider.OpenAI, Keys: []string{"ZHIPU_API_KEY"}},
		{Name: "zai", Base: "https://api.z.ai/api/paas/v4", Dialect: provider.OpenAI, Keys: []string{"ZHIPU_API_KEY"}},
		{Name: "zhipuai-coding-plan", Base: "https://open.bigmodel.cn/api/coding/paas/v4", Dialect: provider.OpenAI, Keys: []string{"ZHIPU_API_KEY"}},
		{Name: "zhipuai", Base: "https://open.bigmodel.cn/api/paas/v4", Dialect: provider.OpenAI, Keys: []string{"ZHIPU_API_KEY"}},
		{Name: "anthropic", Base: "https://api.anthropic.com/v1", Dialect: provider.Anthropic, Keys: []string{"ANTHROPIC_API_KEY"}},
		{Name: "openai", Base: "https://api.openai.com/v1", Dialect: provider.Responses, Keys: []string{"OPENAI_API_KEY"}},
		{Name: "deepseek", Base: "https://api.deepseek.com", Dialect: provider.OpenAI, Keys: []string{"DEEPSEEK_API_KEY"}},
		{Name: "moonshotai", Base: "https://api.moonshot.ai/v1", Dialect: provider.OpenAI, Keys: []string{"MOONSHOT_API_KEY"}},
		{Name: "minimax", Base: "https://api.minimax.io/anthropic/v1", Dialect: provider.Anthropic, Keys: []string{"MINIMAX_API_KEY"}},
		{Name: "minimax-coding-plan", Base: "https://api.minimax.io/anthropic/v1", Dialect: provider.Anthropic, Keys: []string{"MINIMAX_API_KEY"}},
		{Name: "openrouter", Base: "https://openrouter.ai/api/v1", Dialect: provider.OpenAI, Keys: []string{"OPENROUTER_API_KEY"}},
		{Name: "alibaba", Base: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", Dialect: provider.OpenAI, Keys: []string{"DASHSCOPE_API_KEY"}},
	},
}

var claudePoint = Point{
	Evidence:  "2.1.197: the flag won over the settings file, beside one of the user; a subcommand accepts it too",
	Variables: []Variable{{"ANTHROPIC_BASE_URL", provider.Anthropic}},
	Flag:      "--settings",
	Home:      "$CLAUDE_CONFIG_DIR|~/.claude",
	Files: []File{
		{Path: "settings.json", Format: JSONC, Keys: []string{"env.ANTHROPIC_BASE_URL"}},
		{Path: "./.claude/settings.json", Format: JSONC, Keys: []string{"env.ANTHROPIC_BASE_URL"}},
		{Path: "./.claude/settings.local.json", Format: JSONC, Keys: []string{"env.ANTHROPIC_BASE_URL"}},
	},
	Builtin: []Builtin{{Name: "anthropic", Base: "https://api.anthropic.com", Dialect: provider.Anthropic,
		Keys: []string{"ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"}}},
	Elsewhere: []string{"CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"},
}

var codexPoint = Point{
	Evidence:  "0.171.0: the flag moved an own provider, a new one and, by openai_base_url, the built-in one, which tries a WebSocket first",
	Variables: []Variable{{"OPENAI_BASE_URL", provider.Responses}},
	Flag:      "-c",
	Home:      "$CODEX_HOME|~/.codex",
	Files: []File{
		{Path: "config.toml", Format: TOML, Keys: []string{"model_providers.*.base_url", "openai_base_url"}},
		{Path: "./.codex/config.toml", Format: TOML, Keys: []string{"model_providers.*.base_url"}, Up: true},
	},
	Builtin: []Builtin{{Name: "openai", Base: "https://api.openai.com/v1", Dialect: provider.Responses, Keys: []string{"OPENAI_API_KEY"}}},
}

var qwenPoint = Point{
	Evidence:  "0.15.10: the variable won over .env and settings, the flag over it; a base URL of the model itself was moved by its variable, or by settings of the system",
	Variables: []Variable{{"OPENAI_BASE_URL", provider.OpenAI}},
	Flag:      "--openai-base-url",
	Home:      "$QWEN_HOME|~/.qwen",
	Files: []File{
		{Path: "settings.json", Format: JSONC, Keys: []string{"security.auth.baseUrl", "env.OPENAI_BASE_URL", "modelProviders.*.*.baseUrl"}},
		{Path: "./.qwen/settings.json", Format: JSONC, Keys: []string{"security.auth.baseUrl", "env.OPENAI_BASE_URL", "modelProviders.*.*.baseUrl"}},
	},
}

var crushPoint = Point{
	Home: "$CRUSH_GLOBAL_CONFIG|$XDG_CONFIG_HOME/crush|~/.config/crush",
	Files: []File{
		{Path: "crush.json", Format: JSONC, Keys: []string{"providers.*.base_url"}},
		{Path: "$CRUSH_GLOBAL_DATA/crush.json|$XDG_DATA_HOME/crush/crush.json|~/.local/share/crush/crush.json", Format: JSONC, Keys: []string{"providers.*.base_url"}},
		{Path: "./crush.json", Format: JSONC, Keys: []string{"providers.*.base_url"}, Up: true},
		{Path: "./.crush.json", Format: JSONC, Keys: []string{"providers.*.base_url"}, Up: true},
	},
	Builtin: []Builtin{
		{Name: "zai", Base: "https://api.z.ai/api/coding/paas/v4", Dialect: provider.OpenAI, Keys: []string{"ZAI_API_KEY"}},
		{Name: "openai", Base: "https://api.openai.com/v1", Dialect: provider.Responses, Keys: []string{"OPENAI_API_KEY"}, Moves: "OPENAI_API_ENDPOINT"},
		{Name: "anthropic", Base: "https://api.anthropic.com", Dialect: provider.Anthropic, Keys: []string{"ANTHROPIC_API_KEY"}, Moves: "ANTHROPIC_API_ENDPOINT"},
	},
}

var clinePoint = Point{
	Evidence: "3.0.65: the file moved it, with its work kept out of the background process that all its sessions share; run headless only",
	Settings: "CLINE_PROVIDER_SETTINGS_PATH",
	Home:     "$CLINE_DATA_DIR|$CLINE_DIR/data|~/.cline/data",
	Files: []File{
		{Path: "$CLINE_PROVIDER_SETTINGS_PATH|settings/providers.json", Format: JSONC, Keys: []string{"providers.*.settings.baseUrl"}},
	},
	Builtin: []Builtin{
		{Name: "zai", Base: "https://api.z.ai/api/paas/v4", Dialect: provider.OpenAI},
		{Name: "zai-coding-plan", Base: "https://api.z.ai/api/coding/paas/v4", Dialect: provider.OpenAI},
	},
}

// On tells whether the value of a variable switches something on, as tools read it.
func On(value string) bool {
	return value != "" && value != "0" && !strings.EqualFold(value, "false")
}

// Environment returns the variables from which programs of no table read a base
// URL.
func Environment() []Variable {
	return []Variable{
		{"OPENAI_BASE_URL", provider.OpenAI},
		{"OPENAI_API_BASE", provider.OpenAI},
		{"ANTHROPIC_BASE_URL", provider.Anthropic},
	}
}
