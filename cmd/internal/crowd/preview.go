package crowd

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"kairos/cmd/internal/portrait"
	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/processors/profile"
	"kairos/schemas"
	"kairos/topologies"
)

// Preview says who would be in an audience if it were published now.
type Preview struct {
	Audience string        `json:"audience"`
	At       portrait.When `json:"at"`     // as of when
	People   int           `json:"people"` // that were looked at
	Size     int           `json:"size"`   // of the audience
	Enter    int           `json:"enter"`  // of those, who is not in it yet
	Exit     int           `json:"exit"`   // who is in it now and would not be
	From     portrait.When `json:"from,omitzero"`
	Until    portrait.When `json:"until,omitzero"`
	Log      portrait.When `json:"log,omitzero"` // of the first event that was played; 0: the tables were asked
	Members  []Member      `json:"members"`      // some of them, by person
	Doubtful int           `json:"doubtful"`     // people of whom events would count that were not all kept
	Unknown  []Unknown     `json:"unknown"`      // what the tables cannot tell, and of whom
}

// Unknown is a part of the condition that the tables hold too little for.
type Unknown struct {
	Asks string `json:"asks"`
	Why  string `json:"why"`
}

// PreviewOf evaluates an audience of a plan, in which it is published, over
// the rows that running made. The schedule is set aside. At most most members
// are listed.
func PreviewOf(ctx context.Context, tables Tables, plan, running *definition.Plan, audience string, most int) (Preview, error) {
	a := plan.Audience(audience)
	view := Preview{Audience: audience, From: portrait.When(a.From), Until: portrait.When(a.Until), Members: []Member{}}
	wanted := inQuestion(plan, running, a)
	reader := profile.NewReader(plan)
	err := each(ctx, tables, want{profile: true, propensity: true}, func(p *part) error {
		for _, person := range people(p.profile) {
			c := &candidate{id: person}
			if err := c.read(p, reader); err != nil {
				return err
			}
			if c.Look == nil {
				continue
			}
			view.At = max(view.At, portrait.When(c.at))
			view.People++
			view.count(c, wanted, most)
		}
		return nil
	})
	view.cut(most)
	view.Unknown = unknown(wanted, running, view.Doubtful, plan.Profile.TimelineEvents)
	return view, err
}

// cut leaves the first members by person.
func (view *Preview) cut(most int) {
	slices.SortFunc(view.Members, func(a, b Member) int { return cmp.Compare(a.Person, b.Person) })
	view.Members = view.Members[:min(len(view.Members), most)]
}

func (view *Preview) count(c *candidate, wanted []*definition.Audience, most int) {
	was := isMember(c.segment, view.Audience)
	c.decided = map[string]bool{}
	for _, a := range wanted {
		c.decided[a.Name] = a.Expression.Eval(c).True()
	}
	if c.Since() != 0 {
		view.Doubtful++
	}
	switch is := c.decided[view.Audience]; {
	case is:
		view.Size++
		if !was {
			view.Enter++
		}
		if view.Members = append(view.Members, Member{Person: c.id, Identifiers: identifiers(c.profile)}); len(view.Members) > 2*most+100 {
			view.cut(most)
		}
	case was:
		view.Exit++
	}
}

// inQuestion lists the audience and those that it refers to and that do not
// run yet, each after those it refers to. Of others the tables say who is in.
func inQuestion(plan, running *definition.Plan, a *definition.Audience) []*definition.Audience {
	runs := map[string]bool{}
	for i := range running.Audiences {
		runs[running.Audiences[i].Name] = true
	}
	wanted := map[string]bool{a.Name: true}
	var list []*definition.Audience
	for i := len(plan.Audiences) - 1; i >= 0; i-- {
		other := &plan.Audiences[i]
		if !wanted[other.Name] {
			continue
		}
		list = append(list, other)
		for _, name := range other.Expression.Audiences {
			if !runs[name] {
				wanted[name] = true
			}
		}
	}
	slices.Reverse(list)
	return list
}

// unknown lists what rows that running made cannot tell.
func unknown(wanted []*definition.Audience, running *definition.Plan, doubtful, timeline int) []Unknown {
	all := []Unknown{}
	kept := map[int64]*expression.Series{}
	for _, s := range running.Series {
		kept[s.ID] = s
	}
	note := func(u Unknown) {
		if !slices.Contains(all, u) {
			all = append(all, u)
		}
	}
	for _, a := range wanted {
		for _, t := range partsOf(a.Expression) {
			switch s := kept[t.Series.ID]; {
			case t.Kind != "":
				if !slices.ContainsFunc(running.Terms, func(r *expression.Term) bool { return r.ID == t.ID }) {
					note(Unknown{t.Canonical, "no group has been asked for this yet, so nobody's is known; --log plays the events instead"})
				}
			case doubtful == 0 || t.Series.Attribute != "": // attributes are all known
			case s == nil:
				note(Unknown{t.Canonical, fmt.Sprintf("nothing that runs asks for these events yet, so only those among somebody's newest %d are known", timeline)})
			case s.Keep != 0 && (t.Window == 0 || t.Window > s.Keep):
				note(Unknown{t.Canonical, fmt.Sprintf("such events are kept for %s only so far, older ones if they are among somebody's newest %d", days(s.Keep.Hours()), timeline)})
			}
		}
		for _, model := range a.Expression.Scores {
			if !slices.ContainsFunc(running.Models, func(m definition.Model) bool { return m.Name == model }) {
				note(Unknown{"scores." + model, "the model does not run yet"})
			}
		}
	}
	return all
}

func partsOf(e *expression.Expression) []*expression.Term {
	var parts []*expression.Term
	for _, t := range e.Terms {
		parts = append(parts, t.Parts()...)
	}
	return parts
}

func days(hours float64) string {
	if hours >= 48 {
		return fmt.Sprintf("%.0f days", hours/24)
	}
	return fmt.Sprintf("%.1f hours", hours)
}

// candidate is somebody about whom an expression asks.
type candidate struct {
	*profile.Look // nil: the profile holds nothing
	id            string
	at            schemas.Instant
	profile       *schemas.ProfileRow
	segment       *schemas.SegmentRow
	propensity    *schemas.PropensityRow
	decided       map[string]bool
}

func (c *candidate) read(p *part, reader *profile.Reader) error {
	var err error
	if c.profile, err = rowOf(topologies.ProfileTable, p.profile, c.id); err != nil || len(c.profile.Fragments) == 0 {
		return err
	}
	if c.segment, err = rowOf(topologies.SegmentTable, p.segment, c.id); err != nil {
		return err
	}
	if c.propensity, err = rowOf(topologies.PropensityTable, p.propensity, c.id); err != nil {
		return err
	}
	c.at = max(p.at, c.profile.Now)
	c.Look = reader.Look(c.id, c.profile, c.at)
	return nil
}

// Score implements [expression.Inputs].
func (c *candidate) Score(model string) schemas.Value {
	if c.propensity != nil {
		for i := range c.propensity.Scores {
			if c.propensity.Scores[i].Model == model {
				return schemas.NumberOf(c.propensity.Scores[i].Value)
			}
		}
	}
	return schemas.Value{}
}

// Audience implements [expression.Inputs].
func (c *candidate) Audience(name string) bool {
	if is, decided := c.decided[name]; decided {
		return is
	}
	return isMember(c.segment, name)
}
