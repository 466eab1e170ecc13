package weir_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/pool"
)

// All but one of these calls wait behind a running one; they are made a second apart.
func TestACallThatRepeatsAnotherHasItsPlace(t *testing.T) {
	tests := []struct {
		name  string
		since time.Duration // of the last call, from the first moment
		zero  bool
		want  []string
	}{
		{"made first before the others", 500 * time.Millisecond, false, []string{"back", "one", "two"}},
		{"made first between the others", 1500 * time.Millisecond, false, []string{"one", "back", "two"}},
		{"made now", 0, true, []string{"one", "two", "back"}},
		{"made in time to come", time.Hour, false, []string{"one", "two", "back"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, _ := setUp(t, weir.Config{}, nil)
				start := time.Now()
				first, err := g.Acquire(t.Context(), &weir.Call{Account: "a", Session: "zero"})
				if err != nil {
					t.Fatal(err)
				}
				order := make(chan string, 3)
				wait := func(session string, since time.Time) {
					time.Sleep(time.Second)
					go func() {
						slot, err := g.Acquire(t.Context(), &weir.Call{Account: "a", Session: session, Since: since})
						if err != nil {
							t.Error(err)
							return
						}
						order <- session
						slot.Release(true)
					}()
					synctest.Wait()
				}
				wait("one", time.Time{})
				wait("two", time.Time{})
				since := start.Add(tt.since)
				if tt.zero {
					since = time.Time{}
				}
				wait("back", since)
				first.Release(true)
				got := []string{<-order, <-order, <-order}
				if !slices.Equal(got, tt.want) {
					t.Errorf("admitted %v, want %v", got, tt.want)
				}
				idle(t, g)
			})
		})
	}
}

// Only the order counts from the first time; what people see is this call's own wait.
func TestTheWaitOfACallThatRepeatsAnotherIsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := setUp(t, weir.Config{}, nil)
		first, err := g.Acquire(t.Context(), &weir.Call{Account: "a", Session: "zero"})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			slot, err := g.Acquire(t.Context(), &weir.Call{Account: "a", Session: "back", Since: time.Now().Add(-time.Hour)})
			if err != nil {
				t.Error(err)
				return
			}
			slot.Release(true)
		}()
		time.Sleep(3 * time.Second)
		first.Release(true)
		<-done
		if s := session(t, g, "back"); s.Waited != 3*time.Second {
			t.Errorf("it has waited %v, want 3s", s.Waited)
		}
		idle(t, g)
	})
}

func TestASessionSaysWhoseItIs(t *testing.T) {
	g, _ := setUp(t, weir.Config{}, nil)
	call := func(caller string) {
		t.Helper()
		slot, err := g.Acquire(context.Background(), &weir.Call{Account: "a", Session: "s", Caller: caller})
		if err != nil {
			t.Fatal(err)
		}
		slot.Release(true)
	}
	for _, tt := range []struct{ says, want string }{
		{"", ""},
		{"opencode in ~/shop", "opencode in ~/shop"},
		{"", "opencode in ~/shop"}, // not known this time
		{"opencode in ~/till", "opencode in ~/till"},
	} {
		call(tt.says)
		if got := session(t, g, "s").Caller; got != tt.want {
			t.Errorf("after %q it is %q, want %q", tt.says, got, tt.want)
		}
	}
}

// session returns what is shown of one.
func session(t *testing.T, g *weir.Governor, name string) pool.SessionSnapshot {
	t.Helper()
	for _, a := range g.Snapshot().Accounts {
		for _, s := range a.Sessions {
			if s.Name == name {
				return s
			}
		}
	}
	t.Fatalf("session %q is not shown", name)
	return pool.SessionSnapshot{}
}
