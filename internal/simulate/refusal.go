package simulate

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// A business error of Z.AI: its usual status, its type in the Anthropic
// dialect, and its text.
type businessError struct {
	status int
	kind   string
	text   string
}

// businessErrorOf returns what Z.AI says under a code. %s stands for a moment or
// a request id.
func businessErrorOf(code string, status int) businessError {
	switch code {
	case "1001":
		return businessError{http.StatusUnauthorized, "authentication_error", "Authentication parameter not received in Header, unable to authenticate"}
	case "1113":
		return businessError{http.StatusTooManyRequests, "rate_limit_error", "Insufficient balance or no resource package. Please recharge."}
	case "1210":
		return businessError{http.StatusBadRequest, "invalid_request_error", "Invalid API parameter, please check the documentation."}
	case "1213":
		return businessError{http.StatusBadRequest, "invalid_request_error", "Parameter `model` was not received."}
	case "1234":
		return businessError{http.StatusInternalServerError, "api_error", "Network error, error id: %s, please try again later"}
	case "1261":
		return businessError{http.StatusBadRequest, "invalid_request_error", "Prompt too long"}
	case "1302":
		return businessError{http.StatusTooManyRequests, "rate_limit_error", "Rate limit reached for requests"}
	case "1303":
		return businessError{http.StatusTooManyRequests, "rate_limit_error", "High frequency usage of this API, please reduce frequency or contact customer service to increase limits"}
	case "1305":
		return businessError{http.StatusTooManyRequests, "overloaded_error", "The service may be temporarily overloaded, please try again later"}
	case "1308":
		return businessError{http.StatusTooManyRequests, "rate_limit_error", "Usage limit reached for 5 hour. Your limit will reset at %s"}
	case "1310":
		return businessError{http.StatusTooManyRequests, "rate_limit_error", "Weekly/Monthly Limit Exhausted. Your limit will reset at %s"}
	case "1311":
		return businessError{http.StatusTooManyRequests, "rate_limit_error", "Your current subscription plan does not yet include access to this model"}
	case "1313":
		return businessError{http.StatusTooManyRequests, "api_error", "Your account's current usage pattern does not comply with the Fair Usage Policy, and your request frequency has been limited. To restore access, please submit a request."}
	}
	switch {
	case status == http.StatusTooManyRequests || status == 0:
		return businessError{http.StatusTooManyRequests, "rate_limit_error", "Too many requests"}
	case status == 529 || status == http.StatusServiceUnavailable:
		return businessError{status, "overloaded_error", "Overloaded"}
	case status >= 500:
		return businessError{status, "api_error", "Internal Error"}
	}
	return businessError{status, "invalid_request_error", "Invalid request"}
}

// refusal returns the answer to a call that is not taken, in the call's dialect
// and by the fault's wishes, and the code under which it is counted.
func (x *exchange) refusal(f *Fault) (status int, body []byte, contentType, code string) {
	contentType = "application/json"
	if f.FirstEventError != nil {
		data := []byte(f.FirstEventError)
		if json.Unmarshal(data, &code) == nil {
			data = x.errorBody(code, 0, x.request.Stream)
		} else {
			code = "first_event_error"
		}
		if x.request.Stream {
			return http.StatusOK, x.dialect.streamError(data), "text/event-stream;charset=UTF-8", code
		}
		return http.StatusOK, data, contentType, code
	}
	code, status = f.Code, f.Status
	if code == "" {
		code = strconv.Itoa(status)
	}
	if status == 0 {
		status = businessErrorOf(code, 0).status
		if _, anthropic := x.dialect.(messages); anthropic && code == "1305" {
			status = 529
		}
	}
	if f.Body == nil {
		return status, x.errorBody(code, status, false), contentType, code
	}
	var text string
	if json.Unmarshal(f.Body, &text) == nil {
		return status, []byte(text), contentType, code
	}
	return status, f.Body, contentType, code
}

// errorBody returns a business error in the call's dialect.
func (x *exchange) errorBody(code string, status int, inStream bool) []byte {
	e := businessErrorOf(code, status)
	id := x.entry.ID
	switch code {
	case "1234":
		e.text = fmt.Sprintf(e.text, id)
	case "1308":
		e.text = fmt.Sprintf(e.text, beijing(x.entry.Start.Add(2*time.Hour)).Format(time.DateTime))
	case "1310":
		e.text = fmt.Sprintf(e.text, beijing(x.entry.Start.Add(48*time.Hour)).Format(time.DateTime))
	}
	return x.dialect.errorBody(e, code, id, inStream)
}
