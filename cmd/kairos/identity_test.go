package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
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
	expect(t, 0, append([]string{"identity", "relink"}, pair...)...)
	await(t, "the device is Sarah's again", together(true))

	if said := expect(t, exitAsked, "identity", "unlink", "sarah", "device_id=d1", "--why=x", brokers); !strings.Contains(said, "write it as email=") {
		t.Errorf("about a word that is no identifier it says %q", said)
	}
}
