package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// A report is what a scenario has found.
type report struct {
	Scenario string `json:"scenario"`
	About    string `json:"about"`
	Against  string `json:"against,omitempty"` // whose figures stand under bare; empty: bare's
	Rows     []row  `json:"rows"`
	// Notes say what a reader must know to read the figures right.
	Notes []string `json:"notes,omitempty"`
}

// A row is one figure. Values that do not exist are NaN here and null in JSON.
type row struct {
	What  string `json:"what"`
	Unit  string `json:"unit"`
	Bare  figure `json:"bare"`
	Weir  figure `json:"weir"`
	Ratio figure `json:"ratio"` // weir/bare, the median of the rounds' own ratios
	Low   figure `json:"low"`   // the smallest of the rounds' ratios
	High  figure `json:"high"`  // the largest of them
	Goal  string `json:"goal,omitempty"`
	Met   *bool  `json:"met,omitempty"` // nil without a goal
}

// A figure is a number that may be missing (NaN).
type figure float64

// MarshalJSON writes a missing figure as null, which JSON has and NaN it has
// not.
func (f figure) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(f), 'g', 6, 64), nil
}

// String writes a figure with three digits or so, a missing one as a dash.
func (f figure) String() string {
	switch x := math.Abs(float64(f)); {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "–"
	case x >= 100 || x == math.Trunc(x):
		return strconv.FormatFloat(float64(f), 'f', 0, 64)
	case x >= 10:
		return strconv.FormatFloat(float64(f), 'f', 1, 64)
	default:
		return strconv.FormatFloat(float64(f), 'f', 2, 64)
	}
}

// compare makes a row of the rounds' figures, without a goal.
func compare(what, unit string, bare, weir []float64) row {
	r := row{What: what, Unit: unit, Bare: figure(median(bare)), Weir: figure(median(weir))}
	ratios := divide(weir, bare)
	r.Ratio, r.Low, r.High = figure(median(ratios)), figure(math.NaN()), figure(math.NaN())
	if len(ratios) > 0 {
		r.Low, r.High = figure(slices.Min(ratios)), figure(slices.Max(ratios))
	}
	return r
}

// only makes a row of a figure that bare does not have.
func only(what, unit string, weir float64) row {
	return compare(what, unit, nil, []float64{weir})
}

// atMost sets the goal that the ratio is at most goal.
func (r row) atMost(goal float64) row {
	met := float64(r.Ratio) <= goal
	r.Goal, r.Met = fmt.Sprintf("≤ %v × bare", goal), &met
	return r
}

// within sets the goal that weir's figure is at most bare's and goal more.
func (r row) within(goal float64) row {
	met := float64(r.Weir) <= float64(r.Bare)+goal
	r.Goal, r.Met = fmt.Sprintf("≤ bare + %v %s", goal, r.Unit), &met
	return r
}

// below sets the goal that weir's figure is at most goal.
func (r row) below(goal float64) row {
	met := float64(r.Weir) <= goal
	r.Goal, r.Met = fmt.Sprintf("≤ %v", goal), &met
	return r
}

// write prints the table and the line of JSON.
func (r report) write(w io.Writer) error {
	against := cmp.Or(r.Against, "bare")
	for i := range r.Rows {
		r.Rows[i].Goal = strings.Replace(r.Rows[i].Goal, "bare", against, 1)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s: %s\tunit\t%s\tweir\tratio\trounds\tgoal\t\n", r.Scenario, r.About, against)
	for _, row := range r.Rows {
		met := ""
		if row.Met != nil {
			met = "missed"
			if *row.Met {
				met = "met"
			}
		}
		spread := "–"
		if row.High > row.Low {
			spread = row.Low.String() + "–" + row.High.String()
		}
		fmt.Fprintf(t, "%s\t%s\t%v\t%v\t%v\t%s\t%s\t%s\n", row.What, row.Unit, row.Bare, row.Weir, row.Ratio, spread, row.Goal, met)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
	return json.NewEncoder(w).Encode(r)
}
