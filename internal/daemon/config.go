package daemon

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/weirhq/weir/internal/config"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/proxy"
)

// Config sets up a [Daemon]. The zero Config is the gateway as a newcomer runs
// it.
type Config struct {
	Listen     string       // host:port, loopback only; empty: DefaultListen
	Upstreams  []string     // see proxy.NewRoutes
	Limit      limit.Config // zero: learned; Min = Max fixes it
	State      string       // directory; empty: DefaultStateDir
	LogFormat  string       // text (default) or json
	Drain      time.Duration
	AllowHosts []string      // names beside loopback under which it may be called
	Stall      time.Duration // silence after which an attempt is dead; zero: weir.DefaultStall
	Hold       proxy.Hold
	ToolHold   map[string]proxy.Hold // by the tool's name

	Providers   []*provider.Profile // beside the shipped ones
	LimitOf     func(provider, model string) (limit.Config, bool)
	Keys        map[string]string // that the gateway adds, by provider
	Tokens      []string          // that let callers in
	Class       proxy.ClassFunc
	MaxQueue    int              // zero: weir.DefaultMaxQueue
	MaxBytes    int64            // zero: weir.DefaultMaxBytes
	QuotaStatus int              // 429 leaves answers about quotas as they are; else 402
	Retention   config.Retention // of the journal; zero: its defaults
	TermsAgreed bool             // a coding plan may be served beyond loopback
	Warnings    []string         // to be said at the start

	// File is watched, and Again reads the configuration anew when it changes or when
	// something comes from Hangup. Nil and empty: never.
	File   string
	Again  func() (Config, error)
	Hangup <-chan os.Signal

	// Background is for a gateway that nobody has asked for by name: it takes another
	// port where Listen's is taken, waits for the state directory, and ends by itself
	// when no run has lived and no call has come for Idle.
	Background bool
	Idle       time.Duration // zero: DefaultIdle
	Prefer     string        // an address to be tried before Listen; empty: none

	// Listener is one to serve on in place of Listen; nil: it opens its own. The
	// daemon closes it.
	Listener net.Listener

	Log     io.Writer // zero: standard error
	Version string
}

// A ConfigError is a setting that cannot be.
type ConfigError struct {
	Field string // as users write it
	Err   error
}

// Error implements error.
func (e *ConfigError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *ConfigError) Unwrap() error { return e.Err }

// CheckListen says why a program that everybody who reaches it may use cannot
// listen on an address; nil: it can. Only loopback addresses and localhost are
// possible.
func CheckListen(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not host:port: %w", address, err)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return fmt.Errorf("%q has no port from 0 to 65535", address)
	}
	if isLoopback(host) {
		return nil
	}
	return fmt.Errorf("%q is not a loopback address: whoever can reach it could use it, so only 127.0.0.1, [::1] and localhost are possible", address)
}

// onLoopback tells whether an address with a port can be reached from this machine only.
func onLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && isLoopback(host)
}

// isLoopback tells whether a host is one to listen on for this machine only. Other names
// than localhost may lead anywhere.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}
