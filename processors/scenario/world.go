package scenario

import (
	"kairos/processors/definition"
	"kairos/processors/stage"
	"kairos/schemas"
)

// World is somewhere the pipeline runs. Its methods return when all that they
// caused has come to rest. They are called one after another.
type World interface {
	// Follow makes every stage follow plan, rows that exist already included.
	Follow(plan *definition.Plan) error
	// Send appends records to the topics that they name.
	Send(records ...Input) error
	// Tick says that nothing accepted at or before t comes any more.
	Tick(t schemas.Instant) error
	// Restart stops everything and starts it again from what is durable.
	Restart() error
	// Read gives the records of a topic, ticks aside: by partition, in order.
	// None if the topic does not exist.
	Read(topic string) ([]stage.Message, error)
	// Rows gives a table's rows by key.
	Rows(table string) (map[string][]byte, error)
	// Drops counts what changed nothing, by stage and reason.
	Drops() map[stage.Drop]int
	Close() error
}

// Input is a record for a topic; its partition follows from its key.
type Input struct {
	Topic string
	Key   []byte
	Value []byte
}

// Shape is how a world's pipeline is cut. A law says that nobody can tell.
type Shape struct {
	Partitions int32
	Chained    bool
}
