package proxy_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/proxy"
)

func TestRoutes(t *testing.T) {
	const zai = "https://api.z.ai"
	tests := []struct {
		name      string
		upstreams []string
		path      string
		header    string // name of a header that is there
		url       string // empty: nowhere
		profile   string
		dialect   provider.Dialect
	}{
		{"the coding path", nil, chatPath, "", zai + chatPath, "zai-coding", provider.OpenAI},
		{"the general path", nil, "/api/paas/v4/chat/completions", "", zai + "/api/paas/v4/chat/completions", "zai", provider.OpenAI},
		{"Anthropic's", nil, messagesPath, "", zai + messagesPath, "zai-coding", provider.Anthropic},
		{"Responses'", nil, responsesPath, "", zai + responsesPath, "zai-coding", provider.Responses},
		{"the quota page", nil, "/api/monitor/usage/quota/limit", "", zai + "/api/monitor/usage/quota/limit", "zai-coding", provider.OpenAI},
		{"a base alone", nil, "/api/coding/paas/v4", "", zai + "/api/coding/paas/v4", "zai-coding", provider.OpenAI},
		{"half a base", nil, "/api/coding", "", "", "", ""},
		{"a longer base", nil, "/api/anthropicx/v1/messages", "", "", "", ""},

		{"short, chat", nil, "/v1/chat/completions", "", zai + chatPath, "zai-coding", provider.OpenAI},
		{"short, models", nil, "/v1/models", "", zai + "/api/coding/paas/v4/models", "zai-coding", provider.OpenAI},
		{"short, models of an Anthropic client", nil, "/v1/models", "Anthropic-Version", zai + "/api/anthropic/v1/models", "zai-coding", provider.Anthropic},
		{"short, messages", nil, "/v1/messages", "", zai + messagesPath, "zai-coding", provider.Anthropic},
		{"short, count_tokens", nil, "/v1/messages/count_tokens", "", zai + messagesPath + "/count_tokens", "zai-coding", provider.Anthropic},
		{"short, responses", nil, "/v1/responses", "", zai + responsesPath, "zai-coding", provider.Responses},
		{"short, a response", nil, "/v1/responses/resp_1", "", zai + responsesPath + "/resp_1", "zai-coding", provider.Responses},
		{"short, anthropic", nil, "/anthropic/v1/messages", "", zai + messagesPath, "zai-coding", provider.Anthropic},

		{"another, short", nil, "/@openai/v1/chat/completions", "", "https://api.openai.com/v1/chat/completions", "openai", provider.OpenAI},
		{"another, messages", nil, "/@anthropic/v1/messages", "", "https://api.anthropic.com/v1/messages", "anthropic", provider.Anthropic},
		{"another, full path", nil, "/@bigmodel/api/paas/v4/chat/completions", "", "https://open.bigmodel.cn/api/paas/v4/chat/completions", "bigmodel", provider.OpenAI},
		{"another, full path of its coding plan", nil, "/@bigmodel/api/coding/paas/v4/chat/completions", "", "https://open.bigmodel.cn/api/coding/paas/v4/chat/completions", "bigmodel-coding", provider.OpenAI},
		{"another, the general one by name", nil, "/@zai/v1/chat/completions", "", zai + "/api/paas/v4/chat/completions", "zai", provider.OpenAI},
		{"another without the dialect", nil, "/@openai/v1/messages", "", "", "", ""},
		{"another that is unknown", nil, "/@x/v1/messages", "", "", "", ""},
		{"another without a path", nil, "/@openai", "", "", "", ""},
		{"no address", nil, "/@generic/v1/models", "", "", "", ""},

		{"a URL alone", []string{"http://h:1"}, chatPath, "", "http://h:1" + chatPath, "zai-coding", provider.OpenAI},
		{"a URL alone moves the vendor's others", []string{"http://h:1"}, "/api/paas/v4/chat/completions", "", "http://h:1/api/paas/v4/chat/completions", "zai", provider.OpenAI},
		{"a URL alone leaves other vendors", []string{"http://h:1"}, "/@openai/v1/models", "", "https://api.openai.com/v1/models", "openai", provider.OpenAI},
		{"NAME=URL is the default", []string{"zai=http://h:1"}, "/v1/chat/completions", "", "http://h:1/api/paas/v4/chat/completions", "zai", provider.OpenAI},
		{"NAME=URL moves the vendor's others", []string{"zai=http://h:1"}, chatPath, "", "http://h:1" + chatPath, "zai-coding", provider.OpenAI},
		{"an address of its own wins", []string{"zai=http://h:1", "zai-coding=http://h:2"}, chatPath, "", "http://h:2" + chatPath, "zai-coding", provider.OpenAI},
		{"an address of its own wins, given first", []string{"zai-coding=http://h:2", "zai=http://h:1"}, "/v1/chat/completions", "", "http://h:2" + chatPath, "zai-coding", provider.OpenAI},
		{"the first is the default", []string{"openai", "zai"}, "/v1/chat/completions", "", "https://api.openai.com/v1/chat/completions", "openai", provider.OpenAI},
		{"the second is there by name", []string{"openai", "zai=http://h:1"}, "/@zai/v1/chat/completions", "", "http://h:1/api/paas/v4/chat/completions", "zai", provider.OpenAI},
		{"an address with a path", []string{"openai=http://h:1/proxy/"}, "/v1/models", "", "http://h:1/proxy/v1/models", "openai", provider.OpenAI},
		{"generic", []string{"generic=http://h:1"}, "/v1/chat/completions", "", "http://h:1/v1/chat/completions", "generic", provider.OpenAI},
		{"generic, messages", []string{"generic=http://h:1"}, "/v1/messages", "", "http://h:1/v1/messages", "generic", provider.Anthropic},
		{"generic with a path", []string{"generic=http://h:1/llm/v1"}, "/v1/chat/completions", "", "http://h:1/llm/v1/chat/completions", "generic", provider.OpenAI},
		{"generic with a path, messages", []string{"generic=http://h:1/llm/v1"}, "/v1/messages", "", "http://h:1/llm/v1/messages", "generic", provider.Anthropic},
		{"generic beside the default", []string{"zai-coding", "generic=http://h:1"}, "/@generic/v1/models", "", "http://h:1/v1/models", "generic", provider.OpenAI},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := proxy.NewRoutes(tt.upstreams)
			if err != nil {
				t.Fatal(err)
			}
			h := http.Header{}
			if tt.header != "" {
				h.Set(tt.header, "x")
			}
			got, err := r.Find("POST", tt.path, h)
			if tt.url == "" {
				if err == nil {
					t.Fatalf("it leads to %s", got.URL)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.URL != tt.url || got.Profile.Name != tt.profile || got.Dialect != tt.dialect {
				t.Errorf("%s, %s, %s; want %s, %s, %s", got.URL, got.Profile.Name, got.Dialect, tt.url, tt.profile, tt.dialect)
			}
		})
	}
}

