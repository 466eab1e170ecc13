package daemon

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir/provider"
	"github.com/weirhq/weir/proxy"
)

// A RunInfo says what a run is.
type RunInfo struct {
	ID    string `json:"id,omitempty"` // of a run that a gateway has begun before; empty: a new one
	Title string `json:"title"`        // for people: "opencode in ~/shop"
	Tool  string `json:"tool"`         // by its name in the table of tools; empty: none of them
	PID   int    `json:"pid"`          // of the process that attends it
}

// RunStats are the calls of a run since it joined this gateway.
type RunStats struct {
	Calls    int           `json:"calls"`
	Failed   int           `json:"failed"`   // that ended in an error, the client's own hang-ups aside
	Absorbed int           `json:"absorbed"` // refusals of the provider that the tool never saw
	Waited   time.Duration `json:"waited"`   // for admission, all calls together; nanoseconds
	Limit    int           `json:"limit"`    // of the lane used last; 0: none was
	Learned  bool          `json:"learned"`  // that limit was not set by the user
}

// Plus adds what was counted elsewhere; of the limit the later word counts.
func (s RunStats) Plus(later RunStats) RunStats {
	s.Calls += later.Calls
	s.Failed += later.Failed
	s.Absorbed += later.Absorbed
	s.Waited += later.Waited
	if later.Limit > 0 {
		s.Limit, s.Learned = later.Limit, later.Learned
	}
	return s
}

// A runLine is what the gateway tells a run while it lives, a line each.
type runLine struct {
	ID    string    `json:"id,omitempty"` // the first one
	Stats *RunStats `json:"stats,omitempty"`
	Stop  bool      `json:"stop,omitempty"` // it goes down because its user said so
}

// runs are those that live. Their names can be told from made-up ones without a
// list, so that a tool's calls go on when the gateway has been restarted.
type runs struct {
	key []byte // of the names

	mu   sync.Mutex // guards the fields below
	live map[string]*liveRun
	lost map[string]*liveRun // whose gateway has ended, and who have not come here yet
	over map[string]bool     // that have left: their names are good for nothing
	left time.Time           // when the last one left
	gone chan struct{}       // closed when all are told that the gateway goes down
	stop bool                // because its user said so
}

// A liveRun is one run of a tool.
type liveRun struct {
	title   string
	tool    string
	open    int // calls under way
	stats   RunStats
	lane    string        // used last
	settled chan struct{} // closed when no call is under way; nil: nobody waits
}

func newRuns(secret []byte) *runs {
	return &runs{key: secret, live: map[string]*liveRun{}, lost: map[string]*liveRun{}, over: map[string]bool{}, gone: make(chan struct{})}
}

// A run's name is "~" and 16 bytes in hexadecimal: random ones, and a keyed hash of
// these.
const runBytes = 8

func (rs *runs) newID() string {
	random := make([]byte, runBytes)
	rand.Read(random)
	return "~" + hex.EncodeToString(append(random, rs.mac(random)...))
}

func (rs *runs) mac(random []byte) []byte {
	mac := hmac.New(sha256.New, rs.key)
	mac.Write([]byte("run\n"))
	mac.Write(random)
	return mac.Sum(nil)[:runBytes]
}

// genuine tells whether a name was given by a gateway of this state directory.
func (rs *runs) genuine(id string) bool {
	raw, err := hex.DecodeString(strings.TrimPrefix(id, "~"))
	return err == nil && id != "" && id[0] == '~' && len(raw) == 2*runBytes && hmac.Equal(raw[runBytes:], rs.mac(raw[:runBytes]))
}

// join adds a run; false: the gateway goes down, or the name is made up.
func (rs *runs) join(info RunInfo) (string, bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	select {
	case <-rs.gone:
		return "", false
	default:
	}
	id := info.ID
	if id == "" {
		id = rs.newID()
	} else if !rs.genuine(id) {
		return "", false
	}
	if rs.live[id] == nil {
		run := rs.lost[id]
		if run == nil {
			run = &liveRun{}
		}
		delete(rs.lost, id)
		delete(rs.over, id)
		rs.live[id] = run
	}
	rs.live[id].title, rs.live[id].tool = info.Title, info.Tool
	return id, true
}

