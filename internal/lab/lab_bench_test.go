package lab

import (
	"testing"
	"time"
)

// BenchmarkVirtualHour plays saturated hours, with the oracle's; ns/op is the cost
// of one virtual hour.
func BenchmarkVirtualHour(b *testing.B) {
	for _, name := range []string{"hard-1", "hard-10", "mixed"} {
		b.Run(name, func(b *testing.B) {
			sc, err := Scenario(name)
			if err != nil {
				b.Fatal(err)
			}
			sc.Length = time.Hour * time.Duration(b.N)
			b.ReportAllocs()
			if _, err := Run(b.Context(), sc, Options{Seeds: 1}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
