package identity_test

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/processors/identity"
	"kairos/schemas"
)

// guarded are rules with blocked values.
func guarded() definition.IdentityRules {
	rules := loose()
	guest := regexp.MustCompile(`^(guest|unknown|0+)$`).MatchString
	for i := range rules.Namespaces {
		rules.Namespaces[i].Blocked = guest
	}
	rules.Namespaces = append(rules.Namespaces, definition.Namespace{Name: "partner", Priority: 200, Links: false})
	return rules
}

// admit sends one event and gives what profile is told of it.
func admit(t fataler, e *schemas.Event) (*schemas.Event, *world) {
	w := newWorld(t, 1, guarded())
	key := "nothing"
	if len(e.Identifiers) > 0 {
		key = e.Identifiers[0].String() + " "
	}
	w.putUnder(key, e)
	for len(w.routes) > 0 {
		w.step(0)
	}
	for _, words := range w.profile.queues {
		for _, word := range words {
			if word.event != nil && word.event.Event != nil {
				return word.event.Event, w
			}
		}
	}
	return nil, w
}

func TestABadEventIsRefusedWithItsReason(t *testing.T) {
	text := func(n int) string { return strings.Repeat("x", n) }
	property := func(v schemas.Value) schemas.Properties { return schemas.Properties{{Name: "amount", Value: v}} }
	for name, c := range map[string]struct {
		spoil  func(e *schemas.Event)
		reason string
	}{
		"no id":                    {func(e *schemas.Event) { e.ID = "" }, "kairos-identity-empty-id"},
		"no name":                  {func(e *schemas.Event) { e.Name = "" }, "kairos-identity-empty-name"},
		"a long id":                {func(e *schemas.Event) { e.ID = text(201) }, "kairos-identity-too-large"},
		"a long source":            {func(e *schemas.Event) { e.Source = text(201) }, "kairos-identity-too-large"},
		"a name that is no UTF-8":  {func(e *schemas.Event) { e.Name = "a\xff" }, "kairos-identity-bad-text"},
		"no received":              {func(e *schemas.Event) { e.Received = 0 }, "kairos-identity-bad-time"},
		"received at no time":      {func(e *schemas.Event) { e.Received = 7_300_000_000_000 }, "kairos-identity-bad-time"},
		"a time before time":       {func(e *schemas.Event) { e.Time = -1 }, "kairos-identity-bad-time"},
		"NaN":                      {func(e *schemas.Event) { e.Properties = property(schemas.NumberOf(math.NaN())) }, "kairos-identity-not-a-number"},
		"infinity":                 {func(e *schemas.Event) { e.Attributes = property(schemas.NumberOf(math.Inf(-1))) }, "kairos-identity-not-a-number"},
		"a kind that is none":      {func(e *schemas.Event) { e.Properties = property(schemas.Value{Kind: 9}) }, "kairos-identity-bad-property"},
		"a property without name":  {func(e *schemas.Event) { e.Properties = schemas.Properties{{}} }, "kairos-identity-bad-property"},
		"a text that is no UTF-8":  {func(e *schemas.Event) { e.Attributes = property(schemas.TextOf("\xc3")) }, "kairos-identity-bad-text"},
		"too many properties":      {func(e *schemas.Event) { e.Properties = make(schemas.Properties, 501) }, "kairos-identity-too-large"},
		"too much text":            {func(e *schemas.Event) { e.Properties = property(schemas.TextOf(text(256<<10 + 1))) }, "kairos-identity-too-large"},
		"no identifier":            {func(e *schemas.Event) { e.Identifiers = nil }, "kairos-identity-no-identifier"},
		"too many identifiers":     {func(e *schemas.Event) { e.Identifiers = make([]schemas.Identifier, 21) }, "kairos-identity-too-large"},
		"a namespace with a colon": {func(e *schemas.Event) { e.Identifiers[0].Namespace = "a:b" }, "kairos-identity-bad-identifier"},
		"no namespace":             {func(e *schemas.Event) { e.Identifiers[0].Namespace = " " }, "kairos-identity-bad-identifier"},
		"a long value":             {func(e *schemas.Event) { e.Identifiers[0].Value = text(257) }, "kairos-identity-bad-identifier"},
		"a value of two lines":     {func(e *schemas.Event) { e.Identifiers[0].Value = "a\nb" }, "kairos-identity-bad-identifier"},
		"a value that is no UTF-8": {func(e *schemas.Event) { e.Identifiers[0].Value = "\xff" }, "kairos-identity-bad-identifier"},
		"an unlink of one":         {func(e *schemas.Event) { *e = *command(identity.Unlink, "1", 1, "email:a", "email:a") }, "kairos-identity-bad-command"},
		"an unlink of a guest":     {func(e *schemas.Event) { *e = *command(identity.Unlink, "1", 1, "email:a", "crm:guest") }, "kairos-identity-bad-command"},
		"a relink without why": {func(e *schemas.Event) {
			*e = *command(identity.Relink, "1", 1, "email:a", "email:b")
			e.Properties = nil
		}, "kairos-identity-bad-command"},
	} {
		t.Run(name, func(t *testing.T) {
			e := event("1", 1, "email:a", "device:x")
			c.spoil(e)
			told, w := admit(t, e)
			if told != nil || len(w.letters) != 1 || len(w.rows) != 0 {
				t.Fatalf("told %v, %d dead letters, %d rows", told, len(w.letters), len(w.rows))
			}
			if l := w.letters[0]; l.Reason != c.reason || l.Detail == "" || len(l.Detail) > 500 {
				t.Errorf("refused as %s (%s), want %s", l.Reason, l.Detail, c.reason)
			}
		})
	}
}

