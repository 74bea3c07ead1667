package main

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// ask asks a process at its metrics address; 0: nobody listens.
func ask(address, path string) (status int, said string) {
	response, err := http.Get("http://" + address + path)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body)
}

// What runs for ever says that it lives and when it is ready, where `kairos run`
// says it.
func TestDeliverIngestAndProbeSayWhenTheyAreReady(t *testing.T) {
	brokers, folder := embedded(t), t.TempDir()
	expect(t, 0, "apply", "-f", "demo/definitions", brokers, "--partitions=1")
	t.Setenv("APP_SECRET", "0123456789abcdef")
	deliver, ingest := filepath.Join(folder, "deliver.yaml"), filepath.Join(folder, "ingest.yaml")
	write(t, deliver, "webhooks: [{destination: app, url: 'https://127.0.0.1:1', secrets: ['env:APP_SECRET']}]\nfiles: [{destination: app, format: csv, folder: "+folder+"}]\n")
	write(t, filepath.Join(folder, "kairos.door.events.avsc"), `{"type": "record", "name": "contact", "fields": [{"name": "who", "type": "string", "kairos.identity": "email"}]}`)
	write(t, ingest, "topics: [{topic: kairos.door.events, framing: plain}]\nschemas: .\n")
	for metric, args := range map[string][]string{
		"kairos_delivery_age_seconds":     {"deliver", "-f", deliver, brokers},
		"kairos_ingest_lag_seconds":       {"ingest", "-f", ingest, brokers},
		"kairos_probe_lost_total{step=\"": {"probe", "--every=1h", "--patience=1ms", "--door=http://127.0.0.1:1", "--api=http://127.0.0.1:1"},
	} {
		t.Run(args[0], func(t *testing.T) {
			address := free(t)
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan int, 1)
			go func() {
				code, _, said := kairos(ctx, "", append(args, "--metrics="+address)...)
				if code != 0 {
					t.Errorf("it ends with %d: %s", code, said)
				}
				ended <- code
			}()
			await(t, "it is ready", func() bool { status, _ := ask(address, "/ready"); return status == http.StatusOK })
			for path, part := range map[string]string{"/live": "ok", "/startup": "ok", "/readyz": "ready", "/metrics": metric} {
				if status, said := ask(address, path); status != http.StatusOK || !strings.Contains(said, part) {
					t.Errorf("%s answers %d: %s", path, status, said)
				}
			}
			stop()
			<-ended
		})
	}
}
