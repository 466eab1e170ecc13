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
// editors put a new file in the old one's place, and, where the file is a link, at that
// of what it leads to; a file that is not there yet is waited for, its directory must be
// there.
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
	target := follow(w, file)
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Events:
			if !ok {
				return nil
			}
			name := filepath.Clean(e.Name)
			// A directory of mounted files is changed by moving a link in it.
			if name == filepath.Clean(file) || name == target || e.Has(fsnotify.Create) && filepath.Base(name) == "..data" {
				quiet.Reset(settle)
			}
		case <-w.Errors: // some events were lost: look
			quiet.Reset(settle)
		case <-quiet.C:
			target = follow(w, file) // it may lead elsewhere now
			changed()
		}
	}
}

// follow returns what a file is after all links, and sees to it that its directory is
// watched. Without a link, or where it leads nowhere, that is the file itself.
func follow(w *fsnotify.Watcher, file string) string {
	file = filepath.Clean(file)
	target, err := filepath.EvalSymlinks(file)
	if err != nil {
		return file
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(file))
	if err != nil || filepath.Join(dir, filepath.Base(file)) == target {
		return file
	}
	if filepath.Dir(target) != dir && w.Add(filepath.Dir(target)) != nil {
		return file // SIGHUP has it read all the same
	}
	return target
}
