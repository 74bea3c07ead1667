// Package goka is the job of kairos from identity-resolved events on as a user
// of plain Goka would write it: Goka's own sarama below, tuned, at least once.
//
// In: events and ticks. Out: transitions. State: a row for each person, in
// memory and in the group's table. Law: the answers are those of everybody else
// while nothing fails.
//
// Goka has no timers: a tick finds the rows that are due and tells each through
// the group's loop, for a step may write no other row than its own.
//
// Not here: who measures it; what it promises less than kairos, see
// processors/host/holes_test.go.
package goka

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash"
	"log"
	"os"
	"time"

	"github.com/IBM/sarama"
	lovoo "github.com/lovoo/goka"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

// Group is the consumer group.
const Group = "goka-peer"

// Modules are those whose versions matter.
var Modules = []string{"github.com/lovoo/goka", "github.com/IBM/sarama"}

// Tuning says how it differs from Goka's defaults.
const Tuning = "acks=all, idempotent (one request at a time), lz4, flush after 5 ms or 256 KiB, fetches of 4 MiB, offsets committed every 100 ms, rows in memory; at least once"

// Run works until ctx ends. Its arguments are brokers and the file of rules.
func Run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("goka BROKERS RULES: %d arguments", len(args))
	}
	rules, err := readRules(args[1])
	if err != nil {
		return err
	}
	events, err := newEvents()
	if err != nil {
		return err
	}
	s := &step{rules: rules, stores: &stores{}}
	table := lovoo.Persist(rowCodec{rules})
	graph := lovoo.DefineGroup(Group,
		lovoo.Input(lovoo.Stream(topologies.PersonEvents.Name), events, s.hear),
		lovoo.Loop(instants{}, s.wake),
		lovoo.Output(lovoo.Stream(topologies.Transitions.Name), transitions{}),
		table,
	)
	config, topics := settings(), lovoo.NewTopicManagerConfig()
	topics.Table.Replication, topics.Stream.Replication = 1, 1
	p, err := lovoo.NewProcessor([]string{args[0]}, graph,
		lovoo.WithConsumerGroupBuilder(lovoo.ConsumerGroupBuilderWithConfig(config)),
		lovoo.WithConsumerSaramaBuilder(lovoo.SaramaConsumerBuilderWithConfig(config)),
		lovoo.WithProducerBuilder(lovoo.ProducerBuilderWithConfig(config)),
		lovoo.WithTopicManagerBuilder(lovoo.TopicManagerBuilderWithConfig(config, topics)),
		lovoo.WithStorageBuilder(s.stores.build),
		lovoo.WithHasher(func() hash.Hash32 { return newPlaced() }),
		lovoo.WithLogger(log.New(os.Stderr, "", log.LstdFlags)),
	)
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

func settings() *sarama.Config {
	c := lovoo.DefaultConfig()
	c.Version = sarama.V3_6_0_0
	c.Net.MaxOpenRequests = 1 // sarama's idempotence wants it
	c.ChannelBufferSize = 4096
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Idempotent = true
	c.Producer.Compression = sarama.CompressionLZ4
	c.Producer.Flush.Frequency = 5 * time.Millisecond
	c.Producer.Flush.Bytes = 256 << 10
	c.Consumer.Fetch.Default = 4 << 20
	c.Consumer.MaxWaitTime = 10 * time.Millisecond
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Interval = 100 * time.Millisecond
	return c
}

// placed finds the partitions that franz-go and Java find, murmur2 of the key,
// as Goka asks for it: a sum that is the key's place in any number of partitions.
type placed struct {
	key []byte
	by  kgo.TopicPartitioner // dear to make
}

func newPlaced() *placed { return &placed{by: kgo.StickyKeyPartitioner(nil).ForTopic("")} }

func (p *placed) Write(key []byte) (int, error) {
	p.key = append(p.key, key...)
	return len(key), nil
}

// Sum32 is the sum without its sign, which is what is divided by the partitions.
func (p *placed) Sum32() uint32 {
	const most = 1 << 31
	return uint32(p.by.Partition(&kgo.Record{Key: p.key}, most))
}

func (p *placed) Sum(b []byte) []byte { return binary.BigEndian.AppendUint32(b, p.Sum32()) }
func (p *placed) Reset()              { p.key = p.key[:0] }
func (p *placed) Size() int           { return 4 }
func (p *placed) BlockSize() int      { return 1 }

// heard is an event, or nil and the time.
type heard struct {
	event *schemas.Event
	at    schemas.Instant
}

// events reads what identity writes: events and ticks, told by their prints.
type events struct{ print []byte }

func newEvents() (*events, error) {
	const header = 10 // of Avro's single-object encoding
	empty, err := topologies.PersonEvents.Codec.Append(nil, &schemas.PersonEvent{})
	if err != nil {
		return nil, err
	}
	return &events{empty[:header]}, nil
}

func (c *events) Decode(data []byte) (any, error) {
	if !bytes.HasPrefix(data, c.print) {
		tick, err := schemas.TickCodec.Decode(data)
		if err != nil {
			return nil, err
		}
		return &heard{at: tick.Time}, nil
	}
	e, err := topologies.PersonEvents.Codec.Decode(data)
	if err != nil {
		return nil, err
	}
	return &heard{e.Event, e.Cause}, nil
}

func (c *events) Encode(any) ([]byte, error) { return nil, fmt.Errorf("events are only read") }

type transitions struct{}

func (transitions) Encode(value any) ([]byte, error) {
	return topologies.Transitions.Codec.Append(nil, value.(*schemas.Transition))
}

func (transitions) Decode([]byte) (any, error) {
	return nil, fmt.Errorf("transitions are only written")
}

// instants are what the loop carries.
type instants struct{}

func (instants) Encode(value any) ([]byte, error) {
	return binary.BigEndian.AppendUint64(nil, uint64(value.(schemas.Instant))), nil
}

func (instants) Decode(data []byte) (any, error) {
	if len(data) != 8 {
		return nil, fmt.Errorf("an instant of %d bytes", len(data))
	}
	return schemas.Instant(binary.BigEndian.Uint64(data)), nil
}
