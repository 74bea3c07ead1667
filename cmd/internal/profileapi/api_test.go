package profileapi_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kairos/cmd/internal/profileapi"
	"kairos/processors/definition"
	"kairos/schemas"
	"kairos/topologies"
)

// nobody is a process in which there are no rows.
type nobody struct{}

func (nobody) Row(context.Context, topologies.Topic, string) ([]byte, error) { return nil, nil }
func (nobody) TimeOf(string, string) schemas.Instant                         { return 0 }

func open(tokens *profileapi.Tokens) *profileapi.API {
	return profileapi.New(profileapi.Config{
		Plan: func() *definition.Plan { return &definition.Plan{} }, Local: func() profileapi.Local { return nobody{} },
		Tokens: tokens, Partitions: func() int32 { return 1 }, Now: time.Now,
	})
}

var scopes = []string{"profiles", "transitions", "audiences", "rows", "exports", "erasures"}

// needs is which scope each route needs, said a second time: the document and
// the guard are made of one list, and could be wrong together.
var needs = map[string]string{
	"GET /v1/profiles/{namespace}/{value}": "profiles", "POST /v1/profiles": "profiles",
	"GET /v1/profiles/{namespace}/{value}/transitions": "transitions", "GET /v1/audiences": "audiences", "GET /v1/rows/{table}": "rows",
	"GET /v1/exports/{namespace}/{value}": "exports", "DELETE /v1/profiles/{namespace}/{value}": "erasures",
}

