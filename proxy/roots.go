package proxy

import "sync"

// roots knows which root session a sub-agent belongs to that was sent by another
// sub-agent: its requests name only the one that has sent it. The zero value is ready,
// and safe for concurrent use.
type roots struct {
	mu sync.Mutex        // guards the field below
	of map[string]string // by session
}

// maxRoots bounds the memory; what is forgotten is learned again from the next request.
const maxRoots = 2000

// find returns the root of a session that has sent a sub-agent, and remembers it for
// those which that one sends.
func (r *roots) find(sender, own string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	root := sender
	if higher, ok := r.of[sender]; ok {
		root = higher
	}
	if own == "" || own == root {
		return root
	}
	if r.of == nil || len(r.of) >= maxRoots {
		r.of = map[string]string{}
	}
	r.of[own] = root
	return root
}
