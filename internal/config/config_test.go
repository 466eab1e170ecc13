package config

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/provider"
)

const (
	secretKey   = "super-secret-key-of-a-test"
	secretToken = "super-secret-token-of-a-test"
)

// vars are the variables of the tests.
func vars(name string) (string, bool) {
	v, ok := map[string]string{
		"HOME": "/home/me", "ZAI_API_KEY": secretKey, "WEIR_TEAM_TOKEN": secretToken, "WEIR_CI_TOKEN": secretToken + "-2",
		"N": "3", "LONG": "987654321s", "LONGISH": "2222m", "BOTH": "zai", "EMPTY": "",
	}[name]
	return v, ok
}

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("weir.yaml", []byte(text), vars)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return c
}

// good are files that are right, for the parser and for the schema.
var good = []string{
	"", "# nothing\n", "listen: 127.0.0.1:0", "listen: \"[::1]:1302\"", "upstream: zai", "upstream: [zai, deepseek]",
	"upstream: http://127.0.0.1:1303", "upstream: [zai-coding=http://127.0.0.1:1303/x]", "upstream: ${BOTH}",
	"limit: auto", "limit: 3", "limit: ${N}", "limit: {min: 1, max: 4, start: 2}", "limit: {max: \"${N}\"}", "eager: 2%", "eager: 0.009",
	"state: ~/weir", "log_format: json", "drain: 0s", "allow_host: a.example", "allow_host: [a, b]", "stall: 1m30s",
	"hold: 5m", "hold: {silent: 10s, stream: 5m, plain: 1m, tools: {opencode: {silent: 1m}, claude: {}}}",
	"providers: {mine: {url: \"http://127.0.0.1:8000/v1/\"}}",
	"providers: {mine: {like: zai, bases: {openai: \"https://x.example/v1\"}, limit_max: 4, lane_scope: account, rules: [{status: 429, code: [1302, x], verdict: concurrency, hint: wait}]}}\nupstream: mine",
	"lanes: [{model: glm-5*, limit: 2}, {provider: zai, model: \"*\", limit: auto}]",
	"key: ${ZAI_API_KEY}", "keys: {zai: \"${ZAI_API_KEY}\"}", "tokens: [\"${WEIR_TEAM_TOKEN}\"]", "tokens: []",
	"classes: [{user_agent: \"ci/*\", class: background}, {headers: {X-A: \"*\"}, model: glm*, path: \"*/messages\", class: subagent}]",
	"max_queue: 10", "max_bytes: 1GiB", "max_bytes: 500 MB", "max_bytes: 1048576", "quota_status: 429", "retention: {age: 30d, size: 500MB}", "retention: {age: 72h}",
	"terms: accepted", "state: /var/${BOTH}/weir", "allow_host: x$${y",
}

