package config

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watch calls changed, in its own goroutine and one after the other, each time that a
// file has changed, until the context ends. It looks at the file's directory, since
// editors put a new file in the old one's place; a file that is not there yet is waited
// for, its directory must be there.
func Watch(ctx context.Context, file string, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("%s cannot be watched: %w", file, err)
	}
	defer w.Close()
	if err := w.Add(filepath.Dir(file)); err != nil {
		return fmt.Errorf("%s cannot be watched: %w", file, err)
	}
	const settle = 100 * time.Millisecond // an editor writes in several steps
	quiet := time.NewTimer(settle)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Events:
			if !ok {
				return nil
			}
			// A directory of mounted files is changed by moving a link in it.
			if filepath.Clean(e.Name) == filepath.Clean(file) || e.Has(fsnotify.Create) && filepath.Base(e.Name) == "..data" {
				quiet.Reset(settle)
			}
		case <-w.Errors: // some events were lost: look
			quiet.Reset(settle)
		case <-quiet.C:
			changed()
		}
	}
}
