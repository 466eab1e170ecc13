package endpoint

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"

	"github.com/pelletier/go-toml/v2"

	"github.com/weirhq/weir/internal/jsonc"
	"github.com/weirhq/weir/internal/tools"
)

// errNotDirectory is what reading below a file says; there is no file then either.
var errNotDirectory = syscall.ENOTDIR

// A document is a configuration, as objects within each other.
type document map[string]any

// parse reads a configuration. What is wrong is said with its place and without
// its content, which may hold keys.
func parse(file string, data []byte, format tools.Format) (document, error) {
	switch format {
	case tools.TOML:
		return parseTOML(file, data)
	default:
		return parseJSON(file, data)
	}
}

func parseJSON(file string, data []byte) (document, error) {
	data = bytes.TrimPrefix(data, []byte(jsonc.ByteOrderMark))
	if len(bytes.TrimSpace(data)) == 0 {
		return document{}, nil
	}
	value, err := jsonc.Parse(data)
	var broken *jsonc.Error
	if errors.As(err, &broken) {
		return nil, fmt.Errorf("%s:%d:%d: this is no valid JSON: mend it, then try again", file, broken.Line, broken.Column)
	}
	value.Standardize()
	doc := document{}
	decoder := json.NewDecoder(bytes.NewReader(value.Pack()))
	decoder.UseNumber() // what is the user's own is written back as it was
	if err := decoder.Decode(&doc); err != nil {
		return nil, fmt.Errorf("%s:1:1: this is no JSON object: mend it, then try again", file)
	}
	if doc == nil {
		doc = document{} // the text was null
	}
	return doc, nil
}

func parseTOML(file string, data []byte) (document, error) {
	doc := document{}
	err := toml.Unmarshal(data, &doc)
	var broken *toml.DecodeError
	if errors.As(err, &broken) {
		line, column := broken.Position()
		return nil, fmt.Errorf("%s:%d:%d: this is no valid TOML: mend it, then try again", file, line, column)
	}
	if err != nil {
		return nil, fmt.Errorf("%s:1:1: this is no valid TOML: mend it, then try again", file)
	}
	return doc, nil
}

// parseDotenv reads NAME=VALUE lines; what is none is passed over, as tools do.
func parseDotenv(data []byte) document {
	doc := document{}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(lines.Text()), "export "), "=")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		value = strings.TrimSpace(value)
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		} else if i := strings.Index(value, " #"); i >= 0 {
			value = strings.TrimSpace(value[:i])
		}
		doc[strings.TrimSpace(name)] = value
	}
	return doc
}

// object returns the object at a path, nil where there is none.
func (d document) object(keys ...string) document {
	for _, key := range keys {
		switch m := d[key].(type) {
		case map[string]any:
			d = m
		case document:
			d = m
		default:
			return nil
		}
	}
	return d
}

// asDocument returns a value that is an object, else nil.
func asDocument(value any) document {
	m, _ := value.(map[string]any)
	return m
}

// text returns the string at a path, empty where there is none.
func (d document) text(keys ...string) string {
	last := len(keys) - 1
	text, _ := d.object(keys[:last]...)[keys[last]].(string)
	return text
}

// names returns the members of an object in order.
func (d document) names() []string { return slices.Sorted(maps.Keys(d)) }

// set puts a value at a path, and objects on the way where there are none.
func (d document) set(value any, keys ...string) {
	last := len(keys) - 1
	for _, key := range keys[:last] {
		next := d.object(key)
		if next == nil {
			next = document{}
		}
		d[key] = map[string]any(next)
		d = next
	}
	d[keys[last]] = value
}

// String returns it as JSON in one line.
func (d document) String() string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(map[string]any(d)); err != nil {
		return "{}" // what was read from JSON can be written as JSON
	}
	return strings.TrimSpace(out.String())
}
