package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/retry"
	"github.com/weirhq/weir/sse"
)

const (
	headTime  = 90 * time.Second // for the first event
	wholeTime = 4 * time.Minute  // for the answer
	maxHead   = 64 << 10         // bytes that are looked at to judge an answer
)

// A stream is one call. Its goroutine writes the fields: those up to wait before
// decided is closed, the others before ended is.
type stream struct {
	sent    time.Time
	head    time.Time // when it was known what the provider has decided
	kind    provider.Kind
	verdict provider.Verdict
	err     error
	wait    time.Duration // that a refusal asks for

	end    time.Time
	broken bool // the answer did not come to its end

	decided, ended chan struct{}
}

func (s *stream) accepted() bool { return s.kind == provider.OK }

// refused tells that the provider took it for one too many.
func (s *stream) refused() bool {
	return s.kind == provider.Concurrency || s.kind == provider.Frequency || s.kind == provider.Throttled
}

// openAt tells whether the provider had accepted the stream and it had not ended, from
// one moment to another.
func (s *stream) openAt(from, to time.Time) bool {
	if !s.accepted() || s.head.After(from) {
		return false
	}
	select {
	case <-s.ended:
		return s.end.After(to)
	default:
		return true
	}
}

// start sends a call for an answer of about so many tokens and returns at once.
func (r *runner) start(ctx context.Context, tokens int) *stream {
	s := &stream{sent: time.Now(), decided: make(chan struct{}), ended: make(chan struct{})}
	r.calls++
	question := r.stack.deal()
	r.streams.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, wholeTime)
		defer cancel()
		impatient := time.AfterFunc(headTime, cancel)
		body := r.send(ctx, s, question, tokens)
		impatient.Stop()
		close(s.decided)
		if body != nil {
			s.broken = drain(body) != nil
			body.Close()
		}
		s.end = time.Now()
		close(s.ended)
	})
	return s
}

// send makes the call and judges its head. It returns the rest of the answer, nil if
// there is none.
func (r *runner) send(ctx context.Context, s *stream, question string, tokens int) io.ReadCloser {
	fail := func(err error) io.ReadCloser {
		s.head, s.kind, s.err = time.Now(), provider.Transport, err
		return nil
	}
	body, err := json.Marshal(map[string]any{
		"model": r.cfg.Model, "max_tokens": tokens, "stream": true,
		"messages": []map[string]string{{"role": "user", "content": question}},
	})
	if err != nil {
		return fail(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return fail(err)
	}
	if h := r.cfg.Profile.KeyHeader(provider.OpenAI); r.cfg.Key != "" {
		req.Header.Set(h.Header, h.Prefix+r.cfg.Key)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.cfg.Transport.RoundTrip(req)
	if err != nil {
		return fail(reason(err))
	}
	if err := r.judge(s, resp); err != nil {
		resp.Body.Close()
		return fail(reason(err))
	}
	if !s.accepted() {
		resp.Body.Close()
		return nil
	}
	return resp.Body
}

// judge reads as much of an answer as tells what the provider has decided.
func (r *runner) judge(s *stream, resp *http.Response) error {
	decide := func(a provider.Answer) {
		a.Status, a.Header, a.Now = resp.StatusCode, resp.Header, time.Now()
		s.head = a.Now
		s.verdict = r.cfg.Profile.Classify(a)
		s.kind = s.verdict.Kind
		s.wait = s.verdict.Wait
		if wait, said := retry.After(resp.Header, a.Now); said {
			s.wait = wait
		}
	}
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxHead))
		if err != nil {
			return err
		}
		if decide(provider.Answer{Body: text}); s.kind == provider.OK {
			s.kind, s.err = provider.Unknown, fmt.Errorf("the answer (status %d) is no stream", resp.StatusCode)
		}
		return nil
	}
	var framer sse.Framer
	piece, seen := make([]byte, 4<<10), 0
	for seen < maxHead {
		n, err := resp.Body.Read(piece)
		seen += n
		framer.Write(piece[:n])
		for {
			ev, more := framer.Next()
			if !more {
				break
			}
			switch sign, finish := sse.OpenAI.Read(ev); sign {
			case sse.Good, sse.Content:
				decide(provider.Answer{})
				return nil
			case sse.MaybeError:
				decide(provider.Answer{Body: ev.Data})
				return nil
			case sse.Ended:
				decide(provider.Answer{FinishReason: finish})
				return nil
			}
		}
		if err == io.EOF {
			return errors.New("the stream ended before it began")
		}
		if err != nil {
			return err
		}
	}
	return errors.New("the stream does not begin")
}

// drain reads the rest of an answer and keeps nothing.
func drain(body io.Reader) error {
	_, err := io.Copy(io.Discard, body)
	return err
}

// reason is an error without the address, which the reader knows.
func reason(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	return err
}
