package tools_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/tools"
)

func TestPoints(t *testing.T) {
	for _, tool := range tools.All() {
		if len(tool.Programs) == 0 {
			continue // a library: it is the program around it that is pointed
		}
		p := tool.Point
		if len(p.Variables) == 0 && len(p.Files) == 0 {
			continue // a program like any other
		}
		t.Run(tool.Name, func(t *testing.T) {
			for _, path := range strings.Split(p.Home, "|") {
				if !strings.HasPrefix(path, "$") && !strings.HasPrefix(path, "~/") {
					t.Errorf("home %q is no directory of the user's", path)
				}
			}
			for _, f := range p.Files {
				if f.Path == "" || f.Format == "" || len(f.Keys) == 0 {
					t.Errorf("file %+v says too little", f)
				}
				if f.Up && !strings.HasPrefix(f.Path, "./") {
					t.Errorf("file %q is looked for upwards from nowhere", f.Path)
				}
			}
			seen := map[string]bool{}
			for _, b := range p.Builtin {
				u, err := url.Parse(b.Base)
				if err != nil || u.Scheme != "https" || strings.HasSuffix(b.Base, "/") || b.Dialect == "" || seen[b.Name] {
					t.Errorf("built-in provider %+v is wrong, or there twice", b)
				}
				seen[b.Name] = true
			}
		})
	}
}

func TestEveryPointedToolIsInTheTable(t *testing.T) {
	for _, name := range []string{"opencode", "claude", "codex", "qwen", "crush", "cline"} {
		tool, ok := tools.ByName(name)
		if !ok || len(tool.Point.Files) == 0 {
			t.Errorf("%s has no data on how it is pointed", name)
		}
	}
}
