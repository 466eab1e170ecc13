package daemon

import (
	"context"
	"strings"
	"time"

	"github.com/weirhq/weir"
)

// A Lookout is what is known of an account before it is measured.
type Lookout struct {
	Account string // provider/fingerprint
	Address string // of the gateway that has the state directory; empty: none runs
	Flagged bool   // the provider holds the account back for how it is used
	Busy    int    // requests with the credential that run or wait in the gateway
}

// LookOut tells what the gateway that runs with a state directory, or else what the last
// one has kept, knows of the account of a provider's credential.
func LookOut(ctx context.Context, dir, provider, credential string) (Lookout, error) {
	var l Lookout
	s, err := OpenStore(dir)
	if err != nil {
		return l, err
	}
	defer s.Close()
	whose := "/" + weir.Fingerprint(s.Secret(), credential) // with any of the vendor's endpoints
	l.Account = provider + whose
	if !s.ReadOnly() {
		state, err := s.Load()
		if err != nil || state == nil {
			return l, err
		}
		for name, a := range state.Accounts {
			l.Flagged = l.Flagged || a.Flagged != nil && strings.HasSuffix(name, whose)
		}
		return l, nil
	}
	i, err := findAsked(ctx, dir)
	if err != nil {
		return l, err
	}
	state, err := i.State(ctx)
	if err != nil {
		return l, err
	}
	l.Address = i.Address
	for _, a := range state.Accounts {
		if strings.HasSuffix(a.Account, whose) {
			l.Flagged, l.Busy = l.Flagged || a.Flagged != nil, l.Busy+a.InFlight+a.Queued
		}
	}
	return l, nil
}

// Measured lets a lane start from what was measured: in the gateway that runs with a
// state directory or, if none does, in what the next one reads.
func Measured(ctx context.Context, dir string, m weir.Measurement) error {
	return tell(ctx, dir, learnedPath, m, func(s *weir.State) error { return s.Measured(time.Now(), m) })
}

// Flag closes an account, as it is shown, that the provider has flagged: in the gateway
// that runs with a state directory or, if none does, in what the next one reads.
func Flag(ctx context.Context, dir, account, code, hint string) error {
	return tell(ctx, dir, flagPath, flagOrder{account, code, hint}, func(s *weir.State) error { return s.Flag(time.Now(), account, code, hint) })
}

type flagOrder struct {
	Account string `json:"account"`
	Code    string `json:"code"`
	Hint    string `json:"hint"`
}

// tell gives an order to the gateway that runs with a state directory or, if none does,
// carries it out in what the last one has kept.
func tell(ctx context.Context, dir, path string, what any, do func(*weir.State) error) error {
	return settled(ctx, dir,
		func(i *Instance) error { return i.order(ctx, path, what, nil) },
		func(s *weir.State) (bool, error) { return true, do(s) })
}
