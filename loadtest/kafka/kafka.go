// Package kafka gives tests and measurements a real Kafka broker of their own,
// on free ports of loopback; that of a test is stopped and deleted with it.
//
// In: a test, or a folder. Out: a broker's address, and the means to kill and restart it.
// Without Java or Maven the test is skipped, and says so on standard error;
// with KAIROS_KAFKA=required it fails instead, with KAIROS_KAFKA=off it is
// skipped on any machine.
//
// Not here: how a broker is fetched, set up and started; see deploy/kafka.
package kafka

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kairos/loadtest/loopback"
)

// Broker is a running broker.
type Broker struct {
	Address string // host:port, the only bootstrap server

	dir      string
	settings []string
	guardian *exec.Cmd // kills the broker if this process ends without a word
	lifeline *os.File  // whose end the guardian waits for
}

// Open starts a broker in a folder, on free ports. Settings are KEY=VALUE, on
// top of those of deploy/kafka; {client} and {controller} stand for its addresses.
func Open(dir string, settings ...string) (*Broker, error) {
	b := &Broker{dir: dir, settings: settings}
	const tries = 3 // a free port may be taken before the broker gets to it
	var err error
	for range tries {
		if b.Address, err = loopback.Free(2); err != nil {
			return nil, err
		}
		if err = b.command("start"); err == nil {
			return b, b.guard()
		}
	}
	return nil, fmt.Errorf("start Kafka: %w", err)
}

// Close stops the broker. Its folder stays.
func (b *Broker) Close() error {
	b.unguard()
	return b.command("stop")
}

// guard sees to it that the broker does not outlive this process, whatever
// ends it: a test that takes too long panics, and no cleanup runs.
func (b *Broker) guard() error {
	waits, lifeline, err := os.Pipe()
	if err != nil {
		return err
	}
	defer waits.Close()
	b.guardian = exec.Command("sh", "-c", `read -r _; kill -9 "$0"`, strconv.Itoa(b.PID()))
	b.guardian.Stdin, b.lifeline = waits, lifeline
	b.guardian.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // or it would end with us
	return b.guardian.Start()
}

func (b *Broker) unguard() {
	if b.guardian == nil {
		return
	}
	_ = b.guardian.Process.Kill() // it may have ended: just as well
	_ = b.guardian.Wait()
	_ = b.lifeline.Close()
	b.guardian = nil
}

// Start runs a broker for the length of the test.
func Start(t testing.TB, settings ...string) *Broker {
	t.Helper()
	Need(t)
	b, err := Open(filepath.Join(t.TempDir(), "kafka"), settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("stop Kafka: %v", err)
		}
	})
	return b
}

// Need skips the test, or fails it, where Kafka cannot run.
func Need(t testing.TB) {
	t.Helper()
	wish := os.Getenv("KAIROS_KAFKA")
	if wish == "off" {
		t.Skip("KAIROS_KAFKA=off")
	}
	err := (&Broker{Address: "127.0.0.1:0"}).command("check")
	if err == nil {
		return
	}
	reason := fmt.Sprintf("needs a real Kafka: %v", err)
	if wish == "required" {
		t.Fatal(reason)
	}
	fmt.Fprintf(os.Stderr, "SKIPPED %s: %s\n", t.Name(), reason)
	t.Skip(reason)
}

// Kill ends the broker at once, as a failing machine would (kill -9), and
// returns when it is gone.
func (b *Broker) Kill(t testing.TB) {
	t.Helper()
	pid := b.PID()
	if pid == 0 {
		t.Fatalf("kill Kafka: no process id in %s", b.dir)
	}
	b.unguard()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill Kafka: %v", err)
	}
	deadline := time.Now().Add(10 * time.Second)
	// Threads of a dying process keep its sockets for a moment after its id is gone.
	for b.command("status") == nil || !b.silent() {
		if time.Now().After(deadline) {
			t.Fatalf("Kafka (process %d) lives on after kill -9", pid)
		}
	}
}

// Restart starts the broker again with the data it had, at the same address.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	if err := b.command("start"); err != nil {
		t.Fatalf("restart Kafka: %v", err)
	}
	if err := b.guard(); err != nil {
		t.Fatalf("restart Kafka: %v", err)
	}
}

// PID is the broker's process id, for those who measure it; 0 if unknown.
func (b *Broker) PID() int {
	text, err := os.ReadFile(filepath.Join(b.dir, "pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

func (b *Broker) command(word string) error {
	_, port, err := net.SplitHostPort(b.Address)
	if err != nil {
		return err
	}
	args := []string{"run", "kairos/deploy/kafka", word, "-dir", b.dir, "-port", port}
	addresses := strings.NewReplacer("{client}", b.Address, "{controller}", b.controller())
	for _, s := range b.settings {
		args = append(args, "-set", addresses.Replace(s))
	}
	said, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(said))
	}
	return nil
}

// controller is the address above the clients': Free(2) gave both.
func (b *Broker) controller() string {
	host, text, err := net.SplitHostPort(b.Address)
	port, err2 := strconv.Atoi(text)
	if err != nil || err2 != nil {
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(port+1))
}

// silent reports whether both ports of the broker are free again.
func (b *Broker) silent() bool {
	_, text, err := net.SplitHostPort(b.Address)
	if err != nil {
		return false
	}
	port, err := strconv.Atoi(text)
	return err == nil && loopback.AreFree(port, 2)
}
