package setup_test

import (
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/endpoint"
	"github.com/weirhq/weir/internal/setup"
	"github.com/weirhq/weir/provider"
)

func TestAdvice(t *testing.T) {
	coding, _ := provider.Lookup("zai-coding")
	anthropic, _ := provider.Lookup("anthropic")
	builtIn := endpoint.Setting{Name: "provider openai", URL: "https://api.openai.com/v1", Source: "built in", Profile: "openai", Path: "/v1"}
	own := endpoint.Setting{Name: "provider mine", URL: "https://u:pw@api.z.ai/api/v1", Source: "config.toml", Profile: "zai", Path: "/api/v1"}
	moved := endpoint.Setting{Name: "provider mine", URL: "http://127.0.0.1:1302/@zai/api/v1", Source: "config.toml", Gateway: true}
	for _, test := range []struct {
		tool     string
		settings []endpoint.Setting
		upstream *provider.Profile
		says     string // else it is refused
	}{
		{"codex", []endpoint.Setting{builtIn}, nil, `openai_base_url = "http://127.0.0.1:1302/@openai/v1"`},
		{"codex", []endpoint.Setting{own}, nil, "http://127.0.0.1:1302/@zai/api/v1"},
		{"codex", []endpoint.Setting{moved}, nil, "leads to weir already"},
		{"codex", nil, coding, `base_url = "http://127.0.0.1:1302/@zai-coding/api/v1"`},
		{"codex", nil, anthropic, ""},
		{"codex", nil, nil, ""},
		{"cline", nil, coding, "-b http://127.0.0.1:1302/@zai-coding/api/coding/paas/v4"},
		{"claude", nil, coding, "export ANTHROPIC_BASE_URL=http://127.0.0.1:1302/@zai-coding/api/anthropic"},
	} {
		o := order(t, test.tool, nil)
		o.Upstream = test.upstream
		text, err := o.Advice(test.settings)
		if (err == nil) != (test.says != "") || !strings.Contains(text, test.says) || strings.Contains(text, "pw") {
			t.Errorf("%s, %v: %s, %v; want %s", test.tool, test.settings, text, err, test.says)
		}
	}
}

func TestDescribe(t *testing.T) {
	for _, test := range []struct {
		s    endpoint.Setting
		want string
	}{
		{endpoint.Setting{Name: "provider zai", URL: "https://api.z.ai/api/paas/v4", Profile: "zai"}, "provider zai → https://api.z.ai/api/paas/v4 (zai, not through weir)"},
		{endpoint.Setting{Name: "A", URL: "https://u:pw@x.example/v1?key=1"}, "A → https://xxx@x.example/v1 (of no provider that weir knows, not through weir)"},
		{endpoint.Setting{Name: "A"}, "A → not set (not through weir)"},
		{endpoint.Setting{Name: "A", URL: "http://127.0.0.1:1302/v1", Gateway: true}, "A → http://127.0.0.1:1302/v1 (through weir)"},
	} {
		if got := setup.Describe(test.s); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}