func TestAnEventTakesItsNormalForm(t *testing.T) {
	e := event("1", 1)
	e.Time = e.Received + 60_000
	e.Identifiers = []schemas.Identifier{
		{Namespace: "partner", Value: "p"}, {Namespace: "device", Value: "X"}, {Namespace: " Email", Value: " Sarah@Example.ORG "}, {Namespace: "crm", Value: "guest"},
		{Namespace: "email", Value: "sarah@example.org"}, {Namespace: "phone", Value: "00 49 (30) 123-456"}, {Namespace: "crm", Value: ""},
	}
	e.Properties = schemas.Properties{
		{Name: "z", Value: schemas.Value{Kind: schemas.Number, Number: 2, Text: "rest"}}, {Name: "a", Value: schemas.Value{Kind: schemas.Boolean, Number: 7}},
		{Name: "z", Value: schemas.NumberOf(3)},
	}
	told, _ := admit(t, e)
	if told == nil {
		t.Fatal("nothing was told")
	}
	if told.Time != told.Received {
		t.Errorf("an event of the future happened at %v, received at %v", told.Time, told.Received)
	}
	want := []schemas.Identifier{{Namespace: "email", Value: "sarah@example.org"}, {Namespace: "device", Value: "X"}, {Namespace: "phone", Value: "+4930123456"}, {Namespace: "partner", Value: "p"}}
	if !slices.Equal(told.Identifiers, want) {
		t.Errorf("identifiers are %v, want %v", told.Identifiers, want)
	}
	if want := (schemas.Properties{{Name: "a", Value: schemas.BooleanOf(true)}, {Name: "z", Value: schemas.NumberOf(3)}}); !slices.Equal(told.Properties, want) {
		t.Errorf("properties are %v, want %v", told.Properties, want)
	}
}

func TestAnEventWithoutATimeHappenedWhenItWasReceived(t *testing.T) {
	e := event("1", 1, "email:a")
	e.Time = 0
	if told, _ := admit(t, e); told == nil || told.Time != e.Received {
		t.Errorf("told %+v", told)
	}
}

func TestAnEventOfWorthlessIdentifiersIsDroppedAndCounted(t *testing.T) {
	told, w := admit(t, event("1", 1, "email:guest", "device:000"))
	if told != nil || len(w.letters) != 0 || len(w.rows) != 0 || w.drops[identity.DropBlocked] != 1 {
		t.Errorf("told %v, %d letters, %d rows, drops %v", told, len(w.letters), len(w.rows), w.drops)
	}
}

func TestABlockedValueLinksNobodyEvenWhenItIsBlockedLater(t *testing.T) {
	events := []*schemas.Event{event("1", 1, "email:a", "device:guest"), event("2", 2, "email:b", "device:guest")}
	w := run(t, 4, loose(), events, loopFirst)
	if people := w.people(); people["email:a"] != people["email:b"] {
		t.Fatal("not linked even while the value is allowed")
	}
	w.follow(guarded())
	w.sweep(instant(10))
	w.rest(loopFirst)
	if people := w.people(); people["email:a"] == people["email:b"] {
		t.Error("the blocked value still links")
	}
	w = run(t, 4, guarded(), events, loopFirst)
	if people := w.people(); people["email:a"] == people["email:b"] || len(people) != 2 {
		t.Errorf("the blocked value links or is somebody: %v", people)
	}
}

func TestNormalisingTwiceIsNormalisingOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		once := identity.Normalise(schemas.Identifier{
			Namespace: rapid.OneOf(rapid.SampledFrom([]string{"email", "phone", " Phone "}), rapid.String()).Draw(t, "namespace"),
			Value:     rapid.OneOf(rapid.StringMatching(`[ 0-9+().-]{0,12}`), rapid.String()).Draw(t, "value"),
		})
		if twice := identity.Normalise(once); twice != once {
			t.Fatalf("%q becomes %q", once, twice)
		}
	})
}

