package provider

import (
	"encoding/base64"
	"strings"
)

// ForeignKey reports whether a credential has the known form of another vendor's,
// and whose it is ("anthropic", "github"). Such a credential must not be sent to p.
// A form that names a vendor is foreign to every profile of another vendor, also to
// those whose host only the user knows. A credential of no known form is never
// foreign, nor is an empty one. A leading "Bearer " is ignored.
//
// A JWT signed with an asymmetric algorithm is an OAuth token: one of OpenAI's,
// as its coding tools send it, for every profile that does not say that its vendor
// takes such tokens. A JWT with HS256 is the old form of Z.AI's own keys.
func ForeignKey(p *Profile, credential string) (vendor string, foreign bool) {
	credential = strings.TrimSpace(credential)
	if len(credential) > 7 && strings.EqualFold(credential[:7], "bearer ") {
		credential = strings.TrimSpace(credential[7:])
	}
	own := p.Vendor
	if own == "" {
		own = p.Name
	}
	if hasForm(credential, p.Keys.Forms) {
		return own, false
	}
	vendor = formVendor(credential)
	if vendor == "" && isOAuthToken(credential) {
		if p.Keys.OAuthTokens {
			return own, false
		}
		vendor = "openai"
	}
	return vendor, vendor != "" && vendor != own
}

// formVendor returns the vendor whose form a credential has, "" if none.
func formVendor(credential string) string {
	data := builtin()
	for _, name := range data.names {
		if p := data.profiles[name]; hasForm(credential, p.Keys.Forms) {
			return p.Vendor
		}
	}
	for form, vendor := range data.strangers {
		if strings.HasPrefix(credential, form) {
			return vendor
		}
	}
	return ""
}

func hasForm(credential string, forms []string) bool {
	for _, form := range forms {
		if strings.HasPrefix(credential, form) {
			return true
		}
	}
	return false
}

// isOAuthToken reports whether s is a JWT whose header names an asymmetric
// algorithm.
func isOAuthToken(s string) bool {
	const maxHeader = 4 << 10
	header, rest, ok := strings.Cut(s, ".")
	if !ok || !strings.HasPrefix(header, "eyJ") || len(header) > maxHeader || strings.Count(rest, ".") != 1 {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(header, "="))
	if err != nil {
		return false
	}
	algorithm := ""
	_ = ScanObject(raw, func(key, value []byte) bool {
		if string(key) == "alg" {
			algorithm = unquote(value)
		}
		return true
	})
	for _, prefix := range []string{"RS", "ES", "PS", "EdDSA"} {
		if strings.HasPrefix(algorithm, prefix) {
			return true
		}
	}
	return false
}
