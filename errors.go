package weir

import (
	"fmt"
	"time"

	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

// A Reason says why weir itself answers a request. The strings are those of the
// X-Weir-Error header.
type Reason = pool.Reason

// The reasons.
const (
	QuotaClosed           = pool.QuotaClosed    // the lane is closed until the quota comes back
	AccountFlagged        = pool.AccountFlagged // the account is closed: fair use
	MaxWait               = pool.MaxWait        // the request may wait no longer
	GivenUp               = pool.GivenUp        // refused for overload again and again while others pass
	Draining              = pool.Draining       // the governor is going down
	QueueFull      Reason = "queue-full"        // too many requests, or bytes of their bodies, wait
)

// A RefusedError is a request that weir gave up or did not let in. It can be
// had from a client's error with errors.As.
type RefusedError struct {
	Reason   Reason
	Kind     provider.Kind // the verdict behind it, if there is one
	Code     string        // the provider's code behind it, if any
	Until    time.Time     // when it may work again; zero: not known
	Hint     string        // what it means, and what to do
	Lane     string
	Attempts int           // attempts that were made
	Waited   time.Duration // since the request arrived
}

// Error implements error.
func (e *RefusedError) Error() string {
	text := fmt.Sprintf("weir: %s: %s", e.Lane, e.Reason)
	if e.Code != "" {
		text += " (code " + e.Code + ")"
	}
	if !e.Until.IsZero() {
		text += ", until " + e.Until.UTC().Format(time.RFC3339)
	}
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	return text
}

// An UnreachableError is an attempt that got no answer, after its repeats.
type UnreachableError struct {
	Attempts int
	Err      error
}

// Error implements error.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("weir: no answer from the provider after %d attempts: %v", e.Attempts, e.Err)
}

// Unwrap returns the last attempt's error.
func (e *UnreachableError) Unwrap() error { return e.Err }
