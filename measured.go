package weir

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/pool"
)

// A Measurement is what was measured of a lane by other means than its calls.
type Measurement struct {
	Lane   string             `json:"lane"`   // as [Call.Lane] names it
	Stable int                `json:"stable"` // attempts in flight that hold, 1 to [pool.MaxFixed]
	Levels []limit.LevelCount `json:"levels"` // the counts behind it
	// AtLeast says that more may hold: a lane that knows as much already stays as it is.
	AtLeast bool `json:"at_least,omitempty"`
}

// split returns the lane's account and model.
func (m Measurement) split() (account, model string, err error) {
	account, model = splitLane(m.Lane)
	if checkAccount(account) != nil || model == "" {
		return "", "", fmt.Errorf("weir: %q is no lane: want provider/account/model", m.Lane)
	}
	if m.Stable < 1 || m.Stable > pool.MaxFixed {
		return "", "", fmt.Errorf("weir: %d is no limit: want 1 to %d", m.Stable, pool.MaxFixed)
	}
	return account, model, nil
}

// splitLane parts a lane's name, as it is shown, into its account's and its model's, which
// may have slashes itself.
func splitLane(lane string) (account, model string) {
	provider, rest, _ := strings.Cut(lane, "/")
	whose, model, _ := strings.Cut(rest, "/")
	return provider + "/" + whose, model
}

// checkAccount tells whether a name is one of an account, as it is shown.
func checkAccount(name string) error {
	if provider, whose, _ := strings.Cut(name, "/"); provider == "" || whose == "" || strings.Contains(whose, "/") {
		return fmt.Errorf("weir: %q is no account: want provider/account", name)
	}
	return nil
}

// Measured lets a lane start from what was measured, and raises its account's limit with
// it. Calls under way go on. The bounds of the configuration win.
func (g *Governor) Measured(m Measurement) error {
	name, model, err := m.split()
	if err != nil {
		return err
	}
	a, err := g.named(name)
	if err != nil {
		return err
	}
	a.mu.Lock()
	now := a.now()
	a.pool.Measured(now, model, m.Stable, m.AtLeast, m.Levels)
	a.settle(now)
	return nil
}

// Measured lets a lane of a state that no governor uses now start from what was
// measured, as [Governor.Measured] does. The zero State is one that knows nothing.
func (s *State) Measured(now time.Time, m Measurement) error {
	name, model, err := m.split()
	if err != nil {
		return err
	}
	return s.change(name, func(kept *pool.State) error { return kept.Measured(now, model, m.Stable, m.AtLeast, m.Levels) })
}

// change changes what is kept of an account; with an error nothing does.
func (s *State) change(account string, do func(*pool.State) error) error {
	kept := s.Accounts[account]
	if err := do(&kept); err != nil {
		return err
	}
	if s.Accounts == nil {
		s.Version, s.Accounts = StateVersion, map[string]pool.State{}
	}
	s.Accounts[account] = kept
	return nil
}

// Flag closes an account, as it is shown, because the provider has said to others than
// this governor's calls that it minds how the account is used.
func (g *Governor) Flag(account, code, hint string) error {
	if err := checkAccount(account); err != nil {
		return err
	}
	a, err := g.named(account)
	if err != nil {
		return err
	}
	a.mu.Lock()
	now := a.now()
	a.pool.Flag(now, code, hint)
	a.settle(now)
	return nil
}

// Flag closes an account of a state that no governor uses now, as [Governor.Flag] does.
func (s *State) Flag(now time.Time, account, code, hint string) error {
	if err := checkAccount(account); err != nil {
		return err
	}
	return s.change(account, func(kept *pool.State) error { return kept.Flag(now, code, hint) })
}

// Fingerprint returns the short name of a credential's account, as a governor with this
// secret shows it. The credential cannot be had back from it.
func Fingerprint(secret []byte, credential string) string { return fingerprint(secret, credential) }
