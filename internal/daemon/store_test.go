package daemon

import (
	"context"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/simulate"
)

// copied returns a copy of a state directory, as a process that dies leaves it.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range stateFiles(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			if strings.Contains(name, ".tmp-") {
				continue // was being written
			}
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestClosuresOutliveAnEnd(t *testing.T) {
	tests := []struct {
		name string
		next func(g *gateway) string // returns the directory of the next one
	}{
		{"a good end", func(g *gateway) string {
			if err := g.stop(); err != nil {
				g.t.Fatal(err)
			}
			return g.dir
		}},
		{"a process that is killed a second later", func(g *gateway) string {
			g.until(soon, "both closures are kept", func() bool {
				return strings.Contains(g.kept(), `"1308"`) && strings.Contains(g.kept(), `"1313"`)
			})
			return copied(g.t, g.dir)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			provider, url := upstream(t, simulate.Config{Rules: refusing()})
			first := start(t, Config{Upstreams: []string{url}})
			for _, model := range []string{"fine", "spent"} {
				first.call(model)
			}
			other := first.request(http.MethodPost, chatPath, `{"model":"unfair"}`)
			other.Header.Set("Authorization", "Bearer another-account")
			send(other)
			before := provider.Stats().Requests
			if before != 3 {
				t.Fatalf("%d requests at the provider, want 3", before)
			}
			second := start(t, Config{Upstreams: []string{url}, State: tt.next(first)})
			if status, header, _ := second.call("spent"); status != http.StatusPaymentRequired || header.Get("X-Weir-Error") != "quota" {
				t.Errorf("the closed lane: status %d, %q", status, header.Get("X-Weir-Error"))
			}
			other = second.request(http.MethodPost, chatPath, `{"model":"fine"}`)
			other.Header.Set("Authorization", "Bearer another-account")
			if status, header, _ := send(other); status != http.StatusPaymentRequired || header.Get("X-Weir-Error") != "flagged" {
				t.Errorf("the flagged account: status %d, %q", status, header.Get("X-Weir-Error"))
			}
			if n := provider.Stats().Requests; n != before {
				t.Errorf("%d attempts went out although all is closed", n-before)
			}
			if status, _, _ := second.call("fine"); status != http.StatusOK {
				t.Errorf("the open lane of the other account: status %d", status)
			}
		})
	}
}

func TestLearnedLimitIsGoneOnFrom(t *testing.T) {
	_, url := upstream(t, simulate.Config{})
	first := start(t, Config{Upstreams: []string{url}})
	first.call("glm-5")
	lane := first.state().Accounts[0].Lanes[0]
	first.until(soon, "the lane is kept", func() bool { return strings.Contains(first.kept(), `"glm-5"`) })
	second := start(t, Config{Upstreams: []string{url}, State: copied(t, first.dir)})
	s := second.state()
	if len(s.Accounts) != 1 || len(s.Accounts[0].Lanes) != 1 {
		t.Fatalf("accounts: %+v", s.Accounts)
	}
	if got := s.Accounts[0].Lanes[0]; got.Lane != lane.Lane || got.Limit != lane.Limit || len(got.Curve) == 0 {
		t.Errorf("lane %+v, want the one that was learned: %+v", got, lane)
	}
}

