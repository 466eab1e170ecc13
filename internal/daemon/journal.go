package daemon

import (
	"path/filepath"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/journal"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/proxy"
)

// openJournal begins the journal; nil: another gateway has the state directory, and
// keeps its own.
func (d *Daemon) openJournal() *journal.Journal {
	if !observed {
		return nil
	}
	if d.store.ReadOnly() {
		d.log.Warn("no journal is kept: another weir uses the state directory", "state", d.cfg.State)
		return nil
	}
	return journal.Open(filepath.Join(d.cfg.State, journal.File), journal.Options{
		Age: d.cfg.Retention.Age, Size: d.cfg.Retention.Size, Log: d.log,
	})
}

// eventJournal keeps what happens to lanes; requests come as a whole.
type eventJournal struct{ journal *journal.Journal }

var _ weir.Observer = (*eventJournal)(nil)

// Observe implements [weir.Observer].
func (j *eventJournal) Observe(ev weir.Event) {
	switch ev.Kind {
	case pool.LimitChanged, pool.Paused, pool.Closed, pool.Opened:
		j.journal.Add(journal.Change{
			At: ev.At, Kind: string(ev.Kind), Lane: ev.Lane, Limit: ev.Limit, Level: ev.Level, Reason: ev.Reason, Why: ev.Why,
			Verdict: kindName(ev.Verdict, (ev.Kind == pool.Paused || ev.Kind == pool.Closed) && ev.Reason != pool.ReasonByHand), Code: ev.Code, Until: ev.Until,
		})
	}
}

// journalRow is a request as the journal has it.
func journalRow(r proxy.Record) journal.Request {
	row := journal.Request{
		ID: r.ID, Lane: r.Lane, Session: r.Session, Tool: r.Tool, Class: r.Class.String(), Dialect: string(r.Dialect),
		Start: r.Start, Admitted: r.Admitted, End: r.End, Waited: r.Waited, FirstByte: r.FirstByte, InFlight: r.Level,
		Tries: r.TraceInfo.Attempts, Verdict: kindName(r.Last.Kind, len(r.Verdicts) > 0), Code: r.Last.Code, ProviderID: r.Last.RequestID,
		Status: r.Status, Outcome: r.Outcome(), Bytes: r.Sent, KeptAlive: r.KeptAlive,
	}
	if len(r.Tries) > 0 {
		row.Attempts = make([]journal.Attempt, len(r.Tries))
	}
	for i, a := range r.Tries {
		judged := i < len(r.Verdicts)
		row.Attempts[i] = journal.Attempt{
			Start: a.Start, End: a.End, InFlight: a.Level, Verdict: kindName(a.Kind, judged), Code: a.Code, ProviderID: a.RequestID,
		}
	}
	return row
}

// kindName names a verdict; empty: there is none.
func kindName(k provider.Kind, judged bool) string {
	if !judged {
		return ""
	}
	return k.String()
}
