package delivery

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestARedirectIntoOnesOwnNetworkIsNotFollowed(t *testing.T) {
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the inside was asked") }))
	defer inside.Close()
	for _, to := range []string{inside.URL, strings.Replace(inside.URL, "127.0.0.1", "localhost", 1), "http://169.254.169.254/latest/meta-data", "http://[::ffff:10.0.0.1]/"} {
		outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		}))
		client := newHTTP(Webhook{Destination: "crm"}.withDefaults())
		transport := client.Transport.(*http.Transport)
		dial := transport.DialContext
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "receiver.example:80" { // stands for a public address, of which a test has none
				return net.Dial(network, outside.Listener.Addr().String())
			}
			return dial(ctx, network, address)
		}
		response, err := client.Post("http://receiver.example/hook", "application/json", strings.NewReader("{}"))
		if err == nil {
			response.Body.Close()
		}
		if !errors.Is(err, errForbidden) {
			t.Errorf("redirected to %s: %v", to, err)
		}
		outside.Close()
	}
}

func TestARedirectToAnotherHostIsNotShownOurToken(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was followed") }))
	defer elsewhere.Close()
	asked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}))
	defer asked.Close()
	d, err := New(Config{Webhook: Webhook{
		Destination: "crm", URL: asked.URL, Body: "{}", AllowPrivate: true,
		Headers: []Header{{"X-Api-Key", func() (string, error) { return "token", nil }}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if a := d.post(t.Context(), http.MethodPost, asked.URL, []byte("{}"), "id"); a.result != failed || a.status != "307" {
		t.Errorf("it comes to %+v", a)
	}
}
