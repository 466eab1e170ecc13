package provider

import "bytes"

// marks is what the top-level keys of an answer say about its being an error.
type marks struct {
	failed  bool // an error object, an error type, success:false, an own error code
	code    bool // a code that is not one of success
	message bool // a message beside it
	success bool // success:true
	payload bool // the fruits of a request: choices, content, …
}

// hasErrorMark reports whether an answer under a 2xx status looks like an error:
// a whole JSON body, or the data of one stream event. It must never take a good
// answer for an error, and it runs on each of them, so it looks at the top-level
// keys only and allocates nothing. What is no JSON object bears no mark.
func hasErrorMark(body []byte) bool {
	body = firstElement(body)
	if len(body) == 0 || body[0] != '{' {
		return false
	}
	var m marks
	_ = ScanObject(body, func(key, value []byte) bool { // a cut body shows what it has
		m.see(key, value)
		return !m.failed
	})
	return m.failed || m.code && m.message && !m.success && !m.payload
}

// see takes one member into account. Keys with escapes are not recognised: no
// provider writes them.
func (m *marks) see(key, value []byte) {
	switch string(key) {
	case "error":
		m.failed = m.failed || saysSomething(value)
	case "type":
		m.failed = m.failed || string(value) == `"error"` || string(value) == `"response.failed"`
	case "object":
		m.failed = m.failed || string(value) == `"error"`
	case "success":
		m.success = string(value) == "true"
		m.failed = m.failed || string(value) == "false"
	case "error_code", "providerCode":
		m.failed = m.failed || saysSomething(value) && !goodCode(value)
	case "base_resp":
		m.failed = m.failed || failedBaseResp(value)
	case "code":
		m.code = saysSomething(value) && !goodCode(value)
	case "message", "msg":
		m.message = true
	case "choices", "content", "candidates", "output", "data", "delta":
		m.payload = m.payload || saysSomething(value)
	}
}

// failedBaseResp reports whether MiniMax's base_resp carries a status other than 0.
func failedBaseResp(value []byte) (failed bool) {
	_ = ScanObject(value, func(key, value []byte) bool {
		if string(key) == "status_code" {
			failed = saysSomething(value) && !goodCode(value)
		}
		return true
	})
	return failed
}

// saysSomething reports whether a raw value is other than null, false, 0 and empty.
func saysSomething(value []byte) bool {
	switch string(value) {
	case "null", "false", `""`, "0", "[]":
		return false
	}
	if value[0] == '{' {
		return len(bytes.TrimSpace(value[1:len(value)-1])) > 0
	}
	return true
}

// goodCode reports whether a raw code is one that some hosts give with success.
func goodCode(value []byte) bool {
	value = bytes.Trim(value, `"`)
	switch string(value) {
	case "0", "000", "success", "Success", "SUCCESS", "ok", "OK":
		return true
	}
	return len(value) == 3 && value[0] == '2' && isDigits(value) // 200 and its relatives
}

func isDigits[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0
}

// firstElement returns body from its object on: white space, the framing of a
// server-sent event and an array's bracket are left out.
func firstElement(body []byte) []byte {
	body = unframe(bytes.TrimLeft(body, " \t\r\n"))
	if len(body) > 0 && body[0] == '[' {
		body = bytes.TrimLeft(body[1:], " \t\r\n")
	}
	return body
}

// unframe returns the data from the first line "data: {…" on if body is framed as
// server-sent events, else body itself. Error bodies come so, too, under any
// content type.
func unframe(body []byte) []byte {
	if len(body) == 0 || body[0] == '{' || body[0] == '[' {
		return body
	}
	for rest := body; len(rest) > 0; {
		line := rest
		if n := bytes.IndexByte(rest, '\n'); n >= 0 {
			line, rest = rest[:n], rest[n+1:]
		} else {
			rest = nil
		}
		data, isData := bytes.CutPrefix(line, []byte("data:"))
		data = bytes.TrimLeft(data, " ")
		if isData && len(data) > 0 && (data[0] == '{' || data[0] == '[') {
			return data
		}
	}
	return body
}
