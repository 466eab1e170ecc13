package admission_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/admission"
)

// Each script is a story. A request is named by its session and a number:
//
//	+a1       it arrives, interactive, in lane x
//	+a1:s     … for a sub-agent; +a1:b in the background; +a1@y in lane y
//	>         the next one is admitted
//	!a1       it was refused and waits to be retried
//	-a1       it is removed
//	~60       so many seconds pass
//	#x, =x    lane x is shut, is opened
//	b0, b1    background requests may begin never, or a second after they came
//
// All lanes are open at first, and nothing holds background requests back.
func TestAdmission(t *testing.T) {
	tests := []struct{ name, script, admitted string }{
		{"nothing waits: nobody is admitted", "> +a1 > >", "- a1 -"},
		{"one session is served in the order of arrival", "+a1 +a2 +a3 > > >", "a1 a2 a3"},
		{"sessions take turns", "+a1 +a2 +a3 +b1 > > > >", "a1 b1 a2 a3"},
		{"a session that comes late waits for one turn", "+a1 +a2 +a3 +a4 > > +b1 > > >", "a1 a2 a3 b1 a4"},
		{"a session that was served goes behind one that waited", "+a1 > +b1 +a2 +c1 > > >", "a1 b1 a2 c1"},
		{"a turn is taken in all lanes at once", "+a1 +a2@y +b1@y > > >", "a1 b1 a2"},
		{"a person comes before helpers, helpers before what nobody waits for", "+a1:b +a2:s +a3 > > >", "a3 a2 a1"},
		{"classes come before turns", "+a1 +a2 +b1:s > > >", "a1 a2 b1"},
		{"a retry comes before all that were never admitted", "+a1 > +b1 !a1 > >", "a1 a1 b1"},
		{"retries go by arrival, not by turn or refusal", "+a1 +a2 +b1 > > > !b1 !a2 !a1 > > >", "a1 b1 a2 a1 a2 b1"},
		{"a retry does not come before a better class", "+a1:s > +b1 !a1 > >", "a1 b1 a1"},
		{"a retry costs no turn", "+a1 > +a2 +b1 !a1 > > >", "a1 a1 a2 b1"},
		{"what has waited a minute ranks with persons, by its age", "+a1:b ~60 +b1 > >", "a1 b1"},
		{"a second less is not enough", "+a1:b ~59 +b1 > >", "b1 a1"},
		{"a request ages while it runs", "+a1:b > ~60 +b1 !a1 > >", "a1 a1 b1"},
		{"an aged request waits for its session's turn", "+a1:b +a2 +b1 > ~60 > >", "a2 b1 a1"},
		{"a shut lane holds up only its own", "+a1 +b1@y #x > > =x >", "b1 - a1"},
		{"retries do not pass a shut lane", "+a1 > !a1 +b1@y #x > =x >", "a1 b1 a1"},
		{"a removed request is not admitted", "+a1 +a2 -a1 > >", "a2 -"},
		{"a removed retry is not admitted", "+a1 +a2 > !a1 -a1 > >", "a1 a2 -"},
		{"a background request waits a second", "b1 +a1:b > ~1 >", "- a1"},
		{"a background request that may not begin lets others by", "b0 +a1:b +b1:s > >", "b1 -"},
		{"a background request that may not begin hides none that may", "b1 +a1:b +a2 > ~1 +b1:b > ~1 >", "a2 a1 b1"},
		{"a background request that may begin does not wait for the turn of one that may not", "b1 +a1:b +a2 ~1 +b1:b > > > ~1 >", "a2 a1 - b1"},
		{"among those that may begin the oldest turn is first", "b1 +a1:b +c1:b +d1:b +a2 +c2 +d2 ~1 > > > +b1:b > > > >", "a2 c2 d2 a1 c1 d1 -"},
		{"… whichever came first", "b1 +a1:b +c1:b +d1:b +d2 +c2 +a2 ~1 > > > +b1:b > > > >", "d2 c2 a2 d1 c1 a1 -"},
		{"… though a session that never was served is before them", "b1 +a1:b +c1:b +d1:b +d2 +c2 +a2 ~1 +b1:b > > > > > > >", "d2 c2 a2 d1 c1 a1 -"},
		{"background requests that were admitted go on", "+a1:b > b0 !a1 >", "a1 a1"},
		{"an aged request is no longer optional", "b0 +a1:b > ~60 >", "- a1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := story{now: start, items: map[string]*admission.Item[string]{}, shut: map[string]bool{}, background: "now"}
			for step := range strings.FieldsSeq(tt.script) {
				s.play(step)
			}
			if got := strings.Join(s.admitted, " "); got != tt.admitted {
				t.Errorf("admitted %s, want %s", got, tt.admitted)
			}
			if err := s.queue.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

type story struct {
	queue      admission.Queue[string]
	now        time.Time
	items      map[string]*admission.Item[string]
	shut       map[string]bool
	background string
	admitted   []string
}

func (s *story) play(step string) {
	switch rest := step[1:]; step[0] {
	case '+':
		name, lane, _ := strings.Cut(rest, "@")
		name, class, _ := strings.Cut(name, ":")
		if lane == "" {
			lane = "x"
		}
		classes := map[string]admission.Class{"": admission.Interactive, "s": admission.Subagent, "b": admission.Background}
		s.items[name] = s.queue.Push(s.now, lane, name[:1], classes[class], name)
	case '>':
		it := s.queue.Next(s.now, s.gate)
		if it == nil {
			s.admitted = append(s.admitted, "-")
			return
		}
		s.admitted = append(s.admitted, it.Value)
	case '!':
		s.queue.Requeue(s.items[rest])
	case '-':
		s.queue.Remove(s.items[rest])
	case '~':
		var seconds int
		fmt.Sscan(rest, &seconds)
		s.now = s.now.Add(time.Duration(seconds) * time.Second)
	case '#', '=':
		s.shut[rest] = step[0] == '#'
	case 'b':
		s.background = rest
	}
}

func (s *story) gate(lane string) admission.Gate {
	g := admission.Gate{Open: !s.shut[lane]}
	switch s.background {
	case "now":
		g.Background = s.now
	case "1":
		g.Background = s.now.Add(-time.Second)
	}
	return g
}

func TestInOrder(t *testing.T) {
	var q admission.Queue[string]
	push := func(name string, class admission.Class) *admission.Item[string] {
		return q.Push(start, "x", name, class, name)
	}
	again := push("retried helper", admission.Subagent)
	q.Next(start, func(string) admission.Gate { return admission.Gate{Open: true} })
	push("title", admission.Background)
	push("helper", admission.Subagent)
	push("first", admission.Interactive)
	push("second", admission.Interactive)
	q.Requeue(again)
	var got []string
	for _, it := range q.InOrder() {
		got = append(got, it.Value)
	}
	if want := []string{"first", "second", "retried helper", "helper", "title"}; !slices.Equal(got, want) {
		t.Errorf("InOrder has %q, want %q", got, want)
	}
}

func TestClassNames(t *testing.T) {
	for _, name := range []string{"interactive", "subagent", "background"} {
		c, err := admission.ParseClass(name)
		if err != nil || c.String() != name {
			t.Errorf("ParseClass(%q) = %v, %v", name, c, err)
		}
		if text, err := c.MarshalText(); err != nil || string(text) != name {
			t.Errorf("%v as text is %q, %v", c, text, err)
		}
	}
	for _, name := range []string{"", "Interactive", "urgent", "class(3)"} {
		if c, err := admission.ParseClass(name); err == nil {
			t.Errorf("ParseClass(%q) = %v, want an error", name, c)
		}
	}
	if got := admission.Class(3).String(); got != "class(3)" {
		t.Errorf("a class that is none is shown as %q", got)
	}
}

func ExampleQueue() {
	var q admission.Queue[string]
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	q.Push(now, "glm", "alice", admission.Interactive, "alice's first")
	q.Push(now, "glm", "alice", admission.Interactive, "alice's second")
	q.Push(now, "glm", "bob", admission.Interactive, "bob's only one")
	open := func(string) admission.Gate { return admission.Gate{Open: true, Background: now} }
	for it := q.Next(now, open); it != nil; it = q.Next(now, open) {
		fmt.Println(it.Value)
	}
	// Output:
	// alice's first
	// bob's only one
	// alice's second
}
