package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// A bench is what all scenarios share: the binaries, a directory for what they
// write, the provider and who runs on which core. Close it.
type bench struct {
	options
	dir      string
	taskset  string // path of taskset(1), empty if the cores cannot be shared out
	provider *process
}

// The generator and the provider share one core and the gateway has the other,
// so that the gateway is what is saturated and nobody else is counted.
const generatorCore, gatewayCore = "0", "1"

// newBench builds what is missing, moves this process to its core and starts
// the provider.
func newBench(ctx context.Context, o options) (*bench, error) {
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, dir: dir}
	if err := b.prepare(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) prepare(ctx context.Context) error {
	for _, bin := range []struct {
		path *string
		pkg  string
	}{{&b.weir, "./cmd/weir"}, {&b.bare, "./bench/bare"}, {&b.upstream, "./bench/upstream"}} {
		if *bin.path != "" {
			continue
		}
		*bin.path = filepath.Join(b.dir, filepath.Base(bin.pkg))
		if err := build(ctx, *bin.path, bin.pkg, ""); err != nil {
			return err
		}
	}
	if runtime.NumCPU() > 1 {
		b.taskset, _ = exec.LookPath("taskset")
	}
	if b.taskset == "" {
		log.Print("gateway, generator and provider share the cores: no taskset, or one core only")
	}
	b.pin(ctx, generatorCore)
	p, err := b.start(ctx, "upstream", generatorCore, b.upstream, "-listen", "127.0.0.1:0")
	b.provider = p
	return err
}

// pin moves this process, and what it starts itself, to cores.
func (b *bench) pin(ctx context.Context, cores string) {
	if b.taskset == "" {
		return
	}
	if out, err := exec.CommandContext(ctx, b.taskset, "-a", "-c", "-p", cores, strconv.Itoa(os.Getpid())).CombinedOutput(); err != nil {
		log.Printf("moving the generator to the cores %s: %v: %s", cores, err, out)
	}
}

func allCores() string { return "0-" + strconv.Itoa(runtime.NumCPU()-1) }

func build(ctx context.Context, path, pkg, tags string) error {
	if out, err := exec.CommandContext(ctx, "go", "build", "-tags", tags, "-o", path, pkg).CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// close ends the provider and removes what was written.
func (b *bench) close() {
	if b.provider != nil {
		b.provider.stop()
	}
	if err := os.RemoveAll(b.dir); err != nil {
		log.Print(err)
	}
}

// startBare starts a bare proxy before the provider.
func (b *bench) startBare(ctx context.Context) (*process, error) {
	return b.start(ctx, "bare", gatewayCore, b.bare, "-listen", "127.0.0.1:0", "-upstream", b.provider.url.String())
}

// startWeir starts weir before the provider. An empty state means a fresh
// state directory.
func (b *bench) startWeir(ctx context.Context, limit, state string) (*process, error) {
	if state == "" {
		var err error
		if state, err = os.MkdirTemp(b.dir, "state-"); err != nil {
			return nil, err
		}
	}
	return b.start(ctx, "weir", gatewayCore, b.weir, "serve", "--listen", "127.0.0.1:0",
		"--upstream", b.provider.url.String(), "--limit", limit, "--state", state)
}

// startBoth starts a bare proxy and a weir that lets everybody through.
func (b *bench) startBoth(ctx context.Context) (pair, error) {
	bare, err := b.startBare(ctx)
	if err != nil {
		return pair{}, err
	}
	weir, err := b.startWeir(ctx, strconv.Itoa(b.limit), "")
	if err != nil {
		bare.stop()
		return pair{}, err
	}
	return pair{bare, weir}, nil
}

// A pair is the two gateways that are compared.
type pair struct{ bare, weir *process }

func (p pair) stop() {
	p.bare.stop()
	p.weir.stop()
}

// A process is a running gateway or provider.
type process struct {
	name string
	url  *url.URL
	cmd  *exec.Cmd
	done chan error // receives the end of the process
}

// listening finds the address in what a gateway says at its start.
func listening(said string) (string, bool) {
	m := regexp.MustCompile(`(?:listens|provider) on (http://[0-9A-Za-z.:\[\]-]+)`).FindStringSubmatch(said)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// start starts a binary on a core and waits until it says where it listens.
// What it writes goes to a file, as a pipe would cost the generator time.
func (b *bench) start(ctx context.Context, name, core, bin string, args ...string) (*process, error) {
	out, err := os.CreateTemp(b.dir, name+"-*.log")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if b.taskset != "" {
		args = append([]string{"-c", core, bin}, args...)
		bin = b.taskset // execs the gateway, so the process id is the gateway's
	}
	p := &process{name: name, cmd: exec.Command(bin, args...), done: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	for deadline := time.Now().Add(15 * time.Second); ; {
		said, err := os.ReadFile(out.Name())
		if err != nil {
			return nil, err
		}
		if address, ok := listening(string(said)); ok {
			p.url, err = url.Parse(address)
			return p, err
		}
		select {
		case err := <-p.done:
			p.done <- err
			return nil, fmt.Errorf("%s ended at start (%v) and said:\n%s", name, err, said)
		case <-ctx.Done():
			p.stop()
			return nil, context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.stop()
			return nil, fmt.Errorf("%s does not say where it listens; it said:\n%s", name, said)
		}
	}
}

// stop ends the process, kindly first, and waits for its end.
func (p *process) stop() {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		log.Printf("ending %s: %v", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		p.kill()
		<-p.done
	}
}

// kill ends the process at once.
func (p *process) kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		log.Printf("killing %s: %v", p.name, err)
	}
}

// cpu returns the CPU time that the process has used.
func (p *process) cpu() (time.Duration, error) { return cpuTime(p.cmd.Process.Pid) }

// memory returns the resident memory of the process in bytes.
func (p *process) memory() (int64, error) { return resident(p.cmd.Process.Pid) }
