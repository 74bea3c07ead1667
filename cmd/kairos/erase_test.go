package main

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/erasure"
	"kairos/topologies"
)

// canaries are in every field that a person can fill.
const (
	canary = "canary7f3a"
	tom    = "tom@example.org"
)

func TestNoByteOfAnErasedPersonIsLeftAnywhere(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	brokers, state, folder := "--brokers="+broker.ListenAddrs()[0], t.TempDir(), t.TempDir()
	expect(t, 0, "apply", "-f", "demo/definitions", brokers, "--partitions=2")
	expect(t, 0, "erase", "keys", brokers)
	t.Run("while it runs", func(t *testing.T) {
		r := start(t, brokers, "--state="+state)
		r.await(t, "/readyz", http.StatusOK)
		door := "--door=http://" + r.door
		say := func(event string) { expect(t, 0, "send", door, event) }
		say(`{"name": "cancel", "identifiers": {"device_id": "` + canary + `-device"}, "properties": {"` + canary + `-name": "` + canary + `-text"}}`)
		say(`{"id": "` + canary + `-id", "name": "` + canary + `-event", "source": "` + canary + `-source", "identifiers": {"email": "` + canary + `@example.org", "device_id": "` + canary + `-device"}, "attributes": {"first_name": "` + canary + `-sarah", "consent.marketing": true}}`)
		say(`{"name": "cancel", "identifiers": {"email": "` + canary + `@example.org"}}`)
		say(`{"name": "cancel", "identifiers": {"email": "` + tom + `"}, "attributes": {"first_name": "Tom"}}`)
		bad(t, broker)
		await(t, "both are in win_back", func() bool {
			for _, who := range []string{canary + "@example.org", tom} {
				if code, out, _ := kairos(t.Context(), "", "explain", brokers, "email="+who, "win_back"); code != 0 || !strings.Contains(out, "is in win_back") {
					return false
				}
			}
			return strings.Contains(expect(t, 0, "deadletters", "list", brokers), canary)
		})
		if where := whereIs(t, broker, canary); len(where) == 0 {
			t.Fatal("the canary is nowhere: there is nothing to erase")
		}
		held := ""
		await(t, "the export holds all of her", func() bool {
			held = expect(t, 0, "export", "email="+canary+"@example.org", brokers)
			return !slices.ContainsFunc([]string{canary + "-device", canary + "-text", canary + "-event", canary + "-source", canary + "-sarah", `"win_back"`, `"destination": "app"`, "kairos-identity-undecodable"},
				func(part string) bool { return !strings.Contains(held, part) })
		})
		if strings.Contains(held, tom) || strings.Contains(expect(t, 0, "export", "email="+tom, brokers), canary) {
			t.Error("an export tells of somebody else")
		}
		dry := expect(t, 0, "erase", "device_id="+canary+"-device", "--dry-run", brokers)
		if !strings.Contains(dry, `"rows": 2`) {
			t.Errorf("the dry run says %s", dry)
		}
		receipt := filepath.Join(folder, "receipt.json")
		code, out, complaints := kairos(t.Context(), "", "erase", "device_id="+canary+"-device", "--sign="+filepath.Join(folder, "key.pem"), "--receipt="+receipt, brokers)
		if code != 0 {
			t.Fatalf("erase ends with %d: %s%s", code, out, complaints)
		}
		text, err := os.ReadFile(receipt)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(canary)) {
			t.Errorf("the receipt names the person: %s", text)
		}
		listed(t, text)
		expect(t, 0, "erase", "verify", receipt, "device_id="+canary+"-device")
		expect(t, exitNo, "erase", "verify", receipt, "email="+tom)
		forged := filepath.Join(folder, "forged.json")
		write(t, forged, strings.Replace(string(text), `"identifiers": 2`, `"identifiers": 3`, 1))
		expect(t, exitNo, "erase", "verify", forged)

		// She comes back, and is not taken in; Tom is.
		say(`{"name": "cancel", "identifiers": {"email": "` + canary + `@example.org"}, "attributes": {"first_name": "` + canary + `-again"}}`)
		say(`{"name": "login", "identifiers": {"email": "` + tom + `", "device_id": "` + canary + `-device"}}`)
		await(t, "Tom's event is there", func() bool {
			code, out, _ := kairos(t.Context(), "", "inspect", "person", brokers, "email="+tom)
			return code == 0 && strings.Contains(out, "login")
		})
		if said := expect(t, 0, "inspect", "person", brokers, "email="+tom); strings.Contains(said, canary) || !strings.Contains(said, "Tom") {
			t.Errorf("Tom is %s", said)
		}
		expect(t, exitNo, "inspect", "person", brokers, "email="+canary+"@example.org")
		churn(t, broker)
		compactAll(t, broker)
		for _, where := range whereIs(t, broker, canary) {
			t.Errorf("the canary is left in %s", where)
		}
		await(t, "no local file holds the canary", func() bool { return !filesHold(t, state, canary) })

		// She consents anew.
		expect(t, 0, "erase", "renew", brokers, "email="+canary+"@example.org")
		await(t, "she is taken in again", func() bool {
			say(`{"name": "cancel", "identifiers": {"email": "` + canary + `@example.org"}}`)
			code, out, _ := kairos(t.Context(), "", "inspect", "person", brokers, "email="+canary+"@example.org")
			return code == 0 && !strings.Contains(out, "sarah")
		})
	})
}

