package weir

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weirhq/weir/provider"
)

// A Trace watches one request through a [Transport]: put one into its context
// with [WithTrace] and read [Trace.Info] at any time. The zero Trace is ready.
type Trace struct {
	mu       sync.Mutex // guards the fields below
	info     TraceInfo
	slot     *Slot
	attempts []Attempt
}

// maxTraced is how many attempts of a request are remembered one by one.
const maxTraced = 32

// An Attempt is one attempt of a request.
type Attempt struct {
	Start     time.Time
	End       time.Time // of the answer, or of what was read of a refusal; zero: it goes on
	Level     int       // attempts in flight in the lane at the start, itself included
	Kind      provider.Kind
	Code      string // the provider's
	RequestID string // the provider's
}

// TraceInfo is what is known of a request.
type TraceInfo struct {
	ID       string
	Lane     string
	Attempts int
	Arrived  time.Time
	Admitted time.Time       // first admission; zero: it was never admitted
	Waited   time.Duration   // for slots, in all
	Level    int             // attempts in flight in the lane at the last start, itself included
	Verdicts []provider.Kind // of all attempts
	Last     provider.Verdict
	Hint     time.Duration // how long the provider asked to wait at the last attempt; 0: not said
	Refused  *RefusedError // weir gave the request up or did not let it in
	Passed   bool          // the answer is the provider's own
	Whole    bool          // the provider's answer had ended before it was passed on
	Cut      bool          // the provider's answer broke off
	Left     bool          // the caller went away before the answer ended
	Merged   int           // frames of the provider's stream that were merged into others
	Bytes    int64         // of the answer
	Event    []byte        // data of the event by which a stream that began well said its error; not for logs
}

// Info returns what is known now.
func (t *Trace) Info() TraceInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	info := t.info
	info.Verdicts = slices.Clone(info.Verdicts)
	return info
}

// Attempts returns the attempts so far, at most the first 32.
func (t *Trace) Attempts() []Attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.attempts)
}

// begin remembers an attempt that starts. A nil Trace remembers nothing.
func (t *Trace) begin(a Attempt) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.attempts) < maxTraced {
		t.attempts = append(t.attempts, a)
	}
}

// finish changes what is remembered of the last attempt. A nil Trace remembers
// nothing.
func (t *Trace) finish(change func(*Attempt)) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.info.Attempts; n > 0 && n <= len(t.attempts) {
		change(&t.attempts[n-1])
	}
}

// Ahead returns how many requests of the lane are ahead, or -1 if the request
// does not wait.
func (t *Trace) Ahead() int {
	t.mu.Lock()
	s := t.slot
	t.mu.Unlock()
	if s == nil {
		return -1
	}
	return s.Ahead()
}

// note changes what is known. A nil Trace knows nothing.
func (t *Trace) note(change func(*TraceInfo)) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.info)
}

// waitsFor lets Ahead know whom to ask. A nil Trace knows nothing.
func (t *Trace) waitsFor(s *Slot) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slot = s
}

type traceKey struct{}

// WithTrace returns a context whose request the trace will watch.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

func traceFrom(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey{}).(*Trace)
	return t
}
