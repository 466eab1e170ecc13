package journal

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What is packed comes back, whichever way it is read.
func TestPackedAttemptsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := func(label string) time.Time { return moment(rapid.Int64Range(1, 1e16).Draw(t, label)) }
		r := Request{Start: at("start")}
		for range rapid.IntRange(1, 4).Draw(t, "attempts") {
			a := Attempt{
				Start: at("sent"), InFlight: rapid.IntRange(0, 99).Draw(t, "in flight"), Verdict: rapid.SampledFrom([]string{"", "ok", "concurrency"}).Draw(t, "verdict"),
				Code: rapid.SampledFrom([]string{"", "1302", `a "code"`, "<1302>", "编号", "\n"}).Draw(t, "code"), ProviderID: rapid.StringN(0, 8, -1).Draw(t, "id"),
			}
			if rapid.Bool().Draw(t, "ended") {
				a.End = at("end")
			}
			r.Attempts = append(r.Attempts, a)
		}
		got, err := unpack(pack(r), micros(r.Start))
		if err != nil || !reflect.DeepEqual(got, r.Attempts) {
			t.Fatalf("%s is %+v, %v; want %+v", pack(r), got, err, r.Attempts)
		}
		if got, err = unpackJSON(pack(r), micros(r.Start)); err != nil || !reflect.DeepEqual(got, r.Attempts) {
			t.Fatalf("%s is %+v to a reader of JSON, %v; want %+v", pack(r), got, err, r.Attempts)
		}
	})
}

// FuzzUnpack holds the short way of reading attempts against the long one.
func FuzzUnpack(f *testing.F) {
	for _, text := range []string{`[{"s":0}]`, `[{"s":-5,"e":10,"n":2,"v":"ok","c":"1302","i":"a1"},{"s":7}]`, `[{"s":0,"v":"\u003c"}]`, `[]`, `[{"s":01}]`, `[{"s":0},]`, `[{"s":0}] `, `[{"s":1e3}]`, `null`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		short, ok := unpackPlain(text, 1000)
		if !ok {
			return
		}
		long, err := unpackJSON(text, 1000)
		if err != nil || !reflect.DeepEqual(short, long) {
			t.Errorf("%q is %+v, and by the long way %+v, %v", text, short, long, err)
		}
	})
}
