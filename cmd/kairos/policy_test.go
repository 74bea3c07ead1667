package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/processors/definition"
	"kairos/schemas"
	"kairos/topologies"
)

const practice = `
kind: event
name: visit
fields: {diagnosis: text}
labels: {diagnosis: [S2]}
---
kind: audience
name: patients
when: events("visit").where(v, v.diagnosis == "flu").any()
---
kind: destination
name: ads
audiences: [patients]
identifiers: [email]
actions: [advertising]
`

const noHealthInAds = `
---
kind: policy
name: no_health
label: S2
actions: [advertising]
`

// A policy refuses a definition when it is applied. Where the definition gets by
// that, it refuses again what would be told, and takes back what was. Both say
// which label of which field it is about.
func TestAPolicyRefusesWhatIsAppliedAndAgainWhatWouldBeTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "practice.yaml")
	write(t, file, practice)
	brokers := embedded(t)
	r := start(t, brokers, "--partitions=2")
	r.await(t, "/readyz", http.StatusServiceUnavailable)
	expect(t, 0, "apply", "-f", file, brokers)
	r.await(t, "/readyz", http.StatusOK)
	told := func() (entered, exited []string) {
		for key, value := range committed(t, brokers, topologies.Activations("ads").Name) {
			a, err := topologies.Activations("ads").Codec.Decode(value)
			if err != nil {
				t.Fatal(err)
			}
			if a.Entered {
				entered = append(entered, key)
			} else {
				exited = append(exited, key)
			}
		}
		return entered, exited
	}
	visit := func(who string) {
		expect(t, 0, "send", "--door=http://"+r.door, "email="+who+"@x.example", "visit", "diagnosis=flu")
	}
	visit("tom")
	await(t, "ads know Tom", func() bool { entered, _ := told(); return len(entered) == 1 })

	write(t, file, practice+noHealthInAds)
	said := expect(t, exitAsked, "apply", "-f", file, brokers)
	names := func(what, said string) {
		t.Helper()
		for _, part := range []string{"no_health", "S2", "advertising", "patients", "events(visit).diagnosis"} {
			if !strings.Contains(said, part) {
				t.Errorf("%s does not name %s:\n%s", what, part, said)
			}
		}
	}
	names("apply", said)

	set, err := definition.Parse("practice.yaml", []byte(practice+noHealthInAds))
	if err != nil {
		t.Fatal(err)
	}
	client, err := cluster.Connect(t.Context(), []string{strings.TrimPrefix(brokers, "--brokers=")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if _, err := catalog.Publish(t.Context(), client, 7, func(before catalog.Published) ([]schemas.Definition, error) { return set.Records(before), nil }); err != nil {
		t.Fatal(err)
	}
	await(t, "ads know Tom no more", func() bool { entered, exited := told(); return len(entered) == 0 && len(exited) == 1 })
	visit("eve")
	await(t, "Eve's entry is held back", func() bool {
		_, said := ask(r.metrics, "/metrics")
		return strings.Contains(said, `reason="policy",stage="destination"} 1`)
	})
	if entered, exited := told(); len(entered) != 0 || len(exited) != 1 {
		t.Errorf("ads are told of %v, and that %v left", entered, exited)
	}
	for line := range strings.Lines(r.log.said()) {
		if strings.Contains(line, "policy refuses") {
			names("the log", line)
			return
		}
	}
	t.Error("the log says nothing of the policy")
}
