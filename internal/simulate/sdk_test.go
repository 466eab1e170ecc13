package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	openairesponses "github.com/openai/openai-go/v3/responses"
)

// said is what an SDK made of an answer.
type said struct{ text, reasoning, tool, arguments, stop string }

// sdkRules are answers by the model's name.
func sdkRules() []Rule {
	return []Rule{
		{Match: Match{Model: "talk"}, Answer: &Answer{Text: text("Grüße, <world>."), Reasoning: "Hm, hm.", Events: 6}},
		{Match: Match{Model: "tool"}, Answer: &Answer{ToolCalls: []ToolCall{{Name: "task", Arguments: json.RawMessage(`{"prompt": "one & two"}`)}}}},
	}
}

func sdkServer(t *testing.T, c Config) string {
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return server.URL
}

func TestOfficialSDKsUnderstandTheAnswers(t *testing.T) {
	url := sdkServer(t, instant(sdkRules()...))
	oai := openai.NewClient(option.WithBaseURL(url+"/api/coding/paas/v4"), option.WithAPIKey("k"), option.WithMaxRetries(0))
	res := openai.NewClient(option.WithBaseURL(url+"/api/v1"), option.WithAPIKey("k"), option.WithMaxRetries(0))
	ant := anthropic.NewClient(anthropicoption.WithBaseURL(url+"/api/anthropic"), anthropicoption.WithAPIKey("k"), anthropicoption.WithMaxRetries(0))
	tests := []struct {
		name       string
		ask        func(t *testing.T, model string) said
		talk, tool said
	}{
		{"chat", func(t *testing.T, m string) said { return chatWhole(t, oai, m) },
			said{"Grüße, <world>.", "", "", "", "stop"}, said{"", "", "task", `{"prompt":"one & two"}`, "tool_calls"}},
		{"chat, stream", func(t *testing.T, m string) said { return chatStream(t, oai, m) },
			said{"Grüße, <world>.", "", "", "", "stop"}, said{"", "", "task", `{"prompt":"one & two"}`, "tool_calls"}},
		{"messages", func(t *testing.T, m string) said { return messagesWhole(t, ant, m) },
			said{"Grüße, <world>.", "Hm, hm.", "", "", "end_turn"}, said{"", "", "task", `{"prompt":"one & two"}`, "tool_use"}},
		{"messages, stream", func(t *testing.T, m string) said { return messagesStream(t, ant, m) },
			said{"Grüße, <world>.", "Hm, hm.", "", "", "end_turn"}, said{"", "", "task", `{"prompt":"one & two"}`, "tool_use"}},
		{"responses", func(t *testing.T, m string) said { return responsesWhole(t, res, m) },
			said{"Grüße, <world>.", "Hm, hm.", "", "", "completed"}, said{"", "", "task", `{"prompt":"one & two"}`, "completed"}},
		{"responses, stream", func(t *testing.T, m string) said { return responsesStream(t, res, m) },
			said{"Grüße, <world>.", "Hm, hm.", "", "", "completed"}, said{"", "", "task", `{"prompt":"one & two"}`, "completed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.ask(t, "talk"); got != tt.talk {
				t.Errorf("an answer of text: %+v, want %+v", got, tt.talk)
			}
			if got := tt.ask(t, "tool"); got != tt.tool {
				t.Errorf("a tool call: %+v, want %+v", got, tt.tool)
			}
		})
	}
}

func TestOfficialSDKsSeeARefusal(t *testing.T) {
	c := instant()
	c.Schedule = []Level{{}}
	url := sdkServer(t, c)
	oai := openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey("k"), option.WithMaxRetries(0))
	_, err := oai.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{Model: "m"})
	if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 429 || e.Code != "1302" {
		t.Errorf("openai-go: %v", err)
	}
	ant := anthropic.NewClient(anthropicoption.WithBaseURL(url+"/api/anthropic"), anthropicoption.WithAPIKey("k"), anthropicoption.WithMaxRetries(0))
	_, err = ant.Messages.New(t.Context(), anthropic.MessageNewParams{Model: "m", MaxTokens: 9})
	if e, ok := errors.AsType[*anthropic.Error](err); !ok || e.StatusCode != 429 || e.Type() != "rate_limit_error" {
		t.Errorf("anthropic-sdk-go: %v", err)
	}
}

func TestOfficialSDKsSeeARefusalInTheStream(t *testing.T) {
	c := instant()
	c.Schedule, c.InStream = []Level{{}}, true
	url := sdkServer(t, c)
	oai := openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey("k"), option.WithMaxRetries(0))
	chat := oai.Chat.Completions.NewStreaming(t.Context(), openai.ChatCompletionNewParams{Model: "m"})
	if chat.Next() || chat.Err() == nil {
		t.Errorf("openai-go, chat: %v", chat.Err())
	}
	ant := anthropic.NewClient(anthropicoption.WithBaseURL(url+"/api/anthropic"), anthropicoption.WithAPIKey("k"), anthropicoption.WithMaxRetries(0))
	msg := ant.Messages.NewStreaming(t.Context(), anthropic.MessageNewParams{Model: "m", MaxTokens: 9})
	if msg.Next() || msg.Err() == nil {
		t.Errorf("anthropic-sdk-go: %v", msg.Err())
	}
}

