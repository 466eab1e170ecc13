package sse

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// KeepAlive returns what keeps a waiting client of the dialect from giving up
// before its first event: a comment in a chat stream, a ping event for
// Anthropic, a keepalive event for Responses, whose clients do not count
// comments. ahead is the number of requests that go first; if it is negative
// there is no such number, since the request already runs at the provider.
// Only the comment has room to say so.
func (d Dialect) KeepAlive(ahead int) []byte {
	switch {
	case d == Anthropic:
		return []byte("event: ping\ndata: {\"type\": \"ping\"}\n\n")
	case d == Responses:
		// Clients that check the form want the number, and the first real
		// event has number 0 as well.
		return []byte("event: keepalive\ndata: {\"type\":\"keepalive\",\"sequence_number\":0}\n\n")
	case ahead < 0:
		return []byte(": weir: waiting for the provider\n\n")
	}
	return fmt.Appendf(nil, ": weir: queued, %d ahead\n\n", ahead)
}

// A Failure is an error that is told to a client in its own dialect.
type Failure struct {
	// Status is the HTTP status that the error has, or would have if the
	// answer had not begun. It decides Type and Code where they are empty.
	Status int
	// Type is the error's type in the words of the dialect; empty: by Status.
	Type string
	// Code is the error's code, for the dialects that have one; empty: by
	// Status.
	Code string
	// Message is what a person gets to read. It must hold nothing of a prompt,
	// an answer or a credential.
	Message string
	// RetryAfter is when the client should come back. It is rounded up to
	// whole seconds; zero or less stands for five seconds where the form needs
	// a number.
	RetryAfter time.Duration
	// Retryable says whether a client should try again by itself.
	Retryable bool
}

// ErrorEvent returns f as an event that ends a stream which has been kept
// alive but has no content yet.
//
// If f is retryable it has the form after which the tools of the dialect try
// again, whatever its Type and Code: for OpenAI a rate_limit_error with the
// number 429 and "Too Many Requests", for Anthropic an overloaded_error (a
// rate_limit_error makes Claude Code send the request a second time at once),
// for Responses a response.failed with code rate_limit_exceeded, the only one
// under which Codex reads the time to wait.
//
// If it is not, the event has a form after which they stop: types and codes
// that none of them takes for passing, and a message without the words and
// numbers that make OpenCode try again. A word of Message that has one of
// these, even a request id, is replaced by "…".
func (d Dialect) ErrorEvent(f Failure) []byte {
	switch {
	case d == Anthropic && f.Retryable:
		f.Type = "overloaded_error"
		f.Message = f.comeBack("Overloaded")
		return event("error", d.body(f))
	case d == Anthropic:
		return event("error", d.body(f.final(d)))
	case d == Responses:
		return event("response.failed", failedResponse(f))
	case f.Retryable:
		f.Type = "rate_limit_error"
		f.Message = f.comeBack("Too Many Requests")
		return event("", openAIBody(f, http.StatusTooManyRequests))
	}
	return event("", d.body(f.final(d)))
}

// ErrorBody returns f as the JSON body of an HTTP answer with f.Status. Type
// and Code are passed on where they are given. The message of a failure that
// is not retryable is cleaned as in ErrorEvent, since OpenCode reads the body
// too; that of one that is stays as it is, since the status and Retry-After
// say the rest.
func (d Dialect) ErrorBody(f Failure) []byte {
	if !f.Retryable {
		f.Message = calm(f.Message)
	}
	return d.body(f)
}

// body returns f's JSON in the dialect's envelope.
func (d Dialect) body(f Failure) []byte {
	if f.Type == "" {
		f.Type = d.typeOf(f.Status)
	}
	if d == Anthropic {
		type detail struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		}
		return encode(struct {
			Type  string `json:"type"`
			Error detail `json:"error"`
		}{"error", detail{f.Type, f.Message}})
	}
	if f.Code == "" {
		return openAIBody(f, codeOf(f.Status))
	}
	return openAIBody(f, f.Code)
}

