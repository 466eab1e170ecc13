package setup_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tailscale/hujson"
	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/endpoint"
	"github.com/weirhq/weir/internal/setup"
	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
)

// known has the shipped profiles' base URLs.
func known(base string) (profile, path string, ok bool) {
	base = strings.TrimSuffix(base, "/")
	for _, name := range provider.Names() {
		p, _ := provider.Lookup(name)
		for _, b := range p.Bases {
			if base == b || base == b+"/v1" {
				u, err := url.Parse(base)
				return name, u.Path, err == nil
			}
		}
	}
	return "", "", false
}

func order(t *testing.T, tool string, env map[string]string) *setup.Order {
	t.Helper()
	found, ok := tools.ByName(tool)
	if !ok {
		t.Fatalf("no tool %s", tool)
	}
	return &setup.Order{
		Tool: found, Gateway: endpoint.Gateway{Address: "http://127.0.0.1:1302"}, Known: known,
		Getenv: func(name string) string { return env[name] },
	}
}

func change(t *testing.T, o *setup.Order, before []byte) *setup.Change {
	t.Helper()
	c, err := o.Change("/home/u/settings.json", before)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFilesBeforeAndAfter(t *testing.T) {
	afters, err := filepath.Glob("testdata/*.after")
	if err != nil || len(afters) < 6 {
		t.Fatalf("%d files, %v", len(afters), err)
	}
	for _, file := range afters {
		name := strings.TrimSuffix(filepath.Base(file), ".after")
		t.Run(name, func(t *testing.T) {
			before, err := os.ReadFile("testdata/" + name + ".before")
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tool, _, _ := strings.Cut(name, "-")
			o := order(t, tool, nil)
			// The same file as others write it.
			for how, as := range map[string]func([]byte) []byte{
				"as it is": func(b []byte) []byte { return b },
				"BOM": func(b []byte) []byte {
					if b == nil {
						return nil
					}
					return append([]byte("\ufeff"), b...)
				},
				"CRLF": func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) },
				"tabs": func(b []byte) []byte {
					return bytes.ReplaceAll(b, []byte("  "), []byte("\t"))
				},
			} {
				if before == nil && how != "as it is" {
					continue
				}
				c := change(t, o, as(before))
				if got := c.After; !bytes.Equal(got, as(want)) {
					t.Errorf("%s: got\n%s\nwant\n%s", how, got, as(want))
				}
				if len(c.Moved) == 0 || c.Nothing() {
					t.Errorf("%s: nothing is said to move", how)
				}
				again := change(t, o, c.After)
				if !again.Nothing() || len(again.Moved) > 0 {
					t.Errorf("%s: the second time changes %v", how, again.Moved)
				}
			}
		})
	}
}

func TestSmallFiles(t *testing.T) {
	// Each is what a file may be that somebody has begun; the result is read back.
	for _, before := range []string{
		"", "\n", "{}", "{}\n", "{ }", "{\n}", "{\n  // later\n}", "{ /* later */ }", `{"env":{}}`, `{"env":{},}`, "{\"a\":1 // one\n}",
		`{"a":[1,2,{"b":null}]}`, "{\n\"env\": {\n\"A\": \"b\"}}", `{"env":{"A":"b"},"env":{"C":"d"}}`, `{"\u0065nv":{"A":"b"}}`, "\ufeff{}",
	} {
		o := order(t, "claude", nil)
		c := change(t, o, []byte(before))
		plain, err := hujson.Standardize(bytes.TrimPrefix(bytes.Clone(c.After), []byte("\ufeff")))
		if err != nil {
			t.Errorf("%q became %q: %v", before, c.After, err)
			continue
		}
		var got struct{ Env map[string]string }
		if err := json.Unmarshal(plain, &got); err != nil || got.Env["ANTHROPIC_BASE_URL"] != "http://127.0.0.1:1302/@anthropic" {
			t.Errorf("%q became %q: %v", before, c.After, err)
		}
		for _, comment := range []string{"// later", "/* later */", "// one"} {
			if strings.Contains(before, comment) && !bytes.Contains(c.After, []byte(comment)) {
				t.Errorf("%q lost its comment: %q", before, c.After)
			}
		}
		if !change(t, o, c.After).Nothing() {
			t.Errorf("%q: the second time changes something", before)
		}
	}
}

