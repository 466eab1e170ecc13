package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/weirhq/weir/sse"
)

// silence is how long a stream may say nothing before it counts as lost.
const silence = 3 * beatEvery

// errSilent says that a stream has stopped without an end.
var errSilent = errors.New("it has said nothing for a while")

// Watch hands on the views of the gateway at an address, http://host:port, until one is
// not wanted any more, which is no error, or the stream ends.
func Watch(ctx context.Context, client *http.Client, address string, next func(*View) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer patience.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+eventsPath, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept-Encoding", "identity") // it is on this machine: packing would only cost time
	resp, err := client.Do(req)
	if err != nil {
		return cause(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered %s", resp.Status)
	}
	var frames sse.Framer
	buf := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			patience.Reset(silence)
			frames.Write(buf[:n])
		}
		for {
			ev, ok := frames.Next()
			if !ok {
				break
			}
			if string(ev.Name) != "view" {
				continue
			}
			var v View
			if err := json.Unmarshal(ev.Data, &v); err != nil {
				return fmt.Errorf("what it says cannot be read: %w", err)
			}
			if !next(&v) {
				return nil
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return errors.New("it has ended")
		case err != nil:
			return cause(ctx, err)
		}
	}
}

// cause is why a read failed, as far as it is known here.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
