package lab

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// A Row is a result and what its scenario is called on the command line.
type Row struct {
	Name string
	Result
}

// Table writes results for people: one line a scenario, aligned.
func Table(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SCENARIO\tGOODPUT (WORST)\tREFUSED\tA RUN (WORST)\tFIND\tDROP\tRISE\tMAKESPAN (WORST)\tLIMIT\tCAUSE (NAMED, RIGHT)\tWAIT P50, P95")
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join([]string{
			r.Name, pair(r.Goodput, r.WorstGoodput, percent), fmt.Sprintf("%.2f %%", 100*r.Refused), fmt.Sprintf("%.4g (%d)", r.Refusals, r.RefusalsWorst),
			span(r.FindS), span(r.DropS), span(r.RiseS), pair(r.MakespanRatio, r.MakespanWorst, times), number(r.LimitAtEnd),
			r.causeText(), span(r.WaitP50S) + ", " + span(r.WaitP95S),
		}, "\t"))
	}
	return t.Flush()
}

const nothing = "-"

func (r *Result) causeText() string {
	if r.CauseNamed == nil {
		return nothing
	}
	right := nothing
	if r.CauseRight != nil {
		right = fmt.Sprintf("%.0f %%", 100**r.CauseRight)
	}
	return fmt.Sprintf("%s (%.0f %%, %s)", r.Cause, 100**r.CauseNamed, right)
}

func percent(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }
func times(x float64) string   { return fmt.Sprintf("%.2f", x) }

func pair(x, worst *float64, text func(float64) string) string {
	if x == nil || worst == nil {
		return nothing
	}
	return fmt.Sprintf("%s (%s)", text(*x), text(*worst))
}

func number(x *float64) string {
	if x == nil {
		return nothing
	}
	return fmt.Sprintf("%g", *x)
}

// span writes seconds as a duration, no finer than is of interest.
func span(x *float64) string {
	if x == nil {
		return nothing
	}
	d := time.Duration(*x * float64(time.Second))
	switch {
	case d >= time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
