package daemon

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/dashboard"
	"github.com/weirhq/weir/internal/evidence"
	"github.com/weirhq/weir/internal/journal"
	"github.com/weirhq/weir/proxy"
)

// State is what /weir/api/state shows.
type State struct {
	Version   string         `json:"version"`
	PID       int            `json:"pid"`
	Started   time.Time      `json:"started"`
	Listen    string         `json:"listen"`
	Upstream  string         `json:"upstream"`
	Persisted bool           `json:"persisted"`         // what is learned is kept
	Notes     []string       `json:"notes"`             // what is not as it should be, for people
	Runs      []string       `json:"runs"`              // of tools, that live: "opencode in ~/shop"
	Journal   *journal.Stats `json:"journal,omitempty"` // its rows since the start; nil: none is kept
	weir.Snapshot
}

// ServeHTTP gives weir's own endpoints their due and everything else to the
// proxy.
func (d *Daemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if !strings.HasPrefix(path, "/weir/") && path != "/weir" && path != "/metrics" && path != "/healthz" && path != "/readyz" {
		d.serving.begin()
		defer d.serving.end(time.Now)
		d.now.Load().proxy.ServeHTTP(w, r)
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	now := d.now.Load()
	if err := now.guard.Check(r); err != nil {
		refuse(w, http.StatusForbidden, err.Error())
		return
	}
	if !isHere(r) && !now.access.Bears(r) && path != "/healthz" && path != "/readyz" {
		refuse(w, http.StatusUnauthorized, "from other machines a token is needed, in X-Weir-Token")
		return
	}
	if d.control(w, r) {
		return
	}
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "only GET and HEAD are possible here")
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
	case path == "/weir":
		http.Redirect(w, r, dashboard.Path, http.StatusMovedPermanently)
	case d.dashboard.Serve(w, r):
	default:
		refuse(w, http.StatusNotFound, "weir has nothing here; its page is at /weir/, its state at /weir/api/state")
	}
}

// isHere tells that a request comes from this machine. One that a program here passes
// on for others does not.
func isHere(r *http.Request) bool {
	for _, name := range [...]string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	return proxy.IsLocal(r)
}

func (d *Daemon) state() State {
	s := State{
		Version: d.cfg.Version, PID: d.store.pid, Started: d.started, Listen: d.Addr(),
		Upstream: d.Upstreams(), Persisted: !d.store.ReadOnly() && !d.unsaved.Load(), Notes: d.notes(), Runs: d.runs.titles(), Snapshot: d.governor.Snapshot(),
	}
	if d.journal != nil {
		stats := d.journal.Stats()
		s.Journal = &stats
	}
	return s
}

// notes says what is not kept, for people.
func (d *Daemon) notes() []string {
	all := []string{}
	switch {
	case d.store.ReadOnly():
		all = append(all, "another weir uses the state directory: what is learned here is not kept, and no journal is")
	case d.unsaved.Load():
		all = append(all, "what is learned cannot be written: the log says why")
	}
	stats := d.journal.Stats()
	if stats.Failing {
		all = append(all, "the journal cannot be written: the log says why")
	}
	if stats.Lost > 0 {
		all = append(all, "the journal lacks "+evidence.Count(int(stats.Lost), "row"))
	}
	return all
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // the client may have gone
}
