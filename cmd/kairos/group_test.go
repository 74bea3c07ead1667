package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An SDK's group call puts people into accounts, and one with the trait `left`
// takes them out, with what they did.
func TestAGroupCallJoinsAnAccountAndLeavesItAgain(t *testing.T) {
	definitions := filepath.Join(t.TempDir(), "accounts.yaml")
	err := os.WriteFile(definitions, []byte(`
kind: identity
namespaces: [{name: user_id, priority: 100, links: true}]
---
kind: group
name: account
by: events("group").last("group_id")
---
kind: audience
name: team_in_use
when: member("login").any()
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	brokers := embedded(t)
	r := start(t, brokers, "--partitions=4")
	r.await(t, "/readyz", http.StatusServiceUnavailable)
	expect(t, 0, "apply", "-f", definitions, brokers)
	r.await(t, "/readyz", http.StatusOK)
	call := func(path, body string, args ...any) {
		t.Helper()
		response, err := http.Post("http://"+r.door+"/v1/"+path, "application/json", strings.NewReader(fmt.Sprintf(body, args...)))
		if err != nil {
			t.Fatal(err)
		}
		if response.Body.Close(); response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", path, response.Status)
		}
	}
	in := func(who string, want bool) {
		t.Helper()
		await(t, fmt.Sprintf("%s is in team_in_use: %t", who, want), func() bool {
			var a answered
			return get(t, "http://"+r.api+"/v1/profiles/user_id/"+who, &a) == http.StatusOK && a.in("team_in_use") == want
		})
	}
	for _, who := range []string{"ann", "bob"} {
		call("group", `{"userId":%q,"groupId":"acme","traits":{"size":2}}`, who)
	}
	call("track", `{"userId":"bob","event":"login"}`)
	in("ann", true)
	in("bob", true)
	call("group", `{"userId":"bob","groupId":"acme","traits":{"left":true}}`)
	in("ann", false)
	in("bob", false)
}
