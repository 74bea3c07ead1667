package door_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/cmd/internal/door"
	"kairos/loadtest/kafka"
	"kairos/processors/definition"
	"kairos/schemas"
	"kairos/topologies"
)

var noon = schemas.InstantOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))

func rules() definition.IdentityRules {
	return definition.IdentityRules{Namespaces: []definition.Namespace{
		{Name: "crm_id", Priority: 30}, {Name: "email", Priority: 20, Blocked: func(v string) bool { return v == "none@none" }},
		{Name: "anonymous_id", Priority: 1},
	}}
}

type world struct {
	broker   *kfake.Cluster
	client   *kgo.Client
	door     *door.Door
	registry *prometheus.Registry
}

func open(t *testing.T) *world {
	t.Helper()
	return openFor(t, 10*time.Second)
}

// openFor waits for Kafka's acknowledgement so long.
func openFor(t *testing.T, timeout time.Duration) *world {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, topologies.Events.Name),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": "8388608"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := kgo.NewClient(append(door.Options(), kgo.SeedBrokers(broker.ListenAddrs()...),
		kgo.ConsumeTopics(topologies.Events.Name))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	registry := prometheus.NewRegistry()
	opened := door.New(client, door.Config{
		Clock: func() schemas.Instant { return noon }, Rules: rules, Registry: registry, Timeout: timeout,
	})
	return &world{broker, client, opened, registry}
}

func (w *world) post(body string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	w.door.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/v1/events", strings.NewReader(body)))
	return answer
}

