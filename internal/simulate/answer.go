package simulate

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// An answer is what is said, before a dialect puts it into its form.
type answer struct {
	id, model       string
	created         time.Time
	reasoning, text string
	calls           []call
	finish          string // "" or the reason of a fault, in place of the dialect's
	events          int    // pieces of reasoning and text together
	tokensIn        int
}

// A call is a call of a tool; arguments is sent as it is.
type call struct{ id, name, arguments string }

// tokensOut guesses what the answer costs.
func (a *answer) tokensOut() int {
	n := len(a.reasoning) + len(a.text)
	for _, c := range a.calls {
		n += len(c.name) + len(c.arguments)
	}
	return n/4 + 1
}

// pieces returns reasoning and text cut into about as many pieces as the answer
// has events, shared out by length.
func (a *answer) pieces() (reasoning, text []string) {
	all := len(a.reasoning) + len(a.text)
	if all == 0 {
		return nil, nil
	}
	forReasoning := a.events * len(a.reasoning) / all
	return split(a.reasoning, max(forReasoning, 1)), split(a.text, max(a.events-forReasoning, 1))
}

// split cuts s into n pieces of nearly equal length, or into its characters if
// it has fewer.
func split(s string, n int) []string {
	runes := []rune(s)
	n = min(n, len(runes))
	pieces := make([]string, n)
	for i := range pieces {
		pieces[i] = string(runes[i*len(runes)/n : (i+1)*len(runes)/n])
	}
	return pieces
}

// A composition is a stream in its dialect: the frames that come first, those
// that are spread over the answer's time, and those that end it.
type composition struct{ opening, content, closing [][]byte }

// A frame is an event of a stream and when it is due after the call's start.
type frame struct {
	due  time.Duration
	data []byte
}

// spread gives each frame its time: the opening at first, the closing at total,
// the content evenly in between.
func (c composition) spread(first, total time.Duration) []frame {
	frames := make([]frame, 0, len(c.opening)+len(c.content)+len(c.closing))
	for _, f := range c.opening {
		frames = append(frames, frame{first, f})
	}
	step := (total - first) / time.Duration(len(c.content)+1)
	for i, f := range c.content {
		frames = append(frames, frame{first + time.Duration(i+1)*step, f})
	}
	for _, f := range c.closing {
		frames = append(frames, frame{total, f})
	}
	return frames
}

// compose makes the answer that the rule, or the ordinary one, asks for.
func (x *exchange) compose() *answer {
	a := &answer{id: x.entry.ID, model: x.entry.Model, created: x.entry.Start, text: ordinaryText, tokensIn: int(x.r.ContentLength)/4 + 1}
	a.events = min(max(int((x.total-x.first)/(50*time.Millisecond)), 10), 50)
	if x.rule == nil {
		return a
	}
	if f := x.rule.Fault; f != nil && f.FinishReason != "" {
		a.finish = f.FinishReason
		if x.rule.Answer == nil {
			a.text = ""
		}
	}
	s := x.rule.Answer
	if s == nil {
		return a
	}
	a.reasoning = s.Reasoning
	if s.Text != nil {
		a.text = *s.Text
	} else if len(s.ToolCalls) > 0 {
		a.text = ""
	}
	if s.Events > 0 {
		a.events = s.Events
	}
	for i, t := range s.ToolCalls {
		a.calls = append(a.calls, call{id: callID(a.id, i), name: t.Name, arguments: arguments(t.Arguments)})
	}
	return a
}

// callID returns an identifier that is unique to the answer's i-th tool call.
func callID(id string, i int) string {
	return "call_" + id[len(id)-16:] + string(rune('a'+i%26)) + strings.Repeat("z", i/26)
}

// arguments returns what is sent as a tool call's arguments.
func arguments(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "{}"
	}
	var text string
	if raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		return text
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

// answer answers an accepted call, faults included.
func (x *exchange) answer() {
	fault := &Fault{}
	if x.rule != nil && x.rule.Fault != nil {
		fault = x.rule.Fault
	}
	if fault.Hang {
		<-x.r.Context().Done()
		x.end(VerdictFault, fault.name())
		panic(http.ErrAbortHandler) // nobody is there to read an empty answer
	}
	for k, v := range fault.Headers {
		x.w.Header().Set(k, v)
	}
	a := x.compose()
	if !x.request.Stream {
		x.answerWhole(a, fault)
		return
	}
	frames := x.dialect.stream(a).spread(x.first, x.total)
	if fault.Merged {
		frames = merge(frames, a.id)
	}
	x.play(frames, fault)
}

