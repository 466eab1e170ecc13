package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"time"
)

func readAll(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("read answer: %v", err)
	}
	return string(body)
}

func count(n int) *int { return &n }

func TestFaultsAtTheDoor(t *testing.T) {
	tests := []struct {
		name, path, body string
		fault            Fault
		status           int
		want, code       string
	}{
		{"a code brings its status", chatPath, plain, Fault{Code: "1234"}, 500, "Network error, error id: 2000", "1234"},
		{"1305 is 529 for Anthropic", messagesPath, plain, Fault{Code: "1305"}, 529, `"type":"overloaded_error","code":"1305"`, "1305"},
		{"1308 names a moment in UTC+8", chatPath, plain, Fault{Code: "1308"}, 429, "reset at 2000-01-01 10:00:00", "1308"},
		{"a status alone", chatPath, plain, Fault{Status: 503}, 503, `{"error":{"code":"503","message":"Overloaded"}}`, "503"},
		{"a body of JSON", chatPath, plain, Fault{Status: 429, Body: json.RawMessage(`{"code":3010}`)}, 429, `{"code":3010}`, "429"},
		{"a body of text", chatPath, plain, Fault{Status: 502, Body: json.RawMessage(`"<html>bad gateway"`)}, 502, "<html>bad gateway", "502"},
		{"headers", chatPath, plain, Fault{Status: 429, Headers: map[string]string{"Content-Type": "text/event-stream"}}, 429, "Too many", "429"},
		{"an error as first event", chatPath, streaming, Fault{FirstEventError: json.RawMessage(`"1303"`)}, 200, "event: error\ndata: {\"error\":{\"code\":\"1303\"", "1303"},
		{"any first event", messagesPath, streaming, Fault{FirstEventError: json.RawMessage(`{"x":1}`)}, 200, "event: error\ndata: {\"x\":1}\n\n", "first_event_error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := instant(Rule{Name: "faulty", Times: 1, Fault: &tt.fault})
			inBubble(t, c, func(t *testing.T, b *bubble) {
				res := b.post(t.Context(), tt.path, "", tt.body)
				if body := readAll(t, res); res.StatusCode != tt.status || !strings.Contains(body, tt.want) {
					t.Errorf("%d %s", res.StatusCode, body)
				}
				for k, v := range tt.fault.Headers {
					if res.Header.Get(k) != v {
						t.Errorf("header %s is %q", k, res.Header.Get(k))
					}
				}
				if e := b.p.Entries()[0]; e.Verdict != VerdictFault || e.Code != tt.code || e.Rule != "faulty" {
					t.Errorf("entry is %+v", e)
				}
				if s := b.p.Stats(); s.Faults != 1 || s.MaxInFlight != 0 {
					t.Errorf("stats are %+v", s)
				}
				if status, _, _ := b.call(tt.path, "", tt.body); status != 200 {
					t.Errorf("after its times: %d", status)
				}
			})
		})
	}
}

func TestFaultsWithinAnAnswer(t *testing.T) {
	inBubble(t, Config{Rules: []Rule{
		{Match: Match{Model: "neterr"}, Fault: &Fault{FinishReason: "network_error"}},
		{Match: Match{Model: "length"}, Answer: &Answer{Text: text("cut")}, Fault: &Fault{FinishReason: "length"}},
		{Match: Match{Model: "merged"}, Fault: &Fault{Merged: true}},
		{Match: Match{Model: "stall"}, Fault: &Fault{Stall: Exactly(5 * time.Second), StallAfter: count(2)}},
	}}, func(t *testing.T, b *bubble) {
		call := func(path, model string) (string, time.Duration) {
			_, body, took := b.call(path, "", `{"model":"`+model+`","stream":true}`)
			return body, took
		}
		if body, _ := call(chatPath, "neterr"); strings.Count(body, "data: ") != 2 || !strings.Contains(body, `"finish_reason":"network_error","delta":{"role":"assistant","content":""}`) {
			t.Errorf("network_error: %s", body)
		}
		if body, _ := call(messagesPath, "neterr"); strings.Contains(body, "content_block") || !strings.Contains(body, `"stop_reason":"network_error"`) {
			t.Errorf("network_error: %s", body)
		}
		if body, _ := call(responsesPath, "neterr"); !strings.Contains(body, "event: response.incomplete") || !strings.Contains(body, `"incomplete_details":{"reason":"network_error"}`) {
			t.Errorf("network_error: %s", body)
		}
		if body, _ := call(chatPath, "length"); !strings.Contains(body, `"content":"cut"`) && !strings.Contains(body, `"finish_reason":"length"`) {
			t.Errorf("length: %s", body)
		}
		if body, _ := call(chatPath, "merged"); !mergedLine(body) {
			t.Errorf("no merged line: %s", body)
		}
		if _, took := call(chatPath, "stall"); took != 6*time.Second {
			t.Errorf("a stall of 5 s in an answer of 1 s took %v", took)
		}
		if s := b.p.Stats(); s.Faults != 6 || s.Codes["network_error"] != 3 || s.Codes["stall"] != 1 || s.Codes["merged"] != 1 || s.Codes["length"] != 1 {
			t.Errorf("stats are %+v", s)
		}
	})
}

