package provider

import (
	"bytes"
	"strings"
)

const (
	maxBody    = 64 << 10 // bytes of an answer that are looked at
	maxText    = 2 << 10  // bytes of a message that patterns see: it may echo a prompt
	maxDetails = 4 << 10  // bytes of details beside the message that patterns see
	maxDepth   = 3        // errors wrapped into errors
)

// Places where a business code may stand, in the order in which they are believed.
const (
	atProviderCode = iota
	atErrorProviderCode
	atErrorCode
	atErrorErrorCode
	atCode
	atErrorDotCode
	atBaseResp
	atType
	atStatusName
	atDetails
	atMessage
	places
)

// A fault is what an error body says, in one shape for all providers.
type fault struct {
	codes     []string // codes found, the most trusted first; bounded and safe
	kind      string   // the error's type, if it is no number; bounded and safe
	text      string   // message and the like, for patterns only: never shown
	details   string   // raw details, for patterns only
	requestID string
	retry     string // a body field that says how long to wait, in seconds
	retryMs   string // the same in milliseconds
}

// readFault reads an error body of any shape.
func readFault(body []byte) *fault {
	f := new(fault)
	f.read(body, 1)
	if f.text == "" && len(f.codes) == 0 && f.kind == "" {
		// Plain text, HTML, or JSON that is cut: take it as a message, and a code
		// only where it is unmistakable.
		f.text = string(bytes.ToValidUTF8(body[:min(len(body), maxText)], nil))
		if m := looseCode().FindStringSubmatch(f.text); m != nil {
			f.codes = append(f.codes, m[1])
		}
	}
	return f
}

var (
	looseCode    = lazily(`"code"\s*:\s*"?([0-9]{3,6})\b`)
	bracketCode  = lazily(`^\s*\[([0-9]{3,6})\]\s*\[`)
	bracketID    = lazily(`\[([0-9A-Za-z_-]{8,128})\]\s*$`)
	errorIDInMsg = lazily(`(?i)(?:error id|错误id)\s*[:：]\s*([0-9A-Za-z_-]{8,128})`)
)

// read adds what the object in body says.
func (f *fault) read(body []byte, depth int) {
	body = firstElement(body)
	if depth > maxDepth || len(body) == 0 || body[0] != '{' {
		return
	}
	var codes [places]string
	var text, outerType string
	f.members(body, func(key string, value []byte) {
		switch key {
		case "providerCode":
			codes[atProviderCode] = code(value)
		case "error_code":
			codes[atErrorCode] = code(value)
		case "code":
			codes[atCode] = code(value)
		case "base_resp":
			f.members(value, func(key string, value []byte) {
				switch key {
				case "status_code":
					codes[atBaseResp] = code(value)
				case "status_msg":
					text = firstOf(text, unquote(value))
				}
			})
		case "type":
			outerType = code(value)
		case "message", "msg", "detail", "error_msg":
			text = firstOf(text, unquote(value))
		case "error":
			if value[0] == '"' { // a plain string
				text = firstOf(unquote(value), text)
				return
			}
			f.readError(value, &codes, &text)
		case "response": // event response.failed
			f.members(value, func(key string, value []byte) {
				if key == "error" && value[0] == '{' {
					f.readError(value, &codes, &text)
				}
			})
		}
	})
	if isDigits(outerType) {
		codes[atType] = firstOf(codes[atType], outerType)
	} else if outerType != "error" && !strings.HasPrefix(outerType, "response.") {
		f.kind = firstOf(f.kind, outerType)
	}
	f.finish(codes, text, depth)
}

// readError adds what an inner error object says.
func (f *fault) readError(object []byte, codes *[places]string, text *string) {
	f.members(object, func(key string, value []byte) {
		switch key {
		case "providerCode":
			codes[atErrorProviderCode] = code(value)
		case "error_code":
			codes[atErrorErrorCode] = code(value)
		case "code":
			codes[atErrorDotCode] = code(value)
		case "type":
			if kind := code(value); isDigits(kind) {
				codes[atType] = kind // the old Anthropic shape of Z.AI
			} else {
				f.kind = kind
			}
		case "status":
			codes[atStatusName] = code(value) // Google's name of a status
		case "message", "msg":
			*text = firstOf(unquote(value), *text)
		case "details", "metadata":
			f.details += " " + string(value[:min(len(value), maxDetails-min(len(f.details), maxDetails))])
			f.members(value, func(key string, value []byte) {
				if key == "error_code" {
					codes[atDetails] = code(value)
				}
			})
		}
	})
}

