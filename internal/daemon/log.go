package daemon

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/metrics"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/proxy"
)

// eventLog writes what happens to lanes; requests have a line of their own.
type eventLog struct{ log *slog.Logger }

var _ weir.Observer = (*eventLog)(nil)

// Observe implements [weir.Observer].
func (l *eventLog) Observe(ev weir.Event) {
	switch ev.Kind {
	case pool.LimitChanged:
		l.log.Info("limit", "lane", ev.Lane, "limit", ev.Limit, "reason", ev.Reason, "why", ev.Why)
	case pool.Refused:
		l.log.Debug("refused", "id", ev.Request, "lane", ev.Lane, "verdict", ev.Verdict, "code", ev.Code, "provider_id", ev.RequestID, "level", ev.Level, "attempt", ev.Attempt)
	case pool.Closed:
		l.log.Warn("closed", "lane", ev.Lane, "verdict", ev.Verdict, "code", ev.Code, "until", ev.Until)
	case pool.Paused:
		if ev.Reason == pool.ReasonByHand {
			l.log.Info("paused by hand", "lane", ev.Lane)
		}
	case pool.Opened:
		l.log.Info("open again", "lane", ev.Lane, "after", ev.Reason)
	}
}

// record writes a request's line, counts it and keeps it in the journal.
func (d *Daemon) record(r proxy.Record) {
	if observed {
		d.metrics.Request(metrics.Request{Outcome: r.Outcome(), FirstByte: r.FirstByte, Merged: r.Merged, Cut: r.Cut})
	}
	if r.Attempts == 0 && r.Error == "" && r.Lane == "" {
		return // a greeting
	}
	if observed {
		d.journal.Add(journalRow(r))
		d.dashboard.Ended(ended(r))
	}
	verdicts := make([]string, len(r.Verdicts))
	for i, v := range r.Verdicts {
		verdicts[i] = v.String()
	}
	attrs := []slog.Attr{
		slog.String("id", r.ID),
		slog.String("lane", r.Lane),
		slog.String("session", r.Session),
		slog.String("class", r.Class.String()),
		slog.Time("start", r.Start.Round(0)),
		slog.Time("end", r.End.Round(0)),
		slog.String("waited", r.Waited.Round(time.Microsecond).String()),
		slog.Int("attempts", r.Attempts),
		slog.String("verdicts", strings.Join(verdicts, ",")),
		slog.Int("in_flight", r.Level),
		slog.Int("status", r.Status),
		slog.Int64("bytes", r.Sent),
		slog.String("outcome", r.Outcome()),
	}
	if !r.Admitted.IsZero() {
		attrs = append(attrs, slog.Time("admitted", r.Admitted))
	}
	if r.Last.Code != "" {
		attrs = append(attrs, slog.String("code", r.Last.Code))
	}
	if r.Last.RequestID != "" {
		attrs = append(attrs, slog.String("provider_id", r.Last.RequestID))
	}
	if r.Merged > 0 {
		attrs = append(attrs, slog.Int("merged_frames", r.Merged))
	}
	d.log.LogAttrs(context.Background(), slog.LevelInfo, "request", attrs...)
}
