package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// WriteJSON writes the results for programs.
func WriteJSON(w io.Writer, results []Result) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Wrong  int      `json:"wrong"`
		Checks []Result `json:"checks"`
	}{Count(results, Wrong), results})
}

// WriteText writes the results for people, aligned.
func WriteText(w io.Writer, results []Result) error {
	width := 0
	for _, r := range results {
		width = max(width, len(r.Name))
	}
	var b strings.Builder
	for _, r := range results {
		fmt.Fprintf(&b, "%-7s  %-*s  %s\n", r.Status, width, r.Name, line(r.Saw))
		if r.Status == OK && r.Do == "" && r.Means == "" {
			continue
		}
		indent := strings.Repeat(" ", 7+2+width+2)
		if r.Means != "" {
			fmt.Fprintf(&b, "%s%s\n", indent, line(r.Means))
		}
		if r.Do != "" {
			fmt.Fprintf(&b, "%s→ %s\n", indent, line(r.Do))
		}
	}
	fmt.Fprintf(&b, "\n%s\n", summary(results))
	_, err := io.WriteString(w, b.String())
	return err
}

// line keeps what came from files and other programs on one line and away from the
// terminal's controls.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

func summary(results []Result) string {
	wrong, warn, skipped := Count(results, Wrong), Count(results, Warn), Count(results, Skipped)
	var parts []string
	if wrong > 0 {
		parts = append(parts, fmt.Sprintf("%d wrong", wrong))
	}
	if warn > 0 {
		parts = append(parts, fmt.Sprintf("%d to look at", warn))
	}
	if skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d not checked", skipped))
	}
	if len(parts) == 0 {
		return "all is well"
	}
	return strings.Join(parts, ", ")
}
