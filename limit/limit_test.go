package limit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/limit"
)

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// Each script is a story of attempts, named by a letter:
//
//	?a       somebody waits: a starts if it may
//	+a       a is accepted
//	-a       a is refused and leaves its slot; -a:5s with a hint
//	!a       the same, because starts come too often
//	/a       a's answer has ended
//	xa       a's client left
//	oa       a was never sent
//	~1s      time passes
//	=        how many are stable?
//	$        how many tokens are left, and how long is the pause after the next refused probe?
//	#        how long is the lag after an answer, after a hang-up, and the space between starts?
//	>        when is the next probe due?
//
// The log has a letter for each start (with ^ for a probe), a dot for each that
// must wait (and for how long, if the learner knows), and the answers. Jitter is in
// its middle throughout.
func TestLearner(t *testing.T) {
	// Three accepted attempts, of which the last has just ended after 20 s: a rest
	// is 5 s.
	const three = "?a ~1s +a ?b ~1s +b ?c ~1s +c ~19s /c "
	tests := []struct {
		name   string
		cfg    limit.Config
		script string
		log    string
	}{
		// Climbing.
		{"nothing is probed before the level is accepted", limit.Config{}, "?a ~1s ?b +a ?b", "a . b^"},
		{"it climbs a level with each first byte", limit.Config{}, "?a ~1s +a ?b ~1s +b ?c ~1s +c ?d ~1s +d =", "a b^ c^ d^ =4"},
		{"one probe at a time", limit.Config{}, "?a ~1s +a ?b ~1s /a ?c ~3s ?c +b ?c", "a b^ .19s .16s c"},
		{"nothing starts two above the level", limit.Config{}, "?a ~1s +a ?b ~1s ?c ~60s ?c", "a b^ . ."},
		{"a probe without a verdict for 20 s stops being one", limit.Config{}, "?a ~1s +a ?b ~19s /a ?c ~1s ?c ~10s ?c", "a b^ .1s .10s c^"},
		{"a verdict that comes late may still raise the limit", limit.Config{}, "?a ~1s +a ?b ~21s /a ?c +b =", "a b^ .10s =2"},
		{"a probe whose client left frees the probe", limit.Config{}, "?a ~1s +a ?b ~1s xb ?c", "a b^ c^"},
		{"it ends at the highest level", limit.Config{Max: 2}, "?a ~1s +a ?b ~1s +b ?c ~1m ?c =", "a b^ . . =2"},

		// The budget.
		{"a refused probe costs a token and doubles the pause", limit.Config{}, "$ ?a ~1s +a ?b ~200ms -b = $", "$2.000/10s a b^ =1 $1.009/20s"},
		{"the next probe waits for the pause, then another token is gone", limit.Config{}, "?a ~1s +a ?b ~200ms -b ~1s ?c ~9s ?c ~200ms -c $", "a b^ .9s c^ $0.009/40s"},
		{"without a token nothing is probed", limit.Config{}, "?a ~1s +a ?b -b ~10s ?c -c ~1h ?d ~1h ?d", "a b^ c^ . ."},
		{"111 accepted starts earn a token", limit.Config{}, "?a ~1s +a ?b -b ~10s ?c -c /a " + strings.Repeat("~1s ?a +a /a ", 110) + "~1s ?a ~1h ?d +a ?d", "a b^ c^ " + strings.Repeat("a ", 111) + ". d^"},
		{"an accepted probe makes the next pause short again", limit.Config{}, "?a ~1s +a ?b ~200ms -b ~10s ?c ~1s +c $ ~1s ?d", "a b^ c^ $1.018/10s d^"},
		{"a repeated probe waits for a calm moment", limit.Config{}, "?a ~1s +a ?b -b ~8s /a ?c +c ~3s ?d ~2s ?d", "a b^ c .1.5s d^"},
		{"but for half a minute at most", limit.Config{}, "?a ~1s +a ?b -b ~8s " + strings.Repeat("xa ?a +a ~2s ?c ", 16), "a b^ " + strings.Repeat("a .3s ", 14) + "a .2s a c^"},
		{"a probe that was punished with a hint is not repeated for fifty times its length", limit.Config{}, "?a ~1s +a ?b -b:10s ~11s ?c ~8m ?c ~19s ?c", "a b^ .8m19s .19s c^"},

		// Retests.
		{"a refusal is not believed", limit.Config{Start: 3}, three + "?d -d =", "a b c d =3"},
		{"the refused level is tried again at a calm moment", limit.Config{Start: 3}, three + "?d -d ~1s ?e ~4s ?e", "a b c d .4s e"},
		{"accepted: time was the cure", limit.Config{Start: 3}, three + "?d -d ~5s ?e +e = /e ?f", "a b c d e =3 f"},
		{"refused again: the limit falls below the refused level", limit.Config{Start: 3}, three + "?d -d ~5s ?e -e = $", "a b c d e =2 $2.027/10s"},
		{"lower levels go on meanwhile", limit.Config{Start: 3}, three + "?d -d /b ~1s ?e +e ?f", "a b c d e .5s"},
		{"a lower level's acceptance cures nothing", limit.Config{Start: 3}, three + "?d -d /b ~1s ?e +e ~5s ?f -f =", "a b c d e f =2"},
		{"after four rests the retest waits for calm no longer", limit.Config{Start: 3}, three + "?d -d " + strings.Repeat("/b ~4s ?b +b ?e ", 5), "a b c d b .5s b .5s b .5s b .4s b e"},
		{"one retest at a time, calm or not", limit.Config{Start: 3}, three + "/a /b ?d ?e -e " + strings.Repeat("xd ~4s ?d +d ", 5) + "?f ?g ~1s ?g", "a b c d e d d d d d f .5s .4s"},
		{"a retest without a verdict makes way for another", limit.Config{Start: 3}, three + "?d -d ~5s ?e ~1s xe ?f ~5s ?f", "a b c d e .5s f"},
		{"a doubt without a second verdict is dropped after a minute", limit.Config{Start: 3}, three + "?d -d ~61s ?e -e =", "a b c d e =3"},
		{"within the minute it counts", limit.Config{Start: 3}, three + "?d -d ~59s ?e -e =", "a b c d e =2"},

		// Cuts.
		{"further refusals cut below themselves at once", limit.Config{Start: 3}, three + "?d -d ~5s ?e -e = /b ~1s ?f -f =", "a b c d e =2 f =1"},
		{"an acceptance below ends the doubt: the cut stands", limit.Config{Start: 3}, three + "?d -d ~5s ?e -e = /b ~1s ?f +f /f ~1s ?g -g =", "a b c d e =2 f g =2"},
		{"after a cut nothing is probed for 10 s, nor before the new level is accepted", limit.Config{Start: 3}, three + "?d -d ~5s ?e -e /b ~1s ?f ~8s +f ?g ~1s ?g", "a b c d e f .1s g^"},
		{"one wave is one refusal", limit.Config{Start: 3}, three + "/a /b ?d ?e ?f +d -f -e =", "a b c d e f =3"},
		{"a wave's lowest level is the one that is tried again", limit.Config{Start: 3}, three + "/a /b ?d ?e ?f +d -f -e ~5s ?g -g =", "a b c d e f g =1"},
		{"a wave's probe costs no token", limit.Config{}, "?a ~1s +a ?b ~1s +b /b ?b ~1s ?c ~200ms -b -c $", "a b^ b c^ $2.018/10s"},
		{"a level that is refused again and again is cut without a retest", limit.Config{Start: 3}, three + strings.Repeat("?d -d ~5s ?e +e /e ~6s ", 3) + "= $ ?f -f = $", "a b c d e d e d e =3 $2.054/10s f =2 $1.054/10s"},
		{"at the lowest level nothing is given up", limit.Config{Min: 3, Start: 3}, three + "?d -d ~5s ?e -e ~5s ?f -f =", "a b c d e f =3"},
		{"a fixed limit never moves", limit.Config{Min: 3, Max: 3}, three + "?d +d ~1m ?e -d ~5s ?e -e ~5s ?f -f =", "a b c d . e f =3"},

		{"nothing is probed while a level is in doubt", limit.Config{Start: 3}, three + "?d -d ~5s ?e ~6s ?f +e ?f", "a b c d e . f^"},
		{"a start from before a cut does not prove the lower level", limit.Config{Start: 3}, three + "/b ?b ~1s ?d -d ~5s ?e -e +b ~61s ?f =", "a b c b d e . =2"},
		{"a start from before the refusal cures nothing", limit.Config{Start: 3}, three + "/b ?b ~30ms ?d -b +d ~5s ?e -e =", "a b c b d e =1"},
		{"a start that another may have overtaken counts above it", limit.Config{Start: 3}, three + "/b ?d ?e -d +e ~5s ?f -f =", "a b c d e f =2"},
		{"one that was well ahead does not", limit.Config{Start: 3}, three + "/b ?d ~30ms ?e -d +e ~5s ?f -f =", "a b c d e f =1"},
		{"a wave's lowest level is in doubt at once", limit.Config{Start: 3}, three + "/a /b ?d ~30ms ?e ~30ms ?f +d -f -e ~1s ?g", "a b c d e f .4s"},
		{"after a cut the next probe waits for a calm moment", limit.Config{Start: 3}, three + "?d -d ~5s ?e -e /b ~1s ?f +f ~8s xa ?g ~1s ?h", "a b c d e f g .4s"},
		{"a forgotten probe that ends does not free another", limit.Config{}, "?a ~1s +a ?b ~21s /a ?c ~10s ?c ~1s xb ?d", "a b^ .10s c^ .19s"},
		{"a forgotten probe that is accepted does not lower the limit", limit.Config{}, "?a ~1s +a ?b ~21s /a ?c ~10s ?c ~1s +c ?d ~1s +d +b =", "a b^ .10s c^ d^ =3"},

		// Gates.
		{"a hint shuts the lane", limit.Config{Start: 3}, three + "?d -d:8s ~1s ?e /a /b ?e ~7250ms ?e", "a b c d .7.25s .7.25s e"},
		{"a short hint is kept, too", limit.Config{Start: 3}, three + "?d -d:100ms ?e xa xb ~150ms ?e ~250ms ?e", "a b c d .400ms .250ms e"},
		{"alone at the provider the least pause is half a second", limit.Config{}, "?a -a ?b ~625ms ?b", "a .625ms b"},
		{"each further refusal in a row shuts it for twice as long", limit.Config{}, "?a -a ~1s ?b -b ?c ~1s ?c -c ?d ~2s ?d -d ?e ~4s ?e -e ?f", "a b .1s c .2s d .4s e .8s"},
		{"but for a minute at most", limit.Config{}, strings.Repeat("?a -a ~60s ", 12) + "?a -a ?b", strings.Repeat("a ", 13) + ".1m0s"},
		{"an acceptance ends the row", limit.Config{}, "?a -a ~1s ?b -b ~1s ?c +c /c ?d -d ?e", "a b c d .625ms"},
		{"the acceptance of an earlier start does not", limit.Config{Start: 2}, "?a ~1s ?b -b +a /a ?c ~400ms ?c", "a b .400ms c"},
		{"after a refusal starts are 0.4 s apart", limit.Config{Start: 3}, three + "/a /b ?d ?e ?f -f xd xe ?g ~400ms ?g ?h ~300ms ?h ~100ms ?h", "a b c d e f .400ms g .400ms .100ms h"},

		{"a hint of a year shuts it for an hour, and the learner says so", limit.Config{Start: 3}, three + "?d -d:8760h ?e ~1h ?e ~250ms ?e", "a b c d .1h0m0.25s .250ms e"},
		{"a hint of zero is none", limit.Config{}, "?a -a:0s ?b", "a .625ms"},
		{"a hint of less than nothing is none", limit.Config{}, "?a -a:-1ns ~625ms ?b -b:-8760h ?c", "a b .1s"},
		{"a probe that was punished with a hint of a year is repeated after two days", limit.Config{}, "?a ~1s +a ?b -b:8760h >", "a b^ >51h0m0s"},

		// A lane that a refused probe has shut for half a minute.
		{"nothing is cut while it is shut", limit.Config{Start: 2}, "?a ~1s +a ?b ~1s +b ?c -c /a /b ?d ~400ms ?d -d ~1s ?d -d ~2s ?d -d ~4s ?d -d ~8s ?d -d = ~16s ?d +d = >", "a b c^ .400ms d d d d d =2 d =2 >26m10s"},
		{"from the seventh refusal on it is", limit.Config{Start: 2}, "?a ~1s +a ?b ~1s +b ?c -c /a ?d ~400ms ?d -d ~1s ?d -d ~2s ?d -d ~4s ?d -d ~8s ?d -d ~16s ?d -d = ~32s ?d -d =", "a b c^ .400ms d d d d d d =2 d =1"},

		// Calls that are kept waiting.
		{"a start that is accepted late raises nothing", limit.Config{}, "?a ~1s +a ?b ~1s +b ?c ~1s +c ?d ~1s +d ?e $ ~20s /a ?f = $ ~25s +e =", "a b^ c^ d^ e^ $2.036/10s .10s =4 $1.036/20s =4"},
		{"nor does another beside it", limit.Config{}, "?a ~1s +a ?b ~1s +b ?c ~1s +c ?d ~1s +d ?e ~20s /a ?f ~1h ?f", "a b^ c^ d^ e^ .10s ."},
		{"but where first bytes are that slow it does", limit.Config{}, "?a ~15s +a ?b ~15s +b ?c ~15s +c ?d ~15s +d ?e ~22s /a ?f +e =", "a b^ c^ d^ e^ .10s =5"},

		// Stale levels.
		{"a level that was never accepted is entered with spacing", limit.Config{Start: 3}, "?a ?b ~400ms ?b ?c ~400ms ?c", "a .400ms b .400ms c"},
		{"a fixed limit is entered without spacing", limit.Config{Min: 3, Max: 3}, "?a ?b ?c ?d", "a b c ."},
		{"a level that was is not", limit.Config{Start: 3}, three + "/a /b ?d ?e ?f", "a b c d e f"},
		{"ten minutes later it is again", limit.Config{Start: 3}, three + "/a /b ~10m ?d ?e ~400ms ?e ?f", "a b c d .400ms e .400ms"},
		{"an acceptance freshens all levels below", limit.Config{Start: 3}, three + "/a /b ~10m ?a ~1s ?b ~1s ?c +c /a /b ?d ?e", "a b c a b c d e"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &story{t: t, learner: limit.New(tt.cfg), now: start, attempts: map[string]limit.Start{}}
			for step := range strings.FieldsSeq(tt.script) {
				s.play(step)
			}
			if got := strings.Join(s.log, " "); got != tt.log {
				t.Errorf("script %s\ngot  %s\nwant %s", tt.script, got, tt.log)
			}
		})
	}
}

