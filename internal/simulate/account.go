package simulate

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/scenario"
)

// An account counts the slots and starts of one credential. It reads no clock:
// every method takes the time. The provider's lock guards it.
type account struct {
	running int         // answers that have not ended
	lagging []time.Time // when each slot that only counts on becomes free
	next    time.Time   // when the bucket has its token again
	tally   tally

	upstream *scenario.Upstream // with a scenario; nil before the first call
}

// settle forgets the slots whose lag is over at now.
func (a *account) settle(now time.Time) {
	kept := a.lagging[:0]
	for _, until := range a.lagging {
		if until.After(now) {
			kept = append(kept, until)
		}
	}
	a.lagging = kept
}

// admit takes a slot if fewer than limit are taken and the bucket of rate
// starts a second has its token. It reports whether it did. A negative limit or
// a rate of 0 means that there is none.
func (a *account) admit(now time.Time, limit int, rate float64) bool {
	a.settle(now)
	if limit >= 0 && a.running+len(a.lagging) >= limit {
		return false
	}
	if rate > 0 {
		if now.Before(a.next) {
			return false
		}
		// With a burst of one, a bucket is no more than the next moment.
		a.next = now.Add(time.Duration(float64(time.Second) / rate))
	}
	a.running++
	return true
}

// release gives a slot back, which counts on for lag.
func (a *account) release(now time.Time, lag time.Duration) {
	a.running--
	if lag > 0 {
		a.lagging = append(a.lagging, now.Add(lag))
	}
}

// account returns the named account, which it makes if need be. p.mu must be
// held.
func (p *Provider) accountLocked(name string) *account {
	a := p.accounts[name]
	if a == nil {
		a = &account{tally: tally{codes: make(map[string]int)}}
		p.accounts[name] = a
	}
	return a
}

// Account returns the name under which the statistics and the log show the
// calls made with a credential: eight hexadecimal digits of its hash, or
// "none" for the empty one.
func Account(credential string) string {
	if credential == "" {
		return "none"
	}
	sum := sha256.Sum256([]byte("weir simulate\x00" + credential))
	return hex.EncodeToString(sum[:4])
}

// credential finds the key of a call in any of the places where tools put it.
func credential(r *http.Request) string {
	if scheme, key, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	} else if scheme != "" {
		return scheme
	}
	for _, name := range [...]string{"X-Api-Key", "Api-Key", "X-Goog-Api-Key"} {
		if key := r.Header.Get(name); key != "" {
			return key
		}
	}
	if r.URL.RawQuery == "" {
		return ""
	}
	return r.URL.Query().Get("key")
}
