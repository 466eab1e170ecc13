package setup

import (
	"path/filepath"

	"github.com/weirhq/weir/internal/tools"
)

// Places returns the files that may be a tool's configuration for all of a user's
// projects, the one that wins first. The last one is made if there is none.
func Places(t *tools.Tool, home string, getenv func(string) string) []string {
	config := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) {
		config = filepath.Join(home, ".config")
	}
	dir := func(variable, otherwise string) string {
		if d := getenv(variable); d != "" {
			return d
		}
		return otherwise
	}
	switch t.Name {
	case "opencode":
		if file := getenv("OPENCODE_CONFIG"); file != "" {
			return []string{file}
		}
		return []string{filepath.Join(config, "opencode", "opencode.jsonc"), filepath.Join(config, "opencode", "opencode.json")}
	case "claude":
		return []string{filepath.Join(dir("CLAUDE_CONFIG_DIR", filepath.Join(home, ".claude")), "settings.json")}
	case "qwen":
		return []string{filepath.Join(dir("QWEN_HOME", filepath.Join(home, ".qwen")), "settings.json")}
	case "crush":
		return []string{filepath.Join(dir("CRUSH_GLOBAL_CONFIG", filepath.Join(config, "crush")), "crush.json")}
	}
	return nil
}

// Choose returns which of the files is changed: of several that are there, the
// first that names providers. Others that do so too are named in also.
func Choose(places []string, read func(string) ([]byte, error)) (file string, also []string) {
	there := ""
	for _, place := range places {
		data, err := read(place)
		if err != nil || data == nil {
			continue
		}
		if there == "" {
			there = place
		}
		if d, err := parseDocument(place, data); err == nil && len(d.names("provider")) > 0 {
			if file == "" {
				file = place
			} else {
				also = append(also, place)
			}
		}
	}
	if file == "" {
		file = there
	}
	if file == "" && len(places) > 0 {
		file = places[len(places)-1]
	}
	return file, also
}
