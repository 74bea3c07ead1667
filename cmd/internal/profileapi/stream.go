package profileapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/portrait"
	"kairos/schemas"
	"kairos/topologies"
)

// Transition is an entry or exit, as it is told.
type Transition struct {
	Person   string        `json:"person"`
	Audience string        `json:"audience"`
	Entered  bool          `json:"entered"`
	Revision int64         `json:"revision"`
	At       portrait.When `json:"at"` // of its cause
	Because  string        `json:"because"`
	EventID  string        `json:"event_id,omitempty"`
}

// hub follows the transitions of everybody and tells each to whoever listens
// for the person. Reading everything costs little beside what it saves: a
// reader of its own for each listener.
type hub struct {
	config Config
	ended  chan struct{} // closed when nothing more is told: streams end, or the process would wait for them

	lock      sync.Mutex
	listeners map[string][]chan *schemas.Transition // by person
}

func newHub(c Config) *hub {
	return &hub{config: c, ended: make(chan struct{}), listeners: map[string][]chan *schemas.Transition{}}
}

func (h *hub) run(ctx context.Context) error {
	defer close(h.ended)
	client, err := kgo.NewClient(append(slices.Clone(h.config.Kafka),
		kgo.ClientID("kairos-transitions"), kgo.ConsumeTopics(topologies.Transitions.Name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)...)
	if err != nil {
		return err
	}
	defer client.Close()
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		fetches.EachError(func(topic string, number int32, err error) {
			if ctx.Err() == nil {
				h.config.Logger.Warn("following transitions", "topic", topic, "partition", number, "error", err)
			}
		})
		fetches.EachRecord(func(r *kgo.Record) {
			if t, err := topologies.Transitions.Codec.Decode(r.Value); err == nil {
				h.tell(t)
			}
		})
	}
	return nil
}

// tell gives a transition to its listeners. Who does not keep up is let go, and
// connects again.
func (h *hub) tell(t *schemas.Transition) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.listeners[t.Person] = slices.DeleteFunc(h.listeners[t.Person], func(c chan *schemas.Transition) bool {
		select {
		case c <- t:
			return false
		default:
			close(c)
			return true
		}
	})
	if len(h.listeners[t.Person]) == 0 {
		delete(h.listeners, t.Person)
	}
}

func (h *hub) listen(person string) chan *schemas.Transition {
	const patience = 64 // transitions that wait
	c := make(chan *schemas.Transition, patience)
	h.lock.Lock()
	defer h.lock.Unlock()
	h.listeners[person] = append(h.listeners[person], c)
	return c
}

func (h *hub) leave(person string, c chan *schemas.Transition) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.listeners[person] = slices.DeleteFunc(h.listeners[person], func(other chan *schemas.Transition) bool { return other == c })
	if len(h.listeners[person]) == 0 {
		delete(h.listeners, person)
	}
}

// keepAlive is how often a quiet stream says that it is there.
const keepAlive = 15 * time.Second

// transitions begins with the person as they are, so that nothing is missed
// between a look and the stream, and goes on with what happens. When the person
// is merged into another one, it follows there.
func (a *API) transitions(w http.ResponseWriter, r *http.Request) {
	namespace, value := r.PathValue("namespace"), r.PathValue("value")
	control := http.NewResponseController(w)
	person, heard := "", chan *schemas.Transition(nil)
	defer func() {
		if heard != nil {
			a.hub.leave(person, heard)
		}
	}()
	// follow looks where the person is now, and tells who they are if that is news.
	follow := func() bool {
		found, err := a.find(r.Context(), namespace, value)
		if err != nil && person == "" {
			answerError(w, err)
			return false
		}
		if err != nil || found.Person == person {
			return true
		}
		if heard != nil {
			a.hub.leave(person, heard)
		}
		person = found.Person
		heard = a.hub.listen(person)
		if found, err = a.find(r.Context(), namespace, value); err != nil { // again: what came before listening is in it
			return false
		}
		h := w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-store")
		return say(w, control, "profile", found)
	}
	if !follow() {
		return
	}
	quiet := time.NewTicker(keepAlive)
	defer quiet.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-a.hub.ended:
			return
		case <-quiet.C:
			if _, err := fmt.Fprint(w, ": here\n\n"); err != nil || control.Flush() != nil || !follow() {
				return
			}
		case t, open := <-heard:
			if !open {
				return
			}
			told := Transition{t.Person, t.Audience, t.Entered, t.Revision, portrait.When(t.Cause), t.Reason, t.EventID}
			if !say(w, control, "transition", told) || !follow() {
				return
			}
		}
	}
}

func say(w http.ResponseWriter, control *http.ResponseController, event string, data any) bool {
	text, err := json.Marshal(data)
	if err != nil {
		return false
	}
	_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, text)
	return err == nil && control.Flush() == nil
}
