package host

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/lovoo/goka"

	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// A topic takes batches up to its max.message.bytes. A record that is larger
// would fail its transaction for ever, so what a step says must fit before it
// is said: what does not fit becomes a dead letter, and a dead letter that does
// not fit holds the beginning of the original.

const (
	usualLimit = 1_000_012 // what a broker takes by default, less what Kafka itself adds
	framing    = 512       // more than a batch and a record add to key and value
	maxRow     = "row-too-large"
	maxRecord  = "record-too-large"
)

// loadLimits asks how large the batches of topics may be.
func (r *run) loadLimits(ctx context.Context, topics []string) error {
	configs, err := r.admin.DescribeTopicConfigs(ctx, topics...)
	if err != nil {
		return fmt.Errorf("limits of the topics: %w", err)
	}
	r.limits = map[string]int{}
	for _, c := range configs {
		for _, entry := range c.Configs {
			if entry.Key == "max.message.bytes" && entry.Value != nil {
				if n, err := strconv.Atoi(*entry.Value); err == nil {
					r.limits[c.Name] = n
				}
			}
		}
	}
	return nil
}

func (r *run) limitOf(topic string) int {
	if n, ok := r.limits[topic]; ok {
		return n
	}
	return usualLimit
}

func (r *run) largestLimit() int {
	return slices.Max(append(slices.Collect(maps.Values(r.limits)), usualLimit))
}

func (r *run) fits(topic, key string, value []byte) bool {
	return len(key)+len(value)+framing <= r.limitOf(topic)
}

// fit replaces what topics would not take.
func (r *run) fit(p *partition, ctx goka.Context, value []byte, e stage.Effects) (stage.Effects, error) {
	for _, row := range e.Rows {
		if !r.fits(row.Table, row.Key, row.Value) {
			return r.letter(p, ctx, value, r.wordOfTable(row.Table), maxRow, len(row.Value))
		}
	}
	for i, record := range e.Records {
		if r.fits(record.Topic, record.Key, record.Value) {
			continue
		}
		for _, s := range r.config.Group.Stages {
			if record.Topic == topologies.DeadLetters(s.Word).Name {
				return e, r.shorten(&e.Records[i])
			}
		}
		return r.letter(p, ctx, value, r.config.Group.Stages[0].Word, maxRecord, len(record.Value))
	}
	return e, nil
}

func (r *run) wordOfTable(table string) string {
	for _, s := range r.config.Group.Stages {
		if s.Table.Name == table {
			return s.Word
		}
	}
	return ""
}

// letter makes a dead letter of a message whose outcome no topic takes.
func (r *run) letter(p *partition, ctx goka.Context, value []byte, word, what string, size int) (stage.Effects, error) {
	stream := topologies.DeadLetters(word)
	letter := schemas.DeadLetter{
		Stage: word, Topic: string(ctx.Topic()), Partition: ctx.Partition(), Offset: ctx.Offset(),
		Reason: "kairos-" + word + "-" + what,
		Detail: fmt.Sprintf("the message would make a row or record of %d bytes, more than its topic takes; make the key's row smaller, or raise max.message.bytes", size),
		Key:    []byte(ctx.Key()), Value: value,
	}
	encoded, err := stream.Codec.Append(nil, &letter)
	if err != nil {
		return stage.Effects{}, err
	}
	e := stage.Effects{
		Records: []stage.Record{{Topic: stream.Name, Key: letter.PlaceKey(), PartitionBy: ctx.Key(), Value: encoded}},
		Drops:   []stage.Drop{{Stage: word, Reason: letter.Reason}},
	}
	if ctx.Offset() < 0 && parseErrand(value).word == "" {
		e.Rows = p.withoutWakes(ctx.Key(), parseErrand(value).time)
	}
	if !r.fits(stream.Name, letter.PlaceKey(), encoded) {
		return e, r.shorten(&e.Records[0])
	}
	return e, nil
}

// withoutWakes takes the due wakes out of a key's rows: they would come back
// for ever.
func (p *partition) withoutWakes(key string, until schemas.Instant) []stage.RowChange {
	var changes []stage.RowChange
	for place, row := range p.at(key).rows {
		if wake := schemas.WakeOf(row); wake != 0 && wake <= until {
			const header = 10 // of Avro's single objects; the wake is the field behind it
			_, n := binary.Varint(row[header:])
			calm := append(append(append([]byte{}, row[:header]...), 0), row[header+n:]...)
			changes = append(changes, stage.RowChange{Table: p.rows.tables[place], Key: key, Value: calm})
		}
	}
	return changes
}

// shorten cuts the original in a dead letter so that its topic takes it.
func (r *run) shorten(record *stage.Record) error {
	letter, err := schemas.DeadLetterCodec.Decode(record.Value)
	if err != nil {
		return err
	}
	room := r.limitOf(record.Topic) - framing - len(record.Key) - (len(record.Value) - len(letter.Value)) - framing
	whole := len(letter.Value)
	letter.Value = letter.Value[:max(0, min(room, whole))]
	letter.Detail += fmt.Sprintf("; only the first %d of %d bytes are here: raise max.message.bytes of %s to keep all", len(letter.Value), whole, record.Topic)
	record.Value, err = schemas.DeadLetterCodec.Append(nil, letter)
	return err
}
