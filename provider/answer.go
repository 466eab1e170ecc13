package provider

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// An Answer is what came of one attempt.
type Answer struct {
	// Status is the HTTP status.
	Status int
	// Header may be nil. Classify reads request ids from it, and Retry-After only
	// where its length tells a spent allowance from a burst.
	Header http.Header
	// Body is the whole body of an error or of a JSON answer, or the data of one
	// event of a stream. No more than its first 64 KiB are looked at; it is neither
	// changed nor kept.
	Body []byte
	// FinishReason is the finish_reason of a stream that ended without content, ""
	// for anything else.
	FinishReason string
	// Now is when the answer came. Reset times are judged by it.
	Now time.Time
}

// A Verdict is what an answer means. It carries nothing of the provider's text.
type Verdict struct {
	Kind Kind
	// Code is the provider's business code ("1302"), "" if there is none: at most
	// 64 letters, digits and ._:-.
	Code string
	// RequestID is the provider's id of the request, for its support, "" if there
	// is none: at most 128 of the same characters.
	RequestID string
	// Rule names the rule that decided ("zai/1302", "*/429"), "" if none did.
	Rule string
	// Wait is how long the body asks to wait, 0 if it does not say, at most 31
	// days. Headers are not read for it.
	Wait time.Duration
	// Reset is when a spent allowance comes back: the moment that the body names,
	// or for a limit per day the end of the provider's day. Zero if unknown or not
	// to be believed.
	Reset time.Time
	// NotFound says that the answer is a 404 in an envelope under HTTP 200.
	NotFound bool
	// Hint says in our own words what it means and what to do, "" if there is
	// nothing to say.
	Hint string
	// ByCode says that a business code decided, not a text or a status alone.
	ByCode bool
}

// Classify says what an answer means to this provider. It is pure and safe for
// concurrent use. An answer under a 2xx or 3xx status without any error mark is OK.
//
// The provider's own rules come first, then those for all. Where an error has a
// business code, the code is matched and the text is not looked at. A code that
// merely restates a status ("429", "rate_limit_error") is no business code.
//
// A business code that no rule knows makes the verdict Unknown under 429, where
// one status stands for a dozen conditions that must not be retried, under 500,
// which some hosts give for everything, and under 2xx. Under other statuses the
// status says enough: 502, 503, 504, 529 and 408 are transient by definition, and
// after the rest nothing is retried anyway.
func (p *Profile) Classify(a Answer) Verdict {
	body := a.Body[:min(len(a.Body), maxBody)]
	good := a.Status < 400
	if good && !hasErrorMark(body) {
		if a.FinishReason == "" {
			return Verdict{Kind: OK}
		}
		return p.classifyFinish(a)
	}
	f := readFault(body)
	m := matcher{fault: f, status: a.Status}
	m.restated()
	m.code, m.named = p.decidingCode(f.codes)
	_, generic := statusOf(m.code)
	m.business = m.code != "" && !generic

	v := Verdict{RequestID: firstOf(f.requestID, headerID(a.Header)), Wait: f.wait()}
	if m.business || m.named {
		v.Code = m.code
	}
	rule := p.find(m.matches)
	if rule == nil && m.named { // named under other conditions only
		m.named = false
		rule = p.find(m.matches)
	}
	if rule == nil {
		return v
	}
	v.decide(rule, longestWait(v.Wait, a.Header))
	v.ByCode = len(rule.Code) > 0
	if v.Kind == Quota {
		v.Reset = resetTime(f.text+f.details, rule.Window, a.Now)
	}
	return v
}

// classifyFinish judges a stream that ended without content and without an error.
func (p *Profile) classifyFinish(a Answer) Verdict {
	rule := p.find(func(r *compiledRule) bool { return r.Finish == a.FinishReason })
	if rule == nil {
		return Verdict{Kind: OK}
	}
	v := Verdict{RequestID: headerID(a.Header)}
	v.decide(rule, 0)
	return v
}

