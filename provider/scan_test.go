package provider_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/weirhq/weir/provider"
)

// scanned lists what ScanObject shows of b, keys unescaped.
func scanned(b []byte) (members []string, err error) {
	err = provider.ScanObject(b, func(key, value []byte) bool {
		var name string
		if json.Unmarshal([]byte(`"`+string(key)+`"`), &name) != nil {
			name = string(key)
		}
		members = append(members, name+"="+string(value))
		return true
	})
	return members, err
}

// decoded lists the same by encoding/json, and false if b is no valid object.
func decoded(b []byte) (members []string, ok bool) {
	if !json.Valid(b) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, false
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil, false
		}
		members = append(members, fmt.Sprint(key)+"="+string(value))
	}
	return members, true
}

func TestScanObject(t *testing.T) {
	tests := []struct {
		name, body string
		want       []string
		err        error
	}{
		{"an empty object", ` { } `, nil, nil},
		{"values of all kinds", `{"a":1,"b":"x","c":[1,{"d":"]"}],"e":{"f":"}"},"g":null,"h":-1.5e3}`, []string{"a=1", `b="x"`, `c=[1,{"d":"]"}]`, `e={"f":"}"}`, "g=null", "h=-1.5e3"}, nil},
		{"quotes and backslashes in strings", `{"a\"b":"\\","c":"\\\"","d":"}"}`, []string{`a"b="\\"`, `c="\\\""`, `d="}"`}, nil},
		{"duplicates in order", `{"a":1,"a":2}`, []string{"a=1", "a=2"}, nil},
		{"white space everywhere", "\t{ \"a\" :\n[ 1 ] , \"b\" : 2 }\r\n", []string{"a=[ 1 ]", "b=2"}, nil},
		{"garbage after the object", `{"a":1}}}garbage`, []string{"a=1"}, nil},
		{"an array", `[1]`, nil, provider.ErrNotObject},
		{"nothing", ``, nil, provider.ErrNotObject},
		{"plain text", `hello`, nil, provider.ErrNotObject},
		{"cut in a key", `{"a":1,"b`, []string{"a=1"}, provider.ErrCutShort},
		{"cut in a string", `{"a":1,"b":"x`, []string{"a=1"}, provider.ErrCutShort},
		{"cut in an array", `{"a":[1,2`, nil, provider.ErrCutShort},
		{"cut in a number", `{"a":12`, nil, provider.ErrCutShort},
		{"cut after a value", `{"a":"x"`, []string{`a="x"`}, provider.ErrCutShort},
		{"cut after a comma", `{"a":"x",`, []string{`a="x"`}, provider.ErrCutShort},
		{"a value that is missing", `{"a":,"b":1}`, nil, provider.ErrMalformed},
		{"a comma that is missing", `{"a":1 "b":2}`, []string{"a=1"}, provider.ErrMalformed},
		{"a key without quotes", `{a:1}`, nil, provider.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := scanned([]byte(tt.body))
			if !reflect.DeepEqual(got, tt.want) || !errors.Is(err, tt.err) {
				t.Errorf("got %q, %v; want %q, %v", got, err, tt.want, tt.err)
			}
		})
	}
	t.Run("stops when told to", func(t *testing.T) {
		seen := 0
		err := provider.ScanObject([]byte(`{"a":1,"b":2,`), func(_, _ []byte) bool { seen++; return false })
		if seen != 1 || err != nil {
			t.Errorf("saw %d members, %v", seen, err)
		}
	})
	t.Run("allocates nothing", func(t *testing.T) {
		body := []byte(`{"model":"glm-5","messages":[{"role":"user","content":"hi \"there\""}],"stream":true}`)
		if n := testing.AllocsPerRun(100, func() {
			found := false
			_ = provider.ScanObject(body, func(key, _ []byte) bool { found = string(key) == "stream"; return true })
			if !found {
				t.Error("not found")
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func FuzzScanObject(f *testing.F) {
	for _, s := range []string{`{"a":[{"b":"\\\""}],"a":{}}`, `{"\u0061":1 , "b" : "\ud83d\ude00"}`, `{"a":1}x`, `{"a"`, `[{}]`, `{"a":tru}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := scanned(b)
		want, valid := decoded(b)
		if valid && (err != nil || !reflect.DeepEqual(got, want)) {
			t.Errorf("%q: got %q, %v; want %q", b, got, err, want)
		}
		for cut := range min(len(b), 64) { // never more than what the whole shows
			part, _ := scanned(b[:cut])
			if len(part) > len(got) || !reflect.DeepEqual(part, got[:len(part)]) && len(part) > 0 {
				t.Errorf("%q cut at %d: %q, whole: %q", b, cut, part, got)
			}
		}
	})
}

func TestRequestFields(t *testing.T) {
	tests := []struct {
		name, body, model string
		stream            bool
	}{
		{"both", `{"model":"glm-5","stream":true,"messages":[]}`, "glm-5", true},
		{"model alone", `{"messages":[{"model":"no","stream":true}],"model":"glm-5"}`, "glm-5", false},
		{"the last of a repeated key", `{"model":"a","stream":true,"model":"b","stream":false}`, "b", false},
		{"an escaped model", `{"model":"a\/b\u00e9"}`, "a/bé", false},
		{"an escaped key", `{"mod\u0065l":"a","\u0073tream":true}`, "a", true},
		{"a model that is no string", `{"model":5}`, "", false},
		{"a stream that is no bool", `{"model":"a","stream":"true"}`, "a", false},
		{"no object", `[{"model":"a"}]`, "", false},
		{"nothing", ``, "", false},
		{"cut short", `{"model":"a","stream":true,"messages":[`, "", false},
		{"a control character", "{\"model\":\"a\nb\"}", "", false},
		{"bytes that are not UTF-8", "{\"model\":\"a\xff\"}", "a\ufffd", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			model, stream := provider.RequestFields([]byte(tt.body))
			if model != tt.model || stream != tt.stream {
				t.Errorf("got %q, %v; want %q, %v", model, stream, tt.model, tt.stream)
			}
		})
	}
}

func FuzzRequestFields(f *testing.F) {
	for _, s := range []string{`{"model":"glm","stream":true}`, `{"mod\u0065l":"\ud800","stream":false}`, `{"model":null,"model":"b"}`, `{"model":`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		model, stream := provider.RequestFields(b)
		members, valid := decoded(b)
		if !valid {
			return
		}
		wantModel, wantStream := "", false
		for _, m := range members {
			name, raw, _ := strings.Cut(m, "=")
			switch name {
			case "model":
				wantModel = ""
				_ = json.Unmarshal([]byte(raw), &wantModel)
			case "stream":
				wantStream = raw == "true"
			}
		}
		if model != wantModel || stream != wantStream {
			t.Errorf("%q: got %q, %v; want %q, %v", b, model, stream, wantModel, wantStream)
		}
	})
}

// requestBody is a chat request of about 1 MB: messages of 2 KB with the escapes
// that code in JSON has.
func requestBody() []byte {
	line := `\tif err != nil {\n\t\treturn fmt.Errorf(\"cannot open %s: %w\", path, err)\n\t}\n`
	message := `{"role":"user","content":"` + strings.Repeat(line+strings.Repeat("words of a prompt ", 8), 9) + `"}`
	return []byte(`{"model":"glm-5","messages":[` + strings.Repeat(message+",", 1<<20/len(message)) + message + `],"stream":true}`)
}

func BenchmarkScanObject(b *testing.B) {
	body := requestBody()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		_ = provider.ScanObject(body, func(_, _ []byte) bool { return true })
	}
}

func BenchmarkRequestFields(b *testing.B) {
	body := requestBody()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		provider.RequestFields(body)
	}
}
