package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"time"

	"github.com/weirhq/weir/internal/dashboard"
)

// Stop ends the gateway in good order. While runs live it does so only with force;
// their titles come back if it does not.
func (i *Instance) Stop(ctx context.Context, force bool) (runs []string, err error) {
	var result stopResult
	err = i.order(ctx, stopPath, stopOrder{Force: force}, &result)
	if err != nil && len(result.Runs) > 0 {
		return result.Runs, nil
	}
	return nil, err
}

// Gone waits until the gateway has let go of its state directory.
func (i *Instance) Gone(ctx context.Context, dir string) error {
	const every = 20 * time.Millisecond
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		now, err := readInstance(dir)
		if errors.Is(err, fs.ErrNotExist) || err == nil && now.Token != i.Token {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the gateway (process %d) still lets calls finish: %w", i.PID, ctx.Err())
		case <-ticker.C:
		}
	}
}

// Replace lets another program take over, as soon as no call is under way.
func (i *Instance) Replace(ctx context.Context, program string) error {
	return i.order(ctx, replacePath, replaceOrder{Program: program}, nil)
}

// State returns what the gateway shows of itself.
func (i *Instance) State(ctx context.Context) (*State, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.Address+"/weir/api/state", nil)
	if err != nil {
		return nil, err
	}
	var s State
	if err := i.do(req, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// order gives an order and reads what came of it, also of one that was refused.
func (i *Instance) order(ctx context.Context, path string, what, result any) error {
	req, err := i.request(ctx, path, what)
	if err != nil {
		return err
	}
	return i.do(req, result)
}

func (i *Instance) request(ctx context.Context, path string, what any) (*http.Request, error) {
	body, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.Address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(tokenHeader, i.Token)
	return req, nil
}

func (i *Instance) do(req *http.Request, result any) error {
	client := localClient()
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("the gateway at %s cannot be reached: %w", i.Address, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	const most = 64 << 20 // of a state with all lanes that there can be
	text, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return fmt.Errorf("the gateway at %s broke off: %w", i.Address, err)
	}
	if result != nil {
		if err := json.Unmarshal(text, result); err != nil {
			return fmt.Errorf("the gateway at %s answered nothing that could be read (%s): %w", i.Address, resp.Status, err)
		}
	}
	if resp.StatusCode >= 300 {
		return refusal(resp.Status, text)
	}
	return nil
}

// refusal tells why an order was refused.
func refusal(status string, text []byte) error {
	var why struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &why) == nil && why.Error != "" {
		return fmt.Errorf("the gateway answered %s: %s", status, why.Error)
	}
	return fmt.Errorf("the gateway answered %s", status)
}

// Hold lets nothing start in a lane or account until it is resumed.
func (i *Instance) Hold(ctx context.Context, lane string) error {
	return i.order(ctx, pausePath, laneOrder{Lane: lane}, nil)
}

// Resume opens what is closed or held: the lane or account of that name, or everything
// if it is empty. It returns how much that was.
func (i *Instance) Resume(ctx context.Context, lane string) (int, error) {
	var result resumeResult
	err := i.order(ctx, resumePath, resumeOrder{Lane: lane}, &result)
	return result.Opened, err
}

// Fix fixes the limit of a lane or account; 0 lets it be learned again.
func (i *Instance) Fix(ctx context.Context, lane string, limit int) error {
	return i.order(ctx, limitPath, limitOrder{Lane: lane, Limit: limit}, nil)
}

// Cancel ends a request that waits.
func (i *Instance) Cancel(ctx context.Context, id string) error {
	return i.order(ctx, cancelPath, cancelOrder{ID: id}, nil)
}

// Watch yields what the gateway does, at most once a second and when something has
// changed; [dashboard.View.Done] has those that have ended since the view before. After
// an error, which tells that the connection is lost, it ends.
func (i *Instance) Watch(ctx context.Context) iter.Seq2[*dashboard.View, error] {
	return func(yield func(*dashboard.View, error) bool) {
		client := localClient()
		defer client.CloseIdleConnections()
		if err := dashboard.Watch(ctx, client, i.Address, func(v *dashboard.View) bool { return yield(v, nil) }); err != nil {
			yield(nil, fmt.Errorf("the gateway at %s cannot be watched: %w", i.Address, err))
		}
	}
}
