package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestWrongTopicsToIngestAreRefused(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "ingest.yaml")
	write(t, filepath.Join(folder, "bad.avsc"), "{")
	for text, part := range map[string]string{
		"topics: [{topic: a, framing: xml}]":               `no framing "xml"`,
		"topics: [{framing: plain}]":                       "names no topic",
		"topics: [{topic: a}]\nschemas: .":                 "bad.avsc",
		"topics: [{topic: a, schema: b}]":                  "schema",
		"topics: [{topic: a}]\nschemas: /nowhere/at/all/x": "nowhere",
	} {
		write(t, file, text)
		if said := expect(t, exitAsked, "ingest", "-f", file, "--brokers=127.0.0.1:1"); !strings.Contains(said, part) {
			t.Errorf("%q: it says %q, want %q", text, said, part)
		}
	}
	brokers := embedded(t)
	for text, part := range map[string]string{
		"topics: []":                           "no topic to read",
		"topics: [{topic: a, framing: plain}]": "needs a file a.avsc",
		"topics: [{topic: a}, {topic: a}]":     "twice",
	} {
		write(t, file, text)
		if said := expect(t, exitAsked, "ingest", "-f", file, brokers); !strings.Contains(said, part) {
			t.Errorf("%q: it says %q, want %q", text, said, part)
		}
	}
	write(t, file, "topics: [{topic: a, mapping: crm}]")
	if said := expect(t, exitNo, "ingest", "-f", file, brokers); !strings.Contains(said, "the mapping crm of topic a is not published") {
		t.Errorf("it says %q", said)
	}
}

// What a schema says of its fields becomes a definition that can be applied.
func TestAMappingIsWrittenFromASchema(t *testing.T) {
	folder := t.TempDir()
	schema := filepath.Join(folder, "visit.avsc")
	write(t, schema, `{"type": "record", "name": "visit", "fields": [{"name": "who", "type": "string", "kairos.identity": "email", "kairos.label": "C2"}]}`)
	said := expect(t, 0, "mapping", schema, "--name=visits")
	if err := os.Remove(schema); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "visits.yaml"), said)
	if !strings.Contains(said, "C2") {
		t.Errorf("it says\n%s", said)
	}
	expect(t, 0, "apply", "--check", "-f", folder)
	write(t, schema, `{"type": "record", "name": "visit", "fields": [{"name": "who", "type": "string"}]}`)
	if said := expect(t, exitAsked, "mapping", schema); !strings.Contains(said, "kairos.identity") {
		t.Errorf("it says %q", said)
	}
}

// Sent again, a record of others becomes the event that it should have been. It
// is put nowhere else, and counts once however often it is sent.
func TestADeadLetterOfIngestCountsOnceWhenItIsSentAgain(t *testing.T) {
	brokers := embedded(t)
	r := start(t, brokers, "--partitions=2")
	r.await(t, "/readyz", http.StatusServiceUnavailable)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers)
	r.await(t, "/readyz", http.StatusOK)

	client, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(brokers, "--brokers=")), kgo.MetadataMinAge(20e6), kgo.UnknownTopicRetries(20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, "shop.visits"); err != nil {
		t.Fatal(err)
	}
	const schema = `{"type": "record", "name": "visit", "fields": [{"name": "who", "type": "string", "kairos.identity": "email"}]}`
	value, err := avro.MustParse(schema).AppendSingleObject(nil, map[string]any{"who": "ann@x.example"})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "shop.visits", Key: []byte("any"), Value: value}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "ingest.yaml")
	write(t, file, "schemas: .\ntopics: [{topic: shop.visits}]\n")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		code, _, _ := kairos(ctx, "", "ingest", "-f", file, "--metrics=", brokers)
		ended <- code
	}()
	await(t, "nobody knows the schema", func() bool {
		return strings.Contains(expect(t, 0, "deadletters", "list", "--stage=ingest", brokers), "kairos-ingest-unknown-schema")
	})
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("ingest ended with %d", code)
	}

	if said := expect(t, exitAsked, "deadletters", "resend", "--stage=ingest", brokers); !strings.Contains(said, "--ingest") {
		t.Errorf("it says %q", said)
	}
	if said := expect(t, exitFailed, "deadletters", "resend", "--stage=ingest", "--ingest="+file, brokers); !strings.Contains(said, "is still refused") {
		t.Errorf("it says %q", said)
	}
	write(t, filepath.Join(folder, "visit.avsc"), schema)
	for range 2 {
		if said := expect(t, 0, "deadletters", "resend", "--stage=ingest", "--ingest="+file, brokers); !strings.Contains(said, "1 sent again") {
			t.Errorf("it says %q", said)
		}
	}
	expect(t, 0, "send", "--door=http://"+r.door, "email=ann@x.example", "login") // behind both
	var a struct {
		Identifiers []struct {
			Value  string
			Events int
		}
		Timeline []struct{ Event, ID string }
	}
	await(t, "what was sent last is in her profile", func() bool {
		get(t, "http://"+r.api+"/v1/profiles/email/ann@x.example", &a)
		return len(a.Timeline) > 0 && a.Timeline[0].Event == "login"
	})
	if len(a.Timeline) != 2 || a.Timeline[1].ID != "shop.visits/0/0" || a.Identifiers[0].Events != 2 {
		t.Errorf("her profile has %+v", a)
	}
	ends, err := admin.ListEndOffsets(t.Context(), "shop.visits")
	if err != nil {
		t.Fatal(err)
	}
	if end, _ := ends.Lookup("shop.visits", 0); end.Offset != 1 {
		t.Errorf("the topic of others holds %d records", end.Offset)
	}
}

// The file says how the registry is shown who we are; no secret is in it.
func TestTheRegistryOfIngestTakesItsSecretsFromFilesAndTheEnvironment(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "ingest.yaml")
	for text, part := range map[string]string{
		"registry_access: {user: a, password: 'env:HOME'}":                                 "give its URL",
		"registry: https://r.example\nregistry_access: {user: a, password: sesame}":        "is not written here",
		"registry: https://r.example\nregistry_access: {token: 'env:NOBODY_HAS_SET_THIS'}": "NOBODY_HAS_SET_THIS",
		"registry: https://a:sesame@r.example":                                             "holds a user",
		"registry: http://r.example\nregistry_access: {token: 'env:HOME'}":                 "use https",
		"registry: https://r.example\nregistry_access: {ca: none.pem}":                     filepath.Join(folder, "none.pem"),
		"registry: https://r.example\nregistry_access: {secret: x}":                        "secret",
	} {
		write(t, file, text+"\ntopics: [{topic: a}]\n")
		if said := expect(t, exitAsked, "ingest", "-f", file, "--brokers=127.0.0.1:1"); !strings.Contains(said, part) || strings.Contains(said, "sesame") {
			t.Errorf("%q: it says %q, want %q", text, said, part)
		}
	}
	if said := expect(t, exitAsked, "topology", "apply", "--registry=http://r.example", "--registry-token=env:HOME", "--brokers=127.0.0.1:1"); !strings.Contains(said, "use https") {
		t.Errorf("it says %q", said)
	}
}
