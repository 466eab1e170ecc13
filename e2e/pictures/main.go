// Command pictures makes the pictures of weir's page and of "weir top" that the
// documentation shows: a simulated provider, a gateway, three tools that work through it
// for a while, and a browser that looks. Run it from the repository's root:
//
//	go run ./e2e/pictures docs/pictures
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/weirhq/weir/e2e/browser"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "work":
		work(ctx, os.Args[2])
	case len(os.Args) == 2:
		err = show(ctx, os.Args[1])
	default:
		err = errors.New("usage: pictures DIRECTORY")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

// The places of the show.
const (
	provider = "127.0.0.1:13130"
	gateway  = "127.0.0.1:13131"
	length   = 290 * time.Second // of the work that is to be seen
)

// show sets the stage, lets the tools work, and takes the pictures.
func show(ctx context.Context, into string) error {
	if err := os.MkdirAll(into, 0o755); err != nil {
		return err
	}
	home, err := os.MkdirTemp("", "weir-pictures-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	ctx, cancel := context.WithCancel(ctx)
	s := &stage{ctx: ctx, home: home, weir: filepath.Join(home, "weir")}
	defer s.wait()
	defer cancel()
	if out, err := exec.CommandContext(ctx, "go", "build", "-ldflags", "-X main.release=v1.0.0", "-o", s.weir, "./cmd/weir").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	for _, args := range [][]string{
		{"simulate", "--listen", provider, "--schedule", "0s=4,150s=3", "--answer", "1s..7s", "--log", filepath.Join(home, "simulate.log")},
		{"serve", "--listen", gateway, "--upstream", "zai-coding=http://" + provider, "--state", s.state()},
	} {
		if err := s.start(home, s.weir, args...); err != nil {
			return err
		}
	}
	if err := s.tools(); err != nil {
		return err
	}
	select {
	case <-time.After(length):
	case <-ctx.Done():
		return ctx.Err()
	}
	return errors.Join(s.page(into), s.top(into))
}

// A stage is where the programs of a show run.
type stage struct {
	ctx     context.Context
	home    string
	weir    string
	running []*exec.Cmd
}

func (s *stage) state() string { return filepath.Join(s.home, "state") }

// start runs a program in the background, until the show is over.
func (s *stage) start(dir, path string, args ...string) error {
	cmd := exec.CommandContext(s.ctx, path, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+s.home)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	s.running = append(s.running, cmd)
	return nil
}

func (s *stage) wait() {
	for _, cmd := range s.running {
		_ = cmd.Wait() // they are interrupted
	}
}

// tools lets this program work under the names of coding tools, each in a directory of
// its own.
func (s *stage) tools() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for dir, tool := range map[string]string{"shop": "opencode", "api": "claude", "docs": "crush"} {
		dir, path := filepath.Join(s.home, dir), filepath.Join(s.home, "bin-"+dir, tool)
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.MkdirAll(filepath.Dir(path), 0o755), copyFile(path, self)); err != nil {
			return err
		}
		if err := s.start(dir, path, "work", "http://"+gateway); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// page takes the pictures of the page.
func (s *stage) page(into string) error {
	ctx, end, err := browser.Open(s.ctx)
	if err != nil {
		return err
	}
	defer end()
	for name, look := range map[string]browser.Look{
		"page.png": {Width: 1280, Height: 1160}, "page-dark.png": {Width: 1280, Height: 1160, Dark: true}, "page-phone.png": {Width: 390, Height: 844, Scale: 2},
	} {
		err := chromedp.Do(ctx, browser.As(look), chromedp.Navigate("http://"+gateway+"/weir/"), chromedp.WaitVisible(chromedp.CSS("#levels-svg svg")), chromedp.Sleep(3*time.Second))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := shoot(ctx, filepath.Join(into, name), chromedp.CaptureScreenshot()); err != nil {
			return err
		}
	}
	return nil
}

func shoot(ctx context.Context, file string, camera chromedp.Action[[]byte]) error {
	png, err := chromedp.Run(ctx, camera)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, png, 0o644)
}

// top takes the picture of "weir top": tmux runs it, and a terminal in the browser shows
// what is on the screen.
func (s *stage) top(into string) error {
	socket := filepath.Join(s.home, "tmux")
	tmux := func(args ...string) (string, error) {
		out, err := exec.CommandContext(s.ctx, "tmux", append([]string{"-S", socket, "-f", "/dev/null"}, args...)...).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("tmux %s: %w: %s", args[0], err, out)
		}
		return string(out), err
	}
	const columns, lines = "110", "34"
	if _, err := tmux("new-session", "-d", "-x", columns, "-y", lines, "-e", "COLORTERM=truecolor", s.weir, "top", "--state", s.state()); err != nil {
		return err
	}
	time.Sleep(12 * time.Second)
	screen, err := tmux("capture-pane", "-p", "-e")
	if _, gone := tmux("kill-server"); err == nil {
		err = gone
	}
	if err != nil {
		return err
	}
	return s.terminal(filepath.Join(into, "top.png"), strings.TrimRight(screen, "\n"), columns, lines)
}

// terminal takes a picture of a screen full of text with its colours.
func (s *stage) terminal(file, screen, columns, lines string) error {
	modules, err := filepath.Abs("e2e/node_modules/@xterm/xterm")
	if err != nil {
		return err
	}
	html := fmt.Sprintf(`<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="file://%[1]s/css/xterm.css"><script src="file://%[1]s/lib/xterm.js"></script>
<style>body{margin:0;background:#11171d}#t{display:inline-block;padding:12px}</style><div id="t"></div>
<script>const t=new Terminal({cols:%[2]s,rows:%[3]s,fontSize:15,fontFamily:'DejaVu Sans Mono, monospace',theme:{background:'#11171d',foreground:'#e8edf2'},cursorInactiveStyle:'none',convertEol:true});t.open(document.getElementById('t'));t.write(%[4]q,()=>document.body.dataset.done='1')</script>`, modules, columns, lines, screen)
	html = strings.ReplaceAll(html, `\x1b`, `\u001b`)
	page := filepath.Join(s.home, "terminal.html")
	if err := os.WriteFile(page, []byte(html), 0o600); err != nil {
		return err
	}
	ctx, end, err := browser.Open(s.ctx)
	if err != nil {
		return err
	}
	defer end()
	err = chromedp.Do(ctx, browser.As(browser.Look{Width: 1200, Height: 800, Scale: 1.5}), chromedp.Navigate("file://"+page), chromedp.WaitVisible(chromedp.CSS("body[data-done]")), chromedp.Sleep(time.Second))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return shoot(ctx, file, chromedp.Screenshot(chromedp.CSS("#t")))
}
