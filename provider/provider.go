// Package provider says what an LLM provider's answer means: which of the
// verdicts of [Kind] it is, what moment or delay its body names, and what a user
// can do about it. What it knows of providers is data: a [Profile] for each, with
// [Rule]s over status, business code, error type and message, read from the
// embedded profiles.json and rules.json. What users write becomes the same types.
//
// The package is pure: it does no I/O, reads no clock and starts no goroutine.
// All its functions, and the methods of a loaded Profile, are safe for concurrent
// use.
//
// # How bases and paths join
//
// A base is what stands before the path that a dialect's own documentation
// writes, without a slash at its end:
//
//	openai     base + /chat/completions   https://api.z.ai/api/coding/paas/v4 + /chat/completions
//	responses  base + /responses          https://api.z.ai/api/v1 + /responses
//	anthropic  base + /v1/messages        https://api.z.ai/api/anthropic + /v1/messages
package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// DefaultName is the name of the profile used when nobody names one.
const DefaultName = "zai-coding"

// A Dialect is the form of API that a client speaks.
type Dialect string

// The dialects.
const (
	OpenAI    Dialect = "openai"    // chat completions
	Responses Dialect = "responses" // OpenAI Responses
	Anthropic Dialect = "anthropic" // Anthropic Messages
)

// A LaneScope says which requests of an account share one allowance.
type LaneScope string

// The lane scopes. The empty one means ScopeModel.
const (
	ScopeModel   LaneScope = "model"   // each model has its own
	ScopeAccount LaneScope = "account" // all models share it
)

// A Profile is what weir knows of one provider. It is immutable after load: make
// one with [Lookup], [Parse] or, to give a provider other addresses, by copying one
// of those and replacing Bases. A Profile made otherwise has no rules of its own,
// only those that hold for all providers.
type Profile struct {
	// Name is what users call it: lower-case letters, digits and dashes.
	Name string `json:"name"`
	// Vendor is common to the profiles of one company's platform, whose keys and
	// host they share. Empty means Name.
	Vendor string `json:"vendor,omitempty"`
	// Bases has the full base URL of each dialect that the provider speaks (how it
	// joins with a path: see the package comment). May be empty for a provider
	// whose address only the user knows.
	Bases map[Dialect]string `json:"bases,omitempty"`
	// Paths are the other known path prefixes of the host, each with a slash at
	// both ends, beside the paths of Bases.
	Paths []string `json:"paths,omitempty"`
	// LimitMax is the highest number of attempts in flight that is ever tried in
	// a lane, at least 1.
	LimitMax int `json:"limit_max"`
	// CodingPlan says that the terms of the GLM coding plan apply: one user, no
	// third party.
	CodingPlan bool `json:"coding_plan,omitempty"`
	// Keys says how credentials look and travel.
	Keys Keys `json:"keys"`
	// LaneScope says which requests share one allowance; empty means ScopeModel.
	LaneScope LaneScope `json:"lane_scope,omitempty"`
	// Rules are matched first, in order.
	Rules []Rule `json:"rules,omitempty"`
	// RulesFrom names a shipped rule set that is matched after Rules and before
	// what holds for all providers: "zai", "openai", …; empty for none.
	RulesFrom string `json:"rules_from,omitempty"`

	compiled []compiledRule
}

// Keys says how a provider's credentials look and travel.
type Keys struct {
	// Send says how a key is sent, by dialect. A dialect that is missing sends it
	// as Authorization: Bearer.
	Send map[Dialect]KeyHeader `json:"send,omitempty"`
	// Forms are the prefixes by which this vendor's credentials are told from
	// others'. A credential of no known form may belong to anybody.
	Forms []string `json:"forms,omitempty"`
	// OAuthTokens says that a signed JWT (with an asymmetric algorithm) may be a
	// credential of this vendor.
	OAuthTokens bool `json:"oauth_tokens,omitempty"`
}

// A KeyHeader is the header that carries a key: Header: Prefix+key.
type KeyHeader struct {
	Header string `json:"header"`
	Prefix string `json:"prefix,omitempty"`
}

// KeyHeader returns how a key is sent in dialect d.
func (p *Profile) KeyHeader(d Dialect) KeyHeader {
	if h, ok := p.Keys.Send[d]; ok {
		return h
	}
	return KeyHeader{Header: "Authorization", Prefix: "Bearer "}
}

// AnyBase returns one of the profile's bases, the same each time: that of chat
// completions if it has one. It is empty if there is none.
func (p *Profile) AnyBase() string {
	for _, d := range []Dialect{OpenAI, Anthropic, Responses} {
		if base := p.Bases[d]; base != "" {
			return base
		}
	}
	return ""
}