// verdict is the one of an answer that was sent as far as it was meant to be.
func (x *exchange) verdict() (verdict, code string) {
	if x.rule == nil || x.rule.Fault == nil {
		return VerdictOK, ""
	}
	return VerdictFault, x.rule.Fault.name()
}

// play sends the frames of a stream, each at its time.
func (x *exchange) play(frames []frame, fault *Fault) {
	cutAt, stallAt := -1, -1
	if fault.CutAfter != nil {
		cutAt = min(*fault.CutAfter, len(frames))
	}
	if fault.Stall.set {
		stallAt = 1
		if fault.StallAfter != nil {
			stallAt = *fault.StallAfter
		}
	}
	start := x.entry.Start
	for i, f := range frames {
		if i == stallAt {
			if i == 0 && !x.waitUntil(start.Add(f.due)) {
				return
			}
			began := time.Now()
			if !x.waitUntil(began.Add(x.drawStall(fault))) {
				return
			}
			start = start.Add(time.Since(began))
		}
		if !x.waitUntil(start.Add(f.due)) {
			return
		}
		if i == 0 {
			if fault.Cut != "" && fault.CutAfter == nil {
				x.end(x.verdict())
				x.cut(fault.Cut, false)
				return
			}
			if x.w.Header().Get("Content-Type") == "" {
				x.w.Header().Set("Content-Type", "text/event-stream;charset=UTF-8")
			}
			x.w.Header().Set("Cache-Control", "no-cache")
			x.w.WriteHeader(http.StatusOK)
			x.pending = true
		}
		if i == cutAt {
			x.end(x.verdict())
			x.cut(fault.Cut, true)
			return
		}
		if i == len(frames)-1 {
			x.end(x.verdict())
		}
		if !x.write(f.data) {
			return
		}
	}
	if cutAt == len(frames) {
		x.cut(fault.Cut, true)
	}
}

func (x *exchange) drawStall(f *Fault) time.Duration {
	x.p.mu.Lock()
	defer x.p.mu.Unlock()
	return f.Stall.draw(x.p.random)
}

// answerWhole sends an answer that is no stream, at its end.
func (x *exchange) answerWhole(a *answer, fault *Fault) {
	if !x.waitUntil(x.entry.Start.Add(x.total)) {
		return
	}
	if fault.Stall.set && !x.waitUntil(time.Now().Add(x.drawStall(fault))) {
		return
	}
	body := x.dialect.whole(a)
	cut := fault.Cut != "" || fault.CutAfter != nil
	x.entry.FirstEvent = time.Now()
	x.end(x.verdict())
	if cut && fault.CutAfter == nil {
		x.cut(fault.Cut, false)
		return
	}
	if x.w.Header().Get("Content-Type") == "" {
		x.w.Header().Set("Content-Type", "application/json")
	}
	x.w.WriteHeader(http.StatusOK)
	x.pending = true
	if !cut {
		x.w.Write(body)
		return
	}
	if *fault.CutAfter > 0 {
		x.w.Write(body[:len(body)/2])
	}
	x.flush()
	x.cut(fault.Cut, true)
}

// merge runs the second and third content event into one line: the first is cut
// off, the second follows it with another id.
func merge(frames []frame, id string) []frame {
	at := min(3, len(frames)-2)
	if at < 0 {
		return frames
	}
	first, second := frames[at].data, frames[at+1].data
	if i := bytes.Index(second, []byte("data: ")); i > 0 {
		second = second[i:]
	}
	other := bytes.ReplaceAll(second, []byte(id), []byte(id[:14]+"2f"+id[16:]))
	merged := append(bytes.Clone(first[:len(first)*2/3]), other...)
	out := append(frames[:at:at], frame{frames[at+1].due, merged})
	return append(out, frames[at+2:]...)
}

// ordinaryText is the answer where no script says another.
const ordinaryText = "A weir is a low wall across a river. It does not stop the water; it lets it through " +
	"at the height that the banks can bear, and the rest waits behind it in a calm pool. " +
	"When the rain has been heavy the pool rises a little, and when it is dry the pool falls, " +
	"but below the wall the river runs evenly, and the mill that stands there turns all day. " +
	"Nobody has to watch it, and nothing that comes down the river is lost."
