package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/daemon"
	"github.com/weirhq/weir/internal/doctor"
	"github.com/weirhq/weir/internal/endpoint"
	"github.com/weirhq/weir/internal/peer"
	"github.com/weirhq/weir/internal/tools"
	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/proxy"
)

// A gatewayFinder finds the gateway of a state directory: its URL and version. An
// empty address says that none runs.
type gatewayFinder func(ctx context.Context, stateDir string) (address, version string, err error)

// newDoctor returns "weir doctor": what is wrong on this machine.
func newDoctor(find gatewayFinder) *cobra.Command {
	o := doctorOptions{find: find}
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is wrong",
		Long: `Look at this machine and say what keeps calls from going well: whether the gateway
answers, where each installed tool points, which other processes talk to the
provider past weir, proxy variables, the network and the clock. Nothing is changed,
and no key is touched.

--key takes the key in ZAI_API_KEY (--key-env names another variable) and finds
out which endpoint it belongs to, by one tiny request to each. They count as use of
the account, so it asks first; --yes answers.

The exit status is 1 if something is wrong.`,
		Example: `  weir doctor
  weir doctor --json
  weir doctor --key
  weir doctor --key-env WORK_KEY --vendor bigmodel --yes`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := command.Flags()
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringArrayVar(&o.upstreams, "upstream", nil, "`PRESET`, URL or PRESET=URL of a provider to look at (repeatable; default: those that the tools use)")
	f.StringVar(&o.state, "state", "", "state `DIRECTORY` of the gateway (default $XDG_STATE_HOME/weir)")
	f.BoolVar(&o.key, "key", false, "find out which endpoint the key in ZAI_API_KEY belongs to")
	f.StringVar(&o.keyEnv, "key-env", "", "the same with the key in the variable `NAME`")
	f.StringVar(&o.vendor, "vendor", "zai", "`VENDOR` of the key: zai or bigmodel")
	f.StringVar(&o.model, "model", "glm-4.7", "`MODEL` that the key is tried with")
	f.BoolVar(&o.yes, "yes", false, "agree to the requests that --key sends")
	return command
}

type doctorOptions struct {
	find          gatewayFinder
	json          bool
	upstreams     []string
	state         string
	key           bool
	keyEnv        string
	vendor, model string
	yes           bool
}

func (o *doctorOptions) run(cmd *cobra.Command) error {
	file, err := defaultConfig()
	if err != nil {
		return err
	}
	routes, err := proxy.NewRoutes(o.upstreams, file.Providers...)
	if err != nil {
		return usageError{fmt.Errorf("--upstream: %w", err)}
	}
	if o.state, err = stateDir(o.state); err != nil {
		return err
	}
	m := o.machine(routes)
	if o.key || o.keyEnv != "" {
		if m.Key, err = o.readKey(cmd, m); err != nil {
			return usageError{err}
		}
	}
	results := doctor.Examine(cmd.Context(), m)
	write := doctor.WriteText
	if o.json {
		write = doctor.WriteJSON
	}
	if err := write(cmd.OutOrStdout(), results); err != nil {
		return err
	}
	switch n := doctor.Count(results, doctor.Wrong); n {
	case 0:
		return nil
	case 1:
		return errors.New("one thing is wrong, see above")
	default:
		return fmt.Errorf("%d things are wrong, see above", n)
	}
}

// readKey takes the key from the environment. It is never an argument, where other
// users of the machine and the shell's history would have it.
func (o *doctorOptions) readKey(cmd *cobra.Command, m *doctor.Machine) (*doctor.Key, error) {
	if vendors := doctor.Vendors(m.Profiles); !slices.Contains(vendors, o.vendor) {
		return nil, fmt.Errorf("--vendor %q has no coding plan beside another endpoint; %s have", o.vendor, strings.Join(vendors, " and "))
	}
	name := o.keyEnv
	if name == "" {
		name = "ZAI_API_KEY"
	}
	secret := strings.TrimSpace(os.Getenv(name))
	if secret == "" {
		// What follows --key-env may be the key itself: it is not repeated.
		return nil, errors.New("the variable with the key is not set: export ZAI_API_KEY, or name the one that has it with --key-env NAME")
	}
	return &doctor.Key{
		Secret: secret, Vendor: o.vendor, Model: o.model,
		Agree: func(announcement string) bool {
			fmt.Fprintln(cmd.ErrOrStderr(), announcement)
			return o.yes || ask(cmd)
		},
	}, nil
}

