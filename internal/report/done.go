package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirhq/weir/provider"
)

// done says what was already done about refusals.
func (s *survey) done(l *lane) []string {
	said := []string{s.capped(l)}
	if why := s.believed(l); why != "" {
		said = append(said, why)
	}
	if l.retries > 0 {
		text := fmt.Sprintf("Repeated: weir made %s by itself, with the request's place kept.", count(l.retries, "further attempt"))
		if l.refusing > 0 {
			text += fmt.Sprintf(" Of %s with a refusal, %s ended well all the same.", count(l.refusing, "request"), grouped(l.saved))
		}
		said = append(said, text)
	} else {
		said = append(said, "Repeated: nothing.")
	}
	if l.waiting > 0 {
		said = append(said, fmt.Sprintf("Waited: %s waited for a slot before or between attempts, %s on average and %s at most.",
			count(l.waiting, "request"), span(l.waited/time.Duration(l.waiting)), span(l.longest)))
	}
	if n, d, closed := s.shut(l.name); n+closed > 0 {
		text := fmt.Sprintf("Rested: after refusals weir started nothing for a while, %s, %s in all.", times(n), span(d))
		if n == 0 {
			text = "Rested:"
		}
		if closed > 0 {
			text += fmt.Sprintf(" It closed the lane or its account %s, for a spent quota or a flag.", times(closed))
		}
		said = append(said, text)
	}
	return said
}

// capped says which limit was kept.
func (s *survey) capped(l *lane) string {
	text := "Capped: weir bounds what is in flight at once; the limit "
	steps := changed(s.limitOf(l.name))
	if len(steps) < 2 {
		text += "did not change in this time, as it was fixed or known from before"
	} else {
		low, high := steps[0].N, steps[0].N
		for _, step := range steps {
			low, high = min(low, step.N), max(high, step.N)
		}
		text += fmt.Sprintf("(the lower one of the model's and the account's) moved %s between %d and %d, and is %d at the end",
			times(len(steps)-1), low, high, steps[len(steps)-1].N)
	}
	if n := s.byHand(l.name); n > 0 {
		text += fmt.Sprintf(". The user fixed, held or opened it by hand %s", times(n))
	}
	if l.most > 0 {
		text += fmt.Sprintf(". No attempt started with more than %d in flight", l.most)
	}
	return text + "."
}

// byHand counts what a person did to a lane or its account.
func (s *survey) byHand(name string) (n int) {
	for _, name := range []string{name, account(name)} {
		if c := s.limits[name]; c != nil {
			n += c.byHand
		}
	}
	return n
}

// believed is weir's own last conclusion of what it has met.
func (s *survey) believed(l *lane) string {
	c := s.limits[l.name]
	if other := s.limits[account(l.name)]; c == nil || other != nil && other.whyAt.After(c.whyAt) {
		c = other
	}
	if c == nil || c.why == "" {
		return ""
	}
	return fmt.Sprintf("Believed by weir while it worked, on less than this report asks for; last at %s: %s.", utc(c.whyAt), strings.TrimSuffix(cut(c.why, 600), "."))
}

// shut tells how often and how long a lane or its account rested or was closed.
func (s *survey) shut(name string) (pauses int, paused time.Duration, closed int) {
	for _, n := range []string{name, account(name)} {
		if c := s.limits[n]; c != nil {
			pauses, paused, closed = pauses+c.pauses, paused+c.paused, closed+c.closed
		}
	}
	return pauses, paused, closed
}

func (r *Report) endpointSentences(p *provider.Profile) []string {
	var text string
	switch {
	case p == nil:
		text = fmt.Sprintf("Endpoint: weir has no profile %q any more, so the address is not known here.", r.Provider)
	case p.OnCodingPlan():
		text = fmt.Sprintf("Endpoint: the profile %q sends to the coding plan's endpoint.", r.Provider)
	default:
		text = fmt.Sprintf("Endpoint: the profile %q sends to the general endpoint, not to a coding plan's.", r.Provider)
	}
	if r.Upstream != "" {
		text += fmt.Sprintf(" The gateway that runs now sends to %s.", r.Upstream)
	} else {
		text += " The journal does not keep addresses; one given at the gateway's start may have replaced the profile's."
	}
	return []string{text + ` "weir doctor --key" tells which endpoint the key belongs to.`}
}
