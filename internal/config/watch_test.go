package config

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Each change is made again and again until it is seen, for nothing tells when the
// watcher has begun.
func TestWatchSeesWhatEditorsDo(t *testing.T) {
	defer goleak.VerifyNone(t)
	write := func(t *testing.T, file string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("limit: 1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace := func(t *testing.T, file string) {
		t.Helper()
		write(t, file+".new")
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	link := func(t *testing.T, target, file string) {
		t.Helper()
		if err := os.Symlink(target, file+".link"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".link", file); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name    string
		prepare func(t *testing.T, file, elsewhere string)
		change  func(t *testing.T, file, elsewhere string)
	}{
		{"written", func(t *testing.T, file, _ string) { write(t, file) }, func(t *testing.T, file, _ string) { write(t, file) }},
		{"put in the old one's place", func(t *testing.T, file, _ string) { write(t, file) }, func(t *testing.T, file, _ string) { replace(t, file) }},
		{"not there yet", func(*testing.T, string, string) {}, func(t *testing.T, file, _ string) { replace(t, file) }},
		{"a link, and what it leads to is written", func(t *testing.T, file, elsewhere string) {
			write(t, elsewhere)
			link(t, elsewhere, file)
		}, func(t *testing.T, _, elsewhere string) { write(t, elsewhere) }},
		{"a link, and what it leads to is replaced", func(t *testing.T, file, elsewhere string) {
			write(t, elsewhere)
			link(t, elsewhere, file)
		}, func(t *testing.T, _, elsewhere string) { replace(t, elsewhere) }},
		{"a link that leads to another", func(t *testing.T, file, elsewhere string) {
			write(t, elsewhere)
			write(t, file)
		}, func(t *testing.T, file, elsewhere string) { link(t, elsewhere, file) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file, elsewhere := filepath.Join(t.TempDir(), "weir.yaml"), filepath.Join(t.TempDir(), "dotfile")
			tt.prepare(t, file, elsewhere)
			ctx, cancel := context.WithCancel(t.Context())
			seen := make(chan struct{}, 100)
			var watching sync.WaitGroup
			watching.Go(func() {
				if err := Watch(ctx, file, func() { seen <- struct{}{} }); err != nil {
					t.Errorf("Watch: %v", err)
				}
			})
			defer watching.Wait()
			defer cancel()
			for range 40 {
				tt.change(t, file, elsewhere)
				select {
				case <-seen:
					return
				case <-time.After(500 * time.Millisecond): // longer than a file must be quiet
				}
			}
			t.Error("the change is not seen")
		})
	}
}

func TestWatchNeedsADirectory(t *testing.T) {
	if err := Watch(t.Context(), filepath.Join(t.TempDir(), "none", "weir.yaml"), func() {}); err == nil {
		t.Error("a directory that is not there is no mistake")
	}
}