// ask waits for a y, if there is a terminal where somebody could type it.
func ask(cmd *cobra.Command) bool {
	if f, ok := cmd.InOrStdin().(*os.File); ok {
		info, err := f.Stat()
		if err != nil || info.Mode()&os.ModeCharDevice == 0 {
			return false
		}
	}
	fmt.Fprint(cmd.ErrOrStderr(), "Send them? [y/N] ")
	line, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

// machine is this machine as the checks see it.
func (o *doctorOptions) machine(routes *proxy.Routes) *doctor.Machine {
	profiles := routes.Profiles()
	order := slices.Concat(provider.Names(), slices.Sorted(maps.Keys(profiles)))
	if len(o.upstreams) > 0 {
		order = append([]string{routes.Default().Name}, order...)
	}
	self, _ := os.Executable()
	site := thisSite()
	known := endpoint.KnownBy(order, profiles)
	var finder peer.Finder
	m := &doctor.Machine{
		Env: os.Getenv, Now: time.Now,
		Client: doctorClient(), Proxy: http.ProxyFromEnvironment,
		Resolve: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		Gateway:  func(ctx context.Context) (string, string, error) { return o.find(ctx, o.state) },
		Flagged:  o.flagged,
		Tools:    installedTools(),
		Profiles: profiles,
		Settings: func(ctx context.Context, t *tools.Tool) ([]endpoint.Setting, error) {
			return endpoint.Find(ctx, site, t, nil, known)
		},
		Use: routes.Named(),
		Own: func(p peer.Process) bool { return p.PID == os.Getpid() || p.Program == filepath.Base(self) },
	}
	if peer.Supported {
		m.Connections = finder.Connections
	}
	return m
}

// doctorClient gives up sooner than the gateway would: a person waits. Connections
// are not kept, so that the checks see none of their own.
func doctorClient() *http.Client {
	base := weir.NewBase()
	base.DialContext = (&net.Dialer{Timeout: 2 * time.Second}).DialContext
	base.TLSHandshakeTimeout = 2 * time.Second
	base.DisableKeepAlives = true
	return &http.Client{Transport: base}
}

// installedTools are the tools whose program is found.
func installedTools() []*tools.Tool {
	return slices.DeleteFunc(slices.Clone(tools.All()), func(t *tools.Tool) bool { return !t.Configured() || programOf(t) == "" })
}

// programOf is the path of a tool's program, empty if it is not installed.
func programOf(t *tools.Tool) string {
	for _, name := range t.Programs {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// thisSite is this machine as a tool sees it that is started here.
func thisSite() endpoint.Site {
	home, _ := os.UserHomeDir()
	dir, _ := os.Getwd()
	return endpoint.Site{
		Home: home, Dir: dir, Env: os.Environ(), Read: os.ReadFile,
		Ask: func(ctx context.Context, program string, args ...string) ([]byte, error) {
			c := exec.CommandContext(ctx, program, args...)
			c.WaitDelay = 200 * time.Millisecond // its children may keep the pipe
			return c.Output()
		},
	}
}

// flagged names the accounts that are closed as flagged, by the gateway that runs,
// or else by what the last one has kept.
func (o *doctorOptions) flagged(ctx context.Context) ([]string, error) {
	address, _, err := o.find(ctx, o.state)
	if err != nil && !errors.Is(err, daemon.ErrNoGateway) {
		return nil, err
	}
	if address == "" {
		return keptFlagged(o.state)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/weir/api/state", nil)
	if err != nil {
		return nil, err
	}
	resp, err := doctorClient().Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var state daemon.State
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<20)).Decode(&state); err != nil {
		return nil, fmt.Errorf("the gateway's state cannot be read: %w", err)
	}
	var all []string
	for _, a := range state.Accounts {
		if a.Flagged != nil {
			all = append(all, a.Account)
		}
	}
	return all, nil
}

func keptFlagged(dir string) ([]string, error) {
	state, err := daemon.ReadState(dir)
	if err != nil || state == nil { // nil: nothing was ever learned here
		return nil, err
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(state.Accounts)) {
		if state.Accounts[name].Flagged != nil {
			all = append(all, name)
		}
	}
	return all, nil
}

// findGateway is the gateway of a state directory, once it has proved that it is. A
// stranger in its place is told; that simply none runs is no error.
func findGateway(ctx context.Context, stateDir string) (address, version string, err error) {
	i, err := daemon.Find(ctx, stateDir)
	switch {
	case errors.Is(err, daemon.ErrNoGateway) && !errors.Is(err, daemon.ErrStranger):
		return "", "", nil
	case err != nil:
		return "", "", err
	}
	return i.Address, i.Version, nil
}
