package ingest_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/cmd/internal/foreign"
	"kairos/cmd/internal/ingest"
	"kairos/processors/definition"
	"kairos/processors/keyring"
	"kairos/schemas"
	"kairos/topologies"
)

const visit = `{"type": "record", "name": "visit", "fields": [
	{"name": "who", "type": "string", "kairos.identity": "email"}, {"name": "n", "type": "int"}]}`

func encoded(t testing.TB, schema, who string, n int) []byte {
	t.Helper()
	b, err := avro.MustParse(schema).Encode(map[string]any{"who": who, "n": n})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func confluent(id uint32, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, id), payload...)
}

// registry is a registry of schemas that may be away.
type registry struct {
	*httptest.Server
	lock    sync.Mutex
	schemas map[int]string
	away    bool
	asked   map[string]int
}

func newRegistry(t *testing.T) *registry {
	r := &registry{schemas: map[int]string{}, asked: map[string]int{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.lock.Lock()
		defer r.lock.Unlock()
		if r.away {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		r.asked[request.URL.Path]++
		id, _ := strconv.Atoi(strings.TrimPrefix(request.URL.Path, "/schemas/ids/"))
		text, there := r.schemas[id]
		if !there {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error_code": 40403, "message": "Schema not found"}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"schema": text})
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *registry) set(change func(*registry)) {
	r.lock.Lock()
	defer r.lock.Unlock()
	change(r)
}

type world struct {
	t       *testing.T
	broker  *kfake.Cluster
	address string
	client  *kgo.Client
	metrics *prometheus.Registry
}

func open(t *testing.T, topics ...string) *world {
	t.Helper()
	ours := []string{topologies.Events.Name, topologies.DeadLetters(ingest.Word).Name}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, append(topics, ours...)...),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0", "message.max.bytes": "9000000"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return worldAt(t, broker, broker.ListenAddrs()[0])
}

func worldAt(t *testing.T, broker *kfake.Cluster, address string) *world {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ConsumeTopics(topologies.Events.Name, topologies.DeadLetters(ingest.Word).Name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &world{t: t, broker: broker, address: address, client: client}
}

// write puts values on a partition, all acknowledged.
func (w *world) write(topic string, partition int32, values ...[]byte) {
	w.t.Helper()
	var records []*kgo.Record
	for n, v := range values {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Key: []byte{0, byte(n)}, Value: v})
	}
	if err := w.client.ProduceSync(w.t.Context(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

const tracesASecond = 3

// ingest runs an ingester until the test ends, or what it gives back is called.
func (w *world) ingest(known *foreign.Known, plan *definition.Plan, topics ...ingest.Topic) (i *ingest.Ingester, stop func()) {
	w.t.Helper()
	w.metrics = prometheus.NewRegistry()
	if plan == nil {
		plan = &definition.Plan{Identity: definition.DefaultIdentity()}
	}
	i, err := ingest.New(ingest.Config{
		Topics: topics, Schemas: known, Kafka: []kgo.Opt{kgo.SeedBrokers(w.address)}, Registry: w.metrics,
		Plan: func() *definition.Plan { return plan }, Clock: func() schemas.Instant { return schemas.InstantOf(time.Now()) },
		Logger: slog.New(slog.DiscardHandler), Traces: tracesASecond,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- i.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the ingester ended with %v", err)
		}
	})
	w.t.Cleanup(stop)
	return i, stop
}

// read waits for n events and m dead letters and describes them, sorted.
func (w *world) read(n, m int) (events, letters []string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 60*time.Second)
	defer cancel()
	for len(events) < n || len(letters) < m {
		fetches := w.client.PollFetches(ctx)
		if err := fetches.Err(); errors.Is(err, context.DeadlineExceeded) {
			w.t.Fatalf("of %d events and %d letters came\n%s\n%s", n, m, strings.Join(events, "\n"), strings.Join(letters, "\n"))
		}
		e, l := described(w.t, fetches.Records())
		events, letters = append(events, e...), append(letters, l...)
	}
	slices.Sort(events)
	slices.Sort(letters)
	return events, letters
}

func described(t *testing.T, records []*kgo.Record) (events, letters []string) {
	for _, r := range records {
		if r.Topic != topologies.Events.Name {
			dead, err := schemas.DeadLetterCodec.Decode(r.Value)
			if err != nil {
				t.Fatal(err)
			}
			letters = append(letters, fmt.Sprintf("%s/%d/%d %s", dead.Topic, dead.Partition, dead.Offset, dead.Reason))
			continue
		}
		e, err := schemas.EventCodec.Decode(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		if string(r.Key) != e.Identifiers[0].String() {
			t.Errorf("event %s has key %s", e.ID, r.Key)
		}
		events = append(events, fmt.Sprintf("%s %s %s %s", e.ID, e.Name, e.Identifiers[0], e.Properties.Get("n")))
	}
	return events, letters
}

func folder(t *testing.T, files map[string]string, url string, failures func(error)) *foreign.Known {
	t.Helper()
	fs := fstest.MapFS{}
	for name, text := range files {
		fs[name] = &fstest.MapFile{Data: []byte(text)}
	}
	known, err := foreign.NewKnown(fs, foreign.Registry{URL: url}, failures)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEveryFramingBecomesEventsAndTheRestDeadLetters(t *testing.T) {
	w, r := open(t, "shop.visits", "crm.visits"), newRegistry(t)
	r.set(func(r *registry) { r.schemas[7] = visit })
	known := folder(t, map[string]string{"crm.visits.avsc": visit}, r.URL, func(error) {})
	single, err := avro.MustParse(visit).AppendSingleObject(nil, map[string]any{"who": "s@x.example", "n": 2})
	if err != nil {
		t.Fatal(err)
	}
	w.write("shop.visits", 0, confluent(7, encoded(t, visit, "c@x.example", 1)), single, nil, confluent(8, []byte{1}))
	w.write("shop.visits", 1, []byte("{}"), confluent(7, []byte{200}), confluent(7, encoded(t, visit, "", 1)), []byte{0xC3, 1, 2})
	w.write("crm.visits", 2, encoded(t, visit, "p@x.example", 3), append(encoded(t, visit, "p@x.example", 3), 1))
	w.ingest(known, nil, ingest.Topic{Name: "shop.visits"}, ingest.Topic{Name: "crm.visits", Framing: foreign.Plain})
	events, letters := w.read(3, 6)
	same(t, "events", events, "crm.visits/2/0 visit email:p@x.example 3", "shop.visits/0/0 visit email:c@x.example 1", "shop.visits/0/1 visit email:s@x.example 2")
	same(t, "letters", letters,
		"crm.visits/2/1 kairos-ingest-undecodable", "shop.visits/0/3 kairos-ingest-unknown-schema", "shop.visits/1/0 kairos-ingest-undecodable",
		"shop.visits/1/1 kairos-ingest-undecodable", "shop.visits/1/2 kairos-ingest-refused", "shop.visits/1/3 kairos-ingest-undecodable")
	w.until("the tombstone is counted", func() bool { return w.metric("kairos_ingest_records_total", "tombstone") == 1 })
	r.set(func(r *registry) {
		if r.asked["/schemas/ids/7"] != 1 {
			t.Errorf("the registry is asked %v", r.asked)
		}
	})
}

// Schemas of writers that have moved on, or never came along, in front of the
// topic's own.
func TestRecordsAreReadAsTheTopicsSchemaSaysWhateverTheirWritersIs(t *testing.T) {
	w, r := open(t, "shop.visits"), newRegistry(t)
	const (
		older = `{"type": "record", "name": "visit", "fields": [{"name": "mail", "type": "string"}, {"name": "n", "type": "int"}]}`
		other = `{"type": "record", "name": "visit", "fields": [{"name": "n", "type": "int"}]}`
		today = `{"type": "record", "name": "visit", "fields": [
			{"name": "who", "aliases": ["mail"], "type": "string", "kairos.identity": "email"}, {"name": "n", "type": "long", "default": 0}]}`
	)
	r.set(func(r *registry) { r.schemas[7], r.schemas[8], r.schemas[9] = older, other, today })
	old, err := avro.MustParse(older).Encode(map[string]any{"mail": "o@x.example", "n": 1})
	if err != nil {
		t.Fatal(err)
	}
	w.write("shop.visits", 0, confluent(7, old), confluent(8, []byte{2}), confluent(9, encoded(t, today, "t@x.example", 3)))
	w.ingest(folder(t, map[string]string{"shop.visits.avsc": today}, r.URL, func(error) {}), nil, ingest.Topic{Name: "shop.visits"})
	events, letters := w.read(2, 1)
	same(t, "events", events, "shop.visits/0/0 visit email:o@x.example 1", "shop.visits/0/2 visit email:t@x.example 3")
	same(t, "letters", letters, "shop.visits/0/1 kairos-ingest-undecodable")
}

func TestNothingIsTakenInAboutWhoWasErased(t *testing.T) {
	plan, ring := &definition.Plan{Identity: definition.DefaultIdentity()}, keyring.New().Lose("email:erased@x.example")
	i, err := ingest.New(ingest.Config{
		Topics: []ingest.Topic{{Name: "shop.visits", Framing: foreign.Plain}}, Schemas: folder(t, map[string]string{"shop.visits.avsc": visit}, "", nil),
		Plan: func() *definition.Plan { return plan }, Clock: func() schemas.Instant { return schemas.InstantOf(time.Now()) },
		Ring: func() *keyring.Ring { return ring },
	})
	if err != nil {
		t.Fatal(err)
	}
	for who, taken := range map[string]bool{"erased@x.example": false, "other@x.example": true} {
		record, err := i.Retry(t.Context(), &kgo.Record{Topic: "shop.visits", Value: encoded(t, visit, who, 1)})
		if err != nil || (record != nil) != taken || record != nil && !keyring.IsSealed(record.Value) {
			t.Errorf("%s: %+v, %v", who, record, err)
		}
	}
}

// metric is the sum of a metric, of those of one result if result is given.
func (w *world) metric(name, result string) (sum float64) {
	w.t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			chosen := result == ""
			for _, l := range m.GetLabel() {
				chosen = chosen || l.GetValue() == result
			}
			if f.GetName() == name && chosen {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func (w *world) until(what string, ask func() bool) {
	w.t.Helper()
	deadline, again := time.After(30*time.Second), time.NewTicker(10*time.Millisecond)
	defer again.Stop()
	for !ask() {
		select {
		case <-again.C:
		case <-deadline:
			w.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// While the registry is away, records of schemas that are known flow, and one
// whose schema is not holds its partition; then everything comes, in order.
func TestARegistryThatIsAwayHoldsOnlyWhatItIsNeededFor(t *testing.T) {
	w, r := open(t, "shop.visits"), newRegistry(t)
	r.set(func(r *registry) { r.schemas[7], r.schemas[9] = visit, visit })
	var i *ingest.Ingester
	known := folder(t, nil, r.URL, func(err error) { i.RegistryFailed(err) })
	w.write("shop.visits", 0, confluent(7, encoded(t, visit, "a@x.example", 0)))
	i, stop := w.ingest(known, nil, ingest.Topic{Name: "shop.visits"})
	w.read(1, 0)
	r.set(func(r *registry) { r.away = true })
	w.write("shop.visits", 1, confluent(7, encoded(t, visit, "b@x.example", 0)), confluent(9, encoded(t, visit, "b@x.example", 1)), confluent(7, encoded(t, visit, "b@x.example", 2)))
	w.write("shop.visits", 2, confluent(8, []byte{1}))
	w.write("shop.visits", 0, confluent(7, encoded(t, visit, "a@x.example", 1)))
	events, _ := w.read(2, 0)
	same(t, "while it is away", events, "shop.visits/0/1 visit email:a@x.example 1", "shop.visits/1/0 visit email:b@x.example 0")
	w.until("two partitions are held", func() bool { return w.metric("kairos_ingest_held_partitions", "") == 2 })
	w.until("the failures are counted", func() bool { return w.metric("kairos_ingest_registry_failures_total", "") > 1 })
	stop() // what is held is not lost with the process that holds it
	i, _ = w.ingest(known, nil, ingest.Topic{Name: "shop.visits"})
	w.write("shop.visits", 0, confluent(7, encoded(t, visit, "a@x.example", 2)))
	events, _ = w.read(1, 0)
	same(t, "after a restart", events, "shop.visits/0/2 visit email:a@x.example 2")
	r.set(func(r *registry) { r.away = false })
	events, letters := w.read(2, 1)
	same(t, "when it is back", events, "shop.visits/1/1 visit email:b@x.example 1", "shop.visits/1/2 visit email:b@x.example 2")
	same(t, "letters", letters, "shop.visits/2/0 kairos-ingest-unknown-schema")
	w.until("nothing is held", func() bool { return w.metric("kairos_ingest_held_partitions", "") == 0 })
}

// Transactions that the broker takes back, from the first on, and processes that
// come and go in the middle, lose nothing and double nothing.
func TestTransactionsThatAreTakenBackAndProcessesThatComeAndGoDoubleNothing(t *testing.T) {
	w := open(t, "shop.visits")
	const each = 400
	calls := 0
	w.broker.ControlKey(int16(kmsg.TxnOffsetCommit), func(request kmsg.Request) (kmsg.Response, error, bool) {
		w.broker.KeepControl()
		calls++
		if calls%3 != 1 {
			return nil, nil, false
		}
		asked := request.(*kmsg.TxnOffsetCommitRequest)
		answer := asked.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
		for _, topic := range asked.Topics {
			about := kmsg.TxnOffsetCommitResponseTopic{Topic: topic.Topic, TopicID: topic.TopicID}
			for _, p := range topic.Partitions {
				about.Partitions = append(about.Partitions, kmsg.TxnOffsetCommitResponseTopicPartition{Partition: p.Partition, ErrorCode: kerr.RebalanceInProgress.Code})
			}
			answer.Topics = append(answer.Topics, about)
		}
		return answer, nil, true
	})
	known := folder(t, map[string]string{"shop.visits.avsc": visit}, "", nil)
	topic := ingest.Topic{Name: "shop.visits", Framing: foreign.Plain}
	w.ingest(known, nil, topic)
	stop := func() {}
	for n := range each {
		for p := range int32(3) {
			w.write("shop.visits", p, encoded(t, visit, "a@x.example", n))
		}
		if n%100 == 50 {
			stop()
			_, stop = w.ingest(known, nil, topic)
		}
	}
	events, _ := w.read(3*each, 0)
	if len(events) != 3*each || len(slices.Compact(events)) != 3*each {
		t.Errorf("%d events, %d of them different", len(events), len(slices.Compact(events)))
	}
	if more := w.more(); len(more) > 0 {
		t.Errorf("and then %v", more)
	}
}

// more reads what is still there.
func (w *world) more() []*kgo.Record {
	ctx, cancel := context.WithTimeout(w.t.Context(), 300*time.Millisecond)
	defer cancel()
	return w.client.PollFetches(ctx).Records()
}

func TestLabelsOfASchemaMustBePublishedBeforeItsRecordsGetIn(t *testing.T) {
	w := open(t, "shop.visits")
	labelled := strings.Replace(visit, `"int"`, `"int", "kairos.label": ["C2"]`, 1)
	known := folder(t, map[string]string{"shop.visits.avsc": labelled}, "", nil)
	w.write("shop.visits", 0, encoded(t, visit, "a@x.example", 1))
	topic := ingest.Topic{Name: "shop.visits", Framing: foreign.Plain}
	_, stop := w.ingest(known, nil, topic)
	_, letters := w.read(0, 1)
	same(t, "letters", letters, "shop.visits/0/0 kairos-ingest-unpublished-labels")
	stop()
	set, err := definition.Parse("m.yaml", []byte("kind: mapping\nname: visits\nevent: visit\nidentifiers: {email: who}\nlabels: {n: [C2, S1]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := set.Compile()
	if err != nil {
		t.Fatal(err)
	}
	w.write("shop.visits", 0, encoded(t, visit, "a@x.example", 2))
	w.ingest(known, plan, topic)
	events, _ := w.read(1, 0)
	same(t, "events", events, "shop.visits/0/1 visit email:a@x.example 2")
}

// What became a dead letter is read again as it would have been, with the same id
// however often; a registry that is away is waited for, and not for ever.
func TestADeadLetterIsReadAgainAsItWouldHaveBeen(t *testing.T) {
	r := newRegistry(t)
	r.set(func(r *registry) { r.schemas[7], r.away = visit, true })
	record := &kgo.Record{Topic: "shop.visits", Partition: 2, Offset: 5, Value: confluent(7, encoded(t, visit, "s@x.example", 2))}
	plan := &definition.Plan{Identity: definition.DefaultIdentity()}
	failed := make(chan error, 100)
	i, err := ingest.New(ingest.Config{
		Topics: []ingest.Topic{{Name: "shop.visits"}}, Schemas: folder(t, nil, r.URL, func(err error) { failed <- err }),
		Plan: func() *definition.Plan { return plan }, Clock: func() schemas.Instant { return schemas.InstantOf(time.Now()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-failed
		cancel()
	}()
	if _, err := i.Retry(ctx, record); !errors.Is(err, foreign.ErrPending) || !errors.Is(err, context.Canceled) {
		t.Errorf("while the registry is away: %v", err)
	}
	r.set(func(r *registry) { r.away = false })
	for range 2 {
		event, err := i.Retry(t.Context(), record)
		if err != nil {
			t.Fatal(err)
		}
		e, err := topologies.Events.Codec.Decode(event.Value)
		if err != nil || e.ID != "shop.visits/2/5" || string(event.Key) != "email:s@x.example" || event.Topic != topologies.Events.Name {
			t.Errorf("%+v, %v", e, err)
		}
	}
	record.Topic = "others"
	if _, err := i.Retry(t.Context(), record); err == nil || !strings.Contains(err.Error(), "others") {
		t.Errorf("a topic that is not in the file: %v", err)
	}
}
