package explain

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/weirhq/weir/provider"
)

// A logged is what weir's log says of an error, in its text and its JSON form alike.
type logged struct {
	Msg      string `json:"msg"`
	Lane     string `json:"lane"`
	Verdict  string `json:"verdict"`
	Verdicts string `json:"verdicts"`
	Code     string `json:"code"`
	Status   int    `json:"status"`
	ID       string `json:"provider_id"`
}

var pair = lazily(`\b([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)`)

// readLog takes the first line of weir's log that tells of an error.
func readLog(text []byte) []reading {
	for line := range bytes.Lines(text) {
		if r, ok := logLine(bytes.TrimSpace(line)); ok {
			return []reading{r}
		}
	}
	return nil
}

// logLine takes one line of weir's log.
func logLine(line []byte) (reading, bool) {
	var l logged
	if bytes.HasPrefix(line, []byte("{")) {
		if json.Unmarshal(line, &l) != nil {
			return reading{}, false
		}
	} else {
		l = textLine(line)
	}
	if l.Msg == "" || l.Lane == "" || l.Verdict+l.Verdicts == "" {
		return reading{}, false
	}
	r := reading{source: LogLine, id: identifier(l.ID), verdict: l.kind()}
	r.profile, _, _ = strings.Cut(l.Lane, "/")
	if r.verdict == provider.Unknown && l.Code == "" {
		return reading{}, false // it went well
	}
	if code, ok := readCode(l.Code); ok && code.source == Code {
		r.answer = code.answer
	}
	return r, true
}

func textLine(line []byte) logged {
	var l logged
	for _, m := range pair().FindAllSubmatch(line, -1) {
		value := string(m[2])
		if unquoted, err := strconv.Unquote(value); err == nil {
			value = unquoted
		}
		switch string(m[1]) {
		case "msg":
			l.Msg = value
		case "lane":
			l.Lane = value
		case "verdict":
			l.Verdict = value
		case "verdicts":
			l.Verdicts = value
		case "code":
			l.Code = value
		case "provider_id":
			l.ID = value
		}
	}
	return l
}

// kind returns the last verdict that is an error, Unknown if there is none.
func (l logged) kind() provider.Kind {
	found := provider.Unknown
	for _, name := range strings.Split(l.Verdict+","+l.Verdicts, ",") {
		var k provider.Kind
		if k.UnmarshalText([]byte(strings.TrimSpace(name))) == nil && k != provider.OK && k != provider.Unknown {
			found = k
		}
	}
	return found
}

var identifierForm = lazily(`^[0-9A-Za-z._:-]{1,128}$`)

// identifier returns s if it has the form of a request id, else "".
func identifier(s string) string {
	if !identifierForm().MatchString(s) {
		return ""
	}
	return s
}
