package doctor

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/endpoint"
	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
)

// checkTool judges where a tool's calls go. The worst of its settings counts; all
// are told.
func checkTool(m *Machine, t *tools.Tool) Result {
	var settings []endpoint.Setting
	var err error
	for i, other := range m.Tools {
		if other == t {
			settings, err = m.found.settings[i], m.found.settingErrs[i]
		}
	}
	if err != nil {
		return Result{
			Status: Warn, Saw: "its settings cannot be read: " + err.Error(),
			Means: "weir cannot tell where its calls go",
			Do:    "mend the file that is named, or run the tool by itself to see what it says",
		}
	}
	worst := Result{Status: Skipped, Saw: "no base URL is set", Means: "it asks for a provider when it starts, or uses its own vendor's"}
	var saw []string
	for i, s := range settings {
		r := m.judgeSetting(t, s)
		saw = append(saw, r.Saw)
		if i == 0 || rank(r.Status) > rank(worst.Status) {
			worst = r
		}
	}
	if len(saw) > 0 {
		worst.Saw = strings.Join(saw, "; ")
	}
	return worst
}

func rank(s Status) int {
	switch s {
	case Wrong:
		return 3
	case Warn:
		return 2
	case OK:
		return 1
	default:
		return 0
	}
}

// judgeSetting says what one base URL means.
func (m *Machine) judgeSetting(t *tools.Tool, s endpoint.Setting) Result {
	if s.URL == "" {
		return Result{Status: Skipped, Saw: s.Name + ": not set"}
	}
	r := Result{Status: OK, Saw: fmt.Sprintf("%s: %s (%s)", s.Name, endpoint.Bare(s.URL), s.Source)}
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Host == "":
		r.Status, r.Means, r.Do = Wrong, "this is no URL, so its calls go nowhere", "write scheme, host and path, as https://api.z.ai/api/coding/paas/v4"
	case s.Gateway:
		m.judgeGateway(&r, t, u)
	case s.Profile != "":
		m.judgeDirect(&r, t, s)
	case endpoint.IsLoopback(u.Hostname()):
		r.Status = Warn
		r.Means = "a program of this machine that is not weir takes its calls: another gateway, or a model server"
		r.Do = "if it passes calls on to a provider, point it at weir, or the tool at weir in its place; two that queue do not know of each other"
	default:
		m.judgeUnknown(&r, u, s.Dialect)
	}
	return r
}

// judgeGateway judges a URL that leads to a weir.
func (m *Machine) judgeGateway(r *Result, t *tools.Tool, u *url.URL) {
	r.Means = "its calls go through weir"
	if !m.found.running() {
		r.Status = Wrong
		r.Means = "it points at weir, and none runs: every call fails"
		r.Do = fmt.Sprintf("start `weir serve`, or put its settings back with `weir setup %s --undo`", t.Name)
		return
	}
	g, err := url.Parse(m.found.gateway)
	if err == nil && port(g) != port(u) {
		r.Status = Warn
		r.Means = fmt.Sprintf("it points at a weir on port %s, but yours listens on port %s", port(u), port(g))
		r.Do = fmt.Sprintf("run `weir setup %s --write` again, or start weir with --listen 127.0.0.1:%s", t.Name, port(u))
	}
}

// judgeDirect judges a URL that leads straight to a provider.
func (m *Machine) judgeDirect(r *Result, t *tools.Tool, s endpoint.Setting) {
	r.Status = Warn
	r.Means = fmt.Sprintf("its calls go past weir to %s, unless it is started with `weir run -- %s`", s.Profile, t.Programs[0])
	r.Do = fmt.Sprintf("start it so, or move it for good with `weir setup %s`", t.Name)
	if plan := m.codingSibling(s.Profile); plan != "" {
		r.Means += "; this is the pay-as-you-go endpoint, which refuses a coding plan's key with 1113"
		r.Do += fmt.Sprintf("; if its key is a coding plan's, use %s (`weir doctor --key` tells)", plan)
	}
}

// judgeUnknown judges a URL of no profile.
func (m *Machine) judgeUnknown(r *Result, u *url.URL, dialect provider.Dialect) {
	for _, name := range slices.Sorted(maps.Keys(m.Profiles)) {
		for _, d := range []provider.Dialect{dialect, provider.OpenAI} {
			base := m.Profiles[name].Bases[d]
			known, err := url.Parse(base)
			if err == nil && base != "" && known.Host == u.Host {
				r.Status = Wrong
				r.Means = fmt.Sprintf("%s is a host of %s, but weir knows no such path there and cannot serve it", u.Host, m.Profiles[name].Vendor)
				r.Do = "use a base URL of it, such as " + base
				return
			}
		}
	}
	r.Status = Warn
	r.Means = "weir knows no provider there"
	r.Do = fmt.Sprintf("if weir shall stand before it: `weir serve --upstream generic=%s`, or a provider of that address in its configuration", endpoint.Bare(u.String()))
}

// codingSibling returns the base URL of the coding plan of the vendor of a profile
// that is not one, empty if there is none.
func (m *Machine) codingSibling(profile string) string {
	p := m.Profiles[profile]
	if p == nil || p.CodingPlan {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(m.Profiles)) {
		if q := m.Profiles[name]; q.CodingPlan && q.Vendor == p.Vendor {
			return q.Bases[provider.OpenAI]
		}
	}
	return ""
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}
