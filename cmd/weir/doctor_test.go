package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weirhq/weir/internal/doctor"
)

// emptyMachine hides what is installed and set on the machine of the test.
func emptyMachine(t *testing.T) (state string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("PATH", filepath.Join(dir, "bin"))
	t.Setenv("HOME", dir)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "")
	}
	return filepath.Join(dir, "state")
}

// examined runs weir doctor --json and returns the results by name.
func examined(t *testing.T, want int, args ...string) map[string]doctor.Result {
	t.Helper()
	status, stdout, stderr := execute(t, append([]string{"doctor", "--json"}, args...)...)
	if status != want {
		t.Errorf("status %d, want %d: %s", status, want, stderr)
	}
	var report struct{ Checks []doctor.Result }
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	by := map[string]doctor.Result{}
	for _, r := range report.Checks {
		by[r.Name] = r
	}
	return by
}

// planProvider is a provider on whose coding endpoint the key is good.
func planProvider(t *testing.T, asked *atomic.Int32) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return
		}
		asked.Add(1)
		if strings.HasPrefix(r.URL.Path, "/api/coding/") {
			fmt.Fprint(w, `{"choices":[{"message":{"content":"1"}}]}`)
			return
		}
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"error":{"code":"1113","message":"made up"}}`)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestDoctorFindsTheGateway(t *testing.T) {
	state := emptyMachine(t)
	var asked atomic.Int32
	base := planProvider(t, &asked)
	if r := examined(t, 0, "--state", state, "--upstream", "zai="+base)["gateway"]; r.Status != doctor.Warn {
		t.Errorf("without one: %+v", r)
	}
	out, _, stop := background(t, "serve", "--listen", "127.0.0.1:0", "--state", state, "--upstream", "zai="+base, "--drain", "0s")
	address := awaited(t, out, `weir listens on (http://\S+)`)
	r := examined(t, 0, "--state", state, "--upstream", "zai="+base)["gateway"]
	if r.Status != doctor.OK || !strings.Contains(r.Saw, address) {
		t.Errorf("with one: %+v", r)
	}
	if status := stop(); status != 0 {
		t.Errorf("serve ended with %d", status)
	}
	if asked.Load() != 0 {
		t.Error("a key was asked for nothing")
	}
}

func TestDoctorNamesAStrangerInTheGatewaysPlace(t *testing.T) {
	state := emptyMachine(t)
	var asked atomic.Int32
	stranger := planProvider(t, &asked)
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(state, "instance.json"), fmt.Appendf(nil, `{"address":%q,"token":"t"}`, stranger), 0o600); err != nil {
		t.Fatal(err)
	}
	r := examined(t, 1, "--state", state, "--upstream", "zai="+stranger)["gateway"]
	if r.Status != doctor.Wrong || !strings.Contains(r.Saw, "another program") {
		t.Errorf("%+v", r)
	}
}

func TestDoctorTellsWhereTheKeyBelongs(t *testing.T) {
	state := emptyMachine(t)
	var asked atomic.Int32
	base := planProvider(t, &asked)
	t.Setenv("WORK_KEY", "key-of-the-test")
	args := []string{"--state", state, "--upstream", "zai=" + base, "--key-env", "WORK_KEY", "--yes"}
	r := examined(t, 0, args...)["key"]
	if r.Status != doctor.OK || !strings.Contains(r.Means, base+"/api/coding/paas/v4") || asked.Load() != 2 {
		t.Errorf("asked %d times: %+v", asked.Load(), r)
	}
	status, stdout, stderr := execute(t, append([]string{"doctor"}, args...)...)
	if status != 0 || strings.Contains(stdout+stderr, "key-of-the-test") || !strings.Contains(stderr, "count as use") {
		t.Errorf("status %d: %s%s", status, stdout, stderr)
	}

	t.Run("never with a flagged account", func(t *testing.T) {
		asked.Store(0)
		if err := os.MkdirAll(state, 0o700); err != nil {
			t.Fatal(err)
		}
		const kept = `{"version":1,"accounts":{"zai-coding/4f1c2ab09d31":{"version":1,"flagged":{"kind":"flagged","code":"1313","since":"2026-11-01T00:00:00Z"}}}}`
		if err := os.WriteFile(filepath.Join(state, "state.json"), []byte(kept), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := examined(t, 1, args...)["key"]; r.Status != doctor.Wrong || asked.Load() != 0 {
			t.Errorf("asked %d times: %+v", asked.Load(), r)
		}
	})
}

func TestDoctorAsksBeforeItUsesTheKey(t *testing.T) {
	state := emptyMachine(t)
	var asked atomic.Int32
	base := planProvider(t, &asked)
	t.Setenv("ZAI_API_KEY", "key-of-the-test")
	for typed, want := range map[string]int32{"": 0, "\n": 0, "n\n": 0, "y\n": 2, "YES\n": 2} {
		asked.Store(0)
		var out, errs bytes.Buffer
		root := newRoot(&out, &errs)
		root.SetIn(strings.NewReader(typed))
		root.SetArgs([]string{"doctor", "--key", "--state", state, "--upstream", "zai=" + base})
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%q: %v", typed, err)
		}
		if asked.Load() != want || !strings.Contains(errs.String(), "[y/N]") {
			t.Errorf("%q: asked %d times, want %d: %s", typed, asked.Load(), want, &errs)
		}
	}
}

func TestDoctorsWrongCommandLines(t *testing.T) {
	emptyMachine(t)
	t.Setenv("ZAI_API_KEY", "")
	for args, says := range map[string]string{
		"--key":                        "ZAI_API_KEY",
		"--key-env sk-secret":          "--key-env NAME",
		"--key --vendor openai":        "bigmodel and zai",
		"--upstream nobody":            "--upstream",
		"now":                          "takes no arguments",
		"--key-env X --upstream zai==": "--upstream",
	} {
		status, _, stderr := execute(t, append([]string{"doctor"}, strings.Fields(args)...)...)
		if status != 2 || !strings.Contains(stderr, says) || strings.Contains(stderr, "secret") {
			t.Errorf("%s: status %d: %s", args, status, stderr)
		}
	}
}
