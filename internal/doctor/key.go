package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weirhq/weir/provider"
)

// A Key is one whose endpoint shall be found out by trying it.
type Key struct {
	Secret string
	Vendor string // whose it is: "zai", "bigmodel"
	Model  string // that is asked for; one that costs something, or every endpoint takes it
	// Agree is told what will be sent and what it costs, and says whether to go on.
	Agree func(announcement string) bool
}

// Vendors lists those that have a coding plan beside another endpoint, so that a
// key may be at the wrong one.
func Vendors(profiles map[string]*provider.Profile) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		if p := profiles[name]; p.CodingPlan && !slices.Contains(all, p.Vendor) {
			all = append(all, p.Vendor)
		}
	}
	return all
}

// A trial is what came of the key at one endpoint.
type trial struct {
	profile *provider.Profile
	base    string
	status  int
	verdict provider.Verdict
	err     error
}

// checkKey finds out which endpoint of its vendor a key belongs to.
func checkKey(ctx context.Context, m *Machine) Result {
	endpoints := m.endpoints()
	if len(endpoints) < 2 {
		return Result{Status: Skipped, Saw: fmt.Sprintf("%q has no two endpoints between which a key could be misplaced", m.Key.Vendor)}
	}
	if vendor, foreign := provider.ForeignKey(endpoints[0], m.Key.Secret); foreign {
		return Result{
			Status: Wrong, Saw: fmt.Sprintf("the key has the form of one of %s, so it was sent nowhere", vendor),
			Means: "it does not belong to " + m.Key.Vendor,
			Do:    "name the variable with the right key: --key-env NAME",
		}
	}
	if r, stop := m.refuseFlagged(ctx); stop {
		return r
	}
	if !m.Key.Agree(m.announce(endpoints)) {
		return Result{Status: Skipped, Saw: "not agreed to, so the key was sent nowhere", Do: "say y, or give --yes"}
	}
	var trials []trial
	for _, p := range endpoints {
		t := m.try(ctx, p)
		trials = append(trials, t)
		if t.verdict.Kind == provider.Flagged || ctx.Err() != nil {
			break // another request would make it worse
		}
	}
	r := judge(trials)
	r.Saw = describe(trials)
	m.nameMisplaced(&r, trials)
	return r
}

// endpoints returns the profiles of the key's vendor, the coding plan's first: where
// that is the right one, the other request is refused and costs nothing.
func (m *Machine) endpoints() []*provider.Profile {
	var all []*provider.Profile
	for _, name := range slices.Sorted(maps.Keys(m.Profiles)) {
		if p := m.Profiles[name]; p.Vendor == m.Key.Vendor && p.Bases[provider.OpenAI] != "" {
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(a, b *provider.Profile) int {
		switch {
		case a.CodingPlan == b.CodingPlan:
			return 0
		case a.CodingPlan:
			return -1
		default:
			return 1
		}
	})
	return all
}

// refuseFlagged says no where the provider has flagged an account of the vendor, or
// where it cannot be told.
func (m *Machine) refuseFlagged(ctx context.Context) (Result, bool) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	accounts, err := m.Flagged(ctx)
	if err != nil {
		return Result{
			Status: Skipped, Saw: "whether the provider has flagged an account cannot be told: " + reason(err),
			Means: "a request with a flagged account makes it worse, so none was sent",
			Do:    "mend the gateway (see above), then look again",
		}, true
	}
	for _, a := range accounts {
		name, _, _ := strings.Cut(a, "/")
		p := m.Profiles[name]
		if name == m.Key.Vendor || p != nil && p.Vendor == m.Key.Vendor {
			return Result{
				Status: Wrong, Saw: "the provider has flagged the account " + a + ", so the key was sent nowhere",
				Means: "the provider holds the account back for how it is used (1313), and each further request makes it worse",
				Do:    "stop, ask the provider to restore access, and only then open it with `weir resume`",
			}, true
		}
	}
	return Result{}, false
}

