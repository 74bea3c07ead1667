package host_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/host"
	"kairos/schemas"
	"kairos/topologies"
)

// world is a broker in this process with the toys' topics.
type world struct { // broker is nil for a real Kafka
	t        testing.TB
	patience time.Duration
	topology *topologies.Topology
	kafka    []kgo.Opt
	broker   *kfake.Cluster
	client   *kgo.Client
	admin    *kadm.Client

	committed0 atomic.Int64 // see watchCommits
}

func newWorld(t testing.TB, topology *topologies.Topology) *world {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	w := worldAt(t, topology, broker.ListenAddrs()...)
	w.broker = broker
	return w
}

// worldAt makes the toys' topics on a broker.
func worldAt(t testing.TB, topology *topologies.Topology, addresses ...string) *world {
	t.Helper()
	w := &world{t: t, patience: 30 * time.Second, topology: topology, kafka: []kgo.Opt{kgo.SeedBrokers(addresses...)}}
	var err error
	w.client, err = kgo.NewClient(append(slices.Clone(w.kafka), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.ProducerLinger(0))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.Close)
	w.admin = kadm.NewClient(w.client)
	w.createTopics()
	return w
}

func (w *world) createTopics() {
	w.t.Helper()
	for _, topic := range w.topology.Topics() {
		if topic.Key == topologies.ByPerson || topic.Key == topologies.ByIdentifier {
			continue // what every topology holds, and no toy uses
		}
		configs := map[string]*string{}
		if topic.Compacted {
			configs["cleanup.policy"] = kadm.StringPtr("compact")
		}
		if topic.Writer != "door" && strings.HasSuffix(topic.Name, ".deadletters") {
			configs["max.message.bytes"] = kadm.StringPtr("16000000")
		}
		resp, err := w.admin.CreateTopic(w.ctx(), w.topology.PartitionsOf(topic), 1, configs, topic.Name)
		if errors.Is(err, kerr.TopicAlreadyExists) { // the answer to the first try got lost
			continue
		}
		if err = errors.Join(err, resp.Err); err != nil {
			w.t.Fatal(err)
		}
	}
}

// ctx ends before the test's patience does.
func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), w.patience)
	w.t.Cleanup(cancel)
	return ctx
}

func (w *world) group(word string) topologies.Group {
	for _, g := range w.topology.Groups {
		for _, s := range g.Stages {
			if s.Word == word {
				return g
			}
		}
	}
	panic("no stage " + word)
}

func (w *world) config(word string) host.Config {
	c := host.DefaultConfig()
	c.Kafka, c.Group, c.Topology = w.kafka, w.group(word), w.topology
	c.Runner = runnerOf(c.Group)
	c.Producers = 4
	if os.Getenv("KAIROS_LOG") != "" {
		c.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return c
}

// running is a host at work.
type running struct {
	*host.Host
	t    testing.TB
	stop context.CancelFunc
	done chan error
}

func (w *world) start(c host.Config) *running {
	w.t.Helper()
	h, err := host.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.run(h)
}

func (w *world) run(h *host.Host) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{h, w.t, cancel, make(chan error, 1)}
	go func() { r.done <- h.Run(ctx) }()
	w.t.Cleanup(func() { cancel(); <-r.done })
	return r
}

// end stops the host and waits for it.
func (r *running) end() error {
	r.stop()
	err := <-r.done
	r.done <- err
	return err
}

func (r *running) mustEnd() {
	r.t.Helper()
	if err := r.end(); err != nil {
		r.t.Fatalf("the host ended with %v", err)
	}
}

// drain waits until hosts have nothing left to do.
func (w *world) drain(hosts ...*running) {
	w.t.Helper()
	var inner []*host.Host
	for _, h := range hosts {
		inner = append(inner, h.Host)
	}
	ctx := w.ctx()
	watched := make(chan error, 1)
	go func() { watched <- host.Drain(ctx, inner...) }()
	for _, h := range hosts {
		select {
		case err := <-h.done:
			h.done <- err
			w.t.Fatalf("a host ended: %v", err)
		case err := <-watched:
			if err != nil {
				w.t.Fatalf("%v; %+v", err, h.Status())
			}
			return
		}
	}
}

// write produces notes "key at text", in order.
func (w *world) write(lines ...string) {
	w.t.Helper()
	w.produce(w.records(lines...)...)
}

