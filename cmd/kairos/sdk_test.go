package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/topologies"
)

// sdk is a client that companies have on their pages and servers, as its
// registry has it. script sends 1,000 calls.
type sdk struct {
	name, script string
	install      [][]string // in a folder of its own
	run          []string
}

func sdks() []sdk {
	npm := func(pack string) [][]string {
		return [][]string{{"npm", "install", "--no-audit", "--no-fund", "--loglevel=error", pack}}
	}
	return []sdk{
		{"analytics-node", "segment.mjs", npm("@segment/analytics-node@3.1.0"), []string{"node", "segment.mjs"}},
		{"rudder-sdk-node", "rudder.mjs", npm("@rudderstack/rudder-sdk-node@3.0.13"), []string{"node", "rudder.mjs"}},
		{"segment-analytics-python", "send.py", [][]string{
			{"python3", "-m", "venv", "env"}, {"env/bin/pip", "install", "--quiet", "--disable-pip-version-check", "segment-analytics-python==2.4.0"},
		}, []string{"env/bin/python", "send.py"}},
		{"analytics-go", "segment.go.txt", [][]string{
			{"go", "mod", "init", "sender"}, {"go", "get", "github.com/segmentio/analytics-go/v3@v3.3.0"}, {"cp", "segment.go.txt", "main.go"},
			{"go", "mod", "tidy"},
		}, []string{"go", "run", "."}},
	}
}

// send installs the SDK and lets it send to url.
func (s sdk) send(t *testing.T, url string) {
	t.Helper()
	dir := t.TempDir()
	script, err := os.ReadFile(filepath.Join("testdata", "sdks", s.script))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, s.script), script, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(s.install[0][0]); err != nil {
		fmt.Fprintf(os.Stderr, "SKIPPED %s: needs %s\n", t.Name(), s.install[0][0])
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for _, command := range append(s.install, append(s.run, url)) {
		c := exec.CommandContext(ctx, command[0], command[1:]...)
		if strings.Contains(command[0], "/") {
			c.Path = filepath.Join(dir, command[0])
			c.Err = nil
		}
		c.Dir, c.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		if said, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, said)
		}
	}
}

// What each SDK says of 1,000 calls arrives as 1,000 events, each once in
// exactly one profile.
func TestTheSDKsThatPeopleHaveWorkUnmodified(t *testing.T) {
	if testing.Short() {
		t.Skip("installs SDKs from their registries")
	}
	for _, s := range sdks() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			brokers := embedded(t)
			r := start(t, brokers, "--partitions=2")
			r.await(t, "/readyz", http.StatusServiceUnavailable) // it makes the topics, with its partitions
			expect(t, 0, "apply", "-f", "demo/definitions", brokers)
			r.await(t, "/readyz", http.StatusOK)
			s.send(t, "http://"+r.door)
			ids := map[string]int{}
			for _, value := range committed(t, brokers, topologies.Events.Name) {
				e, err := topologies.Events.Codec.Decode(value)
				if err != nil {
					t.Fatal(err)
				}
				ids[e.ID]++
			}
			if len(ids) != 1000 {
				t.Fatalf("%d different calls arrived, want 1000", len(ids))
			}
			await(t, "every call is in a profile, once", func() bool {
				counted := int64(0)
				for key, value := range committed(t, brokers, topologies.ProfileTable.Name) {
					if strings.HasPrefix(key, "\x00") || value == nil {
						continue
					}
					row, err := topologies.ProfileTable.Codec.Decode(value)
					if err != nil {
						t.Fatal(err)
					}
					for _, f := range row.Fragments {
						counted += f.Events
					}
				}
				return counted == 1000
			})
			if said := expect(t, 0, "deadletters", "list", brokers); !strings.Contains(said, "no dead letters") {
				t.Errorf("dead letters: %s", said)
			}
		})
	}
}

// committed gives the newest value of each key of a topic; for a stream, keys
// are made different by partition and offset.
func committed(t *testing.T, brokers, topic string) map[string][]byte {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(brokers, "--brokers=")), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	values := map[string][]byte{}
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		fetches := client.PollFetches(ctx)
		cancel()
		if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if fetches.NumRecords() == 0 {
			return values
		}
		fetches.EachRecord(func(r *kgo.Record) {
			key := string(r.Key)
			if topic == topologies.Events.Name {
				key = fmt.Sprintf("%d/%d", r.Partition, r.Offset)
			}
			values[key] = r.Value
		})
	}
}
