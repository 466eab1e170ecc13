package daemon

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/proxy"
)

// tokenHeader carries the instance's token, as it does the users'.
const tokenHeader = proxy.TokenHeader

// The endpoints that change the gateway's state. Each takes a POST with a JSON
// object and the token that only the owner of the state directory can read; the first
// four take the page's token too.
const (
	resumePath  = "/weir/api/resume"
	pausePath   = "/weir/api/pause"
	limitPath   = "/weir/api/limit"
	cancelPath  = "/weir/api/cancel"     // of a request that waits
	learnedPath = "/weir/api/learned"    // takes what was measured of a lane
	flagPath    = "/weir/api/flagged"    // closes an account that the provider has flagged
	runsPath    = "/weir/api/runs"       // begins a run, or goes on with it
	leavePath   = "/weir/api/runs/leave" // ends one
	stopPath    = "/weir/api/stop"
	replacePath = "/weir/api/replace"
)

// control answers an endpoint that changes the state; false: there is none.
func (d *Daemon) control(w http.ResponseWriter, r *http.Request) bool {
	switch r.URL.Path {
	case resumePath:
		order(d, w, r, d.resume)
	case pausePath:
		order(d, w, r, d.hold)
	case limitPath:
		order(d, w, r, d.fix)
	case cancelPath:
		order(d, w, r, d.cancelRequest)
	case learnedPath:
		order(d, w, r, d.measured)
	case flagPath:
		order(d, w, r, d.flag)
	case runsPath:
		order(d, w, r, d.attend)
	case leavePath:
		order(d, w, r, d.leave)
	case stopPath:
		order(d, w, r, d.stop)
	case replacePath:
		order(d, w, r, d.replace)
	default:
		return false
	}
	return true
}

// order reads an order from its owner and carries it out.
func order[T any](d *Daemon, w http.ResponseWriter, r *http.Request, do func(http.ResponseWriter, *http.Request, T)) {
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		refuse(w, http.StatusMethodNotAllowed, "only POST is possible here")
		return
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		refuse(w, http.StatusUnsupportedMediaType, "the body must be application/json")
		return
	case !d.mayOrder(r):
		refuse(w, http.StatusForbidden, "the token is missing or wrong; weir's own commands and its page know it")
		return
	}
	var what T
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&what); err != nil {
		refuse(w, http.StatusBadRequest, "the body is not the object that belongs here: "+err.Error())
		return
	}
	do(w, r, what)
}

// mayOrder tells whether a request bears the token for what it orders.
func (d *Daemon) mayOrder(r *http.Request) bool {
	token := []byte(r.Header.Get(tokenHeader))
	owner := subtle.ConstantTimeCompare(token, []byte(d.store.Token())) == 1
	page := subtle.ConstantTimeCompare(token, []byte(d.pageToken())) == 1
	switch r.URL.Path {
	case resumePath, pausePath, limitPath, cancelPath:
		return owner || page
	}
	return owner
}

// refuse answers an order that is not carried out.
func refuse(w http.ResponseWriter, status int, why string) {
	reply(w, status, map[string]string{"error": why})
}

// resume opens what weir has closed.
func (d *Daemon) resume(w http.ResponseWriter, _ *http.Request, o resumeOrder) {
	reply(w, http.StatusOK, resumeResult{Opened: d.governor.Resume(o.Lane)})
}

type resumeOrder struct {
	Lane string `json:"lane"` // empty: everything
}

type resumeResult struct {
	Opened int `json:"opened"`
}

// measured lets a lane start from what was measured.
func (d *Daemon) measured(w http.ResponseWriter, _ *http.Request, m weir.Measurement) {
	if err := d.governor.Measured(m); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	reply(w, http.StatusOK, map[string]string{})
}

// flag closes an account that the provider has flagged.
func (d *Daemon) flag(w http.ResponseWriter, _ *http.Request, o flagOrder) {
	if err := d.governor.Flag(o.Account, o.Code, o.Hint); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	reply(w, http.StatusOK, map[string]string{})
}

// stop ends the gateway in good order. While runs live it takes force: they would
// start another one, and their tools lose the calls in between.
func (d *Daemon) stop(w http.ResponseWriter, _ *http.Request, o stopOrder) {
	if runs := d.runs.titles(); len(runs) > 0 && !o.Force {
		reply(w, http.StatusConflict, stopResult{Runs: runs})
		return
	}
	d.runs.dismiss()
	reply(w, http.StatusOK, stopResult{Stopping: true})
	d.end()
}

type stopOrder struct {
	Force bool `json:"force"`
}

type stopResult struct {
	Stopping bool     `json:"stopping"`
	Runs     []string `json:"runs,omitempty"` // that live
}
