package provider

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

//go:embed profiles.json
var profilesJSON []byte

//go:embed rules.json
var rulesJSON []byte

// shipped is the embedded data, ready for use.
type shipped struct {
	profiles  map[string]*Profile
	names     []string                  // in the order of the file
	sets      map[string][]compiledRule // rule sets by name; "*" holds for all
	strangers map[string]string         // key form → vendor, for vendors without a profile
}

// builtin parses the embedded data once. Broken data is a programmer's mistake,
// which the tests catch.
var builtin = sync.OnceValue(func() *shipped {
	s, err := load(profilesJSON, rulesJSON)
	if err != nil {
		panic("provider: embedded data: " + err.Error())
	}
	return s
})

// Lookup returns the shipped profile of that name. It must not be changed; a copy
// may be.
func Lookup(name string) (*Profile, bool) {
	p, ok := builtin().profiles[name]
	return p, ok
}

// Names returns the names of the shipped profiles, the default one first.
func Names() []string {
	return slices.Clone(builtin().names)
}

func load(profiles, rules []byte) (*shipped, error) {
	var data struct {
		Profiles  []*Profile        `json:"profiles"`
		Strangers map[string]string `json:"strangers"`
	}
	var sets map[string][]Rule
	if err := decodeStrict(rules, &sets); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	if err := decodeStrict(profiles, &data); err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	s := &shipped{
		profiles:  make(map[string]*Profile),
		sets:      make(map[string][]compiledRule),
		strangers: data.Strangers,
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		for i := range sets[name] {
			if err := sets[name][i].validate(); err != nil {
				errs = append(errs, fmt.Errorf("rules: %s[%d]: %w", name, i, err))
			}
		}
	}
	for _, p := range data.Profiles {
		errs = append(errs, p.checkFields()...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for name, set := range sets {
		s.sets[name] = compileRules(set)
	}
	for _, p := range data.Profiles {
		p.compiled = slices.Concat(compileRules(p.Rules), s.sets[p.RulesFrom])
		s.profiles[p.Name] = p
		s.names = append(s.names, p.Name)
	}
	return s, nil
}

// A compiledRule is a Rule whose pattern is ready.
type compiledRule struct {
	*Rule
	text *regexp.Regexp // nil if Text is empty
}

// compileRules copies rules that were validated.
func compileRules(rules []Rule) []compiledRule {
	rules = slices.Clone(rules)
	compiled := make([]compiledRule, len(rules))
	for i := range rules {
		compiled[i].Rule = &rules[i]
		if rules[i].Text != "" {
			compiled[i].text = regexp.MustCompile(rules[i].Text)
		}
	}
	return compiled
}

// OnCodingPlan tells whether calls spend a GLM coding plan: the profile says so, or one
// of its addresses is such a plan's alone, whatever the profile is called.
func (p *Profile) OnCodingPlan() bool {
	if p.CodingPlan {
		return true
	}
	plans, others := map[string]bool{}, map[string]bool{}
	for _, q := range builtin().profiles {
		for _, base := range q.Bases {
			if q.CodingPlan {
				plans[place(base)] = true
			} else {
				others[place(base)] = true
			}
		}
	}
	for _, base := range p.Bases {
		if at := place(base); plans[at] && !others[at] {
			return true
		}
	}
	return false
}

// place is where a base leads, however it is written.
func place(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return strings.ToLower(u.Hostname()) + strings.TrimSuffix(u.Path, "/")
}

// lazily compiles an expression when it is first needed: most starts of weir need none.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
