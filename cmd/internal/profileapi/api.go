// Package profileapi answers who a person is, over HTTP, from the rows in
// memory: for pages and apps that decide while the person waits.
//
// In: requests with a token; rows of this process's partitions, and of its peers
// for all others. Out: [portrait.Portrait] as JSON with its staleness, the list
// of audiences, and a person's transitions as server-sent events. State: where
// partitions were last seen. Laws: a route answers only tokens with its scope;
// nothing is computed otherwise than the stages compute it; no body or log holds
// a token.
//
// Not here: how a person is found and shown (cmd/internal/lookup, portrait).
package profileapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/door"
	"kairos/cmd/internal/lookup"
	"kairos/cmd/internal/portrait"
	"kairos/processors/definition"
	"kairos/schemas"
)

// Config is what the API needs.
type Config struct {
	Plan       func() *definition.Plan // nil while no definitions are published
	Local      func() Local            // nil while no host runs
	Peers      []string                // base URLs of the API in other processes
	PeerToken  string                  // that they take, with the scope rows
	Tokens     *Tokens                 // nil: everybody may do everything
	Partitions func() int32            // of tables
	Now        func() time.Time
	Kafka      []kgo.Opt // to follow transitions
	Rights     Rights    // nil: nobody can be exported or erased here
	Logger     *slog.Logger
}

// Rights are what a person may ask for. What they give is answered as JSON.
type Rights interface {
	Export(ctx context.Context, id schemas.Identifier) (any, error)
	Erase(ctx context.Context, id schemas.Identifier, dryRun bool) (any, error)
}

// Local are the rows of this process.
type Local interface {
	lookup.Rows
	TimeOf(table, key string) schemas.Instant
}

// MaxBatch is how many people one request may ask for.
const MaxBatch = 100

// API is an http.Handler. It is safe for concurrent use.
type API struct {
	config Config
	peers  *peers
	hub    *hub
	mux    *http.ServeMux
}

// route is one thing that the API does; the OpenAPI document is made of these.
type route struct {
	method, path, scope, summary string
	serve                        http.HandlerFunc
	body, answer                 any // examples of the types; nil: none, or not JSON
}

// New makes an API. Run must run for transitions to be told.
func New(c Config) *API {
	a := &API{config: c, peers: newPeers(c), hub: newHub(c), mux: http.NewServeMux()}
	for _, r := range a.routes() {
		a.mux.Handle(r.method+" "+r.path, c.Tokens.guard(r.scope, r.serve))
	}
	a.mux.HandleFunc("GET /v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, document(a.routes())) })
	return a
}

// Run follows transitions until ctx ends, and returns nil then; who listens to some
// is let go. It can run once.
func (a *API) Run(ctx context.Context) error { return a.hub.run(ctx) }

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

func (a *API) routes() []route {
	return []route{
		{"GET", "/v1/profiles/{namespace}/{value}", scopeProfiles, "A person, by any identifier", a.profile, nil, Answer{}},
		{"POST", "/v1/profiles", scopeProfiles, "Up to 100 people at once", a.profiles, Batch{}, Answers{}},
		{"GET", "/v1/profiles/{namespace}/{value}/transitions", scopeTransitions, "A person's entries and exits as they happen, as server-sent events", a.transitions, nil, nil},
		{"GET", "/v1/audiences", scopeAudiences, "The audiences that there are", a.audiences, nil, Audiences{}},
		{"GET", "/v1/exports/{namespace}/{value}", scopeExports, "Everything that is held about a person, for themselves", a.export, nil, nil},
		{"DELETE", "/v1/profiles/{namespace}/{value}", scopeErasures, "Leave nothing of a person; the answer is the signed receipt. With ?dry_run=true only say what is there", a.erase, nil, nil},
		{"GET", "/v1/rows/{table}", scopeRows, "One row of this process, for its peers", a.row, nil, nil},
	}
}

// Answer is a person.
type Answer struct {
	portrait.Portrait
	// StalenessMS is how many milliseconds ago everything that was accepted had
	// been dealt with for this person; -1 if that is not known.
	StalenessMS int64 `json:"staleness_ms"`
	// Pending says that the person is known and the profile is still on its way:
	// only the identifiers are here. Ask again.
	Pending bool `json:"pending"`
}

// Batch asks for people.
type Batch struct {
	Identifiers []Asked `json:"identifiers"`
}

// Asked is one identifier.
type Asked struct {
	Namespace string `json:"namespace"`
	Value     string `json:"value"`
}

// Answers are people, in the order in which they were asked for; null for
// whoever is not known.
type Answers struct {
	Profiles []*Answer `json:"profiles"`
}

// Audiences is a list of audiences.
type Audiences struct {
	Audiences []Audience `json:"audiences"`
}

// Audience is one audience.
type Audience struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	When        string `json:"when"` // the condition, as written
}

type problem struct {
	Error string `json:"error"`
}

func (a *API) profile(w http.ResponseWriter, r *http.Request) {
	found, err := a.find(r.Context(), r.PathValue("namespace"), r.PathValue("value"))
	if err != nil {
		answerError(w, err)
		return
	}
	answer(w, http.StatusOK, found)
}

