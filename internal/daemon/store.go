package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"github.com/weirhq/weir"
)

// The files of a state directory.
const (
	stateFile    = "state.json"    // what was learned
	secretFile   = "secret"        // keys fingerprints
	instanceFile = "instance.json" // the gateway that runs
	lockFile     = "lock"          // held by the gateway that may write
)

// maxState bounds the file of what was learned, in bytes: ten thousand lanes, each
// less than its 8 KiB, twice.
const maxState = 160 << 20

// DefaultStateDir is weir's directory below $XDG_STATE_HOME, or below
// ~/.local/state without it.
func DefaultStateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "weir"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no state directory: %w (name one with --state)", err)
	}
	return filepath.Join(home, ".local", "state", "weir"), nil
}

// A Store is a state directory. One process at a time may write it; others read.
type Store struct {
	dir    string
	lock   *flock.Flock
	owner  bool
	secret []byte
	token  string
	pid    int
}

// An Instance is a gateway that runs, as it says in its state directory.
type Instance struct {
	Address string    `json:"address"`
	PID     int       `json:"pid"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Token   string    `json:"token"`
	// Background tells that a run has started it, and that it ends by itself.
	Background bool `json:"background"`
}

// OpenStore opens a state directory, which it makes if need be, for the user's
// eyes only.
func OpenStore(dir string) (*Store, error) {
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("state directory: %w (--state names another)", err)
	}
	s := &Store{dir: dir, pid: os.Getpid(), lock: flock.New(filepath.Join(dir, lockFile))}
	var err error
	if s.owner, err = s.lock.TryLock(); err != nil {
		return nil, fmt.Errorf("state directory cannot be written: %w (--state names another)", err)
	}
	if s.secret, err = s.readSecret(); err != nil {
		s.lock.Close()
		return nil, fmt.Errorf("state directory: %w (--state names another)", err)
	}
	token := make([]byte, 24)
	rand.Read(token)
	s.token = hex.EncodeToString(token)
	return s, nil
}

// makeDir makes a state directory that only its user can read. One that is there
// already is made so only if it is empty or weir's own: others may have a reason
// to be open.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm() == 0o700 || runtime.GOOS == "windows" {
		return nil
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	own := func(f fs.DirEntry) bool {
		return slices.Contains([]string{stateFile, secretFile, lockFile, instanceFile, startLock, logFile}, f.Name())
	}
	if len(files) > 0 && !slices.ContainsFunc(files, own) {
		return fmt.Errorf("%s holds other files and is open to others (mode %o)", dir, info.Mode().Perm())
	}
	return os.Chmod(dir, 0o700)
}

// readSecret reads the key of fingerprints, or makes it.
func (s *Store) readSecret() ([]byte, error) {
	path := filepath.Join(s.dir, secretFile)
	text, err := os.ReadFile(path)
	if err == nil {
		if secret, err := hex.DecodeString(string(bytes.TrimSpace(text))); err == nil && len(secret) >= 16 {
			return secret, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	if !s.owner {
		return secret, nil // the owner is about to write one
	}
	return secret, s.write(secretFile, []byte(hex.EncodeToString(secret)+"\n"))
}

// Secret keys the fingerprints of credentials.
func (s *Store) Secret() []byte { return s.secret }

// Token lets its bearer change the gateway's state.
func (s *Store) Token() string { return s.token }

// ReadOnly tells that another process has the directory.
func (s *Store) ReadOnly() bool { return !s.owner }

// Load reads what was learned; nil if nothing was. A file that cannot be read is
// set aside, never deleted, and reported.
func (s *Store) Load() (*weir.State, error) {
	state, err := ReadState(s.dir)
	if errors.Is(err, errDamaged) {
		err = errors.Join(err, s.SetAside())
	}
	return state, err
}

// ReadState reads what was learned with a state directory, without taking it; nil if
// nothing was.
func ReadState(dir string) (*weir.State, error) {
	path := filepath.Join(dir, stateFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxState {
		return nil, fmt.Errorf("%s %w: it has %d bytes, more than weir ever writes", path, errDamaged, info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var state weir.State
	if err := json.Unmarshal(data, &state); err != nil {
		return nil, fmt.Errorf("%s %w: %w", path, errDamaged, err)
	}
	return &state, nil
}

// errDamaged marks a file of what was learned that must be set aside.
var errDamaged = errors.New("is damaged")

// SetAside renames the file of what was learned, so that it is kept.
func (s *Store) SetAside() error {
	if !s.owner {
		return nil
	}
	path := filepath.Join(s.dir, stateFile)
	return os.Rename(path, path+".damaged-"+time.Now().UTC().Format("20060102T150405.000"))
}

// Save writes what was learned.
func (s *Store) Save(state weir.State) error {
	if !s.owner {
		return nil
	}
	data, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return s.write(stateFile, data)
}

// Announce says where the gateway is.
func (s *Store) Announce(i Instance) error {
	if !s.owner {
		return nil
	}
	i.Token = s.token
	data, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	return s.write(instanceFile, data)
}

// write replaces a file as a whole: a reader sees the old or the new one.
func (s *Store) write(name string, data []byte) error {
	f, err := os.CreateTemp(s.dir, name+".tmp-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(s.dir, name))
}

// Close takes back what was announced and lets go of the directory.
func (s *Store) Close() error {
	if s.owner {
		if err := os.Remove(filepath.Join(s.dir, instanceFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, s.lock.Close())
		}
	}
	return s.lock.Close()
}

// Leave lets go of the directory for a successor, who announces itself.
func (s *Store) Leave() error { return s.lock.Close() }

// Resume opens what is closed, in the gateway that runs with a state directory
// or, if none does, in what it has kept. An empty lane means everything.
func Resume(ctx context.Context, dir, lane string) (opened int, err error) {
	err = settled(ctx, dir, func(i *Instance) (err error) {
		opened, err = i.Resume(ctx, lane)
		return err
	}, func(s *weir.State) (changed bool, err error) {
		opened = s.Resume(lane)
		return opened > 0, nil
	})
	return opened, err
}

// settled lets the gateway that runs with a state directory be told something or, if none
// does, what the last one has kept be changed.
func settled(ctx context.Context, dir string, running func(*Instance) error, kept func(*weir.State) (changed bool, err error)) error {
	s, err := OpenStore(dir)
	if err != nil {
		return err
	}
	defer s.Close()
	if s.ReadOnly() { // only then is what it announces not a dead gateway's
		i, err := findAsked(ctx, dir)
		if err != nil {
			return err
		}
		return running(i)
	}
	state, err := s.Load()
	if err != nil {
		return err
	}
	if state == nil {
		state = &weir.State{Version: weir.StateVersion}
	}
	if state.Version != weir.StateVersion {
		return fmt.Errorf("%s has version %d, and this weir knows %d", filepath.Join(dir, stateFile), state.Version, weir.StateVersion)
	}
	if changed, err := kept(state); err != nil || !changed {
		return err
	}
	return s.Save(*state)
}

// findAsked is [Find] where a process uses the state directory.
func findAsked(ctx context.Context, dir string) (*Instance, error) {
	i, err := Find(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("a process uses the state directory, but no gateway that could be asked: %w", err)
	}
	return i, nil
}
