package daemon

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Files of a state directory that belong to gateways in the background.
const (
	startLock = "start.lock" // held by who starts one
	logFile   = "gateway.log"
)

// maxLog is the size in bytes from which on a log is set aside when a gateway starts.
const maxLog = 8 << 20

// A Starter finds the gateway of a state directory, or starts one in the background.
type Starter struct {
	Dir     string   // the state directory
	Program string   // weir's own, by its absolute path
	Env     []string // NAME=VALUE that it is started with; see [CleanEnv]
	// Say hears what the user should know, in one line; nil: nobody.
	Say func(string)
}

// Get returns the gateway that runs, after it has proved whose it is, or starts one:
// just one, if several processes try at the same time. It tries the address prefer
// first, if there is one.
func (s Starter) Get(ctx context.Context, prefer string) (*Instance, error) {
	i, err := Find(ctx, s.Dir)
	if !errors.Is(err, ErrNoGateway) {
		return i, err
	}
	if err := makeDir(s.Dir); err != nil {
		return nil, fmt.Errorf("state directory: %w (--state names another)", err)
	}
	lock := flock.New(filepath.Join(s.Dir, startLock))
	const retry = 5 * time.Millisecond
	if _, err := lock.TryLockContext(ctx, retry); err != nil {
		return nil, fmt.Errorf("no gateway could be started: %w", err)
	}
	defer lock.Close()
	i, err = Find(ctx, s.Dir)
	if !errors.Is(err, ErrNoGateway) {
		return i, err
	}
	return s.start(ctx, prefer)
}

func (s Starter) start(ctx context.Context, prefer string) (*Instance, error) {
	if dead, err := readInstance(s.Dir); err == nil && prefer == "" {
		prefer = strings.TrimPrefix(dead.Address, "http://") // tools may still call there
	}
	began, err := launch(ctx, launchOrder{Program: s.Program, Dir: s.Dir, Env: s.Env, Prefer: prefer})
	if err != nil {
		return nil, fmt.Errorf("no gateway could be started: %w", err)
	}
	if began.Taken != "" && s.Say != nil {
		s.Say(fmt.Sprintf("%s; the gateway listens on %s", began.Taken, began.Address))
	}
	return Find(ctx, s.Dir)
}

// A Ready is what a gateway in the background says, in a line of JSON on its standard
// output, when it serves or cannot.
type Ready struct {
	Address string `json:"address,omitempty"`
	Taken   string `json:"taken,omitempty"` // who has the address that it would have had
	Error   string `json:"error,omitempty"`
}

// launchOrder says how to launch a gateway.
type launchOrder struct {
	Program  string
	Dir      string
	Env      []string
	Prefer   string   // address
	Listener *os.File // to serve on; nil: it opens its own
}

// launch starts a gateway in the background, without a terminal, in the state
// directory, and waits until it serves.
func launch(ctx context.Context, o launchOrder) (Ready, error) {
	log, err := openLog(o.Dir)
	if err != nil {
		return Ready{}, err
	}
	defer log.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return Ready{}, err
	}
	defer read.Close()
	args := []string{"serve", "--background", "--state", o.Dir}
	if o.Prefer != "" {
		args = append(args, "--prefer", o.Prefer)
	}
	c := exec.Command(o.Program, args...)
	c.Dir, c.Env, c.Stdout, c.Stderr = o.Dir, o.Env, write, log
	if o.Listener != nil {
		c.Args = append(c.Args, "--inherit")
		c.ExtraFiles = []*os.File{o.Listener}
	}
	detach(c)
	err = c.Start()
	write.Close()
	if err != nil {
		return Ready{}, err
	}
	go c.Wait() // it outlives this process, or is buried by it
	return await(ctx, read, c)
}

// await reads the first word of a gateway.
func await(ctx context.Context, from *os.File, c *exec.Cmd) (Ready, error) {
	stop := context.AfterFunc(ctx, func() { from.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	line, err := bufio.NewReader(io.LimitReader(from, 64<<10)).ReadBytes('\n')
	if ctx.Err() != nil {
		return Ready{}, fmt.Errorf("process %d does not serve: %w", c.Process.Pid, ctx.Err())
	}
	var r Ready
	if err != nil || json.Unmarshal(line, &r) != nil {
		return Ready{}, fmt.Errorf("%s ended before it served; %s may say why", filepath.Base(c.Path), filepath.Join(c.Dir, logFile))
	}
	if r.Error != "" {
		return Ready{}, errors.New(r.Error)
	}
	return r, nil
}

// openLog opens the log of gateways in the background, for the user's eyes only. One
// that has grown large is set aside.
func openLog(dir string) (*os.File, error) {
	path := filepath.Join(dir, logFile)
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
}

// CleanEnv returns the variables that a gateway in the background needs: who and where
// the user is, how the network is reached, and those that keep names. What else is in
// a shell's environment, keys above all, is not for a process that outlives it.
func CleanEnv(env []string, keep func(name string) bool) []string {
	var clean []string
	for _, e := range env {
		name, _, ok := strings.Cut(e, "=")
		if ok && (ordinary(name) || keep != nil && keep(name)) {
			clean = append(clean, e)
		}
	}
	return clean
}

func ordinary(name string) bool {
	upper := strings.ToUpper(name)
	for _, prefix := range []string{"LC_", "XDG_", "OTEL_"} {
		if strings.HasPrefix(upper, prefix) {
			return upper != "OTEL_EXPORTER_OTLP_HEADERS"
		}
	}
	switch upper {
	case "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"GODEBUG", "GOMAXPROCS", "GOMEMLIMIT", "GOCOVERDIR",
		"SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PATHEXT", "COMSPEC":
		return true
	}
	return false
}
