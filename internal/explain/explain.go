// Package explain says what an error of a provider means, whatever form it is in:
// a bare code, a status, an error body, an event of a stream, a whole answer, a line
// of weir's own log, or the message that a tool has made of one of these. What the
// codes mean is the data of package provider; here stands only how they are found in
// text, and what follows from each verdict.
//
// An explanation holds nothing of the text but codes and request ids of bounded form:
// messages may echo a prompt, and pasted text may carry a key.
package explain

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/provider"
)

// MaxText is how many bytes of a text are looked at.
const MaxText = 1 << 20

// ErrNothing says that no error was recognised.
var ErrNothing = errors.New("no error recognised: looked for a provider's code (1302), an HTTP status (429), an error type (rate_limit_error), a JSON body, an event stream, an HTTP answer, a log line of weir's, and a message with one of these in it")

// An Explanation is what was found in a text.
type Explanation struct {
	// Source is the form that the text was read as.
	Source Source `json:"source"`
	// Status is the HTTP status that the text names, 0 if it names none.
	Status int `json:"status,omitempty"`
	// RequestID is the provider's id of the request, for its support; "" if unknown.
	RequestID string `json:"request_id,omitempty"`
	// Meanings are what it can mean, one for each way in which providers read it,
	// that of the default provider first. There is at least one.
	Meanings []Meaning `json:"meanings"`
}

// A Meaning is what an error means at some providers.
type Meaning struct {
	// Profiles are the providers that read it so.
	Profiles []string `json:"profiles"`
	// Verdict is what weir makes of it.
	Verdict provider.Kind `json:"verdict"`
	// Code is the provider's business code, "" if it has none.
	Code string `json:"code,omitempty"`
	// Rule names the rule that decided, "" if none did.
	Rule string `json:"rule,omitempty"`
	// Reset is when a spent allowance comes back; zero if that is not known.
	Reset time.Time `json:"reset,omitzero"`
	// Means, Weir and You say in plain words what it means, what weir does about
	// it, and what the person can do.
	Means string `json:"means"`
	Weir  string `json:"weir"`
	You   string `json:"you"`
}

// Explain says what text means to the given providers, of which there must be one at
// least. No more than MaxText bytes are looked at. now is the moment by which the
// text's reset times are judged. The error is ErrNothing. It is pure and safe for
// concurrent use.
func Explain(text []byte, profiles []*provider.Profile, now time.Time) (Explanation, error) {
	for _, r := range readings(text[:min(len(text), MaxText)]) {
		r.answer.Now = now
		if meanings := r.meanings(profiles); len(meanings) > 0 {
			return Explanation{Source: r.source, Status: r.answer.Status, RequestID: r.requestID(meanings), Meanings: plain(meanings)}, nil
		}
	}
	return Explanation{}, ErrNothing
}

// IsCode reports whether text is nothing but a code, type or status that one of the
// providers knows.
func IsCode(text string, profiles []*provider.Profile) bool {
	r, ok := readCode(strings.TrimSpace(text))
	return ok && len(r.meanings(profiles)) > 0
}

// Levels of how sure it is that a provider means this error.
const (
	not      = iota
	byStatus // the status alone says it
	byShared // a rule for all providers
	byOwn    // a rule of the provider's
	byCode   // a code that the provider names
)

// A judged is a provider's verdict on a reading.
type judged struct {
	profile *provider.Profile
	verdict provider.Verdict
	sure    int
}

// meanings asks the providers, and groups those that agree. Of providers that nobody
// named only those are kept whose reading is the surest; the default one, which comes
// first, also if a rule of any kind fits.
func (r reading) meanings(profiles []*provider.Profile) []judgement {
	var all []judged
	best := not
	for _, p := range profiles {
		if r.profile != "" && p.Name != r.profile && slices.ContainsFunc(profiles, r.isOf) {
			continue
		}
		j := r.judge(p)
		best = max(best, j.sure)
		all = append(all, j)
	}
	var groups []judgement
	for i, j := range all {
		if j.sure == not || j.sure < best && (i > 0 || j.sure < byShared) {
			continue
		}
		groups = addTo(groups, j)
	}
	return groups
}

func (r reading) isOf(p *provider.Profile) bool { return p.Name == r.profile }

// A judgement is a verdict and whose it is.
type judgement struct {
	verdict  provider.Verdict
	profiles []string
}

func addTo(groups []judgement, j judged) []judgement {
	for i, g := range groups {
		if g.verdict.Kind == j.verdict.Kind && g.verdict.Hint == j.verdict.Hint && g.verdict.Code == j.verdict.Code {
			groups[i].profiles = append(groups[i].profiles, j.profile.Name)
			return groups
		}
	}
	return append(groups, judgement{j.verdict, []string{j.profile.Name}})
}

// guesses are the statuses under which a body is read that came without one.
var guesses = []int{200, 429, 400, 403, 500, 503}

// judge says what p makes of the reading.
func (r reading) judge(p *provider.Profile) judged {
	if r.answer.Status != 0 {
		return r.under(p, r.answer.Status)
	}
	best := judged{profile: p}
	for _, guess := range guesses {
		if j := r.under(p, guess); j.sure > best.sure {
			best = j
		}
		if best.sure == byCode {
			break
		}
	}
	if best.sure != not {
		if r.verdict != provider.Unknown && r.verdict != best.verdict.Kind { // the log knows better
			best.verdict.Kind, best.verdict.Hint = r.verdict, ""
		}
		return best
	}
	if v := p.Classify(withStatus(r.answer, 200)); r.whole && (v.Kind == provider.OK || v.Code != "") {
		return judged{p, v, byStatus} // a good answer, or a code that nobody knows
	}
	if r.verdict != provider.Unknown {
		return judged{p, provider.Verdict{Kind: r.verdict}, byStatus}
	}
	return best
}

// under reads it as an answer with that status.
func (r reading) under(p *provider.Profile, status int) judged {
	v := p.Classify(withStatus(r.answer, status))
	alone := p.Classify(provider.Answer{Status: status})
	switch {
	case v.ByCode:
		return judged{p, v, byCode}
	case v.Rule != "" && v.Rule != alone.Rule && (strings.HasPrefix(v.Rule, "*/") || restated(p, v.Rule)):
		return judged{p, v, byShared}
	case v.Rule != "" && v.Rule != alone.Rule:
		return judged{p, v, byOwn}
	case r.trusted && r.answer.Status != 0:
		return judged{p, v, byStatus}
	}
	return judged{profile: p}
}

// restated reports whether a rule is about a status alone, which the body of an answer
// under another one may speak of.
func restated(p *provider.Profile, rule string) bool {
	return slices.ContainsFunc([]int{400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529}, func(status int) bool {
		return p.Classify(provider.Answer{Status: status}).Rule == rule
	})
}

func withStatus(a provider.Answer, status int) provider.Answer {
	a.Status = status
	return a
}

func (r reading) requestID(all []judgement) string {
	if id := all[0].verdict.RequestID; id != "" {
		return id
	}
	return r.id
}

// plain puts judgements into words.
func plain(all []judgement) []Meaning {
	meanings := make([]Meaning, len(all))
	for i, j := range all {
		w := wordsOf(j.verdict.Kind)
		meanings[i] = Meaning{
			Profiles: j.profiles, Verdict: j.verdict.Kind, Code: j.verdict.Code, Rule: j.verdict.Rule, Reset: j.verdict.Reset,
			Means: j.verdict.Hint, Weir: w.weir, You: w.you,
		}
		if meanings[i].Means == "" {
			meanings[i].Means = w.means
		}
	}
	return meanings
}
