package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/setup"
)

// command runs one command as the root does.
func command(t *testing.T, c *cobra.Command, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out buffer
	root := &cobra.Command{Use: "weir", SilenceUsage: true, SilenceErrors: true}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.SetOut(&out)
	root.SetErr(&out)
	root.AddCommand(c)
	root.SetArgs(append([]string{c.Name()}, args...))
	err := root.ExecuteContext(t.Context())
	var usage usageError
	switch {
	case errors.As(err, &usage):
		return 2, out.String(), err.Error()
	case err != nil:
		return 1, out.String(), err.Error()
	}
	return 0, out.String(), ""
}

// someService is a service of a made-up Linux machine whose systemd answers or
// does not.
func someService(home string, answers bool) func() (*setup.Service, error) {
	return func() (*setup.Service, error) {
		return &setup.Service{
			System: "linux", Program: "/usr/local/bin/weir", Args: []string{"serve"}, Home: home,
			Getenv: func(string) string { return "" },
			Run: func(_ context.Context, _ string, args ...string) ([]byte, error) {
				if !answers {
					return []byte("Failed to connect to bus\n"), errors.New("exit status 1")
				}
				if strings.Contains(strings.Join(args, " "), "is-active") {
					return []byte("active\n"), nil
				}
				return nil, nil
			},
		}, nil
	}
}

func TestServiceComesAndGoes(t *testing.T) {
	home := t.TempDir()
	find := someService(home, true)
	unit := filepath.Join(home, ".config", "systemd", "user", "weir.service")
	for _, step := range []struct{ args, says string }{
		{"status", "not installed"},
		{"remove", "nothing to remove"},
		{"install --print", `ExecStart="/usr/local/bin/weir" "serve"`},
		{"install", unit},
		{"install", unit}, // once more is no harm
		{"status", "active"},
		{"remove", "is removed"},
		{"status", "not installed"},
	} {
		status, out, err := command(t, newServiceOf(find), strings.Fields(step.args)...)
		if status != 0 || !strings.Contains(out, step.says) {
			t.Errorf("%s: status %d, %s%s", step.args, status, out, err)
		}
		if step.args == "install --print" {
			if _, err := os.Stat(unit); err == nil {
				t.Error("--print installs")
			}
		}
	}
}

func TestServiceWithoutSystemd(t *testing.T) {
	status, out, err := command(t, newServiceOf(someService(t.TempDir(), false)), "install")
	if status != 1 || out != "" || !strings.Contains(err, "Failed to connect to bus") || !strings.Contains(err, "/usr/local/bin/weir serve") {
		t.Errorf("status %d, %s%s", status, out, err)
	}
	if status, _, _ := command(t, newServiceOf(someService(t.TempDir(), false)), "install", "extra"); status != 2 {
		t.Errorf("an argument too many: status %d", status)
	}
}

func TestThisService(t *testing.T) {
	s, err := thisService()
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(s.Program) || len(s.Args) != 1 || s.Args[0] != "serve" {
		t.Errorf("it would start %s %v", s.Program, s.Args)
	}
	if _, err := s.Run(t.Context(), s.Program+"-that-is-not-there"); err == nil {
		t.Error("a program that is not there runs")
	}
}
