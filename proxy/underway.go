package proxy

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/provider"
)

// ErrCancelled is the cause by which a person ends a request that waits.
var ErrCancelled = errors.New("proxy: cancelled by hand")

// cancelled is weir's word for how such a request ends.
const cancelled = "cancelled"

// An Open request is one that has not ended.
type Open struct {
	weir.TraceInfo
	Session string
	Caller  string // for people: "opencode in ~/shop"; empty: not known
	Tool    string // the name of the client's tool; empty: not known
	Class   admission.Class
	Dialect provider.Dialect
	Start   time.Time
	Ahead   int            // requests of the lane before it; -1: it does not wait
	Tries   []weir.Attempt // the first 32
}

// underway is what has come and not ended, of a handler and those that it follows.
type underway struct {
	mu   sync.Mutex // guards the field below
	open map[string]*exchange
}

func (u *underway) begin(x *exchange) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.open[x.id] = x
}

func (u *underway) end(x *exchange) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.open, x.id)
}

func (u *underway) all() []*exchange {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make([]*exchange, 0, len(u.open))
	for _, x := range u.open {
		all = append(all, x)
	}
	return all
}

// Open returns the requests for which a slot is or will be needed and that have not
// ended, the oldest first. They are read one after the other, not in one moment.
func (h *Handler) Open() []Open {
	exchanges := h.underway.all()
	slices.SortFunc(exchanges, func(a, b *exchange) int { return cmp.Or(a.start.Compare(b.start), cmp.Compare(a.id, b.id)) })
	all := make([]Open, len(exchanges))
	for i, x := range exchanges {
		all[i] = x.show()
	}
	return all
}

// show describes an exchange whose call is complete.
func (x *exchange) show() Open {
	o := Open{
		TraceInfo: x.trace.Info(), Session: x.call.Session, Caller: x.caller.Title, Class: x.call.Class,
		Dialect: x.dialect, Start: x.start, Ahead: x.trace.Ahead(), Tries: x.trace.Attempts(),
	}
	o.ID = x.id
	if o.Lane == "" {
		o.Lane = x.call.Lane()
	}
	if x.tool != nil {
		o.Tool = x.tool.Name
	}
	return o
}

// Cancel ends the request of that id, which must wait for a slot: its client is told so,
// in a way that it does not come back. False: no such request waits.
func (h *Handler) Cancel(id string) bool {
	h.underway.mu.Lock()
	x := h.underway.open[id]
	h.underway.mu.Unlock()
	if x == nil || x.trace.Ahead() < 0 {
		return false
	}
	x.cancel(ErrCancelled)
	return true
}
