package destination

import (
	"slices"

	"kairos/processors/definition"
	"kairos/schemas"
	"kairos/topologies"
)

// rules is a plan as destination follows it.
type rules struct {
	destinations []destination // sorted by name
	wanted       map[string]*audience
	refused      map[string]bool // audiences that a policy keeps from some destination
	asked        line            // by destinations of audiences that follow the profile
	askedScored  line            // by destinations of audiences that look at scores
}

// destination is one of them, prepared.
type destination struct {
	name        string
	audiences   []string // that exist, sorted
	identifiers []string
	hashed      map[string]bool
	attributes  []string
	consent     []string // names of attributes
	presumed    bool     // silence is consent
	stream      topologies.Stream[schemas.Activation]
}

// audience is one that a destination wants.
type audience struct {
	destinations []int // rising
	scored       bool
}

// line is what is asked for one of the two lines of memberships.
type line struct {
	identifiers map[string]bool
	attributes  map[string]bool
}

func newRules(plan *definition.Plan) *rules {
	r := &rules{
		destinations: make([]destination, len(plan.Destinations)),
		wanted:       map[string]*audience{},
		refused:      map[string]bool{},
		asked:        line{identifiers: map[string]bool{}, attributes: map[string]bool{}},
		askedScored:  line{identifiers: map[string]bool{}, attributes: map[string]bool{}},
	}
	scored := map[string]bool{}
	for i := range plan.Audiences {
		scored[plan.Audiences[i].Name] = plan.Audiences[i].UsesScores
	}
	for i := range plan.Destinations {
		d := r.permitted(plan, &plan.Destinations[i])
		r.destinations[i] = newDestination(d)
		for _, name := range d.Audiences {
			isScored, exists := scored[name]
			if !exists {
				continue
			}
			if r.wanted[name] == nil {
				r.wanted[name] = &audience{scored: isScored}
			}
			r.destinations[i].audiences = append(r.destinations[i].audiences, name)
			r.wanted[name].destinations = append(r.wanted[name].destinations, i)
			r.line(isScored).ask(d)
		}
	}
	return r
}

// permitted is a destination without what policies refuse. They are asked when
// definitions are applied; this is the door itself.
func (r *rules) permitted(plan *definition.Plan, d *definition.Destination) *definition.Destination {
	refusals := plan.Refusals(d)
	if len(refusals) == 0 {
		return d
	}
	left := *d
	without := func(part string, names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			return slices.ContainsFunc(refusals, func(refusal definition.Refusal) bool { return refusal.Part == part && refusal.Name == name })
		})
	}
	left.Audiences, left.Attributes, left.Identifiers = without("audiences", d.Audiences), without("attributes", d.Attributes), without("identifiers", d.Identifiers)
	for _, refusal := range refusals {
		if refusal.Part == "audiences" {
			r.refused[refusal.Name] = true
		}
	}
	return &left
}

func newDestination(d *definition.Destination) destination {
	prepared := destination{
		name: d.Name, identifiers: d.Identifiers, hashed: map[string]bool{}, stream: topologies.Activations(d.Name),
		attributes: slices.Sorted(slices.Values(d.Attributes)), presumed: d.Presumed,
	}
	for _, namespace := range d.Hash {
		prepared.hashed[namespace] = true
	}
	for _, purpose := range d.Consent {
		prepared.consent = append(prepared.consent, definition.ConsentPrefix+purpose)
	}
	return prepared
}

func (r *rules) line(scored bool) *line {
	if scored {
		return &r.askedScored
	}
	return &r.asked
}

func (l *line) ask(d *definition.Destination) {
	for _, namespace := range d.Identifiers {
		l.identifiers[namespace] = true
	}
	for _, name := range d.Asks() {
		l.attributes[name] = true
	}
}
