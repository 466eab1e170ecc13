package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// binaryVariable names the weir to test in the environment.
const binaryVariable = "WEIR_BINARY"

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds weir once for all tests. It leaves no setting of the caller's
// SDKs in place, which would send their calls elsewhere.
func run(m *testing.M) int {
	if os.Getenv(toolVariable) != "" {
		return callAgainAndAgain()
	}
	for _, setting := range os.Environ() {
		name, _, _ := strings.Cut(setting, "=")
		if strings.HasPrefix(name, "OPENAI_") || strings.HasPrefix(name, "ANTHROPIC_") {
			os.Unsetenv(name)
		}
	}
	if os.Getenv(binaryVariable) == "" {
		dir, err := os.MkdirTemp("", "weir-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary := filepath.Join(dir, "weir.exe") // Windows wants the ending, the others do not mind
		args := slices.DeleteFunc([]string{"build", buildFlags, "-o", binary, "../cmd/weir"}, func(a string) bool { return a == "" })
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go %s: %v\n%s", strings.Join(args, " "), err, out)
			return 1
		}
		os.Setenv(binaryVariable, binary)
	}
	return m.Run()
}

// startWeir runs a command of weir with a home of its own.
func startWeir(t *testing.T, args ...string) *program {
	t.Helper()
	binary, err := filepath.Abs(os.Getenv(binaryVariable))
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	return start(t, "weir "+args[0], home, []string{"HOME=" + home}, binary, args...)
}

// address waits until one of a program's outputs has a line that says, after
// the given words, at which URL it listens. It returns the URL.
func address(t *testing.T, p *program, out *lines, words string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		select {
		case <-p.ended: // nothing more will be said
			cancel()
		case <-ctx.Done():
		}
	}()
	rest, found := out.after(ctx, words+" http://")
	if !found {
		t.Fatalf("%s does not say where it listens", p.name)
	}
	host, _, _ := strings.Cut(rest, " ")
	return "http://" + strings.TrimRight(host, "/.")
}

// ready waits until the URL answers 200.
func ready(t *testing.T, p *program, url string) {
	t.Helper()
	eventually(t, url+" answers 200", func() bool {
		if !p.running() {
			t.Fatalf("%s has ended with status %d", p.name, p.cmd.ProcessState.ExitCode())
		}
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// get reads JSON from a URL.
func get(t *testing.T, url string, into any) {
	t.Helper()
	if err := json.Unmarshal(fetch(t, url), into); err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
}

// fetch returns what a URL answers with status 200.
func fetch(t *testing.T, url string) []byte {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: status %d, %v", url, resp.StatusCode, err)
	}
	return body
}

// A simulator is a running weir simulate.
type simulator struct {
	*program
	url string
}

// startSimulator starts a provider of so many slots that answers as a script in
// testdata says, and waits until it is there. Answers begin after 50 ms and take
// 300 ms unless the script says something else.
func startSimulator(t *testing.T, limit int, script string) *simulator {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("testdata", script))
	if err != nil {
		t.Fatal(err)
	}
	p := startWeir(t, "simulate", "--listen", "127.0.0.1:0", "--limit", strconv.Itoa(limit),
		"--script", file, "--first-event", "50ms", "--answer", "300ms")
	s := &simulator{program: p, url: address(t, p, p.stderr, "simulated provider on")}
	ready(t, p, s.url+"/healthz")
	return s
}

// simulated is what the tests read of the simulator's statistics.
type simulated struct {
	Since       time.Time      `json:"since"`
	Requests    int            `json:"requests"`
	OK          int            `json:"ok"`
	Refused     int            `json:"refused"`
	Aborted     int            `json:"aborted"`
	InFlight    int            `json:"in_flight"`
	MaxInFlight int            `json:"max_in_flight"`
	Accounts    map[string]any `json:"accounts"`
}

func (s *simulator) stats(t *testing.T) simulated {
	t.Helper()
	var stats simulated
	get(t, s.url+"/simulate/stats", &stats)
	return stats
}

// An answered is a line of the simulator's log.
type answered struct {
	Path    string    `json:"path"`
	Rule    string    `json:"rule"`
	Verdict string    `json:"verdict"`
	Code    string    `json:"code"`
	Start   time.Time `json:"start"`
	End     time.Time `json:"end"`
}

// log returns what the simulator has answered, in the order of the ends.
func (s *simulator) log(t *testing.T) []answered {
	t.Helper()
	var all []answered
	scan := bufio.NewScanner(bytes.NewReader(fetch(t, s.url+"/simulate/log")))
	for scan.Scan() {
		var a answered
		if err := json.Unmarshal(scan.Bytes(), &a); err != nil {
			t.Fatalf("the simulator's log: %v", err)
		}
		all = append(all, a)
	}
	return all
}

// rules counts the accepted answers of each rule of the script.
func (s *simulator) rules(t *testing.T) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for _, a := range s.log(t) {
		if a.Verdict == "ok" {
			counts[a.Rule]++
		}
	}
	return counts
}

// A gateway is a weir serve, which may be killed and started again.
type gateway struct {
	*program
	url   string
	state string // its state directory
	args  []string
}

