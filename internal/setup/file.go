package setup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// maxFile bounds a configuration file, in bytes.
const maxFile = 4 << 20

// The backup of a file and its record stand beside it.
const (
	backupEnding = ".weir-backup"
	recordEnding = ".weir-backup.json"
)

// A Record says what a backup is of.
type Record struct {
	Existed bool      `json:"existed"`          // before the first change
	Before  string    `json:"before"`           // hash of what the backup has
	After   string    `json:"after"`            // hash of what weir has written last
	Others  bool      `json:"others,omitempty"` // somebody else changed the file between two changes
	Made    []string  `json:"made,omitempty"`   // directories that were made for the file, the deepest first
	Time    time.Time `json:"time"`             // of the first change
}

// Read returns a tool's configuration file; nil if there is none.
func Read(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		if link, err := os.Readlink(file); err == nil {
			return nil, refuse("%s is a link to %s, which is not there: make that file or remove the link", file, link)
		}
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, refuse("%s is not a file", file)
	}
	if info.Size() > maxFile {
		return nil, refuse("%s has %d bytes: that is no configuration file", file, info.Size())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	if data == nil {
		data = []byte{}
	}
	return data, nil
}

// Write makes a change: first a backup, if there is none, then the file in one
// step. It returns the backup's name. It refuses if the file is not any more what
// the change was made from.
func Write(c *Change, now time.Time) (backup string, err error) {
	if c.Nothing() {
		return "", nil
	}
	if err := unchanged(c); err != nil {
		return "", err
	}
	record, known, err := readRecord(c.File)
	if err != nil {
		return "", err
	}
	fresh := !known || record.Before == hashOf(c.Before)
	if fresh {
		made, err := makeParents(c.File)
		if err != nil {
			return "", fmt.Errorf("nothing is changed: %w", err)
		}
		record = Record{Existed: c.Before != nil, Before: hashOf(c.Before), Made: append(made, record.Made...), Time: now.UTC()}
		if err := writeBackup(c.File, c.Before, known); err != nil {
			removeEmpty(record.Made)
			return "", err
		}
	} else if record.After != hashOf(c.Before) {
		record.Others = true
	}
	record.After = hashOf(c.After)
	if err := writeRecord(c.File, record); err != nil {
		if fresh {
			dropBackup(c.File, record)
		}
		return "", fmt.Errorf("nothing is changed: %w", err)
	}
	if err := replace(c.File, c.After, 0o600); err != nil {
		if fresh {
			dropBackup(c.File, record)
		}
		return "", fmt.Errorf("nothing is changed: %w", err)
	}
	if !record.Existed {
		return "", nil
	}
	return c.File + backupEnding, nil
}

// unchanged tells whether the file is still what the change was made from, and may
// be written.
func unchanged(c *Change) error {
	now, err := Read(c.File)
	if err != nil {
		return err
	}
	if (now == nil) != (c.Before == nil) || !bytes.Equal(now, c.Before) {
		return refuse("%s was changed at this moment by somebody else: try again", c.File)
	}
	if info, err := os.Stat(c.File); err == nil && info.Mode().Perm()&0o200 == 0 {
		return refuse("%s is read-only: make it writable (chmod u+w), or change it where it comes from", c.File)
	}
	return nil
}

// A ChangedError says that a file is not any more what weir has written, so that
// undoing would lose what came since.
type ChangedError struct {
	File string
	Time time.Time
}

// Error implements error.
func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s was changed after weir wrote it: --undo --yes brings back the file of %s and loses what came since",
		e.File, e.Time.Local().Format("2 January 2006 15:04"))
}