func TestBrokenFiles(t *testing.T) {
	for _, test := range []struct{ text, where string }{
		{"{\"env\": \n  tru}", "settings.json:2:3: "},
		{"{\"env\": 1", "settings.json:1:10: "},
		{"[]", "settings.json:1:1: "},
		{"\n null", "settings.json:2:2: "},
		{"{\"env\": 3}", "settings.json:1:9: "},
		{"{\"env\": {\"ANTHROPIC_BASE_URL\": {}}}", "settings.json:1:32: "},
		{"// only a comment", "settings.json:1:1"},
		{"{\"x\": \"\xff\"}", "settings.json:1:8: the text is not UTF-8"},
		{"\ufeff{\"é\": \"é\" x}", "settings.json:1:11: "},
		{"\xfe\xff\x00{\x00}", "settings.json:1:1: the text is not UTF-8"},
		{"{'a': 1}", "settings.json:1:2: "},
		{"{\"key\": sk-secret-word}", "settings.json:1:9: "},
		{strings.Repeat("[", 1<<20), "settings.json:1:50001: "},
	} {
		_, err := order(t, "claude", nil).Change("settings.json", []byte(test.text))
		var broken *setup.BrokenError
		if !errors.As(err, &broken) {
			t.Errorf("%.40q: %v", test.text, err)
			continue
		}
		if !strings.Contains(err.Error(), test.where) {
			t.Errorf("%.40q: %v, want %s", test.text, err, test.where)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error quotes the file: %v", err)
		}
	}
}

// TestAllElseStays holds a change of made-up files against what it may change.
func TestAllElseStays(t *testing.T) {
	path := map[string][]string{
		"opencode": {"provider"}, "claude": {"env", "ANTHROPIC_BASE_URL"},
	}
	rapid.Check(t, func(rt *rapid.T) {
		tool := rapid.SampledFrom([]string{"opencode", "claude"}).Draw(rt, "tool")
		value := object(3).Draw(rt, "file")
		delete(value, path[tool][0])
		if rapid.Bool().Draw(rt, "with the section") {
			value[path[tool][0]] = map[string]any{"other": map[string]any{"options": map[string]any{"x": "y"}}}
		}
		var before []byte
		if indent := rapid.SampledFrom([]string{"", "\t", " ", "    "}).Draw(rt, "indent"); indent == "" {
			before, _ = json.Marshal(value)
		} else {
			before, _ = json.MarshalIndent(value, "", indent)
		}
		o := order(t, tool, nil)
		c, err := o.Change("f.json", before)
		if err != nil {
			rt.Fatal(err)
		}
		var after map[string]any
		if err := json.Unmarshal(c.After, &after); err != nil {
			rt.Fatalf("%s: %v", c.After, err)
		}
		section := after[path[tool][0]].(map[string]any)
		if tool == "claude" {
			delete(section, "ANTHROPIC_BASE_URL")
		} else {
			delete(section, "zai")
			delete(section, "zai-coding-plan")
		}
		if _, had := value[path[tool][0]]; !had {
			if len(section) > 0 {
				rt.Fatalf("more than the base URLs: %v", section)
			}
			delete(after, path[tool][0])
		}
		delete(after, "$schema")
		delete(value, "$schema")
		var want map[string]any // numbers as they are read back
		again, _ := json.Marshal(value)
		if err := json.Unmarshal(again, &want); err != nil {
			rt.Fatal(err)
		}
		if !reflect.DeepEqual(after, want) {
			rt.Fatalf("before %s\nafter %s", before, c.After)
		}
		twice, err := o.Change("f.json", c.After)
		if err != nil || !twice.Nothing() {
			rt.Fatalf("the second time: %v", err)
		}
	})
}

func object(depth int) *rapid.Generator[map[string]any] {
	leaf := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) any { return rapid.String().Draw(t, "s") }),
		rapid.Custom(func(t *rapid.T) any { return rapid.Float64Range(-1e9, 1e9).Draw(t, "n") }),
		rapid.Custom(func(t *rapid.T) any { return rapid.Bool().Draw(t, "b") }),
		rapid.Just[any](nil),
	)
	value := leaf
	if depth > 0 {
		value = rapid.OneOf(leaf,
			rapid.Custom(func(t *rapid.T) any { return object(depth-1).Draw(t, "o") }),
			rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(leaf, 0, 3).Draw(t, "a") }))
	}
	return rapid.Custom(func(t *rapid.T) map[string]any {
		m := map[string]any{}
		for range rapid.IntRange(0, 4).Draw(t, "members") {
			m[rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"options", "baseURL", "model"})).Draw(t, "name")] = value.Draw(t, "value")
		}
		return m
	})
}

