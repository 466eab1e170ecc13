package e2e

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A site is a user's account on a machine: a home with directories of its own, and
// so a gateway of its own in the background.
type site struct {
	home   string
	state  string // of the gateway
	binary string // weir's
	env    []string
}

// newSite makes a site whose weir takes the simulator for the coding plan. At the end
// of the test its gateway must end well.
func newSite(t *testing.T, s *simulator) *site {
	t.Helper()
	binary, err := filepath.Abs(os.Getenv(binaryVariable))
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	u := &site{home: home, binary: binary, state: filepath.Join(home, "state", "weir"), env: []string{
		"HOME=" + home,
		"XDG_CONFIG_HOME=" + filepath.Join(home, "config"),
		"XDG_DATA_HOME=" + filepath.Join(home, "data"),
		"XDG_CACHE_HOME=" + filepath.Join(home, "cache"),
		"XDG_STATE_HOME=" + filepath.Join(home, "state"),
	}}
	u.write(t, "config/weir/weir.yaml", "upstream: zai-coding="+s.url+"\n")
	t.Cleanup(func() { u.close(t) })
	return u
}

// close ends the gateway, whatever the test has left.
func (u *site) close(t *testing.T) {
	t.Helper()
	p := u.weir(t, u.home, "stop", "--force")
	if status := p.wait(t); status != 0 {
		t.Errorf("weir stop --force: exit status %d", status)
	}
	log, err := os.ReadFile(filepath.Join(u.state, "gateway.log"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if strings.Contains(string(log), "DATA RACE") {
		t.Errorf("the gateway has a data race:\n%s", log)
	}
	keptSecret(t, "the gateway's log", log)
}

// write writes a file below the home.
func (u *site) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(u.home, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// weir starts a command of weir in a directory, with further variables NAME=VALUE
// before its arguments, if any, as a shell takes them.
func (u *site) weir(t *testing.T, dir string, args ...string) *program {
	t.Helper()
	env := u.env[:len(u.env):len(u.env)]
	for len(args) > 0 && strings.Contains(args[0], "=") {
		env, args = append(env, args[0]), args[1:]
	}
	return start(t, "weir "+strings.Join(args[:min(4, len(args))], " "), dir, env, u.binary, args...)
}

// run runs a program through the gateway, for the coding plan, and returns it at its
// end with its status.
func (u *site) run(t *testing.T, args ...string) (*program, int) {
	t.Helper()
	p := u.weir(t, u.home, append([]string{"run", "--upstream", "zai-coding", "--"}, args...)...)
	return p, p.wait(t)
}

// An instance is what a state directory says of its gateway.
type instance struct {
	Address string `json:"address"`
	PID     int    `json:"pid"`
	Version string `json:"version"`
}

// instance reads which gateway runs; the zero one if none does.
func (u *site) instance(t *testing.T) instance {
	t.Helper()
	var i instance
	data, err := os.ReadFile(filepath.Join(u.state, "instance.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return i
	}
	if err == nil {
		err = json.Unmarshal(data, &i)
	}
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// lastLine returns the last line of what a program has written to standard error.
func lastLine(p *program) string {
	all := strings.Split(strings.TrimRight(p.stderr.text(), "\n"), "\n")
	return all[len(all)-1]
}

const (
	// toolVariable makes the tests' own binary a tool: it calls the model again and
	// again, and prints the status of each answer, until the file that the variable
	// names is there.
	toolVariable = "WEIR_E2E_TOOL"
	toolPause    = 20 * time.Millisecond
)

// callAgainAndAgain is that tool.
func callAgainAndAgain() int {
	tick := time.NewTicker(toolPause)
	defer tick.Stop()
	for {
		if _, err := os.Stat(os.Getenv(toolVariable)); err == nil {
			return 0
		}
		says := "no answer"
		body := strings.NewReader(`{"model":"glm-5","messages":[{"role":"user","content":"Count the kestrels"}]}`)
		req, err := http.NewRequest(http.MethodPost, os.Getenv("OPENAI_BASE_URL")+"/chat/completions", body)
		if err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			return 1
		}
		req.Header.Set("Authorization", "Bearer "+testKey)
		req.Header.Set("Content-Type", "application/json")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			says = strconv.Itoa(resp.StatusCode)
		}
		os.Stdout.WriteString(says + "\n")
		<-tick.C
	}
}

// startCaller starts that tool through the gateway. The function that comes with it
// tells it to end.
func (u *site) startCaller(t *testing.T) (p *program, enough func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(t.TempDir(), "enough")
	p = u.weir(t, u.home, toolVariable+"="+mark, "run", "--upstream", "zai-coding", "--", self)
	return p, func() {
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// answers counts the answers with status 200 that the tool has printed.
func answers(p *program) int { return strings.Count(p.stdout.text(), "200\n") }
