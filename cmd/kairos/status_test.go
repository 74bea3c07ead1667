package main

import (
	"encoding/json"
	"net/http"
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
