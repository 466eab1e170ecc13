package daemon

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/weirhq/weir"
)

// State is what /weir/api/state shows.
type State struct {
	Version   string    `json:"version"`
	PID       int       `json:"pid"`
	Started   time.Time `json:"started"`
	Listen    string    `json:"listen"`
	Upstream  string    `json:"upstream"`
	Persisted bool      `json:"persisted"` // what is learned is kept
	weir.Snapshot
}

// ServeHTTP gives weir's own endpoints their due and everything else to the
// proxy.
func (d *Daemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if !strings.HasPrefix(path, "/weir/") && path != "/metrics" && path != "/healthz" && path != "/readyz" {
		d.proxy.ServeHTTP(w, r)
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if err := d.guard.Check(r); err != nil {
		reply(w, http.StatusForbidden, map[string]string{"error": err.Error()})
		return
	}
	switch {
	case path == "/weir/api/resume":
		d.resume(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		reply(w, http.StatusMethodNotAllowed, map[string]string{"error": "only GET and HEAD are possible here"})
	case path == "/healthz":
		reply(w, http.StatusOK, map[string]string{"status": "ok"})
	case path == "/readyz" && d.draining.Load():
		reply(w, http.StatusServiceUnavailable, map[string]string{"status": "draining"})
	case path == "/readyz":
		reply(w, http.StatusOK, map[string]string{"status": "ready"})
	case path == provePath:
		d.prove(w, r)
	case path == "/metrics":
		d.metrics.Handler().ServeHTTP(w, r)
	case path == "/weir/api/state":
		reply(w, http.StatusOK, d.state())
	default:
		reply(w, http.StatusNotFound, map[string]string{"error": "weir has nothing here; its state is at /weir/api/state"})
	}
}

func (d *Daemon) state() State {
	return State{
		Version: d.cfg.Version, PID: d.store.pid, Started: d.started, Listen: d.Addr(),
		Upstream: d.Upstreams(), Persisted: !d.store.ReadOnly(), Snapshot: d.governor.Snapshot(),
	}
}

// resume opens what weir has closed. It takes the token that only the owner of
// the state directory can read.
func (d *Daemon) resume(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		reply(w, http.StatusMethodNotAllowed, map[string]string{"error": "only POST is possible here"})
		return
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		reply(w, http.StatusUnsupportedMediaType, map[string]string{"error": "the body must be application/json"})
		return
	case subtle.ConstantTimeCompare([]byte(r.Header.Get(tokenHeader)), []byte(d.store.Token())) != 1:
		reply(w, http.StatusForbidden, map[string]string{"error": "the token is missing or wrong; `weir resume` knows it"})
		return
	}
	var order resumeOrder
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&order); err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": "the body must be an object with the member lane"})
		return
	}
	reply(w, http.StatusOK, resumeResult{Opened: d.governor.Resume(order.Lane)})
}

// tokenHeader carries the instance's token.
const tokenHeader = "X-Weir-Token"

type resumeOrder struct {
	Lane string `json:"lane"` // empty: everything
}

type resumeResult struct {
	Opened int `json:"opened"`
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // the client may have gone
}