// A Rule turns an answer that fulfils all its conditions into a verdict. At least
// one of Status, Code, Type, Finish and Text is set; an empty one is no condition.
type Rule struct {
	// Name is stable and tells the rule in logs and tests: "zai/1302".
	Name string `json:"name"`
	// Status is one of these HTTP statuses. An error under a 2xx status has,
	// beside its own, the status that its code or type restates
	// ("rate_limit_error" is 429); 200 stands for all of 2xx.
	Status []int `json:"status,omitempty"`
	// Code is one of these business codes, wherever the body carries it.
	Code []string `json:"code,omitempty"`
	// Type is one of these values of the error's type.
	Type []string `json:"type,omitempty"`
	// Finish is the finish_reason of a stream that ended without content.
	Finish string `json:"finish_reason,omitempty"`
	// Text is a pattern (RE2) for the error's message. A rule with a Text but no
	// Code does not apply to an error that carries a business code.
	Text string `json:"text,omitempty"`

	// Verdict is what it means. Unknown and OK are not allowed.
	Verdict Kind `json:"verdict"`
	// LongWait and ShortWait, unless Unknown, replace Verdict when the answer asks
	// for a wait of more than, or at most, five minutes.
	LongWait  Kind `json:"long_wait,omitempty"`
	ShortWait Kind `json:"short_wait,omitempty"`
	// Window is the span in which a reset time must lie to be believed: "5h",
	// "day", "7d" or "month"; empty means "month".
	Window string `json:"window,omitempty"`
	// NotFound marks the envelope by which some hosts say 404 under HTTP 200.
	NotFound bool `json:"not_found,omitempty"`
	// Hint says in plain words what it means and what to do. Shown to users.
	Hint string `json:"hint,omitempty"`
	// Source says where the fact comes from. Not used.
	Source string `json:"source,omitempty"`
}

// Parse reads a profile from JSON, checks it and makes it ready for use. Unknown
// keys, trailing data and all that Validate objects to are errors.
func Parse(data []byte) (*Profile, error) {
	p := new(Profile)
	if err := decodeStrict(data, p); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	shared := builtin().sets[p.RulesFrom]
	p.compiled = slices.Concat(compileRules(p.Rules), shared)
	if p.Vendor == "" {
		p.Vendor = p.Name
	}
	return p, nil
}

func decodeStrict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("data after the end")
	}
	return nil
}

// Validate returns all that is wrong with the profile, joined, or nil. Each error
// names the profile, the field and the value.
func (p *Profile) Validate() error {
	errs := p.checkFields()
	if p.RulesFrom != "" {
		if _, ok := builtin().sets[p.RulesFrom]; !ok || p.RulesFrom == "*" {
			errs = append(errs, fmt.Errorf("profile %q: rules_from: no rule set is called %q", p.Name, p.RulesFrom))
		}
	}
	return errors.Join(errs...)
}

var namePattern = lazily(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func (p *Profile) checkFields() (errs []error) {
	complain := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("profile %q: "+format, append([]any{p.Name}, args...)...))
	}
	if !namePattern().MatchString(p.Name) {
		complain("name: want lower-case letters, digits and dashes")
	}
	for dialect, base := range p.Bases {
		if !slices.Contains([]Dialect{OpenAI, Responses, Anthropic}, dialect) {
			complain("bases: no dialect is called %q", dialect)
		}
		u, err := url.Parse(base)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			complain("bases: %s: want an http or https URL", dialect)
		case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(base, "/"):
			complain("bases: %s: want no user, query, fragment or slash at the end", dialect)
		}
	}
	for _, path := range p.Paths {
		if len(path) < 3 || path[0] != '/' || path[len(path)-1] != '/' {
			complain("paths: %q: want a slash at both ends", path)
		}
	}
	if p.LimitMax < 1 {
		complain("limit_max: %d: want at least 1", p.LimitMax)
	}
	if p.LaneScope != "" && p.LaneScope != ScopeModel && p.LaneScope != ScopeAccount {
		complain("lane_scope: %q: want %q or %q", p.LaneScope, ScopeModel, ScopeAccount)
	}
	for dialect, h := range p.Keys.Send {
		if h.Header == "" || strings.ContainsAny(h.Header+h.Prefix, "\r\n:") {
			complain("keys: send: %s: want a header name", dialect)
		}
	}
	for i := range p.Rules {
		if err := p.Rules[i].validate(); err != nil {
			complain("rules[%d]: %w", i, err)
		}
	}
	return errs
}

func (r *Rule) validate() error {
	_, knownWindow := windows[r.Window]
	switch {
	case r.Name == "":
		return errors.New("name: missing")
	case len(r.Status) == 0 && len(r.Code) == 0 && len(r.Type) == 0 && r.Finish == "" && r.Text == "":
		return fmt.Errorf("%s: no condition", r.Name)
	case r.Verdict == Unknown || r.Verdict == OK:
		return fmt.Errorf("%s: verdict: want one other than %q and %q", r.Name, Unknown, OK)
	case !knownWindow:
		return fmt.Errorf("%s: window: %q is none of 5h, day, 7d, month", r.Name, r.Window)
	}
	for _, status := range r.Status {
		if status != 200 && (status < 400 || status > 599) {
			return fmt.Errorf("%s: status: %d: want 200 or 400 to 599", r.Name, status)
		}
	}
	if _, err := regexp.Compile(r.Text); err != nil {
		return fmt.Errorf("%s: text: %w", r.Name, err)
	}
	return nil
}
