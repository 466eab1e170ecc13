package daemon

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// Why [Find] has nothing to return.
var (
	// ErrNoGateway says that no gateway runs with a state directory.
	ErrNoGateway = errors.New("no gateway runs")
	// ErrStranger says so too, and why: its address is another program's now.
	ErrStranger = errors.New("another program listens where it was")
)

// Find returns the gateway that runs with a state directory, after it has proved
// that it is the one that the directory speaks of: a port that a dead gateway had may
// be a stranger's now. Without one the error is [ErrNoGateway], and
// [ErrStranger] beside it where that is the reason.
func Find(ctx context.Context, dir string) (*Instance, error) {
	i, err := readInstance(dir)
	for err == nil {
		if err = i.prove(ctx, dir); !errors.Is(err, ErrStranger) {
			break
		}
		// A successor may have taken over since the file was read.
		again, readErr := readInstance(dir)
		if readErr != nil || again.Token == i.Token {
			break
		}
		i, err = again, nil
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrNoGateway
	case err != nil:
		return nil, err
	}
	return i, nil
}

// errMute says that nobody has answered.
var errMute = errors.New("it does not answer")

// prove challenges a gateway. One that takes long has the directory's lock, or is none.
func (i *Instance) prove(ctx context.Context, dir string) error {
	const soon, late = time.Second, 10 * time.Second
	err := i.challenge(ctx, soon)
	switch {
	case !errors.Is(err, errMute) || ctx.Err() != nil:
		return err
	case isFree(dir):
		return fmt.Errorf("%w: %w (%s)", ErrNoGateway, ErrStranger, i.Address)
	}
	return i.challenge(ctx, late)
}

// isFree tells whether no gateway has a state directory. It takes the lock for a moment,
// so it is not for the usual case.
func isFree(dir string) bool {
	lock := flock.New(filepath.Join(dir, lockFile))
	defer lock.Close()
	got, err := lock.TryLock()
	return got && err == nil
}

// challenge lets a gateway prove that it is the one that it is taken for.
func (i *Instance) challenge(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errMute)
	defer cancel()
	nonce := make([]byte, 16)
	rand.Read(nonce)
	challenge := hex.EncodeToString(nonce)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.Address+provePath, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", instanceFile, err)
	}
	req.Header.Set(challengeHeader, challenge)
	client := localClient()
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		if errors.Is(context.Cause(req.Context()), errMute) {
			return fmt.Errorf("the gateway at %s (process %d): %w", i.Address, i.PID, errMute)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the gateway at %s does not answer: %w", i.Address, err)
		}
		return ErrNoGateway // killed: it could not take its word back
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return err
	}
	if !hmac.Equal(answer, []byte(proof(i.Token, i.Address, challenge))) {
		return fmt.Errorf("%w: %w (%s)", ErrNoGateway, ErrStranger, i.Address)
	}
	return nil
}

// readInstance reads which gateway a state directory speaks of.
func readInstance(dir string) (*Instance, error) {
	file := filepath.Join(dir, instanceFile)
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var i Instance
	if err := json.Unmarshal(data, &i); err != nil || i.Address == "" {
		return nil, fmt.Errorf("%w: %s is damaged, and the next one will replace it", ErrNoGateway, file)
	}
	return &i, nil
}

// localClient asks programs of this machine, so it takes no proxy. Its idle
// connections are to be closed.
func localClient() *http.Client { return &http.Client{Transport: &http.Transport{}} }

// A gateway proves whose it is by a keyed hash of a challenge, with the token that
// only the owner of its state directory can read. Its address is in it, so that
// nobody else can pass the challenge on and the proof back.
const (
	provePath       = "/weir/api/prove"
	challengeHeader = "X-Weir-Challenge"
)

func proof(token, address, challenge string) string {
	mac := hmac.New(sha256.New, []byte(token))
	io.WriteString(mac, address+"\n"+challenge)
	return hex.EncodeToString(mac.Sum(nil))
}

// prove answers a challenge.
func (d *Daemon) prove(w http.ResponseWriter, r *http.Request) {
	challenge := r.Header.Get(challengeHeader)
	if len(challenge) < 16 || len(challenge) > 128 {
		refuse(w, http.StatusBadRequest, challengeHeader+" must have 16 to 128 characters")
		return
	}
	io.WriteString(w, proof(d.store.Token(), d.URL(), challenge))
}
