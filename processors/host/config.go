package host

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"kairos/processors/stage"
	"kairos/topologies"
)

// Clock says where the time of the group that reads the door comes from.
type Clock int

const (
	// Log: only ticks that lie in the topics count; for replays and tests.
	Log Clock = iota
	// Wall: the host ticks for the door from Config.Now as soon as it has read
	// everything that was accepted until then; for production.
	Wall
)

// Config is what a host needs. Fields without a word on their default must be
// set; DefaultConfig sets all others.
type Config struct {
	Kafka    []kgo.Opt            // how to reach the brokers: seeds, TLS, SASL, dialer
	Group    topologies.Group     // whose stages run
	Topology *topologies.Topology // of which the group is a part
	Runner   *stage.Runner        // the group's stages

	StateDir   string // where rows are kept over restarts; default "": in memory only
	InstanceID string // static member of the group, so that a restart moves no partition; default "": a new member each time

	Kept *Kept // rows that hosts leave in memory for those that follow them; default nil: none

	// Open reads what doors have sealed: it gives back the record as it was, or
	// why it is dropped. It may wait. Default nil: nothing is sealed.
	Open func(key, value []byte) (k, v []byte, drop string, err error)

	Clock     Clock            // default Log
	Now       func() time.Time // for Wall; default time.Now
	TickEvery time.Duration    // how often Wall ticks
	TickGrace time.Duration    // how long an accepted event may take to its topic
	Pace      time.Duration    // least time from one batch to the next under Wall, unless there is a backlog: a transaction costs the same for one record as for a hundred

	BatchTime    time.Duration // about the longest that the records of one transaction are worked on, of which there may be a thousand: a rebalance waits for it
	BatchRecords int           // most records of one transaction
	BatchBytes   int           // about the most bytes in of one transaction
	WakeChunk    int           // most wakes of one partition in one transaction
	SweepChunk   int           // most rows of one partition that a sweep adds to one transaction
	Producers    int           // transactional producers that take turns

	// Parts of Pace, about, that wakes and sweeps may work in each transaction under Wall, so that live records need not wait long.
	WakeShare, SweepShare float64

	TransactionTimeout time.Duration // after which the broker aborts what a dead host left behind
	SessionTimeout     time.Duration // after which a silent member loses its partitions
	RebalanceTimeout   time.Duration // that members have to finish their batch when partitions move

	Logger     *slog.Logger          // default: none
	Tracer     trace.Tracer          // makes the spans of records that ask to be followed; default: none, and they are passed on
	Registerer prometheus.Registerer // default: none
	Watcher    Watcher               // default: nobody
}

// Watcher keeps count of something that rows hold and records change. It hears
// of a partition from one goroutine at a time, must not keep what it is given,
// and must be quick: work waits.
type Watcher interface {
	// Recovered begins anew with a partition: scan calls f for its committed rows of a table.
	Recovered(partition int32, scan func(table string, f func(key string, row []byte)))
	// Committed tells a record that the partition has added to a topic since.
	Committed(partition int32, topic string, value []byte)
	// Lost: the partition is somebody else's.
	Lost(partition int32)
}

// DefaultConfig is what production starts from.
func DefaultConfig() Config {
	return Config{
		Now:                time.Now,
		TickEvery:          time.Second,
		TickGrace:          2 * time.Second,
		Pace:               20 * time.Millisecond,
		BatchTime:          500 * time.Millisecond,
		BatchRecords:       40_000,
		BatchBytes:         16 << 20,
		WakeChunk:          2_000,
		SweepChunk:         500,
		Producers:          6,
		WakeShare:          1,
		SweepShare:         0.25,
		TransactionTimeout: 20 * time.Second,
		SessionTimeout:     20 * time.Second,
		RebalanceTimeout:   30 * time.Second,
		Logger:             slog.New(slog.DiscardHandler),
		Tracer:             noop.Tracer{},
	}
}

// Validate says what is wrong with c and what to do about it.
func (c Config) Validate() error {
	if len(c.Kafka) == 0 {
		return errors.New("no Kafka options: give at least kgo.SeedBrokers")
	}
	if c.Topology == nil || c.Runner == nil || len(c.Group.Stages) == 0 {
		return errors.New("config fields Group, Topology and Runner belong together: set all three")
	}
	if got := c.Runner.Group().Name; got != c.Group.Name {
		return fmt.Errorf("the Runner is of group %s, not %s", got, c.Group.Name)
	}
	if len(c.Group.Stages) > maxTables {
		return fmt.Errorf("group %s has %d stages, a host runs at most %d", c.Group.Name, len(c.Group.Stages), maxTables)
	}
	for name, value := range map[string]int64{
		"BatchTime": int64(c.BatchTime), "BatchRecords": int64(c.BatchRecords), "BatchBytes": int64(c.BatchBytes), "WakeChunk": int64(c.WakeChunk),
		"SweepChunk": int64(c.SweepChunk), "Producers": int64(c.Producers), "TickEvery": int64(c.TickEvery),
		"TransactionTimeout": int64(c.TransactionTimeout), "SessionTimeout": int64(c.SessionTimeout),
		"RebalanceTimeout": int64(c.RebalanceTimeout),
	} {
		if value < 1 {
			return fmt.Errorf("%s is %d: start from DefaultConfig", name, value)
		}
	}
	for name, share := range map[string]float64{"WakeShare": c.WakeShare, "SweepShare": c.SweepShare} {
		if !(share > 0 && share <= 1) {
			return fmt.Errorf("%s is %g, not within 0 and 1: start from DefaultConfig", name, share)
		}
	}
	if c.Now == nil || c.Logger == nil || c.Tracer == nil {
		return errors.New("config fields Now, Logger and Tracer must be set: start from DefaultConfig")
	}
	return nil
}
