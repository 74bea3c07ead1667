package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"kairos/loadtest/binary"
	"kairos/loadtest/peers/goka"
	"kairos/schemas"
	"kairos/topologies"
)

// peer is somebody who can do the job.
type peer struct {
	name    string
	group   string // of its consumer
	answers bool   // and right ones
	start   func(s *stage) (*binary.Process, error)
}

// tools is what all runs share.
type tools struct {
	dir    string
	kairos *binary.Binary
	jars   string // of the Kafka Streams peer, and itself
	commit string // its commit interval, ms
	row    int    // bytes that the floor carries, for each record
	every  int
}

func (t *tools) peers() []peer {
	streams := func(store string) func(*stage) (*binary.Process, error) {
		return func(s *stage) (*binary.Process, error) {
			return binary.At("java").Start(s.log, "-Xmx3g", "-cp", filepath.Join(t.jars, "*"), "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
				"kairos.peers.Peer", s.broker.Address, topologies.PersonEvents.Name, topologies.Transitions.Name,
				s.rules, filepath.Join(s.dir, "state"), store, t.commit, printOf(topologies.PersonEvents.Codec, &schemas.PersonEvent{}), printOf(topologies.Transitions.Codec, &schemas.Transition{}))
		}
	}
	return []peer{
		{"kairos", "kairos.person", true, func(s *stage) (*binary.Process, error) {
			return t.kairos.Start(s.log, "run", "--brokers", s.broker.Address, "--state", filepath.Join(s.dir, "state"), "--metrics=", "--api=", "person")
		}},
		{"kafka-streams", "peer", true, streams("rocksdb")},
		{"kafka-streams-memory", "peer", true, streams("memory")},
		{"goka", goka.Group, true, func(s *stage) (*binary.Process, error) {
			return ourselves(s.log, "goka", s.broker.Address, s.rules)
		}},
		{"floor", "floor", false, func(s *stage) (*binary.Process, error) {
			return ourselves(s.log, "floor", s.broker.Address, strconv.Itoa(t.row), strconv.Itoa(t.every))
		}},
	}
}

// ourselves starts this program as one of those who are measured.
func ourselves(log string, args ...string) (*binary.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return binary.At(self).Start(log, args...)
}

// printOf is the fingerprint in a record's framing, in hex.
func printOf[T any](codec *schemas.Codec[T], empty *T) string {
	framed, err := codec.Append(nil, empty)
	if err != nil {
		panic(fmt.Sprintf("peers: an empty record cannot be encoded: %v", err)) // records of plain fields
	}
	return hex.EncodeToString(framed[2:10])
}

// buildStreams has Maven build the Kafka Streams peer and fetch what it needs.
func buildStreams(ctx context.Context, folder string) (jars string, err error) {
	jars = filepath.Join(folder, "jars")
	maven := exec.CommandContext(ctx, "mvn", "-B", "-q", "-f", "loadtest/peers/kafka-streams/pom.xml", "-Dfolder="+folder,
		"package", "dependency:copy-dependencies", "-DoutputDirectory="+jars)
	if said, err := maven.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the Kafka Streams peer with Maven: %w\n%s", err, said)
	}
	return jars, os.Rename(filepath.Join(folder, "kafka-streams-peer-1.jar"), filepath.Join(jars, "peer.jar"))
}
