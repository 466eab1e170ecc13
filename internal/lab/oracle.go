package lab

import (
	"time"

	"github.com/weirhq/weir/internal/scenario"
)

// An oracle starts exactly when the provider would accept: it knows limits,
// outsiders, each slot's end, tokens and outages. Only noise surprises it.
type oracle struct {
	up    *scenario.Upstream
	lanes []*waitingLane
}

var _ gateway = (*oracle)(nil)

// A waitingLane is the calls that wait for one model.
type waitingLane struct {
	model   string
	calls   fifo
	blocked bool
}

func newOracle(up *scenario.Upstream) *oracle { return &oracle{up: up} }

// fifo is calls in their order.
type fifo struct {
	calls []*call
	head  int
}

func (f *fifo) len() int { return len(f.calls) - f.head }

func (f *fifo) first() *call { return f.calls[f.head] }

func (f *fifo) push(c *call) { f.calls = append(f.calls, c) }

func (f *fifo) pop() *call {
	c := f.calls[f.head]
	f.calls[f.head] = nil
	if f.head++; f.head > 64 && f.head > len(f.calls)/2 {
		f.calls = append(f.calls[:0], f.calls[f.head:]...)
		f.head = 0
	}
	return c
}

// unpop puts a call back at the head.
func (f *fifo) unpop(c *call) {
	if f.head > 0 {
		f.head--
		f.calls[f.head] = c
		return
	}
	f.calls = append([]*call{c}, f.calls...)
}

func (o *oracle) lane(model string) *waitingLane {
	for _, l := range o.lanes {
		if l.model == model {
			return l
		}
	}
	l := &waitingLane{model: model}
	o.lanes = append(o.lanes, l)
	return l
}

func (o *oracle) arrive(_ time.Duration, c *call) bool {
	o.lane(c.model).calls.push(c)
	return true
}

func (o *oracle) accepted(time.Duration, *call)    {}
func (o *oracle) ended(time.Duration, *call, bool) {}

func (o *oracle) refused(_ time.Duration, c *call) bool {
	o.lane(c.model).calls.unpop(c)
	return true
}

// poll grants what is free, those that came first first.
func (o *oracle) poll(now time.Duration, grant, _ func(*call)) time.Duration {
	wake := never
	for _, l := range o.lanes {
		l.blocked = l.calls.len() == 0
	}
	for {
		var first *waitingLane
		for _, l := range o.lanes {
			if !l.blocked && (first == nil || l.calls.first().arrived < first.calls.first().arrived) {
				first = l
			}
		}
		if first == nil {
			return wake
		}
		ok, next := o.up.Free(now, first.model)
		if !ok {
			first.blocked = true
			if next > now {
				wake = min(wake, next)
			}
			continue
		}
		c := first.calls.pop()
		first.blocked = first.calls.len() == 0
		grant(c)
	}
}

func (o *oracle) level(string, bool) int             { return 0 }
func (o *oracle) cause(time.Duration, string) string { return "" }
