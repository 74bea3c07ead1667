package kafka

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/loadtest/loopback"
)

// Secure is a broker that asks who its clients are, on two more listeners. On
// Address it asks nobody, and everything is allowed there; elsewhere only what
// ACLs allow.
type Secure struct {
	*Broker
	SASL      string     // address: TLS and any SASL mechanism
	MTLS      string     // address: TLS, and a certificate of the client's
	Authority *Authority // that signed the broker's certificate, for 127.0.0.1, and that must sign clients'
}

// Password is that of every user, for every mechanism but OAUTHBEARER, whose
// tokens are unsigned JWTs.
const Password = "open sesame"

// StartSecure runs such a broker for the length of the test, with users that
// may log in and are allowed nothing yet.
func StartSecure(t testing.TB, users ...string) *Secure {
	t.Helper()
	Need(t)
	s := &Secure{Authority: NewAuthority(t, "authority")}
	certificate, key := s.Authority.Issue(t, "broker", "127.0.0.1")
	keystore := filepath.Join(t.TempDir(), "broker-keystore.pem")
	join(t, keystore, key, certificate)
	addresses, err := loopback.Apart(2)
	if err != nil {
		t.Fatal(err)
	}
	s.SASL, s.MTLS = addresses[0], addresses[1]
	s.Broker, err = Open(filepath.Join(t.TempDir(), "kafka"), s.settings(keystore, users)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("stop Kafka: %v", err)
		}
	})
	s.addScram(t, users)
	return s
}

func (s *Secure) settings(keystore string, users []string) []string {
	logins := ""
	for _, user := range users {
		logins += ` user_` + user + `="` + Password + `"`
	}
	more := ",SASL://" + s.SASL + ",MTLS://" + s.MTLS
	const module = "org.apache.kafka.common.security."
	mechanism := "listener.name.sasl."
	return []string{
		"listeners=CLIENT://{client},CONTROLLER://{controller}" + more,
		"advertised.listeners=CLIENT://{client}" + more,
		"listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_SSL,MTLS:SSL",
		"ssl.keystore.type=PEM", "ssl.keystore.location=" + keystore,
		"ssl.truststore.type=PEM", "ssl.truststore.location=" + s.Authority.File,
		"listener.name.mtls.ssl.client.auth=required",
		mechanism + "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
		mechanism + "plain.sasl.jaas.config=" + module + "plain.PlainLoginModule required" + logins + ";",
		mechanism + "scram-sha-256.sasl.jaas.config=" + module + "scram.ScramLoginModule required;",
		mechanism + "scram-sha-512.sasl.jaas.config=" + module + "scram.ScramLoginModule required;",
		mechanism + "oauthbearer.sasl.jaas.config=" + module + `oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:ANONYMOUS",
	}
}

// addScram makes the users known: Kafka keeps what SCRAM needs in its log.
func (s *Secure) addScram(t testing.TB, users []string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.Address))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, mechanism := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} { // a user may be in a request once
		var upserts []kadm.UpsertSCRAM
		for _, user := range users {
			upserts = append(upserts, kadm.UpsertSCRAM{User: user, Mechanism: mechanism, Iterations: 4096, Password: Password})
		}
		altered, err := kadm.NewClient(client).AlterUserSCRAMs(t.Context(), nil, upserts)
		if err == nil {
			err = altered.Error()
		}
		if err != nil {
			t.Fatalf("make users: %v", err)
		}
	}
}

func join(t testing.TB, into string, files ...string) {
	t.Helper()
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	if err := os.WriteFile(into, []byte(all.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}
