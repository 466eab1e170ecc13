package provider

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// maxWait bounds each wait that a body asks for.
const maxWait = 31 * 24 * time.Hour

var (
	waitInText  = lazily(`(?i)\b(?:again|retry|wait)(?: (?:in|after|for))?:? (?:about )?((?:\d+(?:\.\d+)?\s*[a-z]+\s*)+)`)
	waitChinese = lazily(`(\d+(?:\.\d+)?)\s*秒后`)
	retryDelay  = lazily(`"retryDelay"\s*:\s*"(\d+(?:\.\d+)?)s"`)
	amount      = lazily(`(?i)(\d+(?:\.\d+)?)\s*([a-z]+)`)
)

var units = map[string]time.Duration{
	"ms": time.Millisecond, "millisecond": time.Millisecond, "milliseconds": time.Millisecond,
	"s": time.Second, "sec": time.Second, "secs": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "mins": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hrs": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
}

// wait returns how long the body asks to wait: by a field of its own, by Google's
// retryDelay, or in its text. 0 if it does not say.
func (f *fault) wait() time.Duration {
	if n, ok := number(f.retryMs); ok {
		return bounded(n * float64(time.Millisecond))
	}
	if n, ok := number(f.retry); ok {
		return bounded(n * float64(time.Second))
	}
	if m := retryDelay().FindStringSubmatch(f.details); m != nil {
		n, _ := number(m[1])
		return bounded(n * float64(time.Second))
	}
	if m := waitInText().FindStringSubmatch(f.text); m != nil {
		return spelledOut(m[1])
	}
	if m := waitChinese().FindStringSubmatch(f.text); m != nil {
		n, _ := number(m[1])
		return bounded(n * float64(time.Second))
	}
	return 0
}

// spelledOut reads "11.75s", "10h17m5.7s" or "2 minutes", up to the first word that
// is no unit.
func spelledOut(s string) time.Duration {
	var sum float64
	for _, m := range amount().FindAllStringSubmatch(s, 8) {
		unit, ok := units[strings.ToLower(m[2])]
		if !ok {
			break
		}
		n, _ := number(m[1])
		sum += n * float64(unit)
	}
	return bounded(sum)
}

// number reads a plain number that is not negative.
func number(s string) (float64, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || n < 0 || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, false
	}
	return n, true
}

// bounded turns nanoseconds into a duration of at most maxWait.
func bounded(nanoseconds float64) time.Duration {
	if nanoseconds >= float64(maxWait) {
		return maxWait
	}
	return time.Duration(nanoseconds)
}

// Zone returns UTC+8, by which Z.AI and BigModel reckon their days.
func Zone() *time.Location { return china }

// china is the zone of Z.AI's and BigModel's naive times, on both hosts and in both
// languages. Measured: an answer of 2026-09-11T14:45:20Z named "2026-09-12
// 00:35:41", the host's own usage page 2026-09-11T16:35:41Z.
var china = time.FixedZone("UTC+8", 8*60*60)

// A window is the span after now in which a reset of some kind must lie.
type window struct {
	length time.Duration // what the provider promises, and some slack for clocks
	daily  bool          // without a moment, the end of the day in UTC+8 is meant
}

var windows = map[string]window{
	"5h":    {length: 5*time.Hour + 15*time.Minute},
	"day":   {length: 24*time.Hour + 15*time.Minute, daily: true},
	"7d":    {length: 7*24*time.Hour + time.Hour},
	"month": {length: 31*24*time.Hour + time.Hour},
	"":      {length: 31*24*time.Hour + time.Hour},
}

var resetInText = lazily(
	`(?i)(?:\bresets? (?:at|on)|将在|将于|重置时间)[ :：]*(\d{4}-)?(\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?) ?(UTC\b|GMT\b|Z\b|[+-]\d\d:?\d\d\b)?`)

// resetTime returns the moment that a text names for the return of an allowance,
// zero if there is none or it cannot be true: it must lie after now and within the
// window. Read in the wrong zone it would close a lane for eight hours too long.
func resetTime(text, windowName string, now time.Time) time.Time {
	w := windows[windowName]
	m := resetInText().FindStringSubmatch(text)
	if m == nil {
		if w.daily && !now.IsZero() {
			year, month, day := now.In(china).Date()
			return time.Date(year, month, day+1, 0, 0, 0, 0, china)
		}
		return time.Time{}
	}
	years := []string{m[1]}
	if m[1] == "" { // the year is left out: it is this one, or the next at its end
		year := now.In(china).Year()
		years = []string{strconv.Itoa(year) + "-", strconv.Itoa(year+1) + "-"}
	}
	for _, year := range years {
		at, err := parseMoment(year+m[2]+" "+m[3], m[4])
		if err == nil && at.After(now) && at.Sub(now) <= w.length {
			return at
		}
	}
	return time.Time{}
}

// parseMoment reads "2006-01-02 15:04:05", with or without seconds, in the zone
// that is named, else in UTC+8.
func parseMoment(moment, zone string) (time.Time, error) {
	layout := "2006-01-02 15:04:05"
	if strings.Count(moment, ":") == 1 {
		layout = "2006-01-02 15:04"
	}
	switch strings.ToUpper(zone) {
	case "":
		return time.ParseInLocation(layout, moment, china)
	case "UTC", "GMT", "Z":
		return time.Parse(layout, moment)
	}
	return time.Parse(layout+" -0700", moment+" "+strings.Replace(zone, ":", "", 1))
}
