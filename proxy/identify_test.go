package proxy_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/proxy"
)

const (
	openCodeAgent = "opencode/1.18.33 ai-sdk/provider-utils/4.0.23 runtime/bun/1.3.14"
	crushAgent    = "Charm-Crush/devel (https://charm.land/crush)"
	withTools     = `{"model":"glm-5","stream":true,"messages":[{"role":"user","content":"NAME"}],"tools":[{"type":"function"}]}`
	title         = `{"model":"glm-5","stream":true,"messages":[{"role":"system","content":"You are a title generator."}]}`
)

func ask(name string) string { return strings.Replace(withTools, "NAME", name, 1) }

func TestWhoseCallItIs(t *testing.T) {
	run := func(element string) (proxy.Caller, bool) {
		return proxy.Caller{Session: "run 1", Title: "cline in ~/shop", Tool: "cline"}, element == "~good"
	}
	peer := func(context.Context) (proxy.Caller, bool) {
		return proxy.Caller{Session: "qwen 42", Title: "qwen in ~/shop"}, true
	}
	rule := func(h http.Header, model, path string) (admission.Class, bool) {
		return admission.Background, model == "glm-5" && h.Get("X-Batch") != ""
	}
	tests := []struct {
		name, path, body string
		headers          []string
		session          string
		class            admission.Class
	}{
		{"by the tool's own name for it", chatPath, ask("a"), []string{"User-Agent", openCodeAgent, "X-Session-Id", "ses_1"}, "ses_1", weir.Interactive},
		{"a sub-agent's of its parent", chatPath, ask("a"), []string{"User-Agent", openCodeAgent, "X-Session-Id", "ses_2", "X-Parent-Session-Id", "ses_1"}, "ses_1", weir.Subagent},
		{"a title", chatPath, title, []string{"User-Agent", openCodeAgent, "X-Session-Id", "ses_1"}, "ses_1", weir.Background},
		{"what the request says wins", chatPath, title, []string{"User-Agent", openCodeAgent, "X-Session-Id", "ses_1", "X-Weir-Session", "mine", "X-Weir-Class", "interactive"}, "mine", weir.Interactive},
		{"a rule wins over the tool", chatPath, ask("a"), []string{"User-Agent", openCodeAgent, "X-Session-Id", "ses_1", "X-Batch", "1"}, "ses_1", weir.Background},
		{"a run", "/~good" + chatPath, ask("a"), []string{"User-Agent", "ai-sdk/openai-compatible/1 runtime/bun/1.3"}, "run 1", weir.Interactive},
		{"a run with the tool's own name", "/~good" + chatPath, ask("a"), []string{"User-Agent", openCodeAgent, "X-Session-Id", "ses_1"}, "ses_1", weir.Interactive},
		{"a run that nobody knows", "/~bad/v1/chat/completions", ask("a"), nil, "qwen 42", weir.Interactive},
		{"a process", "/v1/chat/completions", ask("a"), []string{"User-Agent", "QwenCode/0.24"}, "qwen 42", weir.Interactive},
		{"a call without a slot", "/api/anthropic/v1/messages/count_tokens", "{}", []string{"User-Agent", openCodeAgent, "X-Session-Id", "ses_1"}, "ses_1", weir.Interactive},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGateway(t, relay(200, "application/json", chatWhole), func(_ *weir.Config, pc *proxy.Config) {
					pc.Run, pc.Peer, pc.Class = run, peer, rule
				})
				if status, body := g.do("POST", tt.path, tt.body, tt.headers...).have(); status != 200 {
					t.Fatalf("status %d: %s", status, body)
				}
				if r := <-g.records; r.Session != tt.session || r.Class != tt.class {
					t.Errorf("session %q, %s; want %q, %s", r.Session, r.Class, tt.session, tt.class)
				}
				for _, a := range g.upstream.seen() {
					if strings.Contains(a.url, "~") {
						t.Errorf("the provider sees the run: %s", a.url)
					}
				}
			})
		})
	}
}

func TestASubagentsSubagentIsOfTheRoot(t *testing.T) {
	g := newGateway(t, relay(200, "application/json", chatWhole))
	as := func(own, sender string) string {
		g.do("POST", chatPath, ask("a"), "User-Agent", openCodeAgent, "X-Session-Id", own, "X-Parent-Session-Id", sender)
		return (<-g.records).Session
	}
	for _, tt := range []struct{ own, sender, want string }{
		{"s2", "s1", "s1"}, {"s3", "s2", "s1"}, {"s4", "s3", "s1"}, {"t2", "t1", "t1"}, {"s1", "s4", "s1"}, {"u", "u", "u"},
	} {
		if got := as(tt.own, tt.sender); got != tt.want {
			t.Errorf("%s of %s counts to %s, want %s", tt.own, tt.sender, got, tt.want)
		}
	}
}

