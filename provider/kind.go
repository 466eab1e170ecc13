package provider

import "fmt"

// A Kind is what one attempt's outcome means for the caller, for its lane and
// for the account. The zero Kind is Unknown.
type Kind uint8

// The kinds of verdict. What follows from each is the business of the caller:
// this package only says which it is.
const (
	// Unknown is an error that no rule knows. It passes untouched and is never
	// retried for being unknown.
	Unknown Kind = iota
	// OK is an answer without any error mark.
	OK
	// Concurrency is a refusal because too many attempts are in flight.
	Concurrency
	// Frequency is a refusal because attempts start too fast.
	Frequency
	// Throttled is a refusal that does not say which of the two it is.
	Throttled
	// Overload is a provider that is busy with everybody's requests.
	Overload
	// Quota is a spent allowance that comes back at some moment.
	Quota
	// Plan is a plan, balance or endpoint that does not fit the request. It does
	// not mend itself.
	Plan
	// Flagged is an account held back for how it is used.
	Flagged
	// Auth is a credential that is missing, wrong or not allowed to do this.
	Auth
	// Invalid is a request that the provider cannot serve as it stands.
	Invalid
	// Content is an answer withheld by a content filter.
	Content
	// Server is a fault at the provider that concerns this one request.
	Server
	// Transport is a failure below HTTP. Classify never gives it: an attempt
	// without an answer is judged by whoever made it.
	Transport

	kinds = int(Transport) + 1
)

var kindNames = [kinds]string{
	"unknown", "ok", "concurrency", "frequency", "throttled", "overload", "quota",
	"plan", "flagged", "auth", "invalid", "content", "server", "transport",
}

// String returns the kind's lower-case name, as used in logs, metrics and rules.
func (k Kind) String() string {
	if int(k) < kinds {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Retried reports whether a request whose attempt ended so may be worth another
// attempt; the other kinds are final.
func (k Kind) Retried() bool {
	switch k {
	case Concurrency, Frequency, Throttled, Overload, Server, Transport:
		return true
	}
	return false
}

// MarshalText returns the kind's name. It fails for a value that is no Kind.
func (k Kind) MarshalText() ([]byte, error) {
	if int(k) >= kinds {
		return nil, fmt.Errorf("no verdict has the number %d", uint8(k))
	}
	return []byte(kindNames[k]), nil
}

// UnmarshalText sets k to the kind of that name. It fails for any other text and
// then leaves k alone.
func (k *Kind) UnmarshalText(text []byte) error {
	for i, name := range kindNames {
		if string(text) == name {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("no verdict is called %q", text)
}
