package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// config is the broker's server.properties. One node means every internal
// topic has one replica; nothing but loopback is listened on. What a client
// sees is otherwise Kafka's default, except for two waits that a single
// machine has no use for:
//   - group.initial.rebalance.delay.ms holds up each start of a group for 3 s;
//   - add.partitions.to.txn.retry.backoff.ms holds up a transaction that closely
//     follows another of its id by 20 ms, instead of until the markers are
//     written. Measure with -set add.partitions.to.txn.retry.backoff.ms=20 to see
//     a broker as others run it.
//
// Topics are created by `kairos topology apply`, never by a client's typo.
func (b *broker) config() string {
	lines := []string{
		"process.roles=broker,controller",
		"node.id=1",
		"controller.quorum.voters=1@" + b.controller(),
		"controller.listener.names=CONTROLLER",
		"listeners=CLIENT://" + b.address() + ",CONTROLLER://" + b.controller(),
		"advertised.listeners=CLIENT://" + b.address(),
		"inter.broker.listener.name=CLIENT",
		"listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs=" + filepath.Join(b.dir, "data"),
		"auto.create.topics.enable=false",
		"min.insync.replicas=1",
		"default.replication.factor=1",
		"offsets.topic.replication.factor=1",
		"offsets.topic.num.partitions=4",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"transaction.state.log.num.partitions=4",
		"share.coordinator.state.topic.replication.factor=1",
		"share.coordinator.state.topic.min.isr=1",
		"share.coordinator.state.topic.num.partitions=1",
		"group.initial.rebalance.delay.ms=0",
		"add.partitions.to.txn.retry.backoff.ms=1",
		"# A laptop's disk is small: topics that do not say otherwise keep a day, at most 1 GB a partition.",
		"log.retention.hours=24",
		"log.retention.bytes=1073741824",
		"log.segment.bytes=67108864",
		"log.cleaner.dedupe.buffer.size=33554432",
		"log.segment.delete.delay.ms=1000",
	}
	return fmt.Sprintf("# Written by deploy/kafka at every start: changes here are lost, use -set.\n%s\n",
		strings.Join(append(lines, b.settings...), "\n"))
}
