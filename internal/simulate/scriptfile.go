package simulate

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
)

// A ScriptError is a mistake in a script file.
type ScriptError struct {
	File         string
	Line, Column int    // both from 1; Column counts bytes
	Path         string // the field, as rules[0].fault.cut; empty if the file is no JSON
	Err          error
}

// Error returns the mistake as file:line:column: path: text.
func (e *ScriptError) Error() string {
	s := fmt.Sprintf("%s:%d:%d: ", e.File, e.Line, e.Column)
	if e.Path != "" {
		s += e.Path + ": "
	}
	return s + e.Err.Error()
}

// Unwrap returns the mistake without its place.
func (e *ScriptError) Unwrap() error { return e.Err }

// LoadScript reads a script file. Its errors are those of os.ReadFile and of
// [ParseScript].
func LoadScript(file string) (Script, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Script{}, fmt.Errorf("read script: %w", err)
	}
	return ParseScript(file, data)
}

// ParseScript reads a script strictly: unknown fields, values of the wrong type
// and values that mean nothing are errors. Each error is a *[ScriptError] that
// names file (only for that is it needed), line, column and field.
func ParseScript(file string, data []byte) (Script, error) {
	w := &walker{decoder: json.NewDecoder(bytes.NewReader(data)), places: make(map[string]int64)}
	w.decoder.UseNumber()
	fail := func(path string, offset int64, err error) error {
		line, column := place(data, offset)
		return &ScriptError{File: file, Line: line, Column: column, Path: path, Err: err}
	}
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		offset := int64(0)
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			offset = syntax.Offset - 1
		}
		return Script{}, fail("", offset, err)
	}
	if err := w.value("", reflect.TypeFor[Script]()); err != nil {
		return Script{}, fail(w.path, w.at, err)
	}
	var s Script
	if err := json.Unmarshal(data, &s); err != nil {
		// The walker has seen every key and scalar: what is left are types.
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return Script{}, fail(wrong.Field, wrong.Offset-1, fmt.Errorf("%s where %s is wanted", wrong.Value, wrong.Type))
		}
		return Script{}, fail("", 0, err)
	}
	for i := range s.Rules {
		if p := s.Rules[i].problems(fmt.Sprintf("rules[%d]", i)); len(p) > 0 {
			return Script{}, fail(p[0].path, w.place(p[0].path), errors.New(p[0].text))
		}
	}
	return s, nil
}

// place turns an offset into a line and a column.
func place(data []byte, offset int64) (line, column int) {
	before := data[:min(max(offset, 0), int64(len(data)))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

// A walker goes through a document beside the type that it is meant for. It
// finds what encoding/json finds without saying where: unknown and repeated
// fields and texts that do not parse. The document must be valid JSON.
type walker struct {
	decoder *json.Decoder
	places  map[string]int64 // where each field begins
	path    string           // where it stopped
	at      int64            // offset of what it stopped at
}

// place returns where a field, or else the nearest one around it, begins.
func (w *walker) place(path string) int64 {
	for path != "" {
		if at, ok := w.places[path]; ok {
			return at
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

// value reads one value that is meant for type t. A nil t means that anything
// may come.
func (w *walker) value(path string, t reflect.Type) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	token, err := w.decoder.Token()
	w.path = path
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		return w.object(path, t)
	case json.Delim('['):
		return w.array(path, t)
	}
	text, isText := token.(string)
	if isText && t != nil && reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		w.at = w.decoder.InputOffset() - int64(len(text)) - 2
		return reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	}
	return nil
}

func (w *walker) object(path string, t reflect.Type) error {
	var known []string
	var types []reflect.Type
	if t != nil && t.Kind() == reflect.Struct {
		for f := range t.Fields() {
			if name := f.Tag.Get("json"); name != "" {
				known, types = append(known, name), append(types, f.Type)
			}
		}
	}
	seen := make(map[string]bool)
	for w.decoder.More() {
		token, err := w.decoder.Token()
		if err != nil {
			w.path = path
			return err
		}
		key := token.(string)
		at := w.decoder.InputOffset() - int64(len(key)) - 2
		inner := strings.TrimPrefix(path+"."+key, ".")
		w.places[inner] = at
		w.path, w.at = inner, at
		var inType reflect.Type
		if known != nil {
			i := slices.Index(known, key)
			if i < 0 {
				return fmt.Errorf("unknown field; known here: %s", strings.Join(known, ", "))
			}
			inType = types[i]
		}
		if seen[key] {
			return errors.New("the field is there twice")
		}
		seen[key] = true
		if err := w.value(inner, inType); err != nil {
			return err
		}
	}
	_, err := w.decoder.Token() // }
	w.path = path
	return err
}

func (w *walker) array(path string, t reflect.Type) error {
	var inType reflect.Type
	// A RawMessage is a slice of bytes, but holds anything.
	if t != nil && t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 {
		inType = t.Elem()
	}
	for i := 0; w.decoder.More(); i++ {
		inner := fmt.Sprintf("%s[%d]", path, i)
		w.places[inner] = w.decoder.InputOffset()
		if err := w.value(inner, inType); err != nil {
			return err
		}
	}
	_, err := w.decoder.Token() // ]
	w.path = path
	return err
}
