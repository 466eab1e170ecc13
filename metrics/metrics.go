// Package metrics shows a governor and its proxy to Prometheus.
package metrics

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
	"github.com/weirhq/weir/provider"
)

// maxLanes bounds the values of the label lane, which come from outside: it shows
// so many lanes and so many accounts. Later lanes are counted together as "other",
// without a limit, which would be nobody's; later accounts are not shown.
const maxLanes = 200

// Metrics counts what happens and reads the state when it is scraped. It is a
// [weir.Observer]. Its methods may be called concurrently. Use [New].
type Metrics struct {
	snapshot func() weir.Snapshot
	registry *prometheus.Registry

	attempts     *prometheus.CounterVec
	requests     *prometheus.CounterVec
	limitChanges *prometheus.CounterVec
	merged       prometheus.Counter
	cut          prometheus.Counter
	queueWait    prometheus.Histogram
	firstByte    prometheus.Histogram
	duration     prometheus.Histogram

	inFlight, queued, retrying, limit, paused *prometheus.Desc
}

var (
	_ weir.Observer        = (*Metrics)(nil)
	_ prometheus.Collector = (*Metrics)(nil)
)

// Journal shows how many rows a journal has written and lost since the start, which it
// asks for at each scrape. It is called once, before the first scrape.
func (m *Metrics) Journal(rows func() (written, lost int64)) {
	m.registry.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "weir_journal_rows_total", Help: "Rows that the journal has written."}, func() float64 {
			written, _ := rows()
			return float64(written)
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "weir_journal_lost_rows_total", Help: "Rows that the journal could not write."}, func() float64 {
			_, lost := rows()
			return float64(lost)
		}),
	)
}

// New returns metrics that read the governor's state through snapshot, which is
// called at each scrape.
func New(snapshot func() weir.Snapshot) *Metrics {
	seconds := []float64{.005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}
	lane := []string{"lane"}
	m := &Metrics{
		snapshot:     snapshot,
		registry:     prometheus.NewRegistry(),
		attempts:     counter("weir_attempts_total", "Attempts by what their outcome means.", "verdict"),
		requests:     counter("weir_requests_total", "Requests by how they ended.", "outcome"),
		limitChanges: counter("weir_limit_changes_total", "Changes of a limit by reason.", "reason"),
		merged:       prometheus.NewCounter(prometheus.CounterOpts{Name: "weir_merged_frames_total", Help: "Stream frames of the provider that were merged into others."}),
		cut:          prometheus.NewCounter(prometheus.CounterOpts{Name: "weir_cut_answers_total", Help: "Answers that broke off, or whose client went away, before their end."}),
		queueWait:    histogram("weir_queue_wait_seconds", "Time from a request's arrival to its first admission.", seconds),
		firstByte:    histogram("weir_time_to_first_byte_seconds", "Time from a request's arrival to the first byte of its answer.", seconds),
		duration:     histogram("weir_attempt_duration_seconds", "Length of attempts.", seconds),
		inFlight:     prometheus.NewDesc("weir_in_flight", "Attempts that hold a slot.", lane, nil),
		queued:       prometheus.NewDesc("weir_queued", "Requests that wait, those to be retried included.", lane, nil),
		retrying:     prometheus.NewDesc("weir_retrying", "Requests that wait to be retried.", lane, nil),
		limit:        prometheus.NewDesc("weir_limit", "Attempts that may be in flight.", lane, nil),
		paused:       prometheus.NewDesc("weir_paused", "1 while nothing may start in the lane.", lane, nil),
	}
	// What is known beforehand is there from the first scrape on, at 0: a rate
	// over a counter that appears at 1 misses the first.
	for k := provider.Unknown; k <= provider.Transport; k++ {
		m.attempts.WithLabelValues(k.String())
	}
	for _, why := range []limit.Reason{limit.ProbeAccepted, limit.RefusedAgain, limit.LevelFailing} {
		m.limitChanges.WithLabelValues(string(why))
	}
	m.registry.MustRegister(m, m.attempts, m.requests, m.limitChanges, m.merged, m.cut, m.queueWait, m.firstByte, m.duration,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Observe implements [weir.Observer].
func (m *Metrics) Observe(ev weir.Event) {
	switch ev.Kind {
	case pool.Admitted:
		if ev.Attempt == 1 {
			m.queueWait.Observe(ev.Waited.Seconds())
		}
	case pool.Accepted, pool.Refused:
		m.attempts.WithLabelValues(ev.Verdict.String()).Inc()
	case pool.LimitChanged:
		m.limitChanges.WithLabelValues(ev.Reason).Inc()
	case pool.Released:
		m.duration.Observe(ev.Took.Seconds())
	}
}

// A Request is what is counted of a request at its end.
type Request struct {
	Outcome   string        // how it ended, of a small set
	FirstByte time.Duration // from its arrival to the first byte of its answer; zero: there was none
	Merged    int           // frames of its stream that were merged into others
	Cut       bool          // its answer broke off, or its client went away, before the end
}

// Request counts a request at its end.
func (m *Metrics) Request(r Request) {
	m.requests.WithLabelValues(r.Outcome).Inc()
	if r.FirstByte > 0 {
		m.firstByte.Observe(r.FirstByte.Seconds())
	}
	m.merged.Add(float64(r.Merged))
	if r.Cut {
		m.cut.Inc()
	}
}

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.inFlight, m.queued, m.retrying, m.limit, m.paused} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int, lane string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), strings.ToValidUTF8(lane, "\uFFFD"))
	}
	n := 0
	var other pool.LaneSnapshot
	for i, a := range m.snapshot().Accounts {
		if i < maxLanes {
			gauge(m.limit, a.Limit, a.Account)
		}
		for _, l := range a.Lanes {
			if n++; n > maxLanes {
				other.InFlight += l.InFlight
				other.Queued += l.Queued
				other.Retrying += l.Retrying
				continue
			}
			gauge(m.inFlight, l.InFlight, l.Lane)
			gauge(m.queued, l.Queued, l.Lane)
			gauge(m.retrying, l.Retrying, l.Lane)
			gauge(m.limit, l.Limit, l.Lane)
			gauge(m.paused, truth(l.Paused != nil || l.Closed != nil || l.Held != nil || a.Flagged != nil), l.Lane)
		}
	}
	if n > maxLanes {
		gauge(m.inFlight, other.InFlight, "other")
		gauge(m.queued, other.Queued, "other")
		gauge(m.retrying, other.Retrying, "other")
	}
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func counter(name, help, label string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
}
