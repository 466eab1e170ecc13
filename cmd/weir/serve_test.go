package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/weirhq/weir/limit"
)

// post makes one call through the gateway, as a client without kept connections.
func post(t *testing.T, address, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, address+"/api/coding/paas/v4/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer key-of-the-test")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

func TestServeSimulateAndResume(t *testing.T) {
	const script = `{"rules":[{"times":1,"fault":{"code":"1308"}}]}`
	simulated, simulatorErr, stopSimulator := background(t, "simulate", "--listen", "127.0.0.1:0", "--answer", "10ms", "--first-event", "1ms", "--script", file(t, script))
	provider := awaited(t, simulatorErr, `on (http://\S+)`)
	dir := t.TempDir()
	out, errs, stop := background(t, "serve", "--listen", "127.0.0.1:0", "--upstream", provider, "--state", dir, "--log-format", "json", "--drain", "0s")
	gateway := awaited(t, out, `weir listens on (http://\S+)`)
	for _, line := range []string{gateway + "/weir/ ", gateway + "/metrics", "ANTHROPIC_BASE_URL"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("what it prints lacks %s: %s", line, out)
		}
	}

	const call = `{"model":"glm-5","messages":[]}`
	if status, body := post(t, gateway, call); status != http.StatusPaymentRequired {
		t.Fatalf("status %d: %s", status, body)
	}
	resumed := func(want string, args ...string) {
		t.Helper()
		status, stdout, stderr := execute(t, append([]string{"resume", "--state", dir}, args...)...)
		if status != 0 || stdout != want || stderr != "" {
			t.Errorf("resume %v: status %d, %q, %q; want %q", args, status, stdout, stderr, want)
		}
	}
	// A mistyped name must not look like success.
	if status, stdout, stderr := execute(t, "resume", "--state", dir, "zai-coding/nobody/glm-5"); status != 1 || stdout != "" || !strings.Contains(stderr, "zai-coding/nobody/glm-5") {
		t.Errorf("resume of a lane that is not closed: status %d, %q, %q", status, stdout, stderr)
	}
	resumed("opened 1\n")
	resumed("nothing was closed\n")
	if status, body := post(t, gateway, call); status != http.StatusOK {
		t.Errorf("status %d: %s", status, body)
	}

	_, second, stopSecond := background(t, "serve", "--listen", "127.0.0.1:0", "--upstream", provider, "--state", dir)
	awaited(t, second, `another weir uses the state directory`)
	if status := stopSecond(); status != 0 {
		t.Errorf("the second: status %d, %s", status, second)
	}
	if status := stop(); status != 0 {
		t.Errorf("serve: status %d, %s", status, errs)
	}
	awaited(t, errs, `"msg":"request"`)
	resumed("nothing was closed\n")
	if status := stopSimulator(); status != 0 {
		t.Errorf("simulate: status %d, %s", status, simulatorErr)
	}
	awaited(t, simulatorErr, `2 requests in .*: 1 ok, 0 refused, 0 aborted, 1 faults`)
	if n := strings.Count(simulated.String(), "\n"); n != 2 {
		t.Errorf("%d lines in the simulator's log, want 2: %s", n, simulated)
	}
}

func TestParseLimit(t *testing.T) {
	tests := []struct {
		text string
		want limit.Config
		bad  bool
	}{
		{text: "auto"},
		{text: "1", want: limit.Config{Min: 1, Max: 1, Start: 1}},
		{text: "24", want: limit.Config{Min: 24, Max: 24, Start: 24}},
		{text: "", bad: true},
		{text: "0", bad: true},
		{text: "-3", bad: true},
		{text: "1.5", bad: true},
		{text: "65537", bad: true},
	}
	for _, tt := range tests {
		got, err := parseLimit(tt.text)
		if got != tt.want || (err != nil) != tt.bad {
			t.Errorf("parseLimit(%q) = %+v, %v", tt.text, got, err)
		}
	}
}
