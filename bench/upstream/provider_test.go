package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// post sends a call of account "a" to the provider and returns the answer.
func post(ctx context.Context, h http.Handler, target string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(`{"model":"glm-4.6"}`))
	r.Header.Set("Authorization", "Bearer a")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// ledgerOf reads the provider's ledger.
func ledgerOf(t *testing.T, h http.Handler) report {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/bench/calls", nil))
	var r report
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSmallAnswerIsACompletionOfOneKilobyte(t *testing.T) {
	w := post(t.Context(), newProvider(), "/api/coding/paas/v4/chat/completions")
	var answer struct {
		Object  string
		Choices []struct {
			Message      struct{ Role, Content string }
			FinishReason string `json:"finish_reason"`
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if w.Body.Len() != answerSize || answer.Object != "chat.completion" || answer.Choices[0].Message.Content == "" || answer.Choices[0].FinishReason != "stop" {
		t.Errorf("%d bytes: %s", w.Body.Len(), w.Body)
	}
}

// events checks that a body is a stream of chunks that ends as it should, and
// returns how many chunks had content.
func events(t *testing.T, body string) (contents int) {
	t.Helper()
	all := strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n")
	if last := all[len(all)-1]; last != "data: [DONE]" {
		t.Errorf("last event %q", last)
	}
	finished := false
	for i, e := range all[:len(all)-1] {
		var chunk struct {
			Object  string
			Choices []struct {
				Delta        struct{ Role, Content string }
				FinishReason string `json:"finish_reason"`
			}
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(e, "data: ")), &chunk); err != nil {
			t.Fatalf("event %d: %v: %s", i, err, e)
		}
		if role := chunk.Choices[0].Delta.Role; (role == "assistant") != (i == 0) {
			t.Errorf("event %d has role %q", i, role)
		}
		if chunk.Choices[0].Delta.Content != "" {
			contents++
		}
		finished = chunk.Choices[0].FinishReason == "stop"
	}
	if !finished {
		t.Error("the last chunk has no finish reason")
	}
	return contents
}

func TestStreamKeepsItsInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := post(t.Context(), newProvider(), "/?do=stream&chunks=21&every=50ms")
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v, want 20 intervals of 50 ms", took)
		}
		if n := events(t, w.Body.String()); n != 21 {
			t.Errorf("%d chunks with content, want 21", n)
		}
	})
}

func TestHangEndsWhenItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newProvider()
		answered := make(chan int)
		go func() { answered <- post(t.Context(), h, "/?do=hang&id=1").Code }()
		synctest.Wait()
		if open := ledgerOf(t, h).Open; open != 1 {
			t.Fatalf("%d calls open, want 1", open)
		}
		if w := post(t.Context(), h, "/bench/end?account=b"); w.Code != http.StatusNotFound {
			t.Errorf("ending a call of another account: status %d", w.Code)
		}
		post(t.Context(), h, "/bench/end?account=a")
		if code := <-answered; code != http.StatusOK {
			t.Errorf("status %d", code)
		}
		if r := ledgerOf(t, h); r.Open != 0 || r.Calls[0].Outcome != "answered" || r.Calls[0].Account != "a" {
			t.Errorf("%d open, first %+v", r.Open, r.Calls[0])
		}
	})
}

func TestHangEndsWhenTheClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newProvider()
		ctx, leave := context.WithCancel(t.Context())
		go post(ctx, h, "/?do=hang&id=1")
		synctest.Wait()
		arrived := time.Now()
		time.Sleep(time.Second) // in the bubble's time
		leave()
		synctest.Wait()
		r := ledgerOf(t, h)
		if r.Open != 0 || r.Calls[0].Outcome != "left" || r.Calls[0].Freed-arrived.UnixNano() != int64(time.Second) {
			t.Errorf("%d open, first %+v", r.Open, r.Calls[0])
		}
	})
}

func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newProvider()
		post(t.Context(), h, "/bench/reset?slots=1&lag=300ms")
		first := make(chan *httptest.ResponseRecorder, 1)
		go func() { first <- post(t.Context(), h, "/?do=slots&for=900ms&id=1") }()
		synctest.Wait()

		began := time.Now()
		w := post(t.Context(), h, "/?do=slots&for=900ms&id=2")
		if w.Code != http.StatusTooManyRequests || w.Body.String() != refusal || time.Since(began) != refusalTakes {
			t.Errorf("second at once: status %d after %v", w.Code, time.Since(began))
		}
		answer := <-first
		if took := time.Since(began); took != 900*time.Millisecond {
			t.Errorf("the first took %v", took)
		}
		events(t, answer.Body.String())
		if w := post(t.Context(), h, "/?do=slots&for=900ms&id=3"); w.Code != http.StatusTooManyRequests {
			t.Errorf("third within the lag: status %d", w.Code)
		}
		time.Sleep(300 * time.Millisecond) // in the bubble's time
		if w := post(t.Context(), h, "/?do=slots&for=900ms&id=4"); w.Code != http.StatusOK {
			t.Errorf("fourth after the lag: status %d", w.Code)
		}
		time.Sleep(300 * time.Millisecond)
		var outcomes []string
		for _, c := range ledgerOf(t, h).Calls {
			outcomes = append(outcomes, c.ID+" "+c.Outcome)
		}
		if got, want := strings.Join(outcomes, ", "), "1 answered, 2 refused, 3 refused, 4 answered"; got != want {
			t.Errorf("ledger %q, want %q", got, want)
		}
	})
}
