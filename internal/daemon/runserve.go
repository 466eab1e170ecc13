package daemon

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/weirhq/weir/limit"
)

// statsEvery is how often a run hears of its counts, so that little is lost with a
// gateway that is killed.
const statsEvery = time.Second

// attend keeps a connection to a run for as long as both live: each sees by it that
// the other is gone.
func (d *Daemon) attend(w http.ResponseWriter, r *http.Request, info RunInfo) {
	id, ok := d.runs.join(info)
	if !ok {
		refuse(w, http.StatusServiceUnavailable, "the gateway goes down, or the run is not of this state directory")
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	flush := http.NewResponseController(w).Flush
	tell := func(line runLine) bool { return enc.Encode(line) == nil && flush() == nil }
	if !tell(runLine{ID: id}) {
		return
	}
	ticker := time.NewTicker(statsEvery)
	defer ticker.Stop()
	told := RunStats{}
	for {
		select {
		case <-r.Context().Done():
			d.runs.leave(context.Background(), id)
			return
		case <-d.runs.gone:
			s := d.runStats(d.runs.stats(id))
			tell(runLine{Stats: &s, Stop: d.runs.stopped()})
			return
		case <-ticker.C:
			now, lane := d.runs.stats(id)
			if now == told {
				continue
			}
			told = now
			s := d.runStats(now, lane)
			if !tell(runLine{Stats: &s}) {
				return
			}
		}
	}
}

// leave ends a run and answers with its counts.
func (d *Daemon) leave(w http.ResponseWriter, r *http.Request, o leaveOrder) {
	stats := d.runStats(d.runs.leave(r.Context(), o.ID))
	d.journal.Hurry() // whoever ran a tool may want to read of it now
	reply(w, http.StatusOK, stats)
}

type leaveOrder struct {
	ID string `json:"id"`
}

// fixes tells whether a lane's limit is the user's.
func (cfg *Config) fixes(account, model string) bool {
	lim := cfg.Limit
	if cfg.LimitOf != nil {
		name, _, _ := strings.Cut(account, "/")
		if own, ok := cfg.LimitOf(name, model); ok {
			lim = own
		}
	}
	return isFixed(lim)
}

func isFixed(c limit.Config) bool { return c.Min > 0 && c.Min == c.Max }

// runStats adds the limit of the lane that a run used last.
func (d *Daemon) runStats(s RunStats, lane string) RunStats {
	if lane == "" {
		return s
	}
	cfg := &d.now.Load().cfg
	for _, account := range d.governor.Snapshot().Accounts {
		for _, l := range account.Lanes {
			if l.Lane == lane {
				s.Limit, s.Learned = l.Limit, !cfg.fixes(account.Account, l.Model)
				if account.Limit < l.Limit {
					s.Limit, s.Learned = account.Limit, !isFixed(cfg.Limit)
				}
			}
		}
	}
	return s
}