func (a *API) profiles(w http.ResponseWriter, r *http.Request) {
	var asked Batch
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	if err := decoder.Decode(&asked); err != nil {
		answer(w, http.StatusBadRequest, problem{`send {"identifiers": [{"namespace": "email", "value": "sarah@example.org"}]}`})
		return
	}
	if len(asked.Identifiers) == 0 || len(asked.Identifiers) > MaxBatch {
		answer(w, http.StatusBadRequest, problem{fmt.Sprintf("%d identifiers: ask for 1 to %d at a time", len(asked.Identifiers), MaxBatch)})
		return
	}
	answers := Answers{Profiles: make([]*Answer, len(asked.Identifiers))}
	for i, id := range asked.Identifiers {
		found, err := a.find(r.Context(), id.Namespace, id.Value)
		if err != nil && !errors.As(err, new(*lookup.NotFoundError)) {
			answerError(w, err)
			return
		}
		answers.Profiles[i] = found
	}
	answer(w, http.StatusOK, answers)
}

// malformedError is an identifier that nobody can have.
type malformedError struct{ error }

var errNoDefinitions = errors.New("no definitions are published yet")

func (a *API) find(ctx context.Context, namespace, value string) (*Answer, error) {
	plan := a.config.Plan()
	if plan == nil {
		return nil, errNoDefinitions
	}
	id, err := door.Identifier(namespace, value)
	if err != nil {
		return nil, malformedError{err}
	}
	rows := &reading{api: a}
	person, err := lookup.Find(ctx, rows, id)
	if err != nil {
		return nil, err
	}
	found := &Answer{Portrait: portrait.Of(person, plan), StalenessMS: -1}
	if len(found.Identifiers) == 0 {
		found.await(person)
	}
	if rows.time != 0 {
		found.StalenessMS = max(0, int64(schemas.InstantOf(a.config.Now())-rows.time))
	}
	return found, nil
}

// await tells of a person whom identity knows and profile does not yet.
func (f *Answer) await(p *lookup.Person) {
	f.Pending = true
	add := func(key string) {
		id := schemas.IdentifierOf(key)
		f.Identifiers = append(f.Identifiers, portrait.Identifier{Namespace: id.Namespace, Value: id.Value, Sources: []string{}})
	}
	if p.Component == nil {
		add(p.Asked.String())
		return
	}
	for _, m := range p.Component.Members {
		if m.Person == p.ID {
			add(m.Identifier)
		}
	}
}

func (a *API) export(w http.ResponseWriter, r *http.Request) {
	a.grant(w, r, func(id schemas.Identifier) (any, error) { return a.config.Rights.Export(r.Context(), id) })
}

func (a *API) erase(w http.ResponseWriter, r *http.Request) {
	dry := r.URL.Query().Get("dry_run")
	if dry != "" && dry != "true" && dry != "false" {
		answer(w, http.StatusBadRequest, problem{"dry_run is true or false"})
		return
	}
	a.grant(w, r, func(id schemas.Identifier) (any, error) { return a.config.Rights.Erase(r.Context(), id, dry == "true") })
}

func (a *API) grant(w http.ResponseWriter, r *http.Request, do func(schemas.Identifier) (any, error)) {
	id, err := door.Identifier(r.PathValue("namespace"), r.PathValue("value"))
	if err != nil {
		answerError(w, malformedError{err})
		return
	}
	if a.config.Rights == nil {
		answer(w, http.StatusNotImplemented, problem{"this process exports and erases nobody: start it with --receipts, or use `kairos export` and `kairos erase`"})
		return
	}
	given, err := do(id)
	if err != nil {
		answerError(w, err)
		return
	}
	answer(w, http.StatusOK, given)
}

func (a *API) audiences(w http.ResponseWriter, _ *http.Request) {
	plan := a.config.Plan()
	if plan == nil {
		answerError(w, errNoDefinitions)
		return
	}
	all := Audiences{Audiences: []Audience{}}
	for _, d := range plan.Audiences {
		all.Audiences = append(all.Audiences, Audience{d.Name, d.Description, d.Expression.Source})
	}
	answer(w, http.StatusOK, all)
}

func answerError(w http.ResponseWriter, err error) {
	switch {
	case errors.As(err, new(*lookup.NotFoundError)):
		answer(w, http.StatusNotFound, problem{err.Error()})
	case errors.As(err, new(malformedError)):
		answer(w, http.StatusBadRequest, problem{err.Error()})
	case errors.Is(err, context.Canceled): // nobody to tell
	default:
		w.Header().Set("Retry-After", "1")
		answer(w, http.StatusServiceUnavailable, problem{"not to be had just now: " + err.Error()})
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client went away: nobody to tell
}

// drain reads what is left of an answer, so that its connection can be used again.
func drain(body io.ReadCloser) {
	_, _ = io.Copy(io.Discard, io.LimitReader(body, 1<<20))
	body.Close()
}
