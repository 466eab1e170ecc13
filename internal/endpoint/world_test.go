package endpoint_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/endpoint"
	"github.com/weirhq/weir/internal/tools"
)

// A world is a made-up machine with a user /home/u, who starts tools in
// /home/u/shop/api, a directory of the repository /home/u/shop.
type world struct {
	files map[string]string
	env   []string
	args  []string
	asked string // what the tool says of itself
	asks  *[]string
}

func (w world) site() endpoint.Site {
	return endpoint.Site{
		Home: "/home/u", Dir: "/home/u/shop/api", Env: w.env,
		Read: func(file string) ([]byte, error) {
			if text, ok := w.files[file]; ok {
				return []byte(text), nil
			}
			if file == "/home/u/shop/.git/HEAD" {
				return []byte("ref: refs/heads/main\n"), nil
			}
			return nil, &fs.PathError{Op: "open", Path: file, Err: fs.ErrNotExist}
		},
		Ask: func(_ context.Context, program string, args ...string) ([]byte, error) {
			if w.asks != nil {
				*w.asks = append(*w.asks, strings.Join(append([]string{program}, args...), " "))
			}
			if w.asked == "" {
				return nil, errors.New("not there")
			}
			return []byte(w.asked), nil
		},
	}
}

// known are a few providers' base URLs.
func known(url string) (profile, path string, ok bool) {
	for _, k := range []struct{ base, profile string }{
		{"https://api.z.ai/api/coding/paas/v4", "zai-coding"},
		{"https://api.z.ai/api/anthropic", "zai-coding"},
		{"https://api.z.ai/api/v1", "zai-coding"},
		{"https://api.z.ai/api/paas/v4", "zai"},
		{"https://api.anthropic.com", "anthropic"},
		{"https://api.openai.com/v1", "openai"},
		{"https://api.deepseek.com", "deepseek"},
	} {
		if url == k.base || url == k.base+"/v1" {
			path := strings.TrimPrefix(url, "https://")
			if _, after, has := strings.Cut(path, "/"); has {
				return k.profile, "/" + after, true
			}
			return k.profile, "", true
		}
	}
	return "", "", false
}

var here = endpoint.Gateway{Address: "http://127.0.0.1:4000", Run: "~run"}

// tool returns the table's tool, nil for a program of no table.
func tool(name string) *tools.Tool {
	t, _ := tools.ByName(name)
	return t
}

// move finds and moves in one go.
func (w world) move(name string, g endpoint.Gateway, upstream string) (endpoint.Launch, error) {
	settings, err := endpoint.Find(context.Background(), w.site(), tool(name), w.args, known)
	if err != nil {
		return endpoint.Launch{}, err
	}
	return endpoint.Move(tool(name), settings, w.args, g, upstream)
}

// A row is a tool, a world and what comes of it.
type row struct {
	name     string
	world    world
	gateway  endpoint.Gateway // the zero one: here
	upstream string
	env      []string // of the launch
	args     []string // of the launch
	moved    []string // pieces of its sentences, in order
	files    []string // path and content
	fails    string   // piece of the error
	stuck    bool     // it is a StuckError
}

// try runs the rows against a tool.
func try(t *testing.T, name string, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			g := r.gateway
			if g.Address == "" {
				g = here
			}
			l, err := r.world.move(name, g, r.upstream)
			if r.fails != "" {
				var stuck *endpoint.StuckError
				if err == nil || !strings.Contains(err.Error(), r.fails) || errors.As(err, &stuck) != r.stuck {
					t.Fatalf("error %v, want %q (stuck: %v); launch %+v", err, r.fails, r.stuck, l)
				}
				if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "SECRET") {
					t.Errorf("error %q must be one line without secrets", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(l.Env, r.env) {
				t.Errorf("environment %q\n       want %q", l.Env, r.env)
			}
			if !slices.Equal(l.Args, r.args) {
				t.Errorf("arguments %q\n     want %q", l.Args, r.args)
			}
			if len(l.Moved) != len(r.moved) {
				t.Fatalf("moved %q, want %q", l.Moved, r.moved)
			}
			for i, want := range r.moved {
				if !strings.Contains(l.Moved[i], want) || strings.Contains(l.Moved[i], "SECRET") {
					t.Errorf("moved %q, want %q", l.Moved[i], want)
				}
			}
			var files []string
			for _, f := range l.Files {
				files = append(files, f.Path, string(f.Content))
				if !strings.HasPrefix(f.Path, g.Room+string(filepath.Separator)) {
					t.Errorf("file %s is not below the room", f.Path)
				}
			}
			if !slices.Equal(files, r.files) {
				t.Errorf("files %q\n want %q", files, r.files)
			}
		})
	}
}

// found lists settings in short.
func (w world) found(t *testing.T, name string) []string {
	t.Helper()
	settings, err := endpoint.Find(context.Background(), w.site(), tool(name), w.args, known)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, s := range settings {
		all = append(all, fmt.Sprintf("%s=%s [%s] %s %s%s gateway=%v", s.Name, s.URL, s.Source, s.Dialect, s.Profile, s.Path, s.Gateway))
	}
	return all
}
