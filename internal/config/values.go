package config

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/weirhq/weir/internal/yamlfile"
	"github.com/weirhq/weir/limit"
)

func (r *reader) listen(n ast.Node) string {
	s := r.text(n, "listen")
	if _, port, err := net.SplitHostPort(s); s != "" && (err != nil || !isPort(port)) {
		r.Fail(n, fmt.Sprintf("listen is %s", r.Describe(n)), "give an address and a port, such as 127.0.0.1:1302")
		return ""
	}
	return s
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 0 && n < 1<<16
}

// eager reads a share of calls.
func (r *reader) eager(n ast.Node) float64 {
	share, ok := ParseEager(yamlfile.Scalar(n))
	if !ok {
		r.Fail(n, fmt.Sprintf("eager is %s", r.Describe(n)), "give a share of calls from 0.25% to 4%")
	}
	return share
}

// ParseEager reads a percentage or a share, as for [limit.Config]; false, and 0, if it is
// none or out of range.
func ParseEager(s string) (share float64, ok bool) {
	number, percent := strings.CutSuffix(s, "%")
	share, err := strconv.ParseFloat(number, 64)
	if percent {
		share /= 100
	}
	// Written so that a NaN is refused as well.
	if err != nil || !(share >= limit.MinEager && share <= limit.MaxEager) {
		return 0, false
	}
	return share, true
}

func (r *reader) state(n ast.Node) string {
	s := r.text(n, "state")
	if rest, ok := strings.CutPrefix(s, "~/"); ok {
		if home, _ := r.lookup("HOME"); home != "" {
			s = filepath.Join(home, rest)
		}
	}
	if s != "" && !filepath.IsAbs(s) {
		r.Fail(n, fmt.Sprintf("state is %s", r.Describe(n)), "give a whole path, from / or ~/ on")
		return ""
	}
	return s
}

func (r *reader) hosts(n ast.Node) []string {
	var all []string
	for _, n := range r.several(n, "allow_host") {
		s := r.text(n, "a host")
		if strings.ContainsAny(s, ":/ ") {
			r.Fail(n, fmt.Sprintf("a host is %s", r.Describe(n)), "give a name without port")
			continue
		}
		all = append(all, s)
	}
	return all
}

// wait reads how long a client waits.
func (r *reader) wait(n ast.Node, what string) time.Duration {
	d := r.Duration(n, what, time.Second)
	if d > maxWait {
		shown := yamlfile.Brief(d)
		if r.Hidden(n) {
			shown = r.Describe(n)
		}
		r.Fail(n, fmt.Sprintf("%s is %s", what, shown), "give at most "+yamlfile.Brief(maxWait))
	}
	return d
}

func (r *reader) quotaStatus(n ast.Node) int {
	status := r.Count(n, "quota_status", 402, 429)
	if status != 0 && status != 402 && status != 429 {
		r.Fail(n, fmt.Sprintf("quota_status is %d", status), "give 402, which tools show, or 429, which they repeat")
		return 0
	}
	return status
}

// age reads a duration that may be in days.
func (r *reader) age(n ast.Node) time.Duration {
	if days, ok := strings.CutSuffix(yamlfile.Scalar(n), "d"); ok {
		if d, err := strconv.Atoi(days); err == nil && d >= 1 && d <= 3650 {
			return time.Duration(d) * 24 * time.Hour
		}
		r.Fail(n, fmt.Sprintf("age is %s", r.Describe(n)), "give days or hours: 30d, 72h")
		return 0
	}
	return r.Duration(n, "age", time.Hour)
}

// size reads a number of bytes.
func (r *reader) size(n ast.Node, what string) int64 {
	text := strings.ToUpper(strings.TrimSpace(yamlfile.Scalar(n)))
	units := []struct {
		name string
		n    int64
	}{{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		if x, err := strconv.ParseFloat(strings.TrimSpace(number), 64); err == nil && x*float64(u.n) >= 1<<20 && x*float64(u.n) < 1<<50 {
			return int64(x * float64(u.n))
		}
		break
	}
	r.Fail(n, fmt.Sprintf("%s is %s", what, r.Describe(n)), "give a size of 1MiB or more: 500MB, 1GiB")
	return 0
}

// text reads a line of text.
func (r *reader) text(n ast.Node, what string) string {
	s := yamlfile.Scalar(n)
	if s == "" || len(s) > 2000 || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		r.Fail(n, fmt.Sprintf("%s is %s", what, r.Describe(n)), "give a line of text")
		return ""
	}
	return s
}

// several reads one value, or a list of them.
func (r *reader) several(n ast.Node, what string) []ast.Node {
	if _, ok := n.(*ast.SequenceNode); ok {
		return r.List(n, what, maxEntries)
	}
	return []ast.Node{n}
}

// quoted repeats a part of a value, unless it must not be told.
func (r *reader) quoted(n ast.Node, part string) string {
	if r.Hidden(n) {
		return r.Describe(n)
	}
	return strconv.Quote(yamlfile.Short(part))
}
