package sse_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/sse"
)

// seen is an event as values that outlive the next Write.
type seen struct {
	Name, Data string
	Comment    bool
}

func see(ev sse.Event) seen {
	return seen{string(ev.Name), string(ev.Data), ev.Comment}
}

// frame writes the pieces one after the other and returns all events.
func frame(pieces ...string) []seen {
	var (
		f   sse.Framer
		out []seen
	)
	for _, piece := range pieces {
		p := []byte(piece)
		f.Write(p)
		clear(p) // a Framer must not keep it
		var events []sse.Event
		for ev, ok := f.Next(); ok; ev, ok = f.Next() {
			events = append(events, ev) // valid until the next Write
		}
		for _, ev := range events {
			out = append(out, see(ev))
		}
	}
	for ev, ok := f.Rest(); ok; ev, ok = f.Rest() {
		out = append(out, see(ev))
	}
	return out
}

// reference splits a whole stream at once, in the plainest way.
func reference(stream string) []seen {
	stream = strings.TrimPrefix(stream, "\xef\xbb\xbf")
	stream = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(stream)
	var (
		out   []seen
		block []string
	)
	for _, line := range append(strings.Split(stream, "\n"), "") {
		if line != "" {
			block = append(block, line)
			continue
		}
		if len(block) == 0 {
			continue
		}
		ev := seen{Comment: true}
		var data []string
		for _, l := range block {
			if l[0] == ':' {
				continue
			}
			ev.Comment = false
			field, value, _ := strings.Cut(l, ":")
			value = strings.TrimPrefix(value, " ")
			switch field {
			case "event":
				ev.Name = value
			case "data":
				data = append(data, value)
			}
		}
		ev.Data = strings.Join(data, "\n")
		out = append(out, ev)
		block = nil
	}
	return out
}

// bytewise cuts s into single bytes.
func bytewise(s string) []string {
	out := make([]string, len(s))
	for i := range out {
		out[i] = s[i : i+1]
	}
	return out
}

