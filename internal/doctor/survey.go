package doctor

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/weirhq/weir/internal/endpoint"
	"github.com/weirhq/weir/provider"
)

// A survey is what several checks need to know.
type survey struct {
	gateway, version string
	gatewayErr       error
	settings         [][]endpoint.Setting // by index of Machine.Tools
	settingErrs      []error
	sites            []*site
}

// A site is one host of a provider in use.
type site struct {
	url     *url.URL // of one of its bases
	profile *provider.Profile
	proxy   *url.URL // that leads there; nil: none

	addrs  once[[]netip.Addr]
	answer once[*answer]
}

// An answer is what a host says to one HEAD.
type answer struct {
	*http.Response // its body is closed
	sent, came     time.Time
}

// A once is a value that several checks need and the first one gets.
type once[T any] struct {
	mu    sync.Mutex
	done  chan struct{} // closed when value and err are set; nil: nobody has begun
	value T
	err   error
}

// get returns the value, which the first caller makes while the others wait.
func (o *once[T]) get(ctx context.Context, produce func() (T, error)) (T, error) {
	o.mu.Lock()
	first := o.done == nil
	if first {
		o.done = make(chan struct{})
	}
	o.mu.Unlock()
	if first {
		o.value, o.err = produce()
		close(o.done)
	}
	select {
	case <-o.done:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// look finds out what several checks need to know.
func (m *Machine) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, surveyTime)
	defer cancel()
	f := &m.found
	f.settings, f.settingErrs = make([][]endpoint.Setting, len(m.Tools)), make([]error, len(m.Tools))
	var wg sync.WaitGroup
	wg.Go(func() { f.gateway, f.version, f.gatewayErr = m.Gateway(ctx) })
	for i, t := range m.Tools {
		wg.Go(func() { f.settings[i], f.settingErrs[i] = m.Settings(ctx, t) })
	}
	wg.Wait()

	names := slices.Clone(m.Use)
	for _, settings := range f.settings {
		for _, s := range settings {
			if s.Profile != "" && !s.Gateway {
				names = append(names, s.Profile)
			}
		}
	}
	if len(names) == 0 {
		names = []string{provider.DefaultName} // what weir itself would use
	}
	for _, name := range names {
		if p := m.Profiles[name]; p != nil {
			f.add(m, p)
		}
	}
}

// add notes the host of a profile, once.
func (f *survey) add(m *Machine, p *provider.Profile) {
	u, err := url.Parse(p.AnyBase())
	if err != nil || u.Host == "" {
		return
	}
	if slices.ContainsFunc(f.sites, func(s *site) bool { return s.url.Scheme == u.Scheme && s.url.Host == u.Host }) {
		return
	}
	s := &site{url: u, profile: p}
	if m.Proxy != nil {
		s.proxy, _ = m.Proxy(&http.Request{URL: u})
	}
	f.sites = append(f.sites, s)
}

// resolve looks the host's addresses up.
func (s *site) resolve(ctx context.Context, m *Machine) ([]netip.Addr, error) {
	return s.addrs.get(ctx, func() ([]netip.Addr, error) {
		if a, err := netip.ParseAddr(s.url.Hostname()); err == nil {
			return []netip.Addr{a.Unmap()}, nil
		}
		addrs, err := m.Resolve(ctx, s.url.Hostname())
		for i, a := range addrs {
			addrs[i] = a.Unmap()
		}
		return addrs, err
	})
}

// ask sends one HEAD without a key.
func (s *site) ask(ctx context.Context, m *Machine) (*answer, error) {
	return s.answer.get(ctx, func() (*answer, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, s.url.String(), nil)
		if err != nil {
			return nil, err
		}
		sent := m.Now()
		resp, err := m.client().Do(req)
		if err != nil {
			return nil, err
		}
		resp.Body.Close()
		return &answer{resp, sent, m.Now()}, nil
	})
}

// client is the machine's, but it stays where it was sent: what leads elsewhere
// would say nothing about the provider, and a key must not follow.
func (m *Machine) client() *http.Client {
	c := *m.Client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// running tells whether the gateway was found.
func (f *survey) running() bool { return f.gatewayErr == nil && f.gateway != "" }
