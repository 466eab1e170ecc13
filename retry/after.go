package retry

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAfter bounds what After returns.
const maxAfter = 31 * 24 * time.Hour

// After returns how long an answer's headers ask to wait before the next attempt,
// counted from now, and whether they say. It is never negative and at most 31 days.
// The first of these that says something sensible counts:
//
//  1. retry-after-ms: milliseconds.
//  2. Retry-After: seconds, whole or not, or an HTTP date.
//  3. x-ratelimit-reset-requests and -tokens: durations ("1m12s", "6ms") or
//     seconds, each only if its x-ratelimit-remaining-… is 0; the longer one.
//     Documented by OpenAI.
//  4. anthropic-ratelimit-…-reset: RFC 3339 moments, each only if its
//     …-remaining is 0; the last one. Documented by Anthropic.
//
// Moments are read against the answer's own Date header, since the two clocks may
// differ, and against now if it has none. The header's keys must be in canonical
// form, as those of [http.Response] are.
func After(h http.Header, now time.Time) (time.Duration, bool) {
	if wait, ok := amount(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return wait, true
	}
	base := now
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		base = date
	}
	if wait, ok := retryAfter(h.Get("Retry-After"), base); ok {
		return wait, true
	}
	if wait, ok := ratelimitReset(h); ok {
		return wait, true
	}
	return anthropicReset(h, base)
}

func retryAfter(value string, base time.Time) (time.Duration, bool) {
	if wait, ok := amount(value, time.Second); ok {
		return wait, true
	}
	at, err := http.ParseTime(strings.TrimSpace(value))
	if err != nil {
		return 0, false
	}
	return until(at, base), true
}

func ratelimitReset(h http.Header) (wait time.Duration, ok bool) {
	for _, what := range []string{"Requests", "Tokens"} {
		if !spent(h.Get("X-Ratelimit-Remaining-" + what)) {
			continue
		}
		value := strings.TrimSpace(h.Get("X-Ratelimit-Reset-" + what))
		reset, valid := amount(value, time.Second)
		if valid && reset == maxAfter {
			valid = false // an epoch, not a duration
		}
		if d, err := time.ParseDuration(value); !valid && err == nil && d >= 0 {
			reset, valid = min(d, maxAfter), true
		}
		if valid {
			wait, ok = max(wait, reset), true
		}
	}
	return wait, ok
}

func anthropicReset(h http.Header, base time.Time) (wait time.Duration, ok bool) {
	for _, what := range []string{"Requests", "Tokens", "Input-Tokens", "Output-Tokens"} {
		prefix := "Anthropic-Ratelimit-" + what
		if !spent(h.Get(prefix + "-Remaining")) {
			continue
		}
		at, err := time.Parse(time.RFC3339, strings.TrimSpace(h.Get(prefix+"-Reset")))
		if err == nil {
			wait, ok = max(wait, until(at, base)), true
		}
	}
	return wait, ok
}

// spent reports whether a remaining-header says 0. Azure's -1 means nothing.
func spent(remaining string) bool {
	n, err := strconv.ParseFloat(strings.TrimSpace(remaining), 64)
	return err == nil && n == 0
}

// amount reads a plain, non-negative decimal number of units.
func amount(value string, unit time.Duration) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if value == "" || strings.Trim(value, "0123456789.") != "" {
		return 0, false // also signs, exponents, hexadecimal and "inf"
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil && !math.IsInf(n, 1) {
		return 0, false
	}
	if n >= float64(maxAfter)/float64(unit) {
		return maxAfter, true
	}
	return time.Duration(n * float64(unit)), true
}

// until returns the time from base to at, within bounds.
func until(at, base time.Time) time.Duration {
	return min(max(at.Sub(base), 0), maxAfter)
}
