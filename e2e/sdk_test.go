package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
)

// clients are both official SDKs, with one key and one gateway.
type clients struct {
	openai    openai.Client
	anthropic anthropic.Client
	sent      atomic.Int64 // HTTP requests
	retried   atomic.Int64 // of them, those that an SDK sent again
}

// newClients makes SDK clients that may retry so often.
func newClients(t *testing.T, gateway string, retries int) *clients {
	t.Helper()
	c := new(clients)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	httpClient := &http.Client{Transport: transport}
	count := func(req *http.Request, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		c.sent.Add(1)
		if n := req.Header.Get("X-Stainless-Retry-Count"); n != "0" {
			c.retried.Add(1)
		}
		return next(req)
	}
	c.openai = openai.NewClient(
		openaioption.WithBaseURL(gateway+"/api/coding/paas/v4/"),
		openaioption.WithAPIKey(testKey),
		openaioption.WithHTTPClient(httpClient),
		openaioption.WithMaxRetries(retries),
		openaioption.WithMiddleware(count),
	)
	c.anthropic = anthropic.NewClient(
		anthropicoption.WithoutEnvironmentDefaults(),
		anthropicoption.WithBaseURL(gateway+"/api/anthropic/"),
		anthropicoption.WithAPIKey(testKey),
		anthropicoption.WithHTTPClient(httpClient),
		anthropicoption.WithMaxRetries(retries),
		anthropicoption.WithMiddleware(count),
	)
	return c
}

// An ask is one call by an SDK. It returns the text of the answer, and calls
// began, unless that is nil, with the first text of a stream.
type ask func(ctx context.Context, prompt string, began func()) (string, error)

// asks returns the four ways in which the SDKs are used.
func (c *clients) asks() map[string]ask {
	return map[string]ask{
		"openai":           c.chat,
		"openai stream":    c.chatStream,
		"anthropic":        c.message,
		"anthropic stream": c.messageStream,
	}
}

func chatParams(prompt string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    "glm-5",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(prompt)},
	}
}

func (c *clients) chat(ctx context.Context, prompt string, _ func()) (string, error) {
	answer, err := c.openai.Chat.Completions.New(ctx, chatParams(prompt))
	if err != nil {
		return "", err
	}
	if len(answer.Choices) != 1 {
		return "", fmt.Errorf("%d choices, want 1", len(answer.Choices))
	}
	return answer.Choices[0].Message.Content, nil
}

func (c *clients) chatStream(ctx context.Context, prompt string, began func()) (string, error) {
	stream := c.openai.Chat.Completions.NewStreaming(ctx, chatParams(prompt))
	defer stream.Close()
	var all openai.ChatCompletionAccumulator
	for stream.Next() {
		if !all.AddChunk(stream.Current()) {
			return "", errors.New("a chunk does not fit those before it")
		}
		if began != nil && len(all.Choices) > 0 && all.Choices[0].Message.Content != "" {
			began()
			began = nil
		}
	}
	if err := stream.Err(); err != nil {
		return "", err
	}
	// A stream that was cut looks complete to this SDK but for its reason to end.
	if len(all.Choices) != 1 || all.Choices[0].FinishReason == "" {
		return "", errors.New("the stream has no end")
	}
	return all.Choices[0].Message.Content, nil
}

func messageParams(prompt string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model:     "glm-5",
		MaxTokens: 1000,
		Messages:  []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(prompt))},
	}
}

func (c *clients) message(ctx context.Context, prompt string, _ func()) (string, error) {
	answer, err := c.anthropic.Messages.New(ctx, messageParams(prompt))
	if err != nil {
		return "", err
	}
	return messageText(answer)
}

func (c *clients) messageStream(ctx context.Context, prompt string, began func()) (string, error) {
	stream := c.anthropic.Messages.NewStreaming(ctx, messageParams(prompt))
	defer stream.Close()
	var all anthropic.Message
	for stream.Next() {
		event := stream.Current()
		if err := all.Accumulate(event); err != nil {
			return "", err
		}
		if began != nil && event.Type == "content_block_delta" {
			began()
			began = nil
		}
	}
	if err := stream.Err(); err != nil {
		return "", err
	}
	if all.StopReason == "" {
		return "", errors.New("the stream has no end")
	}
	return messageText(&all)
}

