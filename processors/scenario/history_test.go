package scenario_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/scenario"
	"kairos/processors/scenario/naive"
	"kairos/schemas"
	"kairos/topologies"
)

// lawPlan compiles the definitions of the laws.
func lawPlan(t testing.TB) *definition.Plan {
	t.Helper()
	text, err := os.ReadFile("testdata/laws.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return compiled(t, string(text))
}

// expiringPlan is the same where people without a name, and views, expire,
// with further replacements.
func expiringPlan(t testing.TB, others ...string) *definition.Plan {
	t.Helper()
	text, err := os.ReadFile("testdata/laws.yaml")
	if err != nil {
		t.Fatal(err)
	}
	expiring := string(text)
	for _, change := range [][2]string{
		{"name: phone, priority: 50, links: false", "name: phone, priority: 50, links: false, expires: 4d"},
		{"name: device_id, priority: 20, links: true", "name: device_id, priority: 20, links: true, expires: 9d"},
		{"name: anonymous_id, priority: 10, links: true", "name: anonymous_id, priority: 10, links: true, expires: 6d"},
		// Nothing may look back further than views are kept.
		{`events("view").then("purchase", "1d").within("10d")`, `events("view").then("purchase", "1d").within("9d")`},
		{`without("purchase").within("14d")`, `without("purchase").within("10d")`},
		{`without("view").any()`, `without("view").within("6d").any()`},
		{`events().within("8d").none()`, `events().within("7d").none()`},
		{"events().recency() >= 3", `events().within("10d").recency() >= 3`},
		{`events().streak("1d", "Europe/Paris") >= 2`, `events().within("5d").streak("1d", "Europe/Paris") >= 2`},
	} {
		if !strings.Contains(expiring, change[0]) {
			t.Fatalf("testdata/laws.yaml does not say %q", change[0])
		}
		expiring = strings.Replace(expiring, change[0], change[1], 1)
	}
	expiring += "---\nkind: event\nname: view\nexpires: 10d\n"
	for _, name := range []string{"purchase", "cancel", "login"} {
		expiring += "---\nkind: event\nname: " + name + "\n"
	}
	return compiled(t, strings.NewReplacer(others...).Replace(expiring))
}

// patientPlan lets people expire only once all of a brief history has arrived.
func patientPlan(t testing.TB, others ...string) *definition.Plan {
	t.Helper()
	return expiringPlan(t, append([]string{"expires: 4d", "expires: 24d", "expires: 6d", "expires: 26d", "expires: 9d", "expires: 29d"}, others...)...)
}

func compiled(t testing.TB, text string) *definition.Plan {
	t.Helper()
	set, err := definition.Parse("laws.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := set.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

var beginning = schemas.InstantOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))

// lives generates what happens to a few people in a few weeks, in the order of
// acceptance. Times lie on a coarse grid, so that windows close at the very
// moment at which something else happens.
type lives struct {
	linking bool // events name several identifiers, and operators part people
	events  int
	exact   bool // what is told again is the same to the last byte
	brief   bool // all within the window of duplicates, however things overtake each other
	tablets bool // some devices are bound to sessions
	typos   bool // some attributes are of the wrong type
}

func (l lives) draw(t *rapid.T) []schemas.Event {
	var history []schemas.Event
	now := beginning.Add(24 * time.Hour)
	for i := range rapid.IntRange(1, l.events).Draw(t, "events") {
		pace := []int{0, 1, 4, 24, 72}
		if l.brief {
			pace = []int{0, 1, 4, 12}
		}
		now = now.Add(time.Duration(rapid.SampledFrom(pace).Draw(t, "hours")) * time.Hour)
		switch kind := rapid.IntRange(0, 19).Draw(t, "kind"); {
		case kind == 0 && i > 0: // told again, accepted again
			again := history[rapid.IntRange(0, i-1).Draw(t, "again")]
			if !l.exact {
				again.Received = now
			}
			history = append(history, again)
		case kind <= 2 && l.linking:
			history = append(history, l.command(t, history, now))
		default:
			history = append(history, l.event(t, i, now))
		}
	}
	return history
}

var namespaces = []string{"crm_id", "email", "device_id", "anonymous_id", "phone"}

func (l lives) identifier(t *rapid.T) schemas.Identifier {
	if l.tablets && rapid.IntRange(0, 3).Draw(t, "tablet") == 0 {
		return schemas.Identifier{Namespace: "tablet_id", Value: "t"}
	}
	return identifier(t)
}

func identifier(t *rapid.T) schemas.Identifier {
	value := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "who")
	return schemas.Identifier{Namespace: rapid.SampledFrom(namespaces).Draw(t, "namespace"), Value: value}
}

// command parts, or joins again, two identifiers that most often some event
// has named together.
func (l lives) command(t *rapid.T, history []schemas.Event, now schemas.Instant) schemas.Event {
	pair := []schemas.Identifier{l.identifier(t), l.identifier(t)}
	if n := len(history); n > 0 {
		if e := history[rapid.IntRange(0, n-1).Draw(t, "about")]; len(e.Identifiers) >= 2 {
			pair = slices.Clone(e.Identifiers[:2])
		}
	}
	if pair[0] == pair[1] {
		pair[1].Value += "x"
	}
	return schemas.Event{
		ID: fmt.Sprintf("e%d", len(history)), Name: rapid.SampledFrom([]string{"$unlink", "$unlink", "$relink"}).Draw(t, "command"),
		Time: now, Received: now, Source: "operator", Identifiers: pair,
		Properties: schemas.Properties{{Name: "why", Value: schemas.TextOf("test")}},
	}
}

