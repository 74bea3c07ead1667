package identity

import (
	"slices"
	"strings"

	"kairos/processors/definition"
	"kairos/schemas"
)

// What an event says of consent becomes attributes, one for each purpose, so
// that it travels, survives and is asked for like any other:
//
//   - an event `consent`: each boolean property is a purpose;
//   - what consent platforms put into the context of any event (Segment's
//     context.consent.categoryPreferences);
//   - Global Privacy Control (context.gpc, or gpc; the doors make the header Sec-GPC
//     of it): the person opts out of sale and sharing, as the signal's specification
//     has it, and of targeted advertising, as the laws that honour it add, from the
//     event's time on.
//
// An attribute that the event sets itself is more than any of these.
const (
	consentEvent  = "consent"
	contextPrefix = "context.consent.categoryPreferences."
)

var (
	gpcSignals  = []string{"context.gpc", "gpc"}
	gpcPurposes = []string{"sale", "sharing", "targeted_advertising"}
)

// consents gives the attributes with those; attributes itself if there are none.
func consents(event string, properties, attributes schemas.Properties) schemas.Properties {
	said := attributes
	say := func(purpose string, word schemas.Value) {
		name := definition.ConsentPrefix + purpose
		if word.Kind != schemas.Boolean || purpose == "" || len(name) > maxNameBytes || attributes.Has(name) {
			return
		}
		if same(said, attributes) { // which is the event's
			said = slices.Clip(slices.Clone(attributes))
		}
		said = said.Set(name, word)
	}
	for i := range properties {
		p := &properties[i]
		purpose, platform := strings.CutPrefix(p.Name, contextPrefix)
		switch {
		case slices.Contains(gpcSignals, p.Name):
		case platform:
			say(purpose, p.Value)
		case event == consentEvent:
			say(p.Name, p.Value)
		}
	}
	for _, signal := range gpcSignals {
		if properties.Get(signal).True() {
			for _, purpose := range gpcPurposes {
				say(purpose, schemas.BooleanOf(false))
			}
		}
	}
	return said
}