func TestFramerReadsEvents(t *testing.T) {
	tests := []struct {
		name, stream string
		want         []seen
	}{
		{"nothing from nothing", "", nil},
		{"a blank after the colon is optional, one is dropped", "data:a\n\ndata: b\n\ndata:  c\n\n", []seen{{Data: "a"}, {Data: "b"}, {Data: " c"}}},
		{"data lines are joined", "data: a\ndata: b\ndata\n\n", []seen{{Data: "a\nb\n"}}},
		{"data of two events is kept apart", "data: a\ndata: b\n\ndata: c\ndata: d\n\n", []seen{{Data: "a\nb"}, {Data: "c\nd"}}},
		{"the last name wins", "event: a\nevent: b\ndata: x\n\n", []seen{{Name: "b", Data: "x"}}},
		{"a name alone is an event", "event: ping\n\n", []seen{{Name: "ping"}}},
		{"comments alone are marked", ": keep-alive\n: b\n\n", []seen{{Comment: true}}},
		{"a comment beside data is dropped", ": x\ndata: y\n\n", []seen{{Data: "y"}}},
		{"blank lines end nothing", "\n\n\ndata: x\n\n\n\n", []seen{{Data: "x"}}},
		{"CRLF and CR end lines", "data: a\r\n\r\ndata: b\r\rdata: c\r\n\n", []seen{{Data: "a"}, {Data: "b"}, {Data: "c"}}},
		{"a byte order mark is skipped once", "\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", []seen{{Data: "a"}, {}}},
		{"half a byte order mark is none", "\xef\xbb", []seen{{}}},
		{"id and retry are ignored", "id: 1\nretry: 5\ndata: x\n\n", []seen{{Data: "x"}}},
		{"what lacks its blank line is left", "data: a\n\ndata: [DONE]\n", []seen{{Data: "a"}, {Data: "[DONE]"}}},
		{"what lacks its line end is left", "data: a\n\nevent: x\ndata: {\"er", []seen{{Data: "a"}, {Name: "x", Data: `{"er`}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := frame(tt.stream); !slices.Equal(got, tt.want) {
				t.Errorf("at once: got %+v, want %+v", got, tt.want)
			}
			if got := frame(bytewise(tt.stream)...); !slices.Equal(got, tt.want) {
				t.Errorf("byte by byte: got %+v, want %+v", got, tt.want)
			}
			if got := reference(tt.stream); !slices.Equal(got, tt.want) {
				t.Errorf("the reference: got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestFramerReturnsAnEventWithItsBlankLine(t *testing.T) {
	for _, end := range []string{"\n\n", "\r\r", "\r\n\r"} {
		var f sse.Framer
		f.Write([]byte("data: x" + end))
		if ev, ok := f.Next(); !ok || string(ev.Data) != "x" {
			t.Errorf("after %q: got %q, %v", end, ev.Data, ok)
		}
	}
}

// samples are the streams of testdata, which come from real providers.
func samples(tb testing.TB) map[string]string {
	tb.Helper()
	names, err := filepath.Glob("testdata/*.sse")
	if err != nil || len(names) == 0 {
		tb.Fatalf("no samples: %v", err)
	}
	out := make(map[string]string)
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		out[filepath.Base(name)] = string(b)
	}
	return out
}

func TestSamplesMeanTheSameHoweverTheyAreCut(t *testing.T) {
	type signs struct {
		signs  []sse.Sign
		reason string
	}
	wants := map[string]struct {
		dialect  sse.Dialect
		signs    []sse.Sign
		reason   string
		complete bool
		merged   int
	}{
		"05-zai-1302-in-stream.sse":             {sse.OpenAI, []sse.Sign{sse.MaybeError, sse.Ended}, "", true, 0},
		"24-zai-merged-frames.sse":              {sse.OpenAI, []sse.Sign{sse.Content}, "", false, 1},
		"25-zai-finish-network-error.sse":       {sse.OpenAI, []sse.Sign{sse.Ended}, "network_error", true, 0},
		"31-anthropic-overloaded-in-stream.sse": {sse.Anthropic, []sse.Sign{sse.MaybeError}, "", true, 0},
	}
	for name, stream := range samples(t) {
		want, ok := wants[name]
		if !ok {
			t.Errorf("%s: nothing is expected of it", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			check := func(pieces ...string) {
				t.Helper()
				events := frame(pieces...)
				if !slices.Equal(events, reference(stream)) {
					t.Fatalf("cut as %q: got events %+v", pieces, events)
				}
				var got signs
				for _, ev := range events {
					s, why := want.dialect.Read(sse.Event{Name: []byte(ev.Name), Data: []byte(ev.Data), Comment: ev.Comment})
					got.signs, got.reason = append(got.signs, s), got.reason+why
				}
				if !slices.Equal(got.signs, want.signs) || got.reason != want.reason {
					t.Fatalf("cut as %q: got %v %q, want %v %q", pieces, got.signs, got.reason, want.signs, want.reason)
				}
				if complete, merged := watch(pieces...); complete != want.complete || merged != want.merged {
					t.Fatalf("cut as %q: complete %v, merged %d", pieces, complete, merged)
				}
			}
			check(stream)
			check(bytewise(stream)...)
			for i := range len(stream) {
				check(stream[:i], stream[i:])
			}
		})
	}
}

// streamOf generates streams in which whatever matters to framing is frequent.
func streamOf() *rapid.Generator[string] {
	return rapid.Map(rapid.SliceOf(rapid.SampledFrom([]string{
		"\n", "\n\n", "\r", "\r\n", "\r\n\r\n", "data:", "data: ", "data", "event:", "event: error", ":", " ", "x",
		"{\"a\":1}", "\xef\xbb\xbf", "\xef", "é", "id: 7", "data: {\"",
	})), func(parts []string) string { return strings.Join(parts, "") })
}

// cut cuts s into pieces at places that rapid chooses.
func cut(t *rapid.T, s string) []string {
	places := rapid.SliceOf(rapid.IntRange(0, len(s))).Draw(t, "cuts")
	slices.Sort(places)
	var out []string
	from := 0
	for _, p := range append(places, len(s)) {
		out = append(out, s[from:p])
		from = p
	}
	return out
}

func TestAnyPartitionGivesTheSameEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := streamOf().Draw(t, "stream")
		want := reference(stream)
		if got := frame(cut(t, stream)...); !slices.Equal(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func FuzzFramer(f *testing.F) {
	for _, stream := range samples(f) {
		f.Add(stream, 3)
	}
	f.Add("\xef\xbb\xbf: c\r\rdata\r\n\r\n\ndata:x\ndata: y\n\n", 1)
	f.Add("data:{", 0)
	f.Fuzz(func(t *testing.T, stream string, at int) {
		want := reference(stream)
		at = min(max(at, 0), len(stream))
		for _, pieces := range [][]string{{stream}, {stream[:at], stream[at:]}, bytewise(stream)} {
			got := frame(pieces...)
			if !slices.Equal(got, want) {
				t.Fatalf("%q: got %+v, want %+v", pieces, got, want)
			}
			for _, ev := range got {
				for _, d := range []sse.Dialect{sse.OpenAI, sse.Anthropic, sse.Responses} {
					d.Read(sse.Event{Name: []byte(ev.Name), Data: []byte(ev.Data), Comment: ev.Comment})
				}
			}
		}
	})
}
