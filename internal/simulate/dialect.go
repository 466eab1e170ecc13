package simulate

import (
	"bytes"
	"strings"
)

// A dialect puts answers and errors into the form of one API.
type dialect interface {
	name() string
	// stream and whole return an answer as a stream and as one body.
	stream(*answer) composition
	whole(*answer) []byte
	// errorBody returns an error; inStream says that it will be an event's data.
	errorBody(e businessError, code, id string, inStream bool) []byte
	// streamError returns a whole stream whose only event is an error.
	streamError(data []byte) []byte
}

// dialectOf returns the dialect that is spoken at a path, or nil. Any prefix
// will do, so /api/coding/paas/v4, /api/v1 and /v1 are all served; Messages
// needs its /v1, as at Z.AI.
func dialectOf(path string) dialect {
	switch {
	case strings.HasSuffix(path, "/chat/completions"):
		return chat{}
	case strings.HasSuffix(path, "/v1/messages"):
		return messages{}
	case strings.HasSuffix(path, "/responses"):
		return responses{}
	}
	return nil
}

// ordered is a JSON object as keys and values in turn, since providers write an
// object's type before the rest.
type ordered []any

// MarshalJSON returns the object in its order.
func (o ordered) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i := 0; i+1 < len(o); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, encode(o[i])...), ':')
		b = append(b, encode(o[i+1])...)
	}
	return append(b, '}'), nil
}

// get returns the value of a key, or nil.
func (o ordered) get(key string) any {
	for i := 0; i+1 < len(o); i += 2 {
		if o[i] == key {
			return o[i+1]
		}
	}
	return nil
}

// data returns an event that has no name.
func data(v any) []byte { return event("", v) }

// event returns one event of a stream.
func event(name string, v any) []byte {
	var b bytes.Buffer
	if name != "" {
		b.WriteString("event: " + name + "\n")
	}
	b.WriteString("data: ")
	b.Write(encode(v))
	b.WriteString("\n\n")
	return b.Bytes()
}

// errorEvent returns a stream of one error and, where the dialect has it, the
// end mark, as Z.AI sends it.
func errorEvent(data []byte, mark string) []byte {
	return []byte("event: error\ndata: " + string(data) + "\n\n" + mark)
}
