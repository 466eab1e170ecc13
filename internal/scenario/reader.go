package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/weirhq/weir/internal/yamlfile"
)

// A reader reads what scenarios have beside what all files have.
type reader struct{ yamlfile.Reader }

type fields = yamlfile.Fields

// An Error is one mistake in a scenario file.
type Error = yamlfile.Error

// dist reads a distribution in any of its forms, whose mean is at least so long.
func (r *reader) dist(n ast.Node, what string, least time.Duration) Dist {
	d := r.form(n, what)
	if mean := d.Average(); d.Kind != Absent && mean < least {
		r.Fail(n, fmt.Sprintf("%s is %s on average", what, yamlfile.Brief(mean)), fmt.Sprintf("give at least %s", yamlfile.Brief(least)))
		return Dist{}
	}
	return d
}

func (r *reader) form(n ast.Node, what string) Dist {
	const forms = "give a duration 300ms, a range 1s..3s, {median: 12s, sigma: 0.8, min: 2s, max: 90s} or {mean: 20s}"
	if m, ok := n.(*ast.MappingNode); ok {
		return r.longForm(m, what)
	}
	text := yamlfile.Scalar(n)
	from, to, isRange := strings.Cut(text, "..")
	if !isRange {
		to = from
	}
	a, okA := yamlfile.ParseDuration(from)
	b, okB := yamlfile.ParseDuration(to)
	switch {
	case !okA || !okB:
		r.Fail(n, fmt.Sprintf("%s is %s", what, r.Describe(n)), forms)
	case a < 0 || b > yamlfile.MaxDuration:
		r.Fail(n, fmt.Sprintf("%s is %s", what, yamlfile.Short(text)), fmt.Sprintf("give durations from 0s to %s", yamlfile.Brief(yamlfile.MaxDuration)))
	case a > b:
		r.Fail(n, fmt.Sprintf("%s is %s", what, yamlfile.Short(text)), "put the shorter end first")
	case a == b:
		return Dist{Kind: Constant, Mean: a}
	default:
		return Dist{Kind: Uniform, Min: a, Max: b}
	}
	return Dist{}
}

func (r *reader) longForm(m *ast.MappingNode, what string) Dist {
	if slices.ContainsFunc(m.Values, func(v *ast.MappingValueNode) bool { return yamlfile.Key(v) == "mean" }) {
		d := Dist{Kind: Exponential}
		r.Mapping(m, what, fields{{"mean", func(n ast.Node) { d.Mean = r.Duration(n, "mean", 0) }}})
		return d
	}
	d := Dist{Kind: LogNormal}
	wrong := r.Wrong()
	k := r.Mapping(m, what, fields{
		{"median", func(n ast.Node) { d.Mean = r.Duration(n, "median", time.Microsecond) }},
		{"sigma", func(n ast.Node) { d.Sigma = r.Number(n, "sigma", 0.01, 5) }},
		{"min", func(n ast.Node) { d.Min = r.Duration(n, "min", 0) }},
		{"max", func(n ast.Node) { d.Max = r.Duration(n, "max", time.Microsecond) }},
		{"mean", nil}, // to be suggested
	})
	r.Needs(m, what, k, "median", "sigma")
	if r.Wrong() > wrong {
		return Dist{}
	}
	if d.Mean < d.Min || d.Max > 0 && d.Mean > d.Max {
		r.Fail(k["median"], fmt.Sprintf("the median of %s is not between min and max", what), "move one of them")
		return Dist{}
	}
	return d
}

// countRange reads a number, or a range of numbers.
func (r *reader) countRange(n ast.Node, what string, least, most int) (low, high int) {
	if s, ok := n.(*ast.StringNode); ok {
		from, to, isRange := strings.Cut(s.Value, "..")
		a, errA := strconv.Atoi(strings.TrimSpace(from))
		b, errB := strconv.Atoi(strings.TrimSpace(to))
		if isRange && errA == nil && errB == nil && least <= a && a <= b && b <= most {
			return a, b
		}
		r.Fail(n, fmt.Sprintf("%s is %s", what, r.Describe(n)), fmt.Sprintf("give a whole number or a range such as 1..6, from %d to %d, the lower first", least, most))
		return 0, 0
	}
	low = r.Count(n, what, least, most)
	return low, low
}

// text reads a name.
func (r *reader) text(n ast.Node, what string) string {
	s, ok := n.(*ast.StringNode)
	if !ok {
		r.Fail(n, fmt.Sprintf("%s is %s", what, r.Describe(n)), "give text, in quotes if it looks like something else")
		return ""
	}
	if !r.name(n, what, s.Value) {
		return ""
	}
	return s.Value
}
