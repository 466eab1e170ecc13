package simulate

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// BenchmarkCall is one small call over a socket, client and provider together.
func BenchmarkCall(b *testing.B) {
	for name, body := range map[string]string{"whole": plain, "stream": streaming} {
		b.Run(name, func(b *testing.B) {
			c := instant()
			c.Limit = -1
			p, err := New(c)
			if err != nil {
				b.Fatal(err)
			}
			server := httptest.NewServer(p)
			defer server.Close()
			for b.Loop() {
				res, err := server.Client().Post(server.URL+chatPath, "application/json", strings.NewReader(body))
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
}

// BenchmarkOpenStreams is the time that a thousand streams of three seconds
// take, all at once: three seconds, if the provider can carry them.
func BenchmarkOpenStreams(b *testing.B) {
	p, err := New(Config{Limit: -1, Answer: Exactly(3 * time.Second)})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(p)
	defer server.Close()
	const streams = 1000
	for b.Loop() {
		failed := make(chan error, streams)
		for range streams {
			go func() {
				res, err := server.Client().Post(server.URL+chatPath, "application/json", strings.NewReader(streaming))
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
				failed <- err
			}()
		}
		for range streams {
			if err := <-failed; err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(p.Stats().MaxInFlight), "max-in-flight")
	server.Client().Transport.(*http.Transport).CloseIdleConnections()
}
