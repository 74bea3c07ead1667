package foreign_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kairos/cmd/internal/foreign"
	"kairos/loadtest/kafka"
	"kairos/topologies"
)

const secret = "correct horse"

// guarded is a registry that speaks TLS and lets in whom admit does.
type guarded struct {
	*httptest.Server
	authority  *kafka.Authority
	registered chan string // subjects
}

func newGuarded(t *testing.T, clients tls.ClientAuthType, admit func(*http.Request) bool) *guarded {
	t.Helper()
	g := &guarded{authority: kafka.NewAuthority(t, "authority"), registered: make(chan string, 100)}
	g.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !admit(r) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, "not with "+r.Header.Get("Authorization")) // as careless ones do
			return
		}
		if r.Method == http.MethodPost {
			g.registered <- strings.Split(r.URL.Path, "/")[2]
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"schema": orderSchema, "id": 7, "subject": "s", "version": 1})
	}))
	certificate, err := tls.LoadX509KeyPair(g.authority.Issue(t, "registry", "127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(g.authority.File)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(text)
	g.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: clients, ClientCAs: trusted}
	g.StartTLS()
	t.Cleanup(g.Close)
	return g
}

func kept(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file:" + file
}

// ask reads a record of schema 7 until the registry has answered, well or not.
func ask(t *testing.T, from foreign.Registry) error {
	t.Helper()
	failed := make(chan error, 100)
	known, err := foreign.NewKnown(nil, from, func(err error) { failed <- err })
	if err != nil {
		return err
	}
	reader, err := foreign.NewReader(known, "orders", foreign.Confluent)
	if err != nil {
		t.Fatal(err)
	}
	value := append(binary.BigEndian.AppendUint32([]byte{0}, 7), encode(t, orderSchema, order())...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for {
		_, _, err := reader.Read(ctx, value)
		if !errors.Is(err, foreign.ErrPending) {
			return err
		}
		select {
		case <-known.News():
		case err := <-failed:
			return err
		}
	}
}

func basic(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	return ok && user == "kairos" && password == secret
}

func TestARegistryIsShownWhoWeAre(t *testing.T) {
	for name, c := range map[string]struct {
		clients tls.ClientAuthType
		admit   func(*http.Request) bool
		as      func(*testing.T, *guarded) foreign.Registry
	}{
		"basic": {tls.NoClientCert, basic, func(t *testing.T, _ *guarded) foreign.Registry {
			return foreign.Registry{User: "kairos", Password: kept(t, secret)}
		}},
		"bearer": {tls.NoClientCert, func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+secret }, func(t *testing.T, _ *guarded) foreign.Registry {
			t.Setenv("REGISTRY_TOKEN", secret)
			return foreign.Registry{Token: "env:REGISTRY_TOKEN"}
		}},
		"certificate": {tls.RequireAndVerifyClientCert, func(r *http.Request) bool { return r.TLS.PeerCertificates[0].Subject.CommonName == "kairos" }, func(t *testing.T, g *guarded) foreign.Registry {
			certificate, key := g.authority.Issue(t, "kairos")
			return foreign.Registry{Cert: certificate, Key: key}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuarded(t, c.clients, c.admit)
			from := c.as(t, g)
			from.URL, from.CA = g.URL, g.authority.File
			if err := ask(t, from); err != nil {
				t.Error(err)
			}
			topology, err := topologies.New(topologies.DefaultConfig())
			if err != nil {
				t.Fatal(err)
			}
			if n, err := foreign.Register(t.Context(), from, topology); err != nil || n == 0 || len(g.registered) != n {
				t.Errorf("%d schemas are registered, %d came, %v", n, len(g.registered), err)
			}
		})
	}
}

// Nothing that a registry or a mistake leads to shows a secret.
func TestARegistryThatRefusesUsIsSaidWithTheNextMove(t *testing.T) {
	g := newGuarded(t, tls.NoClientCert, basic)
	stranger := kafka.NewAuthority(t, "stranger")
	wrong := kept(t, secret+" wrong")
	elsewhere := httptest.NewServer(http.RedirectHandler(g.URL, http.StatusFound))
	t.Cleanup(elsewhere.Close)
	for _, c := range []struct {
		from foreign.Registry
		say  string
	}{
		{foreign.Registry{URL: g.URL, CA: g.authority.File, User: "kairos", Password: wrong}, "check its user and password"},
		{foreign.Registry{URL: g.URL, CA: g.authority.File}, "check its user and password"},
		{foreign.Registry{URL: g.URL, CA: stranger.File, User: "kairos", Password: wrong}, "give the file of the authority"},
		{foreign.Registry{URL: strings.Replace(g.URL, "127.0.0.1", "localhost", 1), CA: g.authority.File}, "as its certificate does"},
		{foreign.Registry{URL: elsewhere.URL, User: "kairos", Password: wrong}, "sends us elsewhere (302)"},
	} {
		err := ask(t, c.from)
		if err == nil || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), secret) {
			t.Errorf("%+v: it says %v, want %q and no secret", c.from, err, c.say)
		}
	}
}

func TestHowARegistryIsReachedMustGoTogether(t *testing.T) {
	const at = "https://registry.example:8081"
	for _, c := range []struct {
		from foreign.Registry
		say  string
	}{
		{foreign.Registry{User: "kairos", Password: "env:HOME"}, "give its URL"},
		{foreign.Registry{URL: "registry:8081"}, "is no address"},
		{foreign.Registry{URL: "https://kairos:sesame@registry.example"}, "holds a user"},
		{foreign.Registry{URL: "https://%zz:sesame@registry.example"}, "is no address"},
		{foreign.Registry{URL: at, User: "kairos"}, "belong together"},
		{foreign.Registry{URL: at, User: "kairos", Password: "env:HOME", Token: "env:HOME"}, "give one of them"},
		{foreign.Registry{URL: at, Cert: "a.pem"}, "belong together"},
		{foreign.Registry{URL: at, CA: "/nowhere/at/all"}, "nowhere"},
		{foreign.Registry{URL: "http://registry.example", CA: "a.pem"}, "use https"},
		{foreign.Registry{URL: "http://registry.example", Token: "env:HOME"}, "use https"},
		{foreign.Registry{URL: at, Token: secret}, "is not written here"},
		{foreign.Registry{URL: at, Token: "env:NOBODY_HAS_SET_THIS"}, "NOBODY_HAS_SET_THIS"},
	} {
		_, err := foreign.NewKnown(nil, c.from, nil)
		if err == nil || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%+v: it says %v, want %q and no secret", c.from, err, c.say)
		}
	}
}
