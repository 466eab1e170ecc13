package proxy

import (
	"time"

	"github.com/weirhq/weir/internal/tools"
)

// Hold says how long clients are kept waiting. Zero fields are not said.
type Hold struct {
	Silent    time.Duration // without a byte, while every status is still possible; default 40 s
	Stream    time.Duration // in all, for streams, which are kept alive after Silent; default 220 s
	Plain     time.Duration // in all, for other requests, silently; default 280 s
	KeepAlive time.Duration // between keep-alives; default 10 s
}

// defaultHold suits each client that was measured.
var defaultHold = Hold{Silent: 40 * time.Second, Stream: 220 * time.Second, Plain: 280 * time.Second, KeepAlive: 10 * time.Second}

// or fills in what is not said.
func (h Hold) or(other Hold) Hold {
	set := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	set(&h.Silent, other.Silent)
	set(&h.Stream, other.Stream)
	set(&h.Plain, other.Plain)
	set(&h.KeepAlive, other.KeepAlive)
	return h
}

// holds are what the user has said of all clients, and of tools by name.
type holds struct {
	all  Hold
	tool map[string]Hold
}

// of returns how long a caller is kept waiting.
func (h holds) of(c tools.Caller) Hold {
	known := Hold{Silent: c.Tool.Hold.Silent, Stream: c.Tool.Hold.Stream, Plain: c.Tool.Hold.Plain}
	hold := h.tool[c.Tool.Name].or(h.all).or(known).or(defaultHold)
	if c.Patience > 0 { // it hangs up then, unless it has heard something
		hold.Silent = min(hold.Silent, c.Patience*2/3)
		hold.Plain = min(hold.Plain, c.Patience*9/10)
	}
	return hold
}
