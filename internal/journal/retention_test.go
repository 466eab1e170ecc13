package journal

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func trimmed(t *testing.T, f *file, now time.Time) {
	t.Helper()
	if err := f.trim(now); err != nil {
		t.Fatal(err)
	}
}

func TestOldRowsGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	f := open(t, path, 30*24*time.Hour, DefaultSize)
	const days = 40
	for day := range days {
		now := noon.AddDate(0, 0, day)
		write(t, f, now, sample(day), Change{At: now, Kind: "paused"})
	}
	trimmed(t, f, noon.AddDate(0, 0, days-1))
	rows := readAll(t, path, time.Time{})
	if len(rows) != 2*31 || rows[0].(Request).ID != sample(days-31).ID {
		t.Errorf("%d rows are left, the first %+v", len(rows), rows[0])
	}
}

func TestAClockThatJumpsBack(t *testing.T) {
	tests := []struct {
		name string
		back time.Duration
		want int // rows of the three before and the three after that outlive the age, in a moment after it
	}{
		{"a little", time.Hour, 0},
		{"by years", 5 * 365 * 24 * time.Hour, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			const age = 30 * 24 * time.Hour
			path := filepath.Join(t.TempDir(), File)
			f := open(t, path, age, DefaultSize)
			for i := range 3 {
				write(t, f, noon.Add(time.Duration(i)*time.Second), sample(i))
			}
			back := noon.Add(-test.back)
			for i := range 3 {
				write(t, f, back.Add(time.Duration(i)*time.Second), sample(3+i))
			}
			trimmed(t, f, back.Add(time.Minute))
			if rows := readAll(t, path, time.Time{}); len(rows) != 6 {
				t.Errorf("after the jump %d rows are left, want all", len(rows))
			}
			trimmed(t, f, back.Add(age+test.back%age+time.Minute))
			if rows := readAll(t, path, time.Time{}); len(rows) != test.want {
				t.Errorf("when they are old %d rows are left, want %d", len(rows), test.want)
			}
		})
	}
}

func TestTheOldestRowsGoWhenTheFileIsLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	const size = 9_000_000
	f := open(t, path, DefaultAge, size)
	const batches, each = 80, 256
	for b := range batches {
		rows := make([]Row, each)
		for i := range rows {
			rows[i] = sample(b*each + i)
		}
		// The clock runs backwards: what came first goes first all the same.
		write(t, f, noon.AddDate(0, 0, -2*b), rows...)
		if b%16 == 15 {
			trimmed(t, f, noon.AddDate(0, 0, -2*b))
		}
	}
	var total int64
	for _, part := range []string{"", "-wal"} {
		if info, err := os.Stat(path + part); err == nil {
			total += info.Size()
		}
	}
	if total > size {
		t.Errorf("the file has %d bytes, may have %d", total, size)
	}
	rows := readAll(t, path, time.Time{})
	if len(rows) < 8_000 {
		t.Errorf("only %d rows are left", len(rows))
	}
	if !slices.ContainsFunc(rows, func(r Row) bool { return r.(Request).ID == sample(batches*each-1).ID }) {
		t.Error("the newest row is gone")
	}
	trimmed(t, f, noon.AddDate(1, 0, 0))
	if info, err := os.Stat(path); err != nil || info.Size() > 1<<16 {
		t.Errorf("without rows the file has %d bytes, %v", info.Size(), err)
	}
}

// What a month of much use may take on the disk.
func TestAMonthIsSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	f := open(t, path, DefaultAge, DefaultSize)
	const part = 5_000 // of 200,000
	for b := 0; b < part; b += batchSize {
		rows := make([]Row, 0, batchSize)
		for i := range batchSize {
			rows = append(rows, sample(b+i))
		}
		write(t, f, noon.Add(time.Duration(b)*time.Second), rows...)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if month := info.Size() * 200_000 / part; month > 150e6 {
		t.Errorf("200,000 requests take %d bytes", month)
	}
	t.Logf("%d bytes a request", info.Size()/part)
}
