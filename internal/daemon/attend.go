package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/semver"
)

// An Attendance is a run's place at the gateway, kept for as long as the run lives: if
// the gateway dies, another one is started in its place. Use [Attend], then
// [Attendance.Leave] once.
type Attendance struct {
	starter Starter
	info    RunInfo
	version string
	stop    context.CancelFunc
	kept    sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	gateway *Instance
	moved   chan struct{} // closed when there is another one
	earlier RunStats      // at gateways that have ended
	now     RunStats      // at this one, as last heard
}

// Attend finds or starts a gateway and tells it of a run. A gateway that runs by itself
// is replaced in time if it is of an older version than this one.
func Attend(ctx context.Context, s Starter, version string, info RunInfo) (*Attendance, error) {
	a := &Attendance{starter: s, info: info, version: version, moved: make(chan struct{})}
	keep, stop := context.WithCancel(context.WithoutCancel(ctx))
	stream, err := a.join(ctx, keep, "")
	if err != nil {
		stop()
		return nil, err
	}
	a.stop = stop
	a.kept.Go(func() { a.keep(keep, stream) })
	return a, nil
}

// ID returns the path element that names the run. It lets its bearer call.
func (a *Attendance) ID() string { return a.info.ID }

// Address returns the gateway's URL. The tool was given it, so a gateway that is
// started later has it too, if it can.
func (a *Attendance) Address() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.gateway.Address
}

// Leave ends the run and returns its counts, as far as they are known.
func (a *Attendance) Leave(ctx context.Context) RunStats {
	left, last := a.leave(ctx)
	a.stop()
	a.kept.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gateway != left || last.Calls < a.now.Calls {
		last = a.now // it died, or knows of nothing
	}
	return a.earlier.Plus(last)
}

// leave takes leave of the gateway. If that is gone, the next one may have heard of the
// run already, so it is waited for, for a moment.
func (a *Attendance) leave(ctx context.Context) (left *Instance, last RunStats) {
	const moment = time.Second
	ctx, cancel := context.WithTimeout(ctx, moment)
	defer cancel()
	for {
		a.mu.Lock()
		left = a.gateway
		moved := a.moved
		a.mu.Unlock()
		last = RunStats{}
		if left.order(ctx, leavePath, leaveOrder{ID: a.info.ID}, &last) == nil {
			return left, last
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return left, RunStats{}
		}
	}
}

// join tells a gateway of the run. The stream lives with the context keep.
func (a *Attendance) join(ctx, keep context.Context, prefer string) (io.ReadCloser, error) {
	const patience = 3 // a gateway may end just as it is found
	var err error
	for range patience {
		var i *Instance
		if i, err = a.starter.Get(ctx, prefer); err != nil {
			return nil, err
		}
		var stream io.ReadCloser
		if stream, err = a.joinAt(keep, i); err == nil {
			a.mu.Lock()
			a.gateway, a.earlier, a.now = i, a.earlier.Plus(a.now), RunStats{}
			close(a.moved)
			a.moved = make(chan struct{})
			a.mu.Unlock()
			a.renew(ctx, i)
			return stream, nil
		}
	}
	return nil, err
}

func (a *Attendance) joinAt(keep context.Context, i *Instance) (io.ReadCloser, error) {
	req, err := i.request(keep, runsPath, a.info)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("the gateway at %s cannot be reached: %w", i.Address, errors.Unwrap(err))
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return nil, refusal(resp.Status, text)
	}
	dec := json.NewDecoder(resp.Body)
	var first runLine
	if err := dec.Decode(&first); err != nil || first.ID == "" {
		resp.Body.Close()
		return nil, fmt.Errorf("the gateway at %s broke off", i.Address)
	}
	if a.info.ID == "" {
		a.info.ID = first.ID
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(dec.Buffered(), resp.Body), resp.Body}, nil
}

// renew lets this version take over from an older one.
func (a *Attendance) renew(ctx context.Context, i *Instance) {
	if i.Background && newer(a.version, i.Version) {
		_ = i.Replace(ctx, a.starter.Program) // else the older one goes on
	}
}

// newer tells whether one version is newer than another. Builds without a version are
// neither.
func newer(a, b string) bool {
	return semver.IsValid(a) && semver.IsValid(b) && semver.Compare(a, b) > 0
}

// keep hears what the gateway says, and starts another one if it ends, until the
// context does.
func (a *Attendance) keep(ctx context.Context, stream io.ReadCloser) {
	const longest = 5 * time.Second
	pause := 50 * time.Millisecond
	for {
		if stream != nil && a.hear(stream) {
			return // its user has ended it
		}
		if ctx.Err() != nil {
			return
		}
		before := a.Address()
		var err error
		if stream, err = a.join(ctx, ctx, strings.TrimPrefix(before, "http://")); err == nil {
			if now := a.Address(); now != before && a.starter.Say != nil {
				a.starter.Say(fmt.Sprintf("the gateway had to move from %s to %s: what this tool sends is lost until it is started again", before, now))
			}
			pause = 50 * time.Millisecond
			continue
		}
		stream = nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longest)
	}
}

// hear reads what the gateway says until it ends; true: because its user said so.
func (a *Attendance) hear(stream io.ReadCloser) bool {
	defer stream.Close()
	dec := json.NewDecoder(stream)
	for {
		var line runLine
		if dec.Decode(&line) != nil {
			return false
		}
		if line.Stats != nil {
			a.mu.Lock()
			a.now = *line.Stats
			a.mu.Unlock()
		}
		if line.Stop {
			return true
		}
	}
}
