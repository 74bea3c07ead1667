package chaos

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sr"

	kairos "kairos/loadtest/binary"
	"kairos/loadtest/kafka"
	"kairos/loadtest/registry"
	"kairos/topologies"
)

const (
	who   = `{"type": "record", "name": "who", "namespace": "shop", "fields": [{"name": "mail", "type": "string", "kairos.identity": "email"}]}`
	visit = `{"type": "record", "name": "visit", "namespace": "shop", "fields": [{"name": "who", "type": "shop.who"}, {"name": "n", "type": "long"}]}`
)

// visits is a foreign topic that somebody fills.
type visits struct {
	t       *testing.T
	address string
	client  *kgo.Client
	written map[string]bool // places
}

func newVisits(t *testing.T, address string, partitions int32) *visits {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(20*time.Millisecond), kgo.UnknownTopicRetries(20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	made, err := kadm.NewClient(client).CreateTopics(t.Context(), partitions, 1, nil, "shop.visits")
	if err != nil || made.Error() != nil {
		t.Fatal(err, made.Error())
	}
	return &visits{t, address, client, map[string]bool{}}
}

// write writes n visits in the framing of a registry's schema; of schema 0, in none.
func (v *visits) write(id, n int, partitions int32) {
	v.t.Helper()
	schema := avro.MustParse(strings.Replace(visit, `"shop.who"`, who, 1))
	records := make([]*kgo.Record, n)
	for i := range records {
		var header []byte
		if id != 0 {
			header = binary.BigEndian.AppendUint32([]byte{0}, uint32(id))
		}
		value, err := schema.AppendEncode(header, map[string]any{"who": map[string]any{"mail": fmt.Sprintf("p%d@x.example", i%97)}, "n": int64(i)})
		if err != nil {
			v.t.Fatal(err)
		}
		records[i] = &kgo.Record{Topic: "shop.visits", Partition: int32(i) % partitions, Key: []byte("any"), Value: value}
	}
	if err := v.client.ProduceSync(v.t.Context(), records...).FirstErr(); err != nil {
		v.t.Fatal(err)
	}
	for _, r := range records {
		v.written[fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset)] = true
	}
}

