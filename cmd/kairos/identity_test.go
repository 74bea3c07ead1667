package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"kairos/processors/definition"
	"kairos/schemas"
)

func TestAnOperatorPartsTwoPeopleAndJoinsThemAgain(t *testing.T) {
	brokers := embedded(t)
	r := start(t, brokers, "--partitions=2")
	r.await(t, "/readyz", http.StatusServiceUnavailable) // the topics are there, definitions not yet
	expect(t, 0, "apply", "-f", "demo/definitions", brokers)
	r.await(t, "/readyz", http.StatusOK)
	door := "--door=http://" + r.door
	expect(t, 0, "send", door, "device_id=d1", "login")
	expect(t, 0, "send", door, "device_id=d1", "email=sarah@example.org", "login")
	owned := regexp.MustCompile(`device_id +d1 `)
	together := func(want bool) func() bool {
		return func() bool {
			code, out, _ := kairos(t.Context(), "", "inspect", "person", brokers, "email=sarah@example.org")
			return code == 0 && owned.MatchString(out) == want
		}
	}
	await(t, "the device is Sarah's", together(true))
	pair := []string{"email=sarah@example.org", "device_id=d1", "--why=her brother's", brokers}
	expect(t, 0, append([]string{"identity", "unlink"}, pair...)...)
	await(t, "the device is no longer Sarah's", together(false))
	explained := expect(t, 0, "identity", "explain", "email=sarah@example.org", brokers)
	for _, line := range []string{`1\. +device_id:d1 = email:sarah@example.org +.* refused: unlinked +an operator took`, `unlinked device_id:d1 and email:sarah@example.org .* her brother's`} {
		if !regexp.MustCompile(line).MatchString(explained) {
			t.Errorf("no %s in\n%s", line, explained)
		}
	}
	expect(t, 0, append([]string{"identity", "relink"}, pair...)...)
	await(t, "the device is Sarah's again", together(true))
	if said := expect(t, 0, "identity", "explain", "device_id=d1", "--json", brokers); !strings.Contains(said, `"undone": true`) || strings.Contains(said, `"rule"`) {
		t.Errorf("after the relink it says\n%s", said)
	}

	if said := expect(t, exitAsked, "identity", "unlink", "sarah", "device_id=d1", "--why=x", brokers); !strings.Contains(said, "write it as email=") {
		t.Errorf("about a word that is no identifier it says %q", said)
	}
}

func TestADeviceThatIsBoundToSessionsIsLookedUpByTime(t *testing.T) {
	rules := definition.IdentityRules{Namespaces: []definition.Namespace{{Name: "tablet", Session: 30 * time.Minute}, {Name: "email"}}}
	when := time.Date(2026, 3, 1, 9, 59, 0, 0, time.UTC)
	for _, c := range []struct {
		id   schemas.Identifier
		at   time.Time
		want string
	}{
		{schemas.Identifier{Namespace: "email", Value: "a"}, time.Time{}, "email:a"},
		{schemas.Identifier{Namespace: "tablet", Value: "x:y"}, when, "tablet@20260301T0930:x:y"},
		{schemas.Identifier{Namespace: "tablet", Value: "x"}, time.Time{}, ""},
	} {
		got, err := session(rules, c.id, c.at)
		if c.want == "" && (err == nil || !strings.Contains(err.Error(), "--at")) || c.want != "" && (err != nil || got.String() != c.want) {
			t.Errorf("%v at %v: %v, %v", c.id, c.at, got, err)
		}
	}
}
