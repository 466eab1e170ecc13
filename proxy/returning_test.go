package proxy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTheSameCallIsKnownAgain(t *testing.T) {
	r := newReturning(time.Now)
	me := origin{"zai/1", "s"}
	since := time.Now().Add(-time.Minute)
	base := `{"model":"m","messages":[{"role":"user","content":"a"}],"stream":true,"stream_options":{"include_usage":true}}`
	tests := []struct {
		name, body string
		from       origin
		same       bool
	}{
		{"as it was", base, me, true},
		{"without stream", `{"model":"m","messages":[{"role":"user","content":"a"}],"stream":false}`, me, true},
		{"that does not say", `{"model":"m","messages":[{"role":"user","content":"a"}]}`, me, true},
		{"spaced otherwise at the top", `{ "model" : "m", "messages":[{"role":"user","content":"a"}] }`, me, true},
		{"for another model", strings.Replace(base, `"m"`, `"n"`, 1), me, false},
		{"with another question", strings.Replace(base, `"a"`, `"b"`, 1), me, false},
		{"of another session", base, origin{"zai/1", "t"}, false},
		{"with another key", base, origin{"zai/2", "s"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.leave(me, r.hash([]byte(base)), since, 0)
			if got, _ := r.back(tt.from, []byte(tt.body)); got.Equal(since) != tt.same {
				t.Errorf("back = %v", got)
			}
			if again, _ := r.back(tt.from, []byte(tt.body)); tt.same && !again.IsZero() {
				t.Error("one departure is good for two returns")
			}
			r.back(me, []byte(base))
		})
	}
	r.leave(me, r.hash([]byte("no JSON")), since, 0)
	if got, _ := r.back(me, []byte("no JSON")); !got.Equal(since) {
		t.Error("a body that is no JSON is not known again")
	}
	for n := range maxReturns + 2 {
		r.leave(me, r.hash([]byte(base)), since, n)
		if got, times := r.back(me, []byte(base)); !got.IsZero() != (n < maxReturns) || !got.IsZero() && times != n+1 {
			t.Errorf("after %d returns: %v, %d", n, got, times)
		}
	}
}

// A model that keeps everything for ever must agree within the time and the bound.
func TestDeparturesAreForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1e9, 0)
		r := newReturning(func() time.Time { return now })
		type key struct {
			from origin
			body string
		}
		left := map[key][]time.Time{} // when
		total := 0
		pick := func(t *rapid.T) key {
			return key{
				origin{"a", rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "session")},
				fmt.Sprintf(`{"n":%d}`, rapid.IntRange(0, 3).Draw(t, "body")),
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"leave": func(t *rapid.T) {
				k := pick(t)
				r.leave(k.from, r.hash([]byte(k.body)), now, 0)
				left[k] = append(left[k], now)
				total++
			},
			"back": func(t *rapid.T) {
				k := pick(t)
				for len(left[k]) > 0 && now.Sub(left[k][0]) >= rememberFor {
					left[k] = left[k][1:]
				}
				var want time.Time
				if len(left[k]) > 0 && total < maxDepartures {
					want, left[k] = left[k][0], left[k][1:]
				}
				if got, _ := r.back(k.from, []byte(k.body)); !got.Equal(want) {
					t.Fatalf("back = %v, want %v", got, want)
				}
			},
			"time passes": func(t *rapid.T) {
				now = now.Add(rapid.SampledFrom([]time.Duration{time.Second, 30 * time.Second, 3 * time.Minute}).Draw(t, "step"))
			},
			"": func(t *rapid.T) {
				n := 0
				for _, c := range r.count {
					n += c
				}
				if n != len(r.gone) || n > maxDepartures {
					t.Fatalf("%d counted, %d there", n, len(r.gone))
				}
			},
		})
	})
	r := newReturning(time.Now)
	for i := range 3 * maxDepartures {
		r.leave(origin{"a", fmt.Sprint(i)}, r.hash([]byte("{}")), time.Now(), 0)
	}
	if len(r.gone) != maxDepartures || len(r.count) != maxDepartures {
		t.Errorf("%d departures of %d origins are remembered", len(r.gone), len(r.count))
	}
}

func BenchmarkReturning(b *testing.B) {
	body := []byte(`{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("x", 1<<20) + `"}],"stream":true}`)
	me := origin{"zai/1", "s"}
	b.Run("nobody left", func(b *testing.B) {
		r := newReturning(time.Now)
		for b.Loop() {
			r.back(me, body)
		}
	})
	b.Run("one comes back", func(b *testing.B) {
		r := newReturning(time.Now)
		for b.Loop() {
			r.leave(me, r.hash(body), time.Now(), 0)
			r.back(me, body)
		}
	})
}
