// Command load measures the weir gateway against the bare reverse proxy beside
// it, in one run and always as ratios: both are processes of their own that
// forward to the same fake provider, and each round measures one after the
// other. Absolute figures say more about the machine than about weir.
//
// Each scenario prints a table and one line of JSON. Nothing here passes or
// fails: a goal that is missed is marked, the exit status stays 0.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are what a user may set; see the flags in main.
type options struct {
	weir, bare, upstream string
	unobserved           string
	length               time.Duration // of each measured phase
	rounds               int
	streams              int
	waiting              int
	shown                int
	limit                int
	lag                  time.Duration
	seed                 uint64
}

// A scenario is a named measurement.
type scenario struct {
	name  string
	about string
	run   func(context.Context, *bench) (report, error)
}

// scenarios lists the measurements in the order in which "all" runs them.
func scenarios() []scenario {
	return []scenario{
		{"s1", "small requests: 2 KB in, 1 KB out", small},
		{"s2", "streams of 200 chunks in a burst", burst},
		{"s3", "streams of lone chunks, one each 50 ms", lone},
		{"s4", "large request bodies", bodies},
		{"watch", "small requests that people can see, and not", watch},
		{"page", "a page open on a gateway with 200 running and many waiting requests", page},
		{"month", "the journal of a month, 200 000 requests", month},
		{"line", "one line for a prompt", line},
		{"mem", "memory of open streams and of waiting requests", memory},
		{"s6", "clients that hang up", hangups},
		{"s5", "64 streams by 16 workers on 4 slots, limit unknown", mission},
	}
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("load: ")
	var o options
	which := flag.String("scenario", "all", "all, or a comma-separated list of "+names())
	seconds := flag.Float64("seconds", 3, "length of each measured phase in seconds")
	flag.StringVar(&o.weir, "weir", "", "path of the weir binary (default: built from ./cmd/weir)")
	flag.StringVar(&o.unobserved, "unobserved", "", "path of a weir binary with -tags unobserved (default: built when it is needed)")
	flag.StringVar(&o.bare, "bare", "", "path of the bare binary (default: built from ./bench/bare)")
	flag.StringVar(&o.upstream, "upstream", "", "path of the upstream binary (default: built from ./bench/upstream)")
	flag.IntVar(&o.rounds, "rounds", 5, "interleaved rounds; the median is reported")
	flag.IntVar(&o.streams, "streams", 200, "streams at once in s3")
	flag.IntVar(&o.waiting, "waiting", 10_000, "waiting requests in mem")
	flag.IntVar(&o.shown, "shown", 2000, "waiting requests in page")
	flag.IntVar(&o.limit, "limit", 4096, "weir's -limit where nobody shall wait")
	flag.DurationVar(&o.lag, "lag", 0, "how long the provider of s5 counts a slot after its answer ended")
	flag.Uint64Var(&o.seed, "seed", 1302, "seed of the stream lengths in s5")
	flag.Parse()
	o.length = time.Duration(*seconds * float64(time.Second))

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, *which); err != nil {
		stop()
		log.Fatal(err)
	}
}

// run runs the scenarios named by which.
func run(ctx context.Context, o options, which string) error {
	chosen, err := choose(which)
	if err != nil {
		return err
	}
	if o.rounds < 1 || o.length <= 0 {
		return fmt.Errorf("-rounds and -seconds must be above 0")
	}
	if err := raiseFileLimit(); err != nil {
		log.Printf("the limit of open files stays as it is: %v", err)
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	for _, s := range chosen {
		log.Printf("%s: %s", s.name, s.about)
		r, err := s.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		r.Scenario, r.About = s.name, s.about
		if err := r.write(os.Stdout); err != nil {
			return err
		}
	}
	return nil
}

// choose returns the scenarios named in a comma-separated list.
func choose(which string) ([]scenario, error) {
	all := scenarios()
	if which == "all" {
		return all, nil
	}
	var chosen []scenario
	for name := range strings.SplitSeq(which, ",") {
		i := slices.IndexFunc(all, func(s scenario) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no scenario %q; choose all or some of %s", name, names())
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func names() string {
	var n []string
	for _, s := range scenarios() {
		n = append(n, s.name)
	}
	return strings.Join(n, ",")
}
