package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/delivery"
	"kairos/schemas"
	"kairos/topologies"
	"kairos/topologies/golden"
)

func TestReadyMadeDestinationsAreListedAndTheirDefinitionsAreGood(t *testing.T) {
	names, err := templateNames()
	if err != nil || len(names) != 5 {
		t.Fatal(names, err)
	}
	list := expect(t, 0, "destination", "templates")
	folder := t.TempDir()
	write(t, filepath.Join(folder, "audience.yaml"), "kind: audience\nname: win_back\nwhen: events(\"cancel\").any()\n")
	for _, name := range names {
		if !strings.Contains(list, name+" ") {
			t.Errorf("%s is not in the list:\n%s", name, list)
		}
		write(t, filepath.Join(folder, name+".yaml"), expect(t, 0, "destination", "templates", name))
	}
	expect(t, 0, "apply", "--check", "-f", folder)
	if said := expect(t, exitAsked, "destination", "templates", "slak"); !strings.Contains(said, "slack") {
		t.Errorf("it says %q", said)
	}
}

// What each ready-made destination's receiver gets for the same messages,
// through the whole of `kairos deliver`: the method, the path, what lets us in,
// and the body. The hashes in testdata/told are those of the receivers' documents,
// see TestHashesAreThoseOfTheReceiversDocuments.
func TestReceiversAreToldInTheFormOfTheirDocuments(t *testing.T) {
	names, err := templateNames()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(toldBy(t, name), "\n") + "\n"
			golden.File(t, filepath.Join("testdata", "told", name+".txt"), got)
		})
	}
}

var itsHost = regexp.MustCompile(`https://[a-z0-9.-]+`)

// toldBy runs deliver with a ready-made file against a receiver that takes
// everything, until it has been told everything.
func toldBy(t *testing.T, name string) (requests []string) {
	destination := strings.Split(name, "-")[0]
	broker := tellStory(t, destination)
	told := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if signature := r.Header.Get("Kairos-Signature"); signature != "" {
			stamp, _, _ := strings.Cut(strings.TrimPrefix(signature, "t="), ",")
			if signature != delivery.Sign([]string{"0123456789abcdef"}, stamp, body) {
				t.Errorf("signed %s", signature)
			}
		}
		told <- fmt.Sprintf("%s %s\nAuthorization: %s\nContent-Type: %s\n%s\n", r.Method, r.URL, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), body)
	}))
	t.Cleanup(receiver.Close)
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, "token-of-google\n")
	for env, secret := range map[string]string{
		"SLACK_URL": receiver.URL + "/services/T/B/secret", "META_TOKEN": "token-of-meta", "BRAZE_KEY": "key-of-braze", "WEBHOOK_SECRET": "0123456789abcdef",
	} {
		t.Setenv(env, secret)
	}
	text := expect(t, 0, "destination", "templates", name, "--delivery")
	text = itsHost.ReplaceAllString(text, receiver.URL)
	text = strings.ReplaceAll(text, "/run/secrets/google_token", token)
	text = strings.ReplaceAll(text, "per_second: 1", "per_second: 1000")
	file := filepath.Join(t.TempDir(), "webhooks.yaml")
	write(t, file, text+"    allow_private: true\n    lanes: 1\n")
	if strings.Contains(text, "lanes: 1") {
		write(t, file, text+"    allow_private: true\n")
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		code, _, complaints := kairos(ctx, "", "deliver", "-f", file, "--metrics=", broker)
		if code != 0 {
			t.Errorf("deliver ends with %d: %s", code, complaints)
			close(told)
		}
		ended <- code
	}()
	want := map[string]int{"webhook": 5, "slack": 4}[name] // one for each message
	if want == 0 {
		want = 3 // those on, those off, those on again
	}
	for request := range told {
		if requests = append(requests, request); len(requests) == want {
			break
		}
	}
	stop()
	<-ended
	return requests
}

