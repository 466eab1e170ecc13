package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// answerSize is the length of the small JSON answer in bytes.
	answerSize = 1 << 10

	// refusalTakes is how long a refusal at the door takes: Z.AI needs a
	// fraction of a second, and a refusal that costs nothing would flatter
	// whoever asks often.
	refusalTakes = 20 * time.Millisecond

	// thinking is how long a call of do=slots takes until its first event.
	thinking = 200 * time.Millisecond

	refusal = `{"error":{"code":"1302","message":"Rate limit reached for requests"}}`

	chunkHead = `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1760000000,"model":"glm-4.6","choices":[{"index":0,"delta":`
	chunkTail = `,"finish_reason":null}]}` + "\n\n"
	roleDelta = chunkHead + `{"role":"assistant","content":""}` + chunkTail
	lastChunk = chunkHead + `{},"finish_reason":"stop"}],"usage":{"prompt_tokens":500,"completion_tokens":200,"total_tokens":700}}` + "\n\n"
	doneMark  = "data: [DONE]\n\n"
)

// A provider answers calls as their query asks.
type provider struct{ ledger *ledger }

func (p *provider) complete(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	// The body is read whole first, as a provider has to.
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	var seen *call
	do := query.Get("do")
	if do == "hang" || do == "slots" || query.Has("id") {
		seen = p.ledger.begin(query.Get("id"), account(r))
	}
	outcome := "answered"
	switch do {
	case "stream":
		outcome = stream(w, r.Context(), number(query, "chunks", 200), duration(query, "every"))
	case "hang":
		outcome = p.hang(w, r.Context(), seen)
	case "slots":
		outcome = p.slot(w, r.Context(), duration(query, "for"))
	default:
		small(w)
	}
	if seen != nil && outcome != "" {
		p.ledger.finish(seen, outcome)
	}
}

// hang answers when it is told to. The call is written down as answered before
// the answer is written, so that whatever the answer sets off comes later.
func (p *provider) hang(w http.ResponseWriter, ctx context.Context, c *call) string {
	select {
	case <-ctx.Done():
		return "left"
	case <-c.answer:
		p.ledger.finish(c, "answered")
		small(w)
		return ""
	}
}

// slot streams for the given time if it finds a slot free, and refuses
// otherwise.
func (p *provider) slot(w http.ResponseWriter, ctx context.Context, length time.Duration) string {
	if !p.ledger.take() {
		pause(ctx, refusalTakes)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, refusal)
		return "refused"
	}
	defer p.ledger.give()
	began := time.Now()
	if !pause(ctx, thinking) {
		return "left"
	}
	const every = 50 * time.Millisecond
	s := newStreamer(w)
	s.write(roleDelta)
	for s.chunk(); time.Since(began)+every < length; s.chunk() {
		if !pause(ctx, every) {
			return "left"
		}
	}
	if !pause(ctx, length-time.Since(began)) {
		return "left"
	}
	s.write(lastChunk + doneMark)
	return "answered"
}

// stream writes a role delta and then chunks, the first at once, each at its
// own due time so that a late one delays no other.
func stream(w http.ResponseWriter, ctx context.Context, chunks int, every time.Duration) string {
	s := newStreamer(w)
	s.write(roleDelta)
	start := time.Now()
	for i := range chunks {
		if !pause(ctx, time.Until(start.Add(time.Duration(i)*every))) {
			return "left"
		}
		s.chunk()
	}
	s.write(lastChunk + doneMark)
	return "answered"
}

// A streamer writes events and flushes each.
type streamer struct {
	w     http.ResponseWriter
	flush *http.ResponseController
	buf   []byte
}

func newStreamer(w http.ResponseWriter) *streamer {
	w.Header().Set("Content-Type", "text/event-stream")
	return &streamer{w: w, flush: http.NewResponseController(w), buf: make([]byte, 0, 512)}
}

// write writes text and flushes. An error shows at the latest in the call's
// context, which everybody here looks at before the next write.
func (s *streamer) write(text string) {
	io.WriteString(s.w, text)
	s.flush.Flush()
}

// chunk writes a chunk whose content is the present time, in Unix nanoseconds.
func (s *streamer) chunk() {
	s.buf = append(s.buf[:0], chunkHead+`{"content":"`...)
	s.buf = strconv.AppendInt(s.buf, time.Now().UnixNano(), 10)
	s.buf = append(s.buf, `"}`+chunkTail...)
	s.w.Write(s.buf)
	s.flush.Flush()
}

// small writes a completion of answerSize bytes, in one write as its length is
// known.
func small(w http.ResponseWriter) {
	const head = `{"id":"chatcmpl-bench","object":"chat.completion","created":1760000000,"model":"glm-4.6","choices":[{"index":0,"message":{"role":"assistant","content":"`
	const tail = `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":500,"completion_tokens":200,"total_tokens":700}}`
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(answerSize))
	io.WriteString(w, head+strings.Repeat("x", answerSize-len(head)-len(tail))+tail)
}

// pause waits and reports whether ctx lasted. A d of 0 or less only looks.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// account is the credential of a call; the benchmark's credentials are names.
func account(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

func number(q url.Values, key string, missing int) int {
	if n, err := strconv.Atoi(q.Get(key)); err == nil {
		return n
	}
	return missing
}

func duration(q url.Values, key string) time.Duration {
	d, err := time.ParseDuration(q.Get(key))
	if err != nil {
		return 0
	}
	return d
}
