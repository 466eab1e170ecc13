package jsonc

import (
	"errors"
	"strings"
	"testing"
)

func TestParseSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		"{\n  // a comment\n  \"a\": 1,\n}": "",
		"{\"env\": \n  tru}":                "2:3: the JSON is broken here",
		"{\"env\": 1":                       "1:10: the JSON ends too early",
		"{\"é\": \"é\" x}":                  "1:11: the JSON is broken here",
		"{\"key\": sk-secret-word}":         "1:9: the JSON is broken here",
		strings.Repeat("[", 8<<20):          "1:50001: more brackets than a configuration file has",
	} {
		_, err := Parse([]byte(text))
		got := ""
		var broken *Error
		if errors.As(err, &broken) {
			got = broken.Error()
		}
		if got != want || (err == nil) != (want == "") {
			t.Errorf("%.40q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("{\"a\": [1, 2,], // x\n}"))
	f.Add([]byte("{\"é\": \"\xff\""))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := Parse(text)
		var broken *Error
		if err != nil && (!errors.As(err, &broken) || broken.Line < 1 || broken.Column < 1) {
			t.Errorf("%v", err)
		}
	})
}
