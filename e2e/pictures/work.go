package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// work sends calls as the tool of this program's name does: a main thread of work, and
// now and then sub-agents and a title.
func work(ctx context.Context, gateway string) {
	tool := filepath.Base(os.Args[0])
	c := caller{gateway: gateway, session: fmt.Sprintf("%s-%d", tool, os.Getpid()), agent: agents[tool]}
	var all sync.WaitGroup
	defer all.Wait()
	for ctx.Err() == nil {
		c.call(ctx, "glm-4.6", "interactive")
		if rand.IntN(3) == 0 {
			for range 1 + rand.IntN(3) {
				all.Go(func() { c.call(ctx, "glm-4.6", "subagent") })
			}
		}
		if rand.IntN(4) == 0 {
			all.Go(func() { c.call(ctx, "glm-4.5-air", "background") })
		}
		pause(ctx, time.Duration(rand.IntN(4000))*time.Millisecond)
	}
}

var agents = map[string]string{"opencode": "opencode/1.18.33", "claude": "claude-cli/2.1.0 (external, cli)", "crush": "Charm-Crush/0.9"}

type caller struct{ gateway, session, agent string }

// call makes a call and reads its answer. What becomes of it is for the page to show.
func (c caller) call(ctx context.Context, model, class string) {
	body := fmt.Sprintf(`{"model":%q,"stream":true,"messages":[{"role":"user","content":"Why does a weir not stop the river?"}]}`, model)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.gateway+"/api/coding/paas/v4/chat/completions", strings.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer pictures")
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("X-Weir-Session", c.session)
	req.Header.Set("X-Weir-Class", class)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		pause(ctx, time.Second) // the gateway is not there yet
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
