package simulate

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/scenario"
)

// Config says how a [Provider] behaves. The zero Config is a provider with three
// slots an account, whose answers begin after 0.2 s and end after 1 s. It may be
// copied; a Provider does not see later changes of it.
type Config struct {
	// Limit is the number of slots of an account, over all models. 0 means 3, a
	// negative number none (every call is accepted).
	Limit int
	// Schedule changes Limit in the course of time; entries must ascend. It is
	// empty by default.
	Schedule []Level
	// Lag is how long a slot counts on after its answer has ended, AbortLag after
	// its client has gone away. The zero Range means that it is free at once.
	Lag, AbortLag Range
	// Rate is the number of starts a second that an account may make: a token
	// bucket with a burst of one. Refused calls take no token. 0 means any number.
	Rate float64
	// FirstEvent is the time from a call's acceptance to the head and first event
	// of its stream. The zero Range means 200 ms.
	FirstEvent Range
	// Answer is the time from a call's acceptance to the end of its answer, stream
	// or not; if it is shorter than FirstEvent, FirstEvent counts. The zero Range
	// means 1 s.
	Answer Range
	// Refusal is how long the provider takes to refuse. The zero Range means 50 ms.
	Refusal Range
	// RetryAfter is what the header Retry-After of refusals says, rounded up to
	// whole seconds. The zero Range means that there is no such header.
	RetryAfter Range
	// InStream makes refusals come under HTTP 200: as the first event of a stream,
	// as a JSON body otherwise.
	InStream bool
	// Scenario describes the provider instead: then Limit, Schedule, Lag, AbortLag,
	// Rate, FirstEvent, Answer, Refusal, RetryAfter and Outages do not count. Each
	// account has the whole of it, from the provider's beginning on. Nil means none.
	Scenario *scenario.Scenario
	// Outages are the times in which every call is refused with code 1305.
	Outages []Window
	// Rules are scripted answers and faults; the first rule that fits a call wins,
	// and a call that none fits gets an ordinary answer. [LoadScript] reads them
	// from a file.
	Rules []Rule
	// Seed makes the random choices repeatable. 0 means a seed of its own for each
	// provider.
	Seed uint64
	// Log gets one line of JSON for each request at its end. Nil means none. Writes
	// come one at a time; an error of it is ignored.
	Log io.Writer
}

// A Level is a limit from a moment on.
type Level struct {
	From  time.Duration // since the provider was made; not negative
	Limit int           // 0 refuses every call, a negative number none
}

// A Window is a stretch of time: From is in it, To is not. Both count from the
// moment in which the provider was made.
type Window struct{ From, To time.Duration }

// A Range is a span of durations from which one is drawn evenly each time. The
// zero Range is not "no time", but means that nothing was said: the default.
// It is comparable and may be copied.
type Range struct {
	min, max time.Duration
	set      bool
}

// Exactly returns the range that holds d only. Negative durations count as 0.
func Exactly(d time.Duration) Range { return Between(d, d) }

// Between returns the range from lo to hi. Negative durations count as 0, and hi
// as lo if it is less.
func Between(lo, hi time.Duration) Range {
	lo = max(lo, 0)
	return Range{min: lo, max: max(lo, hi), set: true}
}

// ParseRange reads a duration ("200ms") or a range of them ("1s..3s").
func ParseRange(s string) (Range, error) {
	lo, hi, both := strings.Cut(s, "..")
	from, err := parseDuration(lo)
	if err != nil {
		return Range{}, err
	}
	if !both {
		return Exactly(from), nil
	}
	to, err := parseDuration(hi)
	if err != nil {
		return Range{}, err
	}
	if to < from {
		return Range{}, fmt.Errorf("range %q ends before it begins", s)
	}
	return Between(from, to), nil
}

// ParseWindow reads "10s..25s".
func ParseWindow(s string) (Window, error) {
	r, err := ParseRange(s)
	if err != nil {
		return Window{}, err
	}
	if r.min == r.max {
		return Window{}, fmt.Errorf("%q is no stretch of time; write it as 10s..25s", s)
	}
	return Window{From: r.min, To: r.max}, nil
}