func TestBadStateIsSetAside(t *testing.T) {
	lane := `{"limit":{},"pace":{},"closed":{"kind":"quota","code":"1308"}}`
	tests := []struct{ name, content string }{
		{"no JSON", "{\"version\":1,\"acc"},
		{"empty", ""},
		{"of a newer version", `{"version":99,"accounts":{"zai-coding/ab":{"lanes":{"glm-5":` + lane + `}}}}`},
		{"an account of a newer version", `{"version":1,"accounts":{"zai-coding/ab":{"version":99,"lanes":{"glm-5":` + lane + `}}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, url := upstream(t, simulate.Config{})
			g := start(t, Config{Upstreams: []string{url}, State: dir})
			names := stateFiles(t, dir)
			i := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, stateFile+".damaged-") })
			if i < 0 {
				t.Fatalf("nothing was set aside: %v\nlog:\n%s", names, g.logs)
			}
			if data, err := os.ReadFile(filepath.Join(dir, names[i])); err != nil || string(data) != tt.content {
				t.Errorf("set aside: %q, %v", data, err)
			}
			if !strings.Contains(g.logs.String(), "level=WARN") {
				t.Errorf("the log says nothing:\n%s", g.logs)
			}
			if status, _, body := g.call("glm-5"); status != http.StatusOK {
				t.Errorf("status %d: %s", status, body)
			}
		})
	}
}

// A file of a size that weir never writes is not read into memory.
func TestAHugeStateIsSetAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, stateFile)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxState+1); err != nil { // it takes no room on the disk
		t.Fatal(err)
	}
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if state, err := s.Load(); state != nil || err == nil || !strings.Contains(err.Error(), "more than weir ever writes") {
		t.Errorf("read: %v, %v", state, err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it was not set aside")
	}
}

func TestPartOfAStateOutlivesTwoStarts(t *testing.T) {
	_, url := upstream(t, simulate.Config{Rules: refusing()})
	first := start(t, Config{Upstreams: []string{url}})
	first.call("spent")
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	damaged := strings.Replace(first.kept(), `"accounts":{`, `"accounts":{"zai-coding/of-the-future":{"version":99,"limit":{},"lanes":{}},`, 1)
	if err := os.WriteFile(filepath.Join(first.dir, stateFile), []byte(damaged), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		g := start(t, Config{Upstreams: []string{url}, State: first.dir})
		if status, header, _ := g.call("spent"); status != http.StatusPaymentRequired || header.Get("X-Weir-Attempts") != "0" {
			t.Fatalf("status %d after %s attempts: the closed lane was forgotten", status, header.Get("X-Weir-Attempts"))
		}
		if err := g.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSecondGatewayOnlyReads(t *testing.T) {
	_, url := upstream(t, simulate.Config{Rules: refusing()})
	first := start(t, Config{Upstreams: []string{url}})
	first.call("glm-5")
	first.until(soon, "the lane is kept", func() bool { return strings.Contains(first.kept(), `"glm-5"`) })
	second := start(t, Config{Upstreams: []string{url}, State: first.dir})
	if first.Shared() || !second.Shared() || !first.state().Persisted || second.state().Persisted {
		t.Error("want the first to own the directory and the second to say that it does not")
	}
	if s := second.state(); len(s.Accounts) != 1 {
		t.Errorf("the second has not read what the first has learned: %+v", s)
	}
	second.call("spent")
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(first.kept(), `"1308"`) {
		t.Error("the second has written")
	}
	if _, err := os.Stat(filepath.Join(first.dir, instanceFile)); err != nil {
		t.Errorf("the second took back what the first announces: %v", err)
	}
}

func TestResume(t *testing.T) {
	open := func(t *testing.T, dir, lane string, want int) {
		t.Helper()
		if n, err := Resume(context.Background(), dir, lane); err != nil || n != want {
			t.Fatalf("Resume(%q): opened %d, %v; want %d", lane, n, err, want)
		}
	}
	_, url := upstream(t, simulate.Config{Rules: []simulate.Rule{{Match: simulate.Match{Model: "spent"}, Times: 1, Fault: &simulate.Fault{Code: "1308"}}}})
	t.Run("in a gateway that runs", func(t *testing.T) {
		_, url := upstream(t, simulate.Config{Rules: []simulate.Rule{{Match: simulate.Match{Model: "spent"}, Times: 1, Fault: &simulate.Fault{Code: "1308"}}}})
		g := start(t, Config{Upstreams: []string{url}})
		g.call("spent")
		lane := g.state().Accounts[0].Lanes[0].Lane
		open(t, g.dir, lane+"-of-another", 0)
		open(t, g.dir, lane, 1)
		if status, _, body := g.call("spent"); status != http.StatusOK {
			t.Errorf("status %d: %s", status, body)
		}
		g.until(soon, "it is kept that the lane is open", func() bool { return !strings.Contains(g.kept(), `"1308"`) })
	})
	t.Run("in what a gateway has left, even if another has its port", func(t *testing.T) {
		g := start(t, Config{Upstreams: []string{url}})
		g.call("spent")
		g.until(soon, "the closure is kept", func() bool { return strings.Contains(g.kept(), `"1308"`) })
		dead := copied(t, g.dir) // it announces the address of one with another token
		open(t, dead, "", 1)
		open(t, dead, "", 0)
		next := start(t, Config{Upstreams: []string{url}, State: dead})
		if next.state().Accounts[0].Lanes[0].Closed != nil {
			t.Error("the lane is still closed")
		}
		if g.state().Accounts[0].Lanes[0].Closed == nil {
			t.Error("the lane of the other gateway was opened")
		}
	})
	t.Run("where nothing was ever kept", func(t *testing.T) { open(t, t.TempDir(), "", 0) })
	t.Run("not in what a newer weir has left", func(t *testing.T) {
		dir := t.TempDir()
		const newer = `{"version":99,"accounts":{},"more":1}`
		if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(newer), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Resume(context.Background(), dir, ""); err == nil || !strings.Contains(err.Error(), "99") {
			t.Errorf("error %v", err)
		}
		if data, _ := os.ReadFile(filepath.Join(dir, stateFile)); string(data) != newer {
			t.Errorf("the file was changed: %s", data)
		}
	})
}

func TestStateDirectoryIsTheUsersOwn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "weir")
	_, url := upstream(t, simulate.Config{})
	g := start(t, Config{Upstreams: []string{url}, State: dir})
	g.call("glm-5")
	g.until(soon, "something is kept", func() bool { return g.kept() != "" })
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
	for _, name := range []string{stateFile, secretFile, instanceFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if others := info.Mode().Perm() & fs.FileMode(0o077); others != 0 {
			t.Errorf("%s: %v", name, info.Mode())
		}
	}
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, instanceFile)); err == nil {
		t.Error("a gateway that has ended still announces itself")
	}
}

func TestDefaultStateDir(t *testing.T) {
	home, state := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	tests := []struct{ name, xdg, want string }{
		{"the one for state, if it is named", state, filepath.Join(state, "weir")},
		{"below the home directory otherwise", "", filepath.Join(home, ".local", "state", "weir")},
		{"not one that depends on where one is", "here", filepath.Join(home, ".local", "state", "weir")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", tt.xdg)
			if got, err := DefaultStateDir(); err != nil || got != tt.want {
				t.Errorf("%s, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func TestSaveReplacesAsAWhole(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 3 {
		if err := s.Save(weir.State{Version: weir.StateVersion}); err != nil {
			t.Fatal(err)
		}
	}
	if got := stateFiles(t, dir); !slices.Equal(got, []string{lockFile, secretFile, stateFile}) {
		t.Errorf("files: %v", got)
	}
}
