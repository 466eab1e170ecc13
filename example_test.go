package weir_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/simulate"
)

// oneAtATime is a provider that runs one call at a time and refuses all others.
func oneAtATime() *httptest.Server {
	provider, err := simulate.New(simulate.Config{
		Limit: 1, FirstEvent: simulate.Exactly(time.Millisecond), Answer: simulate.Exactly(2 * time.Millisecond),
		Rules: []simulate.Rule{{Answer: &simulate.Answer{Text: new("Hello from the provider.")}}},
	})
	if err != nil {
		panic(err)
	}
	return httptest.NewServer(provider)
}

// The official OpenAI SDK, eight calls at once. It makes no retries of its own: no
// refusal reaches it.
func ExampleTransport_openAI() {
	server := oneAtATime()
	defer server.Close()

	governor, err := weir.New(weir.Config{})
	if err != nil {
		panic(err)
	}
	defer governor.Close()
	transport := &weir.Transport{Governor: governor}
	defer transport.CloseIdleConnections()

	client := openai.NewClient(
		option.WithBaseURL(server.URL+"/api/coding/paas/v4"),
		option.WithAPIKey("key"),
		option.WithHTTPClient(&http.Client{Transport: transport}),
		option.WithMaxRetries(0),
	)
	var calls sync.WaitGroup
	answers := make([]string, 8)
	for i := range answers {
		calls.Go(func() {
			answer, err := client.Chat.Completions.New(context.Background(), openai.ChatCompletionNewParams{
				Model:    "glm-5",
				Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello?")},
			})
			if err != nil {
				answers[i] = err.Error()
				return
			}
			answers[i] = answer.Choices[0].Message.Content
		})
	}
	calls.Wait()
	for _, answer := range answers {
		fmt.Println(answer)
	}
	// Output:
	// Hello from the provider.
	// Hello from the provider.
	// Hello from the provider.
	// Hello from the provider.
	// Hello from the provider.
	// Hello from the provider.
	// Hello from the provider.
	// Hello from the provider.
}

// The official Anthropic SDK, with streams.
func ExampleTransport_anthropic() {
	server := oneAtATime()
	defer server.Close()

	governor, err := weir.New(weir.Config{})
	if err != nil {
		panic(err)
	}
	defer governor.Close()
	transport := &weir.Transport{Governor: governor}
	defer transport.CloseIdleConnections()

	client := anthropic.NewClient(
		anthropicoption.WithBaseURL(server.URL+"/api/anthropic"),
		anthropicoption.WithAPIKey("key"),
		anthropicoption.WithHTTPClient(&http.Client{Transport: transport}),
		anthropicoption.WithMaxRetries(0),
	)
	var calls sync.WaitGroup
	answers := make([]string, 4)
	for i := range answers {
		calls.Go(func() {
			stream := client.Messages.NewStreaming(context.Background(), anthropic.MessageNewParams{
				Model:     "glm-5",
				MaxTokens: 100,
				Messages:  []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Hello?"))},
			})
			defer stream.Close()
			var whole anthropic.Message
			for stream.Next() {
				if err := whole.Accumulate(stream.Current()); err != nil {
					answers[i] = err.Error()
					return
				}
			}
			if err := stream.Err(); err != nil {
				answers[i] = err.Error()
				return
			}
			answers[i] = whole.Content[0].Text
		})
	}
	calls.Wait()
	for _, answer := range answers {
		fmt.Println(answer)
	}
	// Output:
	// Hello from the provider.
	// Hello from the provider.
	// Hello from the provider.
	// Hello from the provider.
}

// A [Governor] governs anything that can be called, without HTTP.
func ExampleGovernor_Acquire() {
	governor, err := weir.New(weir.Config{})
	if err != nil {
		panic(err)
	}
	defer governor.Close()

	call := &weir.Call{Account: governor.Fingerprint("key"), Model: "glm-5", Class: weir.Background, MaxWait: time.Minute}
	slot, err := governor.Acquire(context.Background(), call)
	if err != nil {
		panic(err)
	}
	fmt.Println("in flight:", governor.Snapshot().InFlight)
	slot.Accepted()    // the provider has taken it
	slot.Release(true) // its answer has ended
	fmt.Println("in flight:", governor.Snapshot().InFlight)
	// Output:
	// in flight: 1
	// in flight: 0
}
