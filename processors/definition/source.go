package definition

import "slices"

// Source is the tracking plan of a sender of events: what it is known to send.
type Source struct {
	Name        string
	Description string
	Events      []string // sorted
	Unplanned   Unplanned
}

// Unplanned says what becomes of events that a source does not plan.
type Unplanned uint8

// What may become of them.
const (
	Pass   Unplanned = iota // they count like any other
	Flag                    // they count, and say that nobody planned them: see UnplannedField
	Refuse                  // they are dead letters
)

// UnplannedField is the property that a flagged event has, true.
const UnplannedField = "unplanned"

var unplannedWords = []string{Pass: "pass", Flag: "flag", Refuse: "refuse"}

// sources reads the tracking plans.
func (c *compilation) sources() {
	for _, d := range c.of("source") {
		f := d.fields
		s := Source{Name: d.name, Description: d.describe(&f).description}
		if s.Events = values(f.texts("events")); len(s.Events) == 0 {
			d.refuse(f.node, "field \"events\" is missing", "add a line such as `events: [view, purchase]`: what the source sends")
		}
		slices.Sort(s.Events)
		if node := f.required("unplanned", "flag"); node != nil {
			word := slices.Index(unplannedWords, node.Value)
			if word < 0 {
				d.refuse(node, "field \"unplanned\" is none of pass, flag and refuse", suggest(node.Value, unplannedWords))
			}
			s.Unplanned = Unplanned(max(word, 0))
		}
		f.done("a source")
		c.plan.Sources = append(c.plan.Sources, s)
	}
}
