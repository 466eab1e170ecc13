package provider_test

import (
	"encoding/json"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir/provider"
)

func TestShippedProfiles(t *testing.T) {
	names := provider.Names()
	if names[0] != provider.DefaultName {
		t.Errorf("the first is %q", names[0])
	}
	for _, name := range []string{
		"zai-coding", "zai", "bigmodel-coding", "bigmodel", "openai", "anthropic", "deepseek", "moonshot",
		"minimax", "openrouter", "dashscope", "gemini", "azure-openai", "ollama", "generic",
	} {
		t.Run(name, func(t *testing.T) {
			p := profile(t, name)
			if err := p.Validate(); err != nil {
				t.Error(err)
			}
			if !slices.Contains(names, name) || p.Name != name || p.Vendor == "" {
				t.Errorf("name %q, vendor %q", p.Name, p.Vendor)
			}
			if glm := p.Vendor == "zai" || p.Vendor == "bigmodel"; glm != (p.LimitMax == 24) || p.CodingPlan != strings.HasSuffix(name, "-coding") {
				t.Errorf("limit_max %d, coding_plan %v", p.LimitMax, p.CodingPlan)
			}
			for dialect, base := range p.Bases {
				u, err := url.Parse(base)
				if err != nil || u.Scheme != "https" && name != "ollama" {
					t.Errorf("%s: %s: %v", dialect, base, err)
				}
				if dialect == provider.Anthropic && strings.HasSuffix(base, "/v1") {
					t.Errorf("%s: the base stands before /v1/messages", base)
				}
				if p.KeyHeader(dialect).Header == "" {
					t.Errorf("%s: no key header", dialect)
				}
			}
		})
	}
	t.Run("two profiles of a vendor share its host", func(t *testing.T) {
		coding, general := profile(t, "zai-coding"), profile(t, "zai")
		if coding.Vendor != general.Vendor || coding.Bases[provider.Anthropic] != "https://api.z.ai/api/anthropic" ||
			coding.Bases[provider.OpenAI] != "https://api.z.ai/api/coding/paas/v4" || general.Bases[provider.OpenAI] != "https://api.z.ai/api/paas/v4" {
			t.Errorf("%v, %v", coding.Bases, general.Bases)
		}
	})
	t.Run("an unknown name", func(t *testing.T) {
		if _, ok := provider.Lookup("nobody"); ok {
			t.Error("found")
		}
	})
	t.Run("a list of names that is changed changes nothing", func(t *testing.T) {
		provider.Names()[0] = "x"
		if provider.Names()[0] != provider.DefaultName {
			t.Error("changed")
		}
	})
}

const own = `{
	"name": "mine", "limit_max": 8, "bases": {"openai": "https://llm.example/v1"}, "rules_from": "zai",
	"rules": [{"name": "mine/1302", "code": ["1302"], "status": [429], "verdict": "frequency"},
		{"name": "mine/busy", "text": "(?i)come back later", "verdict": "overload"}]
}`

func TestParse(t *testing.T) {
	p, err := provider.Parse([]byte(own))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		status int
		body   string
		rule   string
	}{
		{"its own rules come first", 429, `{"error":{"code":"1302"}}`, "mine/1302"},
		{"then those that it takes over", 500, `{"error":{"code":"1302"}}`, "zai/1302"},
		{"its own patterns", 400, `{"error":"Come back later"}`, "mine/busy"},
		{"then those for all", 429, ``, "*/429"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if v := p.Classify(provider.Answer{Status: tt.status, Body: []byte(tt.body)}); v.Rule != tt.rule {
				t.Errorf("rule %q, want %q", v.Rule, tt.rule)
			}
		})
	}
	if p.Vendor != "mine" {
		t.Errorf("vendor %q", p.Vendor)
	}
	t.Run("a copy with other bases keeps the rules", func(t *testing.T) {
		moved := *profile(t, "zai")
		moved.Bases = map[provider.Dialect]string{provider.OpenAI: "http://127.0.0.1:1303/api/paas/v4"}
		if v := moved.Classify(provider.Answer{Status: 429, Body: []byte(`{"error":{"code":"1302"}}`)}); v.Rule != "zai/1302" {
			t.Errorf("rule %q", v.Rule)
		}
	})
	t.Run("a profile written out is read again", func(t *testing.T) {
		for _, name := range provider.Names() {
			text, err := json.Marshal(profile(t, name))
			if err != nil {
				t.Fatal(err)
			}
			again, err := provider.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if text2, _ := json.Marshal(again); !reflect.DeepEqual(text, text2) {
				t.Errorf("%s\n%s", text, text2)
			}
		}
	})
}

