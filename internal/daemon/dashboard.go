package daemon

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/dashboard"
	"github.com/weirhq/weir/internal/evidence"
	"github.com/weirhq/weir/internal/journal"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/proxy"
)

// newDashboard makes what shows the gateway to people.
func (d *Daemon) newDashboard() *dashboard.Server {
	return dashboard.New(dashboard.Config{
		About: func() dashboard.View {
			return dashboard.View{
				Version: d.cfg.Version, Listen: d.Addr(), Upstream: d.Upstreams(), PID: os.Getpid(), Started: d.started, Draining: d.draining.Load(),
				Notes: d.notes(),
			}
		},
		Snapshot: func() weir.Snapshot { return d.governor.Snapshot() },
		LimitOf:  func(lane string) int { return d.governor.LimitOf(lane) },
		Open:     d.openRequests, Token: d.pageToken(),
	})
}

// pageToken is the page's own: it is good for its buttons only, so it tells nothing of
// the owner's.
func (d *Daemon) pageToken() string {
	mac := hmac.New(sha256.New, []byte(d.store.Token()))
	mac.Write([]byte("page"))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// openRequests are those that wait or run, for people.
func (d *Daemon) openRequests() []dashboard.Request {
	open, now := d.now.Load().proxy.Open(), time.Now()
	all := make([]dashboard.Request, len(open))
	for i, o := range open {
		all[i] = underway(o, now)
	}
	return all
}

// underway is a request that has not ended, for people.
func underway(o proxy.Open, now time.Time) dashboard.Request {
	r := dashboard.Request{
		ID: o.ID, State: dashboard.Running, Lane: o.Lane, Model: modelOf(o.Lane), Session: o.Session, Who: o.Caller, Tool: o.Tool,
		Class: o.Class.String(), Start: o.Start, Waited: o.Waited, Place: o.Ahead + 1, InFlight: o.Level, Tries: o.Attempts,
		Verdict: kindName(o.Last.Kind, len(o.Verdicts) > 0), Code: o.Last.Code, ProviderID: o.Last.RequestID, Attempts: attemptsOf(o.Verdicts, o.Tries),
	}
	if o.Ahead < 0 {
		return r
	}
	r.State = dashboard.Waiting
	since := o.Start
	if o.Attempts > 0 {
		r.State, since = dashboard.Retrying, now
		if n := len(o.Tries); n == o.Attempts && !o.Tries[n-1].End.IsZero() {
			since = o.Tries[n-1].End
		}
	}
	r.Waited += max(0, now.Sub(since))
	return r
}

// ended is a request at its end, for people.
func ended(r proxy.Record) dashboard.Request {
	end := r.End
	return dashboard.Request{
		ID: r.ID, State: dashboard.Done, Lane: r.Lane, Model: modelOf(r.Lane), Session: r.Session, Who: r.Caller, Tool: r.Tool,
		Class: r.Class.String(), Start: r.Start, End: &end, Waited: r.Waited, FirstByte: r.FirstByte, InFlight: r.Level, Tries: r.Attempts,
		Verdict: kindName(r.Last.Kind, len(r.Verdicts) > 0), Code: r.Last.Code, ProviderID: r.Last.RequestID,
		Status: r.Status, Outcome: r.Outcome(), Bytes: r.Sent, Attempts: attemptsOf(r.Verdicts, r.Tries),
	}
}

func attemptsOf(verdicts []provider.Kind, tries []weir.Attempt) []dashboard.Attempt {
	var all []dashboard.Attempt
	for i, t := range tries {
		a := dashboard.Attempt{Start: t.Start, InFlight: t.Level, Verdict: kindName(t.Kind, i < len(verdicts)), Code: t.Code, ProviderID: t.RequestID}
		if !t.End.IsZero() {
			end := t.End
			a.End = &end
		}
		all = append(all, a)
	}
	return all
}

// modelOf is the last part of a lane's name, which may have slashes itself.
func modelOf(lane string) string {
	parts := strings.SplitN(lane, "/", 3) // provider, account, model
	if len(parts) < 3 {
		return lane
	}
	return parts[2]
}

// fillHistory lets the page show the day before the gateway began, as far as the
// journal knows it.
func (d *Daemon) fillHistory() {
	path, since := filepath.Join(d.cfg.State, journal.File), d.started.Add(-24*time.Hour)
	d.dashboard.Fill(func(ctx context.Context) iter.Seq[dashboard.Past] {
		return func(yield func(dashboard.Past) bool) {
			r, err := journal.Read(path)
			if err != nil {
				return // there is none yet, or its writer says what is wrong with it
			}
			defer r.Close()
			for row, err := range r.Rows(ctx, since) {
				if err != nil {
					d.log.Debug("the page's history is not whole", "error", err)
					return
				}
				req, ok := row.(journal.Request)
				if !ok || req.Lane == "" || !req.Start.Before(d.started) { // what comes now is seen
					continue
				}
				if !yield(pastOf(req)) {
					return
				}
			}
		}
	})
}

// pastOf is what the history needs of a journal's row.
func pastOf(r journal.Request) dashboard.Past {
	p := dashboard.Past{Lane: r.Lane}
	from := r.Start
	for _, a := range r.Attempts {
		p.Queued = append(p.Queued, evidence.Span{From: from, To: a.Start})
		end := a.End
		if end.IsZero() {
			end = r.End
		}
		p.Running = append(p.Running, evidence.Span{From: a.Start, To: end})
		if dashboard.IsRefusal(a.Verdict) {
			p.Refused = append(p.Refused, end)
		}
		from = end
	}
	if r.Tries == 0 { // it waited in vain
		p.Queued = append(p.Queued, evidence.Span{From: r.Start, To: r.End})
	}
	return p
}

// The orders that the page may give too.

func (d *Daemon) hold(w http.ResponseWriter, _ *http.Request, o laneOrder) {
	if !d.governor.Hold(o.Lane) {
		refuse(w, http.StatusNotFound, "there is no such lane or account; /weir/api/state shows the names")
		return
	}
	reply(w, http.StatusOK, struct{}{})
}

type laneOrder struct {
	Lane string `json:"lane"` // or account
}

func (d *Daemon) fix(w http.ResponseWriter, _ *http.Request, o limitOrder) {
	switch {
	case o.Limit < 0 || o.Limit > pool.MaxFixed:
		refuse(w, http.StatusBadRequest, "the limit must be from 1 to 1000, or 0 to let it be learned again")
	case !d.governor.Fix(o.Lane, o.Limit):
		refuse(w, http.StatusNotFound, "there is no such lane or account; /weir/api/state shows the names")
	default:
		reply(w, http.StatusOK, struct{}{})
	}
}

type limitOrder struct {
	Lane  string `json:"lane"`  // or account
	Limit int    `json:"limit"` // 0: it is learned
}

func (d *Daemon) cancelRequest(w http.ResponseWriter, _ *http.Request, o cancelOrder) {
	if !d.now.Load().proxy.Cancel(o.ID) {
		refuse(w, http.StatusNotFound, "no such request waits: it runs, or it has ended")
		return
	}
	reply(w, http.StatusOK, struct{}{})
}

type cancelOrder struct {
	ID string `json:"id"`
}
