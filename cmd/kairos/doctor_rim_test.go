package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What runs around the stages, as the file of settings names it.
func TestTheDoctorLooksAtTheCollectorTheRegistryAndTheSecretsOfDestinations(t *testing.T) {
	brokers, folder, spans := embedded(t), t.TempDir(), newReceiver(t)
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "kairos" || password != "correct horse" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `["orders-value","calls-value"]`)
	}))
	t.Cleanup(registry.Close)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers)
	in := func(name, text string) string {
		file := filepath.Join(folder, name)
		write(t, file, text)
		return file
	}
	secret, password := in("app", "0123456789abcdef"), in("password", "correct horse")
	deliver := in("deliver.yaml", "webhooks: [{destination: app, url: 'https://app.example', secrets: ['file:"+secret+"']}, {destination: email, url: 'https://mail.example', headers: {Authorization: 'Bearer ${file:"+secret+"}'}, body: '{}'}]\n")
	ingest := in("ingest.yaml", "registry: "+registry.URL+"\nregistry_access: {user: kairos, password: 'file:"+password+"'}\ntopics: [{topic: kairos.door.events}]\n")
	sources, tokens := in("sources.yaml", read(t, "deploy/compose/sources.yaml")), in("tokens.yaml", read(t, "deploy/compose/tokens.yaml"))
	file := withSettings(t, fmt.Sprintf("run: {traces: '%s/v1/traces', state: %s, sources: %s, tokens: %s}\ndeliver: {file: %s}\ningest: {file: %s}\n", spans.URL, folder, sources, tokens, deliver, ingest))

	said := healthy(t, "doctor", file, brokers)
	for _, part := range []string{"the collector takes spans", "with 2 subjects", "2 destinations are published", "deliver's rights", "1 topics are there", "ingest's rights", "GiB free", "sources ", "tokens "} {
		if !strings.Contains(said, part) {
			t.Errorf("of what is well it does not say %q:\n%s", part, said)
		}
	}
	if len(spans.spans) != 1 || spans.spans[0].Name != "doctor" {
		t.Errorf("the collector has %v", spans.spans)
	}

	in("password", "wrong horse")
	in("deliver.yaml", "webhooks: [{destination: app, url: 'https://app.example', secrets: ['file:"+secret+"']}, {destination: fax, url: 'https://fax.example', secrets: ['file:"+secret+"', 'env:NOT_THERE']}, {destination: pager, url: 'https://p.example', secrets: ['file:"+password+"']}]\n")
	in("sources.yaml", "sources: [{name: web, write_keys: [horse]}]\n")
	in("tokens.yaml", "tokens: [{name: app, token: horse, scopes: [profiles]}]\n")
	in("ingest.yaml", "registry: "+registry.URL+"\nregistry_access: {user: kairos, password: 'file:"+password+"'}\ntopics: [{topic: nobodys, mapping: crm}]\n")
	spans.Close()
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	said = expect(t, exitNo, "doctor", file, brokers)
	for _, part := range []string{
		"Nothing waits for it", "OTEL_EXPORTER_OTLP_HEADERS", "does not believe who we are (401)", "webhook of app: open " + secret, "webhook of fax: open " + secret,
		"no definition of the destination pager", "the mapping crm of topic nobodys is not published", "topic nobodys is not there", "put the secret where it says",
		"a write key of source web is not a SHA-256", `tokens.yaml: the token of "app" is not a SHA-256`,
	} {
		if !strings.Contains(said, part) {
			t.Errorf("of what is wrong it does not say %q:\n%s", part, said)
		}
	}
	if strings.Contains(said, "horse") {
		t.Errorf("it prints a secret:\n%s", said)
	}
	if fine, wrong := strings.LastIndex(said, "\nok "), strings.Index(said, "\nwrong "); fine > wrong {
		t.Errorf("what is wrong does not come last:\n%s", said)
	}
}
