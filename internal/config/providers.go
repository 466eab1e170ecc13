package config

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/weirhq/weir/internal/yamlfile"
	"github.com/weirhq/weir/provider"
)

// own is a provider of the user's own: another one with some things changed.
type own struct {
	like    string
	url     string
	profile map[string]any // of a profile, as its JSON has it
}

// providers reads those of the user's own. Each becomes a profile, as the shipped ones
// are.
func (r *reader) providers(n ast.Node) {
	isNew := func(key ast.Node, name string) bool {
		if _, shipped := provider.Lookup(name); shipped {
			r.Fail(key, fmt.Sprintf("weir knows a provider %s already", name), "give yours another name, or move that one with upstream: "+name+"=URL")
			return false
		}
		return true
	}
	r.Entries(n, "providers", isNew, func(name string, n ast.Node) {
		r.names = append(r.names, name) // a wrong one too: what names it is right
		o := own{like: "generic", profile: map[string]any{"name": name}}
		wrong := r.Wrong()
		k := r.Mapping(n, "provider "+yamlfile.Short(name), r.providerFields(&o))
		if k != nil && k["url"] == nil && k["bases"] == nil {
			r.Fail(n, fmt.Sprintf("provider %s has no address", yamlfile.Short(name)), "add url: https://…/v1, or bases with one for each dialect")
		}
		if k["url"] != nil {
			r.Only(k, "url", "bases")
		}
		if r.Wrong() > wrong {
			return
		}
		p, err := o.make()
		if err != nil {
			r.Fail(n, fmt.Sprintf("provider %s cannot be: %s", yamlfile.Short(name), strings.ReplaceAll(err.Error(), "\n", "; ")), "mend it, as docs/configuration.md shows")
			return
		}
		r.config.Providers = append(r.config.Providers, p)
	})
}

func (r *reader) providerFields(o *own) fields {
	set := func(key string) func(ast.Node) {
		return func(n ast.Node) { o.profile[key] = r.text(n, key) }
	}
	return fields{
		{"like", func(n ast.Node) {
			o.like = r.text(n, "like")
			if _, ok := provider.Lookup(o.like); !ok && o.like != "" {
				r.Fail(n, fmt.Sprintf("no provider is called %s", r.quoted(n, o.like)), yamlfile.Suggest(o.like, provider.Names()))
			}
		}},
		{"url", func(n ast.Node) { o.url = r.address(n, "url") }},
		{"bases", func(n ast.Node) {
			bases := map[string]string{}
			set := func(d provider.Dialect) func(ast.Node) {
				return func(n ast.Node) { bases[string(d)] = r.address(n, string(d)) }
			}
			r.Mapping(n, "bases", fields{{"openai", set(provider.OpenAI)}, {"responses", set(provider.Responses)}, {"anthropic", set(provider.Anthropic)}})
			o.profile["bases"] = bases
		}},
		{"limit_max", func(n ast.Node) { o.profile["limit_max"] = r.Count(n, "limit_max", 1, maxFlight) }},
		{"lane_scope", func(n ast.Node) { o.profile["lane_scope"] = r.OneOf(n, "lane_scope", "model", "account") }},
		{"vendor", set("vendor")},
		{"rules", func(n ast.Node) {
			var rules []map[string]any
			for i, n := range r.List(n, "rules", maxEntries) {
				rules = append(rules, r.rule(n, i))
			}
			o.profile["rules"] = rules
		}},
	}
}

// address reads the URL of a provider.
func (r *reader) address(n ast.Node, what string) string {
	s := strings.TrimRight(r.text(n, what), "/")
	if fault := faultOf(s); s != "" && fault != "" {
		r.Fail(n, what+" "+fault, "give an address such as https://llm.example/v1")
		return ""
	}
	return s
}

// faultOf says what is wrong with the URL of a provider, empty if nothing is. It does not
// repeat it: a password may be in it.
func faultOf(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "is no http or https URL"
	case u.User != nil || strings.ContainsAny(address, "?#"):
		return "has more than scheme, host and path"
	}
	return ""
}

// rule reads what an error means.
func (r *reader) rule(n ast.Node, i int) map[string]any {
	rule := map[string]any{"name": fmt.Sprintf("own/%d", i+1)}
	what := fmt.Sprintf("rule %d", i+1)
	words := func(key string) func(ast.Node) {
		return func(n ast.Node) {
			var all []string
			for _, n := range r.several(n, key) {
				all = append(all, r.text(n, key))
			}
			rule[key] = all
		}
	}
	set := func(key string) func(ast.Node) {
		return func(n ast.Node) { rule[key] = r.text(n, key) }
	}
	k := r.Mapping(n, what, fields{
		{"name", set("name")},
		{"status", func(n ast.Node) {
			var all []int
			for _, n := range r.several(n, "status") {
				status := r.Count(n, "status", 200, 599)
				if status > 200 && status < 400 {
					r.Fail(n, "status is "+r.Describe(n), "give 200, or 400 to 599")
				}
				all = append(all, status)
			}
			rule["status"] = all
		}},
		{"code", words("code")}, {"type", words("type")},
		{"text", func(n ast.Node) {
			text := r.text(n, "text")
			if _, err := regexp.Compile(text); err != nil {
				r.Fail(n, "text is no regular expression: "+r.Describe(n), `mend it; \ before a sign such as ( or [ takes its meaning`)
			}
			rule["text"] = text
		}}, {"finish_reason", set("finish_reason")}, {"hint", set("hint")},
		{"verdict", func(n ast.Node) {
			rule["verdict"] = r.OneOf(n, "verdict", "concurrency", "frequency", "throttled", "overload", "quota", "plan", "flagged", "auth", "invalid", "content", "server")
		}},
	})
	r.Needs(n, what, k, "verdict")
	conditions := []string{"status", "code", "type", "text", "finish_reason"}
	if k != nil && !slices.ContainsFunc(conditions, func(c string) bool { return k[c] != nil }) {
		r.Fail(n, what+" has no condition", "add "+strings.Join(conditions, ", ")+" or several of them")
	}
	return rule
}

// make lays what the user says over the profile that it is like.
func (o own) make() (*provider.Profile, error) {
	like, ok := provider.Lookup(o.like)
	if !ok {
		return nil, fmt.Errorf("no provider is called %q", o.like)
	}
	text, err := json.Marshal(like)
	if err != nil {
		return nil, err
	}
	whole := map[string]any{}
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, err
	}
	delete(whole, "vendor") // its keys are its own
	delete(whole, "bases")
	delete(whole, "paths")
	if o.url != "" {
		whole["bases"] = map[string]string{
			string(provider.OpenAI): o.url, string(provider.Responses): o.url, string(provider.Anthropic): strings.TrimSuffix(o.url, "/v1"),
		}
	}
	if own, ok := o.profile["rules"].([]map[string]any); ok { // before those of the other
		rules, _ := whole["rules"].([]any)
		all := make([]any, 0, len(own)+len(rules))
		for _, rule := range own {
			all = append(all, rule)
		}
		o.profile["rules"] = append(all, rules...)
	}
	for key, value := range o.profile {
		whole[key] = value
	}
	if text, err = json.Marshal(whole); err != nil {
		return nil, err
	}
	return provider.Parse(text)
}
