package whatif

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kairos/cmd/internal/rehearsal"
	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/processors/scenario"
	"kairos/schemas"
	"kairos/topologies"
)

func tablesOf(t fataler, w scenario.World) rehearsal.Tables {
	all := rehearsal.Tables{}
	for _, table := range tables() {
		rows, err := w.Rows(table.Name)
		if err != nil {
			t.Fatal(err)
		}
		all[table.Name] = rows
	}
	return all
}

func predicted(a *answer) rehearsal.Tables {
	all := rehearsal.Tables{}
	for _, table := range tables() {
		all[table.Name] = maps.Collect(a.rehearsal.All(table.Name))
	}
	return all
}

// summary is who there is and who is in what, counted from the tables by
// itself.
type summary struct {
	people  map[string]bool
	members map[string]bool // audience and person
}

func summaryOf(t fataler, all rehearsal.Tables) summary {
	s := summary{map[string]bool{}, map[string]bool{}}
	for _, encoded := range all[topologies.IdentityTable.Name] {
		if r := must(row(topologies.IdentityTable, encoded))(t); r.Arrived {
			s.people[r.Person] = true
		}
	}
	for person, encoded := range all[topologies.SegmentTable.Name] {
		for _, standing := range must(row(topologies.SegmentTable, encoded))(t).Standings {
			if standing.Member {
				s.members[standing.Audience+" "+person] = true
			}
		}
	}
	return s
}

// without counts who is in an audience here and not there.
func (s summary) without(other summary, audience string) (n int) {
	for m := range s.members {
		if strings.HasPrefix(m, audience+" ") && !other.members[m] {
			n++
		}
	}
	return n
}

func must[T any](v T, err error) func(fataler) T {
	return func(t fataler) T {
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// rowsOf writes down what rows say. When it came to that, how often somebody
// moved, which way leads to the evidence, and what was for a moment only are not
// part of it: they depend on the order in which stages come to rows.
func rowsOf(t fataler, all rehearsal.Tables, followed *definition.Plan) map[string]string {
	said := map[string]string{}
	// What has the value that it has without any event may never have been told.
	known := func(features []schemas.Feature) []schemas.Feature {
		return slices.DeleteFunc(features, func(f schemas.Feature) bool {
			return slices.ContainsFunc(followed.Terms, func(t *expression.Term) bool { return t.ID == f.ID && t.Empty() == f.Value })
		})
	}
	for key, encoded := range all[topologies.IdentityTable.Name] {
		r := must(row(topologies.IdentityTable, encoded))(t)
		c := &schemas.Component{}
		if len(r.Component) > 0 {
			c = must(schemas.ComponentCodec.Decode(r.Component))(t)
		}
		r.Clock, r.Epoch, r.Version, r.Root, r.Component, c.Version = schemas.Clock{}, 0, 0, "", nil, 0
		said["identity "+key] = fmt.Sprintf("%+v %+v", *r, *c)
	}
	for key, encoded := range all[topologies.ProfileTable.Name] {
		r := must(row(topologies.ProfileTable, encoded))(t)
		r.Now = 0
		for i := range r.Fragments {
			r.Fragments[i].Epoch = 0
		}
		if len(r.Fragments) > 0 { // else a row that forwards, or was for a moment only
			r.Rules = 0
			said["profile "+key] = fmt.Sprintf("%+v", *r)
		}
	}
	for key, encoded := range all[topologies.SegmentTable.Name] {
		r := must(row(topologies.SegmentTable, encoded))(t)
		members := ""
		for _, s := range r.Standings {
			if s.Member {
				members += s.Audience + " "
			}
		}
		if r.Rules != 0 || members != "" {
			said["segment "+key] = fmt.Sprint(members, known(r.Features), r.Attributes)
		}
		if s := r.Scored; s != nil {
			said["scored "+key] = fmt.Sprint(s.Scores, known(s.Features), s.Attributes, s.Memberships)
		}
	}
	for key, encoded := range all[topologies.PropensityTable.Name] {
		r := must(row(topologies.PropensityTable, encoded))(t)
		said["propensity "+key] = fmt.Sprintf("%v %v %v %+v", known(r.Features), r.Attributes, r.Memberships, r.Scores)
	}
	for key, encoded := range all[topologies.DestinationTable.Name] {
		r := must(row(topologies.DestinationTable, encoded))(t)
		if text := toldOf(r); text != "" {
			said["destination "+key] = text
		}
	}
	return said
}

func toldOf(r *schemas.DestinationRow) (text string) {
	for _, s := range r.Said {
		text += fmt.Sprintf("%s %s; ", s.Destination, s.Audience)
	}
	if text != "" && r.Profile != nil {
		text += fmt.Sprintf("%+v", *r.Profile)
	}
	return text
}

func same(t fataler, predicted, happened map[string]string) {
	keys := slices.Concat(slices.Collect(maps.Keys(predicted)), slices.Collect(maps.Keys(happened)))
	slices.SortFunc(keys, cmp.Compare)
	for _, key := range slices.Compact(keys) {
		if predicted[key] != happened[key] {
			t.Fatal(fmt.Sprintf("%s:\npredicted %s\nhappened  %s", key, predicted[key], happened[key]))
		}
	}
}