// ParseSchedule reads "0s=4,30s=2": four slots at first, two after 30 seconds.
func ParseSchedule(s string) ([]Level, error) {
	var levels []Level
	for part := range strings.SplitSeq(s, ",") {
		at, n, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return nil, fmt.Errorf("%q is no TIME=LIMIT; write a schedule as 0s=4,30s=2", part)
		}
		from, err := parseDuration(at)
		if err != nil {
			return nil, err
		}
		limit, err := strconv.Atoi(n)
		if err != nil || limit < 0 {
			return nil, fmt.Errorf("%q is no limit; write a whole number, 0 or more", n)
		}
		levels = append(levels, Level{From: from, Limit: limit})
	}
	return levels, validateSchedule(levels)
}

// parseDuration reads a duration that is not negative.
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(strings.TrimSpace(s))
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no duration; write it as 200ms, 1.5s or 2m", s)
	}
	return d, nil
}

// String returns the range as [ParseRange] reads it, and "" for the zero Range.
func (r Range) String() string {
	switch {
	case !r.set:
		return ""
	case r.min == r.max:
		return r.min.String()
	}
	return r.min.String() + ".." + r.max.String()
}

// MarshalText returns what String returns.
func (r Range) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what [ParseRange] reads.
func (r *Range) UnmarshalText(text []byte) error {
	parsed, err := ParseRange(string(text))
	if err == nil {
		*r = parsed
	}
	return err
}

// or returns r, or other if nothing was said in r.
func (r Range) or(other Range) Range {
	if r.set {
		return r
	}
	return other
}

// draw returns one duration of the range; 0 for the zero Range.
func (r Range) draw(random *rand.Rand) time.Duration {
	if r.max == r.min {
		return r.min
	}
	return r.min + time.Duration(random.Int64N(int64(r.max-r.min)+1))
}

// withDefaults returns c with every zero field replaced by what it means.
func (c Config) withDefaults() Config {
	if c.Limit == 0 {
		c.Limit = 3
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	c.FirstEvent = c.FirstEvent.or(Exactly(200 * time.Millisecond))
	c.Answer = c.Answer.or(Exactly(time.Second))
	c.Refusal = c.Refusal.or(Exactly(50 * time.Millisecond))
	return c
}

// validate returns every mistake in c, joined.
func (c Config) validate() error {
	errs := []error{validateSchedule(c.Schedule)}
	if c.Scenario != nil && len(c.Scenario.Load) == 0 {
		errs = append(errs, errors.New("simulate: the scenario has no load: it does not say how long answers take"))
	}
	if c.Rate < 0 || c.Rate != c.Rate {
		errs = append(errs, fmt.Errorf("simulate: rate %v: want 0 (off) or more starts a second", c.Rate))
	}
	for _, o := range c.Outages {
		if o.From < 0 || o.To <= o.From {
			errs = append(errs, fmt.Errorf("simulate: outage %v..%v ends before it begins", o.From, o.To))
		}
	}
	for i, r := range c.Rules {
		for _, p := range r.problems(fmt.Sprintf("rules[%d]", i)) {
			errs = append(errs, fmt.Errorf("simulate: %s: %s", p.path, p.text))
		}
	}
	return errors.Join(errs...)
}

func validateSchedule(levels []Level) error {
	for i, l := range levels {
		if l.From < 0 || i > 0 && l.From <= levels[i-1].From {
			return fmt.Errorf("schedule: %v: moments must ascend from 0s on", l.From)
		}
	}
	return nil
}

// out tells whether the provider is out of order at a moment after the start.
func (c Config) out(since time.Duration) bool {
	if c.Scenario != nil { // has outages of its own
		return false
	}
	for _, o := range c.Outages {
		if o.From <= since && since < o.To {
			return true
		}
	}
	return false
}
