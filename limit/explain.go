package limit

import (
	"fmt"
	"time"
)

// Explain says in one sentence what the learner believes and why.
func (l *Learner) Explain(now time.Time) string {
	if l.cfg.Min == l.cfg.Max {
		return fmt.Sprintf("%d is fixed by configuration", l.stable)
	}
	var text string
	if lv := l.level(l.stable); lv.Accepted == 0 && lv.Refused > 0 {
		text = fmt.Sprintf("%d is not accepted yet: refused %d times", l.stable, lv.Refused)
	} else if lv.Accepted > 0 {
		text = fmt.Sprintf("%d is stable: %d of %d accepted", l.stable, lv.Accepted, lv.Accepted+lv.Refused)
	} else {
		text = fmt.Sprintf("%d is where it begins: nothing is known yet", l.stable)
	}
	if d := l.currentDoubt(now); d != nil && d.count == 1 {
		return text + fmt.Sprintf("; %d was refused once and will be tried again at a calm moment", d.lowest)
	}
	if up := l.level(l.stable + 1); up.Refused > 0 {
		text += fmt.Sprintf("; %d was refused %d of %d", l.stable+1, up.Refused, up.Accepted+up.Refused)
	}
	switch {
	case l.stable >= l.cfg.Max:
		text += "; it is the highest allowed"
	case l.tokens < 1:
		text += fmt.Sprintf("; next try after %d more accepted calls", int((1-l.tokens)/earn)+1)
	case now.Before(l.next):
		text += fmt.Sprintf("; next try in %s", l.next.Sub(now).Round(time.Second))
	default:
		text += "; next try when somebody waits"
	}
	return text
}
