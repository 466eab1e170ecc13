package lab

import (
	"fmt"
	"io"
	"time"

	"github.com/weirhq/weir/internal/chart"
	"github.com/weirhq/weir/internal/evidence"
)

// Draw draws a course as an SVG: the true limit, the learned level and what is in
// flight over time, and each refusal as a tick below.
func Draw(w io.Writer, title string, t *Trace) error {
	begin := time.Unix(0, 0)
	c := evidence.Course{From: begin, To: begin.Add(t.Length), InFlight: t.InFlight.steps(begin), Limit: t.Level.steps(begin), Truth: t.Truth.steps(begin)}
	for _, at := range t.Refused {
		c.Refused = append(c.Refused, begin.Add(at))
	}
	svg := chart.Staircase(c, chart.Options{
		Title: fmt.Sprintf("%s (seed %d)", title, t.Seed), Desc: "calls in flight over time", Width: 960, Height: 360, Standalone: true, Elapsed: true,
	})
	if _, err := io.WriteString(w, svg); err != nil {
		return fmt.Errorf("lab: draw: %w", err)
	}
	return nil
}

func (c Course) steps(begin time.Time) []evidence.Step {
	all := make([]evidence.Step, len(c))
	for i, s := range c {
		all[i] = evidence.Step{At: begin.Add(s.At), N: s.Slots}
	}
	return all
}
