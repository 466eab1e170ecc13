package daemon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/config"
	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/proxy"
)

// settings are what a gateway goes by. They are replaced as a whole: a request keeps
// those that it came with.
type settings struct {
	cfg    Config
	routes *proxy.Routes
	guard  *proxy.Guard
	access *proxy.Access
	proxy  *proxy.Handler
}

// FromFile is the configuration that a file says.
func FromFile(c *config.Config) Config {
	cfg := Config{
		Listen: c.Listen, Upstreams: c.Upstreams, Limit: c.Limit, State: c.State, LogFormat: c.LogFormat,
		AllowHosts: c.AllowHosts, Stall: c.Stall, Hold: holdOf(c.Hold), ToolHold: map[string]proxy.Hold{},
		Providers: c.Providers, LimitOf: c.LimitOf, Keys: c.Keys, Tokens: c.Tokens, Class: c.ClassOf,
		MaxQueue: c.MaxQueue, MaxBytes: c.MaxBytes, QuotaStatus: c.QuotaStatus, Retention: c.Retention, TermsAgreed: c.TermsAgreed, Warnings: c.Warnings,
	}
	if c.Drain != nil {
		cfg.Drain = max(*c.Drain, time.Nanosecond) // zero is asked for: no time at all
	}
	for tool, h := range c.ToolHold {
		cfg.ToolHold[tool] = holdOf(h)
	}
	return cfg
}

func holdOf(h config.Hold) proxy.Hold {
	return proxy.Hold{Silent: h.Silent, Stream: h.Stream, Plain: h.Plain}
}

// Check says what a gateway would not accept of a configuration file that is right in
// itself.
func Check(c *config.Config) error {
	cfg := FromFile(c)
	_, err := settle(&cfg)
	return err
}

// settle fills in defaults and checks all that can be checked beforehand.
func settle(cfg *Config) (*settings, error) {
	if cfg.Listen == "" {
		cfg.Listen = DefaultListen
	}
	if cfg.Drain == 0 {
		cfg.Drain = DefaultDrain
	}
	if cfg.Idle == 0 {
		cfg.Idle = DefaultIdle
	}
	switch cfg.LogFormat {
	case "", "text", "json":
	default:
		return nil, &ConfigError{"log-format", fmt.Errorf("%q is neither text nor json", cfg.LogFormat)}
	}
	if cfg.Drain < 0 {
		return nil, &ConfigError{"drain", errors.New("must not be negative")}
	}
	cfg.AllowHosts = slices.Clone(cfg.AllowHosts)
	for i, h := range cfg.AllowHosts {
		if h == "" || strings.ContainsAny(h, ":/ ") {
			return nil, &ConfigError{"allow-host", fmt.Errorf("%q is not a host name without port", h)}
		}
		cfg.AllowHosts[i] = strings.ToLower(h)
	}
	routes, err := proxy.NewRoutes(cfg.Upstreams, cfg.Providers...)
	if err != nil {
		return nil, &ConfigError{"upstream", err}
	}
	if err := cfg.checkListen(routes); err != nil {
		return nil, &ConfigError{"listen", err}
	}
	if !onLoopback(cfg.Listen) && !cfg.TermsAgreed {
		routes = routes.Without((*provider.Profile).OnCodingPlan)
	}
	return &settings{
		cfg: *cfg, routes: routes, guard: &proxy.Guard{Hosts: cfg.AllowHosts}, access: proxy.NewAccess(cfg.Keys, cfg.Tokens),
	}, nil
}

// checkListen says why the gateway cannot listen where it shall; nil: it can.
func (cfg *Config) checkListen(routes *proxy.Routes) error {
	host, _, err := net.SplitHostPort(cfg.Listen)
	if _, isAddress := netip.ParseAddr(host); err != nil || len(cfg.Tokens) == 0 || isAddress != nil && host != "" {
		err := CheckListen(cfg.Listen)
		if err != nil && len(cfg.Tokens) == 0 {
			return fmt.Errorf("%w; with tokens in the configuration it may be another", err)
		}
		return err
	}
	if onLoopback(cfg.Listen) || cfg.TermsAgreed {
		return nil
	}
	named := routes.Named()
	if len(named) == 0 {
		named = []string{routes.Default().Name}
	}
	for _, name := range named {
		if p := routes.Profiles()[name]; p != nil && p.OnCodingPlan() {
			return fmt.Errorf("%q can be reached by others, and the coding plan of %s is for one user and no third party: use a pay-as-you-go key (upstream: zai), or say terms: accepted in the configuration if you have read them and your use is another", cfg.Listen, name)
		}
	}
	return nil
}

// handler makes the proxy of some settings; after is the one in whose place it comes.
func (d *Daemon) handler(s *settings, after *proxy.Handler) *proxy.Handler {
	return proxy.New(proxy.Config{
		Transport: &weir.Transport{Governor: d.governor, Base: d.base, Stall: s.cfg.Stall},
		Routes:    s.routes, Guard: s.guard, Access: s.access,
		Hold: s.cfg.Hold, ToolHold: s.cfg.ToolHold, Class: s.cfg.Class,
		KeepQuotaStatus: s.cfg.QuotaStatus == 429,
		Run:             d.runs.call, Peer: d.peer, Done: d.record, After: after,
	})
}

// reload reads the configuration again. What is wrong with it changes nothing.
func (d *Daemon) reload() {
	if d.cfg.Again == nil {
		return
	}
	cfg, err := d.cfg.Again()
	if err != nil {
		d.log.Error("the configuration is wrong: the old one holds", "error", err)
		return
	}
	next, err := settle(&cfg)
	if err != nil {
		d.log.Error("the configuration is wrong: the old one holds", "error", err)
		return
	}
	d.warn(cfg)
	before := d.now.Load()
	if fixed := before.cfg.needRestart(cfg); len(fixed) > 0 {
		d.log.Warn("some changes hold from the next start on", "keys", strings.Join(fixed, ", "))
	}
	// What it listens on stays, so who may be let in is judged by that.
	if !onLoopback(d.cfg.Listen) && (len(cfg.Tokens) == 0 || onLoopback(cfg.Listen)) {
		d.log.Error("the configuration is wrong: the old one holds", "error", "it listens beyond loopback, and the new one has no tokens for that")
		return
	}
	d.governor.Bound(cfg.Limit, cfg.LimitOf, cfg.Providers)
	next.proxy = d.handler(next, before.proxy)
	d.now.Store(next)
	d.log.Info("the configuration has been read again")
}

// needRestart names what a running gateway cannot change.
func (cfg *Config) needRestart(next Config) []string {
	var keys []string
	for _, k := range []struct {
		key  string
		same bool
	}{
		{"listen", cfg.Listen == next.Listen}, {"state", next.State == "" || cfg.State == next.State}, {"log_format", cfg.LogFormat == next.LogFormat},
		{"max_queue", cfg.MaxQueue == next.MaxQueue}, {"max_bytes", cfg.MaxBytes == next.MaxBytes},
		{"retention", cfg.Retention == next.Retention},
	} {
		if !k.same {
			keys = append(keys, k.key)
		}
	}
	return keys
}

// warn says what of a configuration wants a second look.
func (d *Daemon) warn(cfg Config) {
	for _, w := range cfg.Warnings {
		d.log.Warn("configuration", "warning", w)
	}
}
