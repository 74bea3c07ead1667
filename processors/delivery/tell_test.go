package delivery

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRetryAfterIsSecondsOrADateAndAtMostAnHour(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, "Sun, 01 Mar 2026 09:05:00 GMT": 5 * time.Minute, "Sun, 01 Mar 2026 08:00:00 GMT": 0,
		"86400": time.Hour, "-5": 0, "soon": 0, "10000000000": time.Hour, "9223372036854775807": time.Hour, "1e3": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q asks for %v, want %v", text, got, want)
		}
	}
}

func TestPausesDoubleToFiveMinutesAndNoTwoNeedBeTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		try, random := rapid.IntRange(0, 1000).Draw(t, "try"), rapid.Float64Range(0, 1).Draw(t, "random")
		whole := min(time.Second<<min(try, 9), 5*time.Minute)
		if got := backoff(try, random); got < whole/2 || got > whole || random > 0.1 && got == whole {
			t.Fatalf("after %d failures the pause is %v of %v", try, got, whole)
		}
	})
}

func TestATokenThatIsRenewedBesideItsFileIsShownWithTheNextRequest(t *testing.T) {
	var shown []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { shown = append(shown, r.Header.Get("Authorization")) }))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "token")
	d, err := New(Config{Webhook: Webhook{
		Destination: "ads", URL: server.URL, Body: "{}", AllowPrivate: true,
		Headers: []Header{{"Authorization", func() (string, error) { text, err := os.ReadFile(file); return "Bearer " + string(text), err }}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"old", "new"} {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		if a := d.post(t.Context(), http.MethodPost, server.URL, []byte("{}"), "id"); a.result != taken {
			t.Errorf("with %s it comes to %+v", token, a)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if a := d.post(t.Context(), http.MethodPost, server.URL, []byte("{}"), "id"); a.result != failed {
		t.Errorf("without a token it comes to %+v", a)
	}
	if len(shown) != 2 || shown[0] != "Bearer old" || shown[1] != "Bearer new" {
		t.Errorf("it is shown %q", shown)
	}
}
