package weir

import (
	"net/http/httptest"
	"testing"
)

func TestProfileOf(t *testing.T) {
	for url, want := range map[string]string{
		"https://api.z.ai/api/coding/paas/v4/chat/completions":            "zai-coding",
		"https://api.z.ai/api/paas/v4/chat/completions":                   "zai",
		"https://open.bigmodel.cn/api/anthropic/v1/messages":              "bigmodel-coding",
		"https://api.openai.com/v1/chat/completions":                      "openai",
		"https://api.anthropic.com/v1/messages":                           "anthropic",
		"http://127.0.0.1:1302/api/coding/paas/v4/chat/completions":       "zai-coding",
		"http://127.0.0.1:1302/api/anthropic/v1/messages":                 "zai-coding",
		"http://127.0.0.1:8000/v1/chat/completions":                       "generic",
		"https://api.z/api/v1/responses":                                  "generic",
		"https://openrouter.ai/api/v1/chat/completions":                   "openrouter",
		"https://gateway.example.com/compatible-mode/v1/chat/completions": "generic",
	} {
		if p, _ := profileOf(httptest.NewRequest("POST", url, nil)); p.Name != want {
			t.Errorf("%s belongs to %s, want %s", url, p.Name, want)
		}
	}
}

// A model's name comes from outside and is shown in terminals, tables and headers.
func TestALaneIsNamedInTextThatHarmsNothing(t *testing.T) {
	for model, want := range map[string]string{
		"glm-5": "glm-5", "智谱/glm 5": "智谱/glm 5",
		"\x1b[31mred\x1b]0;t\a": "?[31mred?]0;t?", "a\r\nb\x00c\td": "a??b?c?d", "\u202eevil\u009b\u200b": "?evil??",
	} {
		c := Call{Account: "a", Model: model}
		if got := c.Lane(); got != "zai-coding/a/"+want {
			t.Errorf("%q: lane %q", model, got)
		}
	}
}
