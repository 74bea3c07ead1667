package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kairos/loadtest/kafka"
)

const mailDefinitions = `
kind: identity
namespaces: [{name: user_id, priority: 100}, {name: email, priority: 80}]
---
kind: audience
name: looked
when: events("page").any()
---
kind: destination
name: app
audiences: [looked]
identifiers: [email]
consent: [marketing]
---
kind: destination
name: list
audiences: [looked]
identifiers: [email]
consent: [marketing]
`

const mailWebhooks = `
webhooks:
- {destination: app, url: "%[1]s/app", secrets: [env:OLD_SECRET, env:NEW_SECRET], allow_private: true}
- destination: list
  url: "%[1]s/list"
  method: PUT
  exit: {method: DELETE}
  needs: [email]
  secrets: [env:OLD_SECRET, env:NEW_SECRET]
  allow_private: true
  body: |
    {"member": {{(index .Messages 0).First "email"}}}
`

// mailer is a third party with two doors: one that hears who entered and left, one
// that keeps a list of addresses.
type mailer struct {
	*httptest.Server
	t     *testing.T
	mutex sync.Mutex
	heard map[string][]bool    // by door and address: on, or off
	last  map[string]time.Time // when
}

func newMailer(t *testing.T) *mailer {
	t.Helper()
	m := &mailer{t: t, heard: map[string][]bool{}, last: map[string]time.Time{}}
	m.Server = httptest.NewServer(http.HandlerFunc(m.hear))
	t.Cleanup(m.Close)
	return m
}

func (m *mailer) hear(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		m.t.Error(err)
	}
	m.verify(r.Header.Get("Kairos-Signature"), body)
	var said struct {
		Member      string
		Entered     bool
		Identifiers []struct{ Value string }
	}
	if err := json.Unmarshal(body, &said); err != nil {
		m.t.Errorf("%v: %s", err, body)
	}
	who, on := said.Member, r.Method != http.MethodDelete
	if r.URL.Path == "/app" {
		on = said.Entered
		for _, id := range said.Identifiers {
			who = id.Value
		}
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	door := r.URL.Path + " " + who
	m.heard[door], m.last[door] = append(m.heard[door], on), time.Now()
}

// verify holds a signature to the secrets, as a receiver does that has either.
func (m *mailer) verify(signature string, body []byte) {
	stamp, sums, _ := strings.Cut(strings.TrimPrefix(signature, "t="), ",")
	for _, secret := range []string{"old-secret-0123456789", "new-secret-0123456789"} {
		mac := hmac.New(sha256.New, []byte(secret))
		fmt.Fprintf(mac, "%s.%s", stamp, body)
		if !slices.Contains(strings.Split(sums, ","), "v1="+hex.EncodeToString(mac.Sum(nil))) {
			m.t.Errorf("%s is not signed by %s", body, secret)
		}
	}
}

// await waits until both doors have heard so of somebody, and says when they had.
func (m *mailer) await(who string, want ...bool) (when time.Time) {
	m.t.Helper()
	await(m.t, fmt.Sprint(who, " is on and off at both doors: ", want), func() bool {
		m.mutex.Lock()
		defer m.mutex.Unlock()
		when = time.Time{}
		for _, door := range []string{"/app ", "/list "} {
			if heard := m.heard[door+who]; len(heard) < len(want) {
				return false
			} else if !slices.Equal(heard, want) {
				m.t.Fatalf("%s%s hears %v, want %v", door, who, heard, want)
			}
			if at := m.last[door+who]; at.After(when) {
				when = at
			}
		}
		return true
	})
	return when
}

// From a word of the person at a door, through stages and Kafka, to a third party's
// list: whoever takes a consent back is off it, stays off whatever else they do,
// and is on it again only by their own word.
func TestWhoTakesAConsentBackIsTakenOffTheListsOfThirdParties(t *testing.T) {
	t.Run("on an embedded broker", func(t *testing.T) { revocations(t, embedded(t), 3) })
	t.Run("on a real Kafka", func(t *testing.T) { revocations(t, "--brokers="+kafka.Start(t).Address, 6) })
}

func revocations(t *testing.T, brokers string, people int) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "mail.yaml"), mailDefinitions)
	r := start(t, brokers, "--partitions=2")
	r.await(t, "/readyz", http.StatusServiceUnavailable)
	expect(t, 0, "apply", "-f", filepath.Join(folder, "mail.yaml"), brokers)
	r.await(t, "/readyz", http.StatusOK)
	m, file := newMailer(t), filepath.Join(folder, "webhooks.yml")
	t.Setenv("OLD_SECRET", "old-secret-0123456789")
	t.Setenv("NEW_SECRET", "new-secret-0123456789")
	write(t, file, fmt.Sprintf(mailWebhooks, m.URL))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		code, _, _ := kairos(ctx, "", "deliver", "-f", file, "--metrics=", brokers)
		ended <- code
	}()
	say := func(path, body string, who string) {
		t.Helper()
		response, err := http.Post("http://"+r.door+path, "application/json", strings.NewReader(fmt.Sprintf(body, who)))
		if err != nil {
			t.Fatal(err)
		}
		if response.Body.Close(); response.StatusCode != http.StatusOK {
			t.Fatalf("%s is answered %s", path, response.Status)
		}
	}
	const agrees = `{"userId": %q, "event": "consent", "properties": {"marketing": true}}`
	revoked := []struct{ path, body string }{ // the ways in which people say so
		{"/v1/track", `{"userId": %q, "event": "consent", "properties": {"marketing": false}}`},
		{"/v1/events", `{"identifiers": {"user_id": %q}, "name": "preferences", "attributes": {"consent.marketing": false}}`},
		{"/v1/page", `{"userId": %q, "context": {"consent": {"categoryPreferences": {"marketing": false}}}}`},
	}
	var took []time.Duration
	for n := range people {
		who := fmt.Sprint("p", n)
		address := who + "@x.example"
		say("/v1/identify", `{"userId": %[1]q, "traits": {"email": "%[1]s@x.example"}}`, who)
		say("/v1/page", `{"userId": %q}`, who)
		say("/v1/track", agrees, who)
		m.await(address, true)
		began := time.Now()
		say(revoked[n%3].path, revoked[n%3].body, who)
		took = append(took, m.await(address, true, false).Sub(began))
		say("/v1/page", `{"userId": %q}`, who)
		say("/v1/track", agrees, who)
		m.await(address, true, false, true)
		say(revoked[n%3].path, revoked[n%3].body, who)
		m.await(address, true, false, true, false)
	}
	slices.Sort(took)
	t.Logf("%d revocations were in both receivers' hands after %v (median), %v (the slowest)", people, took[people/2], took[people-1])
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("deliver ended with %d", code)
	}
}
