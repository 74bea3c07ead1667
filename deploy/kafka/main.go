// Kafka runs a broker of Apache Kafka on this machine, for `make kafka`, for
// tests and for measurements: a single KRaft node that listens on loopback
// only, with at most 1 GB of heap, in a folder of the project that git ignores.
//
// In: Java and Maven. Out: a running broker and its process id in DIR/pid. All
// commands may be repeated. Several brokers live side by side in several
// folders on several ports. Deleting a stopped broker's folder deletes all of it.
//
//	go run ./deploy/kafka start|stop|status|check [-dir DIR] [-port PORT]
//
// Not here: topics, see `kairos topology apply`; brokers for production.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kafka:", err)
		os.Exit(1)
	}
}

const usage = `usage: go run ./deploy/kafka start|stop|status|check [flags]
check says whether Kafka can run here at all: whether Java and Maven are there.
  -dir DIR       the broker's folder (default .kafka/broker in the project)
  -port PORT     where clients connect, on 127.0.0.1 (default 9092); PORT+1 is the controller's
  -set KEY=VALUE a broker setting on top of ours; may be repeated; takes effect at start`

// settings collects repeated -set flags.
type settings []string

func (s *settings) String() string { return strings.Join(*s, " ") }

func (s *settings) Set(v string) error {
	if !strings.Contains(v, "=") {
		return errors.New("want KEY=VALUE")
	}
	*s = append(*s, v)
	return nil
}

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	root, err := projectRoot()
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("kafka", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprintln(os.Stderr, usage) }
	dir := flags.String("dir", filepath.Join(root, ".kafka", "broker"), "")
	port := flags.Int("port", 9092, "")
	var extra settings
	flags.Var(&extra, "set", "")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not understood\n%s", flags.Arg(0), usage)
	}
	folder, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	b := &broker{dir: folder, port: *port, settings: extra, jars: filepath.Join(root, ".kafka", "jars")}
	switch args[0] {
	case "start":
		return b.start(filepath.Join(root, "deploy", "kafka", "pom.xml"), out)
	case "stop":
		return b.stop(out)
	case "status":
		return b.status(out)
	case "check":
		return b.check(out)
	default:
		return fmt.Errorf("%q is not a command\n%s", args[0], usage)
	}
}

// projectRoot is the nearest folder upwards that holds go.mod.
func projectRoot() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod in %s or above: run this inside the project", here)
		}
	}
}
