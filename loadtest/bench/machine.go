package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"kairos/loadtest/peers/goka"
	"kairos/loadtest/rig"
)

// Machine is where it was measured.
type Machine struct {
	rig.Machine
	CPU         string `json:"cpu"` // its model
	MemoryBytes int64  `json:"memory_bytes"`
	Kernel      string `json:"kernel"`
}

// thisMachine describes this one, as far as it says.
func thisMachine() Machine {
	m := Machine{Machine: rig.ThisMachine()}
	m.CPU = field("/proc/cpuinfo", "model name")
	kilobytes, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 10, 64)
	if err == nil {
		m.MemoryBytes = kilobytes << 10
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = "Linux " + strings.TrimSpace(string(release))
	}
	return m
}

// field is the first of a name in a file of names, colons and values.
func field(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// loadAverage is how many processes wanted to run, over the last minute.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return load
}

// versions are those of what is measured.
func versions(ctx context.Context, commit string) [][2]string {
	all := [][2]string{{"kairos", commit}, {"Apache Kafka, one broker", pomVersion("deploy/kafka/pom.xml", "kafka_2.13")},
		{"Kafka Streams", pomVersion("loadtest/peers/kafka-streams/pom.xml", "kafka-streams")}}
	if said, err := exec.CommandContext(ctx, "java", "-version").CombinedOutput(); err == nil {
		first, _, _ := strings.Cut(string(said), "\n")
		all = append(all, [2]string{"Java on the path", first})
	}
	info, _ := debug.ReadBuildInfo()
	for _, module := range append(slices.Clone(goka.Modules), "github.com/twmb/franz-go") {
		if info == nil {
			break
		}
		for _, dependency := range info.Deps {
			if dependency.Path == module {
				all = append(all, [2]string{filepath.Base(module), dependency.Version})
			}
		}
	}
	return all
}

// pomVersion is the version that a file of Maven's asks of something.
func pomVersion(file, artifact string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	found := regexp.MustCompile(`<artifactId>` + regexp.QuoteMeta(artifact) + `</artifactId>\s*<version>([^<]+)</version>`).FindSubmatch(text)
	if found == nil {
		return "unknown"
	}
	return string(found[1])
}

// tuning says how everybody was set up.
func (c *config) tuning() [][2]string {
	streams := fmt.Sprintf("exactly_once_v2, 2 threads, commit every %v, lz4, linger 10 ms, batches of 256 KiB, 5,000 records a poll, cache of 512 MB, heap of 3 GB", c.commit)
	return [][2]string{
		{"broker", "of deploy/kafka: 1 GB of heap in regions of 16 MB, one replica, add.partitions.to.txn.retry.backoff.ms=1"},
		{"kairos", "as it comes: exactly once, profile to destination in one process, four partitions or as many as said"},
		{"kafka-streams", streams + "; RocksDB with one block cache of 256 MB, three memtables of 32 MB"},
		{"kafka-streams-memory", streams + "; rows in memory"},
		{"goka", goka.Tuning},
		{"floor", "franz-go, one transactional session, 10,000 records a transaction, as many bytes for a record as kairos wrote; does nothing"},
	}
}
