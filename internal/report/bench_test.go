package report

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/journal"
)

// BenchmarkMonth reads the last 30 days of a heavy user, 200 000 requests, from a file,
// and writes the page. With -artifacts the file stays: bench/load uses it.
func BenchmarkMonth(b *testing.B) {
	path := filepath.Join(b.ArtifactDir(), journal.File)
	if err := os.RemoveAll(path); err != nil { // of a run before
		b.Fatal(err)
	}
	all := month(200_000, time.Now().Add(-monthLong))
	for i, row := range all {
		all[i] = asLong(row, i)
	}
	// The journal takes what it can hold at once, so it is closed and opened again.
	const batch = 8000
	for len(all) > 0 {
		n := min(batch, len(all))
		j := journal.Open(path, journal.Options{Size: 1 << 40, Age: 100 * 365 * 24 * time.Hour, Now: func() time.Time { return ended(all[n-1]) }})
		for _, row := range all[:n] {
			j.Add(row)
		}
		j.Close()
		if lost := j.Stats().Lost; lost > 0 {
			b.Fatalf("%d rows are lost", lost)
		}
		all = all[n:]
	}
	for b.Loop() {
		rows, err := journal.Read(path)
		if err != nil {
			b.Fatal(err)
		}
		r, err := Collect(b.Context(), rows, Options{Now: time.Now()})
		if err != nil {
			b.Fatal(err)
		}
		if err := r.Write(io.Discard, "html"); err != nil {
			b.Fatal(err)
		}
		if err := rows.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// asLong gives a request names as long as they are in life.
func asLong(row journal.Row, i int) journal.Row {
	r, ok := row.(journal.Request)
	if !ok {
		return row
	}
	r.ID = fmt.Sprintf("%026d", i)
	r.Session = fmt.Sprintf("%08x-6b0e-4d5f-9a37-%012x", i%10_000, i%10_000)
	for j := range r.Attempts {
		r.Attempts[j].ProviderID = fmt.Sprintf("20260301120000%016x%d", i, j)
	}
	r.ProviderID = r.Attempts[len(r.Attempts)-1].ProviderID
	return r
}
