package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kairos/loadtest/kafka"
	"kairos/loadtest/registry"
	"kairos/topologies"
)

// consumer is a program in another language, with clients as their registries
// have them. Its arguments are brokers, topic and schema.
type consumer struct {
	name, script string
	install      [][]string // in a folder of its own
	run          []string
	more         []string // other files that it needs
}

func consumers() []consumer {
	return []consumer{
		{"python", "read.py", [][]string{
			{"python3", "-m", "venv", "env"}, {"env/bin/pip", "install", "--quiet", "--disable-pip-version-check", "confluent-kafka==2.16.1", "fastavro==1.13.1"},
		}, []string{"env/bin/python", "read.py"}, nil},
		{"node", "read.mjs", [][]string{{"npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "kafkajs@2.2.4", "kafkajs-snappy@1.1.0", "avsc@5.7.9"}}, []string{"node", "read.mjs"}, nil},
		{"java", "Read.java", [][]string{{"mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"}}, []string{"java", "-cp", "lib/*", "Read.java"}, []string{"pom.xml"}},
	}
}

// start installs the clients and runs the program until the test ends.
func (c consumer) start(t *testing.T, args ...string) *bufio.Scanner {
	t.Helper()
	dir := t.TempDir()
	for _, name := range append(c.more, c.script) {
		text, err := os.ReadFile(filepath.Join("testdata", "consumers", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), string(text))
	}
	for _, tool := range []string{c.install[0][0], c.run[0]} {
		if _, err := exec.LookPath(tool); err != nil && !strings.Contains(tool, "/") {
			fmt.Fprintf(os.Stderr, "SKIPPED %s: needs %s\n", t.Name(), tool)
			t.Skip(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	command := func(words []string) *exec.Cmd {
		e := exec.CommandContext(ctx, words[0], words[1:]...)
		if strings.Contains(words[0], "/") {
			e.Path, e.Err = filepath.Join(dir, words[0]), nil
		}
		e.Dir = dir
		return e
	}
	for _, words := range c.install {
		if said, err := command(words).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, said)
		}
	}
	running := command(append(slices.Clone(c.run), args...))
	out, err := running.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints lines
	complaints.more = make(chan struct{}, 1)
	running.Stderr = &complaints
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = running.Process.Kill()
		_ = running.Wait()
		if t.Failed() {
			t.Logf("%s complains\n%s", c.name, complaints.said())
		}
	})
	return bufio.NewScanner(out)
}

// until reads lines up to one, and gives those before it.
func until(t *testing.T, said *bufio.Scanner, last string) []string {
	t.Helper()
	var before []string
	for said.Scan() {
		if said.Text() == last {
			return before
		}
		before = append(before, said.Text())
	}
	t.Fatalf("it ends without saying %q; it said\n%s", last, strings.Join(before, "\n"))
	return nil
}

// Whoever reads a destination's topic from its start has the current list, and
// then hears what changes, in the language of their own.
func TestClientsInOtherLanguagesReadTheListAndFollowIt(t *testing.T) {
	if testing.Short() {
		t.Skip("installs clients from their registries")
	}
	brokers := "--brokers=" + kafka.Start(t).Address
	r := start(t, brokers, "--partitions=2")
	r.await(t, "/readyz", http.StatusServiceUnavailable)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers)
	r.await(t, "/readyz", http.StatusOK)
	send := func(words ...string) { expect(t, 0, append([]string{"send", "--door=http://" + r.door}, words...)...) }
	for _, device := range []string{"d1", "d2", "d3"} {
		send("device_id="+device, "cancel")
	}
	send("device_id=d2", "purchase", "amount=5", "cds=1")
	topic := topologies.Activations("app").Name
	await(t, "all is said", func() bool {
		in, out := 0, 0
		for _, value := range committed(t, brokers, topic) {
			if a, err := topologies.Activations("app").Codec.Decode(value); err != nil {
				t.Fatal(err)
			} else if a.Audience == "win_back" && a.Entered {
				in++
			} else if a.Audience == "win_back" {
				out++
			}
		}
		return in == 2 && out == 1
	})
	schema, err := filepath.Abs("../../schemas/avsc/Activation.avsc")
	if err != nil {
		t.Fatal(err)
	}
	var reading []*bufio.Scanner
	for _, c := range consumers() {
		t.Run(c.name, func(t *testing.T) {
			said := c.start(t, strings.TrimPrefix(brokers, "--brokers="), topic, schema)
			list := until(t, said, "that is the list")
			for _, want := range []string{"member win_back device_id:d1", "member win_back device_id:d3"} {
				if !slices.Contains(list, want) {
					t.Errorf("the list is\n%s", strings.Join(list, "\n"))
				}
			}
			if slices.Contains(list, "member win_back device_id:d2") {
				t.Errorf("who has left is on the list\n%s", strings.Join(list, "\n"))
			}
			send("device_id="+c.name, "cancel")
			until(t, said, "entered win_back device_id:"+c.name)
			send("device_id="+c.name, "purchase", "amount=5", "cds=1")
			until(t, said, "left win_back device_id:"+c.name)
			reading = append(reading, said)
		})
	}
	if len(reading) == 0 {
		t.Skip("none of the languages is here")
	}
}

// What the guide shows is what was tested.
func TestTheGuideForReadersShowsTheProgramsThatAreTested(t *testing.T) {
	guide := read(t, "schemas/READING.md")
	for language, script := range map[string]string{"python": "read.py", "js": "read.mjs", "java": "Read.java"} {
		text := read(t, "cmd/kairos/testdata/consumers/"+script)
		if !slices.Contains(blocks(guide, language), text) {
			t.Errorf("schemas/READING.md does not show testdata/consumers/%s as it is", script)
		}
	}
}

func TestSchemasAreRegisteredWhereThereIsARegistry(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a registry")
	}
	schemas := registry.Start(t)
	brokers := embedded(t)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers)
	for range 2 { // a second time changes nothing
		if said := expect(t, 0, "topology", "apply", "--registry="+schemas.URL, brokers); !strings.Contains(said, "schemas registered") {
			t.Errorf("it says %s", said)
		}
	}
	found := schemas.Latest(t, topologies.Activations("app").Name+"-value")
	if found.Version != 1 || !strings.Contains(found.Schema.Schema, `"Activation"`) {
		t.Errorf("the registry has %+v", found)
	}
	if said := expect(t, exitFailed, "topology", "apply", "--registry=http://127.0.0.1:1", brokers); !strings.Contains(said, "127.0.0.1:1") {
		t.Errorf("it says %s", said)
	}
}
