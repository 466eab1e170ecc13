package explain

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/sse"
)

// A Source is a form in which an error is given.
type Source string

// The sources.
const (
	Code    Source = "a code"
	Status  Source = "an HTTP status"
	Body    Source = "an answer's body"
	Stream  Source = "an event stream"
	Answer  Source = "an HTTP answer"
	LogLine Source = "a log line of weir's"
	Message Source = "a message"
)

// A reading is one way to take a text: as this answer of a provider.
type reading struct {
	source  Source
	answer  provider.Answer // Status 0: the text names none
	trusted bool            // the status alone says enough
	whole   bool            // the body is an answer's whole body, so it may also be a good one
	profile string          // the provider that the text names, "" for none
	verdict provider.Kind   // that a log line names; Unknown for none
	id      string          // a request id beside the answer
}

// readings returns the ways to take a text, the most telling first.
func readings(text []byte) []reading {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	if len(text) == 0 {
		return nil
	}
	if r, ok := readCode(string(text[:min(len(text), 200)])); ok && len(text) <= 200 {
		return []reading{r}
	}
	if r, ok := readAnswer(text); ok {
		return r
	}
	if json.Valid(text) {
		return append(readLog(text), readJSON(text)...)
	}
	if isStream(text) {
		return readStream(text, 0, nil)
	}
	return append(readLog(text), readMessage(text)...)
}

var word = lazily(`^[A-Za-z0-9][A-Za-z0-9_.-]{2,63}$`)

// readCode takes a text that is one word: a status, a code or a type.
func readCode(text string) (reading, bool) {
	text = strings.Trim(text, "[](){}'\"`,.;:")
	if !word().MatchString(text) {
		return reading{}, false
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 400 && n <= 599 {
		return reading{source: Status, answer: provider.Answer{Status: n}, trusted: true}, true
	}
	body := `{"type":"error","error":{"code":"` + text + `","type":"` + text + `"}}`
	return reading{source: Code, answer: provider.Answer{Body: []byte(body)}}, true
}

var statusLine = lazily(`^(?:< )?HTTP/[0-9.]+ ([1-5][0-9]{2})\b`)

// readAnswer takes a raw HTTP answer, also as curl -i and curl -v show it.
func readAnswer(text []byte) ([]reading, bool) {
	if at := bytes.Index(text, []byte("\n< HTTP/")); at >= 0 { // behind curl's own words
		text = text[at+1:]
	}
	m := statusLine().FindSubmatch(text)
	if m == nil {
		return nil, false
	}
	status, _ := strconv.Atoi(string(m[1]))
	_, rest, _ := bytes.Cut(text, []byte("\n"))
	head := http.Header{}
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(line), []byte("<")))
		if len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok {
			head.Add(string(bytes.TrimSpace(name)), string(bytes.TrimSpace(value)))
		}
	}
	rest = bytes.TrimSpace(rest)
	if status < 200 { // 100 Continue: the answer follows
		return readAnswer(rest)
	}
	if status < 400 && isStream(rest) {
		all := readStream(rest, status, head)
		for i := range all {
			all[i].source = Answer
		}
		return all, true
	}
	return []reading{{source: Answer, answer: provider.Answer{Status: status, Header: head, Body: rest}, trusted: true, whole: true}}, true
}

func isStream(text []byte) bool {
	for _, field := range []string{"data:", "event:", "id:", "retry:", ":"} {
		if bytes.HasPrefix(text, []byte(field)) {
			return true
		}
	}
	return false
}

// readStream takes the events of a stream one by one; if none is an error, the stream
// as one that ended as it says.
func readStream(text []byte, status int, head http.Header) []reading {
	var f sse.Framer
	f.Write(text)
	f.Write([]byte("\n\n"))
	end := provider.Answer{Status: 200, Header: head}
	content := false
	var all []reading
	for ev, ok := f.Next(); ok; ev, ok = f.Next() {
		sign, finish := sse.OpenAI.Read(ev)
		content = content || sign == sse.Content
		if finish != "" && !content {
			end.FinishReason = finish
		}
		if sign == sse.MaybeError {
			all = append(all, reading{source: Stream, answer: provider.Answer{Status: status, Header: head, Body: bytes.Clone(ev.Data)}})
		}
	}
	return append(all, reading{source: Stream, answer: end, trusted: true})
}

// readJSON takes a JSON value: a body, or an event of a tool's log with a message in
// it.
func readJSON(text []byte) []reading {
	status := statusIn(text)
	body := reading{source: Body, answer: provider.Answer{Status: status, Body: text}, trusted: true, whole: text[0] == '{'}
	var all []reading
	if m := bracketed().FindIndex(text); m != nil {
		all = readBrackets(text[m[0]:], status)
	}
	if status != 0 { // it may be a part of the body, so it is no more than a hint
		body.answer.Status = 0
		loose := body
		loose.answer.Status, loose.whole = status, false
		return append(append([]reading{strict(body)}, all...), loose)
	}
	return append(append([]reading{strict(body)}, all...), body)
}

