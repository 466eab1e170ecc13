package simulate

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/scenario"
)

func TestRangeIsReadAndWritten(t *testing.T) {
	tests := []struct{ in, want, err string }{
		{in: "200ms", want: "200ms"},
		{in: "0s", want: "0s"},
		{in: "0", want: "0s"},
		{in: "1s..3s", want: "1s..3s"},
		{in: " 1s .. 3s ", want: "1s..3s"},
		{in: "2s..2s", want: "2s"},
		{in: "3s..1s", err: "ends before it begins"},
		{in: "-1s", err: "no duration"},
		{in: "", err: "no duration"},
		{in: "1s..", err: "no duration"},
		{in: "1", err: "no duration"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			r, err := ParseRange(tt.in)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil || r.String() != tt.want {
				t.Errorf("got %q, %v; want %q", r, err, tt.want)
			}
		})
	}
}

func TestRangeDrawsWithinItself(t *testing.T) {
	r, random := Between(time.Second, 3*time.Second), rand.New(rand.NewPCG(1, 2))
	var least, most time.Duration = time.Hour, 0
	for range 1000 {
		d := r.draw(random)
		least, most = min(least, d), max(most, d)
	}
	if least < time.Second || least > 1100*time.Millisecond || most > 3*time.Second || most < 2900*time.Millisecond {
		t.Errorf("drew from %v to %v", least, most)
	}
	if d := Exactly(-time.Second).draw(random); d != 0 {
		t.Errorf("a negative duration draws %v", d)
	}
}

func TestScheduleSaysTheLimit(t *testing.T) {
	levels, err := ParseSchedule("10s=4, 30s=0")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Limit: 2, Schedule: levels}
	for at, want := range map[time.Duration]int{0: 2, 9 * time.Second: 2, 10 * time.Second: 4, 29 * time.Second: 4, time.Hour: 0} {
		if got := scenario.NewUpstream(c.described(), 1, 0).Limit(at, ""); got != want {
			t.Errorf("limit at %v is %d, want %d", at, got, want)
		}
	}
	for _, bad := range []string{"", "4", "0s=x", "0s=-1", "30s=2,10s=4", "1s=2,1s=3", "x=1"} {
		if _, err := ParseSchedule(bad); err == nil {
			t.Errorf("schedule %q was read", bad)
		}
	}
}

func TestOutageHoldsItsBeginning(t *testing.T) {
	w, err := ParseWindow("10s..20s")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Outages: []Window{w}}
	for at, want := range map[time.Duration]bool{0: false, 10 * time.Second: true, 19 * time.Second: true, 20 * time.Second: false} {
		if got := c.out(at); got != want {
			t.Errorf("out at %v: %v", at, got)
		}
	}
	for _, bad := range []string{"10s", "20s..10s", "x"} {
		if _, err := ParseWindow(bad); err == nil {
			t.Errorf("window %q was read", bad)
		}
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := New(Config{
		Rate:     -1,
		Schedule: []Level{{From: 5}, {From: 5}},
		Outages:  []Window{{From: 3, To: 2}},
		Rules:    []Rule{{Times: -1}, {Fault: &Fault{Cut: "gently"}}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"rate -1", "schedule", "outage 3ns..2ns", "rules[0].times", `rules[1].fault.cut: "gently"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in: %v", part, err)
		}
	}
}
