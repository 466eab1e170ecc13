package top

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"
)

// A feed tells the program what happens: views, the loss of the gateway and its return,
// what came of orders, and that time passes.
type feed struct {
	connect func(context.Context) (Gateway, error)
	send    func(tea.Msg)
}

// errEnded is a stream that ended without saying why.
var errEnded = errors.New("the gateway has ended the connection")

// watch follows the gateway until ctx ends, and looks for it when it is lost.
func (f *feed) watch(ctx context.Context, gateway Gateway) {
	const soon, late = 200 * time.Millisecond, 2 * time.Second
	pause := soon
	for {
		err := errEnded
		if gateway != nil {
			f.send(foundMsg{gateway})
			for view, why := range gateway.Watch(ctx) {
				if why != nil {
					err = why
					break
				}
				cleanView(view)
				f.send(viewMsg{view, time.Now()})
				pause = soon
			}
		}
		for gateway = nil; gateway == nil; {
			if ctx.Err() != nil {
				return
			}
			f.send(lostMsg{err, time.Now()})
			if !wait(ctx, pause) {
				return
			}
			pause = min(2*pause, late)
			gateway, err = f.connect(ctx)
			if err != nil {
				gateway = nil
			}
		}
	}
}

// wait waits, and tells whether ctx still holds.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// An order is what the user wants done, and what is said when it is.
type order struct {
	gateway Gateway
	do      func(context.Context, Gateway) error
	said    string
}

// obey carries out orders, one at a time.
func (f *feed) obey(ctx context.Context, orders <-chan order) {
	const patience = 10 * time.Second
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-orders:
			ctx, cancel := context.WithTimeout(ctx, patience)
			err := o.do(ctx, o.gateway)
			cancel()
			if err != nil {
				o.said = "not done: " + clean(err.Error())
			}
			f.send(doneMsg{o.said})
		}
	}
}

// tick tells the time, each second.
func (f *feed) tick(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		f.send(tickMsg{time.Now()})
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// rescue hands a panic to the program, which gives the terminal back before it ends.
func (f *feed) rescue() {
	if v := recover(); v != nil {
		f.send(panicMsg{v})
	}
}
