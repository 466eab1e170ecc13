package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A reply is what a plain client gets.
type reply struct {
	status int
	header http.Header
	body   string
}

// post sends a prompt in the OpenAI dialect as a stream, with further headers
// in pairs of name and value. It waits for the answer no longer than patience.
func post(ctx context.Context, client *http.Client, gateway, prompt string, headers ...string) (reply, error) {
	return postModel(ctx, client, gateway, "glm-5", prompt, headers...)
}

// postModel is post for a model of another name.
func postModel(ctx context.Context, client *http.Client, gateway, model, prompt string, headers ...string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}],"stream":true}`, model, prompt)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway+"/api/coding/paas/v4/chat/completions", strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+testKey)
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(text)}, err
}

// complete tells whether the reply is a whole stream.
func (r reply) complete() bool {
	return r.status == http.StatusOK && strings.HasSuffix(strings.TrimSpace(r.body), "data: [DONE]")
}

// newPlainClient returns a client whose connections end with the test.
func newPlainClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestPlainClients(t *testing.T) {
	t.Parallel()
	t.Run("overlapping calls of many sessions all succeed", func(t *testing.T) {
		t.Parallel()
		s := startSimulator(t, 2, "answers.json")
		g := startGateway(t, s)
		client := newPlainClient(t)
		classes := [...]string{"interactive", "subagent", "background"}
		var calls sync.WaitGroup
		for i := range 18 {
			calls.Go(func() {
				r, err := post(t.Context(), client, g.url, "Count the kestrels",
					"X-Weir-Class", classes[i%3], "X-Weir-Session", "session-"+strconv.Itoa(i%6))
				if err != nil || !r.complete() {
					t.Errorf("call %d: status %d, %v: %s", i, r.status, err, r.body)
				}
				for _, name := range []string{"X-Weir-Request-Id", "X-Weir-Attempts", "X-Weir-Waited-Ms", "X-Weir-Lane"} {
					if r.header.Get(name) == "" {
						t.Errorf("call %d: the answer has no %s", i, name)
					}
				}
			})
		}
		calls.Wait()
		stats := s.stats(t)
		g.stop(t)
		g.answered(t, 18, stats)
	})
	orders := []struct {
		name    string
		waiting [][2]string // class and session, in the order of their arrival
		want    []int       // positions in waiting, in the order of their answers
	}{
		{
			"interactive calls go before sub-agents, and those before background",
			[][2]string{{"background", "a"}, {"subagent", "b"}, {"interactive", "c"}},
			[]int{2, 1, 0},
		},
		{
			"a single call does not wait for all calls of another session",
			[][2]string{{"interactive", "a"}, {"interactive", "a"}, {"interactive", "a"}, {"interactive", "b"}},
			[]int{0, 3, 1, 2},
		},
	}
	for _, tt := range orders {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := startSimulator(t, 1, "answers.json")
			g := startGateway(t, s, "--limit", "1")
			if got := answerOrder(t, g, tt.waiting); !slices.Equal(got, tt.want) {
				t.Errorf("answered in the order %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("a call that may wait no longer is told when to come back", func(t *testing.T) {
		t.Parallel()
		s := startSimulator(t, 1, "answers.json")
		g := startGateway(t, s, "--limit", "1")
		testMaxWait(t, g)
	})
}

// answerOrder occupies the only slot, has calls wait one after the other, and
// returns the order in which they are answered.
func answerOrder(t *testing.T, g *gateway, waiting [][2]string) []int {
	t.Helper()
	client := newPlainClient(t)
	release := occupy(t, g, client)
	answered := make(chan int, len(waiting))
	var calls sync.WaitGroup
	for i, call := range waiting {
		calls.Go(func() {
			r, err := post(t.Context(), client, g.url, "Count the kestrels", "X-Weir-Class", call[0], "X-Weir-Session", call[1])
			if err != nil || !r.complete() {
				t.Errorf("call %d: status %d, %v: %s", i, r.status, err, r.body)
			}
			answered <- i
		})
		eventually(t, fmt.Sprintf("%d calls wait", i+1), func() bool { return g.shown(t).Queued == i+1 })
	}
	release()
	calls.Wait()
	close(answered)
	return slices.Collect(func(yield func(int) bool) {
		for i := range answered {
			if !yield(i) {
				return
			}
		}
	})
}

// occupy has one call run until the returned function ends it.
func occupy(t *testing.T, g *gateway, client *http.Client) (release func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = post(ctx, client, g.url, "Count the kestrels slowly", "X-Weir-Session", "occupant") // it is cut off
	}()
	eventually(t, "the slot is taken", func() bool { return g.shown(t).InFlight == 1 })
	return func() {
		cancel()
		<-ended
	}
}

// testMaxWait wants weir's own answers in the dialect's shape.
func testMaxWait(t *testing.T, g *gateway) {
	client := newPlainClient(t)
	release := occupy(t, g, client)
	defer release()
	tests := []struct {
		name, maxWait, reason string
		status                int
	}{
		{"the wait is over", "200ms", "max-wait", http.StatusTooManyRequests},
		{"the wait is no duration", "soon", "", http.StatusBadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := post(t.Context(), client, g.url, "Count the kestrels", "X-Weir-Max-Wait", tt.maxWait)
			if err != nil {
				t.Fatal(err)
			}
			reason := r.header.Get("X-Weir-Error")
			if r.status != tt.status || reason == "" || tt.reason != "" && reason != tt.reason {
				t.Errorf("status %d, X-Weir-Error %q; want %d, %q", r.status, reason, tt.status, tt.reason)
			}
			var body struct {
				Error struct {
					Message string `json:"message"`
				} `json:"error"`
			}
			if err := json.Unmarshal([]byte(r.body), &body); err != nil || body.Error.Message == "" {
				t.Errorf("the answer %q is no error of the dialect (%v)", r.body, err)
			}
			if tt.status != http.StatusTooManyRequests {
				return
			}
			if s, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || s < 5 || s > 55 {
				t.Errorf("Retry-After %q, want 5 to 55", r.header.Get("Retry-After"))
			}
		})
	}
}
