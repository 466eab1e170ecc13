package daemon

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/journal"
	"github.com/weirhq/weir/internal/simulate"
)

// marked begins every text of a test that must stay where it is.
const marked = "MARKED"

// leaky is a script of answers which all hold what they must not spread.
func leaky() []simulate.Rule {
	text := marked + "-answer"
	refusal := func(model string, status int, body string) simulate.Rule {
		return simulate.Rule{Match: simulate.Match{Model: model}, Times: 1, Fault: &simulate.Fault{Status: status, Body: []byte(body)}}
	}
	message := `"message":"You said: ` + marked + `-echo"`
	return []simulate.Rule{
		refusal("busy", 429, `{"error":{"code":"1302",`+message+`}}`),
		refusal("invalid", 400, `{"error":{"code":"1214",`+message+`}}`),
		refusal("auth", 401, `{"error":{"code":"1000",`+message+`}}`),
		refusal("broken", 500, `{"error":{"code":"1230",`+message+`}}`),
		refusal("strange", 418, `{"error":{"code":"`+marked+`-code said the user","type":"`+marked+`-type",`+message+`},"request_id":"`+marked+` id of a kind"}`),
		refusal("spent", 429, `{"error":{"code":"1308",`+message+`}}`),
		refusal("text", 503, `"`+marked+`-echo, no JSON"`),
		{Match: simulate.Match{Model: "midway"}, Times: 1, Fault: &simulate.Fault{FirstEventError: []byte(`{"error":{"code":"1305",` + message + `}}`)}},
		{Answer: &simulate.Answer{Text: &text, Reasoning: marked + "-reasoning", Events: 2}},
	}
}

func TestNothingSecretIsWrittenAnywhere(t *testing.T) {
	_, url := upstream(t, simulate.Config{Rules: leaky()})
	g := start(t, Config{Upstreams: []string{url, "generic=http://127.0.0.1:1/v1"}})
	paths := []string{chatPath, "/api/anthropic/v1/messages", "/v1/responses", "/@generic/v1/chat/completions", "/no/such/path", "/@nobody/v1/chat/completions"}
	count := 0
	for _, model := range []string{"fine", "busy", "invalid", "auth", "broken", "strange", "text", "midway", "spent"} {
		for i, path := range paths {
			if i > 2 && model != "fine" {
				continue
			}
			req := g.request(http.MethodPost, path+"?key="+marked+"-query", fmt.Sprintf(
				`{"model":%q,"stream":%t,"max_tokens":9,"system":"%[3]s-system","input":"%[3]s-input","messages":[{"role":"user","content":"%[3]s-prompt"}]}`, model, count%2 == 0, marked))
			req.Header.Set("Authorization", "Bearer "+marked+"-bearer")
			req.Header.Set("X-Api-Key", marked+"-x-api-key")
			req.Header.Set("Cookie", marked+"-cookie")
			req.Header.Set("X-Goog-Api-Key", marked+"-goog")
			req.Header.Set("X-Stranger", marked+"-header")
			req.Header.Set("User-Agent", marked+"-agent")
			req.Header.Set("X-Weir-Max-Wait", "10s")
			_, _, body := send(req)
			if model == "fine" && i < 3 && !strings.Contains(body, marked+"-answer") {
				t.Errorf("%s: the answer does not reach its client: %s", path, body)
			}
			count++
		}
	}
	foreign := g.request(http.MethodPost, chatPath, `{"model":"fine"}`)
	foreign.Header.Set("X-Api-Key", "sk-ant-"+marked+"-foreign")
	if status, _, body := send(foreign); status != http.StatusForbidden || strings.Contains(body, marked) {
		t.Errorf("a foreign key: status %d, %s", status, body)
	}
	g.until(patience, "all are logged", func() bool { return strings.Count(g.logs.String(), "msg=request") >= count+1 })

	places := map[string]string{"the log": g.logs.String()}
	for _, path := range []string{"/metrics", "/weir/api/state", "/weir/", "/weir/api/requests", "/weir/api/history?period=1h"} {
		_, _, places[path] = g.get(path)
	}
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	for _, name := range stateFiles(t, g.dir) {
		data, err := os.ReadFile(filepath.Join(g.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		places[name] = string(data)
	}
	if !strings.Contains(places[journal.File], "/fine") || !strings.Contains(places[journal.File], "1302") {
		t.Error("the journal does not have the requests: the test proves nothing")
	}
	for where, text := range places {
		if len(text) == 0 && where != lockFile {
			t.Errorf("%s is empty: the test proves nothing", where)
		}
		for line := range strings.Lines(text) {
			if strings.Contains(strings.ToUpper(line), marked) {
				t.Errorf("%s tells a secret: %s", where, line)
			}
		}
	}
}
