package simulate

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestScriptIsRead(t *testing.T) {
	s, err := LoadScript(filepath.Join("testdata", "script.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Rules) != 4 {
		t.Fatalf("%d rules, want 4", len(s.Rules))
	}
	main := s.Rules[0]
	if main.Name != "main" || main.Match.ToolResults == nil || *main.Match.ToolResults || *main.Match.Stream != true ||
		main.Answer.Duration != Between(time.Second, 2*time.Second) || string(main.Answer.ToolCalls[0].Arguments) != `{"prompt": "one"}` {
		t.Errorf("first rule is %+v", main)
	}
	if f := s.Rules[2].Fault; *f.CutAfter != 3 || f.Cut != "eof" || f.Stall != Exactly(5*time.Second) {
		t.Errorf("third rule's fault is %+v", f)
	}
	if _, err := LoadScript(filepath.Join("testdata", "missing.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file gives %v", err)
	}
}

func TestScriptMistakesAreNamedWithTheirPlace(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"an unknown field", "{\"rules\":[\n {\"name\":\"a\",\n  \"macht\":{}}]}", "s.json:3:3: rules[0].macht: unknown field; known here: name, match, times, answer, fault"},
		{"a field that is known elsewhere", `{"rules":[{"match":{"text":"x"}}]}`, "s.json:1:21: rules[0].match.text: unknown field"},
		{"a field twice", `{"rules":[{"name":"a","name":"b"}]}`, "rules[0].name: the field is there twice"},
		{"a wrong type", "{\"rules\":[\n{\"times\":\"two\"}]}", "s.json:2:"},
		{"no duration", `{"rules":[{"answer":{"duration":"soon"}}]}`, `rules[0].answer.duration: "soon" is no duration`},
		{"a wrong cut", `{"rules":[{},{"fault":{"cut":"gently"}}]}`, `s.json:1:24: rules[1].fault.cut: "gently": want reset, close or eof`},
		{"a wrong status", `{"rules":[{"fault":{"status":42}}]}`, "rules[0].fault.status: 42: want 200 to 599"},
		{"a nameless tool", `{"rules":[{"answer":{"tool_calls":[{"arguments":{}}]}}]}`, "rules[0].answer.tool_calls[0].name: a tool call needs a name"},
		{"arguments that are a number", `{"rules":[{"answer":{"tool_calls":[{"name":"x","arguments":3}]}}]}`, "arguments: want an object or a string"},
		{"broken JSON", "{\"rules\":[\n{]}", "s.json:2:2: "},
		{"an unfinished file", `{"rules":[`, "s.json:1:"},
		{"an empty file", "", "s.json:1:1: "},
		{"two scripts", `{"rules":[]} {}`, "s.json:1:14: invalid character '{' after top-level value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseScript("s.json", []byte(tt.script))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			if _, ok := errors.AsType[*ScriptError](err); !ok {
				t.Errorf("error is a %T", err)
			}
		})
	}
}

func FuzzParseScript(f *testing.F) {
	sample, err := os.ReadFile(filepath.Join("testdata", "script.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add([]byte(`{"rules":[{"answer":{"tool_calls":[{"name":"a","arguments":[1,{"b":"c"}]}]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseScript("f", data)
		if err != nil {
			if e, ok := errors.AsType[*ScriptError](err); !ok || e.Line < 1 || e.Column < 1 {
				t.Fatalf("error without a place: %#v", err)
			}
			return
		}
		if _, err := New(Config{Rules: s.Rules}); err != nil {
			t.Fatalf("a script that was read makes no provider: %v", err)
		}
	})
}
