package endpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// env returns a variable of the site; the last of several counts.
func (s Site) env(name string) string {
	value := ""
	for _, e := range s.Env {
		if n, v, ok := strings.Cut(e, "="); ok && n == name {
			value = v
		}
	}
	return value
}

// resolve turns a path of the tools' table into a real one, below dir if it is a
// bare name. It is empty where a variable of it is not set and no alternative is
// left.
func (s Site) resolve(path, dir string) string {
	for alternative := range strings.SplitSeq(path, "|") {
		switch {
		case strings.HasPrefix(alternative, "$"):
			name, rest, _ := strings.Cut(alternative[1:], "/")
			if value := s.env(name); value != "" {
				return filepath.Join(s.absolute(value), rest)
			}
		case strings.HasPrefix(alternative, "~/"):
			return filepath.Join(s.Home, alternative[2:])
		case strings.HasPrefix(alternative, "./"):
			return filepath.Join(s.Dir, alternative[2:])
		default:
			return filepath.Join(dir, alternative)
		}
	}
	return ""
}

// absolute returns a path that a user wrote, as seen from where the tool starts.
func (s Site) absolute(path string) string {
	switch {
	case path == "~":
		return s.Home
	case strings.HasPrefix(path, "~/"):
		return filepath.Join(s.Home, path[2:])
	case filepath.IsAbs(path):
		return filepath.Clean(path)
	default:
		return filepath.Join(s.Dir, path)
	}
}

// read returns a file's content, nil where there is none.
func (s Site) read(file string) ([]byte, error) {
	data, err := s.Read(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDirectory) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", file, err)
	}
	if data == nil {
		data = []byte{}
	}
	return data, nil
}

// upwards returns the directories from the outermost one that counts down to where
// the tool is started: those of one repository, or all if it is in none.
func (s Site) upwards() []string {
	var dirs []string
	for dir := filepath.Clean(s.Dir); ; dir = filepath.Dir(dir) {
		dirs = append([]string{dir}, dirs...)
		if s.isRepository(dir) || filepath.Dir(dir) == dir {
			return dirs
		}
	}
}

// isRepository tells whether a directory is the top of one: .git is a directory, or
// a file in a further work tree.
func (s Site) isRepository(dir string) bool {
	for _, mark := range []string{".git/HEAD", ".git"} {
		if _, err := s.Read(filepath.Join(dir, mark)); err == nil {
			return true
		}
	}
	return false
}
