// Package binary builds kairos and drives it from outside, as an operator
// would: commands to their end, and processes that are stopped or killed.
//
// In: command lines. Out: what was printed, processes, their ids. Law: nothing
// of kairos runs in the process of a test or a measurement.
//
// Not here: what to ask of kairos; see loadtest/load and loadtest/chaos.
package binary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Binary is a built kairos, or another program that is measured beside it.
type Binary struct{ path string }

// Build compiles kairos into a folder.
func Build(ctx context.Context, folder string) (*Binary, error) {
	b := &Binary{filepath.Join(folder, "kairos")}
	said, err := exec.CommandContext(ctx, "go", "build", "-o", b.path, "kairos/cmd/kairos").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("build kairos: %w\n%s", err, said)
	}
	return b, nil
}

// At is a program that is there already, by its path or as the shell finds it.
func At(path string) *Binary { return &Binary{path} }

// Run runs a command to its end and returns what it printed on standard output.
func (b *Binary) Run(ctx context.Context, args ...string) (string, error) {
	var out, problems bytes.Buffer
	cmd := exec.CommandContext(ctx, b.path, args...)
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(b.path), strings.Join(args, " "), err, out.Bytes(), problems.Bytes())
	}
	return out.String(), nil
}

// Process is a kairos that runs beside us.
type Process struct {
	PID int
	Log string // where both outputs go

	ended chan struct{}
	err   error // once ended
}

// Start starts a command that runs until it is told to end. What it prints is
// appended to the log file.
func (b *Binary) Start(log string, args ...string) (*Process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd := exec.Command(b.path, args...)
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s %s: %w", filepath.Base(b.path), strings.Join(args, " "), err)
	}
	p := &Process{PID: cmd.Process.Pid, Log: log, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err is why the process ended; nil if it ended well. It is an error to ask
// while it runs.
func (p *Process) Err() error {
	select {
	case <-p.ended:
		return p.err
	default:
		return fmt.Errorf("process %d has not ended", p.PID)
	}
}

// Hold has the process stand still until [Process.GoOn].
func (p *Process) Hold() error { return p.signal(syscall.SIGSTOP) }

// GoOn ends [Process.Hold].
func (p *Process) GoOn() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(signal syscall.Signal) error {
	if err := syscall.Kill(p.PID, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("%v to process %d: %w", signal, p.PID, err)
	}
	return nil
}

// Kill ends the process as a failing machine would, kill -9, and returns when
// it is gone.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL, 10*time.Second) }

// Stop asks the process to end and returns when it has. A process that takes
// longer than patience, or does not end well, is an error.
func (p *Process) Stop(patience time.Duration) error {
	if err := p.end(syscall.SIGTERM, patience); err != nil {
		return errors.Join(err, p.Kill())
	}
	if p.err != nil {
		return fmt.Errorf("process %d ended with %w; the end of its log:\n%s", p.PID, p.err, p.LogTail())
	}
	return nil
}

func (p *Process) end(signal syscall.Signal, patience time.Duration) error {
	select {
	case <-p.ended: // its number may be somebody else's by now
		return nil
	default:
	}
	if err := p.signal(signal); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("process %d lives on %v after %v; the end of its log:\n%s", p.PID, patience, signal, p.LogTail())
	}
}

// LogTail is the end of the process's log, for messages.
func (p *Process) LogTail() string {
	text, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}