// announce says what will be sent, and its cost.
func (m *Machine) announce(endpoints []*provider.Profile) string {
	var bases []string
	for _, p := range endpoints {
		bases = append(bases, p.Bases[provider.OpenAI])
	}
	return fmt.Sprintf(`To find out where the key belongs, %d tiny requests are sent, one after the other, not through the gateway:
  %s
Each asks model %s for one token: about ten tokens in all. They count as use of the
account: the one that is accepted counts against the plan or is paid from the balance.`,
		len(endpoints), strings.Join(bases, "\n  "), m.Key.Model)
}

// try sends one request with the key.
func (m *Machine) try(ctx context.Context, p *provider.Profile) trial {
	t := trial{profile: p, base: p.Bases[provider.OpenAI]}
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	body, err := json.Marshal(map[string]any{
		"model": m.Key.Model, "max_tokens": 1, "stream": false,
		"messages": []map[string]string{{"role": "user", "content": "1"}},
	})
	if err != nil {
		t.err = err
		return t
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.base+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		t.err = err
		return t
	}
	h := p.KeyHeader(provider.OpenAI)
	req.Header.Set(h.Header, h.Prefix+m.Key.Secret)
	req.Header.Set("Content-Type", "application/json")
	resp, err := m.client().Do(req)
	if err != nil {
		t.err = err
		return t
	}
	defer resp.Body.Close()
	const enough = 64 << 10
	answer, err := io.ReadAll(io.LimitReader(resp.Body, enough))
	if err != nil {
		t.err = err
		return t
	}
	t.status = resp.StatusCode
	t.verdict = p.Classify(provider.Answer{Status: resp.StatusCode, Header: resp.Header, Body: answer, Now: m.Now()})
	if t.verdict.Kind == provider.OK && !looksLikeCompletion(resp.StatusCode, answer) {
		t.verdict = provider.Verdict{} // a portal's page, a redirect: nobody has accepted anything
	}
	return t
}

// looksLikeCompletion tells a completion from whatever else comes without an error.
func looksLikeCompletion(status int, body []byte) bool {
	var c struct {
		Choices []json.RawMessage `json:"choices"`
	}
	return status == http.StatusOK && json.Unmarshal(body, &c) == nil && len(c.Choices) > 0
}

// A reading is what an answer says about key and endpoint.
type reading int

const (
	unclear  reading = iota // nothing: no answer, or one that says nothing of the key
	belongs                 // the key is at home here
	misfit                  // the key is known, but not for this endpoint
	rejected                // the key is not known
	flagged
)

// read says what an answer means for the key.
func (t trial) read() reading {
	if t.err != nil {
		return unclear
	}
	switch t.verdict.Kind {
	case provider.OK, provider.Quota, provider.Content,
		provider.Concurrency, provider.Frequency, provider.Throttled:
		return belongs // an allowance that is used up, or too many at once, is this account's own
	case provider.Plan:
		if slices.Contains([]string{"1309", "1311", "1314"}, t.verdict.Code) {
			return belongs // the plan has expired, or lacks the model: it is there
		}
		return misfit
	case provider.Auth:
		if t.verdict.Code == "1220" || t.verdict.Code == "" && t.status == http.StatusForbidden {
			return misfit // the account is known and may not use this API
		}
		return rejected
	case provider.Flagged:
		return flagged
	case provider.Invalid:
		if t.verdict.Code == "1211" {
			return belongs // the key was let through to the question which model it is
		}
		return unclear
	default:
		return unclear
	}
}

