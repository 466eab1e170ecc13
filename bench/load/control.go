package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A call is an attempt as the provider wrote it down.
type call struct {
	ID      string `json:"id"`
	Account string `json:"account"`
	Arrived int64  `json:"arrived"`
	Freed   int64  `json:"freed"`
	Outcome string `json:"outcome"`
}

// seen is what the provider has written down.
type seen struct {
	Open  int    `json:"open"`
	Calls []call `json:"calls"`
}

// seen asks the provider for its ledger.
func (b *bench) seen(ctx context.Context) (seen, error) { return b.look(ctx, "") }

// look asks the provider for its ledger; the query "?count" leaves the calls
// out, which are many where thousands hang.
func (b *bench) look(ctx context.Context, query string) (seen, error) {
	var s seen
	text, err := ask(ctx, http.MethodGet, b.provider.url.JoinPath("bench", "calls").String()+query)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s)
}

// reset lets the provider forget what it wrote down.
func (b *bench) reset(ctx context.Context, slots int, lag time.Duration) error {
	q := url.Values{"slots": {strconv.Itoa(slots)}, "lag": {lag.String()}}
	_, err := ask(ctx, http.MethodPost, b.provider.url.JoinPath("bench", "reset").String()+"?"+q.Encode())
	return err
}

// end lets the provider answer the oldest hanging call of an account.
func (b *bench) end(ctx context.Context, account string) error {
	q := url.Values{"account": {account}}
	_, err := ask(ctx, http.MethodPost, b.provider.url.JoinPath("bench", "end").String()+"?"+q.Encode())
	return err
}

// awaitOpen waits until the provider has at least n open calls.
func (b *bench) awaitOpen(ctx context.Context, n int, patience time.Duration) error {
	return await(ctx, patience, func() (bool, string, error) {
		s, err := b.look(ctx, "?count")
		return s.Open >= n, fmt.Sprintf("%d of %d calls have reached the provider", s.Open, n), err
	})
}

// state is weir's own account of itself.
type state struct{ tree any }

// state asks a weir for its state.
func (p *process) state(ctx context.Context) (state, error) {
	var s state
	text, err := ask(ctx, http.MethodGet, p.url.JoinPath("weir", "api", "state").String())
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s.tree)
}

// awaitQueued waits until weir says that n requests wait.
func (p *process) awaitQueued(ctx context.Context, n int, patience time.Duration) error {
	return await(ctx, patience, func() (bool, string, error) {
		s, err := p.state(ctx)
		waiting := s.sum("queued")
		return waiting == float64(n), fmt.Sprintf("weir says that %v requests wait, not %d", waiting, n), err
	})
}

// waited asks a weir for how long all requests so far have waited in its queue,
// in seconds. Bare lets nobody wait.
func (p *process) waited(ctx context.Context) (float64, error) {
	if p.name != "weir" {
		return 0, nil
	}
	text, err := ask(ctx, http.MethodGet, p.url.JoinPath("metrics").String())
	if err != nil {
		return 0, err
	}
	return metric(string(text), "weir_queue_wait_seconds_sum")
}

// metric adds up all samples of a metric in the Prometheus text format; 0 if
// there are none.
func metric(text, name string) (float64, error) {
	var all float64
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		x, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", name, err)
		}
		all += x
	}
	return all, nil
}

// sum adds up a figure over all lanes. Totals stand above parts in the state,
// so what has the figure itself is not looked into, and of several lists that
// have it the largest sum counts.
func (s state) sum(key string) float64 {
	return sum(s.tree, key)
}

func sum(tree any, key string) float64 {
	switch t := tree.(type) {
	case map[string]any:
		if v, ok := t[key]; ok {
			return total(v)
		}
		var most float64
		for _, v := range t {
			most = max(most, sum(v, key))
		}
		return most
	case []any:
		var all float64
		for _, v := range t {
			all += sum(v, key)
		}
		return all
	}
	return 0
}

// total adds up all numbers of a figure that may be divided by class.
func total(v any) float64 {
	var all float64
	switch t := v.(type) {
	case float64:
		return t
	case map[string]any:
		for _, v := range t {
			all += total(v)
		}
	case []any:
		for _, v := range t {
			all += total(v)
		}
	}
	return all
}

// await asks look again and again until it is satisfied.
func await(ctx context.Context, patience time.Duration, look func() (ok bool, otherwise string, err error)) error {
	for deadline := time.Now().Add(patience); ; {
		ok, otherwise, err := look()
		if err != nil || ok {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v %s", patience, otherwise)
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// ask makes a control call.
func ask(ctx context.Context, method, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %s", method, address, answer.Status, strings.TrimSpace(string(text)))
	}
	return text, nil
}
