package whatif

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/rehearsal"
	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/processors/flow"
	"kairos/processors/scenario"
	"kairos/schemas"
	"kairos/topologies"
)

// The definitions that everything begins with, and changes of them.
const published = `
kind: identity
max_identifiers: 6
max_links: 5
namespaces:
  - {name: crm_id, priority: 100, per_person: 1}
  - {name: email, priority: 80, per_person: 2}
  - {name: device_id, priority: 40}
---
kind: profile
survivorship: {country: newest}
---
kind: audience
name: buyers
when: events("purchase").any()
---
kind: audience
name: regulars
when: events("purchase").count() >= 2
---
kind: audience
name: french
when: p.country == "FR"
---
kind: audience
name: promising
when: scores.repurchase > 0.4
---
kind: audience
name: quiet
when: '!in("buyers") && events("view").any()'
---
kind: model
name: repurchase
intercept: -1
inputs: [{name: purchases, value: 'events("purchase").count()', weight: 0.5}]
---
kind: destination
name: ads
audiences: [buyers, promising]
identifiers: [email]
`

var changes = []string{
	"kind: identity\nmax_identifiers: 3\nmax_links: 5\nnamespaces:\n  - {name: crm_id, priority: 100, per_person: 1}\n  - {name: email, priority: 80}\n",
	"kind: identity\nmax_links: 2\nmax_identifiers: 20\n",
	"kind: identity\nmax_links: 50\nnamespaces:\n  - {name: crm_id, priority: 100}\n  - {name: email, priority: 80, blocked: [usual, \"e1\"]}\n",
	"kind: identity\nnamespaces:\n  - {name: device_id, priority: 100, per_person: 1}\n  - {name: email, priority: 20, links: false}\n",
	"kind: identity\nnamespaces:\n  - {name: crm_id, priority: 100, per_person: 1}\n  - {name: email, priority: 80, per_person: 1, window: 2d}\n  - {name: device_id, priority: 40, strict: true}\n",
	"kind: profile\nsurvivorship: {country: first}\n",
	"kind: profile\nsurvivorship: {country: largest}\n---\nkind: identity\nmax_identifiers: 2\n",
	"kind: audience\nname: regulars\nwhen: events(\"purchase\").count() >= 3\n---\nkind: identity\nmax_identifiers: 4\n",
}

func records(t fataler, before catalog.Published, text string) catalog.Published {
	set, err := definition.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	old, err := definition.FromRecords(before)
	if err != nil {
		t.Fatal(err)
	}
	return old.With(set).Records(before)
}

type fataler interface{ Fatal(...any) }

func plan(t fataler, p catalog.Published) *definition.Plan {
	compiled, err := p.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

var first = schemas.Instant(1_767_225_600_000)

// event draws one of a few people's doings, few enough that they meet.
func event(t *rapid.T, n int) *schemas.Event {
	e := &schemas.Event{
		ID: fmt.Sprint("e", n), Name: rapid.SampledFrom([]string{"view", "purchase", "login"}).Draw(t, "name"),
		Received: first + schemas.Instant(n)*40_000_000, Source: "web",
	}
	for _, namespace := range []string{"crm_id", "email", "device_id"} {
		if value := rapid.IntRange(0, 4).Draw(t, namespace); value > 0 {
			e.Identifiers = append(e.Identifiers, schemas.Identifier{Namespace: namespace, Value: fmt.Sprint(namespace[:1], value)})
		}
	}
	if len(e.Identifiers) == 0 {
		e.Identifiers = []schemas.Identifier{{Namespace: "device_id", Value: "d5"}}
	}
	if country := rapid.SampledFrom([]string{"", "FR", "DE"}).Draw(t, "country"); country != "" {
		e.Attributes = schemas.Properties{{Name: "country", Value: schemas.TextOf(country)}}
	}
	return e
}

func live(t *rapid.T, w *scenario.Pure) {
	for n := range rapid.IntRange(1, 40).Draw(t, "events") {
		e := event(t, n)
		value, err := schemas.EventCodec.Append(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Send(scenario.Input{Topic: topologies.Events.Name, Key: []byte(e.Identifiers[0].String()), Value: value}); err != nil {
			t.Fatal(err)
		}
	}
}

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

// LAW: what is predicted is what happens, in every table, for any history and
// change, in whatever order the stages come to it.
func TestWhatIsPredictedIsWhatHappens(t *testing.T) {
	merges, splits, entered := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		before := records(t, nil, published)
		after := records(t, before, rapid.SampledFrom(changes).Draw(t, "change"))
		w := scenario.NewPure(scenario.Shape{Partitions: 2, Chained: rapid.Bool().Draw(t, "chained")}, flow.Runner, rapid.Uint64Range(0, 9).Draw(t, "shuffle"))
		if err := w.Follow(plan(t, before)); err != nil {
			t.Fatal(err)
		}
		live(t, w)
		a, err := rehearse(t.Context(), Question{Tables: tablesOf(t, w), Before: before, After: after, At: first, Examples: 3}, func(float64) {})
		if err != nil {
			t.Fatal(err)
		}
		r, err := a.report()
		if err != nil {
			t.Fatal(err)
		}
		was := summaryOf(t, a.Tables)
		if err := w.Follow(plan(t, after)); err != nil {
			t.Fatal(err)
		}
		happened := tablesOf(t, w)
		same(t, rowsOf(t, predicted(a), a.after), rowsOf(t, happened, a.after))
		is := summaryOf(t, happened)
		if got, want := fmt.Sprint(r.People, r.Audiences), fmt.Sprint(Count{len(was.people), len(is.people)}, r.Audiences); got != want {
			t.Fatalf("reports %s, it was %s", got, want)
		}
		for _, audience := range r.Audiences {
			if enter, leave := is.without(was, audience.Name), was.without(is, audience.Name); audience.Enter != enter || audience.Leave != leave {
				t.Fatalf("reports %+v, %d entered and %d left", audience, enter, leave)
			}
			entered += audience.Enter
		}
		if r.UnderWay != 0 {
			t.Fatalf("%d rows are under way in a world at rest", r.UnderWay)
		}
		merges, splits = merges+r.Merges.Count, splits+r.Splits.Count
		checkGroups(t, r)
	})
	if merges == 0 || splits == 0 || entered == 0 {
		t.Errorf("in all histories %d merges, %d splits and %d entries: the law was hardly tried", merges, splits, entered)
	}
}

// checkGroups holds examples to what they claim: every merge and split has a
// link that is decided otherwise.
func checkGroups(t *rapid.T, r Report) {
	for _, g := range r.Merges.Examples {
		if !slices.ContainsFunc(g.Because, func(d Decision) bool { return d.After == taken }) {
			t.Fatalf("a merge without a link that is taken now: %+v", g)
		}
	}
	for _, g := range r.Splits.Examples {
		if !slices.ContainsFunc(g.Because, func(d Decision) bool { return d.Before == taken }) {
			t.Fatalf("a split without a link that was taken before: %+v", g)
		}
	}
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
