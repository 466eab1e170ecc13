package journal

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
)

// formats are those that [Export] writes.
var formats = map[string]func(io.Writer) writer{"jsonl": newJSONL, "csv": newCSV}

// IsFormat tells whether [Export] knows a format: jsonl or csv.
func IsFormat(name string) bool { return formats[name] != nil }

// Export writes rows for other programs: jsonl is an object a line, csv a table with a
// head in which both kinds of rows share the columns. Moments are RFC 3339 in UTC,
// durations milliseconds. Fields may be added, none changes its meaning.
func Export(w io.Writer, format string, rows iter.Seq2[Row, error]) error {
	create, ok := formats[format]
	if !ok {
		return fmt.Errorf("%q is neither jsonl nor csv", format)
	}
	out := create(w)
	for row, err := range rows {
		if err == nil {
			err = out.write(exportOf(row))
		}
		if err != nil {
			return err
		}
	}
	return out.flush()
}

// writer writes rows in a format.
type writer interface {
	write(exported) error
	flush() error
}

// exported is a row as other programs see it.
type exported struct {
	Kind        string            `json:"kind"`
	ID          string            `json:"id,omitempty"`
	Lane        string            `json:"lane,omitempty"`
	Session     string            `json:"session,omitempty"`
	Tool        string            `json:"tool,omitempty"`
	Class       string            `json:"class,omitempty"`
	Dialect     string            `json:"dialect,omitempty"`
	Start       string            `json:"start,omitempty"`
	Admitted    string            `json:"admitted,omitempty"`
	End         string            `json:"end,omitempty"`
	WaitedMS    *float64          `json:"waited_ms,omitempty"`
	FirstByteMS *float64          `json:"first_byte_ms,omitempty"`
	InFlight    int               `json:"in_flight,omitempty"`
	Tries       *int              `json:"tries,omitempty"`
	Retries     *int              `json:"retries,omitempty"`
	Verdict     string            `json:"verdict,omitempty"`
	Code        string            `json:"code,omitempty"`
	ProviderID  string            `json:"provider_id,omitempty"`
	Status      int               `json:"status,omitempty"`
	Outcome     string            `json:"outcome,omitempty"`
	Bytes       *int64            `json:"bytes,omitempty"`
	KeptAlive   bool              `json:"kept_alive,omitempty"`
	Limit       int               `json:"limit,omitempty"`
	Reason      string            `json:"reason,omitempty"`
	Why         string            `json:"why,omitempty"`
	Until       string            `json:"until,omitempty"`
	Count       int64             `json:"count,omitempty"`
	Attempts    []exportedAttempt `json:"attempts,omitempty"`
}

type exportedAttempt struct {
	Start      string `json:"start"`
	End        string `json:"end,omitempty"`
	InFlight   int    `json:"in_flight,omitempty"`
	Verdict    string `json:"verdict,omitempty"`
	Code       string `json:"code,omitempty"`
	ProviderID string `json:"provider_id,omitempty"`
}

func exportOf(row Row) exported {
	switch r := row.(type) {
	case Request:
		return exportRequest(r)
	case Change:
		return exported{
			Kind: r.Kind, Start: stamp(r.At), Lane: r.Lane, Limit: r.Limit, InFlight: r.Level, Reason: r.Reason, Why: r.Why,
			Verdict: r.Verdict, Code: r.Code, Until: stamp(r.Until), Count: r.Count,
		}
	}
	return exported{}
}

func exportRequest(r Request) exported {
	retries := max(0, r.Tries-1)
	e := exported{
		Kind: "request", ID: r.ID, Lane: r.Lane, Session: r.Session, Tool: r.Tool, Class: r.Class, Dialect: r.Dialect,
		Start: stamp(r.Start), Admitted: stamp(r.Admitted), End: stamp(r.End), WaitedMS: millis(r.Waited),
		InFlight: r.InFlight, Tries: &r.Tries, Retries: &retries, Verdict: r.Verdict, Code: r.Code, ProviderID: r.ProviderID,
		Status: r.Status, Outcome: r.Outcome, Bytes: &r.Bytes, KeptAlive: r.KeptAlive,
	}
	if r.FirstByte > 0 {
		e.FirstByteMS = millis(r.FirstByte)
	}
	for _, a := range r.Attempts {
		e.Attempts = append(e.Attempts, exportedAttempt{
			Start: stamp(a.Start), End: stamp(a.End), InFlight: a.InFlight, Verdict: a.Verdict, Code: a.Code, ProviderID: a.ProviderID,
		})
	}
	return e
}

// stamp writes a moment; the zero time is empty.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

func millis(d time.Duration) *float64 {
	ms := float64(d.Microseconds()) / 1000
	return &ms
}

type jsonl struct{ *json.Encoder }

func newJSONL(w io.Writer) writer {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return jsonl{e}
}

func (j jsonl) write(e exported) error { return j.Encode(e) }
func (j jsonl) flush() error           { return nil }

// columns are those of a table, in the order of cells.
var columns = []string{
	"kind", "id", "lane", "session", "tool", "class", "dialect", "start", "admitted", "end", "waited_ms", "first_byte_ms", "in_flight",
	"tries", "retries", "verdict", "code", "provider_id", "status", "outcome", "bytes", "kept_alive", "limit", "reason", "why", "until", "count", "attempts",
}

type table struct {
	*csv.Writer
	begun bool
}

func newCSV(w io.Writer) writer { return &table{Writer: csv.NewWriter(w)} }

func (t *table) head() error {
	if t.begun {
		return nil
	}
	t.begun = true
	return t.Write(columns)
}

func (t *table) write(e exported) error {
	if err := t.head(); err != nil {
		return err
	}
	attempts := ""
	if len(e.Attempts) > 0 {
		data, err := json.Marshal(e.Attempts)
		if err != nil {
			return err
		}
		attempts = string(data)
	}
	return t.Write([]string{
		e.Kind, e.ID, plain(e.Lane), plain(e.Session), e.Tool, e.Class, e.Dialect, e.Start, e.Admitted, e.End, number(e.WaitedMS), number(e.FirstByteMS), count(e.InFlight),
		whole(e.Tries), whole(e.Retries), e.Verdict, plain(e.Code), plain(e.ProviderID), count(e.Status), e.Outcome, long(e.Bytes), strconv.FormatBool(e.KeptAlive),
		count(e.Limit), e.Reason, e.Why, e.Until, count(int(e.Count)), attempts,
	})
}

func (t *table) flush() error {
	if err := t.head(); err != nil {
		return err
	}
	t.Flush()
	return t.Error()
}

// The cells; what is not known is empty.

// plain keeps a spreadsheet from taking a name, which comes from outside, for a formula.
func plain(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func number(f *float64) string {
	if f == nil {
		return ""
	}
	return strconv.FormatFloat(*f, 'f', -1, 64)
}

func whole(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

func long(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
