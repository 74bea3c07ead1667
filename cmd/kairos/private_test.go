package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/processors/definition"
	"kairos/topologies"
)

// uttered is part of all that people say here.
const uttered = "c4n4ry"

// A person is in no line of a log, however much is logged and whatever goes
// wrong, and in no metric; labels are of closed sets.
func TestLogsAndMetricsTellNothingOfPeople(t *testing.T) {
	brokers, folder := embedded(t), t.TempDir()
	r := start(t, brokers, "--partitions=1", "--verbose")
	r.await(t, "/readyz", http.StatusServiceUnavailable)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers)
	r.await(t, "/readyz", http.StatusOK)
	client, err := cluster.Connect(t.Context(), []string{strings.TrimPrefix(brokers, "--brokers=")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)

	var tried sync.Map // the third party takes the second try
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if _, before := tried.LoadOrStore(request.Header.Get("Idempotency-Key"), true); !before {
			http.Error(w, uttered+"@example.org is not one of ours", http.StatusInternalServerError)
		}
	}))
	t.Cleanup(app.Close)
	t.Setenv("APP_SECRET", uttered+"-0123456789abcdef")
	if _, err := client.Admin().CreateTopic(t.Context(), 1, 1, nil, theirs); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "deliver.yaml"), fmt.Sprintf("webhooks: [{destination: app, url: '%s', secrets: ['env:APP_SECRET'], allow_private: true}]\n", app.URL))
	write(t, filepath.Join(folder, "ingest.yaml"), "topics: [{topic: "+theirs+"}]\n")
	logs, addresses := []*lines{r.log}, []string{r.metrics}
	for _, args := range [][]string{{"deliver", "--log=json", "-f", filepath.Join(folder, "deliver.yaml")}, {"ingest", "-f", filepath.Join(folder, "ingest.yaml")}} {
		log, address := &lines{more: make(chan struct{}, 1)}, free(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan int, 1)
		go func() {
			p := &process{Context: ctx, in: strings.NewReader(""), out: log, err: log, width: func() int { return 100 }}
			ended <- run(p, append(args, brokers, "--verbose", "--metrics="+address))
		}()
		t.Cleanup(func() { stop(); <-ended })
		logs, addresses = append(logs, log), append(addresses, address)
	}

	for _, body := range []string{
		`{"name":"cancel","identifiers":{"device_id":"` + uttered + `","email":"` + uttered + `@example.org"},"properties":{"why":"` + uttered + `"}}`,
		`{"name":"login","identifiers":{"email":"` + uttered + `@example.org"},"properties":{"channel":5,"` + uttered + `":1}}`, // channel is a text: a dead letter
		`{"name":"` + uttered + `","identifiers":{"` + uttered + `":"` + uttered + `"}`,                                         // broken
		`{"name":"cancel","identifiers":{"No Namespace":"` + uttered + `"}}`,
	} {
		response, err := http.Post("http://"+r.door+"/v1/events?"+uttered, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	if response, err := http.Get("http://" + r.api + "/v1/profiles/email/" + uttered + "@example.org?" + uttered); err == nil {
		response.Body.Close()
	}
	for _, value := range []string{uttered, "\x00" + uttered, "\xc3\x01" + uttered + uttered} {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: theirs, Key: []byte(uttered), Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	metrics := func() (all string) {
		for _, address := range addresses {
			_, said := ask(address, "/metrics")
			all += said
		}
		return all
	}
	await(t, "all of it has happened", func() bool {
		said := metrics()
		return regexp.MustCompile(`kairos_host_dead_letters_total\{[^}]+\} [1-9]`).MatchString(said) &&
			regexp.MustCompile(`kairos_delivery_total\{[^}]*result="delivered"\} [1-9]`).MatchString(said) &&
			strings.Count(said, `kairos_ingest_records_total{result="kairos-ingest-`) >= 2
	})
	said := metrics()
	for _, log := range logs {
		said += log.said()
	}
	for line := range strings.Lines(said) {
		if strings.Contains(line, uttered) {
			t.Errorf("a person is told of: %s", line)
		}
	}
	closedSets(t, said, theirs)
	for line := range strings.Lines(logs[1].said()) {
		var entry struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Time == "" || entry.Level == "" || entry.Msg == "" {
			t.Errorf("no line of JSON: %s", line)
		}
	}
}

// closedSets looks at each label of our metrics.
func closedSets(t *testing.T, said, theirs string) {
	t.Helper()
	set, err := definition.Load(os.DirFS("demo/definitions"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string][]string{"topic": {theirs}, "destination": nil}
	for _, d := range set.Records(nil) {
		named[d.Kind] = append(named[d.Kind], d.Name)
	}
	config := topologies.DefaultConfig()
	config.Destinations = named["destination"]
	topology, err := topologies.New(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range topology.Topics() {
		named["topic"] = append(named["topic"], topic.Name)
	}
	for _, s := range topology.Stages() {
		named["stage"] = append(named["stage"], s.Word)
	}
	for _, g := range topology.Groups {
		named["group"] = append(named["group"], g.Name)
	}
	word, number := regexp.MustCompile(`^[a-z-]{1,60}$`), regexp.MustCompile(`^(\+Inf|[0-9.e+-]+)$`)
	seen := map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^kairos_[a-z_]+\{([^}]*)\}`).FindAllStringSubmatch(said, -1) {
		for _, label := range regexp.MustCompile(`([a-z_]+)="([^"]*)"`).FindAllStringSubmatch(line[1], -1) {
			name, value := label[1], label[2]
			seen[name] = true
			switch name {
			case "topic", "stage", "group", "destination", "audience":
				if !slices.Contains(named[name], value) {
					t.Errorf("%s: nobody declares that %s", line[0], name)
				}
			case "reason", "result":
				if !word.MatchString(value) {
					t.Errorf("%s: a %s is a word of ours", line[0], name)
				}
			case "le":
				if !number.MatchString(value) {
					t.Errorf("%s: no boundary of a histogram", line[0])
				}
			default:
				t.Errorf("%s: a label that this test does not know: of which closed set is it?", line[0])
			}
		}
	}
	for _, name := range []string{"topic", "stage", "group", "destination", "audience", "reason", "result", "le"} {
		if !seen[name] {
			t.Errorf("no metric has the label %s", name)
		}
	}
}
