package propensity

import (
	"cmp"
	"fmt"
	"slices"

	"kairos/processors/definition"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// New is the stage that follows plan.
func New(plan *definition.Plan) *stage.Stage {
	r := newRules(plan)
	return stage.Define(topologies.Propensity, topologies.PropensityTable,
		stage.On(topologies.Memberships, r.follow),
		stage.OnSweep(r.sweep),
	)
}

// The reasons for which propensity refuses or drops.
const (
	refuseForeignKey = "kairos-propensity-foreign-key"
	dropUnused       = "unused"  // no model and no audience that looks at scores asks for what changed
	dropUnknown      = "unknown" // the person is gone already
)

type out = stage.Out[schemas.PropensityRow]

// follow takes over a change of a profile with its transitions.
func (r *rules) follow(in stage.In[schemas.PropensityRow, schemas.Membership], o *out) {
	m := in.Message
	c := &m.Change
	switch {
	case c.Person != in.Key:
		o.Refuse(refuseForeignKey, fmt.Sprintf("a record about person %q lies under the key %q; send it under the person's own key", c.Person, in.Key))
		return
	case m.Scored: // what segment made of this stage's own words
		return
	case c.Gone && in.Row == nil && !r.idle:
		o.Drop(dropUnknown)
		return
	case c.Gone && in.Row != nil:
		stage.Emit(o, &topologies.Scores, c.Person, &schemas.Scored{
			Person: c.Person, Cause: c.Cause, Reason: c.Reason, EventID: c.EventID, Gone: true, MergedInto: c.MergedInto, Forgotten: c.Forgotten,
		})
		o.Delete()
		if c.Erased() {
			o.Purge()
		}
		return
	case r.idle:
		return
	}
	row := in.Row
	if row == nil {
		row = &schemas.PropensityRow{}
	}
	w := &word{
		rules: r, row: row, rescore: make([]bool, len(r.models)),
		scored: &schemas.Scored{Person: c.Person, Cause: c.Cause, Reason: c.Reason, EventID: c.EventID},
	}
	w.said = r.turns[c.Cause]
	w.learn(m)
	w.pass(c)
	if row.Rules != r.fingerprint {
		w.restate()
	}
	w.score(c.Person)
	w.close(o)
}

// sweep scores a row anew that older definitions made.
func (r *rules) sweep(in stage.In[schemas.PropensityRow, stage.Sweep], o *out) {
	row := in.Row
	switch {
	case row == nil || row.Rules == r.fingerprint:
		return
	case r.idle:
		o.Delete()
		return
	}
	w := &word{
		rules: r, row: row, rescore: make([]bool, len(r.models)),
		scored: &schemas.Scored{Person: in.Key, Cause: in.Time, Reason: "definition"},
	}
	w.restate()
	w.score(in.Key)
	w.close(o)
}

// word is what propensity is about to say of one change.
type word struct {
	rules     *rules
	row       *schemas.PropensityRow
	rescore   []bool // by model
	different bool   // the row is
	said      bool   // the word is worth saying
	scored    *schemas.Scored
}

// learn stores the inputs that changed.
func (w *word) learn(m *schemas.Membership) {
	for _, f := range m.Change.Features {
		if in := w.rules.terms[f.ID]; in != nil && setFeature(&w.row.Features, f) {
			w.touch(in)
			if in.carried {
				w.scored.Features = append(w.scored.Features, f)
			}
		}
	}
	for _, p := range m.Change.Attributes {
		in := w.rules.attributes[p.Name]
		different := false
		if in != nil {
			if w.row.Attributes, different = w.row.Attributes.Learn(p); different {
				w.touch(in)
			}
		}
		if different && in.carried || w.rules.passed[p.Name] {
			w.scored.Attributes = append(w.scored.Attributes, p)
			w.said = true
		}
	}
	for _, transitions := range [][]schemas.Transition{m.Members, m.Transitions} {
		for i := range transitions {
			w.learnMembership(transitions[i].Audience, transitions[i].Entered)
		}
	}
}

func (w *word) learnMembership(audience string, member bool) {
	in := w.rules.memberships[audience]
	if in == nil {
		return
	}
	p := schemas.Property{Name: audience, Value: schemas.BooleanOf(member)}
	known := p
	if !member {
		known.Value = schemas.Value{} // not remembered
	}
	var news bool
	if w.row.Memberships, news = w.row.Memberships.Learn(known); news {
		w.touch(in)
		if in.carried {
			w.scored.Memberships = w.scored.Memberships.Set(p.Name, p.Value)
		}
	}
}

func (w *word) touch(in *input) {
	w.different = true
	w.said = w.said || in.carried
	for _, model := range in.models {
		w.rescore[model] = true
	}
}

// pass hands on what destinations of score audiences ask for.
func (w *word) pass(c *schemas.Change) {
	if w.rules.identified && len(c.Identifiers) > 0 {
		w.scored.Identifiers = c.Identifiers
		w.said = true
	}
}

// restate forgets what is not used any more and says everything that is: at
// the first word about a person, and after a change of definitions.
func (w *word) restate() {
	r, row, s := w.rules, w.row, w.scored
	row.Rules = r.fingerprint
	row.Features = only(row.Features, func(f schemas.Feature) bool { return r.terms[f.ID] != nil })
	row.Attributes = only(row.Attributes, func(p schemas.Property) bool { return r.attributes[p.Name] != nil })
	row.Memberships = only(row.Memberships, func(p schemas.Property) bool { return r.memberships[p.Name] != nil })
	row.Scores = nil
	for _, f := range row.Features { // what became Null is in the word already
		if r.terms[f.ID].carried {
			setFeature(&s.Features, f)
		}
	}
	for _, p := range row.Attributes {
		if r.attributes[p.Name].carried {
			s.Attributes = s.Attributes.Set(p.Name, p.Value)
		}
	}
	for _, p := range row.Memberships {
		if r.memberships[p.Name].carried {
			s.Memberships = s.Memberships.Set(p.Name, p.Value)
		}
	}
	for i := range w.rescore {
		w.rescore[i] = true
	}
	w.different, w.said = true, true
}

// score computes the models that an input of changed.
func (w *word) score(person string) {
	for i, due := range w.rescore {
		if !due {
			continue
		}
		s := score(&w.rules.models[i], &knownPerson{person, w.row})
		p, found := slices.BinarySearchFunc(w.row.Scores, s.Model, func(s schemas.Score, name string) int { return cmp.Compare(s.Model, name) })
		switch {
		case found && same(&w.row.Scores[p], &s):
			continue
		case found:
			w.row.Scores[p] = s
		default:
			w.row.Scores = slices.Insert(w.row.Scores, p, s)
		}
		w.scored.Scores = append(w.scored.Scores, s)
		w.different, w.said = true, true
	}
}

func (w *word) close(o *out) {
	if w.different {
		o.Set(w.row)
	}
	if w.said {
		stage.Emit(o, &topologies.Scores, w.scored.Person, w.scored)
	} else if !w.different {
		o.Drop(dropUnused)
	}
}
