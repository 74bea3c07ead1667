package access_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/access"
	"kairos/loadtest/kafka"
)

const password = "correct horse"

// serving is what a broker on loopback shows and asks for.
func serving(t *testing.T, authority *kafka.Authority, clients tls.ClientAuthType, hosts ...string) *tls.Config {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(authority.Issue(t, "broker", hosts...))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: clients, ClientCAs: pool(t, authority)}
}

func pool(t *testing.T, authority *kafka.Authority) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(authority.File)
	if err != nil {
		t.Fatal(err)
	}
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(text)
	return p
}

func broker(t *testing.T, options ...kfake.Opt) []string {
	t.Helper()
	b, err := kfake.NewCluster(append(options, kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b.ListenAddrs()
}

// ping connects as c says, and explains what goes wrong.
func ping(t *testing.T, c access.Config) error {
	t.Helper()
	options, err := c.Options()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	return c.Explain(c.Brokers[0], client.Ping(ctx))
}

// refused wants a RefusedError that contains words, and no secret.
func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	var e *access.RefusedError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a refusal that says %q", err, words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), password) {
		t.Errorf("the password is in %q", err)
	}
}

func kept(t *testing.T, secret string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file:" + file
}

func TestABrokerIsTrustedForItsAuthorityAndItsName(t *testing.T) {
	ours, other := kafka.NewAuthority(t, "ours"), kafka.NewAuthority(t, "other")
	here := broker(t, kfake.TLS(serving(t, ours, tls.NoClientCert, "127.0.0.1")))
	elsewhere := broker(t, kfake.TLS(serving(t, ours, tls.NoClientCert, "broker.example")))
	if err := ping(t, access.Config{Brokers: here, TLS: true, CA: ours.File}); err != nil {
		t.Errorf("right authority, right name: %v", err)
	}
	if err := ping(t, access.Config{Brokers: elsewhere, TLS: true, CA: ours.File, ServerName: "broker.example"}); err != nil {
		t.Errorf("the name that --tls-name says: %v", err)
	}
	refused(t, ping(t, access.Config{Brokers: here, TLS: true, CA: other.File}), "none of the authorities", "--tls-ca")
	refused(t, ping(t, access.Config{Brokers: here, TLS: true}), "the system trusts", "--tls-ca")
	refused(t, ping(t, access.Config{Brokers: elsewhere, TLS: true, CA: ours.File}), "is for broker.example, not for 127.0.0.1", "--tls-name")
}

func TestTLSOnOneSideOnlyIsNamed(t *testing.T) {
	ours := kafka.NewAuthority(t, "ours")
	secure := broker(t, kfake.TLS(serving(t, ours, tls.NoClientCert, "127.0.0.1")))
	refused(t, ping(t, access.Config{Brokers: []string{hangsUp(t)}, TLS: true, CA: ours.File}), "leave --tls out")
	refused(t, ping(t, access.Config{Brokers: secure}), "--tls")
}

// hangsUp does with TLS what Kafka does on a port without: it takes it for a
// request of absurd size.
func hangsUp(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4))
			conn.Close()
		}
	}()
	return listener.Addr().String()
}

func TestACertificateOfOursIsReadAnewForEachConnection(t *testing.T) {
	ours, other := kafka.NewAuthority(t, "ours"), kafka.NewAuthority(t, "other")
	brokers := broker(t, kfake.TLS(serving(t, ours, tls.RequireAndVerifyClientCert, "127.0.0.1")))
	refused(t, ping(t, access.Config{Brokers: brokers, TLS: true, CA: ours.File}), "--tls-cert")
	c := access.Config{Brokers: brokers, TLS: true, CA: ours.File}
	c.Cert, c.Key = other.Issue(t, "kairos")
	options, err := c.Options()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	refused(t, c.Explain(brokers[0], client.Ping(t.Context())), "refuses our certificate", "trust store")
	certificate, key := ours.Issue(t, "kairos")
	replace(t, c.Cert, certificate)
	replace(t, c.Key, key)
	if err := client.Ping(t.Context()); err != nil {
		t.Errorf("the same client, after its files were replaced: %v", err)
	}
}

func replace(t *testing.T, old, with string) {
	t.Helper()
	if err := os.Rename(with, old); err != nil {
		t.Fatal(err)
	}
}

