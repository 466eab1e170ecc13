package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A conn is a client connection that speaks just enough HTTP/1.1. The standard
// client would cost the generator as much as a gateway costs itself, and would
// need two goroutines more for each open stream.
type conn struct {
	net.Conn
	in *bufio.Reader
}

// patience is how long a connection may live: a gateway that never answers must
// not stop a whole run.
const patience = 5 * time.Minute

// dial connects to the host of u. The connection is closed when ctx ends.
func dial(ctx context.Context, u *url.URL) (*conn, error) {
	c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { c.Close() })
	return &conn{Conn: c, in: bufio.NewReaderSize(c, 4<<10)}, nil
}

// exchange writes a request and reads its answer.
func (c *conn) exchange(request []byte, piece func([]byte)) (status int, err error) {
	if _, err := c.Write(request); err != nil {
		return 0, err
	}
	return c.answer(piece)
}

// answer reads one answer and calls piece, unless it is nil, with each piece of
// its body as it comes. A body that ends before its end is an error.
func (c *conn) answer(piece func([]byte)) (status int, err error) {
	if piece == nil {
		piece = func([]byte) {}
	}
	status, length, err := c.head()
	if err != nil {
		return status, err
	}
	if length >= 0 {
		return status, c.body(length, piece)
	}
	for {
		line, err := c.line()
		if err != nil {
			return status, err
		}
		size, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil {
			return status, fmt.Errorf("chunk size %q", line)
		}
		if size > 0 {
			if err := c.body(int(size), piece); err != nil {
				return status, err
			}
		}
		if line, err = c.line(); err != nil {
			return status, err
		}
		if len(line) > 0 {
			return status, fmt.Errorf("%q at the end of a chunk", line)
		}
		if size == 0 {
			return status, nil
		}
	}
}

// head reads an answer's head. A length below 0 means that the body is chunked.
func (c *conn) head() (status, length int, err error) {
	line, err := c.line()
	if err != nil {
		return 0, 0, err
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, 0, fmt.Errorf("%q is no status line", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, fmt.Errorf("status: %w", err)
	}
	for {
		line, err := c.line()
		if err != nil {
			return status, 0, err
		}
		if len(line) == 0 {
			return status, length, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return status, 0, fmt.Errorf("length: %w", err)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			length = -1
		}
	}
}

// line reads a line and returns it without its end, until the next read.
func (c *conn) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

// body hands on n bytes, in pieces as they are there.
func (c *conn) body(n int, piece func([]byte)) error {
	for n > 0 {
		if _, err := c.in.Peek(1); err != nil {
			return err
		}
		b, err := c.in.Peek(min(n, c.in.Buffered()))
		if err != nil {
			return err
		}
		piece(b)
		if _, err := c.in.Discard(len(b)); err != nil {
			return err
		}
		n -= len(b)
	}
	return nil
}

// errStatus is the error of an answer that should have been 200.
var errStatus = errors.New("status is not 200")

// expect runs an exchange on a connection and wants status 200.
func (c *conn) expect(request []byte, piece func([]byte)) error {
	status, err := c.exchange(request, piece)
	if err != nil {
		return err
	}
	if status != 200 {
		return fmt.Errorf("%w but %d", errStatus, status)
	}
	return nil
}

// A prompt describes a request to the provider.
type prompt struct {
	do      string // the provider's query, see the upstream command
	account string // credential; empty: "bench-a"
	stream  bool
	size    int // of the body in bytes, about; 0: 2 KB
	headers string
}

// path is where Z.AI's coding plan takes chat completions: a path that weir
// knows how to read.
const path = "/api/coding/paas/v4/chat/completions"

// request writes the whole request for the gateway at u.
func (p prompt) request(u *url.URL) []byte {
	if p.account == "" {
		p.account = "bench-a"
	}
	if p.size == 0 {
		p.size = 2 << 10
	}
	body := chat(p.size, p.stream)
	head := fmt.Sprintf("POST %s?%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nUser-Agent: weir-bench\r\n"+
		"Accept: */*\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n", path, p.do, u.Host, p.account, len(body), p.headers)
	return append([]byte(head), body...)
}

// chat returns a chat completion request of about size bytes: messages of some
// KB of code with the escapes that code has in JSON, a quote each 75 bytes and a
// newline each 40, as in Go's own net/http. What a gateway looks for stands before
// and behind them, as it may.
func chat(size int, stream bool) string {
	const line = `\tif err := step(ctx, i); err != nil {\n\t\treturn fmt.Errorf(\"step %d: %w\", i, err)\n\t}\n` +
		`\t// The count says how many of them are left.\n\tcount = max(count-1, 0)\n`
	const open, sep, end = `{"role":"user","content":"`, `"},`, `"}`
	var b strings.Builder
	b.WriteString(`{"model":"glm-4.6","messages":[{"role":"system","content":"You write code."},`)
	tail := fmt.Sprintf(`],"temperature":0.6,"stream":%t}`, stream)
	for b.WriteString(open); b.Len()+len(line)+len(end)+len(tail) <= size; {
		b.WriteString(line)
		if b.Len()%4096 < len(line) {
			b.WriteString(sep + open)
		}
	}
	b.WriteString(end + tail)
	return b.String()
}

// An audience reads the events of one stream. It is for one goroutine.
type audience struct {
	events int       // events so far, comments aside: a gateway may send those to keep a client waiting
	done   bool      // data: [DONE] has come
	delays []float64 // ms from the provider's write to here, where listen is true
	listen func() bool
	heard  func(events int) // called after each piece, if not nil

	last    byte // of what has come
	inside  bool // an event has begun
	comment bool // it is a comment
}

// piece reads a piece of the stream.
func (a *audience) piece(b []byte) {
	now := time.Now().UnixNano()
	for _, c := range b {
		switch {
		case !a.inside:
			a.inside, a.comment = c != '\n', c == ':'
		case c == '\n' && a.last == '\n':
			if !a.comment {
				a.events++
			}
			a.inside = false
		}
		a.last = c
	}
	if a.listen != nil && a.listen() {
		a.time(now, b)
	}
	if bytes.Contains(b, []byte("data: [DONE]")) {
		a.done = true
	}
	if a.heard != nil {
		a.heard(a.events)
	}
}

// time notes how old the chunks in b are at the moment now: the provider writes
// the moment of each chunk as its content.
func (a *audience) time(now int64, b []byte) {
	const mark = `"content":"`
	for {
		i := bytes.Index(b, []byte(mark))
		if i < 0 {
			return
		}
		b = b[i+len(mark):]
		end := bytes.IndexByte(b, '"')
		if end < 0 {
			return
		}
		if sent, err := strconv.ParseInt(string(b[:end]), 10, 64); err == nil {
			a.delays = append(a.delays, float64(now-sent)/1e6)
		}
	}
}
