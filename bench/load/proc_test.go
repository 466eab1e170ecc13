package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const after = " S 1 42 42 0 -1 4194560 1500 0 3 0 120 30 4 5 20 0 9 0 88406 1267187712 3932 18446744073709551615 1 1 0"
	tests := []struct {
		name, text string
		want       time.Duration
		fails      bool
	}{
		{"own and children's time, user and system", "42 (weir)" + after, 1590 * time.Millisecond, false},
		{"a command with blanks and parentheses", "42 (a) R 9 (b c)" + after, 1590 * time.Millisecond, false},
		{"an empty file", "", 0, true},
		{"a file cut short", "42 (weir) S 1 42", 0, true},
		{"a time that is no number", "42 (weir) S 1 42 42 0 -1 4194560 1500 0 3 0 x 30 4 5 20", 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStat(tt.text)
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("parseStat = %v, %v; want %v, failure %t", got, err, tt.want, tt.fails)
			}
		})
	}
}

func TestParseSchedstat(t *testing.T) {
	tests := []struct {
		name, text string
		want       time.Duration
		fails      bool
	}{
		{"the first number counts", "6670062 1188042 2\n", 6670062, false},
		{"an empty file", "", 0, true},
		{"no number", "x 1 2\n", 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseSchedstat(tt.text)
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("parseSchedstat = %v, %v; want %v, failure %t", got, err, tt.want, tt.fails)
			}
		})
	}
}

func TestParseResident(t *testing.T) {
	tests := []struct {
		name, text string
		want       int64
		fails      bool
	}{
		{"kilobytes become bytes", "Name:\tweir\nVmHWM:\t   20000 kB\nVmRSS:\t   15728 kB\nThreads:\t9\n", 15728 << 10, false},
		{"a process without memory", "Name:\tkthreadd\nState:\tS\n", 0, true},
		{"another unit", "VmRSS:\t   15728 MB\n", 0, true},
		{"no number", "VmRSS:\t   x kB\n", 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseResident(tt.text)
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("parseResident = %v, %v; want %v, failure %t", got, err, tt.want, tt.fails)
			}
		})
	}
}

func TestParents(t *testing.T) {
	if p, err := parseParent("77 (a (b) c) S 42 77 77 0"); p != 42 || err != nil {
		t.Errorf("%d, %v", p, err)
	}
	if _, err := parseParent("77 (a"); err == nil {
		t.Error("half a line was read")
	}
	parents := map[int]int{2: 1, 10: 2, 11: 10, 12: 11}
	for pid, want := range map[int]bool{12: true, 10: true, 2: false, 1: false, 99: false} {
		if got := below(parents, pid, 10); got != want {
			t.Errorf("%d below 10: %v", pid, got)
		}
	}
}

func TestWhatARelayPassesIsCounted(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", r.URL.Path) }))
	defer server.Close()
	to, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	r, err := startRelay(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	c, err := dial(t.Context(), &url.URL{Host: r.listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	var body []byte
	status, err := c.exchange([]byte("GET /there HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), func(b []byte) { body = append(body, b...) })
	if status != 200 || err != nil || string(body) != "hello /there" {
		t.Errorf("%d, %v, %q", status, err, body)
	}
	c.Close()
	r.stop()
	if n := r.read.Load(); n < int64(len(body)) {
		t.Errorf("%d bytes were counted", n)
	}
}