func TestCancelledSDKCallFreesItsSlot(t *testing.T) {
	c := Config{Limit: 1, FirstEvent: Exactly(0), Answer: Exactly(time.Hour), Refusal: Exactly(0)}
	ended := make(chan Entry, 1)
	c.Log = entryWriter{ended}
	url := sdkServer(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	oai := openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey("k"), option.WithMaxRetries(0))
	stream := oai.Chat.Completions.NewStreaming(ctx, openai.ChatCompletionNewParams{Model: "m"})
	if !stream.Next() {
		t.Fatal(stream.Err())
	}
	cancel()
	stream.Close()
	if e := <-ended; e.Verdict != VerdictAborted {
		t.Errorf("entry is %+v", e)
	}
}

type entryWriter struct{ to chan<- Entry }

func (w entryWriter) Write(line []byte) (int, error) {
	var e Entry
	err := json.Unmarshal(line, &e)
	w.to <- e
	return len(line), err
}

func chatParams(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hello")}}
}

func ofChat(t *testing.T, c openai.ChatCompletion) said {
	t.Helper()
	if len(c.Choices) != 1 || c.Usage.TotalTokens == 0 || c.ID == "" || string(c.Object) != "chat.completion" {
		t.Fatalf("completion is %+v", c)
	}
	s := said{text: c.Choices[0].Message.Content, stop: c.Choices[0].FinishReason}
	for _, call := range c.Choices[0].Message.ToolCalls {
		if call.ID == "" || call.Type != "function" {
			t.Errorf("tool call is %+v", call)
		}
		s.tool, s.arguments = call.Function.Name, call.Function.Arguments
	}
	return s
}

func chatWhole(t *testing.T, client openai.Client, model string) said {
	t.Helper()
	c, err := client.Chat.Completions.New(t.Context(), chatParams(model))
	if err != nil {
		t.Fatal(err)
	}
	return ofChat(t, *c)
}

func chatStream(t *testing.T, client openai.Client, model string) said {
	t.Helper()
	stream := client.Chat.Completions.NewStreaming(t.Context(), chatParams(model))
	defer stream.Close()
	var all openai.ChatCompletionAccumulator
	for stream.Next() {
		if !all.AddChunk(stream.Current()) {
			t.Errorf("chunk does not fit: %s", stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	return ofChat(t, all.ChatCompletion)
}

func messagesParams(model string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{Model: model, MaxTokens: 100, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hello"))}}
}

func ofMessage(t *testing.T, m anthropic.Message) said {
	t.Helper()
	if m.Usage.OutputTokens == 0 || m.ID == "" || m.Role != "assistant" {
		t.Errorf("message is %+v", m)
	}
	s := said{stop: string(m.StopReason)}
	for _, b := range m.Content {
		switch b := b.AsAny().(type) {
		case anthropic.TextBlock:
			s.text = b.Text
		case anthropic.ThinkingBlock:
			s.reasoning = b.Thinking
		case anthropic.ToolUseBlock:
			s.tool, s.arguments = b.Name, string(b.Input)
		}
	}
	return s
}

func messagesWhole(t *testing.T, client anthropic.Client, model string) said {
	t.Helper()
	m, err := client.Messages.New(t.Context(), messagesParams(model))
	if err != nil {
		t.Fatal(err)
	}
	return ofMessage(t, *m)
}

func messagesStream(t *testing.T, client anthropic.Client, model string) said {
	t.Helper()
	stream := client.Messages.NewStreaming(t.Context(), messagesParams(model))
	defer stream.Close()
	var all anthropic.Message
	for stream.Next() {
		if err := all.Accumulate(stream.Current()); err != nil {
			t.Error(err)
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	return ofMessage(t, all)
}

func responsesParams(model string) openairesponses.ResponseNewParams {
	return openairesponses.ResponseNewParams{Model: model, Input: openairesponses.ResponseNewParamsInputUnion{OfString: openai.String("hello")}}
}

func ofResponse(t *testing.T, r openairesponses.Response) said {
	t.Helper()
	if r.Usage.TotalTokens == 0 || r.ID == "" {
		t.Errorf("response is %+v", r)
	}
	s := said{stop: string(r.Status), text: r.OutputText()}
	for _, item := range r.Output {
		switch item := item.AsAny().(type) {
		case openairesponses.ResponseReasoningItem:
			s.reasoning = item.Summary[0].Text
		case openairesponses.ResponseFunctionToolCall:
			s.tool, s.arguments = item.Name, item.Arguments
		}
	}
	return s
}

func responsesWhole(t *testing.T, client openai.Client, model string) said {
	t.Helper()
	r, err := client.Responses.New(t.Context(), responsesParams(model))
	if err != nil {
		t.Fatal(err)
	}
	return ofResponse(t, *r)
}

func responsesStream(t *testing.T, client openai.Client, model string) said {
	t.Helper()
	stream := client.Responses.NewStreaming(t.Context(), responsesParams(model))
	defer stream.Close()
	var s said
	var deltas, arguments string
	sequence := int64(0)
	for stream.Next() {
		e := stream.Current()
		if e.SequenceNumber != sequence {
			t.Errorf("event %d has number %d", sequence, e.SequenceNumber)
		}
		sequence++
		switch e := e.AsAny().(type) {
		case openairesponses.ResponseTextDeltaEvent:
			deltas += e.Delta
		case openairesponses.ResponseFunctionCallArgumentsDeltaEvent:
			arguments += e.Delta
		case openairesponses.ResponseCompletedEvent:
			s = ofResponse(t, e.Response)
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if deltas != s.text || arguments != s.arguments {
		t.Errorf("the deltas say %q and %q, the end %+v", deltas, arguments, s)
	}
	return s
}
