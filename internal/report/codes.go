package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/explain"
	"github.com/weirhq/weir/provider"
)

// maxExamples is how many attempts of a code are named, fewExamples of one that says
// nothing of the level; maxCodes is how many codes are told apart.
const (
	maxExamples = 20
	fewExamples = 5
	maxCodes    = 200
)

// A code is what was counted of one way to end.
type code struct {
	n      int
	withID int
	kept   []Example // every stride-th of those with an id
	stride int
	last   Example
}

// add keeps examples that are spread over all, without knowing how many will come: when
// there are twice too many, every other goes, and from then on only every other comes.
func (c *code) add(a attempt) {
	c.n++
	if a.ProviderID == "" {
		return
	}
	e := Example{At: a.Start, ID: tidy(a.ProviderID), InFlight: a.InFlight}
	c.last = e
	c.stride = max(1, c.stride)
	if c.withID%c.stride == 0 {
		c.kept = append(c.kept, e)
	}
	c.withID++
	if len(c.kept) == 2*maxExamples {
		for i := range maxExamples {
			c.kept[i] = c.kept[2*i]
		}
		c.kept = c.kept[:maxExamples]
		c.stride *= 2
	}
}

// examples returns at most so many, in order, the first and the last among them.
func (c *code) examples(most int) []Example {
	all := slices.Clone(c.kept)
	if n := len(all); n > 0 && all[n-1] != c.last {
		all = append(all, c.last)
	}
	chosen := all
	if n := len(all); n > most {
		chosen = make([]Example, most)
		for i := range chosen {
			chosen[i] = all[i*(n-1)/(most-1)]
		}
	}
	slices.SortStableFunc(chosen, func(a, b Example) int { return a.At.Compare(b.At) })
	if chosen == nil {
		chosen = []Example{}
	}
	return chosen
}

// codesOf returns the codes of a lane: what counts as refused first, then by number.
func codesOf(l *lane, p *provider.Profile, now time.Time) []Code {
	all := []Code{}
	for _, key := range slices.SortedFunc(maps.Keys(l.codes), func(a, b codeKey) int {
		return cmp.Or(strings.Compare(a.verdict, b.verdict), strings.Compare(a.code, b.code))
	}) {
		c, most := l.codes[key], maxExamples
		if !isRefusal(key.verdict) {
			most = fewExamples
		}
		all = append(all, Code{
			Code: tidy(key.code), Verdict: key.verdict, Refusal: isRefusal(key.verdict), Means: means(key, p, now),
			N: c.n, WithID: c.withID, Examples: c.examples(most),
		})
	}
	slices.SortStableFunc(all, func(a, b Code) int {
		if a.Refusal != b.Refusal {
			if a.Refusal {
				return -1
			}
			return 1
		}
		return b.N - a.N
	})
	return all
}

// means says what a code means to its provider or, where that knows no code, what the
// verdict does.
func means(key codeKey, p *provider.Profile, now time.Time) string {
	var kind provider.Kind
	if err := kind.UnmarshalText([]byte(key.verdict)); err != nil {
		return "" // of a newer weir's
	}
	if p != nil && key.code != "" {
		e, err := explain.Explain([]byte(key.code), []*provider.Profile{p}, now)
		if err == nil && e.Meanings[0].Verdict == kind {
			return e.Meanings[0].Means
		}
	}
	return explain.Means(kind)
}

// tidy bounds a name that comes from outside, and leaves it on one line.
func tidy(s string) string { return cut(s, 120) }

// cut is tidy with another bound, in runes.
func cut(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