// judge puts the readings together into one sentence.
func judge(trials []trial) Result {
	by := map[reading][]trial{}
	for _, t := range trials {
		by[t.read()] = append(by[t.read()], t)
	}
	home := by[belongs]
	switch {
	case len(by[flagged]) > 0:
		return Result{
			Status: Wrong,
			Means:  "the provider holds the account back for how it is used (1313); nothing further was sent",
			Do:     "stop using the key, and ask the provider to restore access (a request in its console)",
		}
	case len(home) == 1:
		t := home[0]
		r := Result{Status: OK, Means: fmt.Sprintf("the key belongs to %s: point tools at %s", t.plan(), t.base)}
		if len(by[unclear]) > 0 {
			r.Means += " (the other endpoint did not say)"
		}
		return t.trouble(r)
	case len(home) > 1:
		return Result{
			Status: OK,
			Means:  fmt.Sprintf("the key is good for both: %s is the plan's, %s is paid from the balance", home[0].base, home[1].base),
			Do:     "point coding tools at " + home[0].base,
		}
	case len(by[rejected]) > 0 && len(by[rejected])+len(by[misfit]) == len(trials):
		return Result{
			Status: Wrong, Means: "the key is not accepted: it is mistyped, expired, or of another vendor (keys of z.ai and bigmodel.cn are not interchangeable)",
			Do: "copy it again from the vendor's console, or give --vendor",
		}
	case len(by[misfit]) == len(trials):
		return Result{
			Status: Wrong, Means: "the key is known, but good for neither endpoint: it has no coding plan, and no balance",
			Do: "buy one of the two, or use a key of the account that has it; a plan without this model answers so too (--model NAME)",
		}
	default:
		return Result{Status: Skipped, Means: "the answers do not tell where the key belongs", Do: "look again later"}
	}
}

// trouble adds what is wrong with a key that is at home.
func (t trial) trouble(r Result) Result {
	switch {
	case t.verdict.Kind == provider.Plan:
		r.Status, r.Do = Wrong, t.verdict.Hint
	case t.verdict.Kind == provider.Quota:
		r.Status, r.Do = Warn, t.verdict.Hint
		if !t.verdict.Reset.IsZero() {
			r.Do += " It comes back at " + t.verdict.Reset.Format("2006-01-02 15:04 MST") + "."
		}
	case t.verdict.Kind == provider.Invalid:
		r.Do = "the provider does not know the model that was asked for; that says nothing against the key"
	}
	return r
}

// plan is what the endpoint's keys are called.
func (t trial) plan() string {
	if t.profile.CodingPlan {
		return "the coding plan"
	}
	return "the pay-as-you-go account"
}

// describe says what each endpoint answered, in weir's own words.
func describe(trials []trial) string {
	var parts []string
	for _, t := range trials {
		what := ""
		switch {
		case t.err != nil:
			what = reason(t.err)
		case t.verdict.Kind == provider.OK:
			what = "accepted"
		case t.verdict.Kind == provider.Unknown:
			what = fmt.Sprintf("status %d, which says nothing", t.status)
		default:
			what = fmt.Sprintf("%s (%s)", t.verdict.Kind, code(t))
		}
		path := t.base
		if u, err := url.Parse(t.base); err == nil {
			path = u.Path
		}
		parts = append(parts, path+": "+what)
	}
	return strings.Join(parts, "; ")
}

func code(t trial) string {
	if t.verdict.Code != "" {
		return t.verdict.Code
	}
	return fmt.Sprintf("status %d", t.status)
}

// nameMisplaced names the tools that point at the endpoint where the key is not at
// home.
func (m *Machine) nameMisplaced(r *Result, trials []trial) {
	var home, other []trial
	for _, t := range trials {
		switch t.read() {
		case belongs:
			home = append(home, t)
		case misfit:
			other = append(other, t)
		}
	}
	if len(home) != 1 {
		return
	}
	var names []string
	for i, tool := range m.Tools {
		for _, s := range m.found.settings[i] {
			if slices.ContainsFunc(other, func(t trial) bool { return strings.TrimSuffix(s.URL, "/") == t.base }) {
				names = append(names, fmt.Sprintf("%s (%s)", tool.Title, s.Name))
			}
		}
	}
	if len(names) > 0 {
		r.Status = Wrong
		r.Do = strings.TrimSpace(fmt.Sprintf("%s %s at the other endpoint; if with this key, change that. %s", and(names), verb(len(names), "points", "point"), r.Do))
	}
}
