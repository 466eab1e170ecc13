package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weirhq/weir/internal/endpoint"
)

const testKey = "0123456789abcdef.key-of-the-test"

// A vendor is a provider with two endpoints and what each of them says.
type vendor struct {
	coding, general said
	mu              sync.Mutex
	asked           []string // paths, in order
	wrong           []string // what was not as it should be in a request
}

type said struct {
	status int
	body   string
}

func code429(code string) said {
	return said{429, fmt.Sprintf(`{"error":{"code":%q,"message":"made up"}}`, code)}
}

func completion() said {
	return said{200, `{"id":"x","choices":[{"index":0,"finish_reason":"length","message":{"role":"assistant","content":"1"}}]}`}
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		return
	}
	body, _ := io.ReadAll(r.Body)
	var sent struct {
		Model     string `json:"model"`
		MaxTokens int    `json:"max_tokens"`
	}
	err := json.Unmarshal(body, &sent)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, r.URL.Path)
	if err != nil || sent.MaxTokens != 1 || sent.Model != "glm-test" || r.Header.Get("Authorization") != "Bearer "+testKey {
		v.wrong = append(v.wrong, string(body))
	}
	a := v.general
	if strings.Contains(r.URL.Path, "/coding/") {
		a = v.coding
	}
	// A provider may repeat the key in an error.
	w.Header().Set("X-Request-Id", testKey)
	w.WriteHeader(a.status)
	fmt.Fprint(w, strings.ReplaceAll(a.body, "made up", "made up for "+testKey))
}

// withKey returns a machine whose key is tried at the vendor.
func withKey(t *testing.T, v *vendor) *Machine {
	t.Helper()
	srv := httptest.NewServer(v)
	t.Cleanup(srv.Close)
	m := healthy(t)
	gateway := m.Client.Transport
	real := &http.Transport{DisableKeepAlives: true}
	m.Client.Transport = answers(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(srv.URL, r.URL.Host) {
			return real.RoundTrip(r)
		}
		return gateway.RoundTrip(r)
	})
	serveAt(m, "zai-coding", srv.URL)
	serveAt(m, "zai", srv.URL)
	m.Key = &Key{Secret: testKey, Vendor: "zai", Model: "glm-test", Agree: func(string) bool { return true }}
	return m
}

func TestWhichEndpointTheKeyBelongsTo(t *testing.T) {
	tests := []struct {
		name            string
		coding, general said
		status          Status
		words           []string
	}{
		{"the coding plan", completion(), code429("1113"), OK, []string{"belongs to the coding plan: point tools at http://", "/api/coding/paas/v4", "accepted", "1113"}},
		{"pay as you go", code429("1113"), completion(), OK, []string{"belongs to the pay-as-you-go account: point tools at http://", "/api/paas/v4"}},
		{"no permission for the other", said{403, `{"error":{"code":"1220","message":"made up"}}`}, completion(), OK, []string{"pay-as-you-go", "1220"}},
		{"both", completion(), completion(), OK, []string{"good for both"}},
		{"neither", code429("1113"), code429("1113"), Wrong, []string{"neither", "--model"}},
		{"not accepted", said{401, `{"error":{"code":"1000","message":"made up"}}`}, said{401, `{"error":{"code":"1000","message":"made up"}}`}, Wrong, []string{"not accepted", "--vendor"}},
		{"not accepted, without a code", said{401, ``}, said{401, ``}, Wrong, []string{"not accepted", "status 401"}},
		{"an unknown model", said{400, `{"error":{"code":"1211","message":"made up"}}`}, code429("1113"), OK, []string{"coding plan", "nothing against the key"}},
		{"a plan that is used up", code429("1308"), code429("1113"), Warn, []string{"coding plan", "five hours"}},
		{"a plan that has expired", code429("1309"), code429("1113"), Wrong, []string{"coding plan", "Renew"}},
		{"a plan without the model", code429("1311"), code429("1113"), Wrong, []string{"coding plan", "model"}},
		{"too many at once", code429("1302"), code429("1113"), OK, []string{"coding plan"}},
		{"busy", code429("1305"), said{500, ``}, Skipped, []string{"do not tell"}},
		{"busy on one side", completion(), code429("1305"), OK, []string{"coding plan", "did not say"}},
		{"a portal's page", said{200, `<html>please log in</html>`}, said{302, ``}, Skipped, []string{"do not tell", "says nothing"}},
		{"an envelope under 200", said{200, `{"code":500,"msg":"404 NOT_FOUND","success":false}`}, completion(), OK, []string{"pay-as-you-go"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := &vendor{coding: tt.coding, general: tt.general}
			m := withKey(t, v)
			results := Examine(t.Context(), m)
			r := results[len(results)-1]
			expect(t, r, tt.status, tt.words...)
			if !slices.Equal(v.asked, []string{"/api/coding/paas/v4/chat/completions", "/api/paas/v4/chat/completions"}) || len(v.wrong) > 0 {
				t.Errorf("asked %v, wrong %q", v.asked, v.wrong)
			}
			var text bytes.Buffer
			if err := WriteJSON(&text, results); err != nil || strings.Contains(text.String(), "key-of-the-test") {
				t.Errorf("%v: it tells the key: %s", err, &text)
			}
		})
	}
}