// arrived reads committed events until all that were written have come, and
// fails if one comes twice. During is called with how many have.
func (v *visits) arrived(during func(n int)) {
	v.t.Helper()
	reader, err := kgo.NewClient(kgo.SeedBrokers(v.address), kgo.ConsumeTopics(topologies.Events.Name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.MetadataMinAge(20*time.Millisecond), kgo.MetadataMaxAge(time.Second))
	if err != nil {
		v.t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(v.t.Context(), patience)
	defer cancel()
	came := map[string]bool{}
	quiet := 0
	for quiet < 2 { // and nothing comes after
		short, stop := context.WithTimeout(ctx, time.Second)
		fetches := reader.PollFetches(short)
		stop()
		if ctx.Err() != nil {
			v.t.Fatalf("of %d events %d came", len(v.written), len(came))
		}
		fetches.EachRecord(func(r *kgo.Record) {
			e, err := topologies.Events.Codec.Decode(r.Value)
			if err != nil {
				v.t.Fatal(err)
			}
			if came[e.ID] || !v.written[e.ID] {
				v.t.Fatalf("%s came twice, or was never written", e.ID)
			}
			came[e.ID] = true
		})
		during(len(came))
		if len(came) == len(v.written) && fetches.NumRecords() == 0 {
			quiet++
		}
	}
}

// ingester runs `kairos ingest`, and again after a kill.
type ingester struct {
	t       *testing.T
	args    []string
	log     string
	process *kairos.Process
}

func newIngester(t *testing.T, address, file string) *ingester {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ingest.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	i := &ingester{t: t, args: []string{"ingest", "-f", path, "--instance=one", "--metrics=", "--brokers=" + address}, log: path + ".log"}
	i.start()
	t.Cleanup(func() {
		if err := i.process.Stop(time.Minute); err != nil {
			t.Error(err)
		}
	})
	return i
}

func (i *ingester) start() {
	i.t.Helper()
	var err error
	if i.process, err = theBinary(i.t).Start(i.log, i.args...); err != nil {
		i.t.Fatal(err)
	}
}

func (i *ingester) kill() {
	i.t.Helper()
	if err := i.process.Kill(); err != nil {
		i.t.Fatal(err)
	}
}

// Killed when all is written and nothing committed, and when the commit is on
// its way.
func TestAnIngesterKilledInTheMiddleOfATransactionLosesAndDoublesNothing(t *testing.T) {
	skipShort(t)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	address := cluster.ListenAddrs()[0]
	v := newVisits(t, address, 3)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "shop.visits.avsc"), []byte(strings.Replace(visit, `"shop.who"`, who, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	kills := make(chan struct{})
	var ends atomic.Int64
	cluster.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		n := ends.Add(1)
		if n > 4 || n == 2 {
			return nil, nil, false
		}
		kills <- struct{}{}
		<-kills                                                  // it is dead
		return nil, fmt.Errorf("the connection is gone"), n != 3 // the third commit gets through all the same
	})
	v.write(0, 5000, 3)
	i := newIngester(t, address, "schemas: "+folder+"\ntopics: [{topic: shop.visits, framing: plain}]\n")
	go func() {
		for range kills {
			i.kill()
			i.start()
			kills <- struct{}{}
		}
	}()
	v.arrived(func(int) {})
	if ends.Load() < 4 {
		t.Errorf("it was killed at %d commits only", ends.Load())
	}
}

// A real Kafka, a real registry: schemas that refer to others, kills, and a
// registry that is away when a new schema comes.
func TestAnIngesterBehindARealKafkaAndARealRegistryLosesAndDoublesNothing(t *testing.T) {
	skipShort(t)
	schemas := registry.Start(t)
	broker := kafka.Start(t)
	v := newVisits(t, broker.Address, 5)
	register := func() int {
		schemas.Register(t, "shop.who", who)
		return schemas.Register(t, "shop.visits-value", visit, sr.SchemaReference{Name: "shop.who", Subject: "shop.who", Version: 1})
	}
	id := register()
	const each = 20_000
	v.write(id, each, 5)
	i := newIngester(t, broker.Address, "registry: "+schemas.URL+"\ntopics: [{topic: shop.visits}]\n")
	random := rand.New(rand.NewPCG(seed, 2))
	var moments []int
	for n := range 3 {
		moments = append(moments, n*each/3+random.IntN(each/3))
	}
	t.Logf("seed %d: killed after %v events", seed, moments)
	stage := 0
	v.arrived(func(n int) {
		for len(moments) > 0 && n > moments[0] {
			moments = moments[1:]
			i.kill()
			i.start()
		}
		switch {
		case stage == 0 && n == each:
			stage = 1
			v.write(id, 100, 5) // so that the last of the processes has asked for it
		case stage == 1 && n == each+100:
			stage = 2
			schemas.Leave()
			v.write(id+1, 100, 1) // not known yet: holds partition 0
			v.write(id, 100, 5)
		case stage == 2 && n == each+180: // all but those of partition 0
			stage = 3
			schemas.Return(t, func() {
				register()
				if got := schemas.Register(t, "other-value", strings.Replace(strings.Replace(visit, `"shop.who"`, who, 1), `"namespace": "shop", "fields": [{"name": "who"`, `"namespace": "shop", "doc": "2", "fields": [{"name": "who"`, 1)); got != id+1 {
					t.Fatalf("the new schema is %d, not %d", got, id+1)
				}
			})
		}
	})
	if stage != 3 {
		t.Errorf("the story ended in stage %d", stage)
	}
}

// An import that is killed twice and begun again each time imports every row once.
func TestAnImportThatIsKilledGoesOnWhereItWas(t *testing.T) {
	skipShort(t)
	broker := kafka.Start(t)
	folder := t.TempDir()
	const rows = 100_000
	var csv strings.Builder
	csv.WriteString("mail,n\n")
	for n := range rows {
		fmt.Fprintf(&csv, "p%d@x.example,%d\n", n%997, n)
	}
	export, mapping := filepath.Join(folder, "export.csv"), filepath.Join(folder, "mapping.yaml")
	for path, text := range map[string]string{export: csv.String(), mapping: "kind: mapping\nname: crm\nevent: customer\nid: n\nidentifiers: {email: mail}\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := "--brokers=" + broker.Address
	if _, err := theBinary(t).Run(t.Context(), "apply", "-f", mapping, at); err != nil {
		t.Fatal(err)
	}
	v := &visits{t: t, address: broker.Address, written: map[string]bool{}}
	for n := range rows {
		v.written[fmt.Sprint(n)] = true
	}
	random := rand.New(rand.NewPCG(seed, 3))
	moments := []int{1 + random.IntN(rows/3), rows/2 + random.IntN(rows/3)}
	t.Logf("seed %d: killed after %v rows", seed, moments)
	i := &ingester{t: t, args: []string{"import", export, "--mapping=crm", at}, log: filepath.Join(folder, "log")}
	i.start()
	v.arrived(func(n int) {
		if len(moments) > 0 && n > moments[0] {
			moments = moments[1:]
			i.kill()
			i.start()
		}
	})
	<-i.process.Ended()
	if err := i.process.Err(); err != nil || !strings.Contains(i.process.LogTail(), "went on after row") {
		t.Errorf("%v\n%s", err, i.process.LogTail())
	}
}