type story struct {
	t        *testing.T
	learner  *limit.Learner
	now      time.Time
	attempts map[string]limit.Start
	log      []string
}

func (s *story) play(step string) {
	name, hint, _ := strings.Cut(step[1:], ":")
	switch step[0] {
	case '?':
		s.ask(name)
	case '+':
		s.learner.Accepted(s.now, s.attempts[name])
	case '-':
		d, _ := time.ParseDuration(hint)
		s.learner.Refused(s.now, s.attempts[name], d, 0.5)
		s.leave(name, limit.Unsent)
	case '!':
		d, _ := time.ParseDuration(hint)
		s.learner.TooOften(s.now, s.attempts[name], d, 0.5)
		s.leave(name, limit.Unsent)
	case '/':
		s.leave(name, limit.Answered)
	case 'x':
		s.leave(name, limit.Abandoned)
	case 'o':
		s.leave(name, limit.Unsent)
	case '~':
		d, err := time.ParseDuration(name)
		if err != nil {
			s.t.Fatal(err)
		}
		s.now = s.now.Add(d)
	case '=':
		s.log = append(s.log, fmt.Sprint("=", s.learner.Stable()))
	case '$':
		kept := s.learner.State()
		s.log = append(s.log, fmt.Sprintf("$%.3f/%s", kept.Tokens, kept.Wait))
	case '#':
		answered, abandoned := s.learner.Lag()
		s.log = append(s.log, fmt.Sprintf("#%s/%s/%s", answered, abandoned, s.learner.Pace()))
	case '>':
		s.log = append(s.log, ">"+s.learner.State().Next.Sub(s.now).String())
	}
}