func hashed(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

func tokensFile(t *testing.T, text string) (*profileapi.Tokens, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return profileapi.ReadTokens(file)
}

func ask(api *profileapi.API, method, path, token, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer := httptest.NewRecorder()
	api.ServeHTTP(answer, request)
	return answer
}

// The document says which scope a route needs; here every route is asked with
// every scope, without a token, and with a wrong one.
func TestEveryRouteAnswersItsScopeAndNoOther(t *testing.T) {
	var list strings.Builder
	list.WriteString("tokens:\n")
	for _, scope := range scopes {
		list.WriteString("- {name: " + scope + ", token: " + hashed(scope+"-token") + ", scopes: [" + scope + "]}\n")
	}
	tokens, err := tokensFile(t, list.String())
	if err != nil {
		t.Fatal(err)
	}
	api := open(tokens)
	var document struct {
		Paths map[string]map[string]struct {
			Security []map[string][]string `json:"security"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(ask(api, "GET", "/v1/openapi.json", "", "").Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for template, methods := range document.Paths {
		path := strings.NewReplacer("{namespace}", "email", "{value}", "a@b", "{table}", topologies.ProfileTable.Name).Replace(template)
		for method, operation := range methods {
			seen++
			method = strings.ToUpper(method)
			for token, want := range map[string]int{"": http.StatusUnauthorized, "guess": http.StatusUnauthorized, hashed("rows-token"): http.StatusUnauthorized} {
				if got := ask(api, method, path, token, "").Code; got != want {
					t.Errorf("%s %s with token %q: %d, want %d", method, path, token, got, want)
				}
			}
			for _, scope := range scopes {
				got := ask(api, method, path, scope+"-token", `{"identifiers":[{"namespace":"email","value":"a@b"}]}`).Code
				needed := needs[method+" "+template]
				if said := operation.Security[0]["token"][0]; said != needed {
					t.Errorf("%s %s needs %s, the document says %s", method, template, needed, said)
				}
				if (needed == scope) == (got == http.StatusForbidden || got == http.StatusUnauthorized) {
					t.Errorf("%s %s needs %s; with %s it answers %d", method, path, needed, scope, got)
				}
			}
		}
	}
	if seen != len(needs) {
		t.Errorf("the document has %d routes", seen)
	}
}

func TestWrongQuestionsAreRefused(t *testing.T) {
	api := open(nil)
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/v1/profiles/email/nobody@example.org", "", http.StatusNotFound},
		{"GET", "/v1/profiles/E-Mail/nobody", "", http.StatusBadRequest},
		{"GET", "/v1/profiles/email/%00", "", http.StatusBadRequest},
		{"GET", "/v1/profiles/email/nobody/transitions", "", http.StatusNotFound},
		{"POST", "/v1/profiles", "{", http.StatusBadRequest},
		{"POST", "/v1/profiles", `{"identifiers":[]}`, http.StatusBadRequest},
		{"POST", "/v1/profiles", `{"identifiers":[` + strings.Repeat(`{},`, 100) + `{}]}`, http.StatusBadRequest},
		{"POST", "/v1/profiles", `{"identifiers":[{"namespace":"email","value":"a@b"}]}`, http.StatusOK},
		{"DELETE", "/v1/profiles", "", http.StatusMethodNotAllowed},
		{"GET", "/v1/rows/other?key=a", "", http.StatusNoContent},
		{"GET", "/v1/exports/E-Mail/a", "", http.StatusBadRequest},
		{"DELETE", "/v1/profiles/email/a@b?dry_run=perhaps", "", http.StatusBadRequest},
		{"DELETE", "/v1/profiles/email/a@b", "", http.StatusNotImplemented},
	} {
		if got := ask(api, c.method, c.path, "", c.body); got.Code != c.want {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, got.Code, got.Body, c.want)
		}
	}
}

func TestWrongTokenFilesAreRefused(t *testing.T) {
	for text, part := range map[string]string{
		"": "no token", "tokens: [{name: a, token: plain}]": "SHA-256", "tokens: [{name: a, token: " + hashed("x") + ", scopes: [all]}]": `scope "all"`,
		"tokens: [{name: a, token: " + hashed("x") + "}, {name: b, token: " + hashed("x") + "}]": "twice", "token: a": "token",
	} {
		if _, err := tokensFile(t, text); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q gives %v, want %q", text, err, part)
		}
	}
}

// onTheWay is a process in which identity has taken an event in that profile has not yet.
type onTheWay struct{ nobody }

func (onTheWay) Row(_ context.Context, table topologies.Topic, _ string) ([]byte, error) {
	if table.Name != topologies.IdentityTable.Name {
		return nil, nil
	}
	return schemas.IdentityRowCodec.Append(nil, &schemas.IdentityRow{Person: "p", Arrived: true})
}

func TestAPersonWhoseProfileIsOnItsWayIsPending(t *testing.T) {
	api := profileapi.New(profileapi.Config{
		Plan: func() *definition.Plan { return &definition.Plan{} }, Local: func() profileapi.Local { return onTheWay{} }, Partitions: func() int32 { return 1 }, Now: time.Now,
	})
	got := ask(api, "GET", "/v1/profiles/email/sarah@example.org", "", "")
	if body := got.Body.String(); got.Code != http.StatusOK || !strings.Contains(body, `"pending":true`) || !strings.Contains(body, `"value":"sarah@example.org"`) {
		t.Errorf("%d %s", got.Code, body)
	}
}

// late is a process whose rows of identity are older than all others.
type late struct{ onTheWay }

const now = schemas.Instant(1_772_355_600_000)

func (late) TimeOf(table, _ string) schemas.Instant {
	if table == topologies.IdentityTable.Name {
		return now - 1500
	}
	return now - 20
}

// A process without rows asks the one that has them, and shows a token for it. The
// answer is as old as the oldest row in it, wherever the row is.
func TestAProcessWithoutTheRowsAsksWhoHasThemAndSaysHowOldTheyAre(t *testing.T) {
	tokens, err := tokensFile(t, "tokens: [{name: peer, token: "+hashed("peer-token")+", scopes: [rows]}, {name: app, token: "+hashed("app-token")+", scopes: [profiles]}]")
	if err != nil {
		t.Fatal(err)
	}
	config := profileapi.Config{
		Plan: func() *definition.Plan { return &definition.Plan{} }, Local: func() profileapi.Local { return late{} }, Tokens: tokens,
		Partitions: func() int32 { return 4 }, Now: now.Time,
	}
	owner := httptest.NewServer(profileapi.New(config))
	defer owner.Close()
	none := httptest.NewServer(profileapi.New(profileapi.Config{Local: func() profileapi.Local { return nil }, Partitions: func() int32 { return 4 }}))
	defer none.Close()
	config.Local = func() profileapi.Local { return nil }
	config.Peers = []string{none.URL, owner.URL}
	for token, want := range map[string]int{"peer-token": http.StatusOK, "app-token": http.StatusServiceUnavailable, "": http.StatusServiceUnavailable} {
		config.PeerToken = token
		got := ask(profileapi.New(config), "GET", "/v1/profiles/email/sarah@example.org", "app-token", "")
		if got.Code != want || strings.Contains(got.Body.String(), "token") {
			t.Errorf("with the token %q of peers: %d %s, want %d", token, got.Code, got.Body, want)
		}
		if want == http.StatusOK && !strings.Contains(got.Body.String(), `"staleness_ms":1500,`) {
			t.Errorf("it says %s", got.Body)
		}
	}
}

// A route that is not of the list would have no scope.
func TestNothingIsServedBesideTheRoutesOfTheDocument(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var served []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "mux.Handle") {
				served = append(served, strings.TrimSpace(line))
			}
		}
	}
	if len(served) != 2 || !strings.Contains(served[0], "c.Tokens.guard(r.scope, r.serve)") || !strings.Contains(served[1], "/v1/openapi.json") {
		t.Errorf("served are %q", served)
	}
}

func TestATokenIsTakenAwayWithoutARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	put := func(token string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("tokens: [{name: app, token: "+hashed(token)+", scopes: [audiences]}]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("old")
	tokens, err := profileapi.ReadTokens(file)
	if err != nil {
		t.Fatal(err)
	}
	api := open(tokens)
	status := func(token string) int { return ask(api, http.MethodGet, "/v1/audiences", token, "").Code }
	if old, next := status("old"), status("new"); old != http.StatusOK || next != http.StatusUnauthorized {
		t.Fatalf("at first the old token is answered %d, the new one %d", old, next)
	}
	put("new")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- tokens.Follow(ctx, time.Millisecond, func(err error) { t.Error(err) }) }()
	for deadline := time.Now().Add(10 * time.Second); status("old") != http.StatusUnauthorized || status("new") != http.StatusOK; {
		if time.Now().After(deadline) {
			t.Fatalf("the old token is answered %d, the new one %d", status("old"), status("new"))
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
