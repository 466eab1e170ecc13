package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A LaneError is that of a name that means none of the journal's lanes, or several.
type LaneError struct {
	Asked string
	Lanes []string // those that it can mean; all, if it means none
	None  bool
}

// Error implements error.
func (e *LaneError) Error() string {
	const most = 20
	names := make([]string, 0, most)
	for _, name := range e.Lanes[:min(len(e.Lanes), most)] {
		names = append(names, fmt.Sprintf("%q", name))
	}
	list := strings.Join(names, ", ")
	if more := len(e.Lanes) - most; more > 0 {
		list += fmt.Sprintf(" and %d others", more)
	}
	if e.None {
		return fmt.Sprintf("no lane of the journal has %q in its name: it has %s", e.Asked, list)
	}
	return fmt.Sprintf("%q can mean %s: write more of the name", e.Asked, list)
}

// byWeight puts the lanes with most refusals first, then those with most requests.
func (s *survey) byWeight() []*lane {
	return slices.SortedFunc(maps.Values(s.lanes), func(a, b *lane) int {
		return cmp.Or(b.counts.Refused-a.counts.Refused, b.requests-a.requests, strings.Compare(a.name, b.name))
	})
}

// choose returns the lane that is asked for.
func (s *survey) choose(asked string) (*lane, error) {
	if l := s.lanes[asked]; l != nil {
		return l, nil
	}
	all := s.byWeight()
	if asked == "" {
		return all[0], nil
	}
	var names, fit []string
	for _, l := range all {
		names = append(names, l.name)
		if strings.Contains(l.name, asked) {
			fit = append(fit, l.name)
		}
	}
	switch len(fit) {
	case 0:
		return nil, &LaneError{Asked: asked, Lanes: names, None: true}
	case 1:
		return s.lanes[fit[0]], nil
	}
	// "glm-5" is a whole model, though there is a "glm-5.2" too.
	whole := slices.DeleteFunc(slices.Clone(fit), func(name string) bool { _, _, model := parts(name); return model != asked })
	if len(whole) == 1 {
		return s.lanes[whole[0]], nil
	}
	return nil, &LaneError{Asked: asked, Lanes: fit}
}

// others lists the lanes that the report is not about.
func (s *survey) others(chosen *lane) []Lane {
	all := []Lane{}
	for _, l := range s.byWeight() {
		if l != chosen {
			all = append(all, Lane{Name: tidy(l.name), Requests: l.requests, Attempts: l.counts.All(), Refused: l.counts.Refused})
		}
	}
	return all
}

// parts takes a lane's name apart: a model may have slashes of its own.
func parts(lane string) (provider, account, model string) {
	provider, rest, _ := strings.Cut(lane, "/")
	account, model, _ = strings.Cut(rest, "/")
	return provider, account, model
}
