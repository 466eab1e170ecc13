package weir

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/provider"
)

// A Class is the priority of a request; the zero Class is Interactive.
type Class = admission.Class

// The classes.
const (
	Interactive = admission.Interactive
	Subagent    = admission.Subagent
	Background  = admission.Background
)

// A Call names a request: where it goes, on whose account, and how urgent it is.
type Call struct {
	ID      string            // for events and logs; empty: one is made
	Profile *provider.Profile // whose rules apply; nil: the shipped default's
	Dialect provider.Dialect  // empty: chat completions
	Account string            // fingerprint of the credential; see Governor.Fingerprint
	Model   string            // empty: the lane of the unnamed model
	Session string            // root session, the unit of fairness
	Class   Class
	Stream  bool          // the client asked for a stream
	MaxWait time.Duration // how long it may wait for admission in all; zero: for ever
	Free    bool          // takes no slot: model lists, token counts and the like

	// Since is when the client first made the request, if this call repeats one that it
	// gave up or that was sent away: the call has that one's place. Zero, or a moment
	// to come: now.
	Since time.Time
	// Caller says for people whose session it is: "opencode in ~/shop". Empty: not known.
	Caller string

	body *Body // if it has been read
}

// Carry makes the call's request send a body that was read with
// [Governor.ReadBody]; the transport releases it.
func (c *Call) Carry(b *Body) { c.body = b }

// Lane returns the name of the call's lane: provider/account/model.
func (c *Call) Lane() string { return c.account() + "/" + c.lane() }

func (c *Call) profile() *provider.Profile {
	if c.Profile != nil {
		return c.Profile
	}
	p, _ := provider.Lookup(provider.DefaultName)
	return p
}

func (c *Call) account() string { return c.profile().Name + "/" + c.Account }

// maxModel bounds the name of a model: it comes from outside and is shown.
const maxModel = 96

func (c *Call) lane() string {
	if c.Model == "" || c.profile().LaneScope == provider.ScopeAccount {
		return "-"
	}
	if len(c.Model) > maxModel {
		sum := sha256.Sum256([]byte(c.Model))
		return printable(strings.ToValidUTF8(c.Model[:maxModel-9], "")) + "~" + hex.EncodeToString(sum[:4])
	}
	return printable(c.Model)
}

// printable puts question marks in place of what a name must not have where it is shown:
// control characters, which rule a terminal, and those that turn or hide text.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, name)
}

type callKey struct{}

// WithCall returns a context that carries the name of the request sent with it,
// so that a [Transport] need not find it out.
func WithCall(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

func callFrom(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// Credential returns the credential that a request carries, in the first of the
// places where providers look: Authorization (without "Bearer "), X-Api-Key,
// Api-Key, X-Goog-Api-Key, and the query parameter key. It is a secret.
func Credential(r *http.Request) string {
	for c := range Credentials(r) {
		return c
	}
	return ""
}

// Credentials yields all the credentials that a request carries.
func Credentials(r *http.Request) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, name := range [...]string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key"} {
			for _, v := range r.Header[name] {
				v = strings.TrimSpace(v)
				if scheme, rest, ok := strings.Cut(v, " "); ok && strings.EqualFold(scheme, "Bearer") {
					v = strings.TrimSpace(rest)
				}
				if v != "" && !yield(v) {
					return
				}
			}
		}
		if strings.Contains(r.URL.RawQuery, "key=") {
			for _, v := range r.URL.Query()["key"] {
				if v != "" && !yield(v) {
					return
				}
			}
		}
	}
}

// fingerprint shortens a credential to something that can be shown: it can be
// computed only with the secret.
func fingerprint(secret []byte, credential string) string {
	if credential == "" {
		return "anonymous"
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(credential))
	return hex.EncodeToString(mac.Sum(nil)[:6])
}