func TestAStrangersSessionIsItsProgramAndMachine(t *testing.T) {
	g := newGateway(t, relay(200, "application/json", chatWhole))
	g.do("POST", chatPath, askWhole, "User-Agent", "curl/8.5.0 with more")
	if r := <-g.records; r.Session != "curl 192.0.2.1" {
		t.Errorf("session %q", r.Session)
	}
}

func TestWhatIsShownOfASessionIsPrintable(t *testing.T) {
	g := newGateway(t, relay(200, "application/json", chatWhole))
	g.do("POST", chatPath, askWhole, "X-Weir-Session", "a\u009b31m\u202eb\x1b"+strings.Repeat("ü", 60))
	if r := <-g.records; r.Session != "a31mb"+strings.Repeat("ü", 34)+"…" {
		t.Errorf("session %q", r.Session)
	}
}

// The vendor's own optional call must not make the person wait: it comes first, and
// goes last.
func TestATitleBeforeItsMainRequestDoesNotDelayIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, after(10*time.Second, chatStream))
		mark := []string{"User-Agent", openCodeAgent, "X-Session-Id", "ses_1"}
		g.send(request("POST", chatPath, title, mark...))
		time.Sleep(200 * time.Millisecond)
		main := g.send(request("POST", chatPath, ask("a"), mark...))
		<-main.done
		if took := time.Since(main.started); took != 10*time.Second {
			t.Errorf("the main request took %v", took)
		}
		for g.governor.Snapshot().InFlight+g.governor.Snapshot().Queued > 0 {
			time.Sleep(time.Second)
		}
	})
}

// One prompt fans out to five sub-agents while somebody else asks one short question,
// with two slots: the question is the next to be admitted.
func TestAShortQuestionIsNotBehindFiveSubagents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, after(10*time.Second, chatStream), func(wc *weir.Config, _ *proxy.Config) {
			wc.Limit.Min, wc.Limit.Max, wc.Limit.Start = 2, 2, 2
		})
		var all []*client
		for _, sub := range []string{"a", "b", "c", "d", "e"} {
			all = append(all, g.send(request("POST", chatPath, ask(sub), "User-Agent", openCodeAgent, "X-Session-Id", "ses_"+sub, "X-Parent-Session-Id", "ses_1")))
			synctest.Wait()
		}
		question := g.send(request("POST", chatPath, ask("short"), "User-Agent", openCodeAgent, "X-Session-Id", "ses_9"))
		<-question.done
		if took := time.Since(question.started); took != 20*time.Second {
			t.Errorf("it took %v, want the 10 s until a slot is free and its own 10 s", took)
		}
		for _, c := range all {
			<-c.done
		}
	})
}

func TestAClientThatComesBackKeepsItsPlace(t *testing.T) {
	tests := []struct {
		name    string
		again   string // the body with which it comes back
		session string
		first   bool // it goes before who came in between
	}{
		{"with the same call", ask("mine"), "ses_1", true},
		{"without stream", strings.Replace(ask("mine"), `"stream":true`, `"stream":false`, 1), "ses_1", true},
		{"with another call", ask("another"), "ses_1", false},
		{"in another session", ask("mine"), "ses_3", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGateway(t, after(10*time.Second, chatStream))
				as := inSession(g, "User-Agent", openCodeAgent, "X-Session-Id")
				running := as("ses_0", ask("running"))
				mine := as("ses_1", ask("mine"))
				between := as("ses_2", ask("between"))
				mine.leave()
				<-mine.done
				back := as(tt.session, tt.again)
				<-running.done
				<-between.done
				<-back.done
				if first := back.ended().Before(between.ended()); first != tt.first {
					t.Errorf("it goes first: %v", first)
				}
				g.idle(t)
			})
		})
	}
}