func (l lives) event(t *rapid.T, i int, now schemas.Instant) schemas.Event {
	e := schemas.Event{
		ID: fmt.Sprintf("e%d", i), Name: rapid.SampledFrom([]string{"purchase", "purchase", "view", "view", "cancel", "login", "consent"}).Draw(t, "name"),
		Time: now, Received: now, Source: rapid.SampledFrom([]string{"crm", "web"}).Draw(t, "source"),
		Identifiers: []schemas.Identifier{l.identifier(t)},
	}
	if rapid.IntRange(0, 4).Draw(t, "late") == 0 {
		e.Time = now.Add(time.Duration(rapid.SampledFrom([]int{-240, -72, -24, -1, 48}).Draw(t, "by")) * time.Hour)
	}
	for l.linking && rapid.IntRange(0, 2).Draw(t, "more") == 0 {
		e.Identifiers = append(e.Identifiers, l.identifier(t))
	}
	property(t, &e.Properties, "amount", schemas.NumberOf(0.1), schemas.NumberOf(1), schemas.NumberOf(5), schemas.NumberOf(9.5), schemas.NumberOf(20), schemas.TextOf("many"))
	property(t, &e.Properties, "category", schemas.TextOf("shoes"), schemas.TextOf("boots"), schemas.TextOf("hats"))
	property(t, &e.Properties, "channel", schemas.TextOf("web"), schemas.TextOf("shop"))
	property(t, &e.Properties, "gpc", schemas.BooleanOf(true), schemas.BooleanOf(false))
	property(t, &e.Properties, "sale", schemas.BooleanOf(true), schemas.BooleanOf(false)) // consent, where the event is one
	property(t, &e.Attributes, "country", schemas.TextOf("FR"), schemas.TextOf("DE"), schemas.Value{})
	property(t, &e.Attributes, "tier", schemas.NumberOf(1), schemas.NumberOf(2), schemas.NumberOf(3), schemas.Value{})
	property(t, &e.Attributes, "city", schemas.TextOf("Lyon"), schemas.TextOf("Bonn"), schemas.Value{})
	property(t, &e.Attributes, "signup", schemas.TextOf("shop"), schemas.TextOf("web"), schemas.Value{})
	property(t, &e.Attributes, "tags", schemas.TextOf("vip"), schemas.TextOf("gone"), schemas.TextOf("new"), schemas.NumberOf(7), schemas.Value{})
	property(t, &e.Attributes, "renewal", schemas.TextOf("2026-01-09"), schemas.TextOf("2020-01-20"), schemas.TextOf("2026-02-28"), schemas.Value{})
	property(t, &e.Attributes, "consent.marketing", schemas.BooleanOf(true), schemas.BooleanOf(false))
	if l.typos && rapid.IntRange(0, 9).Draw(t, "typo") == 0 {
		e.Attributes = e.Attributes.Set("tier", schemas.TextOf("gold"))
	}
	return e
}

func property(t *rapid.T, p *schemas.Properties, name string, values ...schemas.Value) {
	if rapid.IntRange(0, 2).Draw(t, name+" given") == 0 {
		*p = p.Set(name, rapid.SampledFrom(values).Draw(t, name))
	}
}

// input is an event as the door leaves it in its topic.
func input(t TB, e schemas.Event) scenario.Input {
	t.Helper()
	value, err := schemas.EventCodec.Append(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	return scenario.Input{Topic: topologies.Events.Name, Key: []byte(e.Identifiers[0].String()), Value: value}
}

// stateOf says in lines what a world knows at t: people, terms, attributes,
// audiences, scores and destinations' lists.
func stateOf(t TB, w scenario.World, plan *definition.Plan, at schemas.Instant) []string {
	t.Helper()
	state, err := scenario.StateOf(w, plan, at)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// naiveState says the same of what must be true.
func naiveState(history []schemas.Event, plan *definition.Plan, at schemas.Instant) []string {
	var lines []string
	for id, p := range naive.PeopleAt(history, plan, at) {
		add := func(format string, args ...string) {
			line := id + " "
			for i, part := range strings.Split(format, "%s") {
				line += part
				if i < len(args) {
					line += args[i]
				}
			}
			lines = append(lines, line)
		}
		add("is %s", strings.Join(p.Identifiers, " "))
		for _, a := range p.Attributes {
			add("p.%s = %s", a.Name, a.Value.String())
		}
		for _, term := range plan.Terms {
			if scenario.AsksFor(plan, term.ID) && p.Terms[term.ID] != term.Empty() {
				add("%s = %s", term.Canonical, p.Terms[term.ID].String())
			}
		}
		for _, audience := range p.Audiences {
			add("in %s", audience)
		}
		for model, score := range p.Scores {
			add("score %s = %s", model, fmt.Sprintf("%.9f", score))
		}
		for i := range plan.Destinations {
			for audience, sees := range p.Listed(&plan.Destinations[i]) {
				add("listed at %s in %s as %s", plan.Destinations[i].Name, audience, sees)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// differences shows what two states do not share.
func differences(got, want []string) string {
	var b strings.Builder
	for _, line := range got {
		if !slices.Contains(want, line) {
			fmt.Fprintf(&b, "\n  only here:  %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			fmt.Fprintf(&b, "\n  only there: %s", line)
		}
	}
	return b.String()
}

// TB is what tests and rapid's checks have in common.
type TB interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}
