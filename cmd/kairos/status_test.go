package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"kairos/cmd/internal/cluster"
)

func statusOf(t *testing.T, brokers string) (code int, s cluster.Status, complaints string) {
	t.Helper()
	code, out, complaints := kairos(t.Context(), "", "status", "--json", brokers)
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("exit code %d: %v\n%s%s", code, err, out, complaints)
	}
	return code, s, complaints
}

func TestStatusSaysWhatIsMissingWhoRunsWhatAndWhatIsBehind(t *testing.T) {
	brokers := embedded(t)
	if code, s, said := statusOf(t, brokers); code != exitNo || len(s.Missing) == 0 || !strings.Contains(said, "kairos topology apply") {
		t.Errorf("on an empty cluster: %d, %d topics missing, %s", code, len(s.Missing), said)
	}
	expect(t, 0, "apply", "-f", "demo/definitions", brokers, "--partitions=2")
	if code, _, said := statusOf(t, brokers); code != exitNo || !strings.Contains(said, "with nobody") {
		t.Errorf("while nothing runs: %d, %s", code, said)
	}
	t.Run("while it runs", func(t *testing.T) {
		r := start(t, brokers)
		r.await(t, "/readyz", http.StatusOK)
		expect(t, 0, "send", "--door=http://"+r.door, "email=a@example.org", "login")
		await(t, "all is well and nothing behind", func() bool {
			code, s, _ := statusOf(t, brokers)
			if code != 0 {
				return false
			}
			for _, g := range s.Groups {
				if g.Lag != 0 || g.Owned != 2 || len(g.Members) != 1 {
					return false
				}
			}
			return true
		})
		expect(t, 0, "send", "--door=http://"+r.door, "email=a@example.org", "login", "channel=5") // a text, says its definition
	})
	r := start(t, brokers, "door")
	await(t, "the door is open", func() bool {
		code, _, _ := kairos(t.Context(), "", "send", "--door=http://"+r.door, "email=b@example.org", "login")
		return code == 0
	})
	code, s, said := statusOf(t, brokers)
	if code != exitNo || s.Groups[0].Lag == 0 {
		t.Errorf("with events and nobody to process them: %d, %+v, %s", code, s.Groups, said)
	}
	if said := expect(t, exitNo, "status", brokers); !strings.Contains(said, "GROUP") || !strings.Contains(said, "kairos.identity") {
		t.Errorf("it prints %s", said)
	}
}

// What is at the rim, where third parties complain first.
func TestStatusSaysWhoTellsDestinationsAndWhatWasRefusedLast(t *testing.T) {
	brokers, app := embedded(t), newParty(t)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers, "--partitions=2")
	admin, err := cluster.Connect(t.Context(), []string{strings.TrimPrefix(brokers, "--brokers=")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	g := guarded{admin: admin}
	t.Setenv("APP_SECRET", "0123456789abcdef")
	file := filepath.Join(t.TempDir(), "deliver.yaml")
	write(t, file, fmt.Sprintf("webhooks:\n- {destination: app, url: %s, secrets: [env:APP_SECRET], allow_private: true}\n", app.URL))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		code, _, _ := kairos(ctx, "", "deliver", "-f", file, "--metrics=", brokers)
		ended <- code
	}()
	g.say(t, "good")
	g.say(t, "bad")
	await(t, "the rim is seen at work", func() bool {
		_, s, _ := statusOf(t, brokers)
		if len(s.Rim) != 1 || len(s.DeadLetters) != 1 || !app.knows("good") {
			return false
		}
		r, d := s.Rim[0], s.DeadLetters[0]
		return r.Group == "kairos.delivery.app" && r.Lag == 0 && r.Owned == 2 && r.Partitions == 2 && len(r.Members) == 1 &&
			d.Name == "delivery" && d.Count == 1 && d.Reason == "kairos-delivery-refused" && strings.Join(s.Untold, " ") == "ads crm email"
	})
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("deliver ends with %d", code)
	}
	g.say(t, "late")
	said := expect(t, exitNo, "status", brokers)
	for _, part := range []string{"1 record(s) wait and nobody tells app: run `kairos deliver`", "kairos-delivery-refused", "kairos deadletters list delivery", "ads, crm, email"} {
		if !strings.Contains(said, part) {
			t.Errorf("it does not say %q:\n%s", part, said)
		}
	}
}
