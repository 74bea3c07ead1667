package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"kairos/topologies"
)

// A browser with Global Privacy Control opts its person out, as she would herself:
// of what is for a purpose that the signal refuses, and of nothing else.
func TestABrowserThatOptsOutLeavesTheDestinationsThatItRefuses(t *testing.T) {
	definitions := filepath.Join(t.TempDir(), "partners.yaml")
	write(t, definitions, `
kind: identity
namespaces: [{name: user_id, priority: 100, links: true}, {name: anonymous_id, priority: 10, links: true}]
---
kind: audience
name: looked
when: events("page").any()
---
kind: destination
name: partners
audiences: [looked]
identifiers: [user_id]
consent: [targeted_advertising]
without_consent: allow
---
kind: destination
name: mail
audiences: [looked]
identifiers: [user_id]
consent: [mail]
without_consent: allow
`)
	brokers := embedded(t)
	r := start(t, brokers, "--partitions=2")
	r.await(t, "/readyz", http.StatusServiceUnavailable)
	expect(t, 0, "apply", "-f", definitions, brokers)
	r.await(t, "/readyz", http.StatusOK)
	page := func(signal string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.door+"/v1/p", strings.NewReader(`{"userId":"ann","name":"Home"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "text/plain")
		if signal != "" {
			request.Header.Set("Sec-GPC", signal)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if response.Body.Close(); response.StatusCode != http.StatusOK {
			t.Fatal(response.Status)
		}
	}
	told := func(destination string) (entered, known bool) {
		t.Helper()
		for _, value := range committed(t, brokers, topologies.Activations(destination).Name) {
			if value == nil {
				continue
			}
			a, err := topologies.Activations(destination).Codec.Decode(value)
			if err != nil {
				t.Fatal(err)
			}
			entered, known = a.Entered, true
		}
		return entered, known
	}
	page("")
	await(t, "partners and mail know her", func() bool {
		p, _ := told("partners")
		m, _ := told("mail")
		return p && m
	})
	page("1")
	await(t, "partners know her no more", func() bool {
		entered, known := told("partners")
		return known && !entered
	})
	if entered, _ := told("mail"); !entered {
		t.Error("mail lost her too")
	}
	var a answered
	if get(t, "http://"+r.api+"/v1/profiles/user_id/ann", &a); !a.in("looked") {
		t.Error("she left the audience, not the destination")
	}
}
