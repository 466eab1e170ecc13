package provider_test

import (
	"encoding/base64"
	"testing"

	"github.com/weirhq/weir/provider"
)

func jwt(header string) string {
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(header)) + "." + e([]byte(`{"sub":"x"}`)) + "." + e([]byte("signature"))
}

func TestForeignKey(t *testing.T) {
	tests := []struct {
		name, credential string
		vendor           string   // whose form it is
		at               []string // profiles where it is at home; all others refuse it
	}{
		{"Anthropic's", "sk-ant-api03-abc", "anthropic", []string{"anthropic"}},
		{"Anthropic's OAuth token", "sk-ant-oat01-abc", "anthropic", []string{"anthropic"}},
		{"OpenAI's project key", "sk-proj-abc", "openai", []string{"openai"}},
		{"OpenAI's service key", "sk-svcacct-abc", "openai", []string{"openai"}},
		{"OpenAI's admin key", "sk-admin-abc", "openai", []string{"openai"}},
		{"Google's key", "AIzaSyabc", "gemini", []string{"gemini"}},
		{"Google's token", "ya29.abc", "gemini", []string{"gemini"}},
		{"OpenRouter's", "sk-or-v1-abc", "openrouter", []string{"openrouter"}},
		{"an OAuth token", jwt(`{"alg":"RS256","typ":"JWT"}`), "openai", []string{"openai", "azure-openai"}},
		{"an OAuth token with ES256", jwt(`{"typ":"JWT","alg":"ES256"}`), "openai", []string{"openai", "azure-openai"}},
		{"an OAuth token with EdDSA", jwt(`{"alg":"EdDSA"}`), "openai", []string{"openai", "azure-openai"}},
		{"GitHub's", "gho_abc", "github", nil},
		{"GitHub's other", "github_pat_abc", "github", nil},
		{"xAI's", "xai-abc", "xai", nil},
		{"Groq's", "gsk_abc", "groq", nil},
		{"Hugging Face's", "hf_abc", "huggingface", nil},
	}
	for _, tt := range tests {
		for _, name := range provider.Names() {
			for _, prefix := range []string{"", "Bearer ", "bearer  "} {
				t.Run(tt.name+" at "+name+" "+prefix, func(t *testing.T) {
					home := false
					for _, at := range tt.at {
						home = home || at == name
					}
					vendor, foreign := provider.ForeignKey(profile(t, name), prefix+tt.credential)
					if foreign == home || foreign && vendor != tt.vendor {
						t.Errorf("vendor %q, foreign %v", vendor, foreign)
					}
				})
			}
		}
	}
}

func TestForeignKeyLetsOtherFormsPass(t *testing.T) {
	credentials := map[string]string{
		"nothing":                         "",
		"Z.AI's key":                      "0123456789abcdef0123456789abcdef.AbCdEfGhIjKlMnOp",
		"Z.AI's old token":                jwt(`{"alg":"HS256","sign_type":"SIGN"}`),
		"a bare sk- key":                  "sk-0123456789abcdef",
		"a form inside":                   "my-sk-ant-key",
		"a form in another case":          "SK-ANT-abc",
		"a token of two parts":            "eyJhbGciOiJSUzI1NiJ9.e30",
		"a token whose header is no JSON": "eyJh.e30.e30",
		"a token without an algorithm":    jwt(`{"typ":"JWT"}`),
		"a word":                          "ollama",
	}
	for what, credential := range credentials {
		t.Run(what, func(t *testing.T) {
			for _, name := range provider.Names() {
				if vendor, foreign := provider.ForeignKey(profile(t, name), credential); foreign {
					t.Errorf("%s: foreign, of %q", name, vendor)
				}
			}
		})
	}
}

func TestForeignKeyOfAnOwnProfile(t *testing.T) {
	p, err := provider.Parse([]byte(`{"name":"mine","vendor":"anthropic","limit_max":1,"keys":{"forms":["hf_"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for credential, want := range map[string]bool{"sk-ant-x": false, "hf_x": false, "sk-proj-x": true} {
		if _, foreign := provider.ForeignKey(p, credential); foreign != want {
			t.Errorf("%s: foreign = %v", credential, foreign)
		}
	}
}
