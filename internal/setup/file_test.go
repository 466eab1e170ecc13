package setup_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/setup"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// write makes the change that setup would make to a file.
func write(t *testing.T, file string) *setup.Change {
	t.Helper()
	c := plan(t, file)
	if _, err := setup.Write(c, noon); err != nil {
		t.Fatal(err)
	}
	return c
}

func plan(t *testing.T, file string) *setup.Change {
	t.Helper()
	before, err := setup.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := order(t, "opencode", nil).Change(file, before)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func undo(t *testing.T, file string) {
	t.Helper()
	c, ok, err := setup.Undo(file)
	if err != nil || !ok {
		t.Fatalf("undo: %v, %v", ok, err)
	}
	if err := setup.Restore(c); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, file, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

func has(t *testing.T, file, text string) {
	t.Helper()
	if got, err := os.ReadFile(file); err != nil || string(got) != text {
		t.Errorf("%s is %q, %v; want %q", filepath.Base(file), got, err, text)
	}
}

// names lists a directory.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestUndoBringsBackEveryByte(t *testing.T) {
	for _, text := range []string{"", "\n", "{}", "\ufeff{\r\n\t\"a\": 1, // x\r\n}", `{"provider":{"zai":{"options":{"baseURL":"https://api.z.ai/api/paas/v4"}}}}`} {
		file := filepath.Join(t.TempDir(), "opencode.json")
		put(t, file, text, 0o640)
		c := write(t, file)
		has(t, file, string(c.After))
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("the mode became %v, %v", info.Mode(), err)
		}
		if info, err := os.Stat(file + ".weir-backup"); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the backup: %v, %v", info, err)
		}
		// Twice changes nothing.
		again := plan(t, file)
		if !again.Nothing() {
			t.Error("the second time changes something")
		}
		if _, err := setup.Write(again, noon); err != nil {
			t.Error(err)
		}
		has(t, file+".weir-backup", text)
		undo(t, file)
		has(t, file, text)
		if got := names(t, filepath.Dir(file)); got != "opencode.json" {
			t.Errorf("left behind: %s", got)
		}
		if _, ok, err := setup.Undo(file); ok || err != nil {
			t.Errorf("a second undo: %v, %v", ok, err)
		}
	}
}

func TestUndoRemovesWhatWasNotThere(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config", "opencode", "opencode.json")
	write(t, file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	undo(t, file)
	if got := names(t, dir); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

func TestUndoRefusesAFileThatWasChangedSince(t *testing.T) {
	file := filepath.Join(t.TempDir(), "opencode.json")
	put(t, file, "{}", 0o600)
	c := write(t, file)
	put(t, file, string(c.After)+"\n// mine\n", 0o600)
	back, ok, err := setup.Undo(file)
	var changed *setup.ChangedError
	if !ok || !errors.As(err, &changed) || !strings.Contains(err.Error(), "--undo --yes") {
		t.Fatalf("%v, %v", ok, err)
	}
	if err := setup.Restore(back); err != nil { // the user said yes
		t.Fatal(err)
	}
	has(t, file, "{}")
}

func TestASecondChangeKeepsTheFirstBackup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "opencode.json")
	put(t, file, "{}", 0o600)
	write(t, file)
	// The gateway moves, and weir changes the file once more.
	o := order(t, "opencode", nil)
	o.Gateway.Address = "http://127.0.0.1:1402"
	now, err := setup.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := o.Change(file, now)
	if err != nil || c.Nothing() || !bytes.Contains(c.After, []byte(":1402/@zai-coding/")) {
		t.Fatalf("%v\n%s", err, c.After)
	}
	if _, err := setup.Write(c, noon); err != nil {
		t.Fatal(err)
	}
	has(t, file+".weir-backup", "{}")
	undo(t, file)
	has(t, file, "{}")

	// If somebody else changed it in between, what they did would be lost.
	write(t, file)
	put(t, file, `{"theirs": 1}`, 0o600)
	write(t, file)
	has(t, file+".weir-backup", "{}")
	var changed *setup.ChangedError
	if _, _, err := setup.Undo(file); !errors.As(err, &changed) {
		t.Errorf("undo: %v", err)
	}
}

func TestALinkStaysOne(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "dotfiles", "oc.json"), filepath.Join(dir, "opencode.json")
	if err := os.Mkdir(filepath.Dir(real), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, real, "{}", 0o644)
	if err := os.Symlink(filepath.Join("dotfiles", "oc.json"), link); err != nil {
		t.Fatal(err)
	}
	c := write(t, link)
	has(t, real, string(c.After))
	if _, err := os.Readlink(link); err != nil {
		t.Error(err)
	}
	if got := names(t, filepath.Dir(real)); got != "oc.json" {
		t.Errorf("beside the real file: %s", got)
	}
	undo(t, link)
	has(t, real, "{}")

	if err := os.Remove(real); err != nil {
		t.Fatal(err)
	}
	var refused *setup.RefusedError
	if _, err := setup.Read(link); !errors.As(err, &refused) {
		t.Errorf("a link to nowhere: %v", err)
	}
}

func TestWhatCannotBeWrittenStays(t *testing.T) {
	// A user who may write everywhere is refused by the system's own directory.
	dir := "/proc/self"
	if os.Geteuid() != 0 {
		dir = t.TempDir()
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "opencode.json")
	c, err := order(t, "opencode", nil).Change(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := setup.Write(c, noon); err == nil || !strings.Contains(err.Error(), "nothing is changed") {
		t.Errorf("a read-only directory: %v", err)
	}

	file = filepath.Join(t.TempDir(), "opencode.json")
	put(t, file, "{}", 0o400)
	var refused *setup.RefusedError
	if _, err := setup.Write(plan(t, file), noon); !errors.As(err, &refused) || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a read-only file: %v", err)
	}
	if got := names(t, filepath.Dir(file)); got != "opencode.json" {
		t.Errorf("left behind: %s", got)
	}

	// Somebody was faster.
	put(t, filepath.Join(filepath.Dir(file), "b.json"), "{}", 0o600)
	file = filepath.Join(filepath.Dir(file), "b.json")
	c = plan(t, file)
	put(t, file, `{"b": 1}`, 0o600)
	if _, err := setup.Write(c, noon); !errors.As(err, &refused) {
		t.Errorf("a file that changed meanwhile: %v", err)
	}
	has(t, file, `{"b": 1}`)

	// A backup of the user's own.
	put(t, file+".weir-backup", "mine", 0o600)
	if _, err := setup.Write(plan(t, file), noon); !errors.As(err, &refused) {
		t.Errorf("a backup that weir did not write: %v", err)
	}
	has(t, file+".weir-backup", "mine")

	if _, err := setup.Read(filepath.Dir(file)); !errors.As(err, &refused) {
		t.Errorf("a directory: %v", err)
	}
}

func TestADamagedBackupIsNotUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "opencode.json")
	put(t, file, "{}", 0o600)
	c := write(t, file)
	put(t, file+".weir-backup", "else", 0o600)
	if _, _, err := setup.Undo(file); err == nil {
		t.Error("a changed backup was taken")
	}
	if err := os.Remove(file + ".weir-backup"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := setup.Undo(file); err == nil {
		t.Error("a missing backup was taken")
	}
	put(t, file+".weir-backup.json", "{", 0o600)
	if _, _, err := setup.Undo(file); err == nil {
		t.Error("a broken record was taken")
	}
	has(t, file, string(c.After))
	if got := setup.Written([]string{file, file + "x"}); len(got) != 1 || got[0] != file {
		t.Errorf("written: %v", got)
	}
}
