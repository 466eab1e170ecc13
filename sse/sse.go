// Package sse knows how the three dialects that coding tools speak look as
// server-sent events: where an event ends, what an event of a stream's
// beginning says, which mark ends a stream honestly, and how a keep-alive and
// an error are written so that the tools of a dialect understand them.
//
// The parts serve different stretches of one answer:
//
//   - [Framer] and [Dialect.Read] look at the prelude, which is held back until
//     it is known whether the provider has accepted. They may parse, since a
//     prelude is short.
//   - [Tail] looks at all bytes of the answer as they pass, without parsing
//     and without allocation, to know whether a stream that ends had come to
//     its end.
//   - [Dialect.KeepAlive], [Dialect.ErrorEvent] and [Dialect.ErrorBody] write
//     what the provider did not.
//
// The package does no I/O, reads no clock and starts no goroutine.
package sse

// A Dialect is the form in which a tool and a provider talk to each other. An
// unknown Dialect, the empty one too, is treated as [OpenAI].
type Dialect string

const (
	// OpenAI is the chat completions stream: unnamed events with chunks, ended
	// by "[DONE]". It stands for legacy text completions, too.
	OpenAI Dialect = "openai"
	// Responses is OpenAI's Responses stream: named, typed events from
	// response.created to response.completed.
	Responses Dialect = "responses"
	// Anthropic is the Messages stream: named, typed events from message_start
	// to message_stop.
	Anthropic Dialect = "anthropic"
)

// An Event is one server-sent event.
type Event struct {
	// Name is the value of the last "event:" line; empty if there is none.
	Name []byte
	// Data holds the values of the "data:" lines, joined by line feeds; empty
	// if there is none.
	Data []byte
	// Comment says that the event consists of comment lines only, as some
	// providers send them to keep a connection alive.
	Comment bool
}
