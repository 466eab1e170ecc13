package tools

import "time"

// Marks say how a tool's requests are told from others', and from one another.
type Marks struct {
	Agents     []string // beginnings of its User-Agent; empty: it cannot be told by it
	Session    []string // headers that name the session, the surest first
	Parent     string   // header that names the session which has sent a sub-agent's
	Agent      string   // header that only its sub-agents send
	AgentText  string   // in the system text of its sub-agents
	Background []string // in the system text of calls that nobody waits for; of calls without tools, unless Tooled
	Tooled     bool     // its background calls come with tools
	Titles     bool     // a call without tools that asks for a JSON object of a title alone is background
	Small      int      // a call without tools for at most so many tokens is background; 0: none is
	Metadata   bool     // metadata.user_id may hold the session, as JSON in a string
	TurnHeader string   // header with JSON on the turn: who makes it, and what for
	Evidence   string   // the version whose requests were looked at; empty: only read about
}

// A Hold says how long a tool's requests may be kept waiting, by what the tool was seen
// to bear. Zero fields: not known, so the gateway's default holds.
type Hold struct {
	Silent time.Duration // without a byte
	Stream time.Duration // in all, for a stream that is kept alive after Silent
	Plain  time.Duration // in all, for other requests, silently
}

// A KeepAlive is what of a stream counts for a tool as a sign of life.
type KeepAlive string

// The forms of keep-alive. The gateway sends the one that fits the dialect.
const (
	AnyByte KeepAlive = "any byte" // comments of the stream too
	Events  KeepAlive = "events"   // comments do not
	Unknown KeepAlive = ""
)

// A Failure is the form of trouble in a stream, before its content, that a tool bears
// best.
type Failure uint8

const (
	// ErrorEvent is an error in the dialect's form: most repeat the call.
	ErrorEvent Failure = iota
	// Reset is a connection that breaks off: an error event would end the tool's turn.
	Reset
)

// String implements [fmt.Stringer].
func (f Failure) String() string {
	if f == Reset {
		return "reset"
	}
	return "error event"
}

// Each value below has its measurement in the table of how clients behave: what the
// tool bore, less a margin for the model's own first token.

var (
	openCodeMarks = Marks{
		Evidence: "1.18.33",
		Agents:   []string{"opencode/"}, Session: []string{"X-Session-Id", "X-Session-Affinity"}, Parent: "X-Parent-Session-Id",
		Background: []string{"You are a title generator"}, Small: 64,
	}
	// 300 s without a byte and then again; kept alive for 700 s and more.
	openCodeHold = Hold{Silent: 200 * time.Second, Stream: 600 * time.Second, Plain: 280 * time.Second}

	claudeMarks = Marks{
		Evidence: "2.1.328",
		Agents:   []string{"claude-cli/"}, Session: []string{"X-Claude-Code-Session-Id"}, Metadata: true,
		Agent: "X-Claude-Code-Agent-Id", AgentText: "cc_is_subagent=true", Titles: true, Small: 64,
	}
	// 360 s without a byte and 600 s without content; in 2.1.197 300 s without a byte and
	// 300 s from the status to the content. 300 s for its calls without stream.
	claudeHold = Hold{Silent: 270 * time.Second, Stream: 560 * time.Second, Plain: 280 * time.Second}

	codexMarks = Marks{
		Evidence: "0.169.0; of request_kind only \"turn\" was seen, of agent_name only \"/root\"",
		Agents:   []string{"codex_", "codex-", "codex/"}, Session: []string{"Session-Id", "Thread-Id"}, TurnHeader: "X-Codex-Turn-Metadata",
	}
	// 700 s and more without a byte; once the stream has begun 300 s without an event.
	codexHold = Hold{Silent: 240 * time.Second, Stream: 600 * time.Second, Plain: 280 * time.Second}

	qwenMarks = Marks{
		Evidence: "0.24.4",
		Agents:   []string{"QwenCode/"}, Background: []string{"managed memory extraction subagent"}, Tooled: true, Small: 64,
	}
	// 120 s without a byte; 240 s without an event, and comments are none.
	qwenHold = Hold{Silent: 80 * time.Second, Stream: 200 * time.Second, Plain: 100 * time.Second}

	crushMarks = Marks{
		Evidence: "source of 2026-08-21",
		Agents:   []string{"Charm-Crush/"}, Session: []string{"X-Session-Id", "X-Session-Affinity"},
		Background: []string{"You will generate a short title"}, Small: 64,
	}
	// 600 s without a byte, which ends the turn; 400 s and more kept alive.
	crushHold = Hold{Silent: 300 * time.Second, Stream: 400 * time.Second, Plain: 400 * time.Second}

	// Cline's User-Agent is that of the AI SDK on Bun, as any program's may be: its requests
	// are told from others' only under a run of its own.
	clineMarks = Marks{Evidence: "3.0.65"}
	// 300 s without a byte, which ends the task; 400 s and more kept alive.
	clineHold = Hold{Silent: 200 * time.Second, Stream: 380 * time.Second, Plain: 280 * time.Second}

	openAIMarks    = Marks{Evidence: "JavaScript 7.55.0, Go 3.96.0; Python only read", Agents: []string{"OpenAI/", "AsyncOpenAI/"}}
	anthropicMarks = Marks{Evidence: "JavaScript 1.10.0, Go 1.84.0; Python only read", Agents: []string{"Anthropic/", "AsyncAnthropic/"}}
	aiSDKMarks     = Marks{Evidence: "7.0.173", Agents: []string{"ai-sdk-", "ai-sdk/", "ai/"}}
	// In JavaScript 300 s without a byte, in Go 600 s; 650 s and more kept alive.
	sdkHold = Hold{Silent: 120 * time.Second, Stream: 500 * time.Second, Plain: 280 * time.Second}

	curlMarks = Marks{Evidence: "8", Agents: []string{"curl/"}}

	// anyMarks are those that a tool which nobody knows may have from others.
	anyMarks = Marks{
		Session: []string{"X-Claude-Code-Session-Id", "X-Session-Id", "X-Session-Affinity", "Session-Id", "Thread-Id"},
		Parent:  "X-Parent-Session-Id", Metadata: true, Titles: true,
	}
)
