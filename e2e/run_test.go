package e2e

import (
	"encoding/json"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// summaryOfCalls is the last line of a run that has made calls, all of them well.
var summaryOfCalls = regexp.MustCompile(`^weir: \d+ calls?, 0 failed, \d+ refusals? absorbed, waited [0-9.]+ (s|min [0-9]+ s) in all, limit \d+ \((learned|fixed)\)$`)

func TestRunOfOpenCodeAndCodexAtOnce(t *testing.T) {
	t.Parallel()
	s := startSimulator(t, 1, "subagents.json")
	u := newSite(t, s)
	u.configureOpenCode(t)
	u.configureCodex(t)
	before := contents(t, filepath.Join(u.home, "config"))
	login, err := os.ReadFile(filepath.Join(u.home, "data", "opencode", "auth.json"))
	if err != nil {
		t.Fatal(err)
	}
	shop, forge := t.TempDir(), t.TempDir()
	opencode := u.weir(t, shop, "OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MODELS_FETCH=1", "OPENCODE_DISABLE_LSP_DOWNLOAD=1", "OPENCODE_DISABLE_DEFAULT_PLUGINS=1",
		"run", "--", openCodeBinary(t), "run", openCodePrompt)
	codex := u.weir(t, forge, "CODEX_HOME="+filepath.Join(u.home, "config", "codex"), "ZAI_API_KEY="+testKey,
		"run", "--", codexBinary(t), "exec", "--skip-git-repo-check", "Count the kestrels by the river")
	for p, answer := range map[*program]string{opencode: openCodeAnswer, codex: "There are 7 kestrels by the river."} {
		if status := p.wait(t); status != 0 || !strings.Contains(p.stdout.text(), answer) {
			t.Errorf("%s: exit status %d, printed %q; want 0 and %q", p.name, status, p.stdout.text(), answer)
		}
		if line := lastLine(p); !summaryOfCalls.MatchString(line) {
			t.Errorf("%s: the last line is %q", p.name, line)
		}
	}
	want := openCodeCalls()
	want["river"] = 1
	if got := s.rules(t); !maps.Equal(got, want) {
		t.Errorf("the provider answered %v, want %v", got, want)
	}
	if stats := s.stats(t); stats.MaxInFlight != 1 {
		t.Errorf("%d calls at once at a provider of one slot", stats.MaxInFlight)
	}
	after := contents(t, filepath.Join(u.home, "config"))
	for name, text := range before {
		if after[name] != text {
			t.Errorf("the user's file %s has changed: %q, was %q", name, after[name], text)
		}
	}
	if now, err := os.ReadFile(filepath.Join(u.home, "data", "opencode", "auth.json")); err != nil || string(now) != string(login) {
		t.Errorf("OpenCode's login has changed: %q, %v", now, err)
	}
	left, err := filepath.Glob(filepath.Join(u.state, "run-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// configureOpenCode gives the user an OpenCode that is set up for the coding plan. It
// names its schema, since OpenCode itself writes that into a file without one.
func (u *site) configureOpenCode(t *testing.T) {
	u.write(t, "config/opencode/opencode.jsonc", `{
  "$schema": "https://opencode.ai/config.json",
  // The coding plan, as I like it.
  "autoupdate": false, "share": "disabled", "snapshot": false,
  "model": "zai-coding-plan/glm-5",
  "provider": {
    "zai-coding-plan": {"models": {"glm-5": {"limit": {"context": 200000, "output": 32000}}}}, // a comma too many
  },
}
`)
	u.write(t, "data/opencode/auth.json", `{"zai-coding-plan": {"type": "api", "key": "`+testKey+`"}}`)
}

// configureCodex does the same for Codex.
func (u *site) configureCodex(t *testing.T) {
	u.write(t, "config/codex/config.toml", `# The coding plan.
model = "glm-5"
model_provider = "zai"

[model_providers.zai]
name = "Z.AI"
base_url = "https://api.z.ai/api/v1"
env_key = "ZAI_API_KEY"
wire_api = "responses"
`)
}

// contents returns the files below a directory, by their path.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// codexBinary returns Codex's binary for this machine, which npm installs as an
// optional dependency of its launcher.
func codexBinary(t *testing.T) string {
	t.Helper()
	pattern := filepath.Join("node_modules", "@openai", "codex-"+runtime.GOOS+"-"+strings.Replace(runtime.GOARCH, "amd64", "x64", 1), "vendor", "*", "bin", "codex")
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("Codex for %s/%s is not in e2e/node_modules; install it from the root of the repository with: npm ci --prefix e2e", runtime.GOOS, runtime.GOARCH)
	}
	path, err := filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTenRunsStartOneGateway(t *testing.T) {
	t.Parallel()
	rounds := 1
	if os.Getenv("WEIR_LONG") == "1" {
		rounds = 50
	}
	s := startSimulator(t, 1, "steady.json")
	for range rounds {
		u := newSite(t, s)
		var all []*program
		for range 10 {
			all = append(all, u.weir(t, u.home, "run", "--upstream", "zai-coding", "--", "sh", "-c", `echo "$OPENAI_BASE_URL"`))
		}
		gateways := map[string]int{}
		for _, p := range all {
			if status := p.wait(t); status != 0 || lastLine(p) != "weir: no calls" {
				t.Errorf("exit status %d, %q; want 0 and no calls", status, p.stderr.text())
			}
			gateway, _, _ := strings.Cut(p.stdout.text(), "/~")
			gateways[gateway]++
		}
		if len(gateways) != 1 || gateways[u.instance(t).Address] != 10 {
			t.Errorf("the runs were led to %v, want all ten to the one of %+v", gateways, u.instance(t))
		}
	}
}

func TestGatewayThatIsKilledComesBackAtItsAddress(t *testing.T) {
	t.Parallel()
	u := newSite(t, startSimulator(t, 1, "steady.json"))
	p, enough := u.startCaller(t)
	eventually(t, "the tool has had an answer", func() bool { return answers(p) > 0 })
	first := u.instance(t)
	gateway, err := os.FindProcess(first.PID)
	if err != nil {
		t.Fatal(err)
	}
	if err := gateway.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is another gateway", func() bool { return u.instance(t).PID != first.PID })
	before := answers(p)
	eventually(t, "the tool has had answers from it", func() bool { return answers(p) > before+2 })
	if second := u.instance(t); second.Address != first.Address {
		t.Errorf("the new gateway is at %s, the old one was at %s", second.Address, first.Address)
	}
	enough()
	if status := p.wait(t); status != 0 || !strings.HasPrefix(lastLine(p), "weir: ") {
		t.Errorf("exit status %d, last line %q", status, lastLine(p))
	}
}

func TestRunIsNotStoppedByWhatADeadGatewayHasLeft(t *testing.T) {
	t.Parallel()
	stranger := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(stranger.Close)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + free.Addr().String()
	free.Close()
	s := startSimulator(t, 1, "steady.json")
	for name, address := range map[string]string{"an address where nobody listens": nobody, "an address that is a stranger's now": stranger.URL} {
		t.Run(name, func(t *testing.T) {
			u := newSite(t, s)
			u.write(t, "state/weir/instance.json", `{"address":"`+address+`","pid":1,"version":"old","token":"0123456789abcdef"}`)
			u.write(t, "state/weir/start.lock", "")
			if p, status := u.run(t, "true"); status != 0 || lastLine(p) != "weir: no calls" {
				t.Errorf("exit status %d, %q", status, p.stderr.text())
			}
			if i := u.instance(t); i.Version == "old" || i.Address == stranger.URL {
				t.Errorf("the gateway is %+v", i)
			}
		})
	}
}

func TestRunWhileAnotherProgramHasThePort(t *testing.T) {
	t.Parallel()
	const usual = "127.0.0.1:1302"
	l, err := net.Listen("tcp", usual) // fails if another program has it already
	if err == nil {
		t.Cleanup(func() { l.Close() })
	}
	u := newSite(t, startSimulator(t, 1, "steady.json"))
	p, status := u.run(t, "true")
	if status != 0 || lastLine(p) != "weir: no calls" {
		t.Errorf("exit status %d, %q", status, p.stderr.text())
	}
	if address := u.instance(t).Address; l != nil && (address == "http://"+usual || !strings.Contains(p.stderr.text(), address)) {
		t.Errorf("the gateway is at %s, and the run said %q", address, p.stderr.text())
	}
}

func TestStatusAndStop(t *testing.T) {
	t.Parallel()
	u := newSite(t, startSimulator(t, 1, "steady.json"))
	if p := u.weir(t, u.home, "status"); p.wait(t) != 1 {
		t.Errorf("status without a gateway: exit status %d, want 1", p.cmd.ProcessState.ExitCode())
	}
	caller, enough := u.startCaller(t)
	eventually(t, "the tool has had an answer", func() bool { return answers(caller) > 0 })
	p := u.weir(t, u.home, "status", "--json")
	var shown struct {
		Listen string   `json:"listen"`
		PID    int      `json:"pid"`
		Runs   []string `json:"runs"`
		state
	}
	if status := p.wait(t); status != 0 || json.Unmarshal([]byte(p.stdout.text()), &shown) != nil {
		t.Fatalf("weir status --json: exit status %d, %q", status, p.stdout.text())
	}
	if i := u.instance(t); "http://"+shown.Listen != i.Address || shown.PID != i.PID || len(shown.Runs) != 1 || len(shown.Accounts) != 1 {
		t.Errorf("status says %+v of %+v", shown, i)
	}
	if p := u.weir(t, u.home, "stop"); p.wait(t) != 1 || !strings.Contains(p.stderr.text(), "the gateway stays") {
		t.Errorf("stop while a tool runs: exit status %d, %q; want 1 and why", p.cmd.ProcessState.ExitCode(), p.stderr.text())
	}
	enough()
	caller.wait(t)
	if p := u.weir(t, u.home, "stop"); p.wait(t) != 0 {
		t.Errorf("stop: exit status %d, %q", p.cmd.ProcessState.ExitCode(), p.stderr.text())
	}
	if i := u.instance(t); i != (instance{}) {
		t.Errorf("a gateway that has ended left %+v", i)
	}
}

func TestRunEndsAsItsToolDoes(t *testing.T) {
	t.Parallel()
	u := newSite(t, startSimulator(t, 1, "steady.json"))
	u.write(t, "letter", "no program\n")
	tests := []struct {
		name   string
		args   []string
		status int
		stdout string
		stderr string // the last line
	}{
		{"well", []string{"sh", "-c", "echo out"}, 0, "out\n", "weir: no calls"},
		{"with a status", []string{"sh", "-c", "echo out; exit 3"}, 3, "out\n", "weir: no calls"},
		{"by a signal", []string{"sh", "-c", "kill -KILL $$"}, 128 + 9, "", "weir: no calls"},
		{"with output on both", []string{"sh", "-c", "echo out; echo err >&2"}, 0, "out\n", "weir: no calls"},
		{"before it began: there is none", []string{"no-such-tool"}, 127, "", "no-such-tool"},
		{"before it began: it is no program", []string{"./letter"}, 126, "", "letter"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, status := u.run(t, tt.args...)
			if status != tt.status || p.stdout.text() != tt.stdout {
				t.Errorf("exit status %d, stdout %q; want %d, %q", status, p.stdout.text(), tt.status, tt.stdout)
			}
			if line := lastLine(p); !strings.HasPrefix(line, "weir: ") || !strings.Contains(line, tt.stderr) {
				t.Errorf("the last line of stderr is %q, want %q in it", line, tt.stderr)
			}
			if tt.status == 127 && strings.Count(p.stderr.text(), "\n") != 1 {
				t.Errorf("stderr %q, want one line", p.stderr.text())
			}
		})
	}
	t.Run("told to end", func(t *testing.T) {
		p := u.weir(t, u.home, "run", "--upstream", "zai-coding", "--", "sh", "-c", "echo up; exec sleep 600")
		eventually(t, "the tool runs", func() bool { return strings.Contains(p.stdout.text(), "up\n") })
		if status := p.terminate(t); status != 128+15 {
			t.Errorf("exit status %d, want %d", status, 128+15)
		}
	})
	t.Run("not at all if nobody says whose its calls are", func(t *testing.T) {
		p := u.weir(t, u.home, "run", "--", "sh", "-c", "echo out")
		if status := p.wait(t); status != 2 || p.stdout.text() != "" || strings.Count(p.stderr.text(), "\n") != 1 || !strings.Contains(p.stderr.text(), "--upstream") {
			t.Errorf("exit status %d, %q, %q; want 2 and one line", status, p.stdout.text(), p.stderr.text())
		}
	})
}
