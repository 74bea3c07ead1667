package naive

import (
	"time"

	"kairos/processors/expression"
	"kairos/schemas"
)

// dwell looks at every instant of the time in question at which anything may
// have changed, and at its ends. What p knows besides events counts as it is.
func (p *Person) dwell(d *expression.Dwell, events []told, t schemas.Instant) schemas.Value {
	began := t.Add(-d.For)
	instants, seen := []schemas.Instant{began, t}, false
	for _, e := range events {
		seen = seen || e.at <= began
		instants = append(instants, e.at)
		for _, part := range d.Parts {
			for _, after := range append(waits(part), part.Window) {
				instants = append(instants, e.at.Add(after))
			}
		}
	}
	for _, at := range instants {
		if at < began || at > t {
			continue
		}
		then := &Person{ID: p.ID, Attributes: p.Attributes, Terms: map[int64]schemas.Value{}}
		for _, part := range d.Parts {
			then.Terms[part.ID] = value(part, events, at)
		}
		if !seen || !d.Holds(inputs{then}) {
			return schemas.BooleanOf(false)
		}
	}
	return schemas.BooleanOf(true)
}

// changesAfter lists how long after an event the passing of time may change a
// term.
func changesAfter(term *expression.Term) []time.Duration {
	if term.Dwell == nil {
		return append(waits(term), term.Window)
	}
	all := []time.Duration{term.Dwell.For}
	for _, part := range term.Dwell.Parts {
		for _, after := range append(waits(part), part.Window) {
			all = append(all, after, after+term.Dwell.For)
		}
	}
	return all
}
