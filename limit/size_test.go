package limit_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/weirhq/weir/limit"
)

// life plays a provider whose limit moves between 1 and 24 and which shuts, lags
// and is noisy, until so many starts are decided, and returns when that is.
func life(l *limit.Learner, rng *rand.Rand, starts int) time.Time {
	now, bears := start, 12
	var running []limit.Start
	for range starts {
		for {
			p := l.May(now, len(running))
			if p.OK {
				break
			}
			if len(running) > 0 && rng.IntN(2) == 0 {
				l.Ended(now, running[0], limit.End(rng.IntN(2)))
				running = running[1:]
			}
			now = now.Add(time.Duration(rng.IntN(2000)) * time.Millisecond)
		}
		s := l.Start(now, len(running), l.May(now, len(running)))
		now = now.Add(50 * time.Millisecond)
		if len(running)+1 > bears || rng.IntN(50) == 0 {
			l.Refused(now, s, 0, rng.Float64())
			l.Ended(now, s, limit.Unsent)
		} else {
			l.Accepted(now, s)
			running = append(running, s)
		}
		if rng.IntN(200) == 0 {
			bears = 1 + rng.IntN(24)
		}
	}
	return now
}

// A lane, with all that it has learned, takes less than 8 KiB: in memory, and as
// it is written down.
func TestALaneIsSmall(t *testing.T) {
	const lanes, most = 200, 8 << 10
	kept := make([]*limit.Learner, lanes)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range kept {
		kept[i] = limit.New(limit.Config{})
		life(kept[i], rand.New(rand.NewPCG(uint64(i), 1302)), 3000)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	size := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / lanes
	text, err := json.Marshal(kept[0].State())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes in memory, %d written down", size, len(text))
	if size > most {
		t.Errorf("a learner takes %d bytes", size)
	}
	if len(text) > 2*most {
		t.Errorf("its state takes %d bytes as JSON", len(text))
	}
	runtime.KeepAlive(kept)
}

// A long life makes a learner no larger, however it was.
func TestALongLifeTakesNoMore(t *testing.T) {
	for seed := range uint64(2) {
		l := limit.New(limit.Config{})
		life(l, rand.New(rand.NewPCG(seed, 7)), 100_000)
		size := deep(reflect.ValueOf(l))
		t.Logf("%d bytes after 100000 starts", size)
		if size > 8<<10 {
			t.Errorf("seed %d: a learner takes %d bytes", seed, size)
		}
	}
}

// deep is how much memory hangs on a value, spare room of slices included.
func deep(v reflect.Value) uintptr {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || v.Type() == reflect.TypeFor[*time.Location]() { // shared by all
			return 0
		}
		return v.Type().Elem().Size() + deep(v.Elem())
	case reflect.Slice:
		size := uintptr(v.Cap()) * v.Type().Elem().Size()
		for i := range v.Len() {
			size += deep(v.Index(i))
		}
		return size
	case reflect.Array:
		size := uintptr(0)
		for i := range v.Len() {
			size += deep(v.Index(i))
		}
		return size
	case reflect.Struct:
		size := uintptr(0)
		for i := range v.NumField() {
			size += deep(v.Field(i))
		}
		return size
	case reflect.Map, reflect.Interface, reflect.Chan, reflect.Func:
		panic("not measured: " + v.Type().String())
	}
	return 0
}

// BenchmarkDecision is what the learner costs a call, step by step: whether it may
// start; that and its start; those, the first byte and the end; those, a refusal in
// place of the first byte, each second one, so that a cause is looked for all the time; and
// all of it where one in a hundred is refused. The stable level is in flight.
func BenchmarkDecision(b *testing.B) {
	for _, bm := range []struct {
		name    string
		refused int // one of so many; zero: none
		steps   int
	}{
		{"may", 0, 1}, {"start", 0, 2}, {"accepted", 0, 3}, {"refused", 2, 3}, {"one in a hundred refused", 100, 3},
	} {
		b.Run(bm.name, func(b *testing.B) {
			l, rng := limit.New(limit.Config{Min: 4, Max: 8}), rand.New(rand.NewPCG(1, 1302))
			now := life(l, rng, 1000) // it has met all sorts
			var running [8]limit.Start
			for i := range running {
				running[i] = l.Start(now, i, limit.Permit{OK: true})
				l.Accepted(now, running[i])
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				now = now.Add(2 * time.Second)
				inFlight := l.Stable() - 1
				p := l.May(now, inFlight)
				if bm.steps == 1 {
					continue
				}
				if bm.steps == 3 {
					l.Ended(now, running[i%8], limit.Answered)
				}
				s := l.Start(now, inFlight, p)
				if bm.steps == 2 {
					continue
				}
				if bm.refused > 0 && i%bm.refused == 0 {
					l.Refused(now.Add(time.Second), s, 0, 0.5)
				} else {
					l.Accepted(now.Add(time.Second), s)
				}
				running[i%8] = s
				i++
			}
		})
	}
}
