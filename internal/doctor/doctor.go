// Package doctor finds out why calls do not go as they should: a list of small
// checks of a machine, each with what it saw, what that means and what to do. The
// machine comes in as functions, so that each check can be held against a made-up
// one.
package doctor

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/weirhq/weir/internal/endpoint"
	"github.com/weirhq/weir/internal/peer"
	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
)

// A Status is how a check ended.
type Status string

// The statuses.
const (
	OK      Status = "ok"
	Warn    Status = "warn"    // may be meant so
	Wrong   Status = "wrong"   // calls fail or go astray because of it
	Skipped Status = "skipped" // could not be checked, or has nothing to check
)

// A Result is what came of a check. It never has a key or another secret in it.
type Result struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Saw    string `json:"saw"`
	Means  string `json:"means,omitempty"`
	Do     string `json:"do,omitempty"`
}

// A Check is one thing to look at. Run ends soon after its context does.
type Check struct {
	Name string
	Run  func(ctx context.Context, m *Machine) Result
}

// A Machine is what the checks look at. All functions must be set; Key may be nil.
type Machine struct {
	Env func(name string) string
	Now func() time.Time
	// Client sends what the checks ask. It need not follow redirects.
	Client *http.Client
	// Proxy tells the proxy that a request would take, nil for none.
	Proxy   func(*http.Request) (*url.URL, error)
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)

	// Gateway finds the user's gateway: its URL and version. An empty address says
	// that none runs, an error that it cannot be told or trusted.
	Gateway func(ctx context.Context) (address, version string, err error)
	// Flagged names the accounts (provider/fingerprint) that the gateway has closed
	// because the provider has flagged them.
	Flagged func(ctx context.Context) ([]string, error)

	Tools    []*tools.Tool // those that are installed
	Settings func(ctx context.Context, t *tools.Tool) ([]endpoint.Setting, error)
	// Profiles are the known providers by name, and Use names those that are in use
	// whatever the tools say.
	Profiles map[string]*provider.Profile
	Use      []string

	// Connections lists other processes' connections; see [peer.Finder]. It is nil
	// where the system does not show them. Own tells weir's own processes.
	Connections func(to func(netip.AddrPort) bool) ([]peer.Connection, error)
	Own         func(peer.Process) bool

	// Key is to be tried at its vendor's endpoints; nil: no key is touched.
	Key *Key

	found survey
}

// Times that a look takes at most: all checks together stay below the sum.
const (
	surveyTime = 2 * time.Second
	checkTime  = 2500 * time.Millisecond
	keyTime    = 60 * time.Second // for each request: a provider under load answers late
)

// Examine runs all checks at the same time and returns their results in a fixed
// order. The key is tried last, when nothing else has a reason against it.
func Examine(ctx context.Context, m *Machine) []Result {
	m.look(ctx)
	checks := Checks(m)
	results := make([]Result, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, checkTime)
			defer cancel()
			results[i] = c.run(ctx, m)
		})
	}
	wg.Wait()
	if m.Key != nil {
		results = append(results, Check{"key", checkKey}.run(ctx, m))
	}
	return results
}

func (c Check) run(ctx context.Context, m *Machine) Result {
	r := c.Run(ctx, m)
	r.Name = c.Name
	return r
}

// Checks lists what there is to look at on a machine, but for the key.
func Checks(m *Machine) []Check {
	all := []Check{{"gateway", checkGateway}}
	for _, t := range m.Tools {
		all = append(all, Check{"tool " + t.Name, func(_ context.Context, m *Machine) Result { return checkTool(m, t) }})
	}
	if len(m.Tools) == 0 {
		all = append(all, Check{"tools", func(context.Context, *Machine) Result {
			return Result{Status: Skipped, Saw: "no tool that weir knows is installed"}
		}})
	}
	all = append(all, Check{"proxy variables", checkProxies}, Check{"connections past weir", checkConnections})
	for _, s := range m.found.sites {
		all = append(all,
			Check{"dns " + s.url.Hostname(), func(ctx context.Context, m *Machine) Result { return checkDNS(ctx, m, s) }},
			Check{"tls " + s.url.Host, func(ctx context.Context, m *Machine) Result { return checkTLS(ctx, m, s) }},
			Check{"clock " + s.url.Host, func(ctx context.Context, m *Machine) Result { return checkClock(ctx, m, s) }})
	}
	return all
}

// Count returns how many results have a status.
func Count(results []Result, s Status) int {
	n := 0
	for _, r := range results {
		if r.Status == s {
			n++
		}
	}
	return n
}