func TestWhereToolsGo(t *testing.T) {
	zai, _ := provider.Lookup("zai")
	coding, _ := provider.Lookup("zai-coding")
	ds, _ := provider.Lookup("deepseek")
	openai, _ := provider.Lookup("openai")
	tests := []struct {
		name, tool, file string
		env              map[string]string
		logins           []string
		upstream         *provider.Profile
		has, hasNot      []string // in the result
		refused          string   // in the error
		note             string
	}{
		{name: "Claude Code at an unknown address", tool: "claude", file: `{"env":{"ANTHROPIC_BASE_URL":"https://u:pw@gate.example/x?key=1"}}`, refused: "https://xxx@gate.example/x, which no profile"},
		{name: "the same, and whose it is", tool: "claude", file: `{"env":{"ANTHROPIC_BASE_URL":"https://gate.example"}}`, upstream: coding, has: []string{"/@zai-coding/api/anthropic"}},
		{name: "the environment says it", tool: "claude", file: `{}`, env: map[string]string{"ANTHROPIC_BASE_URL": "https://api.z.ai/api/anthropic"}, has: []string{"/@zai-coding/api/anthropic"}},
		{name: "unset, to another", tool: "claude", file: `{}`, upstream: ds, has: []string{"/@deepseek/anthropic"}},
		{name: "set and known stays", tool: "claude", file: `{"env":{"ANTHROPIC_BASE_URL":"https://api.anthropic.com"}}`, upstream: coding, has: []string{"/@anthropic\""}, note: "keeps its provider"},
		{name: "two profiles share it", tool: "claude", file: `{"env":{"ANTHROPIC_BASE_URL":"https://api.z.ai/api/anthropic"}}`, upstream: zai, has: []string{"/@zai/api/anthropic"}},
		{name: "a provider without the dialect", tool: "claude", file: `{}`, upstream: openai, refused: "does not speak"},
		{name: "a cloud's own API", tool: "claude", file: `{"env":{"CLAUDE_CODE_USE_BEDROCK":"1"}}`, refused: "CLAUDE_CODE_USE_BEDROCK"},
		{name: "a weir elsewhere", tool: "claude", file: `{"env":{"ANTHROPIC_BASE_URL":"http://localhost:1402/@zai/api/anthropic"}}`, has: []string{"http://127.0.0.1:1302/@zai/api/anthropic"}},
		{name: "a short form at this one", tool: "claude", file: `{"env":{"ANTHROPIC_BASE_URL":"http://127.0.0.1:1302/anthropic"}}`, has: []string{"http://127.0.0.1:1302/anthropic"}},
		{name: "OpenCode's second vendor stays away", tool: "opencode", file: `{}`, has: []string{"/@zai-coding/api/coding/paas/v4", "/@zai/api/paas/v4"}, hasNot: []string{"zhipuai", "bigmodel"}},
		{name: "logged in there", tool: "opencode", file: `{}`, logins: []string{"zhipuai-coding-plan"}, has: []string{"/@bigmodel-coding/api/coding/paas/v4"}, hasNot: []string{`"zhipuai"`}},
		{name: "its key is in the environment", tool: "opencode", file: `{}`, env: map[string]string{"ZHIPU_API_KEY": "x"}, has: []string{"/@bigmodel-coding/api/coding/paas/v4", "/@bigmodel/api/paas/v4"}},
		{name: "the file names it", tool: "opencode", file: `{"provider":{"zhipuai":{}}}`, has: []string{"/@bigmodel/api/paas/v4"}, hasNot: []string{"bigmodel-coding"}},
		{name: "its own provider at an unknown address", tool: "opencode", file: `{"provider":{"zai":{"options":{"baseURL":"{env:MINE}"}}}}`, has: []string{`"{env:MINE}"`}, note: "provider zai stays at {env:MINE}"},
		{name: "which provider cannot be told", tool: "opencode", file: `{}`, upstream: zai, refused: "leave --upstream away"},
		{name: "Qwen Code unset", tool: "qwen", file: `{}`, refused: "--upstream NAME"},
		{name: "Qwen Code unset, to a provider", tool: "qwen", file: `{}`, upstream: coding, has: []string{`"baseUrl": "http://127.0.0.1:1302/@zai-coding/api/coding/paas/v4"`}},
		{name: "Qwen Code elsewhere", tool: "qwen", file: `{"env":{"OPENAI_BASE_URL":"https://x.example/v1"}}`, refused: "an address that no profile"},
		{name: "Qwen Code's environment wins", tool: "qwen", file: `{"security":{"auth":{"baseUrl":"https://api.z.ai/api/paas/v4"}}}`, env: map[string]string{"OPENAI_BASE_URL": "https://api.z.ai/api/paas/v4"}, has: []string{"/@zai/api/paas/v4"}, note: "change it there to http://127.0.0.1:1302/@zai/api/paas/v4"},
		{name: "no JSON", tool: "codex", file: `{}`, refused: "no JSON file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := order(t, test.tool, test.env)
			o.Upstream, o.LoggedIn = test.upstream, test.logins
			c, err := o.Change("f.json", []byte(test.file))
			if test.refused != "" {
				var refused *setup.RefusedError
				if !errors.As(err, &refused) || !strings.Contains(err.Error(), test.refused) || strings.Contains(err.Error(), "pw") || strings.Contains(err.Error(), "\n") {
					t.Fatalf("%v, want %s", err, test.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range test.has {
				if !bytes.Contains(c.After, []byte(s)) {
					t.Errorf("%s is not in\n%s", s, c.After)
				}
			}
			for _, s := range test.hasNot {
				if bytes.Contains(c.After, []byte(s)) {
					t.Errorf("%s is in\n%s", s, c.After)
				}
			}
			if notes := strings.Join(c.Notes, "\n"); !strings.Contains(notes, test.note) {
				t.Errorf("notes %q, want %q", notes, test.note)
			}
		})
	}
}

func TestTheDiffHidesSecrets(t *testing.T) {
	const key = "0123456789abcdef0123456789abcdef.abcdefghijklmnop"
	before := `{
  // "apiKey": "` + key + `"
  "env": {
    "ANTHROPIC_AUTH_TOKEN": "short",
    "ANTHROPIC_BASE_URL": "https://api.z.ai/api/anthropic",
    "MY_KEY": "tiny", "X": "` + key + `",
    "H": "Bearer sk-abcdefghijkl"
  },
  "headers": { "x-thing": "mine" }
}`
	d := setup.Diff(change(t, order(t, "claude", nil), []byte(before)))
	for _, secret := range []string{key, "short", "tiny", "sk-abc", "mine"} {
		if strings.Contains(d, secret) {
			t.Errorf("%s is in\n%s", secret, d)
		}
	}
	for _, line := range []string{
		"--- /home/u/settings.json", `-    "ANTHROPIC_BASE_URL": "https://api.z.ai/api/anthropic",`,
		`+    "ANTHROPIC_BASE_URL": "http://127.0.0.1:1302/@zai-coding/api/anthropic",`,
	} {
		if !strings.Contains(d, line+"\n") {
			t.Errorf("%s is not in\n%s", line, d)
		}
	}
	if strings.Count(d, "\n-") != 1 || strings.Count(d, "\n+") != 2 { // the head has one
		t.Errorf("more than one line changes:\n%s", d)
	}
	if text := setup.Mask([]byte(`{"apiKey": "` + key + `"`)); strings.Contains(text, key) {
		t.Errorf("a broken file shows %s", text)
	}
	if text := setup.Mask([]byte(`{"apiKey": "{env:ZAI}", "k": "https://u:p@h/x?api=1"}`)); !strings.Contains(text, "{env:ZAI}") || strings.Contains(text, "u:p") || strings.Contains(text, "api=1") {
		t.Errorf("masked %s", text)
	}
}

func TestPlaces(t *testing.T) {
	env := map[string]string{}
	getenv := func(n string) string { return env[n] }
	place := func(tool string) []string {
		found, _ := tools.ByName(tool)
		return setup.Places(found, "/home/u", getenv)
	}
	check := func(tool string, want ...string) {
		t.Helper()
		if got := place(tool); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", tool, got, want)
		}
	}
	check("opencode", "/home/u/.config/opencode/opencode.jsonc", "/home/u/.config/opencode/opencode.json")
	check("claude", "/home/u/.claude/settings.json")
	check("qwen", "/home/u/.qwen/settings.json")
	check("crush", "/home/u/.config/crush/crush.json")
	check("codex")
	env["XDG_CONFIG_HOME"], env["CLAUDE_CONFIG_DIR"], env["CRUSH_GLOBAL_CONFIG"] = "/c", "/cl", "/cr"
	check("opencode", "/c/opencode/opencode.jsonc", "/c/opencode/opencode.json")
	check("claude", "/cl/settings.json")
	check("crush", "/cr/crush.json")
	env["OPENCODE_CONFIG"] = "/o.json"
	check("opencode", "/o.json")

	files := map[string]string{}
	choose := func(want string, also ...string) {
		t.Helper()
		got, others := setup.Choose([]string{"a.jsonc", "a.json"}, func(f string) ([]byte, error) {
			if s, ok := files[f]; ok {
				return []byte(s), nil
			}
			return nil, nil
		})
		if got != want || !reflect.DeepEqual(others, also) {
			t.Errorf("%v: chose %s, also %v; want %s, %v", files, got, others, want, also)
		}
	}
	choose("a.json")
	files["a.jsonc"] = `{"$schema": "x"}`
	choose("a.jsonc")
	files["a.json"] = `{"provider": {"mine": {}}}`
	choose("a.json")
	files["a.jsonc"] = `{"provider": {"zai": {}}}`
	choose("a.jsonc", "a.json")
}