func (w *world) read(t *testing.T, n int) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var records []*kgo.Record
	for len(records) < n {
		fetches := w.client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %d of %d events: %v", len(records), n, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

func TestAnEventIsNormalisedAndKeyedByItsStrongestIdentifier(t *testing.T) {
	w := open(t)
	answer := w.post(`{"name": "purchase", "id": "o-1", "time": "2026-03-01T11:00:00.5+01:00", "source": "web",
		"identifiers": {"anonymous_id": "a1", "email": " Sarah@Example.org "},
		"properties": {"zip": "75001", "amount": 12.5, "gift": true, "voucher": null, "shop": {"city": "Paris"}},
		"attributes": {"country": "FR"}}`)
	if answer.Code != http.StatusOK || answer.Body.String() != `{"accepted":1,"ids":["o-1"]}`+"\n" {
		t.Fatalf("got %d %s", answer.Code, answer.Body)
	}
	record := w.read(t, 1)[0]
	e, err := topologies.Events.Codec.Decode(record.Value)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(e)
	want, _ := json.Marshal(schemas.Event{
		ID: "o-1", Name: "purchase", Time: noon - 2*3600_000 + 500, Received: noon, Source: "web",
		Identifiers: []schemas.Identifier{{Namespace: "email", Value: "sarah@example.org"}, {Namespace: "anonymous_id", Value: "a1"}},
		Properties: schemas.Properties{{Name: "amount", Value: schemas.NumberOf(12.5)}, {Name: "gift", Value: schemas.BooleanOf(true)},
			{Name: "shop.city", Value: schemas.TextOf("Paris")}, {Name: "voucher"}, {Name: "zip", Value: schemas.TextOf("75001")}},
		Attributes: schemas.Properties{{Name: "country", Value: schemas.TextOf("FR")}},
	})
	if string(record.Key) != "email:sarah@example.org" || string(got) != string(want) {
		t.Errorf("key %s\ngot  %s\nwant %s", record.Key, got, want)
	}
}

func TestABrowserThatOptsOutIsHeardInEveryEventOfItsRequest(t *testing.T) {
	w := open(t)
	request := httptest.NewRequest(http.MethodPost, "/v1/events", strings.NewReader(`[{"name": "a", "identifiers": {"email": "s@x.example"}},
		{"name": "b", "identifiers": {"email": "s@x.example"}, "properties": {"zip": "1", "context": {"gpc": false}}}]`))
	request.Header.Set("Sec-GPC", "1")
	answer := httptest.NewRecorder()
	if w.door.ServeHTTP(answer, request); answer.Code != http.StatusOK {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	for _, r := range w.read(t, 2) {
		e, err := topologies.Events.Codec.Decode(r.Value)
		if err != nil || !e.Properties.Get("context.gpc").True() {
			t.Errorf("%+v, %v", e, err)
		}
	}
}

func TestABlockedIdentifierIsPrimaryOnlyWhenItIsAlone(t *testing.T) {
	w := open(t)
	w.post(`[{"name": "visit", "identifiers": {"email": "none@none", "anonymous_id": "a1"}},
		{"name": "visit", "identifiers": {"email": "none@none"}}]`)
	keys := map[string]bool{}
	for _, r := range w.read(t, 2) {
		keys[string(r.Key)] = true
	}
	if !keys["anonymous_id:a1"] || !keys["email:none@none"] {
		t.Errorf("got keys %v", keys)
	}
}

func TestAnEventFromTheFutureHappensNowAndOneWithoutIDGetsOne(t *testing.T) {
	w := open(t)
	w.post(`{"name": "visit", "identifiers": {"email": "a@b"}, "time": "2031-01-01T00:00:00Z"}`)
	e, err := topologies.Events.Codec.Decode(w.read(t, 1)[0].Value)
	if err != nil || e.Time != noon || len(e.ID) != 32 {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestWhatIsWrongIsNamedWithItsPlace(t *testing.T) {
	w := open(t)
	for _, c := range []struct{ name, body, path, what string }{
		{"no JSON", `{"name": `, "/0", "is not JSON"},
		{"no object", `"purchase"`, "/0", "must be an object, not a text"},
		{"nothing", ``, "/0", "must be an object, not nothing"},
		{"an empty list", `[]`, "/", "send 1 to 1000"},
		{"an unknown field", `{"event": "x", "name": "x", "identifiers": {"email": "a@b"}}`, "/0/event", "is not a field"},
		{"no name", `{"identifiers": {"email": "a@b"}}`, "/0/name", "is missing"},
		{"nobody", `{"name": "x", "identifiers": {}}`, "/0/identifiers", "needs at least one"},
		{"an empty identifier", `{"name": "x", "identifiers": {"email": " "}}`, "/0/identifiers/email", "leave email out"},
		{"a number as identifier", `{"name": "x", "identifiers": {"crm_id": 7}}`, "/0/identifiers/crm_id", "must be a text"},
		{"a bad namespace", `{"name": "x", "identifiers": {"E-Mail": "a@b"}}`, "/0/identifiers/E-Mail", "cannot be a namespace"},
		{"a bad time", `{"name": "x", "identifiers": {"email": "a@b"}, "time": "yesterday"}`, "/0/time", "must be a time"},
		{"a list as property", `{"name": "x", "identifiers": {"email": "a@b"}, "properties": {"items": [1]}}`, "/0/properties/items", "send an event for each"},
		{"a huge number", `{"name": "x", "identifiers": {"email": "a@b"}, "properties": {"amount": 1e999}}`, "/0/properties/amount", "too large a number"},
		{"a control character", `{"name": "\u0000tick", "identifiers": {"email": "a@b"}}`, "/0/name", "printable"},
		{"an operator's command", `{"name": "$unlink", "identifiers": {"email": "a@b", "crm_id": "7"}}`, "/0/name", "commands of operators"},
		{"the second of two", `[{"name": "x", "identifiers": {"email": "a@b"}}, {"name": 1, "identifiers": {"email": "a@b"}}]`, "/1/name", "must be a text"},
		{"a name twice", `{"name": "x", "identifiers": {"email": "a@b"}, "properties": {"a.b": 1, "a": {"b": 2}}}`, "/0/properties/a.b", "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := w.post(c.body)
			var body struct{ Problems door.Problems }
			if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			if answer.Code != http.StatusBadRequest || len(body.Problems) == 0 ||
				body.Problems[0].Path != c.path || !strings.Contains(body.Problems[0].What, c.what) {
				t.Errorf("got %d %s", answer.Code, answer.Body)
			}
		})
	}
}

func TestWhatIsTooLargeIsRefused(t *testing.T) {
	w := open(t)
	event := `{"name": "x", "identifiers": {"email": "a@b"}, "properties": {"bulk": "` + strings.Repeat("x", 2<<20) + `"}}`
	if answer := w.post(event); answer.Code != http.StatusRequestEntityTooLarge || !strings.Contains(answer.Body.String(), "at most 1048576") {
		t.Errorf("an event of 2 MB: %d %.200s", answer.Code, answer.Body)
	}
	if answer := w.post(strings.Repeat(" ", door.MaxBody+1)); answer.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body above the limit: %d %.200s", answer.Code, answer.Body)
	}
}

func TestOneWrongEventRefusesTheWholeRequest(t *testing.T) {
	w := open(t)
	w.post(`[{"name": "good", "identifiers": {"email": "a@b"}}, {"name": "bad", "identifiers": {"email": ""}}]`)
	w.post(`{"name": "later", "identifiers": {"email": "a@b"}}`)
	if e, err := topologies.Events.Codec.Decode(w.read(t, 1)[0].Value); err != nil || e.Name != "later" {
		t.Errorf("the first event on the topic is %+v, %v", e, err)
	}
}

func TestWithoutAcknowledgementTheAnswerIsNotOK(t *testing.T) {
	w := openFor(t, 200*time.Millisecond)
	w.broker.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		w.broker.KeepControl()
		return kafka.WithoutReplicas(request.(*kmsg.ProduceRequest)), nil, true
	})
	answer := w.post(`{"name": "x", "identifiers": {"email": "a@b"}}`)
	if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %s", answer.Code, answer.Body)
	}
	want := `
# HELP kairos_door_events_total Events that came to the door, by what became of them.
# TYPE kairos_door_events_total counter
kairos_door_events_total{result="unacknowledged"} 1
`
	if err := testutil.GatherAndCompare(w.registry, strings.NewReader(want), "kairos_door_events_total"); err != nil {
		t.Error(err)
	}
}

func TestATelephoneNumberHasOneSpelling(t *testing.T) {
	for _, spelling := range []string{"0033 6 12 34 56 78", "+33 6 12-34.56(78)", "+33612345678"} {
		if id, err := door.Identifier("phone", spelling); err != nil || id.String() != "phone:+33612345678" {
			t.Errorf("%s became %v, %v", spelling, id, err)
		}
	}
}