// listed holds a receipt to what was there: each table and topic that had something
// of her, all of it gone, and nothing left.
func listed(t *testing.T, text []byte) {
	t.Helper()
	var signed struct{ Receipt erasure.Receipt }
	if err := json.Unmarshal(text, &signed); err != nil {
		t.Fatal(err)
	}
	found := map[string]int64{}
	for _, table := range signed.Receipt.Tables {
		if found[table.Name] = int64(table.Rows); table.Left != 0 {
			t.Errorf("of %s are left %d rows", table.Name, table.Left)
		}
	}
	for _, topic := range signed.Receipt.Topics {
		if found[topic.Name] = topic.Found; topic.Removed != topic.Found {
			t.Errorf("of %s are %d of %d gone", topic.Name, topic.Removed, topic.Found)
		}
	}
	for name, atLeast := range map[string]int64{
		topologies.IdentityTable.Name: 2, topologies.ProfileTable.Name: 1, topologies.SegmentTable.Name: 1, topologies.DestinationTable.Name: 1,
		topologies.Events.Name: 3, topologies.Transitions.Name: 1, topologies.Activations("app").Name: 1, topologies.DeadLetters("identity").Name: 1,
	} {
		if found[name] < atLeast {
			t.Errorf("of %s are found %d, want %d", name, found[name], atLeast)
		}
	}
	if r := signed.Receipt; len(r.Left) > 0 || r.KeysVersion == 0 || r.At == "" {
		t.Errorf("the receipt is %+v", r)
	}
}

// bad sends what becomes a dead letter about her.
func bad(t *testing.T, broker *kfake.Cluster) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	err = client.ProduceSync(t.Context(), &kgo.Record{Topic: "kairos.identity-loop", Key: []byte("email:" + canary + "@example.org"), Value: []byte("no record of " + canary + "@example.org")}).FirstErr()
	if err != nil {
		t.Fatal(err)
	}
}