func TestNoEventPanicsTheStage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
			rapid.SampledFrom([]string{identity.Unlink, identity.Relink, identity.Why, "email", "phone", "crm"}))
		value := rapid.Custom(func(t *rapid.T) schemas.Value {
			return schemas.Value{Kind: schemas.Kind(rapid.IntRange(0, 5).Draw(t, "kind")), Number: rapid.Float64().Draw(t, "number"), Text: text.Draw(t, "text")}
		})
		properties := rapid.SliceOf(rapid.Custom(func(t *rapid.T) schemas.Property {
			return schemas.Property{Name: text.Draw(t, "name"), Value: value.Draw(t, "value")}
		}))
		e := &schemas.Event{
			ID: text.Draw(t, "id"), Name: text.Draw(t, "name"), Source: text.Draw(t, "source"),
			Time: schemas.Instant(rapid.Int64().Draw(t, "time")), Received: schemas.Instant(rapid.Int64Range(-1, 1<<44).Draw(t, "received")),
			Identifiers: rapid.SliceOf(rapid.Custom(func(t *rapid.T) schemas.Identifier {
				return schemas.Identifier{Namespace: text.Draw(t, "namespace"), Value: text.Draw(t, "value")}
			})).Draw(t, "identifiers"),
			Properties: properties.Draw(t, "properties"), Attributes: properties.Draw(t, "attributes"),
		}
		told, w := admit(t, e) // fails on a panic
		if told == nil && len(w.letters) == 0 && w.drops[identity.DropBlocked]+w.drops[identity.DropCommand] == 0 {
			t.Fatal("the event is gone without a word")
		}
	})
}

func TestATelephoneNumberThatIsNoneIsDropped(t *testing.T) {
	rules := definition.DefaultIdentity()
	for _, value := range []string{"-1", "0", "00000000", "+000", "--", " - ", "n/a", "unknown"} {
		w := newWorld(t, 1, rules)
		e := event("1", 1, "phone:"+value)
		w.put(e)
		w.rest(loopFirst)
		if w.drops[identity.DropBlocked] != 1 {
			t.Errorf("%q is somebody: %v", value, w.people())
		}
	}
}

func TestATelephoneNumberOfTheCountryIsWrittenAsAbroad(t *testing.T) {
	for _, c := range []struct{ country, sent, want string }{ // want empty: refused
		{"DE", "030 123456", "+4930123456"}, {"DE", "+49 30 123456", "+4930123456"}, {"DE", "0049 30 123456", "+4930123456"},
		{"DE", "+33 1 23 45 67 89", "+33123456789"}, {"DE", "123456", ""}, {"DE", "4930123456", ""}, {"DE", "0301", ""},
		{"FR", "01 23 45 67 89", "+33123456789"}, {"FR", "01 23 45 67", ""}, {"FR", "01 23 45 67 89 10", ""},
		{"ES", "912 345 678", "+34912345678"}, {"ES", "34912345678", "+34912345678"}, {"ES", "345678", ""},
		{"IT", "06 1234567", "+39061234567"}, {"IT", "39061234567", ""}, {"IT", "390612345678", "+390612345678"},
		{"US", "(415) 555-0132", "+14155550132"}, {"US", "1-415-555-0132", "+14155550132"}, {"US", "555-0132", ""},
		{"GB", "020 7946 0018", "+442079460018"}, {"", "030 123456", "030123456"},
	} {
		set, err := definition.Parse("rules.yaml", []byte("kind: identity\nnamespaces: [{name: email, priority: 9}, {name: phone, country: \""+c.country+"\"}]\n"))
		if c.country == "" {
			set, err = definition.Parse("rules.yaml", []byte("kind: identity\nnamespaces: [{name: email, priority: 9}, {name: phone}]\n"))
		}
		if err != nil {
			t.Fatal(err)
		}
		plan, err := set.Compile()
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, 1, plan.Identity)
		w.put(event("1", 1, "email:a", "phone:"+c.sent))
		w.rest(loopFirst)
		switch {
		case c.want == "" && (len(w.letters) != 1 || w.letters[0].Reason != "kairos-identity-ambiguous-phone"):
			t.Errorf("%s in %s: %d dead letters", c.sent, c.country, len(w.letters))
		case c.want != "" && w.people()["phone:"+c.want] == "":
			t.Errorf("%s in %s is %v", c.sent, c.country, w.people())
		}
	}
}