func TestAFlaggedAccountIsAskedNoFurther(t *testing.T) {
	v := &vendor{coding: code429("1313"), general: completion()}
	expect(t, one(t, withKey(t, v), "key"), Wrong, "1313", "restore access")
	if len(v.asked) != 1 {
		t.Errorf("asked %v", v.asked)
	}
}

func TestTheKeyIsSentNowhere(t *testing.T) {
	agreed := false
	tests := []struct {
		name   string
		change func(m *Machine)
		status Status
		words  []string
	}{
		{"if an account is flagged", func(m *Machine) {
			m.Flagged = func(context.Context) ([]string, error) { return []string{"zai-coding/4f1c2ab09d31"}, nil }
		}, Wrong, []string{"zai-coding/4f1c2ab09d31", "weir resume"}},
		{"if an account of the sibling is flagged", func(m *Machine) {
			m.Flagged = func(context.Context) ([]string, error) { return []string{"zai/4f1c2ab09d31"}, nil }
		}, Wrong, nil},
		{"if that cannot be told", func(m *Machine) {
			m.Flagged = func(context.Context) ([]string, error) { return nil, errNoWay }
		}, Skipped, []string{"made up"}},
		{"without agreement", func(m *Machine) { m.Key.Agree = func(string) bool { return false } }, Skipped, []string{"--yes"}},
		{"if it is another vendor's", func(m *Machine) { m.Key.Secret = "sk-ant-x" }, Wrong, []string{"anthropic"}},
		{"if the vendor has but one endpoint", func(m *Machine) { m.Key.Vendor = "deepseek" }, Skipped, []string{"deepseek"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := &vendor{coding: completion(), general: completion()}
			m := withKey(t, v)
			tt.change(m)
			expect(t, one(t, m, "key"), tt.status, tt.words...)
			if len(v.asked) > 0 {
				t.Errorf("asked %v", v.asked)
			}
		})
	}
	t.Run("and what will be sent is told before", func(t *testing.T) {
		v := &vendor{coding: completion(), general: code429("1113")}
		m := withKey(t, v)
		m.Flagged = func(context.Context) ([]string, error) { return []string{"deepseek/4f1c2ab09d31"}, nil }
		m.Key.Agree = func(text string) bool {
			v.mu.Lock()
			defer v.mu.Unlock()
			agreed = len(v.asked) == 0
			for _, w := range []string{"2 tiny requests", "/api/coding/paas/v4", "/api/paas/v4", "glm-test", "one token", "count as use"} {
				if !strings.Contains(text, w) {
					t.Errorf("the announcement lacks %q: %s", w, text)
				}
			}
			return true
		}
		expect(t, one(t, m, "key"), OK)
		if !agreed {
			t.Error("it was not asked before")
		}
	})
}

func TestAToolAtTheOtherEndpointIsNamed(t *testing.T) {
	v := &vendor{coding: completion(), general: code429("1113")}
	m := withKey(t, v)
	install(t, m, "opencode", endpoint.Setting{Name: "provider zai", URL: m.Profiles["zai"].Bases["openai"] + "/", Profile: "zai"})
	expect(t, one(t, m, "key"), Wrong, "OpenCode (provider zai)")
}

func TestVendors(t *testing.T) {
	if got := Vendors(healthy(t).Profiles); !slices.Equal(got, []string{"bigmodel", "zai"}) {
		t.Errorf("got %v", got)
	}
}