// whereIs looks for a text in all that all topics hold, from their start, in
// keys, values and headers, committed or not.
func whereIs(t *testing.T, broker *kfake.Cluster, text string) []string {
	t.Helper()
	client, err := cluster.Connect(t.Context(), broker.ListenAddrs())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics, err := client.Admin().ListTopicsWithInternal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var where []string
	for name := range topics {
		err := client.ScanRaw(t.Context(), name, func(r *kgo.Record) error {
			held := bytes.Contains(r.Key, []byte(text)) || bytes.Contains(r.Value, []byte(text))
			for _, h := range r.Headers {
				held = held || bytes.Contains(h.Value, []byte(text)) || strings.Contains(h.Key, text)
			}
			if held {
				where = append(where, name+" "+string(r.Key))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return where
}

// churn gives every compacted partition another batch: the last one is never
// compacted.
func churn(t *testing.T, broker *kfake.Cluster) {
	t.Helper()
	client, err := cluster.Connect(t.Context(), broker.ListenAddrs(), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics, err := client.Admin().ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, topic := range topics {
		if strings.HasSuffix(name, "-loop") || name == "kairos.operator.keys" || name == "kairos.operator.definitions" || name == "kairos.operator.growths" || name == "kairos.door.events" || strings.HasSuffix(name, ".events") {
			continue
		}
		for p := range topic.Partitions {
			if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: name, Partition: p, Key: []byte("churn")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// compactAll compacts at once, and forgets tombstones at once.
func compactAll(t *testing.T, broker *kfake.Cluster) {
	t.Helper()
	client, err := cluster.Connect(t.Context(), broker.ListenAddrs())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics, err := client.Admin().ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	none := "0"
	if _, err := client.Admin().AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "delete.retention.ms", Value: &none}}, topics.Names()...); err != nil {
		t.Fatal(err)
	}
	broker.Compact()
}

func filesHold(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // files come and go while Pebble works
		}
		content, err := os.ReadFile(path)
		found = found || err == nil && bytes.Contains(content, []byte(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Over HTTP, and on a cluster that sealed nothing before: the receipt says so.
func TestTheAPIExportsAndErasesAndSaysWhatTheLogStillHolds(t *testing.T) {
	brokers := embedded(t)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers, "--partitions=2")
	r := start(t, brokers, "--receipts="+filepath.Join(t.TempDir(), "key.pem"))
	r.await(t, "/readyz", http.StatusOK)
	expect(t, 0, "send", "--door=http://"+r.door, `{"name": "cancel", "identifiers": {"email": "sarah@example.org"}}`)
	of := "http://" + r.api + "/v1/profiles/email/sarah@example.org"
	await(t, "she is in win_back", func() bool {
		var a answered
		return get(t, of, &a) == http.StatusOK && len(a.Audiences) > 0
	})
	var held struct {
		Events []struct {
			Name string `json:"name"`
		} `json:"events"`
	}
	if status := get(t, "http://"+r.api+"/v1/exports/email/sarah@example.org", &held); status != http.StatusOK || len(held.Events) != 1 || held.Events[0].Name != "cancel" {
		t.Errorf("the export answers %d %+v", status, held)
	}
	for _, query := range []string{"?dry_run=true", ""} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, of+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("DELETE %s answers %d %s %v", query, response.StatusCode, body, err)
		}
		if said := strings.Contains(string(body), "never sealed"); !said {
			t.Errorf("the receipt does not say that the log holds her event: %s", body)
		}
		want := map[string]int{"": http.StatusNotFound, "?dry_run=true": http.StatusOK}[query]
		if status := get(t, of, nil); status != want {
			t.Errorf("after DELETE %s the profile answers %d", query, status)
		}
	}
	suppressed(t, brokers, r)
	if status := get(t, of, nil); status != http.StatusNotFound {
		t.Errorf("she is back: %d", status)
	}
}

// suppressed says something of Sarah by the door, by an SDK, and by a producer that
// goes through no door.
func suppressed(t *testing.T, brokers string, r *running) {
	t.Helper()
	expect(t, 0, "send", "--door=http://"+r.door, `{"name": "cancel", "identifiers": {"email": "sarah@example.org"}}`)
	response, err := http.Post("http://"+r.door+"/v1/identify", "application/json", strings.NewReader(`{"traits": {"email": "sarah@example.org"}}`))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(brokers, "--brokers=")))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	record := &kgo.Record{Topic: topologies.Events.Name, Key: []byte("email:sarah@example.org"), Value: encoded(t, purchase("sarah@example.org", 5))}
	if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	await(t, "three times nothing is taken in about her", func() bool {
		_, said := ask(r.metrics, "/metrics")
		return strings.Contains(said, `kairos_door_events_total{result="suppressed"} 2`) && strings.Contains(said, `reason="suppressed",stage="identity"} 1`)
	})
}