// strict takes a body only if more than its status speaks.
func strict(r reading) reading {
	r.whole, r.trusted = false, false
	return r
}

var (
	// bracketed is how Z.AI writes a code into a message.
	bracketed = lazily(`\[[0-9]{3,6}\]\s*\[`)
	// codeIn is a code that a message names.
	codeIn = lazily(`(?i)(?:\bcode|错误码|\berror)["']?\s*[:=：]?\s*["']?\(?([0-9]{4})\b`)
	// statusAt is a status that a message names.
	statusAt = lazily(`(?i)(?:\bHTTP(?:/[0-9.]+)?|\bstatus(?:[_ ]?code)?|\bAPI error)["']?\s*[:=]?\s*["'(]?([45][0-9]{2})\b|^\s*([45][0-9]{2})\b`)
)

// statusIn returns the status that a text names, 0 if it names none.
func statusIn(text []byte) int {
	m := statusAt().FindSubmatch(text)
	if m == nil {
		return 0
	}
	status, _ := strconv.Atoi(string(m[1]) + string(m[2]))
	return status
}

// readMessage takes a text that has an error somewhere in it.
func readMessage(text []byte) []reading {
	status := statusIn(text)
	all := objects(text, status)
	if m := bracketed().FindIndex(text); m != nil {
		all = append(all, readBrackets(text[m[0]:], status)...)
	}
	if m := codeIn().FindSubmatch(text); m != nil {
		r, _ := readCode(string(m[1]))
		r.source = Message
		all = append(all, r)
	}
	if at := bytes.Index(text, []byte("data:")); at > 0 && text[at-1] == '\n' {
		all = append(all, readStream(text[at:], 0, nil)...)
	}
	all = append(all, types(text)...)
	all = append(all, lines(text, status)...)
	if status != 0 {
		all = append(all, reading{source: Message, answer: provider.Answer{Status: status}, trusted: true})
	}
	return all
}

// telling is what a line has that speaks of an error.
var telling = lazily(`(?i)error|refuse|fail|limit|exceed|too many|overload|denied|unauthori|quota|exhaust|insufficient|busy|retry|[^0-9][0-9]{4}[^0-9]|[^\x00-\x7f]`)

// lines takes each line of a message that speaks of an error.
func lines(text []byte, status int) []reading {
	const most = 32
	var all []reading
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		line = line[:min(len(line), maxMessage)]
		if telling().Match(line) {
			r := reading{source: Message, answer: provider.Answer{Status: status, Body: message(line)}}
			all = append(all, r)
		}
		if len(all) == most {
			break
		}
	}
	return all
}

var errorWord = lazily(`\b[A-Za-z]+(?:_[A-Za-z]+)+\b|\b[A-Z][A-Za-z]+\.[A-Z][A-Za-z]+\b`)

// types takes the words of a message that look like the type of an error.
func types(text []byte) []reading {
	var all []reading
	for _, m := range errorWord().FindAll(text, 16) {
		if r, ok := readCode(string(m)); ok {
			r.source = Message
			all = append(all, r)
		}
	}
	return all
}

// readBrackets takes a message that begins with a code in brackets.
func readBrackets(text []byte, status int) []reading {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if at := bytes.LastIndexByte(line, ']'); at >= 0 { // what a tool or JSON adds behind it
		line = line[:at+1]
	}
	return []reading{{source: Message, answer: provider.Answer{Status: status, Body: message(line)}}}
}

// maxMessage is how many bytes of a message are looked at.
const maxMessage = 4 << 10

// message makes an error body of a message.
func message(text []byte) []byte {
	quoted, err := json.Marshal(strings.ToValidUTF8(string(text[:min(len(text), maxMessage)]), ""))
	if err != nil {
		return nil // not for a string
	}
	return []byte(`{"error":{"message":` + string(quoted) + `}}`)
}

// objects takes the JSON objects that stand in a message.
func objects(text []byte, status int) []reading {
	const most = 16
	var all []reading
	for at, tried := 0, 0; at < len(text) && tried < most; tried++ {
		next := bytes.IndexByte(text[at:], '{')
		if next < 0 {
			break
		}
		at += next
		var object json.RawMessage
		if json.NewDecoder(bytes.NewReader(text[at:])).Decode(&object) != nil {
			at++
			continue
		}
		all = append(all, reading{source: Message, answer: provider.Answer{Status: status, Body: object}, trusted: status != 0})
		at += len(object)
	}
	return all
}

// lazily compiles an expression when it is first needed: most starts of weir need none.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
