package lab

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/weirhq/weir/internal/scenario"
)

//go:embed scenarios/*.yaml
var files embed.FS

// ErrNoScenario says that there is no scenario of that name.
var ErrNoScenario = errors.New("lab: no such scenario")

// Names returns the names of the scenarios that come with the laboratory, in the
// order of the alphabet.
func Names() []string {
	all, _ := fs.Glob(files, "scenarios/*.yaml") // the pattern is well-formed
	names := make([]string, len(all))
	for i, file := range all {
		names[i] = strings.TrimSuffix(path.Base(file), ".yaml")
	}
	return names
}

// Scenario returns one of the scenarios that come with the laboratory. The error
// is ErrNoScenario if there is none of that name.
func Scenario(name string) (*scenario.Scenario, error) {
	file := "scenarios/" + name + ".yaml"
	data, err := files.ReadFile(file)
	if err != nil || strings.ContainsAny(name, `/\`) {
		return nil, fmt.Errorf("%w: %q", ErrNoScenario, name)
	}
	return scenario.Parse(path.Base(file), data)
}