func TestGoodFiles(t *testing.T) {
	for _, text := range good {
		if strings.Contains(text, "$${y") {
			if _, err := Parse("weir.yaml", []byte(text), vars); err != nil {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		parse(t, text)
	}
}

func TestWhatAFileSays(t *testing.T) {
	c := parse(t, `
listen: 127.0.0.1:1400
upstream: [zai, mine]
limit: {max: 4}
eager: 2%
state: ~/w
drain: 0s
hold: {stream: 5m, tools: {claude: {silent: 1m}}}
providers:
  mine: {like: zai, url: https://x.example/v1, rules: [{status: 429, verdict: frequency}]}
lanes:
  - {provider: zai, model: glm-5*, limit: 2}
  - {model: "*", limit: auto}
key: ${ZAI_API_KEY}
tokens: [ "${WEIR_TEAM_TOKEN}" ]
classes: [{user_agent: "ci/*", class: background}]
max_bytes: 1.5GiB
retention: {age: 30d, size: 500MB}
terms: accepted
`)
	want := limit.Config{Max: 4, Eager: 0.02}
	if c.Listen != "127.0.0.1:1400" || c.Limit != want || c.State != "/home/me/w" || c.Drain == nil || *c.Drain != 0 || c.Hold.Stream != 5*time.Minute ||
		c.ToolHold["claude"].Silent != time.Minute || c.MaxBytes != 3<<29 || c.Retention.Age != 720*time.Hour || c.Retention.Size != 5e8 || !c.TermsAgreed {
		t.Errorf("%+v", c)
	}
	if c.Keys["zai"] != secretKey || c.Tokens[0] != secretToken {
		t.Error("the secrets are not those of the variables")
	}
	if l, ok := c.LimitOf("zai", "GLM-5-air"); !ok || l.Max != 2 {
		t.Errorf("lane of glm-5-air: %+v, %v", l, ok)
	}
	if l, ok := c.LimitOf("zai", "other"); !ok || l != (limit.Config{}) {
		t.Errorf("lane of another model: %+v, %v", l, ok)
	}
	if class, ok := c.ClassOf(http.Header{"User-Agent": {"ci/7"}}, "", ""); !ok || class != admission.Background {
		t.Errorf("class %v, %v", class, ok)
	}
	p := c.Providers[0]
	if p.Name != "mine" || p.Vendor != "mine" || p.Bases[provider.Anthropic] != "https://x.example" {
		t.Errorf("provider %+v", p)
	}
	answer := provider.Answer{Status: 429, Header: http.Header{}, Body: []byte(`{}`)}
	if v := p.Classify(answer); v.Kind != provider.Frequency {
		t.Errorf("a rule of one's own gives %v", v.Kind)
	}
	answer.Body = []byte(`{"error":{"code":"1308","message":"m"}}`)
	if v := p.Classify(answer); v.Kind != provider.Frequency && v.Kind != provider.Quota {
		t.Errorf("the other rules are lost: %v", v.Kind)
	}
}

func TestBadFiles(t *testing.T) {
	tests := []struct{ text, want string }{
		{"listen: 1302", `1:9: listen is 1302; give an address and a port, such as 127.0.0.1:1302`},
		{"liten: x", `1:1: the configuration has no key "liten"; did you mean "listen"?`},
		{"upstream: zai-codng", `1:11: no provider is called "zai-codng"; did you mean "zai-coding"?`},
		{"upstream: [zai, generic=ftp://x]", `1:17: upstream is no http or https URL; give a provider's name`},
		{"limit: lots", `1:8: limit is "lots"; give auto, a whole number, or`},
		{"limit: 0", `1:8: limit is 0; give a whole number from 1 to 65536`},
		{"limit: {min: 4, max: 2}", `1:8: limit contradicts itself`},
		{"eager: 50%", `1:8: eager is "50%"; give a share of calls from 0.25% to 4%`},
		{"state: here", `1:8: state is "here"; give a whole path`},
		{"log_format: xml", `1:13: log_format is "xml"; give one of text, json`},
		{"drain: 5", `1:8: drain is 5; give a duration with a unit`},
		{"allow_host: a.example:80", `1:13: a host is "a.example:80"; give a name without port`},
		{"hold: {tools: {opncode: {silent: 1m}}}", `1:16: no tool is called "opncode"; did you mean "opencode"?`},
		{"hold: 48h", `1:7: hold is 48h; give at most 24h`},
		{"providers: {zai: {url: http://x}}", `1:13: weir knows a provider zai already; give yours another name`},
		{"providers: {mine: {}}", `1:19: provider mine has no address; add url`},
		{"providers: {mine: {url: nowhere}}\nupstream: mine", `1:25: url is no http or https URL; give an address`},
		{"providers: {mine: {bases: {openai: \"http://u:super-secret@x\"}}}", `1:36: openai has more than scheme, host and path`},
		{"upstream: http://u:super-secret@x", `1:11: upstream has more than scheme, host and path`},
		{"providers: {mine: {url: http://x, rules: [{verdict: quota, name: \"${ZAI_API_KEY}\"}]}}", `1:43: rule 1 has no condition; add status`},
		{"providers: {mine: {url: http://x, rules: [{verdict: quota, text: \"(${ZAI_API_KEY}\"}]}}", `1:66: text is no regular expression: (${ZAI_API_KEY};`},
		{"providers: {mine: {url: http://x, rules: [{verdict: quota, status: 301}]}}", `1:68: status is 301; give 200, or 400 to 599`},
		{"providers: {Mine: {url: http://x}}", `1:19: provider Mine cannot be: `},
		{"stall: ${LONG}", `1:8: stall is ${LONG}; give a duration from 1s`},
		{"hold: ${LONGISH}", `1:7: hold is ${LONGISH}; give at most 24h`},
		{"keys: super-secret", `1:7: keys has no names; give a key for each`},
		{"keys: {super-secret-key: zai}", `1:8: a name in keys is no provider's; those that there are: zai-coding`},
		{"keys: {zai-codin: super-secret}", `1:8: no provider is called "zai-codin"; did you mean "zai-coding"?`},
		{"key:super-secret", `1:1: the configuration is a text; give keys and values, with a space`},
		{"tokens: super-secret-token", `1:9: tokens is no list; give a list: ["${TEAM_TOKEN}"]`},
		{"tokens: [${WEIR_TEAM_TOKEN}]", `1:11: this is no YAML: ',' or ']' must be specified; put quotes around ${NAME} between brackets`},
		{"limit: 1\nkeys: {zai: ${ZAI_API_KEY}}", `put quotes around ${NAME} between brackets`},
		{"providers: {mine: {url: http://x, rules: [{status: 429, verdict: odd}]}}", `verdict is "odd"; give one of concurrency`},
		{"lanes: [{model: x}]", `1:9: lane 1 has no limit; add limit`},
		{"key: short", `1:6: key is none; give 8 characters or more`},
		{"tokens: [abcdefghij]", `1:10: token 1 has only 10 characters; give at least 16`},
		{"classes: [{class: background}]", `1:11: class 1 fits every request; add user_agent`},
		{"max_bytes: 3", `1:12: max_bytes is 3; give a size`},
		{"quota_status: 410", `1:15: quota_status is 410; give 402`},
		{"terms: yes", `terms is`},
		{"key: ${UNSET_KEY}", `1:6: the variable UNSET_KEY is not set; set it in the environment`},
		{"key: ${}", `1:6: ${} names no variable; write ${NAME}`},
		{"listen: ${ZAI_API_KEY}", "1:9: listen is ${ZAI_API_KEY}; give an address"},
		{"- a", `1:1: the configuration is a list; give keys and values: listen,`},
		{"listen: [\n", `this is no YAML`},
		{"listen: 1\nlimit: x\nstal: 1s", "weir.yaml:3:1: "},
	}
	for _, tt := range tests {
		_, err := Parse("weir.yaml", []byte(tt.text), vars)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "weir.yaml:") {
			t.Errorf("%q:\n got  %v\n want %s", tt.text, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells a secret: %v", tt.text, err)
		}
	}
}

// A provider that is wrong is named all the same: what names it is no second mistake.
func TestAMistakeIsToldOnce(t *testing.T) {
	_, err := Parse("weir.yaml", []byte("providers: {mine: {url: nowhere}}\nupstream: mine\nlanes: [{provider: mine, model: x, limit: 1}]"), vars)
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}

// Whatever a variable holds, and wherever it is put, no message repeats it.
func TestNoErrorTellsAVariable(t *testing.T) {
	values := []string{
		"super-secret", "http://u:super-secret@h/x", "ftp://super-secret/", "zai=http://super-secret?x", "http://[super-secret", "http://x/%zzsuper-secret",
		"(super-secret", "a\nsuper-secret", "{super-secret: x}", "- super-secret", "\"super-secret", "98765432109", "0.98765432109", "987654321s", "987654321d",
	}
	places := []string{
		"listen: V", "upstream: V", "upstream: [zai, V]", "limit: V", "limit: {max: V}", "eager: V", "state: V", "log_format: V", "drain: V", "allow_host: V",
		"stall: V", "hold: V", "hold: {silent: V}", "hold: {tools: {opencode: V}}", "providers: V", "providers: {m: V}", "providers: {m: {url: V}}",
		"providers: {m: {url: 'http://x', like: V, limit_max: V, lane_scope: V, vendor: V}}", "providers: {m: {bases: {openai: V}}}",
		"providers: {m: {url: 'http://x', rules: [V]}}", "providers: {m: {url: 'http://x', rules: [{verdict: V, status: V}]}}",
		"providers: {m: {url: 'http://x', rules: [{verdict: quota, name: V}]}}", "providers: {m: {url: 'http://x', rules: [{verdict: quota, name: V, text: V}]}}",
		"lanes: V", "lanes: [{model: V, limit: V, provider: V}]", "key: V", "keys: V", "keys: {zai: V, zai: V}", "tokens: V", "tokens: [V]",
		"classes: V", "classes: [{class: V, model: x}]", "classes: [{class: background, headers: V}]", "max_queue: V", "max_bytes: V", "quota_status: V",
		"retention: {age: V, size: V}", "terms: V",
	}
	for _, value := range values {
		for _, place := range places {
			text := strings.ReplaceAll(place, "V", `"${V}"`)
			_, err := Parse("weir.yaml", []byte(text), func(string) (string, bool) { return value, true })
			for _, told := range []string{"super-secret", "98765432", "274348h"} {
				if err != nil && strings.Contains(err.Error(), told) {
					t.Errorf("%q in %s: %v", value, text, err)
				}
			}
		}
	}
}

func TestPlace(t *testing.T) {
	c := parse(t, "limit: 3\nlisten: 127.0.0.1:1400")
	if at, file := c.Place("listen"), c.Place("drain"); at != "weir.yaml:2:9" || file != "weir.yaml" {
		t.Errorf("listen at %s, drain at %s", at, file)
	}
}

func TestShowTellsNoSecret(t *testing.T) {
	c := parse(t, "key: ${ZAI_API_KEY}\ntokens: [\"${WEIR_TEAM_TOKEN}\"]\nlimit: 3\nhold: {stream: 5m, tools: {claude: {silent: 1m}}}\nlanes: [{model: x, limit: {max: 2}}]\nupstream: zai\nproviders: {mine: {url: http://x/v1}}\nclasses: [{model: x, class: background}]\nretention: {age: 30d}")
	text, err := c.Show(func(key string) any {
		if key == "listen" {
			return "127.0.0.1:1302"
		}
		return nil
	})
	if err != nil || strings.Contains(string(text), "super-secret") {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{"listen: 127.0.0.1:1302\n", "limit: 3\n", "zai: (set, 26 characters)\n", "silent: 1m\n", "model: x\n", "class: background\n", "age: 720h\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
}

// The schema takes what the parser takes, and refuses what a schema can know to be
// wrong.
func TestSchemaAgreesWithTheParser(t *testing.T) {
	var doc any
	if err := json.Unmarshal(Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("weir.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := compiler.Compile("weir.json")
	if err != nil {
		t.Fatal(err)
	}
	fits := func(text string) error {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			return err
		}
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		v, err = jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
	texts := append([]string{}, good...)
	for _, file := range examples(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(data))
	}
	for _, text := range texts {
		if strings.Contains(text, "$${y") {
			continue
		}
		if err := fits(text); err != nil {
			t.Errorf("the schema refuses %q: %v", text, err)
		}
	}
	for _, text := range []string{
		"liten: x", "limit: 0", "limit: lots", "limit: {least: 1}", "log_format: xml", "drain: 5", "hold: {tools: {opncode: {}}}", "hold: {quiet: 1s}",
		"providers: {mine: {}}", "providers: {mine: {url: http://x, rules: [{status: 429, verdict: odd}]}}", "providers: {mine: {url: http://x, rules: [{verdict: quota, name: x}]}}",
		"lanes: [{model: x}]", "tokens: x",
		"tokens: [abc]", "classes: [{class: background}]", "classes: [{model: x, class: urgent}]", "quota_status: 410", "terms: yes", "max_queue: 0", "retention: {age: 3}", "- a",
	} {
		if fits(text) == nil {
			t.Errorf("the schema takes %q", text)
		}
		if _, err := Parse("weir.yaml", []byte(text), vars); err == nil {
			t.Errorf("the parser takes %q", text)
		}
	}
	properties, _ := doc.(map[string]any)["properties"].(map[string]any)
	_, err = Parse("weir.yaml", []byte("nothing-like-it: 1"), vars)
	_, known, _ := strings.Cut(err.Error(), "those it has are ")
	keys := strings.Split(known, ", ")
	if len(keys) != len(properties) {
		t.Errorf("the schema has %d keys, the parser %d", len(properties), len(keys))
	}
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if properties[key] == nil {
			t.Errorf("the schema lacks %s", key)
		}
		if !strings.Contains(string(page), "| `"+key+"` |") {
			t.Errorf("docs/configuration.md lacks %s", key)
		}
	}
	hold, _ := json.Marshal(properties["hold"])
	for _, tool := range tools.All() {
		if !strings.Contains(string(hold), `"`+tool.Name+`"`) {
			t.Errorf("the schema lacks the tool %s", tool.Name)
		}
	}
}

func examples(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	return files
}

func TestExamples(t *testing.T) {
	for _, file := range examples(t) {
		c, err := Load(file, vars)
		if err != nil {
			t.Error(err)
			continue
		}
		if len(c.Warnings) > 0 {
			t.Errorf("%s: %v", file, c.Warnings)
		}
	}
}

func TestAReadableFileWithAKeyIsWarnedOf(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte("keys: {zai: literal-key-in-the-file}\ntokens: [\"${WEIR_TEAM_TOKEN}\"]"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, vars)
	if err != nil || len(c.Warnings) != 1 || strings.Contains(c.Warnings[0], "literal-key") {
		t.Errorf("%v, %q", err, c.Warnings)
	}
	if _, err := LoadDefault(filepath.Join(t.TempDir(), "none.yaml"), vars); err == nil {
		t.Error("a file that was asked for and is not there is no mistake")
	}
	if names := c.Variables; len(names) != 1 || names[0] != "WEIR_TEAM_TOKEN" {
		t.Errorf("Variables = %q", names)
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"*", "", true}, {"*", "x", true}, {"glm-5*", "GLM-5.1", true}, {"glm-5*", "glm-4", false}, {"*air", "glm-air", true},
		{"a*b*c", "a-b-c", true}, {"a*b*c", "abc", true}, {"a*b*c", "acb", false}, {"ab*ba", "aba", false}, {"x", "X", true}, {"x", "xy", false},
	} {
		if got := Match(tt.pattern, tt.text); got != tt.want {
			t.Errorf("Match(%q, %q) = %v", tt.pattern, tt.text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := rapid.StringMatching(`[a-c]{0,3}`).Draw(t, "a"), rapid.StringMatching(`[a-c]{0,3}`).Draw(t, "b"), rapid.StringMatching(`[a-c]{0,3}`).Draw(t, "c")
		if !Match(a+"*"+c, a+b+c) {
			t.Fatalf("%q does not fit %q", a+"*"+c, a+b+c)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, text := range good {
		f.Add(text)
	}
	for _, file := range []string{"person", "team", "local-server"} {
		data, err := os.ReadFile("../../examples/" + file + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("weir.yaml", []byte(text), vars)
		if err != nil {
			if strings.Contains(err.Error(), "super-secret") {
				t.Errorf("the error tells a secret: %v", err)
			}
			return
		}
		shown, err := c.Show(func(string) any { return nil })
		if err != nil || strings.Contains(string(shown), "super-secret") && !strings.Contains(text, "super-secret") && (len(c.Keys) > 0 || len(c.Tokens) > 0) {
			t.Errorf("shown: %v\n%s", err, shown)
		}
	})
}
