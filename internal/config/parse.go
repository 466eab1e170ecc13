package config

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/internal/yamlfile"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/provider"
)

const (
	maxEntries = 1000 // of a list
	maxFlight  = 1 << 16
	maxWait    = 24 * time.Hour // for what a client waits
)

// A reader reads a configuration.
type reader struct {
	yamlfile.Reader
	config *Config
	names  []string // of all providers
	lookup func(string) (string, bool)
}

type fields = yamlfile.Fields

// Parse reads a configuration of the form that docs/configuration.md describes. name is
// what messages call the file, lookup finds the variables of ${NAME}. The error holds
// all mistakes, each a [*yamlfile.Error], one a line.
func Parse(name string, data []byte, lookup func(string) (string, bool)) (*Config, error) {
	r := &reader{
		Reader: yamlfile.Reader{File: name, Page: "docs/configuration.md"},
		config: &Config{File: name, Variables: yamlfile.Variables(string(data))}, names: provider.Names(), lookup: lookup,
	}
	if root := r.Document(bytes.TrimPrefix(data, []byte("\ufeff"))); root != nil {
		r.Expand(root, lookup)
		r.file(root)
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return r.config, nil
}

// file reads the whole of it. Providers come first: others name them.
func (r *reader) file(root ast.Node) {
	c := r.config
	if _, ok := root.(*ast.StringNode); ok { // not repeated: key:SECRET without the space is such a text
		r.Fail(root, "the configuration is a text", "give keys and values, with a space after the colon: limit: auto")
		return
	}
	if m, ok := root.(*ast.MappingNode); ok {
		for _, v := range m.Values {
			if yamlfile.Key(v) == "providers" && v.Value != nil {
				r.providers(v.Value)
			}
		}
	}
	values := r.Mapping(root, "the configuration", fields{
		{"listen", func(n ast.Node) { c.Listen = r.listen(n) }},
		{"upstream", func(n ast.Node) { c.Upstreams = r.upstreams(n) }},
		{"limit", func(n ast.Node) { r.limit(n, "limit", &c.Limit) }},
		{"eager", func(n ast.Node) { c.Limit.Eager = r.eager(n) }},
		{"state", func(n ast.Node) { c.State = r.state(n) }},
		{"log_format", func(n ast.Node) { c.LogFormat = r.OneOf(n, "log_format", "text", "json") }},
		{"drain", func(n ast.Node) { d := r.Duration(n, "drain", 0); c.Drain = &d }},
		{"allow_host", func(n ast.Node) { c.AllowHosts = r.hosts(n) }},
		{"stall", func(n ast.Node) { c.Stall = r.Duration(n, "stall", time.Second) }},
		{"hold", func(n ast.Node) { r.hold(n) }},
		{"providers", func(ast.Node) {}},
		{"lanes", func(n ast.Node) { c.Lanes = r.lanes(n) }},
		{"key", func(n ast.Node) { c.defaultKey, c.keyOfDefault = r.secret(n, "key"), true }},
		{"keys", func(n ast.Node) { r.keys(n) }},
		{"tokens", func(n ast.Node) { r.tokens(n) }},
		{"classes", func(n ast.Node) { c.Classes = r.classes(n) }},
		{"max_queue", func(n ast.Node) { c.MaxQueue = r.Count(n, "max_queue", 1, 10_000_000) }},
		{"max_bytes", func(n ast.Node) { c.MaxBytes = r.size(n, "max_bytes") }},
		{"quota_status", func(n ast.Node) { c.QuotaStatus = r.quotaStatus(n) }},
		{"retention", func(n ast.Node) { r.retention(n) }},
		{"terms", func(n ast.Node) { c.TermsAgreed = r.OneOf(n, "terms", "accepted") != "" }},
	})
	c.places = map[string]string{}
	for key, n := range values {
		if n != nil {
			c.places[key] = r.Place(n)
		}
	}
	r.settle(values)
}

// settle reads what concerns several keys.
func (r *reader) settle(values map[string]ast.Node) {
	c := r.config
	if !r.Fine() {
		return
	}
	if c.keyOfDefault {
		if c.Keys == nil {
			c.Keys = map[string]string{}
		}
		name := c.DefaultProvider()
		if c.Keys[name] != "" {
			r.Fail(values["key"], fmt.Sprintf("key and keys both have one of %s", name), "keep one of them")
		}
		c.Keys[name] = c.defaultKey
	}
	for _, name := range slices.Sorted(maps.Keys(c.Keys)) {
		if len(c.Tokens) == 0 {
			c.Warnings = append(c.Warnings, fmt.Sprintf("there is a key of %s but no token: only tools under weir run may use it", name))
			break
		}
	}
}

// DefaultProvider returns the name of the provider of requests that name none.
func (c *Config) DefaultProvider() string {
	if len(c.Upstreams) == 0 || strings.Contains(strings.SplitN(c.Upstreams[0], "=", 2)[0], "://") {
		return provider.DefaultName
	}
	name, _, _ := strings.Cut(c.Upstreams[0], "=")
	return name
}

// upstreams reads one upstream, or several.
func (r *reader) upstreams(n ast.Node) []string {
	var all []string
	for _, n := range r.several(n, "upstream") {
		s := r.text(n, "an upstream")
		if s == "" {
			continue
		}
		name, address, named := strings.Cut(s, "=")
		if strings.Contains(name, "://") {
			name, address, named = provider.DefaultName, s, true
		}
		if !r.isProvider(n, name) {
			continue
		}
		if fault := faultOf(address); named && fault != "" {
			r.Fail(n, "upstream "+fault, "give a provider's name, a URL such as https://llm.example, or NAME=URL")
			continue
		}
		all = append(all, s)
	}
	return all
}

// isProvider tells whether a provider has the name, and complains if none has.
func (r *reader) isProvider(n ast.Node, name string) bool {
	if slices.Contains(r.names, name) {
		return true
	}
	r.Fail(n, fmt.Sprintf("no provider is called %s", r.quoted(n, name)), yamlfile.Suggest(name, r.names))
	return false
}

// limit reads auto, a number, or bounds.
func (r *reader) limit(n ast.Node, what string, c *limit.Config) {
	switch n := n.(type) {
	case *ast.MappingNode:
		r.Mapping(n, what, fields{
			{"min", func(n ast.Node) { c.Min = r.Count(n, "min", 1, maxFlight) }},
			{"max", func(n ast.Node) { c.Max = r.Count(n, "max", 1, maxFlight) }},
			{"start", func(n ast.Node) { c.Start = r.Count(n, "start", 1, maxFlight) }},
		})
		if c.Max > 0 && c.Min > c.Max || c.Max > 0 && c.Start > c.Max || c.Start > 0 && c.Start < c.Min {
			r.Fail(n, what+" contradicts itself", "min is at most start, and start at most max")
		}
	case *ast.IntegerNode:
		c.Min = r.Count(n, what, 1, maxFlight)
		c.Max, c.Start = c.Min, c.Min
	default:
		if s, ok := n.(*ast.StringNode); !ok || s.Value != "auto" {
			r.Fail(n, fmt.Sprintf("%s is %s", what, r.Describe(n)), "give auto, a whole number, or {min: 1, max: 8, start: 2}")
		}
	}
}

// hold reads the time for streams, or all of them.
func (r *reader) hold(n ast.Node) {
	if _, ok := n.(*ast.MappingNode); !ok {
		r.config.Hold.Stream = r.wait(n, "hold")
		return
	}
	r.Mapping(n, "hold", append(r.holdFields(&r.config.Hold), yamlfile.Field{Key: "tools", Read: func(n ast.Node) {
		r.config.ToolHold = map[string]Hold{}
		r.Entries(n, "tools", r.isTool, func(name string, n ast.Node) {
			var h Hold
			r.Mapping(n, "the hold of "+name, r.holdFields(&h))
			r.config.ToolHold[name] = h
		})
	}}))
}

func (r *reader) holdFields(h *Hold) fields {
	return fields{
		{"silent", func(n ast.Node) { h.Silent = r.wait(n, "silent") }},
		{"stream", func(n ast.Node) { h.Stream = r.wait(n, "stream") }},
		{"plain", func(n ast.Node) { h.Plain = r.wait(n, "plain") }},
	}
}

func (r *reader) isTool(key ast.Node, name string) bool {
	if _, ok := tools.ByName(name); ok {
		return true
	}
	var names []string
	for _, t := range tools.All() {
		names = append(names, t.Name)
	}
	r.Fail(key, fmt.Sprintf("no tool is called %q", yamlfile.Short(name)), yamlfile.Suggest(name, names))
	return false
}

func (r *reader) lanes(n ast.Node) []Lane {
	var all []Lane
	for i, n := range r.List(n, "lanes", maxEntries) {
		var l Lane
		what := fmt.Sprintf("lane %d", i+1)
		k := r.Mapping(n, what, fields{
			{"provider", func(n ast.Node) {
				if l.Provider = r.text(n, "provider"); l.Provider != "" {
					r.isProvider(n, l.Provider)
				}
			}},
			{"model", func(n ast.Node) { l.Model = r.text(n, "model") }},
			{"limit", func(n ast.Node) { r.limit(n, "limit", &l.Limit) }},
		})
		r.Needs(n, what, k, "model", "limit")
		all = append(all, l)
	}
	return all
}

func (r *reader) classes(n ast.Node) []ClassRule {
	var all []ClassRule
	for i, n := range r.List(n, "classes", maxEntries) {
		var c ClassRule
		what := fmt.Sprintf("class %d", i+1)
		k := r.Mapping(n, what, fields{
			{"user_agent", func(n ast.Node) { c.Agent = r.text(n, "user_agent") }},
			{"model", func(n ast.Node) { c.Model = r.text(n, "model") }},
			{"path", func(n ast.Node) { c.Path = r.text(n, "path") }},
			{"headers", func(n ast.Node) {
				c.Headers = map[string]string{}
				r.Entries(n, "headers", func(ast.Node, string) bool { return true }, func(name string, n ast.Node) {
					c.Headers[name] = r.text(n, "header "+yamlfile.Short(name))
				})
			}},
			{"class", func(n ast.Node) {
				if name := r.OneOf(n, "class", "interactive", "subagent", "background"); name != "" {
					c.Class, _ = admission.ParseClass(name)
				}
			}},
		})
		r.Needs(n, what, k, "class")
		if len(k) == 1 && k["class"] != nil {
			r.Fail(n, what+" fits every request", "add user_agent, model, path or headers")
		}
		all = append(all, c)
	}
	return all
}

func (r *reader) retention(n ast.Node) {
	r.Mapping(n, "retention", fields{
		{"age", func(n ast.Node) { r.config.Retention.Age = r.age(n) }},
		{"size", func(n ast.Node) { r.config.Retention.Size = r.size(n, "size") }},
	})
}