// A stream that stalls in its middle is repeated without stream, and has its place.
func TestAFallbackAfterContentKeepsItsPlace(t *testing.T) {
	for agent, first := range map[string]bool{"claude-cli/2.1.328 (external, cli)": true, "mine/1": false} {
		synctest.Test(t, func(t *testing.T) {
			half := chatStream[:strings.Index(chatStream, "hello")+20] + "\n\n"
			slow := after(10*time.Second, chatStream)
			g := newGateway(t, &upstream{answer: func(n int, r *http.Request) (*http.Response, error) {
				if n == 1 {
					return live(r, half), nil // and nothing more
				}
				return slow.answer(n, r)
			}})
			as := inSession(g, "User-Agent", agent, "X-Claude-Code-Session-Id")
			mine := as("s1", ask("mine"))
			running, between := as("s0", ask("running")), as("s2", ask("between"))
			mine.leave()
			<-mine.done
			back := as("s1", strings.Replace(ask("mine"), `"stream":true`, `"stream":false`, 1))
			<-running.done
			<-between.done
			<-back.done
			if got := back.ended().Before(between.ended()); got != first {
				t.Errorf("%s: it goes first: %v", agent, got)
			}
			g.idle(t)
		})
	}
}

func TestATwinIsNotACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, after(10*time.Second, chatStream))
		as := inSession(g, "User-Agent", openCodeAgent, "X-Session-Id")
		first := as("ses_1", ask("twin"))
		between := as("ses_2", ask("between"))
		second := as("ses_1", ask("twin")) // while the first one runs
		<-second.done
		<-first.done
		<-between.done
		if second.ended().Before(between.ended()) {
			t.Error("an identical call at the same time has overtaken another session's")
		}
	})
}

// Crush's turn would end at an error event, and goes on after a reset.
func TestTroubleInAStreamHasTheFormThatItsToolBears(t *testing.T) {
	for agent, reset := range map[string]bool{crushAgent: true, openCodeAgent: false} {
		synctest.Test(t, func(t *testing.T) {
			g := newGateway(t, after(time.Hour, chatStream), patient)
			first := g.send(request("POST", chatPath, askStream))
			synctest.Wait()
			c := g.do("POST", chatPath, ask("x"), "User-Agent", agent)
			if _, body := c.have(); c.aborted != reset || strings.Contains(body, "error") == reset {
				t.Errorf("%s: aborted %v, body ends %q", agent, c.aborted, body[max(0, len(body)-80):])
			}
			first.leave()
			<-first.done
		})
	}
}

func TestHoldsAreTheTools(t *testing.T) {
	ms := func(s time.Duration) time.Duration { return s * time.Second }
	tests := []struct {
		name    string
		agent   string
		hold    proxy.Hold
		tool    map[string]proxy.Hold
		patient string // X-Stainless-Timeout
		silent  time.Duration
		all     time.Duration
	}{
		{"nobody knows it", "mine/1", proxy.Hold{}, nil, "", ms(40), ms(220)},
		{"OpenCode", openCodeAgent, proxy.Hold{}, nil, "", ms(200), ms(600)},
		{"the user has said it", openCodeAgent, proxy.Hold{Silent: ms(10)}, nil, "", ms(10), ms(600)},
		{"the user has said it of the tool", openCodeAgent, proxy.Hold{Silent: ms(10), Stream: ms(30)}, map[string]proxy.Hold{"opencode": {Silent: ms(20)}}, "", ms(20), ms(30)},
		{"the client says when it gives up", "OpenAI/JS 7.55.0", proxy.Hold{}, nil, "60", ms(40), ms(500)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGateway(t, after(time.Hour, chatStream), func(_ *weir.Config, pc *proxy.Config) {
					pc.Hold, pc.ToolHold = tt.hold, tt.tool
				}, patient)
				first := g.send(request("POST", chatPath, askStream))
				synctest.Wait()
				headers := []string{"User-Agent", tt.agent}
				if tt.patient != "" {
					headers = append(headers, "X-Stainless-Timeout", tt.patient)
				}
				c := g.do("POST", chatPath, ask("x"), headers...)
				if c.writes[0] != tt.silent || c.writes[len(c.writes)-1] != tt.all {
					t.Errorf("silent for %v, held for %v; want %v, %v", c.writes[0], c.writes[len(c.writes)-1], tt.silent, tt.all)
				}
				first.leave()
				<-first.done
			})
		})
	}
}

// inSession returns what sends a request of a session, whose name the last of the headers
// carries, and lets a second pass in which it finds its place.
func inSession(g *gateway, headers ...string) func(session, body string) *client {
	return func(session, body string) *client {
		c := g.send(request("POST", chatPath, body, append(slices.Clone(headers), session)...))
		synctest.Wait()
		time.Sleep(time.Second)
		return c
	}
}

// patient takes a provider that says nothing for long for alive.
func patient(_ *weir.Config, pc *proxy.Config) { pc.Transport.Stall = 2 * time.Hour }

// ended is when the last of an answer came.
func (c *client) ended() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.writes) == 0 {
		return time.Time{}
	}
	return c.started.Add(c.writes[len(c.writes)-1])
}
