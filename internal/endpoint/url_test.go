package endpoint_test

import (
	"testing"

	"github.com/weirhq/weir/internal/endpoint"
	"github.com/weirhq/weir/provider"
)

func TestKnown(t *testing.T) {
	order := []string{"zai-coding", "zai", "deepseek", "openrouter"}
	profiles := map[string]*provider.Profile{}
	for _, name := range order {
		profiles[name], _ = provider.Lookup(name)
	}
	known := endpoint.KnownBy(order, profiles)
	for url, want := range map[string]string{
		"https://api.z.ai/api/coding/paas/v4":  "zai-coding /api/coding/paas/v4",
		"https://api.z.ai/api/coding/paas/v4/": "zai-coding /api/coding/paas/v4",
		"https://api.z.ai/api/paas/v4":         "zai /api/paas/v4",
		"https://api.z.ai/api/anthropic":       "zai-coding /api/anthropic",
		"https://api.z.ai/api/anthropic/v1":    "zai-coding /api/anthropic/v1",
		"https://api.deepseek.com":             "deepseek ",
		"https://api.deepseek.com/v1":          "deepseek /v1",
		"http://api.z.ai/api/paas/v4":          "",
		"https://api.z.ai/api/other":           "",
		"https://api.z.ai/api/paas/v45":        "",
		"https://example.com/v1":               "",
		"::":                                   "",
	} {
		got := ""
		if profile, path, ok := known(url); ok {
			got = profile + " " + path
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", url, got, want)
		}
	}
}

func TestLoopbackIsAnAddressAndNoPrefix(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "localhost": true, "LocalHost": true, "a.localhost": true, "::ffff:127.0.0.1": true,
		"127.0.0.1.example.com": false, "127.example.com": false, "localhost.example.com": false, "10.0.0.1": false, "": false,
	} {
		if got := endpoint.IsLoopback(host); got != want {
			t.Errorf("%q: got %v", host, got)
		}
	}
}
