package main

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/feed"
	"kairos/loadtest/kafka"
	"kairos/schemas"
)

const sizedDefinitions = `
kind: identity
namespaces:
  - {name: crm_id, priority: 100}
  - {name: email, priority: 80}
  - {name: device_id, priority: 20, expires: 5d}
---
kind: audience
name: visitors
when: events("view").within("30d").any()
---
kind: audience
name: fresh
when: events("view").within("2d").any()
---
kind: audience
name: buyers
when: events("purchase").any()
---
kind: audience
name: quiet
when: events().any() && events().within("3d").none()
`

// TestSizesAgreeAfterMergesExpiryAndRetirement holds the table, the transitions
// read from the start and the metrics to what it knows of a few people.
func TestSizesAgreeAfterMergesExpiryAndRetirement(t *testing.T) {
	t.Run("on an embedded broker", func(t *testing.T) { sizesAgree(t, embedded(t)) })
	t.Run("on a real Kafka", func(t *testing.T) { sizesAgree(t, "--brokers="+kafka.Start(t).Address) })
}

func sizesAgree(t *testing.T, brokers string) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "a.yaml"), sizedDefinitions)
	expect(t, 0, "apply", "-f", folder, brokers, "--partitions=3")
	client, err := cluster.Connect(t.Context(), []string{strings.TrimPrefix(brokers, "--brokers=")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	feeder, err := feed.New(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(feeder.Close)
	r := start(t, brokers, "--clock=log")
	r.await(t, "/readyz", http.StatusOK)

	day := func(n float64) schemas.Instant {
		return schemas.InstantOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).Add(time.Duration(n * 24 * float64(time.Hour)))
	}
	hear := func(at float64, until float64, name string, whos ...string) {
		t.Helper()
		var events []*schemas.Event
		for i, who := range whos {
			e := &schemas.Event{ID: fmt.Sprint(at, i), Name: name, Time: day(at), Received: day(at), Source: "shop"}
			for _, identifier := range strings.Fields(who) {
				e.Identifiers = append(e.Identifiers, schemas.IdentifierOf(identifier))
			}
			events = append(events, e)
		}
		if _, err := feeder.Feed(t.Context(), slices.Values([]feed.Day{{Events: events, Until: day(until)}}), func(feed.Day) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	agree := func(when string, want map[string]int) {
		t.Helper()
		await(t, fmt.Sprint(when, ": the table says ", want), func() bool { return maps.Equal(inTables(t, brokers), want) })
		await(t, fmt.Sprint(when, ": the metrics say ", want), func() bool { return maps.Equal(r.gauge(t), want) })
		// One transaction wrote the row and the transition, but its marker reaches
		// each partition in its own time.
		await(t, fmt.Sprint(when, ": the transitions say ", want), func() bool { return maps.Equal(counted(t, brokers), want) })
	}
	hear(0, 1, "view", "device_id:1", "device_id:2", "device_id:3", "device_id:4", "device_id:5", "device_id:6")
	agree("six devices", map[string]int{"visitors": 6, "fresh": 6})
	hear(1, 1.5, "purchase", "email:ann device_id:1", "email:bob device_id:2")
	agree("two of them have names", map[string]int{"visitors": 6, "fresh": 6, "buyers": 2})
	hear(1.6, 1.7, "login", "email:ann crm_id:7", "email:bob crm_id:7")
	agree("both are one", map[string]int{"visitors": 5, "fresh": 5, "buyers": 1})
	hear(1.8, 12, "login")
	agree("who has no name is forgotten, the other is quiet", map[string]int{"visitors": 1, "buyers": 1, "quiet": 1})
	write(t, filepath.Join(folder, "a.yaml"), strings.Replace(sizedDefinitions, "name: buyers\n", "name: buyers\nstate: retired\n", 1))
	expect(t, 0, "apply", "-f", folder, brokers)
	agree("an audience is retired", map[string]int{"visitors": 1, "quiet": 1})
}
