package main

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

func encoded(t *testing.T, e schemas.Event) []byte {
	t.Helper()
	value, err := topologies.Events.Codec.Append(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// purchase is an event as a producer of one's own would write it.
func purchase(who string, amount float64) schemas.Event {
	return schemas.Event{ID: "p-" + who, Name: "purchase", Time: 1000, Received: 1000, Source: "shop",
		Identifiers: []schemas.Identifier{{Namespace: "email", Value: who}},
		Properties:  schemas.Properties{{Name: "amount", Value: schemas.NumberOf(amount)}}}
}

func TestBadRecordsBecomeDeadLettersAndNothingElseIsLost(t *testing.T) {
	brokers := embedded(t)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers, "--partitions=1")
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(brokers, "--brokers=")), kgo.DefaultProduceTopic(topologies.Events.Name),
		kgo.ProducerBatchMaxBytes(topologies.MaxBatchBytes))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)

	good := encoded(t, purchase("good@example.org", 20))
	key := []byte("email:good@example.org")
	bad := map[string]*kgo.Record{
		"kairos-identity-undecodable":    {Key: key, Value: good[:len(good)-3]},
		"kairos-identity-unknown-schema": {Key: key, Value: append([]byte{0xC3, 1, 1, 2, 3, 4, 5, 6, 7, 8}, good[10:]...)},
		"kairos-identity-empty-key":      {Value: good},
		"kairos-identity-too-large":      {Key: key, Value: bytes.Repeat([]byte{'x'}, 2<<20)},
		"kairos-identity-not-a-number":   {Key: []byte("email:nan@example.org"), Value: encoded(t, purchase("nan@example.org", math.NaN()))},
	}
	records := []*kgo.Record{{Key: key, Value: good}}
	for _, r := range bad {
		records = append(records, r)
	}
	records = append(records, &kgo.Record{Key: []byte("email:last@example.org"), Value: encoded(t, purchase("last@example.org", 30))})
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}

	r := start(t, brokers)
	r.await(t, "/readyz", http.StatusOK)
	await(t, "what came last has arrived", func() bool {
		code, out, _ := kairos(t.Context(), "", "inspect", "person", brokers, "email=last@example.org")
		return code == 0 && strings.Contains(out, "first_purchase")
	})
	if said := expect(t, 0, "inspect", "person", brokers, "email=good@example.org"); !strings.Contains(said, "first_purchase") {
		t.Errorf("the good record was lost: %s", said)
	}

	var out bytes.Buffer
	out.WriteString(expect(t, 0, "deadletters", "list", brokers, "--json"))
	found := 0
	for lines := json.NewDecoder(&out); lines.More(); found++ {
		var l letterLine
		if err := lines.Decode(&l); err != nil {
			t.Fatal(err)
		}
		want := bad[l.Reason]
		if want == nil || !bytes.Equal(l.Value, want.Value) || !bytes.Equal(l.Key, want.Key) || l.Topic != topologies.Events.Name || l.Offset != want.Offset || l.Detail == "" {
			t.Errorf("a letter that is not as it should be: %s %s %s/%d/%d, %d bytes", l.Reason, l.Detail, l.Topic, l.Partition, l.Offset, len(l.Value))
		}
	}
	if found != len(bad) {
		t.Errorf("%d dead letters, want %d", found, len(bad))
	}

	if said := expect(t, 0, "deadletters", "resend", brokers, "--reason=empty-key"); !strings.Contains(said, "1 sent again") {
		t.Errorf("resend says %s", said)
	}
	await(t, "the record that was sent again is refused again", func() bool {
		return strings.Count(expect(t, 0, "deadletters", "list", brokers, "--reason=empty-key"), "kairos-identity-empty-key") == 2
	})
}
