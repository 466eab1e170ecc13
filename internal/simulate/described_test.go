package simulate

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/internal/scenario"
)

const described = `
name: two models
hours: 1
provider:
  limit: {glm-5: 1, glm-4.5-air: 2}
  abort_lag: 2s
  retry_after: {for: 14s, advisory: true}
  refusal_takes: 100ms
  first_event: 1s
load:
  - {workers: 1, model: glm-5, answer: 10s}
  - {workers: 1, model: glm-4.5-air, answer: 4s}
`

// TestAScenarioIsPlayed: each model has its limit and the answers of its load,
// refusals say what the scenario says, an abandoned slot lags, and a request may
// say how long its answer takes.
func TestAScenarioIsPlayed(t *testing.T) {
	sc, err := scenario.Parse("described.yaml", []byte(described))
	if err != nil {
		t.Fatal(err)
	}
	inBubble(t, Config{Scenario: sc, Seed: 1}, func(t *testing.T, b *bubble) {
		body := func(model string) string {
			return `{"model":"` + model + `","messages":[],"stream":true}`
		}
		// ask sends a call with a header and reads the answer.
		ask := func(ctx context.Context, header, value string) (status int, hint string, took time.Duration) {
			began := time.Now()
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sim"+chatPath, strings.NewReader(body("glm-5")))
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Authorization", "Bearer key")
			r.Header.Set(header, value)
			res, err := b.client.Do(r)
			if err != nil {
				return 0, "", time.Since(began)
			}
			defer res.Body.Close()
			io.Copy(io.Discard, res.Body)
			return res.StatusCode, res.Header.Get("Retry-After"), time.Since(began)
		}
		ctx, hangUp := context.WithCancel(t.Context())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			ask(ctx, "X-Nothing", "")
		}()
		synctest.Wait()
		status, text, took := b.call(chatPath, "key", body("glm-5"))
		if status != http.StatusTooManyRequests || !strings.Contains(text, "1302") || took != 100*time.Millisecond {
			t.Errorf("above its limit: %d after %v: %s", status, took, text)
		}
		if status, _, took := b.call(chatPath, "key", body("glm-4.5-air")); status != http.StatusOK || took != 4*time.Second {
			t.Errorf("the other model: %d after %v", status, took)
		}
		if e := b.p.Entries()[0]; e.Verdict != VerdictRefused || e.Limit != 1 || e.InFlight != 2 {
			t.Errorf("the refused call's entry is %+v", e)
		}
		hangUp()
		<-gone
		synctest.Wait()
		if status, hint, _ := ask(t.Context(), "X-Nothing", ""); status != http.StatusTooManyRequests || hint != "14" {
			t.Errorf("while an abandoned slot counts on: %d, Retry-After %q", status, hint)
		}
		time.Sleep(2 * time.Second)
		if status, _, took := b.call(chatPath, "key", body("glm-5")); status != http.StatusOK || took != 10*time.Second {
			t.Errorf("afterwards: %d after %v", status, took)
		}
		if status, _, took := ask(t.Context(), AnswerHeader, "2500ms"); status != http.StatusOK || took != 2500*time.Millisecond {
			t.Errorf("an answer of a length that is asked for: %d after %v", status, took)
		}
	})
}