// tellStory writes what a destination is told: Mary and somebody with an address
// of Google's enter, Mary leaves, the other has another address from now on.
func tellStory(t *testing.T, destination string) (brokers string) {
	stream := topologies.Activations(destination)
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, stream.Name, topologies.DeadLetters(delivery.Word).Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	mary := []schemas.Identifier{{Namespace: "email", Value: " Mary@Example.com"}, {Namespace: "phone", Value: "+1 (800) 555-0100"}, {Namespace: "user_id", Value: "u1"}}
	other := []schemas.Identifier{{Namespace: "email", Value: "Cloudy.SanFrancisco+shopping@gmail.com"}}
	moved := []schemas.Identifier{{Namespace: "email", Value: "cloudy@example.com"}}
	at := schemas.Instant(1_772_355_600_000)
	var records []*kgo.Record
	for _, a := range []schemas.Activation{
		{Person: "p1", Entered: true, Revision: 1, Cause: at, Reason: "events(cancel)", Identifiers: mary},
		{Person: "p2", Entered: true, Revision: 1, Cause: at, Reason: `<!channel> "x" & y`, Identifiers: other},
		{Person: "p1", Entered: false, Revision: 2, Cause: at + 1000, Reason: "events(purchase)", Identifiers: mary},
		{Person: "p2", Entered: true, Revision: 1, Cause: at + 2000, Reason: "merged", Identifiers: moved, Former: other},
		{Person: "p2", Entered: true, Revision: 1, Cause: at + 2000, Reason: "merged", Identifiers: moved},
	} {
		a.Destination, a.Audience = destination, "win_back"
		value, err := stream.Codec.Append(nil, &a)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, &kgo.Record{Topic: stream.Name, Key: []byte(a.Person + "/win_back"), Value: value})
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return "--brokers=" + broker.ListenAddrs()[0]
}

// What DELIVERY.md shows can be used as it stands.
func TestTheGuideToDeliveryIsRight(t *testing.T) {
	guide, err := os.ReadFile("../../processors/delivery/DELIVERY.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, env := range []string{"APP_SECRET", "CRM_TOKEN", "S3_KEY", "S3_SECRET"} {
		t.Setenv(env, "0123456789abcdef")
	}
	blocks := strings.Split(string(guide), "```yaml\n")[1:]
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		file := filepath.Join(t.TempDir(), "told.yaml")
		write(t, file, block)
		to, err := (&deliverCommand{File: file}).read()
		if err != nil {
			t.Fatalf("%v in\n%s", err, block)
		}
		for _, hook := range to.hooks {
			if _, err := delivery.New(delivery.Config{Webhook: hook}); err != nil {
				t.Errorf("%v in\n%s", err, block)
			}
		}
		for _, drop := range to.drops {
			if _, err := delivery.NewDropper(delivery.DropConfig{Drop: drop}); err != nil {
				t.Errorf("%v in\n%s", err, block)
			}
		}
	}
	if len(blocks) != 3 {
		t.Errorf("the guide has %d blocks", len(blocks))
	}
}

func TestTheReceiptOfAnErasureTellsOfFilesThatWereHandedOver(t *testing.T) {
	brokers, folder := embedded(t), t.TempDir()
	r := start(t, brokers, "--partitions=2")
	r.await(t, "/readyz", http.StatusServiceUnavailable)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers)
	r.await(t, "/readyz", http.StatusOK)
	file := filepath.Join(folder, "told.yaml")
	write(t, file, fmt.Sprintf("files:\n- {destination: app, format: csv, folder: %s, roll_after: 1ms}\n", folder))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int, 1)
	go func() {
		code, _, _ := kairos(ctx, "", "deliver", "-f", file, "--metrics=", brokers)
		ended <- code
	}()
	expect(t, 0, "send", "--door=http://"+r.door, "device_id=canary-device", "cancel")
	var name string
	await(t, "the entry is in a file", func() bool {
		files, err := filepath.Glob(filepath.Join(folder, "app", "app-*.csv"))
		if err != nil || len(files) == 0 {
			return false
		}
		text, err := os.ReadFile(files[0])
		name = filepath.Base(files[0])
		return err == nil && strings.Contains(string(text), ",win_back,true,1,") && strings.Contains(string(text), `""value"":""canary-device""`)
	})
	place := strings.Join(strings.Split(name, "-")[:2], "-") // app-00000
	await(t, "a dry run tells of it", func() bool {          // once the offset behind the file is committed
		return strings.Contains(expect(t, 0, "erase", "device_id=canary-device", "--dry-run", brokers), "those called "+place+"-*")
	})
	said := expect(t, exitNo, "erase", "device_id=canary-device", "--sign="+filepath.Join(folder, "key.pem"), brokers)
	if !strings.Contains(said, "files of destination app: those called "+place+"-*") || strings.Contains(said, "canary") {
		t.Errorf("the receipt says %s", said)
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("deliver ended with %d", code)
	}
}
