package door

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"kairos/schemas"
	"kairos/topologies"
)

// OptsOut reports whether a browser says with its requests that its person opts
// out of being sold, shared and followed (Global Privacy Control).
func OptsOut(h http.Header) bool { return strings.TrimSpace(h.Get("Sec-GPC")) == "1" }

// optOut lets an event say what the browser said.
func optOut(e *schemas.Event) {
	const signal = "context.gpc"
	e.Properties = slices.DeleteFunc(e.Properties, func(p schemas.Property) bool { return p.Name == signal })
	e.Properties = append(e.Properties, schemas.Property{Name: signal, Value: schemas.BooleanOf(true)})
}

// MaxBody is the largest request body, in bytes.
const MaxBody = topologies.MaxBatchBytes

type accepted struct {
	Accepted int      `json:"accepted"`
	IDs      []string `json:"ids"` // in the order of the request
}

type refused struct {
	Error    string   `json:"error"`
	Problems Problems `json:"problems,omitempty"`
}

// ServeHTTP answers POST /v1/events: 200 once Kafka holds all events of the
// request, 400 with the places that are wrong, 408 for a body that does not come,
// 413 for what is too large, 503 when Kafka does not acknowledge, and what the guard
// says to whoever may not send. The header Sec-GPC counts for all events of the
// request. Only with 200 has anything surely happened; with 503 it may have.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.Hurry(w)
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, refused{Error: "POST one event, or a list of events, as JSON"})
		return
	}
	body, err := d.Body(w, r, MaxBody)
	if err != nil {
		refuse(w, err)
		return
	}
	events, err := Parse(body)
	if OptsOut(r.Header) {
		for i := range events {
			optOut(&events[i])
		}
	}
	if err == nil && d.config.Guard != nil {
		err = d.guard(r, events)
	}
	if err == nil {
		err = d.Accept(r.Context(), events...)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	ids := make([]string, len(events))
	for i := range events {
		ids[i] = events[i].ID
	}
	answer(w, http.StatusOK, accepted{len(events), ids})
}

// Hurry bounds how long a request's body is waited for, and comes before all that
// may refuse the request: what is still to come of a refused one the server reads
// itself, before it answers.
func (d *Door) Hurry(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(d.config.Patience)) // what tests write to has none
}

// Body reads a request's body of at most so many bytes, within the time that Hurry
// left it.
func (d *Door) Body(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &Refusal{Status: http.StatusRequestTimeout, Say: fmt.Sprintf("the body has not come within %v: send it again, or less at a time", d.config.Patience)}
	}
	if err == nil { // or the server would take the deadline's passing for a client that went away
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
	return body, err
}

// guard lets a request in under its sender's own name only: whom one believes
// about an attribute goes by that name.
func (d *Door) guard(r *http.Request, events []schemas.Event) error {
	source, err := d.config.Guard(r, len(events))
	if err != nil {
		return err
	}
	var problems Problems
	for i := range events {
		if said := events[i].Source; said != "" && said != source {
			problems = append(problems, Problem{Path: fmt.Sprintf("/%d/source", i), What: "is not the source of this write key, which is " + source + ": leave it out, or send with the other's key"})
		}
		events[i].Source = source
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

func refuse(w http.ResponseWriter, err error) {
	r := Refuse(w, err, "the request is too large: send fewer events at a time")
	answer(w, r.Status, refused{r.Say, r.Problems})
}

// Refuse says how a request is answered that ended with err, at this door or at
// another one before it, and sets the headers that belong to it. tooLarge is what to
// say of a body beyond its limit.
func Refuse(w http.ResponseWriter, err error, tooLarge string) *Refusal {
	r := &Refusal{Status: http.StatusBadRequest, Say: "the request broke off: " + err.Error()}
	var limit *http.MaxBytesError
	switch {
	case errors.As(err, &r):
	case errors.As(err, &limit):
		r.Status, r.Say = http.StatusRequestEntityTooLarge, tooLarge
	case errors.As(err, &r.Problems):
		r.Say = "nothing was accepted: mend the events and send all of them again"
		if slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.TooLarge }) {
			r.Status = http.StatusRequestEntityTooLarge
		}
	case errors.Is(err, ErrUnacknowledged):
		r.Status, r.Say = http.StatusServiceUnavailable, ErrUnacknowledged.Error()
	}
	switch r.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Basic realm="write key"`)
	}
	return r
}

func answer[T accepted | refused](w http.ResponseWriter, status int, body T) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client went away: nobody to tell
}
