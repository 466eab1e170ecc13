// Package config reads weir's configuration file: strict YAML in which every mistake is
// told at once, with its place and what to do about it.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/weirhq/weir/admission"
	"github.com/weirhq/weir/internal/yamlfile"
	"github.com/weirhq/weir/limit"
	"github.com/weirhq/weir/provider"
)

// A Config is what a configuration file says. Zero fields are not said.
type Config struct {
	Listen       string
	Upstreams    []string     // as for --upstream; the first is the default
	Limit        limit.Config // of each lane and account; with Eager
	State        string
	LogFormat    string
	Drain        *time.Duration // nil: not said; zero: no time at all
	AllowHosts   []string
	Stall        time.Duration
	Hold         Hold
	ToolHold     map[string]Hold // by the tool's name
	Providers    []*provider.Profile
	Lanes        []Lane            // the first that fits a lane counts
	Keys         map[string]string // by provider; secret
	Tokens       []string          // that let callers in; secret
	Classes      []ClassRule       // the first that fits a request counts
	MaxQueue     int
	MaxBytes     int64
	QuotaStatus  int // 402 or 429
	Retention    Retention
	TermsAgreed  bool     // the user has read what a coding plan may be used for
	Warnings     []string // what is allowed, and wants a second look
	Variables    []string // of the environment, that the file refers to
	File         string   // where it was read; empty: there is none
	defaultKey   string   // of the first upstream, until that is known
	keyOfDefault bool
	places       map[string]string // of the values, by key
}

// Place returns where the value of a key stands, as file:line:column; the file alone if
// it does not have the key.
func (c *Config) Place(key string) string {
	if place, ok := c.places[key]; ok {
		return place
	}
	return c.File
}

// A Hold says how long clients are kept waiting; see the proxy's.
type Hold struct{ Silent, Stream, Plain time.Duration }

// A Lane says how many requests may be in flight for models of a provider.
type Lane struct {
	Provider string // empty: any
	Model    string // pattern in which * stands for anything
	Limit    limit.Config
}

// A ClassRule says how urgent the requests are that fit all it names.
type ClassRule struct {
	Agent, Model, Path string            // patterns; empty: any
	Headers            map[string]string // patterns by name
	Class              admission.Class
}

// Retention bounds what the journal keeps. Zero: not said.
type Retention struct {
	Age  time.Duration
	Size int64 // bytes
}

// Matches tells whether a rule fits a request.
func (r ClassRule) Matches(h http.Header, model, path string) bool {
	fits := func(pattern, text string) bool { return pattern == "" || Match(pattern, text) }
	if !fits(r.Agent, h.Get("User-Agent")) || !fits(r.Model, model) || !fits(r.Path, path) {
		return false
	}
	for name, pattern := range r.Headers {
		if values := h.Values(name); len(values) == 0 || !Match(pattern, values[0]) {
			return false
		}
	}
	return true
}

// ClassOf returns how urgent a request is by the first rule that fits; false: none does.
func (c *Config) ClassOf(h http.Header, model, path string) (admission.Class, bool) {
	for _, r := range c.Classes {
		if r.Matches(h, model, path) {
			return r.Class, true
		}
	}
	return 0, false
}

// LimitOf returns the limit of a lane by the first entry that fits; false: none does.
func (c *Config) LimitOf(provider, model string) (limit.Config, bool) {
	for _, l := range c.Lanes {
		if (l.Provider == "" || l.Provider == provider) && Match(l.Model, model) {
			return l.Limit, true
		}
	}
	return limit.Config{}, false
}

// Match tells whether a text fits a pattern in which * stands for any text, without
// regard to case.
func Match(pattern, text string) bool {
	pattern, text = strings.ToLower(pattern), strings.ToLower(text)
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}

// DefaultFile is where the configuration file is looked for: below $XDG_CONFIG_HOME, or
// below ~/.config without it.
func DefaultFile(lookup func(string) (string, bool)) (string, error) {
	if dir, _ := lookup("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "weir", "weir.yaml"), nil
	}
	home, _ := lookup("HOME")
	if home == "" {
		var err error
		if home, err = os.UserHomeDir(); err != nil {
			return "", fmt.Errorf("no configuration directory: %w (name a file with --config)", err)
		}
	}
	return filepath.Join(home, ".config", "weir", "weir.yaml"), nil
}

// Load reads a configuration file. Mistakes in it are as [Parse] tells them.
func Load(file string, lookup func(string) (string, bool)) (*Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, yamlfile.MaxFile+1))
	if err != nil {
		return nil, err
	}
	c, err := Parse(file, data, lookup)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && c.secret(data) && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%s holds a key or token and others can read it (mode %o): chmod 600, or write ${NAME}", file, info.Mode().Perm()))
	}
	return c, nil
}

// secret tells whether a file holds one of its secrets itself.
func (c *Config) secret(data []byte) bool {
	text := string(data)
	for _, key := range c.Keys {
		if strings.Contains(text, key) {
			return true
		}
	}
	for _, token := range c.Tokens {
		if strings.Contains(text, token) {
			return true
		}
	}
	return false
}

// LoadDefault is Load of a file, or of the default one if the name is empty; where
// there is none of these, everything has its default.
func LoadDefault(file string, lookup func(string) (string, bool)) (*Config, error) {
	if file != "" {
		return Load(file, lookup)
	}
	file, err := DefaultFile(lookup)
	if err != nil {
		return &Config{}, nil // no home, so no file in it
	}
	c, err := Load(file, lookup)
	if errors.Is(err, fs.ErrNotExist) {
		return &Config{}, nil
	}
	return c, err
}
