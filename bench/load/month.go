package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// month measures what 30 days of a heavy user, 200 000 requests, cost: the journal's size,
// the report, and the page's picture of the last day after a start of the gateway.
func month(ctx context.Context, b *bench) (report, error) {
	state, size, err := b.monthOld(ctx)
	if err != nil {
		return report{}, err
	}
	b.pin(ctx, allCores()) // as a user has
	defer b.pin(ctx, generatorCore)
	var reports, starts, fills, pictures []float64
	for range b.rounds {
		began := time.Now()
		out, err := exec.CommandContext(ctx, b.weir, "report", "--state", state, "-o", filepath.Join(b.dir, "report.html")).CombinedOutput()
		if err != nil {
			return report{}, fmt.Errorf("weir report: %w\n%s", err, out)
		}
		reports = append(reports, time.Since(began).Seconds())
		start, fill, picture, err := b.lastDay(ctx, state)
		if err != nil {
			return report{}, err
		}
		starts, fills, pictures = append(starts, start), append(fills, fill), append(pictures, picture)
	}
	return report{Rows: []row{
		only("the journal's size", "MB", float64(size)/1e6).below(150),
		only("weir report", "s", median(reports)).below(3),
		only("start of a gateway with it", "ms", median(starts)),
		only("until the last day is known", "ms", median(fills)),
		only("the picture of the last 24 h", "ms", median(pictures)).below(200),
	}, Notes: []string{fmt.Sprintf("median of %d", b.rounds)}}, nil
}

// monthOld makes a state directory with the journal of a month, and tells its size.
func (b *bench) monthOld(ctx context.Context) (state string, size int64, err error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-bench=Month", "-benchtime=1x", "-artifacts", "-outputdir="+b.dir, "./internal/report")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", 0, fmt.Errorf("making the journal: %w\n%s", err, out)
	}
	err = filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "journal.db" {
			return err
		}
		state = filepath.Dir(path)
		info, err := os.Stat(path)
		if err == nil {
			size = info.Size()
		}
		return err
	})
	if err == nil && state == "" {
		err = fmt.Errorf("the benchmark of internal/report has left no journal")
	}
	return state, size, err
}

// lastDay starts a gateway and returns how many ms that takes, how many more until it
// knows the day before, and how long it takes to draw it.
func (b *bench) lastDay(ctx context.Context, state string) (start, fill, picture float64, err error) {
	since := func(t time.Time) float64 { return float64(time.Since(t).Microseconds()) / 1e3 }
	began := time.Now()
	p, err := b.startWeir(ctx, "auto", state)
	if err != nil {
		return 0, 0, 0, err
	}
	defer p.stop()
	start = since(began)
	day := p.url.JoinPath("weir", "api", "history").String() + "?period=24h&width=1400"
	for began = time.Now(); ; {
		asked := time.Now()
		text, err := ask(ctx, http.MethodGet, day)
		if err != nil {
			return 0, 0, 0, err
		}
		picture = since(asked)
		var seen struct {
			Columns []struct {
				Running int `json:"running"`
			} `json:"columns"`
		}
		if err := json.Unmarshal(text, &seen); err != nil {
			return 0, 0, 0, err
		}
		const half = 180 // columns: a picture has 360
		if len(seen.Columns) > half && seen.Columns[half].Running > 0 {
			return start, since(began), picture, nil
		}
		if since(began) > 60_000 {
			return 0, 0, 0, fmt.Errorf("the gateway does not know the day before")
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return 0, 0, 0, err
		}
	}
}