func TestUpstreamsThatAreNone(t *testing.T) {
	for _, arg := range []string{"nobody", "nobody=http://h", "zai=", "zai=h:1", "ftp://h", "http://", "http://u:p@h", "http://h?x=1", "http://h#x", "generic", "zai=http://h:x", ""} {
		if _, err := proxy.NewRoutes([]string{arg}); err == nil {
			t.Errorf("%q was taken", arg)
		} else if strings.TrimSpace(err.Error()) == "" {
			t.Errorf("%q: no word about it", arg)
		}
	}
}

func TestCallsThatTakeNoSlotPassAFullLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{answer: func(n int, r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/chat/completions") {
				return live(r, ""), nil
			}
			return answer(200, "application/json", `{"object":"list"}`), nil
		}}
		g := newGateway(t, u)
		busy := g.send(request("POST", chatPath, askStream))
		waiting := g.send(request("POST", chatPath, askStream))
		synctest.Wait()
		for _, free := range [][2]string{
			{"GET", "/v1/models"}, {"GET", "/api/paas/v4/models"}, {"POST", "/v1/messages/count_tokens"}, {"POST", messagesPath + "/count_tokens"},
			{"GET", "/api/monitor/usage/quota/limit"}, {"GET", "/v1/responses/r1"}, {"POST", "/v1/responses/r1/cancel"},
		} {
			begin := time.Now()
			c := g.do(free[0], free[1], askWhole)
			if status, body := c.have(); status != 200 || body != `{"object":"list"}` || time.Since(begin) != 0 {
				t.Errorf("%v: %d %q after %v", free, status, body, time.Since(begin))
			}
		}
		attempts := len(u.seen())
		for _, path := range []string{"/api/hello", "/api/anthropic/api/hello", "/@anthropic/api/hello", "/", "/api/anthropic", "/api/coding/paas/v4/", "/v1", "/@deepseek/v1", "/~0123/api/anthropic"} {
			c := g.do("HEAD", path, "")
			if status, body := c.have(); status != 200 || body != "" || len(u.seen()) != attempts {
				t.Errorf("HEAD %s: %d %q", path, status, body)
			}
		}
		busy.leave()
		waiting.leave()
		<-busy.done
		<-waiting.done
	})
}

func FuzzFind(f *testing.F) {
	for _, path := range []string{
		chatPath, messagesPath, "/v1/messages", "/anthropic/x", "/@openai/v1/models", "/@openai//evil.example/v1/", "//evil.example/v1/x",
		"/v1/@evil.example", "/v1/\\evil.example", "/v1/..//..//x", "/@/", "/@zai@evil.example/v1/x", "/api/hello", "", "*", "/v1/%2e%2e/x", "/v1/%zz", "/v1/a?b#c", "/@generic/v1/ü",
	} {
		f.Add("POST", path, false)
	}
	var all []*proxy.Routes
	hosts := map[string]bool{}
	for _, upstreams := range [][]string{nil, {"generic=http://h:1"}, {"zai=http://h:2/p", "openai"}} {
		r, err := proxy.NewRoutes(upstreams)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, r)
	}
	for _, name := range provider.Names() {
		p, _ := provider.Lookup(name)
		for _, base := range p.Bases {
			u, err := url.Parse(base)
			if err != nil {
				f.Fatal(err)
			}
			hosts[u.Host] = true
		}
	}
	hosts["h:1"], hosts["h:2"] = true, true
	f.Fuzz(func(t *testing.T, method, path string, anthropic bool) {
		h := http.Header{}
		if anthropic {
			h.Set("Anthropic-Version", "1")
		}
		for _, r := range all {
			target, err := r.Find(method, path, h)
			if err != nil {
				if err.Error() == "" || len(err.Error()) > 2000+len(strings.Join(provider.Names(), ", ")) {
					t.Errorf("%q: %d bytes of error", path, len(err.Error()))
				}
				continue
			}
			if target.Profile == nil {
				t.Fatalf("%q leads to no profile", path)
			}
			if target.Hello {
				continue
			}
			u, err := url.Parse(target.URL)
			if err != nil {
				continue // the transport never sees it
			}
			if !hosts[u.Host] || u.User != nil {
				t.Errorf("%q leads to %s", path, target.URL)
			}
		}
	})
}
