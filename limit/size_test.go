package limit_test

import (
	"encoding/json"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/weirhq/weir/limit"
)

// life plays a provider whose limit moves between 1 and 24 and which shuts, lags
// and is noisy, until so many starts are decided.
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

// BenchmarkDecision is one call's share: whether it may start, its start, the
// verdict and the end. A hundredth is refused.
func BenchmarkDecision(b *testing.B) {
	for _, bm := range []struct {
		name    string
		refused int // one of so many
	}{{"accepted", 0}, {"one in a hundred refused", 100}, {"every second refused", 2}} {
		b.Run(bm.name, func(b *testing.B) {
			l := limit.New(limit.Config{Start: 8})
			now := start
			var running [8]limit.Start
			for i := range running {
				running[i] = l.Start(now, i, limit.Permit{OK: true})
				l.Accepted(now, running[i])
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				now = now.Add(2 * time.Second)
				l.Ended(now, running[i%8], limit.Answered)
				p := l.May(now, 7)
				s := l.Start(now, 7, p)
				if bm.refused > 0 && i%bm.refused == 0 {
					l.Refused(now, s, 0, 0.5)
				} else {
					l.Accepted(now, s)
				}
				running[i%8] = s
				i++
			}
		})
	}
}
