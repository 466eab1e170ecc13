package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// line measures how long a prompt waits for "weir status --line", from the start of the
// process to its end. Without a gateway there is only the start.
func line(ctx context.Context, b *bench) (report, error) {
	const times = 40
	state := filepath.Join(b.dir, "asked")
	p, err := b.startWeir(ctx, strconv.Itoa(b.limit), state)
	if err != nil {
		return report{}, err
	}
	defer p.stop()
	b.pin(ctx, allCores()) // as a user has
	defer b.pin(ctx, generatorCore)
	with, err := b.ask(ctx, times, state)
	if err != nil {
		return report{}, err
	}
	without, err := b.ask(ctx, times, filepath.Join(b.dir, "nobody"))
	return report{Rows: []row{
		only("weir status --line", "ms", with).below(20),
		only("the same without a gateway", "ms", without).below(20),
	}, Notes: []string{fmt.Sprintf("median of %d; the binary is as go build makes it", times)}}, err
}

// ask runs "weir status --line" so many times and returns the median in ms.
func (b *bench) ask(ctx context.Context, times int, state string) (float64, error) {
	var took []float64
	for range times {
		began := time.Now()
		if out, err := exec.CommandContext(ctx, b.weir, "status", "--line", "--state", state).CombinedOutput(); err != nil {
			return 0, fmt.Errorf("weir status --line: %w\n%s", err, out)
		}
		took = append(took, float64(time.Since(began).Microseconds())/1e3)
	}
	return median(took), nil
}
