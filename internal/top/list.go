package top

import (
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/dashboard"
)

// A cursor is the row of a list that keys act on. It stays with what it points at while
// the list changes; at the top it stays at the top.
type cursor struct {
	id    string // of what it points at; empty: the first row
	index int    // where that was last
}

// in returns where the cursor is in a list, and notes it: where its thing is now, or
// where that was. It is 0 in an empty list.
func (c *cursor) in(n int, id func(int) string) int {
	if c.id != "" {
		for i := range n {
			if id(i) == c.id {
				c.index = i
				return i
			}
		}
	}
	if c.id == "" {
		c.index = 0
	}
	c.index = max(0, min(c.index, n-1))
	return c.index
}

// move goes so many rows down, or up.
func (c *cursor) move(by, n int, id func(int) string) {
	i := max(0, min(c.in(n, id)+by, n-1))
	c.index, c.id = i, ""
	if i > 0 && i < n {
		c.id = id(i)
	}
}

// window returns which rows of a list are seen when only so many fit, so that the one at
// the cursor is among them.
func window(n, at, rows int) (from, to int) {
	rows = max(0, rows)
	from = max(0, min(at-rows/2, n-rows))
	return from, min(n, from+rows)
}

// A filter says which requests are shown. The zero filter shows all.
type filter struct {
	words   string // each must be in one of a request's texts
	session string
	lane    string
	verdict string
}

func (f filter) isEmpty() bool { return f == filter{} }

// String says what the filter lets through.
func (f filter) String() string {
	var parts []string
	if f.words != "" {
		parts = append(parts, `"`+f.words+`"`)
	}
	for _, p := range [][2]string{{"session", f.session}, {"lane", f.lane}, {"verdict", f.verdict}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	return strings.Join(parts, ", ")
}

// lets tells whether a request is shown.
func (f filter) lets(r *dashboard.Request) bool {
	if f.session != "" && r.Session != f.session || f.lane != "" && r.Lane != f.lane || f.verdict != "" && r.Verdict != f.verdict {
		return false
	}
	if f.words == "" {
		return true
	}
	all := strings.ToLower(strings.Join([]string{r.ID, r.State, r.Lane, r.Session, r.Who, r.Tool, r.Class, r.Verdict, r.Code, r.ProviderID, r.Outcome}, "\n"))
	for word := range strings.FieldsSeq(strings.ToLower(f.words)) {
		if !strings.Contains(all, word) {
			return false
		}
	}
	return true
}

// A ledger is all requests that can be shown: those under way, and the last that are done.
type ledger struct {
	waiting, active, done []dashboard.Request
}

// see takes what a view has of requests.
func (l *ledger) see(v *dashboard.View) {
	l.waiting, l.active = v.Waiting, v.Active
	known := map[string]bool{}
	all := make([]dashboard.Request, 0, dashboard.MostDone)
	for _, requests := range [][]dashboard.Request{v.Done, l.done} {
		for _, r := range requests {
			if !known[r.ID] && len(all) < dashboard.MostDone {
				known[r.ID] = true
				all = append(all, r)
			}
		}
	}
	l.done = all
}

// shown returns the requests that a filter lets through: running, waiting, then done.
func (l *ledger) shown(f filter) []*dashboard.Request {
	all := make([]*dashboard.Request, 0, len(l.active)+len(l.waiting)+len(l.done))
	for _, requests := range [][]dashboard.Request{l.active, l.waiting, l.done} {
		for i := range requests {
			if f.lets(&requests[i]) {
				all = append(all, &requests[i])
			}
		}
	}
	return all
}

// find returns a request by its id, nil if it is not there.
func (l *ledger) find(id string) *dashboard.Request {
	for _, requests := range [][]dashboard.Request{l.active, l.waiting, l.done} {
		if i := slices.IndexFunc(requests, func(r dashboard.Request) bool { return r.ID == id }); i >= 0 {
			return &requests[i]
		}
	}
	return nil
}
