package weir_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/weirhq/weir"

// floors is the table of docs/architecture.md: an import only ever points down
// it. A package that is not in it has no place in the house.
var floors = map[string]int{
	"limit": 0, "internal/evidence": 0, "admission": 0, "retry": 0, "provider": 0, "sse": 0,
	"pool": 1, "internal/tools": 1, "internal/chart": 1,
	"": 2, "internal/yamlfile": 2, "internal/jsonc": 2, "internal/peer": 2, "internal/child": 2,
	"internal/endpoint": 3, "internal/explain": 3, "proxy": 3, "metrics": 3, "internal/scenario": 3, "internal/config": 3, "internal/journal": 3, "internal/dashboard": 3,
	"internal/simulate": 4, "internal/lab": 4, "internal/setup": 4, "internal/doctor": 4, "internal/report": 4, "internal/probe": 4,
	"internal/daemon": 4, "internal/top": 4,
	"cmd/weir": 5,
}

// outside are the rooms beside the house: they see weir as its users do.
var outside = []string{"bench", "e2e"}

// owners names the one room of each third-party library.
var owners = map[string][]string{
	"github.com/prometheus/client": {"metrics"},
	"github.com/spf13/":            {"cmd/weir"},
	"github.com/gofrs/":            {"internal/daemon"},
	"github.com/goccy/":            {"internal/yamlfile", "internal/scenario", "internal/config"},
	"github.com/fsnotify/":         {"internal/config"},
	"github.com/tailscale/":        {"internal/jsonc", "internal/setup"},
	"github.com/pelletier/":        {"internal/endpoint"},
	"github.com/aymanbagabas/":     {"internal/setup"},
	"github.com/prometheus/procfs": {"internal/peer"},
	"golang.org/x/sys":             {"internal/child"},
	"golang.org/x/mod":             {"internal/daemon"},
	"modernc.org/":                 {"internal/journal"},
	"charm.land/":                  {"internal/top"},
	"github.com/charmbracelet/":    {"internal/top"},
}

// pure may not be imported by the floors that do no I/O: what it lacks they take
// as values. Each with the reason.
var pure = map[string]string{
	"os": "no I/O", "net": "no I/O", "io/fs": "no I/O", "os/exec": "no I/O", "log": "no output", "log/slog": "no output",
	"sync": "no goroutine, so no lock", "context": "nothing to cancel", "runtime": "nothing to tune",
}

// purePermits are exceptions with their reason: data that is parsed once.
var purePermits = map[string]string{"provider sync": "the embedded profiles are parsed once, on first use"}

// A room is one package directory.
type room struct {
	path  string // below the module, "" for the root
	files map[string]*ast.File
}

func rooms(t *testing.T) []room {
	t.Helper()
	byDir := map[string]room{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if dir == "." {
			dir = ""
		}
		r, ok := byDir[dir]
		if !ok {
			r = room{path: dir, files: map[string]*ast.File{}}
		}
		r.files[filepath.Base(path)] = f
		byDir[dir] = r
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []room
	for _, r := range byDir {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b room) int { return strings.Compare(a.path, b.path) })
	return all
}

func isOutside(path string) bool {
	return slices.ContainsFunc(outside, func(o string) bool { return path == o || strings.HasPrefix(path, o+"/") })
}