func (v *Verdict) decide(r *compiledRule, wait time.Duration) {
	const long = 5 * time.Minute
	v.Kind, v.Rule, v.Hint, v.NotFound = r.Verdict, r.Name, r.Hint, r.NotFound
	switch {
	case r.LongWait != Unknown && wait > long:
		v.Kind = r.LongWait
	case r.ShortWait != Unknown && wait > 0 && wait <= long:
		v.Kind = r.ShortWait
	}
}

// find returns the first rule, of the provider or of all, that fits.
func (p *Profile) find(fits func(*compiledRule) bool) *compiledRule {
	for _, set := range [][]compiledRule{p.compiled, builtin().sets["*"]} {
		for i := range set {
			if fits(&set[i]) {
				return &set[i]
			}
		}
	}
	return nil
}

// decidingCode returns the first code that a rule names, else the first that is a
// business code, else the first; and whether a rule names it.
func (p *Profile) decidingCode(codes []string) (code string, named bool) {
	for _, c := range codes {
		if p.find(func(r *compiledRule) bool { return slices.Contains(r.Code, c) }) != nil {
			return c, true
		}
	}
	for _, c := range codes {
		if _, generic := statusOf(c); !generic {
			return c, false
		}
	}
	if len(codes) > 0 {
		return codes[0], false
	}
	return "", false
}

// A matcher tries rules on one error.
type matcher struct {
	*fault
	status   int // of the answer
	says     int // the status that a code or type restates, if status is good; else status
	code     string
	business bool // code says something of its own
	named    bool // a rule names code, perhaps one that comes later
}

// restated finds the status that the body itself speaks of.
func (m *matcher) restated() {
	m.says = m.status
	if m.status >= 400 {
		return
	}
	for _, word := range append(slices.Clone(m.codes), m.kind) {
		if status, _ := statusOf(word); status != 0 {
			m.says = status
			return
		}
	}
}

func (m *matcher) matches(r *compiledRule) bool {
	switch {
	case r.Finish != "":
		return false
	case len(r.Status) > 0 && !m.hasStatus(r.Status):
		return false
	case len(r.Code) > 0 && !slices.Contains(r.Code, m.code):
		return false
	case len(r.Type) > 0 && !slices.Contains(r.Type, m.kind):
		return false
	case r.text != nil && m.business && len(r.Code) == 0:
		return false // match the code, never the text, where there is a code
	case r.text != nil && !r.text.MatchString(m.text) && !r.text.MatchString(m.details):
		return false
	case len(r.Code) == 0 && len(r.Type) == 0 && r.text == nil:
		return m.statusDecides()
	}
	return true
}

// statusDecides reports whether the status may speak alone.
func (m *matcher) statusDecides() bool {
	if !m.business {
		return true
	}
	if m.named {
		return false
	}
	return m.status >= 400 && m.status != http.StatusTooManyRequests && m.status != http.StatusInternalServerError
}

func (m *matcher) hasStatus(statuses []int) bool {
	if m.status >= 200 && m.status < 300 && slices.Contains(statuses, http.StatusOK) {
		return true
	}
	return slices.Contains(statuses, m.says)
}

// headerID returns the request id of the headers.
func headerID(h http.Header) string {
	for _, name := range []string{"Request-Id", "X-Request-Id", "X-Log-Id"} {
		if id := safe(h.Get(name), 128); id != "" {
			return id
		}
	}
	return ""
}

// longestWait is the longer of the body's wait and a Retry-After in whole seconds.
// It only tells a spent allowance from a burst; how long to wait is read elsewhere.
func longestWait(body time.Duration, h http.Header) time.Duration {
	seconds, err := strconv.ParseInt(string(bytes.TrimSpace([]byte(h.Get("Retry-After")))), 10, 64)
	if err != nil || seconds < 0 {
		return body
	}
	return max(body, bounded(float64(seconds)*float64(time.Second)))
}