// startGateway starts weir serve in front of the simulator and waits until it
// is ready. At the end of the test it must end well and have kept every secret.
func startGateway(t *testing.T, s *simulator, args ...string) *gateway {
	t.Helper()
	g := &gateway{state: filepath.Join(t.TempDir(), "state")}
	g.args = append([]string{"--upstream", s.url, "--state", g.state, "--log-format", "json"}, args...)
	g.start(t, "127.0.0.1:0")
	return g
}

func (g *gateway) start(t *testing.T, listen string) {
	t.Helper()
	g.program = startWeir(t, append([]string{"serve", "--listen", listen}, g.args...)...)
	g.url = address(t, g.program, g.stdout, "weir listens on")
	ready(t, g.program, g.url+"/readyz")
	t.Cleanup(func() { // before start's own, which kills what still runs
		if g.running() {
			g.stop(t)
		}
	})
}

// restart starts a gateway that is gone again, at its old address.
func (g *gateway) restart(t *testing.T) {
	t.Helper()
	u, err := url.Parse(g.url)
	if err != nil {
		t.Fatal(err)
	}
	g.start(t, u.Host)
}

// stop ends the gateway as its user would, after which its log is complete. It
// checks what holds for every run: exit status 0, no data race, and neither a
// key nor a word of a prompt or an answer in anything that was written.
func (g *gateway) stop(t *testing.T) {
	t.Helper()
	metrics := fetch(t, g.url+"/metrics")
	shown := fetch(t, g.url+"/weir/api/state")
	requests := fetch(t, g.url+"/weir/api/requests")
	if status := g.terminate(t); status != 0 {
		t.Errorf("weir serve: exit status %d after SIGTERM, want 0", status)
	}
	output := g.stdout.text() + g.stderr.text()
	if strings.Contains(output, "DATA RACE") {
		t.Errorf("weir serve has a data race:\n%s", output)
	}
	keptSecret(t, "the metrics", metrics)
	keptSecret(t, "the state shown", shown)
	keptSecret(t, "the requests shown", requests)
	keptSecret(t, "the log", []byte(output))
	err := filepath.WalkDir(g.state, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		keptSecret(t, path, content)
		return err
	})
	if err != nil {
		t.Errorf("the state directory: %v", err)
	}
}

// A state is what the tests read of weir's state.
type state struct {
	Queued   int `json:"queued"`
	InFlight int `json:"in_flight"`
	Accounts []struct {
		Lanes []struct {
			Model string `json:"model"`
			Limit int    `json:"limit"`
		} `json:"lanes"`
	} `json:"accounts"`
}

// limit returns the learned limit of the only lane, or 0 if there is none yet.
func (s state) limit(t *testing.T) int {
	t.Helper()
	if len(s.Accounts) == 0 {
		return 0
	}
	if len(s.Accounts) != 1 || len(s.Accounts[0].Lanes) != 1 {
		t.Fatalf("the state shows %+v, want one account with one lane", s.Accounts)
	}
	return s.Accounts[0].Lanes[0].Limit
}

func (g *gateway) shown(t *testing.T) state {
	t.Helper()
	var s state
	get(t, g.url+"/weir/api/state", &s)
	return s
}

// A served is a line of the gateway's log: a request at its end.
type served struct {
	ID       string `json:"id"`
	Status   int    `json:"status"`
	Attempts int    `json:"attempts"`
}

// log returns the requests that have ended, in the order of their ends.
func (g *gateway) log(t *testing.T) []served {
	t.Helper()
	var all []served
	for _, line := range strings.Split(g.stdout.text()+"\n"+g.stderr.text(), "\n") {
		var s served
		if json.Unmarshal([]byte(line), &s) == nil && s.Status != 0 {
			all = append(all, s)
		}
	}
	return all
}

// answered fails the test unless the gateway has answered so many requests, all
// of them with 200, in the attempts that the provider counted. The log must be
// complete, see stop.
func (g *gateway) answered(t *testing.T, want int, provider simulated) {
	t.Helper()
	log, attempts := g.log(t), 0
	for _, s := range log {
		attempts += s.Attempts
		if s.Status != http.StatusOK {
			t.Errorf("request %s was answered with %d", s.ID, s.Status)
		}
	}
	if len(log) != want {
		t.Errorf("the gateway answered %d requests, want %d: a client asked again", len(log), want)
	}
	if attempts != provider.Requests || provider.Requests != want+provider.Refused {
		t.Errorf("%d attempts in the log; the provider saw %d and refused %d, for %d requests", attempts, provider.Requests, provider.Refused, want)
	}
}

// Every credential, prompt and scripted answer of the tests has one of these.
const (
	testKey = "e2e-key-7c1f5a0b9d3e42688f"
	secret  = "kestrel"
)

// keptSecret fails the test if a text has what weir must not write down.
func keptSecret(t *testing.T, what string, text []byte) {
	t.Helper()
	for _, s := range []string{testKey, secret} {
		if bytes.Contains(text, []byte(s)) {
			t.Errorf("%s has %q in it", what, s)
		}
	}
}