func TestParseNamesWhatIsWrong(t *testing.T) {
	const good = `{"name":"mine","limit_max":1`
	tests := []struct{ name, body, want string }{
		{"an unknown key", good + `,"limit":3}`, `"limit"`},
		{"data after the end", good + `}{}`, "after the end"},
		{"a name with blanks", `{"name":"my own","limit_max":1}`, "name"},
		{"no limit", `{"name":"mine"}`, "limit_max"},
		{"an unknown dialect", good + `,"bases":{"smtp":"https://x"}}`, "smtp"},
		{"a base without a scheme", good + `,"bases":{"openai":"llm.example/v1"}}`, "http or https"},
		{"a base with a slash at its end", good + `,"bases":{"openai":"https://llm.example/v1/"}}`, "slash"},
		{"a base with a password", good + `,"bases":{"openai":"https://u:secret@llm.example"}}`, "user"},
		{"a path without slashes", good + `,"paths":["api"]}`, "paths"},
		{"an unknown scope", good + `,"lane_scope":"world"}`, "lane_scope"},
		{"an unknown rule set", good + `,"rules_from":"nobody"}`, "nobody"},
		{"the rule set for all", good + `,"rules_from":"*"}`, "rules_from"},
		{"a header that is none", good + `,"keys":{"send":{"openai":{"header":"a: b"}}}}`, "header"},
		{"a rule without a name", good + `,"rules":[{"status":[429],"verdict":"quota"}]}`, "name"},
		{"a rule without a condition", good + `,"rules":[{"name":"r","verdict":"quota"}]}`, "condition"},
		{"a rule without a verdict", good + `,"rules":[{"name":"r","status":[429]}]}`, "verdict"},
		{"an unknown verdict", good + `,"rules":[{"name":"r","status":[429],"verdict":"bad"}]}`, "bad"},
		{"a verdict that makes errors good", good + `,"rules":[{"name":"r","status":[429],"verdict":"ok"}]}`, "verdict"},
		{"a broken pattern", good + `,"rules":[{"name":"r","text":"(","verdict":"quota"}]}`, "text"},
		{"an unknown window", good + `,"rules":[{"name":"r","status":[429],"verdict":"quota","window":"2y"}]}`, "2y"},
		{"an impossible status", good + `,"rules":[{"name":"r","status":[302],"verdict":"quota"}]}`, "302"},
		{"no JSON", `name: mine`, "profile"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := provider.Parse([]byte(tt.body))
			if err == nil || p != nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want something about %q", err, tt.want)
			}
		})
	}
}

func TestKindNames(t *testing.T) {
	seen := map[string]bool{}
	for k := provider.Unknown; k <= provider.Transport; k++ {
		text, err := k.MarshalText()
		var back provider.Kind
		if err != nil || back.UnmarshalText(text) != nil || back != k || k.String() != string(text) || seen[k.String()] {
			t.Errorf("%d is %q and comes back as %v", k, text, back)
		}
		seen[k.String()] = true
	}
	beyond := provider.Transport + 1
	if _, err := beyond.MarshalText(); err == nil || beyond.String() != "kind(14)" {
		t.Errorf("%v: %v", beyond, err)
	}
	if k := provider.Quota; k.UnmarshalText([]byte("Quota")) == nil || k != provider.Quota {
		t.Errorf("took a name in another case: %v", k)
	}
}

func TestOnCodingPlan(t *testing.T) {
	bases := func(base string) *provider.Profile {
		return &provider.Profile{Name: "mine", Bases: map[provider.Dialect]string{provider.OpenAI: base}}
	}
	for base, want := range map[string]bool{
		"https://api.z.ai/api/coding/paas/v4":         true,
		"https://API.z.ai:443/api/coding/paas/v4/":    true,
		"https://open.bigmodel.cn/api/coding/paas/v4": true,
		"https://api.z.ai/api/paas/v4":                false, // pay as you go
		"https://api.z.ai/api/anthropic":              false, // of both
		"http://127.0.0.1:8000/api/coding/paas/v4":    false,
		"https://llm.example/v1":                      false,
	} {
		if got := bases(base).OnCodingPlan(); got != want {
			t.Errorf("%s: %v", base, got)
		}
	}
	for _, name := range provider.Names() {
		if p, _ := provider.Lookup(name); p.OnCodingPlan() != p.CodingPlan {
			t.Errorf("%s: %v", name, p.OnCodingPlan())
		}
	}
}