// imports yields the imports of a room's own files, and those of its tests if
// asked.
func (r room) imports(tests bool) []string {
	var all []string
	for name, f := range r.files {
		if !tests && strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, i := range f.Imports {
			all = append(all, strings.Trim(i.Path.Value, `"`))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestImportsPointDown(t *testing.T) {
	for _, r := range rooms(t) {
		if isOutside(r.path) {
			for _, i := range r.imports(true) {
				if strings.HasPrefix(i, module) && !isOutside(strings.TrimPrefix(i, module+"/")) {
					t.Errorf("%s imports %s: it must see weir only from outside", r.path, i)
				}
			}
			continue
		}
		floor, known := floors[r.path]
		if !known {
			t.Errorf("package %q has no floor: give it one in house_test.go and docs/architecture.md", r.path)
			continue
		}
		for _, i := range r.imports(false) {
			if i != module && !strings.HasPrefix(i, module+"/") {
				continue
			}
			other := strings.TrimPrefix(strings.TrimPrefix(i, module), "/")
			if floors[other] >= floor {
				t.Errorf("%q (floor %d) imports %q (floor %d): imports point down", r.path, floor, other, floors[other])
			}
		}
	}
}

func TestPureFloorsDoNoIO(t *testing.T) {
	for _, r := range rooms(t) {
		floor, known := floors[r.path]
		if !known || floor > 1 {
			continue
		}
		for _, i := range r.imports(false) {
			if why, bad := pure[i]; bad && purePermits[r.path+" "+i] == "" {
				t.Errorf("%s imports %s: %s", r.path, i, why)
			}
			if strings.Contains(i, ".") && !strings.HasPrefix(i, module) {
				t.Errorf("%s imports %s: the pure floors use the standard library only", r.path, i)
			}
		}
		for name, f := range r.files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if _, ok := n.(*ast.GoStmt); ok {
					t.Errorf("%s/%s starts a goroutine", r.path, name)
				}
				if sel, ok := n.(*ast.SelectorExpr); ok {
					if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}, sel.Sel.Name) {
						t.Errorf("%s/%s uses time.%s: moments come in as values", r.path, name, sel.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

func TestEachLibraryHasOneRoom(t *testing.T) {
	for _, r := range rooms(t) {
		for _, i := range r.imports(false) {
			for library, of := range owners {
				if strings.HasPrefix(i, library) && !slices.Contains(of, r.path) {
					t.Errorf("%s imports %s, whose room is %v", r.path, i, of)
				}
			}
		}
	}
}

func TestEachRoomSaysOnceWhatItIs(t *testing.T) {
	drawers := []string{"util", "utils", "common", "helper", "helpers", "misc", "base", "types"}
	for _, r := range rooms(t) {
		if slices.Contains(drawers, filepath.Base(r.path)) {
			t.Errorf("%s: a name says what a package provides", r.path)
		}
		var documented []string
		own := 0
		for name, f := range r.files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			own++
			if f.Doc != nil {
				documented = append(documented, name)
			}
		}
		if own > 0 && len(documented) != 1 {
			t.Errorf("package %q has a package comment in %v, want exactly one", r.path, documented)
		}
	}
}

func TestNothingHappensAtImport(t *testing.T) {
	for _, r := range rooms(t) {
		for name, f := range r.files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s/%s has an init function", r.path, name)
				}
			}
		}
	}
}

// Time in tests is virtual (testing/synctest), and real processes are asked
// whether they are ready; what a test skips is not tested. A property may skip an
// action that its random case has nothing for.
func TestTestsNeitherSleepNorSkip(t *testing.T) {
	for _, r := range rooms(t) {
		for name, f := range r.files {
			if !strings.HasSuffix(name, "_test.go") {
				continue
			}
			virtual := slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing/synctest"` })
			inspectCalls(f, func(receiver, method, in string) {
				if receiver == "time" && method == "Sleep" && !virtual {
					t.Errorf("%s/%s sleeps", r.path, name)
				}
				if receiver == "t" && strings.HasPrefix(method, "Skip") && in != "rapid" {
					t.Errorf("%s/%s skips a test", r.path, name)
				}
			})
		}
	}
}

// inspectCalls calls visit for each receiver.method in a file, with the package
// of the type of the parameter t that is in scope there.
func inspectCalls(f *ast.File, visit func(receiver, method, in string)) {
	var scopes []string
	var nodes []ast.Node
	ast.Inspect(f, func(n ast.Node) bool {
		if n == nil {
			if paramT(nodes[len(nodes)-1]) != "" {
				scopes = scopes[:len(scopes)-1]
			}
			nodes = nodes[:len(nodes)-1]
			return true
		}
		nodes = append(nodes, n)
		if pkg := paramT(n); pkg != "" {
			scopes = append(scopes, pkg)
		}
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok {
				in := ""
				if len(scopes) > 0 {
					in = scopes[len(scopes)-1]
				}
				visit(x.Name, sel.Sel.Name, in)
			}
		}
		return true
	})
}

// paramT returns the package of the type of a function's parameter t, "" if the
// node is no function or has none.
func paramT(n ast.Node) string {
	var params *ast.FieldList
	switch fn := n.(type) {
	case *ast.FuncDecl:
		params = fn.Type.Params
	case *ast.FuncLit:
		params = fn.Type.Params
	default:
		return ""
	}
	for _, p := range params.List {
		star, ok := p.Type.(*ast.StarExpr)
		if !ok || len(p.Names) == 0 || p.Names[0].Name != "t" {
			continue
		}
		if sel, ok := star.X.(*ast.SelectorExpr); ok {
			return sel.X.(*ast.Ident).Name
		}
	}
	return ""
}

func TestArchitecturePageNamesEachRoom(t *testing.T) {
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for path := range floors {
		name := path
		if name == "" {
			name = "weir (root)"
		}
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/architecture.md does not name `%s`", name)
		}
	}
}
