package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startPatience = 90 * time.Second // a cold, busy machine; usually 5 s
	stopPatience  = 30 * time.Second
	pollEvery     = 100 * time.Millisecond
)

// broker is one Kafka node and the folder it lives in.
type broker struct {
	dir      string
	port     int
	settings []string // KEY=VALUE, over ours
	jars     string   // shared by all brokers of the project
}

func (b *broker) address() string    { return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port)) }
func (b *broker) controller() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port+1)) }
func (b *broker) properties() string { return filepath.Join(b.dir, "server.properties") }
func (b *broker) log() string        { return filepath.Join(b.dir, "broker.log") }
func (b *broker) pidFile() string    { return filepath.Join(b.dir, "pid") }

// start brings the broker up and returns once it answers.
func (b *broker) start(pom string, out io.Writer) error {
	if pid := b.running(); pid != 0 {
		if !answers(b.address()) {
			return fmt.Errorf("process %d runs in %s but does not answer on %s: it was started on another port, or is starting or stopping; `stop` it first", pid, b.dir, b.address())
		}
		fmt.Fprintf(out, "Kafka already answers on %s (process %d)\n", b.address(), pid)
		return nil
	}
	java, err := findJava()
	if err != nil {
		return err
	}
	for _, address := range []string{b.address(), b.controller()} {
		if answers(address) {
			return fmt.Errorf("something else listens on %s: stop it or choose another -port", address)
		}
	}
	if err := b.fetch(pom, out); err != nil {
		return err
	}
	if err := b.format(java); err != nil {
		return err
	}
	pid, died, err := b.launch(java)
	if err != nil {
		return err
	}
	if err := b.await(died); err != nil {
		return err
	}
	fmt.Fprintf(out, "Kafka answers on %s (process %d, folder %s)\n", b.address(), pid, b.dir)
	return nil
}

func findJava() (string, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return "", errors.New("no java on the PATH: install Java 17 or later (Debian: openjdk-17-jre-headless), or use the embedded broker of `make demo`")
	}
	return java, nil
}

func findMaven() (string, error) {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return "", errors.New("no mvn on the PATH, which fetches Kafka: install Maven (Debian: maven), or use the embedded broker of `make demo`")
	}
	return mvn, nil
}

// check says whether a broker could be started here, without starting one.
func (b *broker) check(out io.Writer) error {
	java, err := findJava()
	if err != nil {
		return err
	}
	fetched := "the jars are there"
	if _, err := os.Stat(b.jars); err != nil {
		mvn, err := findMaven()
		if err != nil {
			return err
		}
		fetched = mvn + " will fetch the jars"
	}
	fmt.Fprintf(out, "Kafka can run here: %s, and %s\n", java, fetched)
	return nil
}

// fetch copies the jars into the project unless they are there. They arrive
// beside their place and move into it at the end, so a broken or a concurrent
// fetch leaves nothing half done.
func (b *broker) fetch(pom string, out io.Writer) error {
	if _, err := os.Stat(b.jars); err == nil {
		return nil
	}
	mvn, err := findMaven()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(b.jars), 0o755); err != nil {
		return err
	}
	arriving, err := os.MkdirTemp(filepath.Dir(b.jars), "arriving-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(arriving)
	fmt.Fprintln(out, "fetching Kafka with Maven, about 60 MB ...")
	fetch := exec.Command(mvn, "-B", "-q", "-f", pom, "dependency:copy-dependencies", "-DoutputDirectory="+arriving)
	if report, err := fetch.CombinedOutput(); err != nil {
		return fmt.Errorf("let Maven fetch the artifacts of %s: %w\n%s", pom, err, report)
	}
	if err := os.Rename(arriving, b.jars); err != nil && !errors.Is(err, os.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return err
	}
	return nil
}

