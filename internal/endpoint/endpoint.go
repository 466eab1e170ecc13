// Package endpoint finds out where a coding tool's calls go, and what to start it
// with so that for one run they go through a gateway instead, with the tool's own
// provider, keys and models. It changes no file.
package endpoint

import (
	"context"
	"fmt"
	"slices"

	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
)

// A Site is a machine as a tool sees it that is started there. Its functions must
// be set; the tests' ones are a made-up machine.
type Site struct {
	Home string   // the user's directory
	Dir  string   // where the tool is started
	Env  []string // NAME=VALUE, as in os.Environ
	Read func(file string) ([]byte, error)
	// Ask runs a program quietly and returns what it prints; the tool's own word on
	// its configuration.
	Ask func(ctx context.Context, program string, args ...string) ([]byte, error)
}

// Known tells which provider's profile has a base URL, and the path under which the
// gateway serves it behind "/@PROFILE": https://api.z.ai/api/coding/paas/v4 is
// "zai-coding" and "/api/coding/paas/v4". A URL that leads to weir itself is not its
// affair: [Setting.Gateway] marks it.
type Known func(url string) (profile, path string, ok bool)

// A Gateway is where the calls of one run shall go.
type Gateway struct {
	Address string // http://127.0.0.1:1302
	Run     string // the first path element, which names the run: "~3f2a…"; empty: none
	// Room is a directory of the run's own, 0700 and removed at its end, for tools that
	// take base URLs from a file only. Empty: there is none, and these are not moved.
	Room string
}

// Base returns the base URL at the gateway of a profile's path. Profile and path
// may be empty: the default provider's short forms.
func (g Gateway) Base(profile, path string) string {
	base := g.Address
	if g.Run != "" {
		base += "/" + g.Run
	}
	if profile != "" {
		base += "/@" + profile
	}
	return base + path
}

// A Setting is one base URL of a tool, as it is now.
type Setting struct {
	Name    string           // what it is of, as the tool calls it: "provider zai-coding-plan"
	URL     string           // empty: not set
	Source  string           // where it stands: a file, "environment ANTHROPIC_BASE_URL", "built in"
	Dialect provider.Dialect // which the tool speaks there
	Profile string           // whose it is; empty: no profile knows it
	Path    string           // under which the gateway serves it; see [Known]
	Gateway bool             // it leads to a weir already (a loopback URL with weir's port or one of its path forms)

	lever lever // how it is moved
}

// A Launch is what a tool is started with so that its calls go through a gateway.
type Launch struct {
	Env   []string // NAME=VALUE to set
	Args  []string // of the tool, the user's among them
	Files []File   // to write first, with mode 0600, below the gateway's Room; they may hold keys
	Moved []string // a sentence for each base URL that moves: "provider zai-coding-plan (https://api.z.ai/api/coding/paas/v4) → zai-coding"
}

// A File is what a tool reads in place of one of its own.
type File struct {
	Path    string // below [Gateway.Room]; directories on the way are made
	Content []byte
}

// A StuckError says that nothing of a tool can be moved. Its text says what is
// missing and what to do, in one line.
type StuckError struct{ Text string }

// Error implements error.
func (e *StuckError) Error() string { return e.Text }

// Find tells where a tool's calls go if it is started at the site with these
// arguments. A nil tool is any program that reads its base URL from the environment.
// A configuration that is broken is an error that names file, line and column; a
// [*StuckError] says that the arguments leave weir no way to move the tool.
func Find(ctx context.Context, site Site, t *tools.Tool, args []string, known Known) ([]Setting, error) {
	f := finder{ctx: ctx, site: site, tool: t, args: args, known: known}
	var settings []Setting
	var err error
	switch name(t) {
	case "opencode":
		settings, err = f.openCode()
	case "claude":
		settings, err = f.claude()
	case "codex":
		settings, err = f.codex()
	case "qwen":
		settings, err = f.qwen()
	case "crush":
		settings, err = f.crush()
	case "cline":
		settings, err = f.cline()
	default:
		settings = f.environment()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name(t), err)
	}
	for i := range settings {
		f.place(&settings[i])
	}
	return settings, nil
}

// Move returns what to start a tool with so that each setting that a profile knows
// goes through the gateway. With upstream, also what is unknown or unset goes there,
// to that profile, if that is one address: keys for several of them would go to a
// vendor that they are not for. Without it a [*StuckError] tells that nothing can be
// moved. The settings must come from [Find], with the same tool and arguments.
func Move(t *tools.Tool, settings []Setting, args []string, g Gateway, upstream string) (Launch, error) {
	moves := plan(settings, g, upstream)
	if len(moves) == 0 {
		return Launch{}, stuck(t, settings, g, upstream)
	}
	l := Launch{Args: slices.Clone(args)}
	for _, m := range moves {
		l.Moved = append(l.Moved, m.sentence())
	}
	l.apply(t, moves, g)
	return l, nil
}

// name returns how a tool is called in messages.
func name(t *tools.Tool) string {
	if t == nil {
		return "this program"
	}
	return t.Name
}
