package proxy

import (
	"context"
	"net"
	"net/http"
	"strings"

	"github.com/weirhq/weir/admission"
)

// A Caller is who is at the other end of a request, as far as the gateway knows it
// without what the request says of itself.
type Caller struct {
	// Session names the caller where its requests name no session: the unit of
	// fairness. Empty: not known.
	Session string
	// Title is for people: "opencode in ~/shop". Empty: not known.
	Title string
	// Tool is the name of the tool that it is known to run; empty: its requests tell.
	Tool string
	// Trusted callers need no token.
	Trusted bool
	// Done hears of each request of the caller at its end, before Config.Done; nil:
	// nobody. It must not block.
	Done func(Record)
}

// splitRun takes the element that names a run off an escaped path: "/~RUN/v1/…" is
// "~RUN" and "/v1/…".
func splitRun(path string) (run, rest string) {
	if !strings.HasPrefix(path, "/~") {
		return "", path
	}
	run, rest, _ = strings.Cut(path[1:], "/")
	return run, "/" + rest
}

// product returns the name of the program in a User-Agent: "curl/8.5.0 …" is
// "curl".
func product(agent string) string {
	name, _, _ := strings.Cut(agent, "/")
	name, _, _ = strings.Cut(name, " ")
	return clip(name)
}

// stranger names the session of a request of which nothing else is known: one for
// each program and machine.
func stranger(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return strings.TrimSpace(product(r.UserAgent()) + " " + host)
}

// A ClassFunc tells how urgent a request is, by its headers, model and path; false: it
// has nothing to say of it.
type ClassFunc func(h http.Header, model, path string) (admission.Class, bool)

// firstOf returns the first text that is not empty.
func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// A PeerFunc tells who is at the other end of a request's connection; the context
// is the request's.
type PeerFunc func(ctx context.Context) (Caller, bool)

// A RunFunc tells whose run a path element names; false: nobody's.
type RunFunc func(element string) (Caller, bool)
