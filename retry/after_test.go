package retry_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/retry"
)

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestAfter(t *testing.T) {
	date := start.Add(-time.Hour).Format(http.TimeFormat) // the provider's clock is an hour behind
	in := func(d time.Duration) string { return start.Add(d).Format(http.TimeFormat) }
	tests := []struct {
		name string
		h    http.Header
		want time.Duration
		ok   bool
	}{
		{"no headers", nil, 0, false},
		{"seconds", headers("retry-after", "14"), 14 * time.Second, true},
		{"seconds with blanks", headers("retry-after", " 14 "), 14 * time.Second, true},
		{"part of a second", headers("retry-after", "0.25"), 250 * time.Millisecond, true},
		{"no time at all", headers("retry-after", "0"), 0, true},
		{"days", headers("retry-after", "287441"), 287441 * time.Second, true},
		{"more than a month", headers("retry-after", "99999999999999999999"), 31 * 24 * time.Hour, true},
		{"milliseconds win", headers("retry-after", "9", "retry-after-ms", "997"), 997 * time.Millisecond, true},
		{"milliseconds that are garbage do not", headers("retry-after", "9", "retry-after-ms", "soon"), 9 * time.Second, true},
		{"a date", headers("retry-after", in(time.Minute)), time.Minute, true},
		{"a date against the answer's own", headers("retry-after", in(time.Minute), "date", date), time.Hour + time.Minute, true},
		{"a date that is past", headers("retry-after", in(-time.Minute)), 0, true},
		{"a date of the old form", headers("retry-after", start.Add(time.Minute).Format("Monday, 02-Jan-06 15:04:05 GMT")), time.Minute, true},
		{"a date in a far year", headers("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT"), 31 * 24 * time.Hour, true},
		{"a negative number", headers("retry-after", "-1"), 0, false},
		{"an exponent", headers("retry-after", "1e3"), 0, false},
		{"infinity", headers("retry-after", "inf"), 0, false},
		{"two points", headers("retry-after", "1.2.3"), 0, false},
		{"a point", headers("retry-after", "."), 0, false},
		{"a word", headers("retry-after", "soon"), 0, false},
		{"requests are spent", headers("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "1m12s"), 72 * time.Second, true},
		{"tokens are spent", headers("x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "6ms"), 6 * time.Millisecond, true},
		{"both are spent: the longer", headers("x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "6s",
			"x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "2"), 6 * time.Second, true},
		{"only one is spent", headers("x-ratelimit-remaining-tokens", "7", "x-ratelimit-reset-tokens", "6m",
			"x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "2s"), 2 * time.Second, true},
		{"nothing is spent", headers("x-ratelimit-remaining-requests", "3", "x-ratelimit-reset-requests", "1m12s"), 0, false},
		{"a remainder of -1 means nothing", headers("x-ratelimit-remaining-requests", "-1", "x-ratelimit-reset-requests", "1m12s"), 0, false},
		{"an epoch is no duration", headers("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "1779792169974"), 0, false},
		{"a negative duration", headers("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "-5s"), 0, false},
		{"Anthropic's requests are spent", headers("anthropic-ratelimit-requests-remaining", "0", "anthropic-ratelimit-requests-reset", start.Add(90*time.Second).Format(time.RFC3339)), 90 * time.Second, true},
		{"Anthropic's, against the answer's date", headers("anthropic-ratelimit-input-tokens-remaining", "0", "date", date, "anthropic-ratelimit-input-tokens-reset", start.Format(time.RFC3339)), time.Hour, true},
		{"Anthropic's are not spent", headers("anthropic-ratelimit-requests-remaining", "1", "anthropic-ratelimit-requests-reset", start.Add(time.Hour).Format(time.RFC3339)), 0, false},
		{"Retry-After before the others", headers("retry-after", "5", "x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "1h"), 5 * time.Second, true},
		{"garbage before the others", headers("retry-after", "?", "x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "1h"), time.Hour, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := retry.After(tt.h, start)
			if got != tt.want || ok != tt.ok {
				t.Errorf("got %v, %v; want %v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestAfterReadsWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.Int64Range(0, 31*24*3600).Draw(t, "seconds")
		want := time.Duration(seconds) * time.Second
		clock := start.Add(time.Duration(rapid.Int64Range(-1e6, 1e6).Draw(t, "skew")) * time.Second)
		written := map[string]http.Header{
			"seconds":      headers("Retry-After", strconv.FormatInt(seconds, 10)),
			"milliseconds": headers("Retry-After-Ms", strconv.FormatInt(seconds*1000, 10)),
			"date":         headers("Retry-After", clock.Add(want).Format(http.TimeFormat), "Date", clock.Format(http.TimeFormat)),
			"duration":     headers("X-Ratelimit-Remaining-Tokens", "0", "X-Ratelimit-Reset-Tokens", want.String()),
			"moment": headers("Anthropic-Ratelimit-Tokens-Remaining", "0", "Date", clock.Format(http.TimeFormat),
				"Anthropic-Ratelimit-Tokens-Reset", clock.Add(want).Format(time.RFC3339)),
		}
		for form, h := range written {
			if got, ok := retry.After(h, start); got != want || !ok {
				t.Fatalf("%s: got %v, %v, want %v", form, got, ok, want)
			}
		}
	})
}

func FuzzAfter(f *testing.F) {
	f.Add("14", "", "", "", "", "", "")
	f.Add("Fri, 11 Sep 2026 12:00:30 GMT", "997", "Fri, 11 Sep 2026 12:00:00 GMT", "0", "1m12s", "0", "2026-09-11T12:01:00Z")
	f.Add("-1", "1e99", "never", "-1", "6ms", "0.0", "9999-12-31T23:59:59+23:59")
	f.Add("0x10", "Infinity", "", "0", "99999999h", "0", "0000-01-01T00:00:00Z")
	f.Fuzz(func(t *testing.T, after, ms, date, remaining, reset, left, moment string) {
		h := http.Header{
			"Retry-After": {after}, "Retry-After-Ms": {ms}, "Date": {date},
			"X-Ratelimit-Remaining-Requests": {remaining}, "X-Ratelimit-Reset-Requests": {reset},
			"Anthropic-Ratelimit-Tokens-Remaining": {left}, "Anthropic-Ratelimit-Tokens-Reset": {moment},
		}
		wait, ok := retry.After(h, start)
		if wait < 0 || wait > 31*24*time.Hour || !ok && wait != 0 {
			t.Errorf("got %v, %v", wait, ok)
		}
	})
}
