package deadletters_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/deadletters"
	"kairos/processors/keyring"
	"kairos/schemas"
	"kairos/topologies"
)

func embedded(t *testing.T) *cluster.Client {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := cluster.Connect(t.Context(), broker.ListenAddrs(), kgo.ProducerBatchMaxBytes(topologies.MaxDeadLetterBatchBytes))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	topology, err := topologies.New(topologies.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Apply(t.Context(), topology); err != nil {
		t.Fatal(err)
	}
	return client
}

func refuse(t *testing.T, client *cluster.Client, letters ...schemas.DeadLetter) {
	t.Helper()
	for _, l := range letters {
		value, err := schemas.DeadLetterCodec.Append(nil, &l)
		if err != nil {
			t.Fatal(err)
		}
		record := &kgo.Record{Topic: topologies.DeadLetters(l.Stage).Name, Key: l.Key, Value: value}
		if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	torn = schemas.DeadLetter{Stage: "identity", Topic: topologies.Events.Name, Partition: 2, Offset: 7,
		Reason: "kairos-identity-undecodable", Detail: "decode Event: short", Key: []byte("email:a@b"), Value: []byte{0xC3, 1}}
	huge = schemas.DeadLetter{Stage: "identity", Topic: topologies.Events.Name, Partition: 1, Offset: 9,
		Reason: "kairos-identity-too-large", Key: []byte("email:c@d"), Value: bytes.Repeat([]byte("x"), 2<<20)}
	wake = schemas.DeadLetter{Stage: "profile", Topic: "(wake)", Reason: "kairos-profile-panic", Key: []byte("00ff")}
)

func TestLettersAreChosenByStageReasonTopicAndPlace(t *testing.T) {
	client := embedded(t)
	refuse(t, client, torn, huge, wake)
	all, err := deadletters.List(t.Context(), client, deadletters.Filter{})
	if err != nil || len(all) != 3 || all[2].Stage != "profile" {
		t.Fatalf("got %d letters, %v", len(all), err)
	}
	for _, c := range []struct {
		filter deadletters.Filter
		want   []schemas.DeadLetter
	}{
		{deadletters.Filter{Stage: "profile"}, []schemas.DeadLetter{wake}},
		{deadletters.Filter{Reason: "too-large"}, []schemas.DeadLetter{huge}},
		{deadletters.Filter{Stage: "identity", Topic: topologies.Changes.Name}, nil},
		{deadletters.Filter{Places: []deadletters.Place{all[2].Place}}, []schemas.DeadLetter{wake}},
	} {
		got, err := deadletters.List(t.Context(), client, c.filter)
		if err != nil || len(got) != len(c.want) {
			t.Fatalf("%+v: got %d letters, want %d, %v", c.filter, len(got), len(c.want), err)
		}
		for i := range got {
			if got[i].Reason != c.want[i].Reason || !bytes.Equal(got[i].Value, c.want[i].Value) {
				t.Errorf("%+v: got %s", c.filter, got[i].Reason)
			}
		}
	}
}

func TestResendPutsTheOriginalBytesUnderTheOriginalKey(t *testing.T) {
	client := embedded(t)
	refuse(t, client, torn, huge)
	letters, err := deadletters.List(t.Context(), client, deadletters.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := deadletters.Resend(t.Context(), client, letters, nil); err != nil {
		t.Fatal(err)
	}
	got := map[string][]byte{}
	if err := client.Scan(t.Context(), topologies.Events.Name, cluster.EveryPartition, func(r *kgo.Record) error {
		got[string(r.Key)] = r.Value
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !bytes.Equal(got["email:a@b"], torn.Value) || !bytes.Equal(got["email:c@d"], huge.Value) {
		t.Errorf("on the topic are %d records, of %d and %d bytes", len(got), len(got["email:a@b"]), len(got["email:c@d"]))
	}
}

// told is the topic of a destination with what was told of somebody, all in one
// of its partitions: that of the person, not of the key.
func told(t *testing.T, client *cluster.Client, values ...*schemas.Activation) (topic string, partition int32) {
	t.Helper()
	stream := topologies.Activations("crm")
	if _, err := client.Admin().CreateTopic(t.Context(), 4, 1, nil, stream.Name); err != nil {
		t.Fatal(err)
	}
	producer, err := kgo.NewClient(append(client.Opts(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	key := []byte("p/vip")
	partition = int32((kgo.StickyKeyPartitioner(nil).ForTopic(stream.Name).Partition(&kgo.Record{Key: key}, 4) + 1) % 4)
	for _, a := range values {
		value, err := stream.Codec.Append(nil, a)
		if err != nil {
			t.Fatal(err)
		}
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: stream.Name, Partition: partition, Key: key, Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	return stream.Name, partition
}

// sentAgain resends what was not delivered, and says what that put on the topic:
// which addresses it puts on a list (+) and takes off (-).
func sentAgain(t *testing.T, lost *schemas.Activation, values ...*schemas.Activation) (said []string) {
	t.Helper()
	client := embedded(t)
	topic, partition := told(t, client, values...)
	value, err := schemas.ActivationCodec.Append(nil, lost)
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, client, schemas.DeadLetter{Stage: "delivery", Topic: topic, Partition: partition, Reason: "kairos-delivery-refused", Key: []byte("p/vip"), Value: value})
	letters, err := deadletters.List(t.Context(), client, deadletters.Filter{Stage: "delivery"})
	if err != nil || len(letters) != 1 {
		t.Fatalf("%d letters, %v", len(letters), err)
	}
	if sent, err := deadletters.Resend(t.Context(), client, letters, nil); err != nil || sent != 1 {
		t.Fatal(sent, err)
	}
	err = client.Scan(t.Context(), topic, cluster.EveryPartition, func(r *kgo.Record) error {
		if r.Partition != partition {
			t.Errorf("a record is in partition %d, the person's are in %d", r.Partition, partition)
		}
		a, err := schemas.ActivationCodec.Decode(r.Value)
		if err != nil {
			return err
		}
		text, sign := "entered", " +"
		if !a.Entered {
			text, sign = "exited", " -"
		}
		for _, id := range a.Former {
			text += " -" + id.Value
		}
		for _, id := range a.Identifiers {
			text += sign + id.Value
		}
		said = append(said, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return said[len(values):]
}

// An old entry behind a newer exit would put the person on the list again, and in
// another partition than the person's it would stay there for ever. What a record
// took off a list, today's does not say.
func TestWhatWasNotDeliveredIsSentAgainAsItIsTodayWhereItWas(t *testing.T) {
	by := func(addresses ...string) (all []schemas.Identifier) {
		for _, address := range addresses {
			all = append(all, schemas.Identifier{Namespace: "email", Value: address})
		}
		return all
	}
	entry := func(addresses ...string) *schemas.Activation {
		return &schemas.Activation{Destination: "crm", Person: "p", Audience: "vip", Entered: true, Identifiers: by(addresses...)}
	}
	exit := func(addresses ...string) *schemas.Activation {
		return &schemas.Activation{Destination: "crm", Person: "p", Audience: "vip", Identifiers: by(addresses...)}
	}
	without := func(a *schemas.Activation, addresses ...string) *schemas.Activation {
		a.Former = by(addresses...)
		return a
	}
	for _, c := range []struct {
		lost  *schemas.Activation
		today *schemas.Activation
		want  string
	}{
		{entry("a@x"), exit("a@x"), "exited -a@x"},
		{exit("a@x"), exit("a@x"), "exited -a@x"},
		{exit("a@x"), entry("a@x"), "entered +a@x"},
		{exit("a@x", "b@x"), entry("b@x"), "entered -a@x +b@x, entered +b@x"},
		{without(entry("b@x"), "a@x"), entry("b@x"), "entered -a@x +b@x, entered +b@x"},
		{without(entry("b@x"), "a@x"), exit("b@x"), "exited -b@x -a@x, exited -b@x"},
	} {
		if got := strings.Join(sentAgain(t, c.lost, c.lost, c.today), ", "); got != c.want {
			t.Errorf("of %+v, not delivered, %q is sent, want %q", c.lost, got, c.want)
		}
	}
}

// Where there are keys nothing goes on the topic of events as anybody can read
// it, and nothing about who was erased since.
func TestWhatIsSentAgainIsSealedAndLeavesOutWhoWasErased(t *testing.T) {
	client := embedded(t)
	ring, err := client.ChangeRing(t.Context(), func(*keyring.Ring) *keyring.Ring { return keyring.New().Lose("email:c@d") })
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, client, torn, huge)
	letters, err := deadletters.List(t.Context(), client, deadletters.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if sent, err := deadletters.Resend(t.Context(), client, letters, nil); err != nil || sent != 1 {
		t.Fatalf("%d were sent, %v", sent, err)
	}
	if err := client.ScanRaw(t.Context(), topologies.Events.Name, func(r *kgo.Record) error {
		key, value, err := ring.Open(r.Value)
		if err != nil || string(key) != "email:a@b" || !bytes.Equal(value, torn.Value) {
			t.Errorf("on the topic is %q, %v", key, err)
		}
		if want, err := client.PartitionOf(t.Context(), topologies.Events.Name, "email:a@b"); err != nil || r.Partition != want {
			t.Errorf("it lies in partition %d, not in %d, %v", r.Partition, want, err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

var unread = schemas.DeadLetter{Stage: "ingest", Topic: "shop.orders", Partition: 1, Offset: 4,
	Reason: "kairos-ingest-unknown-schema", Key: []byte("any"), Value: []byte{0, 0, 0, 0, 7, 2}}

// The topic is others', and a record put there would be another.
func TestWhatIngestCouldNotReadBecomesAnEventAndNotARecordOfOthers(t *testing.T) {
	client := embedded(t)
	refuse(t, client, unread)
	letters, err := deadletters.List(t.Context(), client, deadletters.Filter{Stage: "ingest"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := deadletters.Resend(t.Context(), client, letters, nil); !errors.Is(err, deadletters.ErrNoReread) {
		t.Errorf("without anybody who reads it, %v", err)
	}
	still := errors.New("not yet")
	if _, err := deadletters.Resend(t.Context(), client, letters, func(context.Context, *kgo.Record) (*kgo.Record, error) { return nil, still }); !errors.Is(err, still) {
		t.Errorf("what is still refused, %v", err)
	}
	sent, err := deadletters.Resend(t.Context(), client, letters, func(_ context.Context, r *kgo.Record) (*kgo.Record, error) {
		if r.Topic != unread.Topic || r.Partition != 1 || r.Offset != 4 || !bytes.Equal(r.Value, unread.Value) {
			t.Errorf("to be read is %+v", r)
		}
		return &kgo.Record{Topic: topologies.Events.Name, Key: []byte("email:e@f"), Value: []byte("event")}, nil
	})
	if err != nil || sent != 1 {
		t.Errorf("%d were sent, %v", sent, err)
	}
	lost := unread
	lost.Key, lost.Value = nil, nil
	var refused *deadletters.NotResendableError
	_, err = deadletters.Resend(t.Context(), client, []deadletters.Letter{{Place: letters[0].Place, DeadLetter: lost}}, func(context.Context, *kgo.Record) (*kgo.Record, error) { panic("its bytes were not kept") })
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "shop.orders/1/4") {
		t.Errorf("without bytes, %v", err)
	}
}

func TestAWakeCannotBeSentAgainAndThenNothingIs(t *testing.T) {
	client := embedded(t)
	refuse(t, client, torn, wake)
	letters, err := deadletters.List(t.Context(), client, deadletters.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	var refused *deadletters.NotResendableError
	if _, err := deadletters.Resend(t.Context(), client, letters, nil); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
	if err := client.Scan(t.Context(), topologies.Events.Name, cluster.EveryPartition, func(r *kgo.Record) error {
		t.Errorf("%s was sent all the same", r.Key)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestAPlaceIsReadAsItIsWritten(t *testing.T) {
	place := deadletters.Place{Stage: "identity", Partition: 3, Offset: 17}
	if got, err := deadletters.PlaceOf(place.String()); err != nil || got != place {
		t.Errorf("got %v, %v", got, err)
	}
	for _, wrong := range []string{"", "identity", "identity/3", "nobody/3/17", "identity/x/17"} {
		if _, err := deadletters.PlaceOf(wrong); err == nil || !strings.Contains(err.Error(), "identity/3/17") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
