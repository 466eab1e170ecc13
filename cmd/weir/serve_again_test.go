package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAConfigurationThatIsGoneHolds(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	file := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "weir", "weir.yaml")
	o, cmd := &serveOptions{}, newServe()
	again := o.again(cmd, file)
	if _, err := again(); err != nil {
		t.Errorf("without a file: %v", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("upstream: http://127.0.0.1:1303\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg, err := again(); err != nil || len(cfg.Upstreams) != 1 {
		t.Errorf("with one: %v, %v", cfg.Upstreams, err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg, err := again(); err == nil {
		t.Errorf("when it is empty: upstream %v", cfg.Upstreams)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if cfg, err := again(); err == nil {
		t.Errorf("when it is gone: upstream %v", cfg.Upstreams)
	}
}
