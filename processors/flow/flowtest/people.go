package flowtest

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"kairos/schemas"
)

// People are all persons of random lives.
var People = []string{"ann", "bob"}

// Start is when lives start.
const Start schemas.Instant = 1_700_000_000_000

// DrawLives makes a random history of changes as profile tells them, in order:
// only what is different from before, and everything anew after a person was
// gone.
func DrawLives(t *rapid.T, label string, most int) []*schemas.Change {
	var lives []*schemas.Change
	now := Start
	for i := range rapid.IntRange(0, most).Draw(t, label) {
		now += schemas.Instant(rapid.SampledFrom([]int{0, 1, 1000}).Draw(t, "pause"))
		lives = append(lives, DrawChange(t, now, fmt.Sprintf("ev-%d", i)))
	}
	return lives
}

// DrawChange makes one random change at time now.
func DrawChange(t *rapid.T, now schemas.Instant, event string) *schemas.Change {
	c := &schemas.Change{Person: rapid.SampledFrom(People).Draw(t, "person"), Cause: now, Reason: "purchase", EventID: event}
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		c.Gone, c.MergedInto, c.EventID = true, rapid.SampledFrom([]string{"", "eve"}).Draw(t, "merged into"), ""
		return c
	case 1:
		c.EventID, c.Reason = "", "window of events(e0) closed"
	}
	for _, term := range Terms {
		if rapid.IntRange(0, 3).Draw(t, "feature changes") == 0 {
			c.Features = append(c.Features, schemas.Feature{ID: term.ID, Value: drawTermValue(t)})
		}
	}
	for _, name := range Attributes {
		if rapid.IntRange(0, 3).Draw(t, "attribute changes") == 0 {
			c.Attributes = c.Attributes.Set(name, drawValue(t))
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "identifiers change") == 0 {
		c.Identifiers = rapid.SliceOfNDistinct(rapid.SampledFrom([]schemas.Identifier{
			{Namespace: "crm_id", Value: "7"}, {Namespace: "email", Value: "Ann@example.org "}, {Namespace: "email", Value: "b@example.org"},
			{Namespace: "device", Value: "x"},
		}), 1, 4, rapid.ID[schemas.Identifier]).Draw(t, "identifiers")
		slices.SortFunc(c.Identifiers, func(a, b schemas.Identifier) int { return compareText(a.String(), b.String()) })
	}
	return c
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Profile is what changes add up to for one person: the dumb way to know it.
type Profile struct {
	Alive       bool
	ID          string
	Terms       map[int64]schemas.Value
	Attributes  map[string]schemas.Value
	Identifiers []schemas.Identifier
}

// NewProfile is a person of whom nothing is known.
func NewProfile(id string) *Profile {
	return &Profile{ID: id, Terms: map[int64]schemas.Value{}, Attributes: map[string]schemas.Value{}}
}

// Apply takes over a change.
func (p *Profile) Apply(c *schemas.Change) {
	if c.Gone {
		*p = *NewProfile(p.ID)
		return
	}
	p.Alive = true
	for _, f := range c.Features {
		p.Terms[f.ID] = f.Value
	}
	for _, a := range c.Attributes {
		p.Attributes[a.Name] = a.Value
	}
	if len(c.Identifiers) > 0 {
		p.Identifiers = c.Identifiers
	}
}

func drawTermValue(t *rapid.T) schemas.Value {
	if rapid.Bool().Draw(t, "compared") {
		return schemas.BooleanOf(rapid.Bool().Draw(t, "so"))
	}
	return schemas.NumberOf(float64(rapid.IntRange(0, 3).Draw(t, "count")))
}

// Retold is the change that tells everything about p, as profile does for
// every person after a change of definitions.
func (p *Profile) Retold(at schemas.Instant) *schemas.Change {
	c := &schemas.Change{Person: p.ID, Cause: at, Reason: "definition", Identifiers: p.Identifiers}
	for _, term := range Terms {
		if v := p.Terms[term.ID]; v.Kind != schemas.Null {
			c.Features = append(c.Features, schemas.Feature{ID: term.ID, Value: v})
		}
	}
	for _, name := range Attributes {
		if v := p.Attributes[name]; v.Kind != schemas.Null {
			c.Attributes = c.Attributes.Set(name, v)
		}
	}
	return c
}

// View is what an expression may ask about somebody, out of maps.
type View struct {
	*Profile
	Scores  map[string]float64
	Members map[string]bool
}

// Term, Attribute, Score, Audience and Person answer expressions.
func (v View) Term(id int64) schemas.Value { return v.Terms[id] }

// Attribute implements expression.Inputs.
func (v View) Attribute(name string) schemas.Value { return v.Attributes[name] }

// Score implements expression.Inputs.
func (v View) Score(model string) schemas.Value {
	if score, ok := v.Scores[model]; ok {
		return schemas.NumberOf(score)
	}
	return schemas.Value{}
}

// Audience implements expression.Inputs.
func (v View) Audience(name string) bool { return v.Members[name] }

// Person implements expression.Inputs.
func (v View) Person() string { return v.ID }
