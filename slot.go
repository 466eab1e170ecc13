package weir

import (
	"context"
	"time"

	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
)

// A Slot is the right to have one attempt in flight. It is held from before the
// attempt is sent until it is given back. Its methods may be called concurrently.
type Slot struct {
	account  *account
	call     *Call
	entry    *pool.Entry
	deadline time.Time

	// Guarded by account.mu.
	granted bool
	turned  *pool.Turned
	ready   chan struct{} // closed when granted or turned; nil while nobody waits
	over    bool          // the request is done: nothing more happens
}

func (s *Slot) grantLocked() {
	s.granted = true
	s.signalLocked()
}

func (s *Slot) turnLocked(t *pool.Turned) {
	s.turned = t
	s.signalLocked()
}

func (s *Slot) signalLocked() {
	if s.ready != nil {
		close(s.ready)
		s.ready = nil
	}
}

// wait blocks until the slot is granted. Otherwise the request is over, and the
// error says why.
func (s *Slot) wait(ctx context.Context) error {
	a := s.account
	a.mu.Lock()
	if s.granted {
		a.mu.Unlock()
		return nil
	}
	if s.turned != nil {
		return s.turnedLocked()
	}
	ready := make(chan struct{})
	s.ready = ready
	var hold <-chan time.Time
	if !s.deadline.IsZero() {
		timer := time.NewTimer(max(0, s.deadline.Sub(a.now())))
		defer timer.Stop()
		hold = timer.C
	}
	a.mu.Unlock()

	expired := false
	select {
	case <-ready:
	case <-ctx.Done():
	case <-hold:
		expired = true
	}
	a.mu.Lock()
	switch {
	case s.turned != nil:
		return s.turnedLocked()
	case s.granted && (expired || ctx.Err() == nil):
		a.mu.Unlock()
		return nil
	case s.granted: // the slot came in the moment in which its client left: hand it on
		s.endLocked(limit.Unsent)
		return context.Cause(ctx)
	case expired:
		s.turned = &pool.Turned{Reason: MaxWait, Hint: "the request waited as long as it may; more is in flight or queued than the provider bears"}
	}
	now := a.now()
	s.ready = nil
	a.pool.Cancel(now, s.entry)
	err := context.Cause(ctx)
	if s.turned != nil {
		err = s.refusedLocked(now)
	}
	s.overLocked()
	a.settle(now)
	return err
}

// turnedLocked ends a request that was turned away. It unlocks a.mu.
func (s *Slot) turnedLocked() error {
	defer s.account.mu.Unlock()
	s.overLocked()
	return s.refusedLocked(s.account.now())
}

func (s *Slot) refusedLocked(now time.Time) error {
	return refused(s.call, s.turned, s.entry.Attempts(), now.Sub(s.entry.Arrived()))
}

func (s *Slot) overLocked() {
	if !s.over {
		s.over = true
		s.account.alive--
	}
}

// endLocked gives the slot back for good and unlocks a.mu.
func (s *Slot) endLocked(how limit.End) {
	a := s.account
	now := a.now()
	a.pool.Ended(now, s.entry, how)
	s.overLocked()
	a.settle(now)
}

// Accepted says that the provider has taken the attempt: its first good event
// or its good head has come. It is the evidence that the limit is learned from.
func (s *Slot) Accepted() {
	a := s.account
	a.mu.Lock()
	now := a.now()
	a.pool.Accepted(now, s.entry)
	a.settle(now)
}

// complete is Accepted and Release at once, for an answer that came whole.
func (s *Slot) complete() {
	a := s.account
	a.mu.Lock()
	if s.over {
		a.mu.Unlock()
		return
	}
	now := a.now()
	a.pool.Accepted(now, s.entry)
	a.pool.Ended(now, s.entry, limit.Answered)
	s.overLocked()
	a.settle(now)
}

// Release gives the slot back: the answer has wholly ended (answered), or it
// broke or its client went away. Only the first call counts.
func (s *Slot) Release(answered bool) {
	s.account.mu.Lock()
	if s.over {
		s.account.mu.Unlock()
		return
	}
	how := limit.Abandoned
	if answered {
		how = limit.Answered
	}
	s.endLocked(how)
}

// Refuse gives the slot back because of the attempt's outcome. If the request is
// worth another attempt, it waits for a slot again, with its place kept: true means
// that the caller holds one. False without an error means that the provider's
// answer is to be passed on. An error ends the request as in [Governor.Acquire].
func (s *Slot) Refuse(ctx context.Context, o pool.Outcome) (again bool, err error) {
	a := s.account
	a.mu.Lock()
	now := a.now()
	s.granted = false
	if a.pool.Refused(now, s.entry, o) == pool.Pass {
		s.overLocked()
		a.settle(now)
		return false, nil
	}
	a.settle(now)
	if err := s.wait(ctx); err != nil {
		return false, err
	}
	return true, nil
}

// Ahead returns how many requests of the lane are ahead of this one, or -1 if it
// does not wait.
func (s *Slot) Ahead() int {
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pool.Ahead(a.now(), s.entry)
}

// refused makes the error of a request that was turned away.
func refused(c *Call, t *pool.Turned, attempts int, waited time.Duration) *RefusedError {
	return &RefusedError{Reason: t.Reason, Kind: t.Kind, Code: t.Code, Until: t.Until, Hint: t.Hint, Lane: c.Lane(), Attempts: attempts, Waited: waited}
}
