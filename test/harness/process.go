package harness

import (
	"bytes"
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a running program that serves.
type Process struct {
	t        testing.TB
	cmd      *exec.Cmd
	out, err *output
	done     chan struct{} // closed when the process has ended
	code     int           // valid after done
	url      string
}

// Start runs the program with the arguments (`serve --config …`, `demo …`) and
// waits until it says where it listens. It is killed at the end of the test.
func Start(t testing.TB, args ...string) *Process {
	t.Helper()
	p := Launch(t, args...)
	p.WaitReady()
	return p
}

// Launch runs the program without waiting.
func Launch(t testing.TB, args ...string) *Process {
	t.Helper()
	return LaunchAs(t, exec.Command(Build(t), args...))
}

// LaunchAs runs a prepared command (in a shell with limits, in a folder).
func LaunchAs(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, cmd: cmd, out: &output{}, err: &output{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.err
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // the exit code says it
		p.code = cmd.ProcessState.ExitCode()
		close(p.done)
	}()
	t.Cleanup(p.Kill)
	return p
}

var listens = regexp.MustCompile(`(?:listening |医联演示已启动：)(?:https?://)?(\S+)`)

// WaitReady waits until the program says where it listens; the test fails when
// it ends instead.
func (p *Process) WaitReady() {
	p.t.Helper()
	var found []string
	Until(p.t, "the program listens", func() bool {
		if p.Ended() {
			p.t.Fatalf("the program ended with code %d:\n%s%s", p.code, p.Stdout(), p.Stderr())
		}
		found = listens.FindStringSubmatch(p.Stdout())
		return found != nil
	})
	p.url = "http://" + found[1]
}

// Address is host:port.
func (p *Process) Address() string { return strings.TrimPrefix(p.url, "http://") }

// URL is the address, http://127.0.0.1:port without a slash at the end.
func (p *Process) URL() string { return p.url }

// Stdout is what the program has printed so far.
func (p *Process) Stdout() string { return p.out.String() }

// Stderr is what the program has logged so far.
func (p *Process) Stderr() string { return p.err.String() }

// Signal sends a signal and returns at once.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// Wait waits for the end and returns the exit code, -1 after a kill.
func (p *Process) Wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		p.t.Fatalf("the program does not end:\n%s", p.Stderr())
	}
	return p.code
}

// Ended reports whether the program has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Stop asks the program to end (SIGTERM) and returns its exit code.
func (p *Process) Stop() int {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	return p.Wait()
}

// Kill ends the program without warning (SIGKILL). It may be called again.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// Result is what a command that ended by itself said.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Run runs the program to its end. A program that does not end fails the test.
func Run(t testing.TB, args ...string) Result {
	t.Helper()
	return RunAs(t, exec.Command(Build(t), args...))
}

// RunAs runs a prepared command to its end.
func RunAs(t testing.TB, cmd *exec.Cmd) Result {
	t.Helper()
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	if e := cmd.Start(); e != nil {
		t.Fatal(e)
	}
	late := time.AfterFunc(Patience, func() { _ = cmd.Process.Kill() }) // it may have ended
	e := cmd.Wait()
	if !late.Stop() {
		t.Fatalf("%v does not end:\n%s%s", cmd.Args, out.String(), err.String())
	}
	if e != nil {
		if _, ended := errors.AsType[*exec.ExitError](e); !ended {
			t.Fatal(e)
		}
	}
	return Result{cmd.ProcessState.ExitCode(), out.String(), err.String()}
}

// output is a buffer that is read while the process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