// Undo returns the change that brings a file back as it was before the first one:
// After is nil if there was none. It is a [*ChangedError] if somebody else has
// changed the file since; the change is returned too. ok is false if there is
// nothing to undo.
func Undo(file string) (c *Change, ok bool, err error) {
	record, known, err := readRecord(file)
	if err != nil || !known {
		return nil, false, err
	}
	now, err := Read(file)
	if err != nil {
		return nil, false, err
	}
	c = &Change{File: file, Before: now}
	if record.Existed {
		c.After, err = os.ReadFile(file + backupEnding)
		if err != nil {
			return nil, false, fmt.Errorf("the backup cannot be read: %w", err)
		}
		if hashOf(c.After) != record.Before {
			return nil, false, refuse("%s is not what weir has saved: look at it, and copy it back by hand if it is right", file+backupEnding)
		}
		if c.After == nil {
			c.After = []byte{}
		}
	}
	if h := hashOf(now); h != record.Before && (h != record.After || record.Others) {
		return c, true, &ChangedError{file, record.Time}
	}
	return c, true, nil
}

// Written returns those of the files that weir has changed and can bring back.
func Written(places []string) []string {
	var all []string
	for _, place := range places {
		if _, err := os.Stat(place + recordEnding); err == nil {
			all = append(all, place)
		}
	}
	return all
}

// Restore makes the change that [Undo] returned, and removes the backup.
func Restore(c *Change) error {
	record, _, err := readRecord(c.File)
	if err != nil {
		return err
	}
	if err := unchanged(c); err != nil {
		return err
	}
	switch {
	case c.After != nil:
		if c.Before == nil || !bytes.Equal(c.Before, c.After) {
			err = replace(c.File, c.After, 0o600)
		}
	case c.Before != nil:
		err = os.Remove(c.File)
	}
	if err != nil {
		return fmt.Errorf("nothing is changed: %w", err)
	}
	dropBackup(c.File, record)
	return nil
}

// replace writes a file in one step and keeps its mode. A link goes on to lead to
// it.
func replace(file string, data []byte, mode fs.FileMode) (err error) {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".weir-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// writeBackup keeps what a file was. A backup that nobody recorded may be the
// user's own: it stays.
func writeBackup(file string, data []byte, known bool) error {
	backup := file + backupEnding
	if there, err := os.ReadFile(backup); err == nil && !known && !bytes.Equal(there, data) {
		return refuse("%s is there already, and weir did not write it: move it away", backup)
	}
	if data == nil {
		return nil
	}
	// The user's eyes only: it may have keys in it.
	if err := os.Remove(backup); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("nothing is changed, for there can be no backup: %w", err)
	}
	if err := replace(backup, data, 0o600); err != nil {
		return fmt.Errorf("nothing is changed, for there can be no backup: %w", err)
	}
	return nil
}

func writeRecord(file string, r Record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return replace(file+recordEnding, append(data, '\n'), 0o600)
}

func readRecord(file string) (r Record, known bool, err error) {
	data, err := os.ReadFile(file + recordEnding)
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return r, false, fmt.Errorf("%s cannot be read: %w; move it away, %s is the file as it was", file+recordEnding, err, filepath.Base(file+backupEnding))
	}
	return r, true, nil
}

// dropBackup removes the backup, its record, and the directories that were made
// and are empty again.
func dropBackup(file string, r Record) {
	// What cannot be removed does no harm: its record says what it is.
	if r.Existed {
		_ = os.Remove(file + backupEnding)
	}
	_ = os.Remove(file + recordEnding)
	removeEmpty(r.Made)
}

// makeParents makes the directories of a file and returns those that it made, the
// deepest first.
func makeParents(file string) (made []string, err error) {
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		made = append(made, dir)
	}
	if len(made) == 0 {
		return nil, nil
	}
	return made, os.MkdirAll(made[0], 0o700)
}

func removeEmpty(dirs []string) {
	for _, dir := range dirs {
		if os.Remove(dir) != nil { // something of somebody else's is in it
			return
		}
	}
}

// hashOf tells contents apart; nil, no file, is empty.
func hashOf(data []byte) string {
	if data == nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
