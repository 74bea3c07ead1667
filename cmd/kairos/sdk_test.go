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
// registry has it. script sends 1,000 calls, and beacons besides if in a browser.
type sdk struct {
	name, script string
	install      [][]string // in a folder of its own
	run          []string
	browser      bool
}

func sdks() []sdk {
	npm := func(packs ...string) [][]string {
		return [][]string{append([]string{"npm", "install", "--no-audit", "--no-fund", "--loglevel=error"}, packs...)}
	}
	return []sdk{
		{"analytics-next", "browser.mjs", npm("@segment/analytics-next@1.84.3", "playwright-core@1.65.1"), []string{"node", "browser.mjs"}, true},
		{"analytics-node", "segment.mjs", npm("@segment/analytics-node@3.1.0"), []string{"node", "segment.mjs"}, false},
		{"rudder-sdk-node", "rudder.mjs", npm("@rudderstack/rudder-sdk-node@3.0.13"), []string{"node", "rudder.mjs"}, false},
		{"segment-analytics-python", "send.py", [][]string{
			{"python3", "-m", "venv", "env"}, {"env/bin/pip", "install", "--quiet", "--disable-pip-version-check", "segment-analytics-python==2.4.0"},
		}, []string{"env/bin/python", "send.py"}, false},
		{"analytics-go", "segment.go.txt", [][]string{
			{"go", "mod", "init", "sender"}, {"go", "get", "github.com/segmentio/analytics-go/v3@v3.3.0"}, {"cp", "segment.go.txt", "main.go"},
			{"go", "mod", "tidy"},
		}, []string{"go", "run", "."}, false},
	}
}

// send installs the SDK and lets it send to a door. A browser is there, and may
// still send, until end is called.
func (s sdk) send(t *testing.T, door string) (end func()) {
	t.Helper()
	dir := t.TempDir()
	script, err := os.ReadFile(filepath.Join("testdata", "sdks", s.script))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, s.script), script, 0o600); err != nil {
		t.Fatal(err)
	}
	needs := []string{s.install[0][0]}
	if s.browser {
		needs = append(needs, "chromium")
	}
	for _, tool := range needs {
		if _, err := exec.LookPath(tool); err != nil {
			if tool == "chromium" && os.Getenv("CI") != "" { // which installs it
				t.Fatal(err)
			}
			fmt.Fprintf(os.Stderr, "SKIPPED %s: needs %s\n", t.Name(), tool)
			t.Skip(err)
		}
	}
	run := append(s.run, door)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	for _, command := range s.install {
		if said, err := s.command(ctx, dir, command).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, said)
		}
	}
	running := s.command(ctx, dir, run)
	said := &lines{more: make(chan struct{}, 1)}
	running.Stdout, running.Stderr = said, said
	stdin, err := running.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s says\n%s", strings.Join(run, " "), said.said())
		}
	})
	end = func() {
		_ = stdin.Close() // it may have ended
		if err := running.Wait(); err != nil {
			t.Fatalf("%s: %v", strings.Join(run, " "), err)
		}
	}
	if !s.browser {
		end()
		return func() {}
	}
	return end
}

func (s sdk) command(ctx context.Context, dir string, words []string) *exec.Cmd {
	c := exec.CommandContext(ctx, words[0], words[1:]...)
	if strings.Contains(words[0], "/") {
		c.Path, c.Err = filepath.Join(dir, words[0]), nil
	}
	c.Dir, c.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	return c
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
			end := s.send(t, "http://"+r.door)
			await(t, "1,000 different calls arrive", func() bool {
				calls, _ := arrived(t, brokers)
				return calls >= 1000
			})
			end()
			calls, beacons := arrived(t, brokers)
			if calls != 1000 || s.browser != (beacons > 0) {
				t.Fatalf("%d different calls arrived, want 1000, and %d beacons", calls, beacons)
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
				return counted == int64(calls+beacons)
			})
			if said := expect(t, 0, "deadletters", "list", brokers); !strings.Contains(said, "no dead letters") {
				t.Errorf("dead letters: %s", said)
			}
		})
	}
}

// arrived counts the different calls on the topic of events, those of SDKs and
// the beacons of pages. Browsers promise to try to send a beacon, and no more.
func arrived(t *testing.T, brokers string) (calls, beacons int) {
	t.Helper()
	ids := map[string]bool{}
	for _, value := range committed(t, brokers, topologies.Events.Name) {
		e, err := topologies.Events.Codec.Decode(value)
		if err != nil {
			t.Fatal(err)
		}
		if ids[e.ID] {
			continue
		}
		ids[e.ID] = true
		if e.Name == "Left" {
			beacons++
		} else {
			calls++
		}
	}
	return calls, beacons
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
