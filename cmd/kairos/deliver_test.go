package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// From the call centre, which shows its write key, to a third party's server, and
// not a second time.
func TestAThirdPartyIsToldWhoEntered(t *testing.T) {
	brokers, sources := embedded(t), filepath.Join(t.TempDir(), "sources.yaml")
	write(t, sources, fmt.Sprintf("sources: [{name: callcenter, write_keys: [%x], scopes: [events]}]", sha256.Sum256([]byte("write-key"))))
	t.Setenv("WRITE_KEY", "write-key")
	r := start(t, brokers, "--partitions=2", "--sources="+sources)
	r.await(t, "/readyz", http.StatusServiceUnavailable)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers)
	r.await(t, "/readyz", http.StatusOK)

	told := make(chan string, 100)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		told <- request.Header.Get("Kairos-Signature") + " " + string(body)
	}))
	t.Cleanup(app.Close)
	t.Setenv("APP_SECRET", "0123456789abcdef")
	file := filepath.Join(t.TempDir(), "webhooks.yaml")
	write(t, file, fmt.Sprintf("webhooks:\n- destination: app\n  url: %s\n  secrets: [env:APP_SECRET]\n  allow_private: true\n", app.URL))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		code, _, _ := kairos(ctx, "", "deliver", "-f", file, "--metrics=", brokers)
		ended <- code
	}()
	if said := expect(t, exitNo, "send", "--door=http://"+r.door, "device_id=d1", "cancel"); !strings.Contains(said, "401") {
		t.Errorf("without a write key the door says %s", said)
	}
	expect(t, 0, "send", "--key=env:WRITE_KEY", "--door=http://"+r.door, "device_id=d1", "cancel")
	for message := range told {
		if strings.Contains(message, `"audience":"win_back","entered":true`) {
			if !strings.HasPrefix(message, "t=") || !strings.Contains(message, `"value":"d1"`) {
				t.Errorf("it is told %s", message)
			}
			break
		}
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("deliver ended with %d", code)
	}
}

func TestWrongWebhooksAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "webhooks.yaml")
	for text, part := range map[string]string{
		"": "no webhook", "webhooks: [{destination: a, url: 'https://a.example', secrets: [abc]}]": "is not written here",
		"webhooks: [{destination: a, url: 'https://a.example', secrets: ['env:NOT_THERE']}]": "no NOT_THERE", "hooks: []": "hooks",
	} {
		write(t, file, text)
		if said := expect(t, exitAsked, "deliver", "-f", file, "--brokers=127.0.0.1:1"); !strings.Contains(said, part) {
			t.Errorf("%q: it says %q, want %q", text, said, part)
		}
	}
}