// openAIBody returns the envelope of OpenAI. code is a string, or the number
// that tools look for in a stream.
func openAIBody(f Failure, code any) []byte {
	type detail struct {
		Message string `json:"message"`
		Type    string `json:"type"`
		Code    any    `json:"code"`
	}
	return encode(struct {
		Error detail `json:"error"`
	}{detail{f.Message, f.Type, code}})
}

// failedResponse returns the data of a response.failed event. By its published
// code, Codex tries again after any code but a few; of these invalid_prompt is
// the one with which it shows the message.
func failedResponse(f Failure) []byte {
	code := "invalid_prompt"
	if f.Retryable {
		code = "rate_limit_exceeded"
		f.Message = f.comeBack("Too Many Requests")
	} else {
		f.Message = calm(f.Message)
	}
	type detail struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	type response struct {
		ID     string `json:"id"`
		Object string `json:"object"`
		Status string `json:"status"`
		Error  detail `json:"error"`
		Output []any  `json:"output"`
	}
	return encode(struct {
		Type     string   `json:"type"`
		Sequence int      `json:"sequence_number"`
		Response response `json:"response"`
	}{"response.failed", 0, response{"resp_weir", "response", "failed", detail{code, f.Message}, []any{}}})
}

// final returns f without anything that makes a tool try again.
func (f Failure) final(d Dialect) Failure {
	f.Message = calm(f.Message)
	if f.Type == "" {
		f.Type = d.typeOf(f.Status)
	}
	if f.Code == "" {
		f.Code = codeOf(f.Status)
	}
	switch f.Type {
	case "rate_limit_error", "overloaded_error", "api_error", "server_error", "timeout_error":
		f.Type = "invalid_request_error"
	}
	if calm(f.Type) != f.Type {
		f.Type = "invalid_request_error"
	}
	if calm(f.Code) != f.Code {
		f.Code = "request_failed"
	}
	return f
}

// comeBack returns f's message between the words that make a tool try again
// and the time after which it should.
func (f Failure) comeBack(words string) string {
	seconds := int64((f.RetryAfter + time.Second - 1) / time.Second)
	if seconds <= 0 {
		seconds = 5
	}
	message := strings.TrimRight(f.Message, ". ")
	if message != "" {
		message = ": " + message
	}
	return words + message + ". Please try again in " + strconv.FormatInt(seconds, 10) + "s."
}

// retryWords matches what makes OpenCode try again when it occurs in an error,
// a number with the word around it.
const retryWords = `(?i)\S*(?:429|50[0234]|524)\S*|rate[\s_-]?limit\w*|too[\s_]many[\s_]requests|overloaded\w*|` +
	`server[\s_]error|service[\s_]unavailable|unavailable|exhausted|econn\w*|try again (?:later|in)`

// calm replaces retryWords in s. Errors are rare enough to compile the
// expression each time.
func calm(s string) string {
	return regexp.MustCompile(retryWords).ReplaceAllString(s, "…")
}

// typeOf returns the error type that the dialect has for an HTTP status.
func (d Dialect) typeOf(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusPaymentRequired:
		if d == Anthropic {
			return "billing_error"
		}
		return "insufficient_quota"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		if d == Anthropic {
			return "request_too_large"
		}
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusServiceUnavailable, 529:
		if d == Anthropic {
			return "overloaded_error"
		}
	}
	switch {
	case status < http.StatusInternalServerError:
		return "invalid_request_error"
	case d == Anthropic:
		return "api_error"
	}
	return "server_error"
}

// codeOf returns the error code that OpenAI's dialects have for an HTTP
// status.
func codeOf(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "invalid_api_key"
	case status == http.StatusPaymentRequired:
		return "insufficient_quota"
	case status == http.StatusTooManyRequests:
		return "rate_limit_exceeded"
	case status >= http.StatusInternalServerError:
		return "server_error"
	}
	return "invalid_request"
}

// event returns an event with the name, if there is one, and data of one line.
func event(name string, data []byte) []byte {
	var b bytes.Buffer
	if name != "" {
		b.WriteString("event: " + name + "\n")
	}
	b.WriteString("data: ")
	b.Write(data)
	b.WriteString("\n\n")
	return b.Bytes()
}

// encode returns v as JSON on one line. Text meant for people keeps its < and
// > readable.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("sse: encoding strings and numbers: %v", err)) // cannot happen
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
