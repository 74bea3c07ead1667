package erasure

import (
	"cmp"
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/lookup"
	"kairos/cmd/internal/portrait"
	"kairos/processors/definition"
	"kairos/schemas"
	"kairos/topologies"
)

// Held is all that is held about a person, for themselves.
type Held struct {
	Person       portrait.Portrait  `json:"person"`
	Evidence     *portrait.Evidence `json:"evidence"`     // why the identifiers are one person
	Events       []Event            `json:"events"`       // that the log still holds and can be read
	Transitions  []Transition       `json:"transitions"`  // entries and exits
	Destinations []Activation       `json:"destinations"` // what each was told last
	DeadLetters  []Letter           `json:"dead_letters"`
}

// Event is one as it was taken in.
type Event struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Time        portrait.When  `json:"time"`
	Received    portrait.When  `json:"received"`
	Source      string         `json:"source"`
	Identifiers []string       `json:"identifiers"`
	Properties  map[string]any `json:"properties"`
	Attributes  map[string]any `json:"attributes"`
}

// Transition is an entry or exit.
type Transition struct {
	Audience string        `json:"audience"`
	Entered  bool          `json:"entered"`
	At       portrait.When `json:"at"`
	Because  string        `json:"because"`
}

// Activation is what a destination was told.
type Activation struct {
	Destination string         `json:"destination"`
	Audience    string         `json:"audience"`
	Entered     bool           `json:"entered"`
	At          portrait.When  `json:"at"`
	Because     string         `json:"because"`
	Identifiers []string       `json:"identifiers"`
	Attributes  map[string]any `json:"attributes"`
}

// Letter is something that was put aside.
type Letter struct {
	Stage  string `json:"stage"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	Record []byte `json:"record"` // as it came, in base64
}

// Gather finds all that is held about the person whom an identifier belongs to.
// It changes nothing. The error is a [lookup.NotFoundError] if there is nobody.
func Gather(ctx context.Context, client *cluster.Client, topology *topologies.Topology, plan *definition.Plan, id schemas.Identifier) (*Held, error) {
	person, err := lookup.Find(ctx, lookup.FromCluster{Client: client}, id)
	if err != nil {
		return nil, err
	}
	s := subjectOf(id, person)
	evidence := portrait.EvidenceOf(person, plan)
	h := &Held{
		Person: portrait.Of(person, plan), Evidence: &evidence,
		Events: []Event{}, Transitions: []Transition{}, Destinations: []Activation{}, DeadLetters: []Letter{},
	}
	if err := h.readEvents(ctx, client, s); err != nil {
		return nil, err
	}
	w := &work{Config: Config{Client: client, Topology: topology}, subject: s, needles: s.needles()}
	for _, topic := range w.removable() {
		_, records, err := w.about(ctx, topic)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			h.add(r)
		}
	}
	slices.SortFunc(h.Transitions, func(a, b Transition) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Audience, b.Audience)) })
	slices.SortFunc(h.Destinations, func(a, b Activation) int {
		return cmp.Or(cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Audience, b.Audience), cmp.Compare(a.At, b.At))
	})
	slices.SortFunc(h.DeadLetters, func(a, b Letter) int { return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Detail, b.Detail)) })
	return h, nil
}

// readEvents takes the events that are under one of the person's identifiers.
func (h *Held) readEvents(ctx context.Context, client *cluster.Client, s *Subject) error {
	own := s.keys()
	err := client.Scan(ctx, topologies.Events.Name, cluster.EveryPartition, func(r *kgo.Record) error {
		e, err := topologies.Events.Codec.Decode(r.Value)
		if err != nil || len(e.Identifiers) == 0 || !own[e.Identifiers[0].String()] {
			return nil //nolint:nilerr // what is no event is a dead letter
		}
		h.Events = append(h.Events, Event{
			e.ID, e.Name, portrait.When(e.Time), portrait.When(e.Received), e.Source, keysOf(e.Identifiers), plainly(e.Properties), plainly(e.Attributes),
		})
		return nil
	})
	slices.SortStableFunc(h.Events, func(a, b Event) int { return cmp.Compare(a.Received, b.Received) })
	return err
}

func (h *Held) add(r *kgo.Record) {
	if t, err := schemas.TransitionCodec.Decode(r.Value); err == nil {
		h.Transitions = append(h.Transitions, Transition{t.Audience, t.Entered, portrait.When(t.Cause), t.Reason})
	} else if a, err := schemas.ActivationCodec.Decode(r.Value); err == nil {
		h.Destinations = append(h.Destinations, Activation{
			a.Destination, a.Audience, a.Entered, portrait.When(a.Cause), a.Reason, keysOf(a.Identifiers), plainly(a.Attributes),
		})
	} else if d, err := schemas.DeadLetterCodec.Decode(r.Value); err == nil {
		h.DeadLetters = append(h.DeadLetters, Letter{d.Stage, d.Reason, d.Detail, d.Value})
	}
}

func keysOf(ids []schemas.Identifier) []string {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = id.String()
	}
	return keys
}

func plainly(properties schemas.Properties) map[string]any {
	all := map[string]any{}
	for _, p := range properties {
		switch p.Value.Kind {
		case schemas.Boolean:
			all[p.Name] = p.Value.True()
		case schemas.Number:
			all[p.Name] = p.Value.Number
		case schemas.Text:
			all[p.Name] = p.Value.Text
		default:
			all[p.Name] = nil
		}
	}
	return all
}