// format writes the settings anew and, once in the folder's life, the storage.
func (b *broker) format(java string) error {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(b.properties(), []byte(b.config()), 0o644); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(b.dir, "data", "meta.properties")); err == nil {
		return nil
	}
	id, err := b.java(java, "256m", "kafka.tools.StorageTool", "random-uuid").Output()
	if err != nil {
		return fmt.Errorf("StorageTool random-uuid with the jars in %s: %w; delete that folder to fetch them anew", b.jars, err)
	}
	format := b.java(java, "256m", "kafka.tools.StorageTool", "format", "-t", strings.TrimSpace(string(id)), "-c", b.properties())
	if report, err := format.CombinedOutput(); err != nil {
		return fmt.Errorf("format the storage in %s: %w\n%s", b.dir, err, report)
	}
	return nil
}

func (b *broker) java(java, heap string, args ...string) *exec.Cmd {
	flags := []string{"-Xmx" + heap, "-Dlog4j2.level=WARN", "-cp", filepath.Join(b.jars, "*")}
	return exec.Command(java, append(flags, args...)...)
}

// memory is what Kafka's start script gives a broker, in regions as large as its
// documentation advises. What does not fit into half of a region, as a request with the
// records of a transaction in regions of 1 MB, is old from the beginning for G1: a
// broker under load marked all of its heap again more than once a second.
var memory = []string{"-Xms1g", "-XX:G1HeapRegionSize=16m"}

// launch starts the process in a session of its own, so that it outlives us,
// and tells on the channel if it ends while we look.
func (b *broker) launch(java string) (int, <-chan error, error) {
	log, err := os.Create(b.log())
	if err != nil {
		return 0, nil, err
	}
	defer log.Close()
	server := b.java(java, "1g", append(slices.Clone(memory), "kafka.Kafka", b.properties())...)
	server.Dir = b.dir
	server.Stdout, server.Stderr = log, log
	server.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := server.Start(); err != nil {
		return 0, nil, fmt.Errorf("start java: %w", err)
	}
	died := make(chan error, 1)
	go func() { died <- server.Wait() }()
	pid := server.Process.Pid
	return pid, died, os.WriteFile(b.pidFile(), []byte(strconv.Itoa(pid)+"\n"), 0o644)
}

func (b *broker) await(died <-chan error) error {
	deadline := time.After(startPatience)
	for !answers(b.address()) {
		select {
		case err := <-died:
			return fmt.Errorf("the broker ended while starting (%v); the end of %s:\n%s", err, b.log(), tail(b.log()))
		case <-deadline:
			return fmt.Errorf("the broker does not answer on %s after %v; see %s, and `stop` it", b.address(), startPatience, b.log())
		case <-time.After(pollEvery):
		}
	}
	return nil
}

// stop asks the broker to end and waits for it; it kills only one that will not.
func (b *broker) stop(out io.Writer) error {
	pid := b.running()
	if pid == 0 {
		fmt.Fprintf(out, "no broker runs in %s\n", b.dir)
		return nil
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal %v to process %d: %w", signal, pid, err)
		}
		for patience := stopPatience; patience > 0; patience -= pollEvery {
			if b.running() == 0 {
				fmt.Fprintf(out, "Kafka in %s has stopped\n", b.dir)
				return os.Remove(b.pidFile())
			}
			time.Sleep(pollEvery)
		}
	}
	return fmt.Errorf("process %d does not end, not even killed", pid)
}

// status says whether the broker runs; not running is an error, for scripts.
func (b *broker) status(out io.Writer) error {
	pid := b.running()
	switch {
	case pid == 0:
		return fmt.Errorf("no broker runs in %s: `start` it", b.dir)
	case !answers(b.address()):
		return fmt.Errorf("process %d runs in %s but does not answer on %s: another port, or starting; see %s", pid, b.dir, b.address(), b.log())
	}
	fmt.Fprintf(out, "Kafka answers on %s (process %d, folder %s)\n", b.address(), pid, b.dir)
	return nil
}

// running is the process id of the folder's broker, 0 if there is none. A
// number in the pid file may have passed to another process since: the command
// line tells.
func (b *broker) running() int {
	text, err := os.ReadFile(b.pidFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	state, err := exec.Command("ps", "-ww", "-o", "stat=,command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil || strings.HasPrefix(strings.TrimSpace(string(state)), "Z") || !strings.Contains(string(state), b.properties()) {
		return 0
	}
	return pid
}

func answers(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func tail(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}
