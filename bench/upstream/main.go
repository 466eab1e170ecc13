// Command upstream is the provider at the far end of a measurement: it answers
// any POST at once with a plausible chat completion, and does what the query
// asks of it instead.
//
//	do=json                         1 KB of JSON at once (the default)
//	do=stream&chunks=200&every=50ms a stream of chunks, in a burst without every
//	do=hang                         no answer until /bench/end or the client leaves
//	do=slots&for=900ms              a stream of that length if a slot is free, else 429 with code 1302
//
// With id=N in the query, and for hang and slots always, a call is written
// down. GET /bench/calls tells what was written (with ?count only how many are
// open), POST /bench/reset?slots=4&lag=0s forgets it, and POST
// /bench/end?account=NAME answers the oldest hanging call whose credential is
// NAME. Times are Unix nanoseconds: the load generator runs on the same machine
// and reads the same clock.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	if err := serve(*listen); err != nil {
		log.Fatalf("upstream: %v", err)
	}
}

func serve(listen string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: newProvider()}
	fmt.Printf("upstream listens on http://%s\n", l.Addr())

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// newProvider returns the provider's handler: its control paths and, everywhere
// else, the calls.
func newProvider() http.Handler {
	p := &provider{ledger: newLedger()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bench/calls", p.calls)
	mux.HandleFunc("POST /bench/reset", p.reset)
	mux.HandleFunc("POST /bench/end", p.end)
	mux.HandleFunc("POST /", p.complete)
	return mux
}

func (p *provider) calls(w http.ResponseWriter, r *http.Request) {
	seen := p.ledger.report()
	if r.URL.Query().Has("count") {
		seen.Calls = nil
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(seen); err != nil {
		log.Printf("writing the calls: %v", err)
	}
}

func (p *provider) reset(w http.ResponseWriter, r *http.Request) {
	slots, err := strconv.Atoi(r.FormValue("slots"))
	if err != nil && r.FormValue("slots") != "" {
		http.Error(w, "slots is not a number", http.StatusBadRequest)
		return
	}
	lag, err := time.ParseDuration(r.FormValue("lag"))
	if err != nil && r.FormValue("lag") != "" {
		http.Error(w, "lag is not a duration", http.StatusBadRequest)
		return
	}
	p.ledger.reset(slots, lag)
}

func (p *provider) end(w http.ResponseWriter, r *http.Request) {
	if !p.ledger.end(r.FormValue("account")) {
		http.Error(w, "no call of that account hangs", http.StatusNotFound)
	}
}
