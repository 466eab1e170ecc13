package dashboard

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/evidence"
	"github.com/weirhq/weir/pool"
)

// words says the most important thing of a view.
func (v *View) words() string {
	gravest := ""
	for _, l := range v.Lanes {
		switch l.State {
		case LaneFlagged, LaneClosed, LaneHeld:
			gravest = l.Model + ": " + l.Words
		}
		if l.State == LaneFlagged {
			break
		}
	}
	switch {
	case v.Draining:
		return fmt.Sprintf("going down: %s still to finish", evidence.Count(v.Running+v.Queued, "request"))
	case gravest != "":
		return gravest
	case len(v.Lanes) == 0:
		return "nothing has come yet: start a tool with weir run, or point one at this address"
	case v.Running+v.Queued == 0:
		return "nothing runs or waits"
	case v.Queued == 0:
		return "nobody waits"
	}
	l := slices.MaxFunc(v.Lanes, func(a, b Lane) int { return cmp.Compare(a.Queued, b.Queued) }) // the first of the longest lines
	return fmt.Sprintf("%s: %s", l.Model, l.Words)
}

// judge says in what state a lane is, and what that means.
func (l *Lane) judge(a pool.Snapshot, s pool.LaneSnapshot, zone *time.Location, now time.Time) {
	switch {
	case a.Flagged != nil && a.Flagged.Until.After(now):
		l.State, l.Until = LaneFlagged, moment(a.Flagged.Until)
		l.Words = "the provider minds how the account is used" + code(a.Flagged.Code) + ": nothing is sent until " + clock(a.Flagged.Until, now, zone) + ", or until it is resumed"
	case s.Closed != nil:
		l.State, l.Until = LaneClosed, moment(s.Closed.Until)
		l.Words = "quota" + code(s.Closed.Code) + ": " + back(s.Closed, zone, now)
	case s.Held != nil:
		l.State = LaneHeld
		l.Words = "paused by hand: nothing starts until it is resumed"
	case s.Paused != nil && s.Paused.Until.After(now):
		l.State, l.Until = LanePaused, moment(s.Paused.Until)
		l.Words = fmt.Sprintf("paused %s: %s", seconds(s.Paused.Until.Sub(now)), s.Paused.Why)
	default:
		l.State = LaneOpen
		if s.InFlight+s.Queued == 0 {
			l.State = LaneIdle
		}
		l.Words = s.Brief
		full := len(a.Lanes) > 1 && a.InFlight >= a.Limit && s.InFlight < s.Limit
		if a.Limit < s.Limit || full && s.Queued > 0 {
			l.Words = "all models together: " + a.Brief
		}
		if s.Overload {
			l.Words = "the provider is overloaded: one request at a time tries; " + l.Words
		}
	}
}

// back says when a closed lane opens.
func back(c *pool.Closure, zone *time.Location, now time.Time) string {
	switch {
	case c.Until.After(now):
		return "back at " + clock(c.Until, now, zone) + " your time"
	case c.Trial.After(now):
		return "spent, until when is not known; one request may try at " + clock(c.Trial, now, zone) + " your time"
	}
	return "spent, until when is not known; the next request tries"
}

func code(c string) string {
	if c == "" {
		return ""
	}
	return " (" + c + ")"
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// clock writes a moment as people say it, with the day if it is another one.
func clock(t, now time.Time, zone *time.Location) string {
	t, now = t.In(zone), now.In(zone)
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04")
	}
	return t.Format("Mon 2 Jan 15:04")
}

// seconds writes a time that is left.
func seconds(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(math.Ceil(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(math.Ceil(d.Minutes())))
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