func (w *world) records(lines ...string) []*kgo.Record {
	w.t.Helper()
	var records []*kgo.Record
	for _, line := range lines {
		key, rest, _ := strings.Cut(line, " ")
		var at schemas.Instant
		_, err := fmt.Sscan(rest, &at)
		if err != nil {
			w.t.Fatalf("%q: %v", line, err)
		}
		_, text, _ := strings.Cut(rest, " ")
		value, err := noteCodec.Append(nil, &note{at, text})
		if err != nil {
			w.t.Fatal(err)
		}
		records = append(records, &kgo.Record{Topic: notes.Name, Key: []byte(key), Value: value})
	}
	return records
}

func (w *world) produce(records ...*kgo.Record) {
	w.t.Helper()
	if err := w.client.ProduceSync(w.ctx(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// tick says for the door that everything until t has been written.
func (w *world) tick(t schemas.Instant) {
	w.t.Helper()
	value, err := schemas.TickCodec.Append(nil, &schemas.Tick{Source: "door", Time: t})
	if err != nil {
		w.t.Fatal(err)
	}
	client, err := kgo.NewClient(append(slices.Clone(w.kafka), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	var records []*kgo.Record
	for number := range w.topology.PartitionsOf(notes.Topic) {
		records = append(records, &kgo.Record{Topic: notes.Name, Partition: number, Key: []byte(schemas.TickKey), Value: value})
	}
	if err := client.ProduceSync(w.ctx(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// read lists the committed records of a topic, partition by partition.
func (w *world) read(topic string) []*kgo.Record {
	w.t.Helper()
	fresh, err := kgo.NewClient(w.kafka...) // w's own may not know of new partitions yet
	if err != nil {
		w.t.Fatal(err)
	}
	defer fresh.Close()
	ends, err := kadm.NewClient(fresh).ListEndOffsets(w.ctx(), topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		w.t.Fatal(err)
	}
	from := map[int32]kgo.Offset{}
	for number, end := range ends[topic] {
		if end.Offset > 0 {
			from[number] = kgo.NewOffset().AtStart()
		}
	}
	if len(from) == 0 {
		return nil
	}
	client, err := kgo.NewClient(append(slices.Clone(w.kafka), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	var records []*kgo.Record
	for left := len(from); left > 0; {
		fetches := client.PollFetches(w.ctx())
		if err := fetches.Err(); err != nil {
			w.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset == ends[topic][r.Partition].Offset-1 {
				left--
			}
			if !r.Attrs.IsControl() && (!w.topology.Grows(topic) || r.Partition < w.topology.Config.Partitions) { // the others do not count
				records = append(records, r)
			}
		})
	}
	slices.SortStableFunc(records, func(a, b *kgo.Record) int { return int(a.Partition - b.Partition) })
	return records
}

// notesOf shows the notes of a topic by key: "key: time text; time text".
func (w *world) notesOf(topic string) map[string][]string {
	w.t.Helper()
	shown := map[string][]string{}
	for _, r := range w.read(topic) {
		if strings.HasPrefix(string(r.Key), "\x00") {
			continue
		}
		n, err := noteCodec.Decode(r.Value)
		if err != nil {
			w.t.Fatal(err)
		}
		shown[string(r.Key)] = append(shown[string(r.Key)], fmt.Sprintf("%d %s", n.Time, n.Text))
	}
	return shown
}

// pages shows a table as its topic holds it.
func (w *world) pages(table topologies.Table[page]) map[string][]string {
	w.t.Helper()
	shown := map[string][]string{}
	for _, r := range w.read(table.Name) {
		key := string(r.Key)
		if strings.HasPrefix(key, "\x00") {
			continue
		}
		if r.Value == nil {
			delete(shown, key)
			continue
		}
		p, err := table.Codec.Decode(r.Value)
		if err != nil {
			w.t.Fatal(err)
		}
		shown[key] = p.Lines
	}
	return shown
}

// page shows one row as a host holds it.
func (r *running) page(table topologies.Table[page], key string) []string {
	r.t.Helper()
	row, err := r.Row(table.Name, key)
	if err != nil {
		r.t.Fatal(err)
	}
	if row == nil {
		return nil
	}
	p, err := table.Codec.Decode(row)
	if err != nil {
		r.t.Fatal(err)
	}
	return p.Lines
}

func equal(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}