// leave removes a run once its calls have ended, for which it waits a moment: a tool
// that has exited has hung up, and the counts follow.
func (rs *runs) leave(ctx context.Context, id string) (RunStats, string) {
	const moment = 300 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, moment)
	defer cancel()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	run := rs.live[id]
	if run == nil {
		return RunStats{}, ""
	}
	if run.open > 0 {
		settled := make(chan struct{})
		run.settled = settled
		rs.mu.Unlock()
		select {
		case <-settled:
		case <-ctx.Done():
		}
		rs.mu.Lock()
		run.settled = nil
	}
	delete(rs.live, id)
	if len(rs.over) >= maxRemembered {
		clear(rs.over)
	}
	rs.over[id] = true
	rs.left = time.Now()
	return run.stats, run.lane
}

// none tells that no run lives, lastLeft when the last one left.
func (rs *runs) none() bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return len(rs.live) == 0
}

func (rs *runs) lastLeft() time.Time {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.left
}

// call begins one call of a run and returns who calls.
func (rs *runs) call(id string) (proxy.Caller, bool) {
	if !rs.genuine(id) {
		return proxy.Caller{}, false
	}
	sum := sha256.Sum256([]byte(id)) // the name itself lets its bearer call
	c := proxy.Caller{Session: "run " + hex.EncodeToString(sum[:4])}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.over[id] {
		return c, true
	}
	c.Trusted = true
	run := rs.live[id]
	if run == nil { // of before a restart: whose it is will be told again
		run = rs.expect(id)
	}
	c.Title, c.Tool = run.title, run.tool
	run.open++
	c.Done = func(r proxy.Record) { rs.ended(run, r) }
	return c, true
}

// maxRemembered bounds the runs that are remembered without being there.
const maxRemembered = 1000

// expect keeps the counts of a run that has not come here yet.
func (rs *runs) expect(id string) *liveRun {
	run := rs.lost[id]
	if run == nil {
		if len(rs.lost) >= maxRemembered {
			clear(rs.lost)
		}
		run = &liveRun{}
		rs.lost[id] = run
	}
	return run
}

// ended counts a call.
func (rs *runs) ended(run *liveRun, r proxy.Record) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if run.open--; run.open == 0 && run.settled != nil {
		close(run.settled)
		run.settled = nil
	}
	if r.Lane == "" {
		return // a greeting
	}
	run.lane = r.Lane
	s := &run.stats
	s.Calls++
	s.Waited += r.Waited
	if outcome := r.Outcome(); outcome != "ok" && outcome != "left" {
		s.Failed++
	}
	for i, v := range r.Verdicts {
		refused := v == provider.Concurrency || v == provider.Frequency || v == provider.Throttled || v == provider.Overload
		if refused && (i < len(r.Verdicts)-1 || r.Outcome() == "ok") {
			s.Absorbed++
		}
	}
}

// stats returns a run's counts and the lane that it used last.
func (rs *runs) stats(id string) (RunStats, string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if run := rs.live[id]; run != nil {
		return run.stats, run.lane
	}
	return RunStats{}, ""
}

// titles names the runs that live.
func (rs *runs) titles() []string {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	titles := []string{}
	for _, run := range rs.live {
		titles = append(titles, run.title)
	}
	slices.Sort(titles)
	return titles
}

// dismiss tells all runs that the gateway goes down because its user said so.
func (rs *runs) dismiss() { rs.tell(true) }

// release lets go of all runs; they look for another gateway.
func (rs *runs) release() { rs.tell(false) }

func (rs *runs) tell(stop bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	select {
	case <-rs.gone:
	default:
		rs.stop = stop
		close(rs.gone)
	}
}

// stopped tells whether the gateway goes down because its user said so.
func (rs *runs) stopped() bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.stop
}
