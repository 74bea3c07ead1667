package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/access"
	"kairos/cmd/internal/cluster"
	"kairos/loadtest/kafka"
	"kairos/topologies"
)

// unsigned is a bearer token as brokers take it that verify no signatures.
func unsigned(subject string, until time.Time) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	claims := fmt.Sprintf(`{"sub":%q,"iat":%d,"exp":%d}`, subject, until.Add(-2*time.Hour).Unix(), until.Unix())
	return part(`{"alg":"none"}`) + "." + part(claims) + "."
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file:" + name
}

func TestARealKafkaIsReachedWithEveryMechanismAndRefusesEveryMistake(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a broker")
	}
	broker := kafka.StartSecure(t, "kairos")
	admin, err := cluster.Connect(t.Context(), []string{broker.Address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	g := guarded{admin: admin, root: []string{"--brokers=" + broker.Address}}
	g.prepare(t)
	t.Run("mechanisms", func(t *testing.T) { testMechanisms(t, broker, g) })
	t.Run("reload", func(t *testing.T) { testReload(t, broker) })
	g.user = []string{"--brokers=" + broker.SASL, "--tls", "--tls-ca=" + broker.Authority.File, "--sasl=scram-sha-512", "--sasl-user=kairos", "--sasl-password=" + file(t, kafka.Password)}
	t.Run("rights", func(t *testing.T) { testRights(t, g) })
	g.take(t, needed(t))
	t.Run("importing", func(t *testing.T) { testImporting(t, g) })
	g.take(t, mustTopology(t).ACLs(topologies.ImportRole))
	t.Run("ingesting", func(t *testing.T) { testIngesting(t, g) })
	g.take(t, ingestRights(t))
	t.Run("erasing", func(t *testing.T) { testErasing(t, g) })
	g.take(t, mustTopology(t).ACLs(topologies.EraseRole))
	t.Run("delivering", func(t *testing.T) { testDelivering(t, g) })
	g.take(t, mustTopology(t).ACLs(topologies.DeliveryRole))
	t.Run("mending", func(t *testing.T) { testMending(t, g) })
	t.Run("operating", func(t *testing.T) { testOperating(t, g) })
}

func testMechanisms(t *testing.T, broker *kafka.Secure, g guarded) {
	for _, user := range []string{"User:kairos", "User:CN=kairos"} {
		if err := g.admin.Grant(t.Context(), user, mustTopology(t).ACLs(topologies.OperatorRole)); err != nil {
			t.Fatal(err)
		}
	}
	right, wrong := file(t, kafka.Password), file(t, "close sesame")
	certificate, key := broker.Authority.Issue(t, "kairos")
	stranger := kafka.NewAuthority(t, "stranger")
	strange, strangeKey := stranger.Issue(t, "kairos")
	token, old := file(t, unsigned("kairos", time.Now().Add(time.Hour))), file(t, unsigned("kairos", time.Now().Add(-time.Hour)))
	tls := "--tls --tls-ca=" + broker.Authority.File
	sasl := "--brokers=" + broker.SASL + " " + tls + " --sasl-user=kairos --sasl="
	mtls := "--brokers=" + broker.MTLS + " " + tls
	elsewhere := strings.Replace(broker.SASL, "127.0.0.1", "localhost", 1)
	for _, c := range []struct{ flags, refusal string }{
		{sasl + "plain --sasl-password=" + right, ""},
		{sasl + "scram-sha-256 --sasl-password=" + right, ""},
		{sasl + "scram-sha-512 --sasl-password=" + right, ""},
		{strings.Replace(sasl, "--sasl-user=kairos", "", 1) + "oauthbearer --sasl-token=" + token, ""},
		{mtls + " --tls-cert=" + certificate + " --tls-key=" + key, ""},
		{sasl + "plain --sasl-password=" + wrong, "does not believe that we are kairos (plain)"},
		{sasl + "scram-sha-256 --sasl-password=" + wrong, "does not believe that we are kairos (scram-sha-256)"},
		{sasl + "scram-sha-512 --sasl-password=" + wrong, "does not believe that we are kairos (scram-sha-512)"},
		{strings.Replace(sasl, "--sasl-user=kairos", "", 1) + "oauthbearer --sasl-token=" + old, "--sasl-token"},
		{mtls + " --tls-cert=" + strange + " --tls-key=" + strangeKey, "it refuses our certificate"},
		{mtls, "--tls-cert"},
		{strings.Replace(sasl, broker.Authority.File, stranger.File, 1) + "plain --sasl-password=" + right, "signed by none of the authorities"},
		{strings.Replace(sasl, broker.SASL, elsewhere, 1) + "plain --sasl-password=" + right, "its certificate is for 127.0.0.1, not for localhost"},
		{"--brokers=" + broker.SASL, "--tls"},
		{"--brokers=" + broker.SASL + " " + tls, "--sasl"},
		{"--brokers=" + broker.Address + " " + tls, "leave --tls out"},
	} {
		want := 0
		if c.refusal != "" {
			want = exitFailed
		}
		code, out, said := kairos(t.Context(), "", append([]string{"topology", "diff"}, strings.Fields(c.flags)...)...)
		if code != want || !strings.Contains(said, c.refusal) {
			t.Errorf("%s\ngives %d, want %d with %q\n%s%s", c.flags, code, want, c.refusal, out, said)
		}
		for _, secret := range []string{kafka.Password, "close sesame", "eyJ"} {
			if strings.Contains(said+out, secret) {
				t.Errorf("%s\nprints a secret: %s", c.flags, said)
			}
		}
	}
}

// A certificate that is replaced counts from the next connection on, in a client
// that has been refused with the one before.
func testReload(t *testing.T, broker *kafka.Secure) {
	c := access.Config{Brokers: []string{broker.MTLS}, TLS: true, CA: broker.Authority.File}
	c.Cert, c.Key = kafka.NewAuthority(t, "stranger").Issue(t, "kairos")
	options, err := c.Options()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var refused *access.RefusedError
	if err := c.Explain(broker.MTLS, client.Ping(ctx)); !errors.As(err, &refused) || !strings.Contains(err.Error(), "refuses our certificate") {
		t.Errorf("a stranger is told %v", err)
	}
	certificate, key := broker.Authority.Issue(t, "kairos")
	if err := errors.Join(os.Rename(certificate, c.Cert), os.Rename(key, c.Key)); err != nil {
		t.Fatal(err)
	}
	if err := client.Ping(ctx); err != nil {
		t.Errorf("with another certificate in the same files: %v", err)
	}
}

// testRights is what the embedded broker is asked in rights_test.go, once;
// testErasing, testImporting, testIngesting and testMending are in
// rights_commands_test.go, testDelivering and testOperating in rights_deliver_test.go
// and rights_operator_test.go.
func testRights(t *testing.T, g guarded) {
	all := needed(t)
	for _, o := range topologies.Together(mustTopology(t).ACLs(topologies.OperatorRole)) {
		g.revoke(t, o)
	}
	g.grant(t, all...)
	for _, a := range all {
		g.revoke(t, a)
		code, said := g.refused(t, "AUTHORIZATION_FAILED")
		if code != exitFailed || !strings.Contains(said, a.String()) || !strings.Contains(said, "kairos topology acls") {
			t.Errorf("without %s it says, with %d, %s", a, code, said)
		}
		g.grant(t, a)
	}
	r := start(t, g.user...)
	r.await(t, "/readyz", http.StatusOK)
	expect(t, 0, "send", "--door=http://"+r.door, "email=sarah@example.org", "cancel")
	await(t, "Sarah is in win_back", func() bool {
		var a answered
		return get(t, "http://"+r.api+"/v1/profiles/email/sarah@example.org", &a) == http.StatusOK && a.in("win_back")
	})
	// Its transaction is decided; the markers that readers outside wait for may come a moment later.
	await(t, "her entry is told, once", func() bool {
		entered := g.entries(t, "win_back")
		for _, n := range entered {
			return len(entered) == 1 && n == 1
		}
		return false
	})
}
