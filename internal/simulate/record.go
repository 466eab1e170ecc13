package simulate

import (
	"encoding/json"
	"maps"
	"net/http"
	"time"
)

// Verdicts of an [Entry].
const (
	VerdictOK      = "ok"      // answered to the end
	VerdictRefused = "refused" // beyond the limit or the rate, or in an outage; Code says which
	VerdictAborted = "aborted" // the client went away first
	VerdictFault   = "fault"   // a scripted fault; Code names it
	VerdictInvalid = "invalid" // the call itself was wrong; Code says how
)

// An Entry is what is kept and logged of a request. It holds nothing of what
// was asked or answered, and no credential.
type Entry struct {
	Time    time.Time `json:"time"`              // when the entry was made
	ID      string    `json:"id"`                // request id, also in the answer
	Dialect string    `json:"dialect,omitempty"` // chat, messages or responses; empty for calls without a slot
	Path    string    `json:"path"`              // without its query
	Model   string    `json:"model,omitempty"`   // cut to 100 bytes
	Stream  bool      `json:"stream"`
	Account string    `json:"account"` // see [Account]
	// InFlight counts the account's answers under way when the call was decided,
	// itself among them; Lagging counts the slots that only counted on (with a
	// scenario it is 0); Limit is the limit in that moment, with a scenario the
	// model's (negative: none).
	InFlight   int       `json:"in_flight"`
	Lagging    int       `json:"lagging"`
	Limit      int       `json:"limit"`
	Rule       string    `json:"rule,omitempty"` // name of the rule that fitted
	Verdict    string    `json:"verdict"`
	Code       string    `json:"code,omitempty"`
	Start      time.Time `json:"start"` // the body has been read, the call decided
	End        time.Time `json:"end"`
	FirstEvent time.Time `json:"first_event,omitzero"` // first byte of the answer; zero if there was none
}

// Counts are the numbers of calls that ended in each way. A call that takes a
// slot is in Requests as soon as it has been decided.
type Counts struct {
	Requests    int            `json:"requests"`
	OK          int            `json:"ok"`
	Refused     int            `json:"refused"`
	Aborted     int            `json:"aborted"`
	Faults      int            `json:"faults"`
	Invalid     int            `json:"invalid"`
	InFlight    int            `json:"in_flight"`     // accepted answers under way now
	MaxInFlight int            `json:"max_in_flight"` // the most there ever were
	Codes       map[string]int `json:"codes"`         // refusals, faults and invalid calls by code
}

// Stats is the state of a provider at one moment.
type Stats struct {
	Since time.Time `json:"since"` // when the provider was made
	Counts
	Slotless int               `json:"slotless"` // calls that no account counts: models, count_tokens, hello, unknown paths
	Accounts map[string]Counts `json:"accounts"` // by the names that [Account] gives
}

// Stats returns what has been counted so far. The caller may keep and change it.
func (p *Provider) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Since: p.began, Counts: p.total.snapshot(), Slotless: p.total.slotless, Accounts: make(map[string]Counts, len(p.accounts))}
	for name, a := range p.accounts {
		s.Accounts[name] = a.tally.snapshot()
	}
	return s
}

// Entries returns the last entries, at most 10 000, oldest first.
func (p *Provider) Entries() []Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.entries()
}

// A tally is Counts while they grow.
type tally struct {
	counts   Counts
	codes    map[string]int
	slotless int
}

// start counts a decided call, and its slot if it got one.
func (t *tally) start(slot bool) {
	t.counts.Requests++
	if slot {
		t.counts.InFlight++
		t.counts.MaxInFlight = max(t.counts.MaxInFlight, t.counts.InFlight)
	}
}

// end counts the end of a call that start has counted.
func (t *tally) end(slot bool, verdict, code string) {
	if slot {
		t.counts.InFlight--
	}
	switch verdict {
	case VerdictOK:
		t.counts.OK++
	case VerdictRefused:
		t.counts.Refused++
	case VerdictAborted:
		t.counts.Aborted++
	case VerdictFault:
		t.counts.Faults++
	case VerdictInvalid:
		t.counts.Invalid++
	}
	if code != "" {
		t.codes[code]++
	}
}

func (t *tally) snapshot() Counts {
	c := t.counts
	c.Codes = maps.Clone(t.codes)
	return c
}

// A ring keeps the last entries; the zero ring is empty.
type ring struct {
	kept []Entry
	next int // index of the oldest once the ring is full
}

const ringSize = 10_000

func (r *ring) add(e Entry) {
	if len(r.kept) < ringSize {
		r.kept = append(r.kept, e)
		return
	}
	r.kept[r.next] = e
	r.next = (r.next + 1) % ringSize
}

func (r *ring) entries() []Entry {
	return append(append(make([]Entry, 0, len(r.kept)), r.kept[r.next:]...), r.kept[:r.next]...)
}

// writeLog writes the line of one entry.
func (p *Provider) writeLog(e Entry) {
	if p.config.Log == nil {
		return
	}
	line := append(encode(e), '\n')
	p.logMu.Lock()
	defer p.logMu.Unlock()
	p.config.Log.Write(line)
}

// serveLog sends the kept entries, one a line.
func (p *Provider) serveLog(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	e := json.NewEncoder(w)
	for _, entry := range p.Entries() {
		if e.Encode(entry) != nil {
			return
		}
	}
}