func TestAPasswordOpensAndAWrongOneIsRefused(t *testing.T) {
	for sasl, mechanism := range map[string]string{access.Plain: "PLAIN", access.Scram256: "SCRAM-SHA-256", access.Scram512: "SCRAM-SHA-512"} {
		brokers := broker(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "kairos", password))
		c := access.Config{Brokers: brokers, SASL: sasl, User: "kairos", Password: kept(t, password)}
		if err := ping(t, c); err != nil {
			t.Errorf("%s: %v", sasl, err)
		}
		t.Setenv("KAIROS_TEST_PASSWORD", password)
		c.Password = "env:KAIROS_TEST_PASSWORD"
		if err := ping(t, c); err != nil {
			t.Errorf("%s, from the environment: %v", sasl, err)
		}
		c.Password = kept(t, password+" battery")
		refused(t, ping(t, c), "kairos ("+sasl+")", "--sasl-password")
		refused(t, ping(t, access.Config{Brokers: brokers}), "--sasl")
	}
}

func TestAPasswordIsReadAnewForEachConnection(t *testing.T) {
	brokers := broker(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "kairos", password))
	c := access.Config{Brokers: brokers, SASL: access.Scram256, User: "kairos", Password: kept(t, "of yesterday")}
	options, err := c.Options()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	refused(t, c.Explain(brokers[0], client.Ping(t.Context())))
	replace(t, strings.TrimPrefix(c.Password, "file:"), strings.TrimPrefix(kept(t, password), "file:"))
	if err := client.Ping(t.Context()); err != nil {
		t.Errorf("after its file was replaced: %v", err)
	}
}

func TestWhatDoesNotGoTogetherIsRefusedWithTheNextMove(t *testing.T) {
	here, far := []string{"127.0.0.1:9092"}, []string{"127.0.0.1:9092", "kafka.example:9092"}
	file := kept(t, password)
	for words, c := range map[string]access.Config{
		"--brokers":                          {},
		"add --tls":                          {Brokers: here, CA: "ca.pem"},
		"--tls-cert and --tls-key":           {Brokers: here, TLS: true, Cert: "a.pem"},
		"add --sasl":                         {Brokers: here, User: "kairos"},
		"use one of plain":                   {Brokers: here, SASL: "gssapi"},
		"takes --sasl-user":                  {Brokers: here, SASL: access.Plain, User: "kairos"},
		"shows the secret to everybody":      {Brokers: far, SASL: access.Plain, User: "kairos", Password: file},
		"a secret is not written here":       {Brokers: here, SASL: access.Plain, User: "kairos", Password: password},
		"no such file":                       {Brokers: here, SASL: access.Scram512, User: "kairos", Password: "file:/nowhere"},
		"the environment has no KAIROS_NONE": {Brokers: here, SASL: access.Scram512, User: "kairos", Password: "env:KAIROS_NONE"},
		"either --sasl-token":                {Brokers: here, SASL: access.OAuthBearer},
		"give both":                          {Brokers: here, SASL: access.OAuthBearer, TokenURL: "https://id.example/token"},
		"use https":                          {Brokers: here, SASL: access.OAuthBearer, TokenURL: "http://id.example/token", User: "kairos", Password: file},
		"holds no certificate":               {Brokers: here, TLS: true, CA: strings.TrimPrefix(file, "file:")},
		"--tls-cert=/nowhere":                {Brokers: here, TLS: true, Cert: "/nowhere", Key: "/nowhere"},
	} {
		_, err := c.Options()
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("got %v, want %q", err, words)
		}
		if err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("the password is in %q", err)
		}
	}
}

// The embedded broker has no OAUTHBEARER; a real one is asked in cmd/kairos.
func TestTokensAreAskedForWithTheClientsSecretAndKept(t *testing.T) {
	var asked []string
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, secret, _ := r.BasicAuth()
		asked = append(asked, user+" "+r.FormValue("grant_type")+" "+r.FormValue("scope"))
		if secret != "correct+horse" { // form-encoded, says RFC 6749
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"access_token":"a-token","expires_in":3600,"token_type":"Bearer"}`))
	}))
	defer issuer.Close()
	c := access.Config{SASL: access.OAuthBearer, TokenURL: issuer.URL, User: "kairos", Password: kept(t, password), Scope: "kafka"}
	if token, err := c.AskToken(t.Context()); err != nil || token != "a-token" { // twice
		t.Errorf("got %q, %v", token, err)
	}
	if !slices.Equal(asked, []string{"kairos client_credentials kafka"}) {
		t.Errorf("the endpoint was asked %q: once is enough for an hour", asked)
	}
	c.Password = kept(t, "wrong")
	if _, err := c.AskToken(t.Context()); err == nil || !strings.Contains(err.Error(), "--sasl-password") {
		t.Errorf("with a wrong secret: %v", err)
	}
}
