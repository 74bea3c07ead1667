package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// get asks for JSON and gives the status.
func get(t *testing.T, url string, into any) int {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil && response.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, into); err != nil {
			t.Fatalf("%s: %v\n%s", url, err, body)
		}
	}
	return response.StatusCode
}

type answered struct {
	Person    string `json:"person"`
	Audiences []struct {
		Audience string `json:"audience"`
		Member   bool   `json:"member"`
	} `json:"audiences"`
	Identifiers []struct {
		Namespace string `json:"namespace"`
		Value     string `json:"value"`
	} `json:"identifiers"`
	Staleness int64 `json:"staleness_ms"`
}

func (a answered) in(audience string) bool {
	for _, s := range a.Audiences {
		if s.Audience == audience {
			return s.Member
		}
	}
	return false
}

// Two processes share the partitions; each answers for everybody.
func TestAnyProcessAnswersForAnybody(t *testing.T) {
	brokers := embedded(t)
	one := start(t, brokers, "--partitions=4")
	one.await(t, "/readyz", http.StatusServiceUnavailable)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers)
	one.await(t, "/readyz", http.StatusOK)
	two := start(t, brokers, "--peers=http://"+one.api)
	two.await(t, "/readyz", http.StatusOK)
	third := start(t, brokers, "door", "--peers=http://"+two.api+",http://"+one.api)
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		expect(t, 0, "send", "--door=http://"+one.door, "email="+name+"@example.org", "cancel")
	}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		var a answered
		await(t, name+" is in win_back, says a process that has none of the rows", func() bool {
			return get(t, "http://"+third.api+"/v1/profiles/email/"+name+"@example.org", &a) == http.StatusOK && a.in("win_back")
		})
		if a.Staleness < 0 || a.Staleness > time.Minute.Milliseconds() {
			t.Errorf("the answer about %s is %d ms old", name, a.Staleness)
		}
	}
	if code := get(t, "http://"+third.api+"/v1/profiles/email/nobody@example.org", nil); code != http.StatusNotFound {
		t.Errorf("nobody gives %d", code)
	}
	many(t, third.api, "h", "nobody", "a", "c", "h")
	described(t, third.api, "/v1/profiles/email/a@example.org", "/v1/profiles/{namespace}/{value}")
	described(t, third.api, "/v1/audiences", "/v1/audiences")
}

// many asks for several people at once.
func many(t *testing.T, api string, names ...string) {
	t.Helper()
	var asked []string
	for _, name := range names {
		asked = append(asked, fmt.Sprintf(`{"namespace": "email", "value": "%s@example.org"}`, name))
	}
	response, err := http.Post("http://"+api+"/v1/profiles", "application/json", strings.NewReader(`{"identifiers": [`+strings.Join(asked, ",")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var all struct{ Profiles []*answered }
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil || response.StatusCode != http.StatusOK || len(all.Profiles) != len(names) {
		t.Fatalf("%s: %d profiles for %d, %v", response.Status, len(all.Profiles), len(names), err)
	}
	for i, name := range names {
		switch a := all.Profiles[i]; {
		case name == "nobody":
			if a != nil {
				t.Errorf("nobody is %+v", a)
			}
		case a == nil || len(a.Identifiers) != 1 || a.Identifiers[0].Value != name+"@example.org" || !a.in("win_back") || a.Staleness < 0:
			t.Errorf("%s is %+v", name, a)
		}
	}
}

// Who listens still listens when the process ends, which does not wait for them.
func TestAPersonsTransitionsAreToldAsTheyHappen(t *testing.T) {
	listening, leave := context.WithCancel(context.Background())
	var response *http.Response
	t.Cleanup(func() { // after the processes have ended
		leave()
		if response != nil {
			response.Body.Close()
		}
	})
	brokers := embedded(t)
	r := start(t, brokers, "--partitions=2")
	r.await(t, "/readyz", http.StatusServiceUnavailable)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers)
	r.await(t, "/readyz", http.StatusOK)
	expect(t, 0, "send", "--door=http://"+r.door, "email=sarah@example.org", "login")
	await(t, "Sarah is known, with her profile", func() bool {
		var a answered
		return get(t, "http://"+r.api+"/v1/profiles/email/sarah@example.org", &a) == http.StatusOK && len(a.Identifiers) > 0
	})
	door := start(t, brokers, "door", "--peers=http://"+r.api) // any process tells of anybody
	door.await(t, "/readyz", http.StatusOK)
	request, err := http.NewRequestWithContext(listening, http.MethodGet, "http://"+door.api+"/v1/profiles/email/sarah@example.org/transitions", nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err = http.DefaultClient.Do(request); err != nil {
		t.Fatal(err)
	}
	timeout := time.AfterFunc(30*time.Second, leave)
	defer timeout.Stop()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	told := func(event, part string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == "event: "+event && lines.Scan() {
				if strings.Contains(lines.Text(), part) {
					return
				}
				t.Logf("and %s", lines.Text())
			}
		}
		t.Fatalf("no %s with %s was told: %v", event, part, lines.Err())
	}
	told("profile", `"email"`)
	expect(t, 0, "send", "--door=http://"+r.door, "email=sarah@example.org", "cancel")
	told("transition", `"audience":"win_back","entered":true`)
	expect(t, 0, "send", "--door=http://"+r.door, "email=sarah@example.org", `purchase`, "amount=12")
	told("transition", `"audience":"win_back","entered":false`)
}

func TestAnAPIThatOthersReachNeedsTokens(t *testing.T) {
	said := expect(t, exitAsked, "run", "--api=0.0.0.0:0", "--brokers=127.0.0.1:1")
	if !strings.Contains(said, "--tokens") {
		t.Errorf("it says %q", said)
	}
}
