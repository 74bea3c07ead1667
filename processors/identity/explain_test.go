package identity_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kairos/processors/identity"
	"kairos/schemas"
)

func TestAnExplanationListsLinksInTheOrderTakenAndEachRefusalWithItsRule(t *testing.T) {
	rules := tight()
	events := strongestFirst([]*schemas.Event{
		event("1", 1, "crm:1", "email:a"), event("2", 2, "crm:2", "email:a"), event("3", 3, "email:a", "device:x"),
		event("4", 4, "email:b", "device:x"), command(identity.Unlink, "5", 5, "email:b", "device:x"),
		event("6", 6, "crm:1", "device:y"), event("7", 7+minutesOfDay, "crm:2", "device:y"),
	})
	w := run(t, 4, rules, events, loopFirst)
	x := identity.Explain(w.component("email:a"), rules)
	var lines []string
	for _, d := range x.Decisions {
		lines = append(lines, d.String())
	}
	want := []string{
		"crm:2 = email:a taken",
		"crm:1 = email:a refused: per-person (crm)",
		"crm:2 = device:y taken",
		"crm:1 = device:y refused: per-person (crm)",
		"device:x = email:a taken",
		"device:x = email:b refused: unlinked",
	}
	if first := lines[0]; first == "crm:1 = email:a taken" { // equal in all but the hash
		t.Fatalf("the hash decides otherwise now: %v", lines)
	}
	if !slices.Equal(lines, want) {
		t.Errorf("decisions are\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if len(x.Partings) != 1 || x.Partings[0].Why != "a test says so" || x.Partings[0].Undone {
		t.Errorf("partings are %+v", x.Partings)
	}
	for _, d := range x.Decisions {
		if !d.Accepted() && identity.Meaning(d.Rule) == "" {
			t.Errorf("nobody says what %s means", d.Rule)
		}
	}
}

// What is explained is what is: under the rules in force an explanation's
// people are those that the rows name.
func TestAnExplanationNamesThePeopleThatTheRowsName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, events := anyRules(t), history(t, 25)
		w := run(t, 4, rules, events, anyPick(t))
		people := w.people()
		for key, person := range people {
			found := false
			for _, p := range identity.Explain(w.component(key), rules).People {
				found = found || p.ID == person && slices.Contains(p.Identifiers, key)
			}
			if !found {
				t.Fatalf("%s is %s, but not in its explanation", key, person)
			}
		}
	})
}
