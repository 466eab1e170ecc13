package dashboard

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/chart"
	"github.com/weirhq/weir/internal/evidence"
)

// The server's places, beside the page's own files.
const (
	Path         = "/weir/"
	eventsPath   = "/weir/api/events"
	requestsPath = "/weir/api/requests"
	historyPath  = "/weir/api/history"
)

//go:embed page
var files embed.FS

// policy lets the page have only what comes from the gateway itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Serve answers a GET or HEAD request for the page or its data; false: it is for neither.
// Who may ask is the caller's to check.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request) bool {
	switch r.URL.Path {
	case Path:
		s.page(w)
	case "/weir/page.js":
		s.file(w, r, "page/page.js", "text/javascript; charset=utf-8")
	case "/weir/page.css":
		s.file(w, r, "page/page.css", "text/css; charset=utf-8")
	case "/weir/icon.svg":
		s.file(w, r, "page/icon.svg", "image/svg+xml")
	case "/weir/chart.css":
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write([]byte(chart.CSS)) // the client may have gone
	case eventsPath:
		s.events(w, r)
	case requestsPath:
		s.requests(w, r)
	case historyPath:
		s.past(w, r)
	default:
		return false
	}
	return true
}

func (s *Server) file(w http.ResponseWriter, r *http.Request, name, kind string) {
	w.Header().Set("Content-Type", kind)
	http.ServeFileFS(w, r, files, name)
}

// page writes the page with its token. What it shows comes later.
func (s *Server) page(w http.ResponseWriter) {
	text, err := files.ReadFile("page/index.html")
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	_, _ = w.Write(bytes.Replace(text, []byte("{{token}}"), []byte(template.HTMLEscapeString(s.cfg.Token)), 1)) // the client may have gone
}

// How often a stream says something, and at least.
const (
	viewEvery = time.Second
	beatEvery = 5 * time.Second
)

// patience is how long a stream waits for one who does not read, such as a program that
// was suspended: a gateway that goes down waits for its streams.
const patience = 5 * time.Second

// events streams views: "view" when something has changed, at most once a second, and
// "beat" to show that the connection lives. Each view has the requests that have ended
// since the one before.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	if r.Method == http.MethodHead {
		return
	}
	wire := http.NewResponseController(w)
	defer func() { _ = wire.SetWriteDeadline(time.Time{}) }() // the connection may serve on
	out := pack(w, r)
	defer func() { _ = out.Close() }() // the client may have gone
	ticker := time.NewTicker(viewEvery)
	defer ticker.Stop()
	var seen uint64
	view, last := new(bytes.Buffer), new(bytes.Buffer)
	said := time.Time{}
	for closing := false; ; {
		v := s.shared(maxAge)
		seen = v.conclude(s.since(seen))
		view.Reset()
		view.WriteString("event: view\ndata: ")
		if err := json.NewEncoder(view).Encode(v); err != nil {
			return
		}
		view.WriteByte('\n') // the encoder has ended the line
		now := s.cfg.Now()
		var frame []byte
		switch {
		case !bytes.Equal(rest(view.Bytes()), rest(last.Bytes())) || closing:
			frame = view.Bytes()
			view, last = last, view
		case now.Sub(said) >= beatEvery:
			frame = []byte("event: beat\ndata: {}\n\n")
		}
		if frame != nil {
			_ = wire.SetWriteDeadline(time.Now().Add(patience)) // not all writers have one
			if _, err := out.Write(frame); err != nil {
				return
			}
			if out.Flush() != nil {
				return
			}
			said = now
		}
		if closing {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		case <-s.life.Done():
			closing = true
		}
	}
}

// rest is a view after its first field, the moment.
func rest(data []byte) []byte {
	_, after, _ := bytes.Cut(data, []byte(","))
	return after
}

// requests answers with the requests that wait, run and have ended, filtered by the
// query's lane, session and verdict.
func (s *Server) requests(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for name := range q {
		if !slices.Contains([]string{"lane", "session", "verdict"}, name) {
			fail(w, http.StatusBadRequest, "requests are filtered by lane, session and verdict, not by "+strconv.Quote(name))
			return
		}
	}
	matches := func(r Request) bool {
		is := func(name, value string) bool { return q.Get(name) == "" || q.Get(name) == value }
		return is("lane", r.Lane) && is("session", r.Session) && is("verdict", r.Verdict)
	}
	v := s.View()
	answer(w, r, map[string]any{
		"at": v.At, "waiting": keep(v.Waiting, matches), "running": keep(v.Active, matches), "done": keep(v.Done, matches),
		"more_waiting": v.MoreWaiting, "more_running": v.MoreActive,
	})
}

// keep returns those that match, in a list of their own.
func keep(all []Request, matches func(Request) bool) []Request {
	kept := []Request{}
	for _, r := range all {
		if matches(r) {
			kept = append(kept, r)
		}
	}
	return kept
}

// A picture is what the page shows of a lane.
type picture struct {
	Period  string   `json:"period"`
	Lane    string   `json:"lane"` // empty: all
	Bucket  float64  `json:"bucket_s"`
	Columns []Column `json:"columns"`
	SVG     string   `json:"svg"`
	Levels  string   `json:"levels"`     // lane whose level curve is shown; empty: none
	Curve   string   `json:"levels_svg"` // that curve
}

// past answers with the pictures of a lane, or of all, and the numbers behind them.
func (s *Server) past(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	name, lane := q.Get("period"), q.Get("lane")
	periods := Periods()
	if name == "" {
		name = periods[0].Name
	}
	i := slices.IndexFunc(periods, func(p Period) bool { return p.Name == name })
	if i < 0 {
		fail(w, http.StatusBadRequest, "period must be 5m, 1h or 24h")
		return
	}
	p, now := periods[i], s.cfg.Now()
	pic := picture{Period: p.Name, Lane: lane, Bucket: p.Bucket.Seconds(), Columns: s.history.columns(now, lane, p)}
	if pic.Columns == nil {
		pic.Columns = []Column{}
	}
	what := "all models"
	if lane != "" {
		what = lane
	}
	pic.SVG = chart.Staircase(course(pic.Columns, now, p), chart.Options{
		Title: "In flight and queued over the last " + spoken(p), Desc: what, Width: width(q.Get("width")), Zone: s.cfg.Zone,
	})
	if pic.Levels = q.Get("levels"); pic.Levels == "" {
		pic.Levels = lane
	}
	pic.Curve = s.levels(pic.Levels, width(q.Get("levels_width")))
	answer(w, r, pic)
}

// width reads how wide a picture shall be.
func width(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return min(max(n, 320), 2000)
}

func spoken(p Period) string {
	return map[string]string{"5m": "5 minutes", "1h": "hour", "24h": "24 hours"}[p.Name]
}

// levels draws the level curve of a lane; empty: there is no such lane.
func (s *Server) levels(lane string, width int) string {
	v := s.shared(slowAge)
	for _, l := range v.Lanes {
		if l.Lane != lane {
			continue
		}
		var curve evidence.Curve
		for _, level := range l.Curve {
			curve = append(curve, level.Level)
		}
		return chart.Levels(curve, chart.Options{Title: "Share refused by level in flight", Desc: l.Verdict, Width: width})
	}
	return ""
}

func answer(w http.ResponseWriter, r *http.Request, v any) {
	w.Header().Set("Content-Type", "application/json")
	out := pack(w, r)
	_ = errors.Join(json.NewEncoder(out).Encode(v), out.Close()) // the client may have gone
}

func fail(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": strings.TrimSpace(why)}) // the client may have gone
}