// members visits an object's members and picks up what may stand on any level.
func (f *fault) members(object []byte, visit func(key string, value []byte)) {
	_ = ScanObject(object, func(key, value []byte) bool {
		name := string(key)
		switch name {
		case "request_id", "requestId":
			f.requestID = firstOf(f.requestID, safe(unquote(value), 128))
		case "retry-after", "retry_after", "retryAfter":
			f.retry = firstOf(f.retry, scalar(value))
		case "retry-after-ms", "retry_after_ms":
			f.retryMs = firstOf(f.retryMs, scalar(value))
		}
		visit(name, value)
		return true
	})
}

// finish adds the codes of one level, in order of trust, and its message with what
// that carries: a code, a request id, or a whole error as JSON.
func (f *fault) finish(codes [places]string, text string, depth int) {
	head, tail := text[:min(len(text), maxText)], text[max(0, len(text)-160):]
	if m := bracketCode().FindStringSubmatch(head); m != nil {
		codes[atMessage] = m[1]
		if m := bracketID().FindStringSubmatch(tail); m != nil {
			f.requestID = firstOf(f.requestID, m[1])
		}
	} else if m := errorIDInMsg().FindStringSubmatch(head); m != nil {
		f.requestID = firstOf(f.requestID, m[1])
	}
	for _, c := range codes {
		if c != "" {
			f.codes = append(f.codes, c)
		}
	}
	trimmed := strings.TrimSpace(text)
	if strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[{") {
		f.read([]byte(trimmed), depth+1)
	}
	if f.text == "" { // the innermost message is the most telling one
		f.text = strings.ToValidUTF8(head, "")
	}
}

// code returns a raw string or number as a code, "" if it is neither, says
// nothing, or is not safe to show.
func code(value []byte) string {
	if !saysSomething(value) || goodCode(value) {
		return ""
	}
	return safe(scalar(value), 64)
}

// scalar returns the text of a raw string or number, "" for anything else.
func scalar(value []byte) string {
	switch c := value[0]; {
	case c == '"':
		return unquote(value)
	case c == '-' || c >= '0' && c <= '9':
		return string(value[:min(len(value), 64)])
	}
	return ""
}

// safe returns s if it is at most limit bytes of letters, digits and ._:- with at
// least one letter or digit, else "". It comes from outside and is shown in logs.
func safe(s string, limit int) string {
	if len(s) > limit {
		return ""
	}
	telling := false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			telling = true
		case c == '.' || c == '_' || c == ':' || c == '-':
		default:
			return ""
		}
	}
	if !telling {
		return ""
	}
	return s
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// statusOf returns the HTTP status that a code or type merely restates, and
// whether it is such a word: one that says nothing of its own. The status is 0 for
// words that say nothing at all.
func statusOf(word string) (status int, generic bool) {
	if len(word) == 3 && isDigits(word) && (word[0] == '4' || word[0] == '5') {
		return int(word[0]-'0')*100 + int(word[1]-'0')*10 + int(word[2]-'0'), true
	}
	status, generic = genericWords[fold.Replace(strings.ToLower(word))]
	return status, generic
}

var fold = strings.NewReplacer("_", "", "-", "", ".", "", ":", "")

// genericWords are spelled without case and punctuation.
var genericWords = map[string]int{
	"ratelimiterror": 429, "ratelimitexceeded": 429, "ratelimitreached": 429,
	"ratelimitexceedederror": 429, "ratelimitreachederror": 429, "ratelimited": 429,
	"ratelimit": 429, "toomanyrequests": 429, "toomanyrequestserror": 429,
	"requests": 429, "tokens": 429, "resourceexhausted": 429,
	"overloadederror": 529, "overloaded": 529,
	"serviceunavailable": 503, "serviceunavailableerror": 503, "unavailable": 503, "unavailableerror": 503,
	"servererror": 500, "internalservererror": 500, "internalerror": 500, "apierror": 500, "internal": 500,
	"badgateway": 502, "gatewaytimeout": 504, "timeouterror": 504, "timeout": 504, "deadlineexceeded": 504,
	"authenticationerror": 401, "invalidapikey": 401, "unauthorized": 401, "unauthenticated": 401,
	"permissionerror": 403, "permissiondenied": 403, "forbidden": 403,
	"billingerror": 402, "paymentrequired": 402,
	"notfounderror": 404, "notfound": 404, "requesttoolarge": 413,
	"invalidrequesterror": 400, "invalidargument": 400, "badrequest": 400, "badrequesterror": 400,
	"unknownerror": 0, "unknown": 0, "error": 0, "none": 0, "null": 0, "failed": 0,
}