func (s *story) ask(name string) {
	p := s.learner.May(s.now, len(s.attempts))
	switch {
	case p.OK:
		s.attempts[name] = s.learner.Start(s.now, len(s.attempts), p)
		if p.Probe {
			name += "^"
		}
		s.log = append(s.log, name)
	case p.Until.IsZero():
		s.log = append(s.log, ".")
	default:
		s.log = append(s.log, "."+p.Until.Sub(s.now).String())
	}
}

func (s *story) leave(name string, how limit.End) {
	if _, ok := s.attempts[name]; !ok {
		s.t.Fatalf("%s is not under way: %s", name, strings.Join(s.log, " "))
	}
	s.learner.Ended(s.now, s.attempts[name], how)
	delete(s.attempts, name)
}

func TestConfig(t *testing.T) {
	tests := []struct {
		name      string
		cfg       limit.Config
		first, to int
	}{
		{"the zero Config begins at one", limit.Config{}, 1, limit.DefaultMax},
		{"a lowest level is the first", limit.Config{Min: 3}, 3, limit.DefaultMax},
		{"the first level is kept within bounds", limit.Config{Min: 2, Max: 4, Start: 9}, 4, 4},
		{"a first level below the lowest is raised", limit.Config{Min: 2, Max: 4, Start: 1}, 2, 4},
		{"a lowest level above the default highest raises it", limit.Config{Min: 30}, 30, 30},
		{"a highest level below the lowest is raised", limit.Config{Min: 5, Max: 2}, 5, 5},
		{"negative bounds are none", limit.Config{Min: -1, Max: -1, Start: -1}, 1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := limit.New(tt.cfg)
			if l.Stable() != tt.first || l.Limit() != tt.first {
				t.Errorf("begins at %d (limit %d), want %d", l.Stable(), l.Limit(), tt.first)
			}
			now := start
			for n := 0; n < 40; n++ {
				now = now.Add(time.Second)
				p := l.May(now, n)
				if !p.OK {
					break
				}
				l.Accepted(now, l.Start(now, n, p))
			}
			if l.Stable() != tt.to {
				t.Errorf("climbs to %d, want %d", l.Stable(), tt.to)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	tests := []struct {
		name, script, want string
		cfg                limit.Config
	}{
		{"at first", "", "1 is where it begins: nothing is known yet, next try when somebody waits", limit.Config{}},
		{"fixed", "", "4 is fixed by configuration", limit.Config{Min: 4, Max: 4}},
		{"the level above was refused", "?a ~1s +a ?b -b", "1 is stable: 1 of 1 accepted; 2 was refused 1 of 1, next try in 10 s", limit.Config{}},
		{"the tokens are spent", "?a ~1s +a ?b -b ~10s ?c -c ~2s", "1 is stable: 1 of 1 accepted; 2 was refused 2 of 2, next try after 111 more accepted calls", limit.Config{}},
		{"everything is refused", "?a ~1s +a ?b -b ~10s ?c -c ~100ms", "1 is stable: 1 of 1 accepted; the last 2 starts were all refused, next try in 1 s", limit.Config{}},
		{"in doubt", "?a ~1s +a ?b ~1s +b ~20s /b ?c -c", "2 is stable: 1 of 2 accepted; 2 was refused once and will be tried again at a calm moment", limit.Config{Start: 2}},
		{"at the top", "?a ~1s +a ?b ~1s +b", "2 is stable: 1 of 1 accepted, it is the highest allowed", limit.Config{Max: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &story{t: t, learner: limit.New(tt.cfg), now: start, attempts: map[string]limit.Start{}}
			for step := range strings.FieldsSeq(tt.script) {
				s.play(step)
			}
			if got := s.learner.Explain(s.now); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestTheZeroStartStandsForNone(t *testing.T) {
	l := limit.New(limit.Config{Start: 3})
	l.Accepted(start, limit.Start{})
	l.Refused(start, limit.Start{}, time.Minute, 0.5)
	l.TooOften(start, limit.Start{}, time.Minute, 0.5)
	l.Ended(start, limit.Start{}, limit.Answered)
	if p := l.May(start, 0); !p.OK || len(l.Curve()) > 0 || l.Met() {
		t.Errorf("a start that never was left a trace: %+v, %v", p, l.Curve())
	}
}

// TestLimitCountsNoProbeTwice: the probe before the one that runs is accepted so
// late that both are at the same level.
func TestLimitCountsNoProbeTwice(t *testing.T) {
	s := &story{t: t, learner: limit.New(limit.Config{Max: 2}), now: start, attempts: map[string]limit.Start{}}
	for step := range strings.FieldsSeq("?a ~1s +a ?b ~21s /a ?c ~10s ?c +b") {
		s.play(step)
	}
	if got := s.learner.Limit(); got != 2 || s.learner.Stable() != 2 {
		t.Errorf("the limit is %d, %d is stable, want 2 and 2", got, s.learner.Stable())
	}
}

func TestHoldForbidsProbes(t *testing.T) {
	l := limit.New(limit.Config{})
	l.Accepted(start, l.Start(start, 0, l.May(start, 0)))
	l.Hold(start.Add(time.Hour))
	l.Hold(start.Add(time.Minute)) // does not shorten it
	if p := l.May(start.Add(59*time.Minute), 1); p.OK || !p.Until.Equal(start.Add(time.Hour)) {
		t.Errorf("a held learner answers %+v", p)
	}
	if p := l.May(start.Add(time.Hour), 1); !p.Probe {
		t.Errorf("after the hold it answers %+v", p)
	}
	if p := l.May(start.Add(time.Minute), 0); !p.OK || p.Probe {
		t.Errorf("a hold held up a start at the stable level: %+v", p)
	}
}

// Short calls that follow each other at the level below must not keep a level
// that is to be entered with spacing from ever being entered.
func TestShortCallsBelowDoNotKeepAStaleLevelShut(t *testing.T) {
	l := restored(t, 3)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	highest := 0
	var running []limit.Start
	for range 100 { // a call of 100 ms, always somebody waiting
		for p := l.May(now, len(running)); p.OK; p = l.May(now, len(running)) {
			s := l.Start(now, len(running), p)
			running = append(running, s)
			highest = max(highest, s.Level)
		}
		now = now.Add(100 * time.Millisecond)
		oldest := running[0]
		running = running[1:]
		l.Accepted(now, oldest)
		l.Ended(now, oldest, limit.Answered)
	}
	if highest != 3 {
		t.Errorf("highest level entered is %d, want 3", highest)
	}
}

func restored(t *testing.T, stable int) *limit.Learner {
	t.Helper()
	l, err := limit.Restore(limit.Config{}, limit.State{Version: limit.Version, Stable: stable})
	if err != nil {
		t.Fatal(err)
	}
	return l
}