func messageText(m *anthropic.Message) (string, error) {
	if len(m.Content) != 1 {
		return "", fmt.Errorf("%d content blocks, want 1", len(m.Content))
	}
	return m.Content[0].Text, nil
}

// overlap makes each of the named calls n times, all at once, and reports those
// that fail or bring no answer. No name means all.
func (c *clients) overlap(t *testing.T, n int, names ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var calls sync.WaitGroup
	for name, ask := range c.asks() {
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		for i := range n {
			calls.Go(func() {
				switch text, err := ask(ctx, fmt.Sprintf("Count the kestrels of part %d", i), nil); {
				case err != nil:
					t.Errorf("%s, call %d: %v", name, i, err)
				case !strings.Contains(text, "14 kestrels"):
					t.Errorf("%s, call %d: answer %q is not the provider's", name, i, text)
				}
			})
		}
	}
	calls.Wait()
}

func TestSDKs(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 3} {
		t.Run(fmt.Sprintf("overlapping calls succeed at a limit of %d", limit), func(t *testing.T) {
			t.Parallel()
			s := startSimulator(t, limit, "answers.json")
			g := startGateway(t, s)
			c := newClients(t, g.url, 2)
			c.overlap(t, 4)
			if c.sent.Load() != 16 || c.retried.Load() != 0 {
				t.Errorf("the SDKs sent %d requests, %d of them again; want 16 and 0", c.sent.Load(), c.retried.Load())
			}
			stats := s.stats(t)
			if len(stats.Accounts) != 1 {
				t.Errorf("the provider saw %d accounts, want 1", len(stats.Accounts))
			}
			g.stop(t)
			g.answered(t, 16, stats)
		})
	}
	t.Run("a fixed limit above the provider's is borne", func(t *testing.T) {
		t.Parallel()
		s := startSimulator(t, 1, "steady.json")
		g := startGateway(t, s, "--limit", "2")
		c := newClients(t, g.url, 2)
		c.overlap(t, 2)
		if c.retried.Load() != 0 {
			t.Errorf("the SDKs sent %d requests again", c.retried.Load())
		}
		stats := s.stats(t)
		if stats.Refused == 0 {
			t.Error("the provider refused nothing: the calls did not overlap")
		}
		g.stop(t)
		g.answered(t, 8, stats)
	})
	t.Run("a client that hangs up frees the slot", func(t *testing.T) {
		t.Parallel()
		s := startSimulator(t, 1, "answers.json")
		g := startGateway(t, s, "--limit", "1")
		c := newClients(t, g.url, 0)
		for _, name := range []string{"openai stream", "anthropic stream"} {
			c.hangUp(t, s, g, name)
		}
		c.overlap(t, 1)
	})
}

// hangUp ends one call in the middle of its long answer and another one that
// waits behind it, and wants the provider's only slot back.
func (c *clients) hangUp(t *testing.T, s *simulator, g *gateway, name string) {
	t.Helper()
	ask := c.asks()[name]
	aborted := s.stats(t).Aborted
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	began := make(chan struct{})
	ended := make(chan error, 2)
	go func() {
		_, err := ask(ctx, "Count the kestrels slowly", func() { close(began) })
		ended <- err
	}()
	select {
	case <-began:
	case err := <-ended:
		t.Fatalf("%s: the long answer ended: %v", name, err)
	case <-time.After(patience):
		t.Fatalf("%s: the long answer did not begin", name)
	}
	go func() {
		_, err := ask(ctx, "Count the kestrels slowly", nil)
		ended <- err
	}()
	eventually(t, "the second call waits", func() bool { return g.shown(t).Queued == 1 })
	cancel()
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: a call that was given up returned %v", name, err)
		}
	}
	eventually(t, "nothing of the calls is left", func() bool {
		provider, gateway := s.stats(t), g.shown(t)
		// The one that waits may get the slot in the moment before it leaves, too.
		return provider.InFlight == 0 && (provider.Aborted == aborted+1 || provider.Aborted == aborted+2) && gateway.InFlight == 0 && gateway.Queued == 0
	})
}