func mergedLine(body string) bool {
	for line := range strings.Lines(body) {
		if strings.Count(line, "data: {") == 2 {
			return true
		}
	}
	return false
}

// These need a socket, for a pipe has no RST.
func TestCuts(t *testing.T) {
	tests := []struct {
		name   string
		fault  Fault
		events int   // -1: there is no answer
		err    error // what ends the body; nil: a good end
	}{
		{"reset before the head", Fault{Cut: "reset"}, -1, syscall.ECONNRESET},
		{"close before the head", Fault{Cut: "close"}, -1, io.EOF},
		{"reset after the head", Fault{CutAfter: count(0)}, 0, syscall.ECONNRESET},
		{"reset after three events", Fault{CutAfter: count(3), Cut: "reset"}, 3, syscall.ECONNRESET},
		{"close after three events", Fault{CutAfter: count(3), Cut: "close"}, 3, io.ErrUnexpectedEOF},
		{"clean end after three events", Fault{CutAfter: count(3), Cut: "eof"}, 3, nil},
		{"reset after all events", Fault{CutAfter: count(99)}, 13, syscall.ECONNRESET},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := instant(Rule{Fault: &tt.fault, Answer: &Answer{Events: 10}})
			p, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(p)
			defer server.Close()
			res, err := server.Client().Post(server.URL+chatPath, "application/json", strings.NewReader(streaming))
			if tt.events < 0 {
				if !errors.Is(err, tt.err) {
					t.Errorf("got %v, %v", res, err)
				}
			} else {
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				if n := bytes.Count(body, []byte("\n\n")); n != tt.events || !errors.Is(err, tt.err) {
					t.Errorf("%d events, then %v", n, err)
				}
			}
			if s := p.Stats(); s.Codes["cut"] != 1 || s.InFlight != 0 {
				t.Errorf("stats are %+v", s)
			}
		})
	}
	t.Run("an answer that is no stream, in its middle", func(t *testing.T) {
		p, err := New(instant(Rule{Fault: &Fault{CutAfter: count(1), Cut: "close"}}))
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(p)
		defer server.Close()
		res, err := server.Client().Post(server.URL+chatPath, "application/json", strings.NewReader(plain))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); len(body) == 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes, then %v", len(body), err)
		}
	})
}

func TestRulesMatch(t *testing.T) {
	yes, no := true, false
	const chatResult = `{"model":"glm-5","messages":[{"role":"user","content":"say \"hi\" & go"},{"role":"tool","content":"ok"}]}`
	const messagesResult = `{"model":"glm-5","messages":[{"role":"user","content":[{"type":"text"},{"type":"tool_result"}]}]}`
	const responsesResult = `{"model":"glm-5","input":[{"type":"function_call_output","output":"ok"}]}`
	tests := []struct {
		name, body string
		match      Match
		want       bool
	}{
		{"everything", plain, Match{}, true},
		{"part of the path", plain, Match{Path: "/coding/"}, true},
		{"another path", plain, Match{Path: "/anthropic/"}, false},
		{"part of the model", plain, Match{Model: "glm"}, true},
		{"another model", plain, Match{Model: "gpt"}, false},
		{"streams only", plain, Match{Stream: &yes}, false},
		{"no streams", plain, Match{Stream: &no}, true},
		{"a text as it was before JSON", chatResult, Match{Contains: []string{`say "hi" & go`}}, true},
		{"a text as it is in JSON", chatResult, Match{Contains: []string{`"role":"tool"`}}, true},
		{"one text of two is missing", chatResult, Match{Contains: []string{"hi", "ho"}}, false},
		{"a text that must lack", chatResult, Match{Lacks: []string{"ho", `"hi"`}}, false},
		{"tool results of chat", chatResult, Match{ToolResults: &yes}, true},
		{"tool results of Messages", messagesResult, Match{ToolResults: &yes}, true},
		{"tool results of Responses", responsesResult, Match{ToolResults: &yes}, true},
		{"none in a plain conversation", `{"model":"x","messages":[{"role":"user","content":"tool_result"}],"input":"x"}`, Match{ToolResults: &yes}, false},
		{"no tool results wanted", messagesResult, Match{ToolResults: &no}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q, code := readRequest(chatPath, []byte(tt.body))
			if code != "" {
				t.Fatal(code)
			}
			if got := compile([]Rule{{Match: tt.match}})[0].fits(q); got != tt.want {
				t.Errorf("fits: %v", got)
			}
		})
	}
}

func TestARefusedCallDoesNotUseUpItsRule(t *testing.T) {
	c := Config{Limit: 1, Rules: []Rule{{Match: Match{Contains: []string{"second"}}, Times: 1, Answer: &Answer{Text: text("scripted")}}}}
	inBubble(t, c, func(t *testing.T, b *bubble) {
		res := b.post(t.Context(), chatPath, "", streaming)
		second := `{"model":"glm-5","x":"second"}`
		if status, _, _ := b.call(chatPath, "", second); status != 429 {
			t.Fatalf("status %d", status)
		}
		readAll(t, res)
		if _, body, _ := b.call(chatPath, "", second); !strings.Contains(body, "scripted") {
			t.Errorf("body is %s", body)
		}
		if _, body, _ := b.call(chatPath, "", second); strings.Contains(body, "scripted") {
			t.Errorf("the rule fitted twice: %s", body)
		}
	})
}

func TestLogHoldsNoSecret(t *testing.T) {
	var log bytes.Buffer
	c := instant()
	c.Log = &log
	inBubble(t, c, func(t *testing.T, b *bubble) {
		b.call(chatPath+"?key=SECRET2", "SECRET1", `{"model":"glm-5","messages":[{"content":"SECRET3"}]}`)
		b.call("/api/v1/messages/count_tokens?key=SECRET2", "SECRET1", `{"model":"glm-5","messages":[{"content":"SECRET3"}]}`)
		res, err := b.client.Get("http://sim/simulate/log")
		if err != nil {
			t.Fatal(err)
		}
		kept := readAll(t, res)
		if kept != log.String() {
			t.Errorf("kept\n%s\nlogged\n%s", kept, log.String())
		}
		if strings.Contains(kept, "SECRET") || strings.Count(kept, "\n") != 2 {
			t.Errorf("log is %s", kept)
		}
		var e Entry
		if err := json.Unmarshal([]byte(strings.SplitN(kept, "\n", 2)[0]), &e); err != nil {
			t.Fatal(err)
		}
		if e.Path != chatPath || e.Account != Account("SECRET1") || e.InFlight != 1 || e.Verdict != VerdictOK || e.Model != "glm-5" || e.Dialect != "chat" {
			t.Errorf("entry is %+v", e)
		}
	})
}

func TestRingKeepsTheLast(t *testing.T) {
	var r ring
	for i := range ringSize + 5 {
		r.add(Entry{InFlight: i})
	}
	if e := r.entries(); len(e) != ringSize || e[0].InFlight != 5 || e[ringSize-1].InFlight != ringSize+4 {
		t.Errorf("%d entries from %d", len(e), e[0].InFlight)
	}
}

func TestCredentialIsFoundWhereverItIs(t *testing.T) {
	for name, value := range map[string]string{"Authorization": "Bearer k", "X-Api-Key": "k", "Api-Key": "k", "X-Goog-Api-Key": "k"} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set(name, value)
		if got := credential(r); got != "k" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := credential(httptest.NewRequest(http.MethodPost, "/?key=k", nil)); got != "k" {
		t.Errorf("query: %q", got)
	}
	if Account("") != "none" || len(Account("k")) != 8 || strings.Contains(Account("k"), "k") {
		t.Errorf("accounts are named %q and %q", Account(""), Account("k"))
	}
}

func TestServeSpeaksHTTP2WithoutTLS(t *testing.T) {
	p, err := New(instant(Rule{Match: Match{Model: "cut"}, Fault: &Fault{CutAfter: count(2)}}, Rule{Match: Match{Model: "hang"}, Fault: &Fault{Hang: true}}))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- p.Serve(ctx, l) }()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	client, url := &http.Client{Transport: transport}, "http://"+l.Addr().String()+chatPath
	res, err := client.Post(url, "", strings.NewReader(streaming))
	if err != nil {
		t.Fatal(err)
	}
	if body := readAll(t, res); res.ProtoMajor != 2 || !strings.Contains(body, "[DONE]") {
		t.Errorf("%s: %s", res.Proto, body)
	}
	if res, err = client.Post(url, "", strings.NewReader(`{"model":"cut","stream":true}`)); err == nil {
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a cut stream ends with %v", err)
	}
	hung, sent := make(chan error), make(chan struct{})
	go func() {
		trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }}
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPost, url, strings.NewReader(`{"model":"hang","stream":true}`))
		if err == nil {
			_, err = client.Do(r)
		}
		hung <- err
	}()
	<-sent
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := <-hung; err == nil {
		t.Error("the hung call got an answer")
	}
	transport.CloseIdleConnections()
}
